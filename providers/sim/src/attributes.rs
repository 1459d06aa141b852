//! What is known of an object once it exists, by kind.

use std::path::Path;

use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use trueup_engine::kinds::artifact::MANIFEST;
use trueup_engine::kinds::{self, Kind};
use trueup_engine::schema::Schema;
use trueup_engine::tree;
use trueup_state::Timestamp;

use crate::endpoint;
use crate::object::Object;
use crate::settings::Settings;
use crate::thing;

/// The schema of a kind; none of one that this cloud does not make.
pub(crate) fn schema_of(kind: &str) -> Option<&'static Schema> {
    let portable = kinds::portable().into_iter().find(|portable| portable.name == kind).map(|portable| portable.schema);
    portable.or_else(|| (kind == thing::THING).then(thing::schema)).or_else(|| endpoint::schema_of(kind))
}

/// What is measured, allotted or drawn for an object when it is made or changed. `number`: that of the object.
pub(crate) fn notes(kind: &str, spec: &Json, number: u64, settings: &Settings) -> Json {
    match kind {
        kinds::Artifact::NAME => measured(spec.get("source")),
        kinds::Image::NAME => {
            let from = spec.get("from").and_then(Json::as_object).and_then(|from| from.iter().next());
            measured(from.filter(|(sort, _)| *sort != "reference").map(|(_, path)| path))
        }
        kinds::GpuInstance::NAME => {
            let (model, count) = gpus(spec);
            let price = settings.prices.get(&model).map(|price| price * f64::from(count));
            json!({ "host": number, "price_per_hour": price })
        }
        _ => Json::Null,
    }
}

/// The model and the number of the GPUs that a spec asks for.
pub(crate) fn gpus(spec: &Json) -> (String, u32) {
    let gpu = &spec["gpu"];
    let count = gpu["count"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(1);
    match gpu["model"].as_str() {
        Some(model) => (model.to_owned(), count),
        None => (String::new(), 0),
    }
}

/// How many files there are below a path of this machine, and how large they are.
fn measured(path: Option<&Json>) -> Json {
    let files = path.and_then(Json::as_str).and_then(|path| tree::tree_files(Path::new(path)).ok()).unwrap_or_default();
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let bytes: u64 = files.iter().map(|(_, path)| size(path)).sum();
    json!({ "files": files.len(), "size_bytes": bytes })
}

/// The attributes of an object, now.
pub(crate) fn attributes(object: &Object, now: Timestamp) -> Json {
    let Object { id, name, region, spec, notes, .. } = object;
    match object.kind.as_str() {
        kinds::Bucket::NAME => {
            json!({ "uri": format!("sim://{name}"), "name": name, "resource_id": id, "location": region })
        }
        kinds::Registry::NAME => {
            json!({ "uri": format!("{region}.sim.invalid/{name}"), "name": name, "resource_id": id })
        }
        kinds::Artifact::NAME => {
            let path = text(spec, "path").unwrap_or(name);
            let uri = format!("{}/{path}", attribute(spec, "bucket", "uri"));
            json!({
                "manifest": format!("{uri}/{MANIFEST}"),
                "uri": uri,
                "digest": text(spec, "digest").unwrap_or_default(),
                "size_bytes": notes["size_bytes"],
                "files": notes["files"],
            })
        }
        kinds::Image::NAME => image(object),
        kinds::GpuInstance::NAME => machine(object, now),
        kinds::Alert::NAME
        | kinds::Build::NAME
        | kinds::Identity::NAME
        | kinds::Schedule::NAME
        | kinds::Secret::NAME => json!({ "name": name, "resource_id": id }),
        kinds::Budget::NAME | kinds::Volume::NAME => json!({ "resource_id": id }),
        kinds::Function::NAME => json!({ "name": name, "resource_id": id, "log": format!("sim://logs/{name}") }),
        kinds::Network::NAME => {
            let zones = spec["zones"].as_array().into_iter().flatten().filter_map(Json::as_str);
            let subnets: Map<String, Json> =
                zones.map(|zone| (zone.to_owned(), format!("{id}/{zone}").into())).collect();
            json!({ "resource_id": id, "subnets": subnets })
        }
        endpoint::SERVER => {
            let url = format!("https://{name}.{region}.sim.invalid");
            json!({ "urls": [url], "url": url, "resource_id": id, "status": object.status(now, "running"), "log": format!("sim://logs/{name}") })
        }
        _ => json!({ "resource_id": id, "name": name, "revision": object.revision }),
    }
}

fn text<'a>(spec: &'a Json, field: &str) -> Option<&'a str> {
    spec.get(field).and_then(Json::as_str)
}

