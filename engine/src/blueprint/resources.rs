//! From blocks to resources: kinds, providers, placements, and what is said of any resource.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trueup_state::{Address, FieldPath, Key, KindName, ProviderName, Value, codec};

use super::check::Subject;
use super::expand::{Expander, MAX_RESOURCES, Stop};
use super::fields::VALIDATE_SCHEMA;
use super::foreign;
use super::schema::{self, Block as Text};
use super::sight::{article, suggest};
use super::source::{Content, Node};
use super::world::{Instances, Scope, Visible};
use super::{Block, Resource};
use crate::diagnostic::{Diagnostic, Span, closest, with_article};
use crate::provider::Candidate;
use crate::schema::Schema;

/// What may be said of what exists already: how often it is read, and where.
const SAID_OF_EXISTING: [&str; 7] = ["kind", "provider", "placement", "for_each", "when", "depends_on", "existing"];

impl<'a> Expander<'a, '_> {
    /// Expands a block.
    pub(super) fn block(&mut self, address: &Address, text: &'a Text<'a>) -> Result<(), Stop> {
        let done = self.resources_of(address, text);
        if matches!(done, Err(Stop::Wrong)) {
            // It was reported; a block that could be anything raises no further problems where it is read.
            self.frame().name_block(address.clone(), Instances::One);
        }
        done
    }

    fn resources_of(&mut self, address: &Address, text: &'a Text<'a>) -> Result<(), Stop> {
        let module = address.parent();
        let kind = self.kind(text);
        let schema = kind.as_ref().and_then(|kind| self.blueprint.catalog.kinds.get(kind)).copied();
        if let Some(schema) = schema {
            self.paths(text, schema);
        }
        let outside = self.scope(module.clone());
        let mut shared = BTreeSet::new();
        let mut present = Vec::new();
        for each in self.instances(text.for_each, &outside, &mut shared)? {
            let scope = Scope { each, ..outside.clone() };
            let mut reads = shared.clone();
            if self.holds(text.when, &scope, "`when`", true, &mut reads)? {
                present.push((scope, reads));
            }
        }
        drop(outside);
        if self.resources.len() + present.len() > MAX_RESOURCES {
            return Err(self.too_many(text.name.span, MAX_RESOURCES, "resources"));
        }
        let Some(kind) = kind else { return Err(Stop::Wrong) };
        let block = Arc::new(Block {
            kind,
            spec: text.spec.clone(),
            base: self.blueprint.trees[self.rooms[&module].file].base.clone(),
            module,
            ignore: text.ignore.iter().map(|(path, _)| path.clone()).collect(),
            correct: text.correct.as_ref().map(|paths| paths.iter().map(|(path, _)| path.clone()).collect()),
            create_first: text.create_first,
            span: text.name.span,
            existing_span: text.existing.map(|node| node.span),
            schema,
        });
        self.options(text);
        let fixed = self.fixed_provider(text, &block)?;
        let resource = |(scope, reads)| self.resource(address, text, &block, &scope, fixed.as_ref(), reads);
        let found = present.into_iter().map(resource).collect::<Result<Vec<_>, _>>()?;
        if let Some(first) = found.first() {
            self.placement_fields(text, &block, &first.candidates);
        }
        self.settle(address, text.for_each.is_some(), &block, found);
        Ok(())
    }

    /// Takes a block's resources in, and lets them be seen.
    fn settle(&mut self, address: &Address, keyed: bool, block: &Arc<Block>, found: Vec<Resource>) {
        let keys: Vec<Key> = found.iter().filter_map(|resource| resource.address.key().cloned()).collect();
        let instances = match (keyed, found.is_empty()) {
            (true, _) => Instances::Keyed(keys.into()),
            (false, true) => Instances::Absent,
            (false, false) => Instances::One,
        };
        let unseen = found.first().map(|first| Arc::new(unseen(block, &first.provider)));
        self.frame().set_block(address.clone(), instances, unseen, block.schema);
        self.resources.extend(found.into_iter().map(|resource| (resource.address.clone(), resource)));
    }

    fn kind(&mut self, text: &Text<'_>) -> Option<KindName> {
        let (name, span) = text.kind?;
        let kind = KindName::from(name);
        let kinds = &self.blueprint.catalog.kinds;
        if kind.is_native() || kinds.contains_key(&kind) {
            return Some(kind);
        }
        let known: Vec<&str> = kinds.keys().map(KindName::as_str).collect();
        let help = match foreign::kind(name).filter(|meant| known.contains(meant)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => suggest(name, &known, "there are", "this program knows no kinds"),
        };
        self.problems
            .push(Diagnostic::error(format!("there is no kind `{name}`")).at(span, "no kind has this name").help(help));
        None
    }

    /// Whether the fields that `ignore` and `drift` name are there.
    fn paths(&mut self, text: &Text<'_>, schema: &Schema) {
        let all = text.ignore.iter().chain(text.correct.iter().flatten());
        for (path, span) in all.filter(|(path, _)| schema.field(path).is_none()) {
            let first =
                path.steps().first().map(|step| FieldPath::from(vec![step.clone()]).to_string()).unwrap_or_default();
            let help = suggest(&first, &schema.fields(), "there are", "it has no fields");
            let kind = with_article(text.kind.map_or("resource", |(kind, _)| kind));
            self.problems.push(
                Diagnostic::error(format!("{kind} has no field `{path}`"))
                    .at(*span, "no field has this name")
                    .help(help),
            );
        }
    }

    /// Whether `options` names providers.
    fn options(&mut self, text: &Text<'_>) {
        let catalog = &self.blueprint.catalog;
        let known: Vec<&String> =
            catalog.providers.keys().chain(catalog.left_out.keys()).chain(&catalog.planned).collect();
        for (name, _) in text.spec.get("options").map(Node::entries).unwrap_or_default() {
            if !known.contains(&&name.text) {
                let message = format!("`options` has something for `{}`, and no provider has that name", name.text);
                let help = suggest(&name.text, &known, "there are", "this program has no providers");
                self.problems.push(Diagnostic::error(message).at(name.span, "no provider has this name").help(help));
            }
        }
    }

    fn resource(
        &mut self,
        address: &Address,
        text: &Text<'_>,
        block: &Arc<Block>,
        scope: &Scope,
        fixed: Option<&ProviderName>,
        mut reads: BTreeSet<Address>,
    ) -> Result<Resource, Stop> {
        let candidates = self.candidates(text, &block.kind, scope, &mut reads)?;
        let provider = match (fixed, candidates.first(), text.provider) {
            (Some(fixed), _, _) => fixed.clone(),
            (_, Some(first), _) => first.provider.clone(),
            (_, None, Some(node)) => self.provider(node, &block.kind, scope, &mut reads)?,
            (_, None, None) => self.only_provider(&block.kind, text.name.span, scope.module.as_ref())?,
        };
        Ok(Resource {
            address: scope.each.as_ref().map_or_else(|| address.clone(), |each| address.with_key(each.key.clone())),
            block: block.clone(),
            provider,
            candidates,
            each: scope.each.clone(),
            existing: self.existing(text, scope, &mut reads)?,
            depends_on: Arc::default(),
            protect: self.holds(text.protect, scope, "`protect`", false, &mut reads)?,
            validate: text.validate.map(|node| self.validate(node, scope, &mut reads)).transpose()?,
            reads,
        })
    }

    /// The provider of all instances of a block, where no expression tells that of each.
    fn fixed_provider(&mut self, text: &Text<'_>, block: &Block) -> Result<Option<ProviderName>, Stop> {
        match text.provider {
            _ if text.placement.is_some() => Ok(None),
            None => self.only_provider(&block.kind, text.name.span, block.module.as_ref()).map(Some),
            Some(Node { content: Content::String(name), span }) => {
                self.named_provider(name, *span, &block.kind, block.module.as_ref()).map(Some)
            }
            Some(_) => Ok(None),
        }
    }

    fn provider(
        &mut self,
        node: &Node,
        kind: &KindName,
        scope: &Scope,
        reads: &mut BTreeSet<Address>,
    ) -> Result<ProviderName, Stop> {
        match self.early(node, scope, "`provider`", reads)? {
            Value::String(name) => self.named_provider(&name, node.span, kind, scope.module.as_ref()),
            Value::Secret(_) => {
                let problem = Diagnostic::error("`provider` can't be secret").at(node.span, "this is secret");
                Err(self.wrong(problem.help("it shows in the plan: use a variable that is no secret")))
            }
            other => {
                let message = format!("`provider` is {}, where a provider's name belongs", article(&other));
                Err(self.wrong(Diagnostic::error(message).at(node.span, "this value").help("write its name: `local`")))
            }
        }
    }

    /// Reports that a blueprint comes to too many of something, at the first that is too much, and expands no more.
    pub(super) fn too_many(&mut self, span: Span, most: usize, what: &str) -> Stop {
        self.stop();
        let problem = Diagnostic::error(format!("the blueprint comes to more than {most} {what}"));
        self.wrong(problem.at(span, "here it is too much").help("do `for_each` of modules in each other multiply?"))
    }

    /// Reports what is wrong.
    pub(super) fn wrong(&mut self, problem: Diagnostic) -> Stop {
        self.problems.push(problem);
        Stop::Wrong
    }

    fn candidates(
        &mut self,
        text: &Text<'_>,
        kind: &KindName,
        scope: &Scope,
        reads: &mut BTreeSet<Address>,
    ) -> Result<Vec<Candidate>, Stop> {
        let Some(node) = text.placement else { return Ok(Vec::new()) };
        if let Some(provider) = text.provider {
            let problem =
                Diagnostic::error("a resource has either `provider` or `placement`").at(provider.span, "this provider");
            let problem = problem.at(node.span, "this placement");
            return Err(self.wrong(problem.help("name the provider in each entry of the placement")));
        }
        let Content::List(entries) = &node.content else {
            let problem = schema::wrong_type(node, "`placement`", "a list");
            let help = "write one entry for each choice: `- { provider: aws, region: us-east-1 }`";
            return Err(self.wrong(problem.help(help)));
        };
        if entries.is_empty() {
            let problem = Diagnostic::error("`placement` is empty").at(node.span, "nothing to choose from");
            return Err(self.wrong(problem.help("name at least one place: `- { provider: local }`, or leave it out")));
        }
        let entries = entries.iter().enumerate();
        entries.map(|(position, entry)| self.candidate(position, entry, kind, scope, reads)).collect()
    }

    fn candidate(
        &mut self,
        position: usize,
        entry: &Node,
        kind: &KindName,
        scope: &Scope,
        reads: &mut BTreeSet<Address>,
    ) -> Result<Candidate, Stop> {
        let Some(provider) = entry.get("provider") else {
            let problem = Diagnostic::error("an entry of `placement` has no provider");
            return Err(self.wrong(match schema::misspelt(entry, "provider", &["provider"]) {
                Some(name) => problem.at(name.span, "nothing has this name").help("did you mean `provider`?"),
                None => problem.at(entry.span, "this entry").help("write `{ provider: NAME }`"),
            }));
        };
        let provider = self.provider(provider, kind, scope, reads)?;
        let mut fields = BTreeMap::new();
        for (name, node) in entry.entries().iter().filter(|(name, _)| name.text != "provider") {
            let value = self.early(node, scope, "`placement`", reads)?;
            let plain = codec::reveal(&value).filter(|_| !value.has_secret());
            let Some(plain) = plain else {
                let problem = Diagnostic::error("a placement can't hold a secret").at(node.span, "this is secret");
                return Err(self.wrong(problem.help("it would show in the plan: use a variable that is no secret")));
            };
            fields.insert(name.text.clone(), plain);
        }
        Ok(Candidate { position, provider, fields })
    }

    fn validate(&mut self, node: &Node, scope: &Scope, reads: &mut BTreeSet<Address>) -> Result<Value, Stop> {
        if !matches!(node.content, Content::Map(_)) {
            let problem = schema::wrong_type(node, "`validate`", "a map");
            return Err(self.wrong(problem.help("write `validate: { level: quick }`")));
        }
        let value = self.early(node, scope, "`validate`", reads)?;
        let (what, sources) = ("`validate`".to_owned(), &self.blueprint.sources);
        let subject = Subject { schema: &VALIDATE_SCHEMA, node, span: node.span, what, general: &[], sources };
        self.problems.extend(subject.problems(&value, scope));
        self.problems.extend(at_odds(node, &value));
        Ok(value)
    }

    /// Whether the entries of a placement are settings of their provider or fields of the kind.
    fn placement_fields(&mut self, text: &Text<'_>, block: &Block, candidates: &[Candidate]) {
        let entries = match text.placement.map(|node| &node.content) {
            Some(Content::List(entries)) => &entries[..],
            _ => return,
        };
        for (entry, candidate) in entries.iter().zip(candidates) {
            let provider = self.blueprint.catalog.providers.get(candidate.provider.provider());
            let (Some(provider), Some(schema)) = (provider, block.schema) else { continue };
            let known: Vec<&str> = provider.settings.fields().into_iter().chain(schema.fields()).collect();
            let unknown = entry
                .entries()
                .iter()
                .filter(|(name, _)| name.text != "provider" && !known.contains(&name.text.as_str()));
            self.problems.extend(unfit(entry, candidate, &[provider.settings, schema]));
            for (name, _) in unknown {
                let message = format!(
                    "`{}` is neither a setting of the provider `{}` nor a field of {}",
                    name.text,
                    candidate.provider.provider(),
                    with_article(block.kind.as_str())
                );
                let help = suggest(&name.text, &known, "there are", "leave it out");
                self.problems.push(Diagnostic::error(message).at(name.span, "nothing has this name").help(help));
            }
        }
    }

    /// The id or name of something that is read and never managed. Nothing else may be said of it.
    fn existing(
        &mut self,
        text: &Text<'_>,
        scope: &Scope,
        reads: &mut BTreeSet<Address>,
    ) -> Result<Option<String>, Stop> {
        let Some(node) = text.existing else { return Ok(None) };
        let others = text.said.entries().iter().filter(|(name, _)| !SAID_OF_EXISTING.contains(&name.text.as_str()));
        for (name, _) in others {
            let message = format!("`{}` can't be said of what exists already", name.text);
            let problem = Diagnostic::error(message).at(name.span, "nothing is changed by it");
            let help =
                match closest(&name.text, SAID_OF_EXISTING).filter(|_| !schema::META.contains(&name.text.as_str())) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "leave it out; what is there is read as it is, and never managed".to_owned(),
                };
            self.problems.push(problem.at(node.span, "this is read").help(help));
        }
        let value = self.early(node, scope, "`existing`", reads)?;
        if value.has_secret() {
            let problem = Diagnostic::error("`existing` can't be secret").at(node.span, "this is secret");
            return Err(self.wrong(problem.help("it shows in the plan: use a variable that is no secret")));
        }
        match value.revealed() {
            Value::String(name) if !name.is_empty() => Ok(Some(name.clone())),
            other => {
                let message = format!("`existing` is {}, where a name or an id belongs", article(other));
                let problem = Diagnostic::error(message).at(node.span, "this value");
                Err(self.wrong(problem.help("write what the provider calls it: `existing: acme-shared-data`")))
            }
        }
    }
}

