//! `providers`: whose settings are whose, and who makes a resource.

use std::collections::BTreeMap;

use trueup_state::{KindName, ProviderName, Value};

use super::check::Subject;
use super::expand::early;
use super::sight::suggest;
use super::source::{Content, Name, Node};
use super::{Catalog, Scope};
use crate::diagnostic::{Diagnostic, Span, with_article};

/// The settings of the configured providers.
pub(super) fn resolve(
    entries: &[(&Name, &Node)],
    catalog: &Catalog,
    scope: &Scope,
    problems: &mut Vec<Diagnostic>,
) -> BTreeMap<ProviderName, Value> {
    let mut providers = BTreeMap::new();
    for (name, node) in entries {
        let provider = ProviderName::from(&name.text);
        if !is_name(&name.text) {
            let problem = Diagnostic::error(format!("`{}` can't be the name of a provider", name.text));
            problems.push(
                problem
                    .at(name.span, "this name")
                    .help("write the provider, and an alias after a point where there are several: `aws.eu`"),
            );
            continue;
        }
        if let Some(problem) = unknown(&provider, name.span, catalog) {
            problems.push(problem);
            continue;
        }
        let settings = settings(&provider, node, name.span, catalog, scope, problems);
        providers.insert(provider, settings.unwrap_or(Value::Unknown));
    }
    providers
}

fn is_name(text: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
    };
    let (provider, alias) = text.split_once('.').unwrap_or((text, "a"));
    word(provider) && word(alias)
}

fn settings(
    provider: &ProviderName,
    node: &Node,
    span: Span,
    catalog: &Catalog,
    scope: &Scope,
    problems: &mut Vec<Diagnostic>,
) -> Option<Value> {
    let schema = &catalog.providers.get(provider.provider())?.settings;
    let mut value = match &node.content {
        Content::Null => Value::Map(trueup_state::Map::new()),
        _ => early(node, scope, &format!("the provider `{provider}`"), problems)?,
    };
    schema.complete(&mut value);
    let subject = Subject { schema, node, span, what: format!("the provider `{provider}`") };
    problems.extend(subject.problems(&value, scope));
    Some(value)
}

/// What is wrong with a provider's name, if anything is.
fn unknown(provider: &ProviderName, span: Span, catalog: &Catalog) -> Option<Diagnostic> {
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
    let help = suggest(name, &known, "there are", "this program has no providers");
    Some(Diagnostic::error(format!("there is no provider `{name}`")).at(span, "this provider").help(help))
}

/// Who makes a resource that names its provider. One without settings in `providers` has the defaults, if those will do.
pub(super) fn named(
    text: &str,
    span: Span,
    kind: &KindName,
    catalog: &Catalog,
    providers: &mut BTreeMap<ProviderName, Value>,
    problems: &mut Vec<Diagnostic>,
) -> Option<ProviderName> {
    let provider = ProviderName::from(text);
    if let Some(problem) = unknown(&provider, span, catalog) {
        problems.push(problem);
        return None;
    }
    let entry = catalog.providers.get(provider.provider())?;
    if !providers.contains_key(&provider) {
        if text.contains('.') {
            let known: Vec<&str> = providers.keys().map(ProviderName::as_str).collect();
            let none = format!("add it: `providers: {{ {text}: {{}} }}`");
            let problem = Diagnostic::error(format!("`providers` has no `{text}`")).at(span, "this provider");
            problems.push(problem.help(suggest(text, &known, "there are", &none)));
            return None;
        }
        let mut settings = Value::Map(trueup_state::Map::new());
        entry.settings.complete(&mut settings);
        if let Some(missing) = entry.settings.problems(&settings).first() {
            problems.push(
                Diagnostic::error(format!("the provider `{text}` needs settings: {}", missing.message))
                    .at(span, "this provider")
                    .help(format!("write them once for all resources: `providers: {{ {text}: {{ … }} }}`")),
            );
            return None;
        }
        providers.insert(provider.clone(), settings);
    }
    if !kind.is_native() && !entry.kinds.contains(kind) {
        let makers = makers(kind, catalog);
        let help = if makers.is_empty() {
            "no provider in this program does".to_owned()
        } else {
            format!("there is `provider: {}`", makers.join("`, `provider: "))
        };
        problems.push(
            Diagnostic::error(format!("the provider `{text}` makes no {kind}")).at(span, "this provider").help(help),
        );
        return None;
    }
    Some(provider)
}

/// Who makes a resource that does not name its provider: the one configured provider that can.
pub(super) fn only(
    kind: &KindName,
    span: Span,
    catalog: &Catalog,
    providers: &BTreeMap<ProviderName, Value>,
    problems: &mut Vec<Diagnostic>,
) -> Option<ProviderName> {
    let makes = |name: &ProviderName| {
        catalog.providers.get(name.provider()).is_some_and(|entry| kind.is_native() || entry.kinds.contains(kind))
    };
    let able: Vec<&ProviderName> = providers.keys().filter(|name| makes(name)).collect();
    let (message, help) = match &able[..] {
        [one] => return Some((*one).clone()),
        [] => {
            let help = match makers(kind, catalog).first() {
                Some(one) => format!("add one: `providers: {{ {one}: {{}} }}`, or `provider: {one}` here"),
                None if kind.is_native() => "say whose kind it is: `provider: …`".to_owned(),
                None => "no provider in this program makes it".to_owned(),
            };
            (format!("no configured provider makes {}", with_article(kind.as_str())), help)
        }
        several => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            (
                format!("several providers make {}: {}", with_article(kind.as_str()), names.join(", ")),
                format!("say which: `provider: {}`", names[0]),
            )
        }
    };
    problems.push(Diagnostic::error(message).at(span, "this resource").help(help));
    None
}

fn makers<'a>(kind: &KindName, catalog: &'a Catalog) -> Vec<&'a str> {
    catalog.providers.iter().filter(|(_, entry)| entry.kinds.contains(kind)).map(|(name, _)| name.as_str()).collect()
}
