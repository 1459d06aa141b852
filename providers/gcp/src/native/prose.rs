//! What discovery documents say only in prose, or not at all. Each entry is from the reference of its API.

use serde_json::Value as Json;

/// How who creates a thing names it in what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InBody {
    /// By a field that holds the last part of its path.
    Last(&'static str),
    /// By a field that holds its whole path.
    Whole(&'static str),
}

/// Kinds whose names stand in what is sent, though nothing but the words of the field says so.
const NAMED: &[(&str, InBody)] = &[
    ("bigquery.v2.datasets", InBody::Last("datasetReference.datasetId")),
    ("bigquery.v2.routines", InBody::Last("routineReference.routineId")),
    ("bigquery.v2.tables", InBody::Last("tableReference.tableId")),
    ("cloudbuild.v1.projects.locations.triggers", InBody::Last("name")),
    ("cloudbuild.v1.projects.triggers", InBody::Last("name")),
    ("cloudfunctions.v1.projects.locations.functions", InBody::Whole("name")),
    ("cloudscheduler.v1.projects.locations.jobs", InBody::Whole("name")),
    ("cloudtasks.v2.projects.locations.queues", InBody::Whole("name")),
    ("composer.v1.projects.locations.environments", InBody::Whole("name")),
    ("container.v1.projects.locations.clusters", InBody::Last("name")),
    ("container.v1.projects.locations.clusters.nodePools", InBody::Last("name")),
    ("dataproc.v1.projects.regions.clusters", InBody::Last("clusterName")),
    ("dns.v1.responsePolicies", InBody::Last("responsePolicyName")),
    ("dns.v1.responsePolicyRules", InBody::Last("ruleName")),
    ("logging.v2.projects.exclusions", InBody::Last("name")),
    ("logging.v2.projects.metrics", InBody::Last("name")),
    ("logging.v2.projects.sinks", InBody::Last("name")),
];

/// How a kind's name stands in what is sent, where its document does not tell.
pub(crate) fn named(kind: &str) -> Option<InBody> {
    NAMED.iter().find(|(name, _)| *name == kind).map(|(_, how)| *how)
}

/// The call that makes things of a kind, where that is neither `create` nor `insert`.
pub(crate) fn makes(kind: &str) -> &'static str {
    if kind == "aiplatform.v1.projects.locations.models" { "upload" } else { "" }
}

/// Whether an API is asked of what is in a location at an address of that location alone (*Vertex AI: locations*).
pub(crate) fn is_asked_in_place(api: &str) -> bool {
    api == "aiplatform"
}

/// The last part of a thing's path, for the name that it was given. A service account is known by its address.
pub(crate) fn last(kind: &str, name: &str, project: &str) -> String {
    match kind {
        "iam.v1.projects.serviceAccounts" => format!("{name}@{project}.iam.gserviceaccount.com"),
        _ => name.to_owned(),
    }
}

/// The fields that labels stand in, the first that a kind has: where there are both, `labels` are something else (Cloud Monitoring).
pub(crate) const LABELS: [&str; 3] = ["userLabels", "labels", "resourceLabels"];

/// What goes with a thing when it is deleted.
pub(crate) struct Inside {
    /// What it is called in the answer of a list.
    pub(crate) what: &'static str,
    /// What follows the thing's path in that list's.
    pub(crate) path: &'static str,
    /// How many of it are the thing's own.
    pub(crate) own: usize,
}

/// Kinds that take with them what is in them when they are deleted: a delete is refused while there is any, unless it is said.
const TAKES_ALONG: &[(&str, Inside)] = &[
    ("aiplatform.v1.projects.locations.models", Inside { what: "models", path: ":listVersions", own: 1 }),
    ("artifactregistry.v1.projects.locations.repositories", Inside { what: "packages", path: "/packages", own: 0 }),
];

