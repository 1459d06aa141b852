//! What a name in a blueprint means, for people and machines.

mod native;

use owo_colors::OwoColorize;
use serde_json::{Map as JsonMap, Value as Json, json};
use trueup_engine::blueprint::explain::{PROPERTIES, Role, Topic};
use trueup_engine::help::{Help, Inner, inner, plain, type_words};
use trueup_engine::schema::variants;

/// How wide text is, in columns.
const WIDTH: usize = 100;

/// The keys of a schema that say what a value may be, with what they are called here.
const BOUNDS: [(&str, &str); 11] = [
    ("default", "default"),
    ("x-default", "default"),
    ("minimum", "at least"),
    ("maximum", "at most"),
    ("minLength", "characters, at least"),
    ("maxLength", "characters, at most"),
    ("minItems", "items, at least"),
    ("maxItems", "items, at most"),
    ("pattern", "pattern"),
    ("items.pattern", "pattern of each"),
    ("x-at-most", "no more than"),
];

/// The keys of our own that a person should know of, in a word and in a sentence.
const MARKS: [(&str, &str, &str); 6] = [
    ("x-immutable", "replaces", "a change replaces the resource"),
    ("x-secret", "secret", "it is kept out of everything that is shown or stored in clear"),
    ("x-write-only", "never read back", "it is sent, and never read back"),
    ("x-computed", "filled in", "Trueup fills it in"),
    (
        "x-on-delete",
        "when deleted",
        "it matters only when the resource is deleted, and goes then by what the blueprint says",
    ),
    ("x-volatile", "may change", "it may change without a replacement"),
];

/// What is said of a field that is chosen from several, of which one must be there.
const CHOICE: &str = "one of these";

/// A sort of things that one word names: its title, its name in JSON, and what is one.
type Group = (&'static str, &'static str, fn(&Role) -> bool);

const GROUPS: [Group; 3] = [
    ("Kinds", "kinds", |role| matches!(role, Role::Kind { .. })),
    ("Sections of a blueprint", "sections", |role| matches!(role, Role::Section)),
    ("Providers", "providers", |role| matches!(role, Role::Provider { .. })),
];

/// What can be explained, one a line.
pub(crate) fn list(topics: &[Topic]) -> String {
    let width = topics.iter().map(|topic| topic.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (title, _, is_one) in GROUPS {
        text.push_str(&format!("{}\n", title.bold()));
        for topic in topics.iter().filter(|topic| is_one(&topic.role)) {
            text.push_str(&entry(&topic.name, width, &summary(topic)));
        }
        text.push('\n');
    }
    text.push_str(
        "`trueup explain endpoint` tells a kind's fields, `trueup explain endpoint.health` more of one of them,\n",
    );
    text.push_str("`trueup explain resources` what may be said of any resource.\n");
    text
}

fn summary(topic: &Topic) -> String {
    match &topic.role {
        Role::Provider { kinds } if kinds.is_empty() => "Makes native kinds alone.".to_owned(),
        Role::Provider { kinds } => format!("Makes {}.", kinds.join(", ")),
        _ => Help::of(&topic.schema).summary().to_owned(),
    }
}

/// All that is known of a topic.
pub(crate) fn topic(topic: &Topic) -> String {
    let help = Help::of(&topic.schema);
    let mut text = format!("{}   {}\n", topic.name.bold(), heading(topic).cyan());
    let words = match &topic.role {
        Role::Native { native, .. } => &native.description,
        _ => &help.text,
    };
    if !words.is_empty() {
        text.push_str(&format!("\n{}", wrapped(words, "", "")));
    }
    let facts = facts(topic, &help);
    if !facts.is_empty() {
        text.push('\n');
        let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in facts {
            text.push_str(&entry(&name, width, &value));
        }
    }
    text.push_str(&choices(&topic.schema));
    match (&topic.role, topic.schema.pointer(&format!("/properties/{PROPERTIES}"))) {
        (Role::Native { .. }, Some(own)) => text.push_str(&fields("Under `properties`", own, &topic.role)),
        _ => text.push_str(&fields("Fields", &topic.schema, &topic.role)),
    }
    if let Some(attributes) = topic.role.attributes() {
        text.push_str(&fields("Attributes, known once it exists", attributes, &Role::Attribute));
    }
    if let Role::Native { native, .. } = &topic.role {
        text.push_str(&native::permissions(native));
    }
    if let (Role::Kind { .. }, Some(example)) = (&topic.role, help.values().first()) {
        text.push_str(&format!("\n{}\n{}", "Example".bold(), resource(&topic.name, example)));
    }
    text
}

fn heading(topic: &Topic) -> String {
    match &topic.role {
        Role::Kind { .. } => "kind".to_owned(),
        Role::Native { .. } => "native kind".to_owned(),
        Role::Provider { .. } => "provider".to_owned(),
        Role::Section | Role::Field => type_words(&topic.schema),
        Role::Attribute => format!("attribute, {}", type_words(&topic.schema)),
    }
}

/// What is known of a topic besides its words, a line each.
fn facts(topic: &Topic, help: &Help) -> Vec<(String, String)> {
    let schema = &topic.schema;
    let mut facts = Vec::new();
    let mut add = |name: &str, value: String| facts.push((name.to_owned(), value));
    match &topic.role {
        Role::Kind { makers, .. } if makers.is_empty() => add("made by", "no provider in this program".to_owned()),
        Role::Kind { makers, .. } => add("made by", makers.join(", ")),
        Role::Native { maker, native } => {
            add("made by", maker.clone());
            native::facts(native).into_iter().for_each(|(name, value)| add(&name, value));
        }
        Role::Provider { kinds } => add("makes", kinds.join(", ")),
        Role::Section | Role::Field => {
            let is_required = match (topic.required, topic.choice) {
                (true, _) => "yes",
                (false, true) => CHOICE,
                (false, false) => "no",
            };
            add("required", is_required.to_owned());
        }
        Role::Attribute => {}
    }
    for (key, name) in BOUNDS {
        let found = key.split('.').try_fold(schema, |schema, key| schema.get(key));
        if let Some(value) = found.filter(|value| !value.is_null()) {
            add(name, plain(value));
        }
    }
    marks(schema).for_each(|(_, _, sentence)| add("note", (*sentence).to_owned()));
    if topic.role.attributes().is_none() && !help.examples.is_empty() {
        add(if help.examples.len() == 1 { "example" } else { "examples" }, help.examples.join("  "));
    }
    facts
}

fn marks(schema: &Json) -> impl Iterator<Item = &'static (&'static str, &'static str, &'static str)> {
    MARKS.iter().filter(|(key, _, _)| schema.get(key) == Some(&Json::Bool(true)))
}

