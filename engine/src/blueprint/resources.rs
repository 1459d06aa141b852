//! From blocks to resources: kinds, providers, `for_each`, `when`, and what is said of any resource.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use trueup_state::{Address, FieldPath, Key, KindName, ProviderName, Value, codec};

use super::expand::early;
use super::schema::{Block, File, TRUTH, known_fields};
use super::sight::suggest;
use super::source::{Content, Node};
use super::{Catalog, Each, Instances, Resource, Scope, providers};
use crate::diagnostic::{Diagnostic, Span, with_article};
use crate::provider::Candidate;
use crate::schema::Schema;

/// What a file's blocks come to.
pub(super) struct Expansion {
    pub(super) blocks: BTreeMap<Address, Instances>,
    pub(super) resources: BTreeMap<Address, Resource>,
    /// The schema of each block's kind; none for a native one.
    pub(super) schemas: BTreeMap<Address, Option<&'static Schema>>,
}

/// What the expansion of blocks reads and writes.
struct Expander<'a, 'p> {
    catalog: &'a Catalog,
    providers: &'a mut BTreeMap<ProviderName, Value>,
    early: &'a Scope,
    base: &'a Path,
    problems: &'p mut Vec<Diagnostic>,
}

/// Expands the blocks of a file.
pub(super) fn expand(
    file: &File<'_>,
    catalog: &Catalog,
    providers: &mut BTreeMap<ProviderName, Value>,
    early: &Scope,
    base: &Path,
    problems: &mut Vec<Diagnostic>,
) -> Expansion {
    let mut expansion = Expansion { blocks: BTreeMap::new(), resources: BTreeMap::new(), schemas: BTreeMap::new() };
    let mut expander = Expander { catalog, providers, early, base, problems };
    for block in &file.resources {
        expander.block(block, &mut expansion);
    }
    for name in &file.broken.resources {
        expansion.blocks.insert(Address::root(*name), Instances::One);
    }
    for block in &file.resources {
        depend(block, &mut expansion, problems);
    }
    expansion
}

impl Expander<'_, '_> {
    fn block(&mut self, block: &Block<'_>, expansion: &mut Expansion) {
        let address = Address::root(&block.name.text);
        let kind = self.kind(block);
        let schema = kind.as_ref().and_then(|kind| self.catalog.kinds.get(kind)).copied();
        if let Some(schema) = schema {
            self.paths(block, schema);
        }
        expansion.schemas.insert(address.clone(), schema);
        let known = self.problems.len();
        let Some(eachs) = self.instances(block) else {
            // It was reported; a block that could be anything raises no further problems where it is read.
            expansion.blocks.insert(address, Instances::One);
            return;
        };
        let keyed = block.for_each.is_some();
        let mut keys = Vec::new();
        for each in eachs {
            let scope = Scope { each: each.clone(), ..self.early.clone() };
            if !self.holds(block.when, &scope, "`when`", true) {
                continue;
            }
            let address = each.as_ref().map_or_else(|| address.clone(), |each| address.with_key(each.key.clone()));
            keys.extend(each.as_ref().map(|each| each.key.clone()));
            let resource = kind.as_ref().and_then(|kind| self.resource(block, kind, address.clone(), &scope));
            if let Some(resource) = resource {
                expansion.resources.insert(address, resource);
            } else if keyed && self.problems.len() > known {
                // What is wrong with one instance is as a rule wrong with all.
                expansion.blocks.insert(address.block(), Instances::One);
                return;
            } else if !keyed {
                expansion.blocks.insert(address, Instances::One);
                return;
            }
        }
        let instances = match (keyed, expansion.resources.contains_key(&address)) {
            (true, _) => Instances::Keyed(keys),
            (false, true) => Instances::One,
            (false, false) => Instances::Absent,
        };
        expansion.blocks.insert(address, instances);
    }

    fn kind(&mut self, block: &Block<'_>) -> Option<KindName> {
        let (text, span) = block.kind?;
        let kind = KindName::from(text);
        if kind.is_native() || self.catalog.kinds.contains_key(&kind) {
            return Some(kind);
        }
        let known: Vec<&str> = self.catalog.kinds.keys().map(KindName::as_str).collect();
        let help = suggest(text, &known, "there are", "this program knows no kinds");
        self.problems
            .push(Diagnostic::error(format!("there is no kind `{text}`")).at(span, "no kind has this name").help(help));
        None
    }

    /// Whether the fields that `ignore` and `drift` name are there.
    fn paths(&mut self, block: &Block<'_>, schema: &Schema) {
        let all = block.ignore.iter().chain(block.correct.iter().flatten());
        for (path, span) in all.filter(|(path, _)| schema.field(path).is_none()) {
            let first =
                path.steps().first().map(|step| FieldPath::from(vec![step.clone()]).to_string()).unwrap_or_default();
            let help = suggest(&first, &schema.fields(), "there are", "it has no fields");
            let kind = with_article(block.kind.map_or("resource", |(kind, _)| kind));
            self.problems.push(
                Diagnostic::error(format!("{kind} has no field `{path}`"))
                    .at(*span, "no field has this name")
                    .help(help),
            );
        }
    }