/// What is in a thing of a kind that would go with it; none where nothing does, or Google refuses by itself.
pub(crate) fn takes_along(kind: &str) -> Option<&'static Inside> {
    TAKES_ALONG.iter().find(|(name, _)| *name == kind).map(|(_, inside)| inside)
}

/// Whether a field is only said: what is shown of a model is that of its newest version, which others add.
pub(crate) fn is_only_said(kind: &str, field: &str) -> bool {
    kind == "aiplatform.v1.projects.locations.models" && ["containerSpec", "artifactUri"].contains(&field)
}

/// The list of what a kind has to let go of before it is deleted, where Google refuses that else.
pub(crate) fn lets_go(kind: &str) -> Option<&'static str> {
    (kind == "dns.v1.responsePolicies").then_some("networks")
}

/// Fields that stay as a thing was made, though nothing but the words of their update's reference says so: *Disks: update*, *Networks: patch*,
/// *Subnetworks: patch* of Compute Engine, *Instances: patch* of Filestore, *Models: patch* of Vertex AI.
const FIXED: &[(&str, &[&str])] = &[
    (
        "compute.v1.disks",
        &["type", "diskEncryptionKey", "description", "physicalBlockSizeBytes", "storagePool", "replicaZones"],
    ),
    ("compute.v1.firewalls", &["network", "direction"]),
    ("compute.v1.networks", &["autoCreateSubnetworks", "description", "IPv4Range", "enableUlaInternalIpv6"]),
    ("compute.v1.subnetworks", &["network", "description", "purpose", "region"]),
    ("aiplatform.v1.projects.locations.models", &["containerSpec", "artifactUri", "encryptionSpec"]),
    ("file.v1.projects.locations.instances", &["tier", "networks", "kmsKeyName", "protocol"]),
];

/// Whether a field of a kind stays as the thing was made, where the document does not tell.
pub(crate) fn is_fixed(kind: &str, field: &str) -> bool {
    FIXED.iter().any(|(of, fields)| *of == kind && fields.contains(&field))
}

/// Brings what is shown to how it is said. Compute Engine shows which version of a key a disk was encrypted with, and Cloud Scheduler what it
/// sends of itself with each call: neither is anybody's to say.
pub(crate) fn respell(shown: &mut Json) {
    let Json::Object(fields) = shown else {
        shown.as_array_mut().into_iter().flatten().for_each(respell);
        return;
    };
    for (name, value) in fields {
        match value {
            Json::String(key) if name == "kmsKeyName" => {
                key.truncate(key.find("/cryptoKeyVersions/").unwrap_or(key.len()));
            }
            Json::Object(headers) if name == "headers" => {
                headers.shift_remove("User-Agent");
            }
            other => respell(other),
        }
    }
}

/// Calls that set one field, and are not called so: the kind, the call, the field.
const SETS: &[(&str, &str, &str)] = &[
    ("compute.v1.disks", "resize", "sizeGb"),
    ("compute.v1.regionDisks", "resize", "sizeGb"),
    ("compute.v1.subnetworks", "expandIpCidrRange", "ipCidrRange"),
];

/// The field that a call of a kind sets, where the call's name does not tell.
pub(crate) fn sets(kind: &str, call: &str) -> Option<&'static str> {
    SETS.iter().find(|(of, name, _)| (*of, *name) == (kind, call)).map(|(.., field)| *field)
}

/// What a kind allows in a name, where that is less than a DNS label, or has no `-`: the most characters, and what stands between words.
pub(crate) fn name_rule(kind: &str) -> Option<(usize, char)> {
    match kind {
        "iam.v1.projects.serviceAccounts" => Some((30, '-')),
        // What runs a function is a service of its name.
        "run.v2.projects.locations.services" | "cloudfunctions.v2.projects.locations.functions" => Some((49, '-')),
        "bigquery.v2.datasets" | "bigquery.v2.routines" | "bigquery.v2.tables" | "iam.v1.projects.roles" => {
            Some((63, '_'))
        }
        _ => None,
    }
}
