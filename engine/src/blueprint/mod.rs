//! From text to resources.
//!
//! [`source`] is a file's text as one tree with spans; [`schema`] knows what may stand where in a file; [`expression`] evaluates
//! what stands in `{{ }}`; [`expand`] resolves variables, `for_each` and modules into [`Resource`]s.

mod alike;
mod bytes;
mod calls;
mod check;
mod declaration;
mod depend;
pub mod document;
mod dry_run;
mod environment;
pub mod expand;
pub mod explain;
pub mod expression;
mod failure;
mod fields;
mod files;
mod foreign;
mod functions;
mod hidden;
mod hints;
mod instances;
mod leads;
mod miss;
mod modules;
pub(crate) mod moved;
mod operators;
mod parse;
mod providers;
mod resources;
mod scalar;
pub mod schema;
#[cfg(test)]
mod secrecy;
mod sight;
pub mod source;
mod tags;
mod template;
pub mod terraform;
mod tokens;
mod tracking;
mod variables;
mod widen;
pub mod world;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::{fmt, io};

use trueup_state::{Address, FieldPath, KindName, Map, Place, ProviderName, Value};

use crate::diagnostic::{Diagnostic, Severity, Sources, Span};
use crate::graph::Graph;
use crate::provider::Candidate;
use crate::schema::Schema;

pub use expression::{Evaluated, Template, evaluate};
pub use moved::{Move, MoveTable};
pub(crate) use sight::is_reference;
pub use source::{Content, Node};
pub use world::{Each, EachValue, Frame, Instances, Known, Scope, Visible, World};

/// The most bytes that a blueprint's file may have.
pub const MAX_BYTES: usize = 10 * 1024 * 1024;

/// What reads the files that a blueprint names.
pub trait Loader {
    /// The bytes of a file. Of one with more than [`MAX_BYTES`], more than those need not be read.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The same for all paths that lead to one file.
    fn identity(&self, path: &Path) -> PathBuf {
        path.to_path_buf()
    }
}

/// What a blueprint is loaded with.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The environment; none for `default`.
    pub environment: Option<String>,
    /// Variables given from outside, by name; the strongest source has won already.
    pub variables: BTreeMap<String, Given>,
}

/// A variable's value as it was given from outside. Whether it is secret only its declaration tells.
#[derive(Clone)]
pub struct Given {
    /// What was given. Text from a command line or an environment variable is read as the variable's declared type.
    pub value: Value,
    /// Whether it came as text.
    pub is_text: bool,
    /// Where from, as an error says it: `--var`, `TRUEUP_VAR_model`, a file's path.
    pub origin: String,
}

/// Shows no value: it may be secret.
impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// What blueprints may name: kinds and providers.
#[derive(Debug, Default)]
pub struct Catalog {
    /// The portable kinds by name.
    pub kinds: BTreeMap<KindName, &'static Schema>,
    /// The providers that are built in.
    pub providers: BTreeMap<String, ProviderEntry>,
    /// The providers that exist and are not built in, each with the command that builds it in.
    pub left_out: BTreeMap<String, String>,
    /// The providers that are yet to be written.
    pub planned: BTreeSet<String>,
}

/// A provider as blueprints see it.
#[derive(Debug)]
pub struct ProviderEntry {
    /// The portable kinds that it makes.
    pub kinds: BTreeSet<KindName>,
    /// Whether a name is one of its native kinds', by how it is written.
    pub natives: fn(&str) -> bool,
    /// What may stand under it in `providers`.
    pub settings: &'static Schema,
}

impl ProviderEntry {
    /// Whether it makes a kind.
    pub fn makes(&self, kind: &KindName) -> bool {
        self.kinds.contains(kind) || (self.natives)(kind.as_str())
    }
}

