//! `providers`: whose settings are whose, and who makes a resource.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trueup_state::{Address, FieldPath, KindName, ProviderName, Value};

use super::check::Subject;
use super::expand::{Expander, Stop};
use super::schema::File;
use super::sight::suggest;
use super::source::{Content, Name, Node};
use super::world::Scope;
use super::{Settings, evaluate};
use crate::diagnostic::{Diagnostic, Span, with_article};

/// A provider as a file configures it.
pub(super) struct Configured<'a> {
    /// Its entry in `providers`; none where it has the defaults.
    entry: Option<(&'a Name, &'a Node)>,
    pub(super) settings: Settings,
}

impl<'a> Expander<'a, '_> {
    /// The providers that a file configures, their settings yet to be evaluated.
    pub(super) fn configured(&mut self, file: &File<'a>) -> BTreeMap<ProviderName, Configured<'a>> {
        let mut configured = BTreeMap::new();
        for (name, node) in &file.providers {
            let provider = ProviderName::from(&name.text);
            if !is_name(&name.text) {
                let problem = Diagnostic::error(format!("`{}` can't be the name of a provider", name.text));
                self.problems.push(
                    problem
                        .at(name.span, "this name")
                        .help("write the provider, and an alias after a point where there are several: `aws.eu`"),
                );
            } else if let Some(problem) = self.unknown_provider(&provider, name.span) {
                self.problems.push(problem);
            } else {
                configured.insert(provider, Configured { entry: Some((name, node)), settings: Settings::default() });
            }
        }
        configured
    }

    /// Evaluates the tags and the settings of providers, once there is all that they may read.
    pub(super) fn settings(&mut self) {
        for module in self.rooms.keys().cloned().collect::<Vec<_>>() {
            let before = self.problems.len();
            let scope = self.scope(module.clone());
            let tags = self.tags(&scope);
            let entries: Vec<(ProviderName, &Name, &Node)> = self.rooms[&module]
                .providers
                .iter()
                .filter_map(|(provider, configured)| {
                    configured.entry.map(|(name, node)| (provider.clone(), name, node))
                })
                .collect();
            let settings: Vec<_> = entries
                .into_iter()
                .map(|(provider, name, node)| (self.evaluated(&provider, name.span, node, &scope), provider))
                .collect();
            if let Some(room) = self.rooms.get_mut(&module) {
                room.tags = tags;
                for (settings, provider) in settings {
                    if let Some(configured) = room.providers.get_mut(&provider) {
                        configured.settings = settings;
                    }
                }
            }
            self.in_module(before, module.as_ref());
        }
    }

    fn evaluated(&mut self, provider: &ProviderName, span: Span, node: &Node, scope: &Scope) -> Settings {
        let Some(entry) = self.blueprint.catalog.providers.get(provider.provider()) else { return Settings::default() };
        let mut evaluated = evaluate(node, scope);
        if matches!(node.content, Content::Null) {
            evaluated.value = Value::Map(trueup_state::Map::new());
        }
        self.problems.extend(evaluated.problems);
        self.early.extend(evaluated.reads.iter().cloned());
        entry.settings.complete(&mut evaluated.value);
        if let Some(secret) = first_secret(&evaluated.value, &FieldPath::root()) {
            let message = format!("a setting of the provider `{provider}` can't be secret");
            let problem = Diagnostic::error(message).at(node.nearest(&secret).unwrap_or(span), "this is secret");
            self.problems
                .push(problem.help("settings are recorded with what they make: name where the secret is kept"));
            return Settings { value: Value::Unknown, reads: evaluated.reads, node: None };
        }
        let (what, sources) = (format!("the provider `{provider}`"), &self.blueprint.sources);
        let subject = Subject { schema: entry.settings, node, span, what, general: &[], sources };
        self.problems.extend(subject.problems(&evaluated.value, scope));
        Settings { value: evaluated.value, reads: evaluated.reads, node: Some(Arc::new(node.clone())) }
    }

    /// What is wrong with a provider's name, if anything is.
    fn unknown_provider(&self, provider: &ProviderName, span: Span) -> Option<Diagnostic> {
        let catalog = &self.blueprint.catalog;
        let name = provider.provider();
        if catalog.providers.contains_key(name) {
            return None;
        }
        if let Some(command) = catalog.left_out.get(name) {
            return Some(
                Diagnostic::error(format!("the provider `{name}` is not built into this program"))
                    .at(span, "this provider")
                    .help(format!("build it in: {command}")),
            );
        }
        let known: Vec<&String> = catalog.providers.keys().chain(catalog.left_out.keys()).collect();
        if catalog.planned.contains(name) {
            let problem = Diagnostic::error(format!("this version has no provider `{name}` yet"));
            return Some(problem.at(span, "this provider").help(suggest("", &known, "there are", "there is none")));
        }
        let help = suggest(name, &known, "there are", "this program has no providers");
        Some(Diagnostic::error(format!("there is no provider `{name}`")).at(span, "this provider").help(help))
    }

    /// The providers that a module has: its own, and those of what it stands in.
    fn providers_seen(&self, module: Option<&Address>) -> BTreeSet<ProviderName> {
        let around = std::iter::successors(Some(module.cloned()), |inner| inner.as_ref().map(Address::parent));
        around.filter_map(|module| self.rooms.get(&module)).flat_map(|room| room.providers.keys().cloned()).collect()
    }

    /// Who makes a resource that names its provider. One without settings in `providers` has the defaults, if those will do.
    pub(super) fn named_provider(
        &mut self,
        text: &str,
        span: Span,
        kind: &KindName,
        module: Option<&Address>,
    ) -> Result<ProviderName, Stop> {
        let provider = ProviderName::from(text);
        if let Some(problem) = self.unknown_provider(&provider, span) {
            return Err(self.wrong(problem));
        }
        let seen = self.providers_seen(module);
        if !seen.contains(&provider)
            && let Err(problem) = self.configure_default(&provider, &seen)
        {
            return Err(self.wrong(problem.at(span, "this provider")));
        }
        let entry = self.blueprint.catalog.providers.get(provider.provider());
        if entry.is_some_and(|entry| !entry.makes(kind)) {
            let makers = self.makers(kind);
            let help = if makers.is_empty() && kind.is_native() {
                let portable: Vec<&str> =
                    entry.into_iter().flat_map(|entry| &entry.kinds).map(KindName::as_str).collect();
                format!("a native kind is one cloud's own; it makes the kinds {}", portable.join(", "))
            } else if makers.is_empty() {
                "no provider in this program does".to_owned()
            } else {
                format!("there is `provider: {}`", makers.join("`, `provider: "))
            };
            let problem = Diagnostic::error(format!("the provider `{text}` makes no {kind}")).at(span, "this provider");
            return Err(self.wrong(problem.help(help)));
        }
        Ok(provider)
    }

    /// Gives the whole blueprint a provider that no file configures.
    fn configure_default(&mut self, provider: &ProviderName, seen: &BTreeSet<ProviderName>) -> Result<(), Diagnostic> {
        let text = provider.as_str();
        if text.contains('.') {
            let known: Vec<&str> = seen.iter().map(ProviderName::as_str).collect();
            let none = format!("add it: `providers: {{ {text}: {{}} }}`");
            let problem = Diagnostic::error(format!("`providers` has no `{text}`"));
            return Err(problem.help(suggest(text, &known, "there are", &none)));
        }
        let Some(entry) = self.blueprint.catalog.providers.get(text) else { return Ok(()) };
        let mut value = Value::Map(trueup_state::Map::new());
        entry.settings.complete(&mut value);
        if let Some(missing) = entry.settings.problems(&value).first() {
            let problem = Diagnostic::error(format!("the provider `{text}` needs settings: {}", missing.message));
            return Err(problem.help(format!("write them once for all resources: `providers: {{ {text}: {{ … }} }}`")));
        }
        if let Some(room) = self.rooms.get_mut(&None) {
            let settings = Settings { value, ..Settings::default() };
            room.providers.insert(provider.clone(), Configured { entry: None, settings });
        }
        Ok(())
    }

    /// Who makes a resource that does not name its provider: the one configured provider that can.
    pub(super) fn only_provider(
        &mut self,
        kind: &KindName,
        span: Span,
        module: Option<&Address>,
    ) -> Result<ProviderName, Stop> {
        let catalog = &self.blueprint.catalog;
        let makes = |name: &ProviderName| catalog.providers.get(name.provider()).is_some_and(|entry| entry.makes(kind));
        let able: Vec<ProviderName> = self.providers_seen(module).into_iter().filter(|name| makes(name)).collect();
        let (message, help) = match &able[..] {
            [one] => return Ok(one.clone()),
            [] => {
                let help = match self.makers(kind).first() {
                    Some(one) => format!("add one: `providers: {{ {one}: {{}} }}`, or `provider: {one}` here"),
                    None if kind.is_native() => {
                        "a native kind is one cloud's own, and no provider in this program has it".to_owned()
                    }
                    None => "no provider in this program makes it".to_owned(),
                };
                (format!("no configured provider makes {}", with_article(kind.as_str())), help)
            }
            several => {
                let names: Vec<&str> = several.iter().map(ProviderName::as_str).collect();
                (
                    format!("several providers make {}: {}", with_article(kind.as_str()), names.join(", ")),
                    format!("say which: `provider: {}`", names[0]),
                )
            }
        };
        Err(self.wrong(Diagnostic::error(message).at(span, "this resource").help(help)))
    }

    fn makers(&self, kind: &KindName) -> Vec<&'a str> {
        let providers = self.blueprint.catalog.providers.iter();
        providers.filter(|(_, entry)| entry.makes(kind)).map(|(name, _)| name.as_str()).collect()
    }
}

/// Where the first secret of a value stands.
fn first_secret(value: &Value, path: &FieldPath) -> Option<FieldPath> {
    match value {
        Value::Secret(_) => Some(path.clone()),
        Value::Map(map) => map.iter().find_map(|(name, value)| first_secret(value, &path.field(name))),
        Value::List(items) => items.iter().enumerate().find_map(|(at, item)| first_secret(item, &path.index(at))),
        _ => None,
    }
}

fn is_name(text: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
    };
    let (provider, alias) = text.split_once('.').unwrap_or((text, "a"));
    word(provider) && word(alias)
}
