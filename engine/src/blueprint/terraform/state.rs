//! Terraform's state, version 4, as far as it tells which resources there are.

use serde::Deserialize;
use serde_json::{Map as JsonMap, Value as Json};

/// The version of the format that is read.
const VERSION: u64 = 4;

/// A resource of Terraform's: one instance of what a block makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Theirs {
    /// Its address there: `module.net.aws_sqs_queue.events["a"]`.
    pub address: String,
    /// Its type: `aws_sqs_queue`.
    pub kind: String,
    /// The words of a name of its own: those of its modules, its block's, and its key's.
    pub words: Vec<String>,
    /// Where its provider comes from: `hashicorp/aws`.
    pub source: String,
    /// What Terraform knows of it.
    pub attributes: JsonMap<String, Json>,
    /// The texts in that which are secret.
    pub secrets: Vec<String>,
    /// Why it can't be taken as it is.
    pub problem: Option<String>,
}

/// Why a file is no state that can be read. Nothing of what is in it is repeated: it may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// It is not what Terraform writes.
    #[error("it is no state of Terraform's (line {line}, column {column})")]
    Form {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// It is encrypted.
    #[error("it is encrypted")]
    Encrypted,
    /// It is of another version.
    #[error("it is of version {0}, and only version {VERSION} can be read")]
    Version(u64),
}

impl StateError {
    /// What to do.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Form { .. } => "`terraform state pull > terraform.tfstate` writes it, from wherever it is kept",
            Self::Encrypted => "`tofu state pull > terraform.tfstate` writes it in clear",
            Self::Version(_) => "`terraform apply -refresh-only` of a Terraform since 0.12 writes it anew",
        }
    }
}

#[derive(Deserialize)]
struct File {
    version: Option<u64>,
    #[serde(default)]
    resources: Vec<Block>,
    encrypted_data: Option<Json>,
}

#[derive(Deserialize)]
struct Block {
    module: Option<String>,
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    provider: String,
    #[serde(default)]
    instances: Vec<Instance>,
}

#[derive(Deserialize)]
struct Instance {
    index_key: Option<Json>,
    status: Option<String>,
    deposed: Option<String>,
    attributes: Option<JsonMap<String, Json>>,
    #[serde(default)]
    sensitive_attributes: Vec<Json>,
}

/// The resources that a state manages, in its order.
pub fn read(bytes: &[u8]) -> Result<Vec<Theirs>, StateError> {
    let form = |error: serde_json::Error| StateError::Form { line: error.line(), column: error.column() };
    let file: File = serde_json::from_slice(bytes).map_err(form)?;
    match file.version {
        _ if file.encrypted_data.is_some() => return Err(StateError::Encrypted),
        Some(VERSION) => {}
        Some(other) => return Err(StateError::Version(other)),
        None => return Err(StateError::Form { line: 1, column: 1 }),
    }
    let managed = file.resources.into_iter().filter(|block| block.mode == "managed");
    Ok(managed.flat_map(Block::instances).collect())
}

impl Block {
    fn instances(mut self) -> Vec<Theirs> {
        let instances = std::mem::take(&mut self.instances);
        instances.into_iter().map(|instance| self.instance(instance)).collect()
    }

    fn instance(&self, instance: Instance) -> Theirs {
        let key = instance.index_key.as_ref();
        let module = self.module.as_ref().map(|module| format!("{module}.")).unwrap_or_default();
        let index = key.map(|key| format!("[{key}]")).unwrap_or_default();
        let path = self.module.iter().flat_map(|module| module.split(['.', '[', ']']));
        let path = path.filter(|word| *word != "module").map(str::to_owned);
        let key = key.map(|key| key.as_str().map_or_else(|| key.to_string(), str::to_owned));
        let problem = match (&instance.deposed, instance.status.as_deref(), &instance.attributes) {
            (Some(_), ..) => Some("Terraform has yet to destroy it: a new one has its place"),
            (_, Some("tainted"), _) => Some("it is tainted: Terraform would make it anew"),
            (.., None) => Some("Terraform's state says nothing of it"),
            _ => None,
        };
        let attributes = instance.attributes.unwrap_or_default();
        Theirs {
            address: format!("{module}{}.{}{index}", self.kind, self.name),
            kind: self.kind.clone(),
            words: path.chain([self.name.clone()]).chain(key).collect(),
            source: source(&self.provider),
            secrets: secrets(&attributes, &instance.sensitive_attributes),
            attributes,
            problem: problem.map(str::to_owned),
        }
    }
}