    /// The instances of a block: one without a key where it has no `for_each`. None where they can't be told, which is reported.
    fn instances(&mut self, block: &Block<'_>) -> Option<Vec<Option<Each>>> {
        let Some(node) = block.for_each else { return Some(vec![None]) };
        let value = early(node, self.early, "`for_each`", self.problems)?;
        match keyed(value) {
            Ok(eachs) => Some(eachs.into_iter().map(Some).collect()),
            Err(problem) => {
                let (message, help) = problem;
                self.problems.push(Diagnostic::error(message).at(node.span, "this `for_each`").help(help));
                None
            }
        }
    }

    /// A condition that must be known early.
    fn holds(&mut self, node: Option<&Node>, scope: &Scope, what: &str, default: bool) -> bool {
        let Some(node) = node else { return default };
        match early(node, scope, what, self.problems) {
            Some(value) => match value.revealed() {
                Value::Bool(holds) => *holds,
                other => {
                    let message =
                        format!("{what} is {}, where `true` or `false` belongs", super::sight::article(other));
                    self.problems.push(Diagnostic::error(message).at(node.span, "this value").help(TRUTH));
                    default
                }
            },
            None => default,
        }
    }

    fn resource(&mut self, block: &Block<'_>, kind: &KindName, address: Address, scope: &Scope) -> Option<Resource> {
        let candidates = self.candidates(block, kind, scope)?;
        let provider = match (candidates.first(), block.provider) {
            (Some(first), _) => first.provider.clone(),
            (None, Some(node)) => self.provider(node, kind, scope)?,
            (None, None) => providers::only(kind, block.name.span, self.catalog, self.providers, self.problems)?,
        };
        let validate = block.validate.and_then(|node| self.validate(node, scope));
        Some(Resource {
            address,
            kind: kind.clone(),
            provider,
            candidates,
            spec: block.spec.clone(),
            base: self.base.to_path_buf(),
            module: None,
            each: scope.each.clone(),
            depends_on: BTreeSet::new(),
            reads: BTreeSet::new(),
            protect: self.holds(block.protect, scope, "`protect`", false),
            ignore: block.ignore.iter().map(|(path, _)| path.clone()).collect(),
            correct: block.correct.as_ref().map(|paths| paths.iter().map(|(path, _)| path.clone()).collect()),
            create_first: block.create_first,
            validate,
            span: block.name.span,
        })
    }

    fn provider(&mut self, node: &Node, kind: &KindName, scope: &Scope) -> Option<ProviderName> {
        let value = early(node, scope, "`provider`", self.problems)?;
        let Value::String(text) = &value else {
            self.problems.push(super::schema::wrong_type(node, "`provider`", "a provider's name"));
            return None;
        };
        providers::named(text, node.span, kind, self.catalog, self.providers, self.problems)
    }

    fn candidates(&mut self, block: &Block<'_>, kind: &KindName, scope: &Scope) -> Option<Vec<Candidate>> {
        let Some(node) = block.placement else { return Some(Vec::new()) };
        if let Some(provider) = block.provider {
            let problem =
                Diagnostic::error("a resource has either `provider` or `placement`").at(provider.span, "this provider");
            self.problems
                .push(problem.at(node.span, "this placement").help("name the provider in each entry of the placement"));
            return None;
        }
        let Content::List(entries) = &node.content else {
            let problem = super::schema::wrong_type(node, "`placement`", "a list");
            self.problems
                .push(problem.help("write one entry for each choice: `- { provider: aws, region: us-east-1 }`"));
            return None;
        };
        entries.iter().enumerate().map(|(position, entry)| self.candidate(position, entry, kind, scope)).collect()
    }

    fn candidate(&mut self, position: usize, entry: &Node, kind: &KindName, scope: &Scope) -> Option<Candidate> {
        let Some(provider) = entry.get("provider") else {
            let problem = Diagnostic::error("an entry of `placement` has no provider").at(entry.span, "this entry");
            self.problems.push(problem.help("write `{ provider: NAME }`"));
            return None;
        };
        let provider = self.provider(provider, kind, scope)?;
        let mut fields = BTreeMap::new();
        for (name, node) in entry.entries().iter().filter(|(name, _)| name.text != "provider") {
            let value = early(node, scope, "`placement`", self.problems)?;
            if value.has_secret() {
                self.problems.push(
                    Diagnostic::error("a placement can't hold a secret")
                        .at(node.span, "this is secret")
                        .help("it would show in the plan: use a variable that is no secret"),
                );
                return None;
            }
            fields.insert(name.text.clone(), codec::reveal(&value)?);
        }
        Some(Candidate { position, provider, fields })
    }

