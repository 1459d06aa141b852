//! The language's own fields: what may stand where in a blueprint, besides the fields of kinds and the settings of providers.
//!
//! One source for the reader, the JSON Schema of a blueprint, and `explain`. A description says a default and an example as the
//! doc comments of kinds do; see [`crate::help`].

use std::sync::LazyLock;

use serde_json::{Map as JsonMap, Value as Json, json};

use crate::schema::Schema;

/// The pattern of the names that expressions can say: of variables, resources, modules and outputs.
pub(super) const NAME_PATTERN: &str = "^[a-z][a-z0-9_]*$";

/// Marks a field for which, or for a part of which, an expression may stand.
pub(super) const EXPRESSION: &str = "x-expression";

/// A field of the language.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    shape: Shape,
    required: bool,
    description: &'static str,
}

/// What a field holds.
#[derive(Debug)]
enum Shape {
    /// A value that must be known before anything is evaluated, by its JSON Schema.
    Plain(fn() -> Json),
    /// A value that an expression may stand for.
    Evaluated(fn() -> Json),
    /// A map of these fields.
    Map(&'static [Field]),
    /// A list of such maps.
    List(&'static [Field]),
    /// Such maps, each under a name.
    Named(&'static [Field]),
}

use Shape::{Evaluated, List, Map, Named, Plain};

/// What may stand at the top of a file.
pub(super) const TOP: [Field; 10] = [
    required(
        "blueprint",
        Plain(blueprint_name),
        "The blueprint's name; with the environment it names the stack. Example: `llm-serving`.",
    ),
    field("description", Plain(text), "What it is for, in a sentence. Example: `Fine-tune and serve a small model`."),
    field(
        "variables",
        Named(&VARIABLE),
        "What may differ from run to run. A value comes from `--var name=value`, else `--var-file`, else `TRUEUP_VAR_name`, else the \
         default; one without a value is an error. Example: `{ replicas: { type: integer, default: 1 } }`.",
    ),
    field("tags", Plain(text_map), "Labels on every resource, beside its own. Example: `{ team: search }`."),
    field(
        "providers",
        Plain(any_map),
        "Who makes things, each with its settings; several of one provider by an alias after a point: `aws.eu`. \
         Example: `{ local: {} }`.",
    ),
    field(
        "environments",
        Named(&ENVIRONMENT),
        "What is different where one is chosen by `--env NAME`. It is merged over the rest of the file: maps by name, all else \
         replaces. Example: `{ prod: { variables: { replicas: { default: 4 } } } }`.",
    ),
    field(
        "resources",
        Named(&RESOURCE),
        "What there is to be, by name. Beside the fields below, which any resource may have, each has those of its kind. \
         Example: `{ weights: { kind: bucket } }`.",
    ),
    field(
        "modules",
        Named(&MODULE),
        "Other blueprints that are a part of this one. Their resources have addresses such as `eval/results`, their outputs are \
         `module.eval.NAME`. Example: `{ eval: { source: ./modules/eval.yaml } }`.",
    ),
    field(
        "moved",
        List(&MOVED),
        "New names of what exists under old ones, so that nothing is made again. Example: `[{ from: llm_weights, to: weights }]`.",
    ),
    field(
        "outputs",
        Plain(any_map),
        "What `trueup output` prints, and what a module gives to who uses it. Example: `{ url: \"{{ chat.url }}\" }`.",
    ),
];

/// What may be said of a variable.
pub(super) const VARIABLE: [Field; 8] = [
    field("type", Plain(variable_type), "What it can be. Default: `any`. Example: `integer`."),
    field("default", Plain(anything), "Its value where none is given. It can't be an expression. Example: `1`."),
    field("description", Plain(text), "What it is for, for who has to give it. Example: `Which weights to serve`."),
    field("secret", Plain(no), "Keep its value out of everything that is shown or stored in clear. Default: false."),
    field("minimum", Plain(number), "The least that an integer or a number may be. Example: `1`."),
    field("maximum", Plain(number), "The most that an integer or a number may be. Example: `16`."),
    field("enum", Plain(choices), "All that it may be. Example: `[tiny-llama, small-llama]`."),
    field("pattern", Plain(pattern), "A regular expression that a string must match. Example: `^[a-z-]+$`."),
];

/// What may be said of any resource, beside the fields of its kind.
pub(super) const RESOURCE: [Field; 12] = [
    required(
        "kind",
        Plain(text),
        "What sort of thing it is: a portable kind, or a cloud's own name for one, such as `AWS::SQS::Queue`. Example: `bucket`.",
    ),
    field(
        "provider",
        Evaluated(text),
        "Who makes it. It may be left out where one configured provider alone makes the kind. Example: `local`.",
    ),
    field(
        "placement",
        List(&PLACEMENT),
        "Where it may go, in order of preference; instead of `provider`. Example: `[{ provider: local }]`.",
    ),
    field("for_each", Evaluated(list_or_map), FOR_EACH),
    field("when", Evaluated(boolean), WHEN),
    field("depends_on", Plain(texts), DEPENDS_ON),
    field(
        "protect",
        Evaluated(no),
        "Refuse to delete or replace it. The state keeps it, so that taking the block away does not undo it. Default: false.",
    ),
    field("ignore", Plain(texts), "Fields that are not compared with what is there. Example: `[tags.owner]`."),
    field("drift", Map(&DRIFT), "What becomes of changes from outside. Example: `{ correct: [tags] }`."),
    field(
        "replace",
        Plain(replace),
        "The order of a replacement: make the new one before the old one goes, or after. Default: what the kind says; scarce ones, \
         such as GPUs, are made first. Example: `create_first`.",
    ),
    field(
        "validate",
        Map(&VALIDATE),
        "How it is to be proved good before anything relies on it. Example: `{ level: quick, on_failure: replace }`.",
    ),
    field(
        "existing",
        Evaluated(text),
        "The provider's id or name of something that is there already: it is read, and never managed. Example: `acme-shared-data`.",
    ),
];

/// What may be said of an entry of `placement`, beside settings of its provider and fields of the kind.
pub(super) const PLACEMENT: [Field; 1] = [required(
    "provider",
    Evaluated(text),
    "Who would make it. Beside it stand settings of that provider and fields of the kind, which they override. Example: `local`.",
)];

/// What may be said of `drift`.
pub(super) const DRIFT: [Field; 1] = [field(
    "correct",
    Plain(texts),
    "The fields that a scheduled run may put right. Default: all that need neither a replacement nor a deletion. \
     Example: `[tags, versioning]`.",
)];

/// What may be said of `validate`.
pub(super) const VALIDATE: [Field; 8] = [
    field("level", Evaluated(level), "How thorough the check is. Default: `quick`. Example: `standard`."),
    field("seconds", Evaluated(burning), "How long to burn, with `level: burn`. Default: 600. Example: `3600`."),
    field("minimum", Evaluated(share), "The share of its model's usual figures that it must reach. Example: `0.9`."),
    field(
        "require",
        Evaluated(measures),
        "What must have been looked at: what could not be fails then. Default: nothing in particular. Example: `[ecc, nvlink]`.",
    ),
    field("on_failure", Evaluated(on_failure), "What to do when it is not good. Default: `replace`. Example: `fail`."),
    field(
        "attempts",
        Evaluated(count),
        "How many are tried at most in one apply, the first included. Default: 2. Example: `3`.",
    ),
    field("via", Evaluated(via), "How it is reached. Default: what its provider can. Example: `ssh`."),
    field(
        "from",
        Evaluated(text),
        "With `via: ssh`, the addresses that may connect for the check, as a CIDR block: those that Trueup runs at. Default: nobody but \
         who may by `ssh.ingress`. Example: `203.0.113.7/32`.",
    ),
];

/// What an environment may say differently.
pub(super) const ENVIRONMENT: [Field; 4] = [
    field("variables", Named(&VARIABLE), "Merged over `variables`. Example: `{ replicas: { default: 4 } }`."),
    field("tags", Plain(text_map), "Merged over `tags`. Example: `{ stage: prod }`."),
    field("providers", Plain(any_map), "Merged over `providers`. Example: `{ aws: { region: eu-west-1 } }`."),
    field("resources", Plain(any_map), "Merged over `resources`. Example: `{ chat: { replicas: { max: 16 } } }`."),
];

/// What may be said of a module.
pub(super) const MODULE: [Field; 5] = [
    required("source", Plain(text), "Its file, relative to this one. Example: `./modules/eval.yaml`."),
    field("inputs", Plain(any_map), "Values of its variables. Example: `{ bucket: \"{{ weights.uri }}\" }`."),
    field("for_each", Evaluated(list_or_map), FOR_EACH),
    field("when", Evaluated(boolean), WHEN),
    field("depends_on", Plain(texts), DEPENDS_ON),
];

/// What may be said of an entry of `moved`.
pub(super) const MOVED: [Field; 2] = [
    required("from", Plain(text), "The address that the state knows. Example: `llm_weights`."),
    required("to", Plain(text), "The address that the blueprint has now. Example: `weights`."),
];

const FOR_EACH: &str = "One instance for each entry of a list or a map, which reads `each.key` and `each.value`. Addresses are \
    `trainer[\"a\"]`, or `node[0]` where the keys are integers. Example: `[a, b]`.";
const WHEN: &str = "Whether it is to be at all; what reads one that is not there reads null. Default: true. \
    Example: `\"{{ var.replicas > 0 }}\"`.";
const DEPENDS_ON: &str =
    "What must be there first where no expression says so, by name or by one instance's address. Example: `[trainer]`.";

const fn field(name: &'static str, shape: Shape, description: &'static str) -> Field {
    Field { name, shape, required: false, description }
}

const fn required(name: &'static str, shape: Shape, description: &'static str) -> Field {
    Field { name, shape, required: true, description }
}

/// The names of fields.
pub(super) const fn names<const N: usize>(fields: &[Field; N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut position = 0;
    while position < N {
        names[position] = fields[position].name;
        position += 1;
    }
    names
}

/// The JSON Schema of the whole language, with keys of our own; kinds and providers are not in it.
pub(super) fn language() -> Json {
    object(&TOP)
}

/// What `validate` comes to.
pub(super) static VALIDATE_SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| Schema::new(1, object(&VALIDATE), json!({}), false));

fn object(fields: &[Field]) -> Json {
    let properties: JsonMap<String, Json> =
        fields.iter().map(|field| (field.name.to_owned(), field.schema())).collect();
    let required: Vec<&str> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

impl Field {
    fn schema(&self) -> Json {
        let mut schema = match self.shape {
            Plain(value) | Evaluated(value) => value(),
            Map(fields) => object(fields),
            List(fields) => json!({ "type": "array", "items": object(fields) }),
            Named(fields) => {
                json!({ "type": ["object", "null"], "additionalProperties": object(fields) })
            }
        };
        schema["description"] = self.description.into();
        if matches!(self.shape, Evaluated(_)) {
            schema[EXPRESSION] = true.into();
        }
        schema
    }
}

fn anything() -> Json {
    json!({})
}

fn any_map() -> Json {
    json!({ "type": ["object", "null"], "additionalProperties": {} })
}

fn blueprint_name() -> Json {
    json!({ "type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$" })
}

fn boolean() -> Json {
    json!({ "type": "boolean" })
}

fn choices() -> Json {
    json!({ "type": "array", "minItems": 1, "items": {} })
}

fn count() -> Json {
    json!({ "type": "integer", "minimum": 1 })
}

fn level() -> Json {
    json!({ "oneOf": [
        { "const": "quick", "description": "Seconds: that it works at all." },
        { "const": "standard", "description": "Minutes: that it is as fast as its model." },
        { "const": "burn", "description": "As long as asked: that it stays so under load." },
    ] })
}

fn list_or_map() -> Json {
    json!({ "type": ["array", "object"], "items": {}, "additionalProperties": {} })
}

/// What `gpucheck` looks at, by its own names.
fn measures() -> Json {
    json!({ "type": "array", "items": { "enum": [
        "copy_bandwidth", "triad_bandwidth", "host_to_device", "device_to_host", "fp32_rate", "fp16_rate", "bf16_rate", "tf32_rate",
        "fp8_rate", "library_fp16_rate", "library_bf16_rate", "library_tf32_rate", "library_fp8_rate", "identity", "pcie", "memory",
        "answers", "burn", "ecc", "row_remap", "xid", "nvlink", "throttle", "direct", "staged",
    ] } })
}

/// For how long GPUs are burned: at most a week.
fn burning() -> Json {
    json!({ "type": "integer", "minimum": 1, "maximum": 604_800 })
}

fn no() -> Json {
    json!({ "type": "boolean", "default": false })
}

fn number() -> Json {
    json!({ "type": "number" })
}

fn on_failure() -> Json {
    json!({ "oneOf": [
        { "const": "replace", "description": "Make another in its place." },
        { "const": "fail", "description": "Stop at it, and what depends on it." },
        { "const": "warn", "description": "Say so, and go on." },
    ] })
}

fn pattern() -> Json {
    json!({ "type": "string", "format": "regex" })
}

fn replace() -> Json {
    json!({ "oneOf": [
        { "const": "create_first", "description": "The new one is there before the old one goes." },
        { "const": "destroy_first", "description": "The old one is gone before the new one is made." },
    ] })
}

fn share() -> Json {
    json!({ "type": "number", "minimum": 0, "maximum": 1 })
}

fn text() -> Json {
    json!({ "type": "string" })
}

fn text_map() -> Json {
    json!({ "type": ["object", "null"], "additionalProperties": { "type": "string" }, "x-free": true })
}

fn texts() -> Json {
    json!({ "type": "array", "items": { "type": "string" } })
}

fn variable_type() -> Json {
    let names = super::schema::VariableType::ALL.map(|(name, _)| name);
    json!({ "enum": names })
}

fn via() -> Json {
    json!({ "oneOf": [
        { "const": "here", "description": "It is this machine." },
        {
            "const": "startup",
            "description": "It checks itself at its first start, and leaves what that says where Trueup can read it. The default in clouds."
        },
        { "const": "ssh", "description": "Trueup logs in, with a key that it gave the machine when it made it." },
    ] })
}