/// A loaded blueprint: variables resolved, instances expanded, dependencies linked.
#[derive(Clone, Debug)]
pub struct Program {
    /// The blueprint's name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The environment it was loaded for.
    pub environment: String,
    /// The files it is made of, the blueprint itself first.
    pub sources: Sources,
    /// The values of its variables.
    pub variables: Map,
    /// Its resources, those of its modules too.
    pub resources: Arc<BTreeMap<Address, Resource>>,
    /// What depends on what.
    pub graph: Arc<Graph>,
    /// Its outputs.
    pub outputs: BTreeMap<String, Output>,
    /// What has got another address.
    pub moves: MoveTable,
    /// The blocks and modules of which only apply can tell how often they are there.
    pub deferred: BTreeMap<Address, Deferral>,
    /// The resources, or blocks as a whole, that were read to tell which resources there are.
    pub early: BTreeSet<Address>,
    /// What may not be as meant.
    pub warnings: Vec<Diagnostic>,
    rooms: BTreeMap<Option<Address>, Room>,
    frame: Arc<Frame>,
    known: Arc<Known>,
    blueprint: Arc<files::Blueprint>,
}

/// What holds for all that stands in a module, or in the blueprint itself.
#[derive(Clone, Debug)]
struct Room {
    tags: Map,
    providers: BTreeMap<ProviderName, Settings>,
}

/// The settings of a provider block.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Them, unknown where only apply can tell.
    pub value: Value,
    /// The resources that they read.
    pub reads: BTreeSet<Address>,
    /// As the file has them; none where they are the defaults.
    pub node: Option<Arc<Node>>,
}

/// Why it is not known yet how often something is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deferral {
    /// What of it is not known: `for_each`.
    pub what: String,
    /// The resources, or blocks as a whole, that it reads.
    pub reads: BTreeSet<Address>,
    /// Where.
    pub span: Span,
}

/// One thing that is to exist: an instance of a block, of which it has the rest.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its stable name.
    pub address: Address,
    /// What all instances of its block have in common.
    pub block: Arc<Block>,
    /// Who makes it. With a placement: who makes the first candidate.
    pub provider: ProviderName,
    /// Where it may go, in order of preference; empty without a placement.
    pub candidates: Vec<Candidate>,
    /// The instance it is of a `for_each`.
    pub each: Option<Each>,
    /// The id or the name of what is there already: it is read and never managed.
    pub existing: Option<String>,
    /// What the blueprint says it depends on: addresses of resources, of blocks with a `for_each`, or of modules.
    pub depends_on: Arc<BTreeSet<Address>>,
    /// What its expressions read: addresses of resources, or of blocks with a `for_each` read whole.
    pub reads: BTreeSet<Address>,
    /// No delete and no replace.
    pub protect: bool,
    /// How it is to be checked before anything relies on it.
    pub validate: Option<Value>,
}

/// What a blueprint says of a resource, or of all instances of a `for_each`.
#[derive(Debug)]
pub struct Block {
    /// What sort of thing it is.
    pub kind: KindName,
    /// What the blueprint says of it: a map of the kind's fields, expressions and all.
    pub spec: Arc<Node>,
    /// The directory that its paths are relative to.
    pub base: PathBuf,
    /// The module it stands in.
    pub module: Option<Address>,
    /// Paths that are not compared.
    pub ignore: BTreeSet<FieldPath>,
    /// What a scheduled run may put right.
    pub correct: Option<BTreeSet<FieldPath>>,
    /// The order of a replacement, where the blueprint says it.
    pub create_first: Option<bool>,
    /// Its name in the text.
    pub span: Span,
    /// Where it says what exists already.
    pub existing_span: Option<Span>,
    /// The schema of its kind; none for a native one.
    pub schema: Option<&'static Schema>,
}

impl std::ops::Deref for Resource {
    type Target = Block;

    fn deref(&self) -> &Block {
        &self.block
    }
}

/// An output.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its expression.
    pub node: Arc<Node>,
    /// Its name in the text.
    pub span: Span,
}

impl Resource {
    /// What its expressions see.
    pub fn scope(&self, world: &Arc<World>) -> Scope {
        Scope { world: world.clone(), module: self.module.clone(), each: self.each.clone() }
    }

    /// The line of a field of its spec, or of the nearest field around it; of its name where the spec has none.
    pub fn place(&self, sources: &Sources, path: &FieldPath) -> Option<Place> {
        sources.place(self.span_of(path))
    }

