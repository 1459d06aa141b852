//! What the tests of blueprints share: a catalog, files in memory, and a plain drawing of diagnostics.

#[path = "../files/mod.rs"]
mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use files::Files;
use serde_json::{Value as Json, json};
use trueup_engine::blueprint::expand::load;
use trueup_engine::blueprint::{Catalog, Given, Inputs, Loader, Program, ProviderEntry};
use trueup_engine::diagnostic::{Diagnostics, Severity, Sources, Span};
use trueup_engine::schema::Schema;
use trueup_state::KindName;

fn object(required: &[&str], properties: &Json) -> Json {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn reference(kinds: &[&str]) -> Json {
    let mut schema = object(
        &["address", "kind", "provider", "attributes"],
        &json!({
            "address": { "type": "string" }, "kind": { "type": "string" }, "provider": { "type": "string" },
            "attributes": { "type": "object", "additionalProperties": {} },
        }),
    );
    schema["x-reference"] = json!(kinds);
    schema
}

fn text_map() -> Json {
    json!({ "type": "object", "additionalProperties": { "type": "string" }, "x-free": true })
}

type Kinds = BTreeMap<&'static str, Schema>;

static KINDS: LazyLock<Kinds> = LazyLock::new(|| {
    let uri = || object(&["uri"], &json!({ "uri": { "type": "string" }, "name": { "type": "string" } }));
    let bucket = object(&[], &json!({ "versioning": { "type": "boolean", "default": false }, "tags": text_map() }));
    let file = object(
        &["path", "content"],
        &json!({
            "path": { "type": "string", "x-path": true }, "content": { "type": "string" },
            "mode": { "enum": ["read_only", "read_write"] },
            "password": { "type": "string", "x-secret": true },
        }),
    );
    let artifact = object(
        &["bucket", "source"],
        &json!({ "bucket": reference(&["bucket"]), "source": { "type": "string" }, "copies": { "type": "array", "items": reference(&["bucket"]) } }),
    );
    let gpu = object(
        &["model", "count"],
        &json!({ "model": { "type": "string" }, "count": { "type": "integer", "minimum": 1, "maximum": 16 } }),
    );
    let instance =
        object(&["gpu"], &json!({ "gpu": gpu, "env": text_map(), "name": { "type": "string", "maxLength": 20 } }));
    let ip = object(&["ip"], &json!({ "ip": { "type": "string", "x-volatile": true }, "id": { "type": "string" } }));
    let none = || object(&[], &json!({}));
    let schema = |spec, attributes| Schema::new(1, spec, attributes, false);
    BTreeMap::from([
        ("bucket", schema(bucket, uri())),
        ("file", schema(file, none())),
        ("artifact", schema(artifact, uri())),
        ("gpu_instance", schema(instance, ip)),
        ("registry", schema(none(), uri())),
    ])
});

static SETTINGS: LazyLock<BTreeMap<&str, Schema>> = LazyLock::new(|| {
    let region = json!({ "region": { "type": "string" }, "latency": { "type": "string" } });
    let free = json!({ "type": "object", "x-free": true });
    let text = json!({ "type": "string" });
    let cloud = json!({
        "region": text, "project": text, "zone": text, "latency": { "anyOf": [text, free] }, "pending": free, "rate_limit": free, "stockouts": free, "quota": free,
        "prices": free, "faults": { "type": "array", "items": free },
    });
    let schema = |spec| Schema::new(1, spec, json!({}), false);
    BTreeMap::from([
        ("local", schema(object(&[], &json!({ "root": { "type": "string" } })))),
        ("sim", schema(object(&[], &region))),
        ("gcp", schema(object(&["region"], &region))),
        ("cloud", schema(object(&[], &cloud))),
    ])
});

/// A catalog of a few kinds and three providers.
pub(crate) fn catalog() -> Catalog {
    let kinds = |names: &[&str]| -> BTreeSet<KindName> { names.iter().map(KindName::from).collect() };
    let entry =
        |name: &str, kinds, natives: fn(&str) -> bool| ProviderEntry { kinds, natives, settings: &SETTINGS[name] };
    let local = entry("local", kinds(&["bucket", "file", "artifact"]), |_| false);
    let sim = entry("sim", KINDS.keys().map(KindName::from).collect(), |name| name.starts_with("Sim::"));
    let gcp = entry("gcp", kinds(&["bucket", "registry"]), |_| false);
    Catalog {
        kinds: KINDS.iter().map(|(name, schema)| (KindName::from(name), schema)).collect(),
        providers: BTreeMap::from([("local".to_owned(), local), ("sim".to_owned(), sim), ("gcp".to_owned(), gcp)]),
        left_out: BTreeMap::from([("aws".to_owned(), "cargo install trueup --features aws".to_owned())]),
        planned: BTreeSet::from(["azure".to_owned()]),
    }
}

/// Inputs of variables given as text.
#[allow(dead_code)]
pub(crate) fn given(variables: &[(&str, &str)]) -> Inputs {
    let given = |(name, text): &(&str, &str)| {
        (name.to_string(), Given { value: (*text).into(), is_text: true, origin: "`--var`".to_owned() })
    };
    Inputs { environment: None, variables: variables.iter().map(given).collect() }
}

/// Loads a text: a blueprint, and after lines `# file: NAME` its modules.
pub(crate) fn load_text(text: &[u8], inputs: &Inputs) -> Result<Program, Diagnostics> {
    load_with(text, inputs, &Arc::new(catalog()))
}

fn load_with(bytes: &[u8], inputs: &Inputs, catalog: &Arc<Catalog>) -> Result<Program, Diagnostics> {
    let path = Path::new("blueprint.yaml");
    load(path, inputs, &Files { path, bytes }, catalog)
}

/// A text, and beside it the files of the checked-in blueprints.
struct CheckedIn<'a>(Files<'a>);