/// What a field may be, where that is a choice whose entries say something.
fn choices(schema: &Json) -> String {
    let said: Vec<(String, String)> = variants(schema)
        .map(|variant| (type_words(variant), Help::of(variant).text))
        .filter(|(_, words)| !words.is_empty())
        .collect();
    if said.is_empty() {
        return String::new();
    }
    let width = said.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = format!("\n{}\n", "Choices".bold());
    for (name, words) in said {
        text.push_str(&entry(&name, width, &words));
    }
    text
}

/// The fields of a map, each with its type, its marks, and what it means.
fn fields(title: &str, schema: &Json, role: &Role) -> String {
    let inner = inner(schema);
    if inner.is_empty() {
        return String::new();
    }
    let width = inner.iter().map(|field| field.name.len()).max().unwrap_or(0);
    let mut text = format!("\n{}\n", title.bold());
    for field in inner {
        let Inner { name, schema, required, choice } = field;
        let mut notes: Vec<&str> = marks(schema).map(|(_, word, _)| *word).collect();
        // Of an attribute, being required says only that it is always known.
        if required && !matches!(role, Role::Attribute) {
            notes.insert(0, "required");
        }
        if choice && !matches!(role, Role::Attribute) {
            notes.insert(0, CHOICE);
        }
        let gap = " ".repeat(width - name.len());
        let notes: Vec<String> = notes.iter().map(|note| format!("  {}", note.yellow())).collect();
        text.push_str(&format!("  {}{gap}  {}{}\n", name.bold(), type_words(schema).cyan(), notes.concat()));
        text.push_str(&wrapped(&Help::of(schema).text, "      ", "      "));
    }
    text
}

/// A resource as it stands in a blueprint.
fn resource(kind: &str, example: &Json) -> String {
    let mut text = format!("  resources:\n    my_{kind}:\n");
    for (name, value) in example.as_object().into_iter().flatten() {
        text.push_str(&format!("      {name}: {}\n", flow(value)));
    }
    text
}

/// A value on one line of YAML.
fn flow(value: &Json) -> String {
    let is_plain = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '.' || c == '/')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
            && !["true", "false", "null", "yes", "no", "on", "off"].contains(&text)
    };
    match value {
        Json::Object(map) if map.is_empty() => "{}".to_owned(),
        Json::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(name, value)| format!("{name}: {}", flow(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Json::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Json::String(text) if is_plain(text) => text.clone(),
        // JSON's text in quotes is YAML's too.
        other => other.to_string(),
    }
}

/// A name and what is to be said of it, in two columns.
fn entry(name: &str, width: usize, text: &str) -> String {
    wrapped(text, &format!("  {name:width$}  "), &" ".repeat(width + 4))
}

fn wrapped(text: &str, first: &str, further: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(further)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .break_words(false);
    format!("{}\n", textwrap::fill(text, options))
}

/// What can be explained, each name with its summary.
pub(crate) fn list_json(topics: &[Topic]) -> Json {
    let group = |(_, key, is_one): Group| {
        let chosen = topics.iter().filter(|topic| is_one(&topic.role));
        let names: JsonMap<_, _> = chosen.map(|topic| (topic.name.clone(), summary(topic).into())).collect();
        (key.to_owned(), Json::from(names))
    };
    GROUPS.into_iter().map(group).collect()
}

/// The schema of a topic, with our own keys; of a kind, that of its spec and of its attributes.
pub(crate) fn topic_json(topic: &Topic) -> Json {
    match &topic.role {
        Role::Kind { attributes, makers } => {
            json!({ "kind": topic.name, "providers": makers, "spec": topic.schema, "attributes": attributes })
        }
        Role::Native { maker, native } => native::json(&topic.name, maker, native),
        Role::Provider { kinds } => json!({ "provider": topic.name, "kinds": kinds, "settings": topic.schema }),
        Role::Section | Role::Field | Role::Attribute => {
            json!({ "name": topic.name, "required": topic.required, "schema": topic.schema })
        }
    }
}