/// What is wrong with the values of an entry of a placement, each a setting of its provider or a field of the kind.
fn unfit(entry: &Node, candidate: &Candidate, schemas: &[&Schema]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut taken = BTreeSet::new();
    for schema in schemas {
        let names: BTreeSet<&str> = schema.fields().into_iter().collect();
        let own = candidate.fields.iter().filter(|(name, _)| names.contains(name.as_str()));
        let own: Vec<_> = own.filter(|(name, _)| taken.insert((*name).clone())).collect();
        let value = own.into_iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        // What is not said here is said elsewhere.
        let problems = schema.problems(&Value::Map(value)).into_iter().filter(|problem| !problem.path.is_root());
        for problem in problems {
            let message = problem.message.strip_prefix("this ").unwrap_or(&problem.message);
            let span = entry.nearest(&problem.path).unwrap_or(entry.span);
            found.push(Diagnostic::error(format!("`{}` {message}", problem.path)).at(span, "this value"));
        }
    }
    found
}

/// What is seen of a resource of which nothing is known.
fn unseen(block: &Block, provider: &ProviderName) -> Visible {
    let attributes = block.schema.map_or(Value::Unknown, Schema::unknown_attributes);
    let stable = block.schema.map_or(Value::Unknown, |schema| schema.stable_attributes(&attributes));
    Visible { kind: block.kind.clone(), provider: provider.clone(), attributes, stable }
}