    /// Where an expression of its spec first names a resource or a block.
    pub(crate) fn place_of_read(&self, read: &Address) -> Option<Span> {
        self.spec.place_of_read(read)
    }

    /// Where a field of its spec stands in the text, or the nearest field around it.
    pub fn span_of(&self, path: &FieldPath) -> Span {
        if path.is_root() {
            self.span
        } else {
            self.spec.nearest(path).filter(|span| *span != self.spec.span).unwrap_or(self.span)
        }
    }
}

impl Program {
    /// A world for this program's expressions, in which no resource is visible yet.
    pub fn world(&self) -> Arc<World> {
        Arc::new(World::new(self.frame.clone(), Arc::default()))
    }

    /// How many resources a block stands for; none where there is no such block.
    pub fn instances(&self, block: &Address) -> Option<&Instances> {
        self.frame.block(block)
    }

    /// Whether an address has keys where, and only where, what is declared there has instances.
    pub fn has_shape_of(&self, address: &Address) -> bool {
        self.frame.has_shape_of(address)
    }

    /// The block or module that does not have what is recorded at an address any more, though it is declared, and where it is named.
    pub fn without(&self, address: &Address) -> Option<(Address, Span)> {
        self.frame.without(address)
    }

    /// What was known of resources when it was expanded.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// What a resource's provider is set to: by its module, or by what that stands in.
    pub fn settings(&self, resource: &Resource, provider: &ProviderName) -> Option<&Settings> {
        settings_of(&self.rooms, resource, provider)
    }

    /// The tags that a resource gets from its module.
    pub fn tags(&self, resource: &Resource) -> &Map {
        static NONE: LazyLock<Map> = LazyLock::new(Map::new);
        self.rooms.get(&resource.module).map_or(&NONE, |room| &room.tags)
    }

    /// Why it is not known whether there is something at an address, if it is not.
    pub fn deferral(&self, address: &Address) -> Option<(&Address, &Deferral)> {
        self.deferred.iter().find(|(deferred, _)| address.is_in(deferred))
    }
}

/// What a resource's provider is set to: by its module, or by what that stands in.
fn settings_of<'a>(
    rooms: &'a BTreeMap<Option<Address>, Room>,
    resource: &Resource,
    provider: &ProviderName,
) -> Option<&'a Settings> {
    let around = std::iter::successors(Some(resource.module.clone()), |inner| inner.as_ref().map(Address::parent));
    around.filter_map(|module| rooms.get(&module)).find_map(|room| room.providers.get(provider))
}

/// The values of a YAML file without expressions, such as a file of variables. The error says what is wrong, with its line, and repeats
/// no value: it may be secret.
pub fn plain_values(text: &str) -> Result<Value, String> {
    let line = |span: Span| text[..span.start.min(text.len())].matches('\n').count() + 1;
    let parse::Parsed { root: node, problems, .. } = parse::parse(text, crate::diagnostic::FileId(0));
    if let Some(problem) = problems.iter().find(|problem| problem.severity == Severity::Error) {
        let what = if problem.message.contains('`') { "a value or a key can't be read" } else { &problem.message };
        let place = problem.labels.first().map(|label| format!("line {}: ", line(label.span))).unwrap_or_default();
        return Err(format!("{place}{what}"));
    }
    node.map_or(Ok(Value::Null), |node| {
        node.literal().map_err(|span| format!("line {}: an expression can't stand here", line(span)))
    })
}

/// The name of a blueprint, of whose text nothing else need be right.
pub fn name_of(text: &str) -> Result<String, String> {
    let parse::Parsed { root: node, problems, .. } = parse::parse(text, crate::diagnostic::FileId(0));
    match node.as_ref().and_then(|node| node.get("blueprint")).map(|name| &name.content) {
        Some(Content::String(name)) => Ok(name.clone()),
        _ => {
            Err(problems.into_iter().next().map_or_else(|| "it has no `blueprint: NAME`".to_owned(), |one| one.message))
        }
    }
}

/// The name of a blueprint that comes closest to a text, such as a directory's name.
pub fn name_from(text: &str) -> String {
    schema::as_name(text, '-', 32)
}