/// `hashicorp/aws` of `provider["registry.terraform.io/hashicorp/aws"].eu`.
fn source(provider: &str) -> String {
    let address = provider.split('"').nth(1).unwrap_or(provider);
    address.split_once('/').map_or(address, |(_, source)| source).to_owned()
}

/// The texts that stand where a state says that attributes are sensitive.
fn secrets(attributes: &JsonMap<String, Json>, paths: &[Json]) -> Vec<String> {
    let mut found = Vec::new();
    for path in paths.iter().filter_map(Json::as_array) {
        let names = path.iter().map_while(|step| step.get("value").and_then(Json::as_str));
        let mut place = None;
        for name in names {
            place = match place {
                None => attributes.get(name),
                Some(inside) => Some(Json::get(inside, name).unwrap_or(inside)),
            };
        }
        place.into_iter().for_each(|place| texts(place, &mut found));
    }
    found
}

fn texts(value: &Json, found: &mut Vec<String>) {
    match value {
        Json::String(text) if !text.is_empty() => found.push(text.clone()),
        Json::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Json::Object(map) => map.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_state_manages_is_read_with_its_addresses_and_secrets() {
        let instance = json!({ "index_key": "a.b", "attributes": { "id": "x", "pass": { "word": "HUNTER2" } },
            "sensitive_attributes": [[{ "type": "get_attr", "value": "pass" }, { "type": "get_attr", "value": "word" }]] });
        let state = json!({ "version": 4, "resources": [
            { "mode": "data", "type": "aws_region", "name": "r", "provider": "provider[\"r/hashicorp/aws\"]", "instances": [{}] },
            { "module": "module.net[0].module.q", "mode": "managed", "type": "aws_sqs_queue", "name": "events",
              "provider": "module.net.provider[\"registry.terraform.io/hashicorp/aws\"].eu",
              "instances": [instance, { "index_key": 1, "status": "tainted", "attributes": {} }, { "deposed": "12", "attributes": {} }, {}] },
        ] });
        let all = read(state.to_string().as_bytes()).unwrap();
        assert_eq!(all[0].address, "module.net[0].module.q.aws_sqs_queue.events[\"a.b\"]");
        assert_eq!(all[0].words, ["net", "0", "", "q", "events", "a.b"]);
        assert_eq!((all[0].source.as_str(), &all[0].secrets[..]), ("hashicorp/aws", &["HUNTER2".to_owned()][..]));
        let problems: Vec<bool> = all.iter().map(|one| one.problem.is_some()).collect();
        assert_eq!(problems, [false, true, true, true]);
    }

    #[test]
    fn what_is_no_state_is_refused_and_not_repeated() {
        for (text, error) in [
            ("{\"version\": \"HUNTER2\"}", StateError::Form { line: 1, column: 21 }),
            ("{}", StateError::Form { line: 1, column: 1 }),
            ("", StateError::Form { line: 1, column: 0 }),
            ("{\"version\": 3}", StateError::Version(3)),
            ("{\"encrypted_data\": \"x\"}", StateError::Encrypted),
        ] {
            let refused = read(text.as_bytes()).unwrap_err();
            assert_eq!(refused, error, "{text}");
            assert!(!refused.to_string().contains("HUNTER2"));
        }
    }
}