/// Whether a text is a block of addresses: `203.0.113.7/32`.
fn is_block(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match address.parse() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

/// What a `validate` says that the rest of it makes meaningless.
fn at_odds(node: &Node, value: &Value) -> Option<Diagnostic> {
    let text = |field: &str| value.get(field).and_then(Value::as_str);
    let said = |field: &str| value.get(field).and(node.get(field));
    let is_burnt = |name: &Value| matches!(name.as_str(), Some("burn" | "throttle"));
    let burnt = value.get("require").and_then(Value::as_list).into_iter().flatten().find(|name| is_burnt(name));
    let level = text("level").unwrap_or("quick");
    if let (Some(from), Some(node)) = (text("from").filter(|from| !is_block(from)), said("from")) {
        let message =
            format!("those who may connect for a check are a CIDR block, as `203.0.113.7/32`, and not `{from}`");
        return Some(Diagnostic::error(message).at(node.span, "this is no block of addresses"));
    }
    let (field, message, help) = match level {
        _ if said("from").is_some() && text("via") != Some("ssh") => {
            ("from", "nobody connects for this check".to_owned(), "`from` goes with `via: ssh`")
        }
        "quick" | "standard" if said("seconds").is_some() => {
            ("seconds", format!("`level: {level}` takes as long as it takes"), "`seconds` goes with `level: burn`")
        }
        "quick" if burnt.is_some() => {
            ("require", "`level: quick` burns nothing".to_owned(), "say `level: standard` or `burn`, or leave it out")
        }
        _ => return None,
    };
    Some(Diagnostic::error(message).at(said(field)?.span, "this is of no use").help(help))
}