impl Loader for CheckedIn<'_> {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        let checked_in = || std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../blueprints").join(path));
        self.0.read(path).or_else(|_| checked_in())
    }
}

/// What a blueprint may name.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code)]
pub(crate) enum Shelf {
    /// The few kinds of [`catalog`].
    Small,
    /// All portable kinds, made by one provider, `local`.
    Portable,
}

/// Loads a text with the kinds that it is written for; with all portable kinds, also with the modules of the checked-in blueprints.
#[allow(dead_code)]
pub(crate) fn load_from(shelf: Shelf, text: &[u8], inputs: &Inputs) -> Result<Program, Diagnostics> {
    static PORTABLE: LazyLock<Arc<Catalog>> = LazyLock::new(|| {
        let portable = trueup_engine::kinds::portable().into_iter();
        let kinds: BTreeMap<KindName, &'static Schema> =
            portable.map(|kind| (KindName::from(kind.name), kind.schema)).collect();
        let made: BTreeSet<KindName> = kinds.keys().cloned().collect();
        let local = ProviderEntry { kinds: made.clone(), natives: |_| false, settings: &SETTINGS["local"] };
        let aws = ProviderEntry {
            kinds: made.clone(),
            natives: |name| name.starts_with("AWS::"),
            settings: &SETTINGS["cloud"],
        };
        let gcp = ProviderEntry {
            kinds: made.clone(),
            natives: |name| name.contains(".projects."),
            settings: &SETTINGS["cloud"],
        };
        let sim =
            ProviderEntry { kinds: made, natives: |name| name.starts_with("Sim::"), settings: &SETTINGS["cloud"] };
        let planned = BTreeSet::from(["azure".to_owned()]);
        let providers = [("aws", aws), ("gcp", gcp), ("local", local), ("sim", sim)];
        let providers = providers.into_iter().map(|(name, entry)| (name.to_owned(), entry)).collect();
        Arc::new(Catalog { kinds, providers, planned, ..Catalog::default() })
    });
    match shelf {
        Shelf::Small => load_text(text, inputs),
        Shelf::Portable => {
            let path = Path::new("blueprint.yaml");
            load(path, inputs, &CheckedIn(Files { path, bytes: text }), &PORTABLE)
        }
    }
}

/// Draws diagnostics with the lines that they point to.
#[allow(dead_code)]
pub(crate) fn draw(diagnostics: &Diagnostics) -> String {
    let mut text = String::new();
    for diagnostic in &diagnostics.list {
        let severity = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let _ = writeln!(text, "{severity}: {}", diagnostic.message);
        for label in &diagnostic.labels {
            draw_label(&mut text, &diagnostics.sources, label.span, &label.text);
        }
        if let Some(context) = &diagnostic.context {
            let _ = writeln!(text, "  in: {context}");
        }
        if let Some(help) = &diagnostic.help {
            let _ = writeln!(text, "  help: {help}");
        }
        text.push('\n');
    }
    text
}

fn draw_label(text: &mut String, sources: &Sources, span: Span, label: &str) {
    let (Some(source), Some(place)) = (sources.get(span.file), sources.place(span)) else { return };
    let begin = source.text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
    let line =
        source.text[begin..].lines().next().unwrap_or_default().replace(|c: char| c.is_control() && c != '\t', "?");
    let before = source.text[begin..span.start].chars().count();
    let width = source.text[span.start..span.end].lines().next().unwrap_or_default().chars().count().max(1);
    let _ = writeln!(text, "  {}:{}:{}", place.file.display(), place.line, before + 1);
    let _ = writeln!(text, "  | {line}");
    let _ = writeln!(text, "  | {}{} {label}", " ".repeat(before), "^".repeat(width));
}