    fn validate(&mut self, node: &Node, scope: &Scope) -> Option<Value> {
        if !matches!(node.content, Content::Map(_)) {
            self.problems.push(
                super::schema::wrong_type(node, "`validate`", "a map").help("write `validate: { level: quick }`"),
            );
            return None;
        }
        known_fields(node, "in `validate`", &["level", "minimum", "on_failure", "attempts"], &[], self.problems);
        early(node, scope, "`validate`", self.problems)
    }
}

/// The instances of a `for_each`, or what is wrong and what to do.
fn keyed(value: Value) -> Result<Vec<Each>, (String, String)> {
    const SECRET: &str = "`for_each` is secret, and its keys would show in addresses";
    let secret = || (SECRET.to_owned(), "take the keys from something that is no secret".to_owned());
    let eachs: Vec<Each> = match value {
        Value::Map(map) => map.into_iter().map(|(key, value)| Each { key: Key::String(key), value }).collect(),
        Value::List(items) => {
            let strings = items.iter().all(|item| matches!(item.revealed(), Value::String(_)));
            let integers = items.iter().all(|item| matches!(item.revealed(), Value::Number(number) if number.is_i64()));
            if (strings || integers) && items.iter().any(Value::has_secret) {
                return Err(secret());
            }
            let each = |(index, value): (usize, Value)| {
                let key = match &value {
                    Value::String(text) if strings => Key::String(text.clone()),
                    Value::Number(number) if integers => Key::Integer(number.as_i64().unwrap_or_default()),
                    _ => Key::Integer(i64::try_from(index).unwrap_or(i64::MAX)),
                };
                Each { key, value }
            };
            items.into_iter().enumerate().map(each).collect()
        }
        Value::Secret(_) => return Err(secret()),
        other => {
            let message = format!("`for_each` is {}, where a list or a map belongs", super::sight::article(&other));
            let help = match other {
                Value::Number(number) => format!("for so many of it, write `{{{{ range({number}) }}}}`"),
                _ => "write one entry for each instance: `[a, b]`, or `{ a: …, b: … }`".to_owned(),
            };
            return Err((message, help));
        }
    };
    let mut seen = BTreeSet::new();
    match eachs.iter().find(|each| !seen.insert(&each.key)) {
        Some(twice) => {
            Err((format!("`for_each` has {} twice", twice.key), "each instance needs a key of its own".to_owned()))
        }
        None => Ok(eachs),
    }
}

/// Resolves `depends_on`, once all blocks are there.
fn depend(block: &Block<'_>, expansion: &mut Expansion, problems: &mut Vec<Diagnostic>) {
    let found: BTreeSet<Address> =
        block.depends_on.iter().filter_map(|(text, span)| dependency(text, *span, expansion, problems)).collect();
    if found.is_empty() {
        return;
    }
    let address = Address::root(&block.name.text);
    let addresses: Vec<Address> = match expansion.blocks.get(&address) {
        Some(Instances::Keyed(keys)) => keys.iter().map(|key| address.with_key(key.clone())).collect(),
        _ => vec![address],
    };
    for address in addresses {
        if let Some(resource) = expansion.resources.get_mut(&address) {
            resource.depends_on.clone_from(&found);
        }
    }
}

fn dependency(text: &str, span: Span, expansion: &Expansion, problems: &mut Vec<Diagnostic>) -> Option<Address> {
    let help = |name: &str| {
        let known: Vec<&str> = expansion.blocks.keys().map(Address::name).collect();
        suggest(name, &known, "there are", "there are no resources")
    };
    let Ok(address) = text.parse::<Address>() else {
        let message = format!("`{text}` is no resource's name");
        problems.push(
            Diagnostic::error(message)
                .at(span, "this entry")
                .help("write the name alone, or one instance: `trainer[\"a\"]`"),
        );
        return None;
    };
    let Some(instances) = expansion.blocks.get(&address.block()) else {
        let message = format!("there is no resource `{}`", address.block());
        problems.push(Diagnostic::error(message).at(span, "no resource has this name").help(help(address.name())));
        return None;
    };
    match (address.key(), instances) {
        (None, Instances::Absent) => None,
        (Some(key), Instances::Keyed(keys)) if !keys.contains(key) => {
            let message = format!("`{}` has no instance {key}", address.block());
            let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
            problems.push(Diagnostic::error(message).at(span, "this entry").help(suggest(
                &key.to_string(),
                &keys,
                "its keys are",
                "its `for_each` is empty",
            )));
            None
        }
        (Some(_), Instances::One | Instances::Absent) if expansion.resources.contains_key(&address.block()) => {
            let message = format!("`{}` has no instances: it has no `for_each`", address.block());
            problems
                .push(Diagnostic::error(message).at(span, "this entry").help(format!("write `{}`", address.block())));
            None
        }
        _ => Some(address),
    }
}