/// An attribute of a whole resource that a field of the spec is.
fn attribute<'a>(spec: &'a Json, field: &str, name: &str) -> &'a str {
    spec[field]["attributes"][name].as_str().unwrap_or_default()
}

fn image(object: &Object) -> Json {
    let spec = &object.spec;
    let registry = attribute(spec, "registry", "uri");
    let made_up = || format!("sha256:{}", hex::encode(Sha256::digest(spec["from"].to_string())));
    let digest = text(spec, "digest").map_or_else(made_up, str::to_owned);
    let short = digest.trim_start_matches("sha256:").get(..12).unwrap_or(&digest).to_owned();
    let tag = spec["tag"][0].as_str().map_or(short, str::to_owned);
    json!({
        "ref": format!("{registry}@{digest}"),
        "uri": format!("{registry}:{tag}"),
        "digest": digest,
        "size_bytes": object.notes["size_bytes"],
    })
}

fn machine(object: &Object, now: Timestamp) -> Json {
    let (model, count) = gpus(&object.spec);
    let host = object.notes["host"].as_u64().unwrap_or_default();
    let in_network = |first: &str| format!("{first}.{}.{}", host / 254 % 256, host % 254 + 1);
    let uuid = |index| {
        let digest = hex::encode(Sha256::digest(format!("{}/{index}", object.id)));
        format!("GPU-{}-{}-{}-{}-{}", &digest[..8], &digest[8..12], &digest[12..16], &digest[16..20], &digest[20..32])
    };
    let gpu = |index| json!({ "uuid": uuid(index), "model": model, "memory_mib": memory_mib(&model) });
    let size = if count == 0 { "cpu".to_owned() } else { format!("{}x{count}", model.to_lowercase()) };
    let visible: Vec<String> = (0..count).map(|index| index.to_string()).collect();
    let mut attributes = json!({
        "ip": in_network("198.18"),
        "ssh": object.host.as_ref().map(|host| &host.ssh),
        "private_ip": in_network("10.0"),
        "hostname": object.name,
        "zone": format!("{}a", object.region),
        "instance_type": text(&object.spec, "machine_type").map_or_else(|| format!("sim.{size}"), str::to_owned),
        "gpus": (0..count).map(gpu).collect::<Vec<_>>(),
        "status": object.status(now, "running"),
        "environment": if count == 0 { json!({}) } else { json!({ "CUDA_VISIBLE_DEVICES": visible.join(",") }) },
    });
    if let (Some(price), Some(map)) = (object.notes["price_per_hour"].as_f64(), attributes.as_object_mut()) {
        map.insert("price_per_hour".to_owned(), price.into());
    }
    attributes
}

/// The memory of a GPU as its maker states it, in MiB: NVIDIA's data sheets. Of a model that is not known here, none.
fn memory_mib(model: &str) -> u64 {
    let gib = match model {
        "T4" => 16,
        "L4" | "A10G" => 24,
        "A100" => 40,
        "L40S" => 48,
        "A100-80GB" | "H100" => 80,
        "H200" => 141,
        "B200" => 180,
        _ => 0,
    };
    gib * 1024
}

/// Fills in what the cloud decides where a spec is silent, and rewrites what it writes its own way.
pub(crate) fn normalise(kind: &str, spec: &mut Json, settings: &Settings) {
    let Some(map) = spec.as_object_mut() else { return };
    for (field, value) in settings.defaults.get(kind).into_iter().flatten() {
        fill(map, field, value);
    }
    for (path, rewrite) in settings.normalise.get(kind).into_iter().flatten() {
        if let Some(value) = path.split('.').try_fold(&mut *spec, |value, step| value.get_mut(step)) {
            rewrite.apply(value);
        }
    }
}

fn fill(map: &mut Map<String, Json>, field: &str, value: &Json) {
    match (map.get_mut(field), value) {
        (None | Some(Json::Null), value) => {
            map.insert(field.to_owned(), value.clone());
        }
        (Some(Json::Object(below)), Json::Object(defaults)) => {
            defaults.iter().for_each(|(field, value)| fill(below, field, value));
        }
        _ => {}
    }
}
