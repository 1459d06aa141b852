//! A blueprint's text.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map as JsonMap, Value as Json, json};

use super::Block;

/// What begins something of an expression's language.
const MARKS: [&str; 3] = ["{{", "{%", "{#"];

type Settings = BTreeMap<String, String>;

/// The blueprint that has these blocks.
pub(super) fn text(blueprint: &str, blocks: &[Block<'_>]) -> String {
    let names = provider_names(blocks);
    let maker = |block: &Block<'_>| names[&(block.provider, &block.taken.settings)].clone();
    let providers: JsonMap<String, Json> =
        names.iter().map(|((_, settings), name)| (name.clone(), json!(settings))).collect();
    let mut text = String::from("# Written by `trueup adopt --from-terraform`: what Terraform manages, as it is.\n");
    text.push_str(&yaml(&json!({ "blueprint": blueprint, "providers": providers }), ""));
    text.push_str(if blocks.is_empty() { "\nresources: {}\n" } else { "\nresources:\n" });
    for block in blocks {
        let mut body = JsonMap::from_iter([("kind".to_owned(), json!(block.taken.kind))]);
        if names.len() > 1 {
            body.insert("provider".to_owned(), maker(block).into());
        }
        body.extend(block.taken.spec.as_object().cloned().unwrap_or_default());
        let theirs = block.theirs.address.replace(char::is_control, " ");
        text.push_str(&format!("  {}:  # {theirs}\n{}\n", block.name, yaml(&literal(Json::Object(body)), "    ")));
    }
    text.trim_end().to_owned() + "\n"
}

/// What each provider is called in each of its settings: the most used without an alias, others by theirs.
fn provider_names<'a>(blocks: &'a [Block<'a>]) -> BTreeMap<(&'a str, &'a Settings), String> {
    let mut counts: BTreeMap<(&str, &Settings), usize> = BTreeMap::new();
    blocks.iter().for_each(|block| *counts.entry((block.provider, &block.taken.settings)).or_default() += 1);
    let mut by_use: Vec<_> = counts.into_iter().collect();
    by_use.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut taken = BTreeSet::new();
    let mut name = |(provider, settings): (&'a str, &'a Settings)| {
        let alias = settings.values().map(String::as_str).collect::<Vec<_>>().join("-");
        let name = if taken.insert(provider) { provider.to_owned() } else { format!("{provider}.r-{alias}") };
        ((provider, settings), name)
    };
    by_use.into_iter().map(|(key, _)| name(key)).collect()
}

fn yaml(value: &Json, indent: &str) -> String {
    let text = serde_yaml::to_string(value).unwrap_or_default();
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{indent}{line}\n") }).collect()
}

/// The same with texts that no expression is read in.
fn literal(value: Json) -> Json {
    match value {
        Json::String(text) => escaped(&text).into(),
        Json::Array(items) => items.into_iter().map(literal).collect(),
        Json::Object(map) => map.into_iter().map(|(name, value)| (name, literal(value))).collect(),
        other => other,
    }
}

/// A text in which each mark that would begin something of an expression's language stands as one that it writes.
fn escaped(text: &str) -> String {
    let (mut escaped, mut rest) = (String::new(), text);
    while let Some(at) = MARKS.iter().filter_map(|mark| rest.find(mark)).min() {
        let (before, after) = rest.split_at(at);
        // Of the others a brace alone: they are refused wherever both their marks stand.
        let (mark, after) = after.split_at(if after.starts_with(MARKS[0]) { 2 } else { 1 });
        escaped.push_str(&format!("{before}{{{{ '{mark}' }}}}"));
        rest = after;
    }
    escaped + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_read_as_an_expression() {
        assert_eq!(escaped("a {b} c"), "a {b} c");
        assert_eq!(escaped("{{ x }} {% y %} {# z #}"), "{{ '{{' }} x }} {{ '{' }}% y %} {{ '{' }}# z #}");
        assert_eq!(escaped("{{{"), "{{ '{{' }}{");
    }
}
