//! What discovery documents say only in prose, or not at all. Each entry is from the reference of its API.

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
    ("cloudfunctions.v1.projects.locations.functions", InBody::Whole("name")),
    ("cloudscheduler.v1.projects.locations.jobs", InBody::Whole("name")),
    ("cloudtasks.v2.projects.locations.queues", InBody::Whole("name")),
    ("composer.v1.projects.locations.environments", InBody::Whole("name")),
    ("container.v1.projects.locations.clusters", InBody::Last("name")),
    ("container.v1.projects.locations.clusters.nodePools", InBody::Last("name")),
    ("dataproc.v1.projects.regions.clusters", InBody::Last("clusterName")),
    ("logging.v2.projects.exclusions", InBody::Last("name")),
    ("logging.v2.projects.metrics", InBody::Last("name")),
    ("logging.v2.projects.sinks", InBody::Last("name")),
];

/// How a kind's name stands in what is sent, where its document does not tell.
pub(crate) fn named(kind: &str) -> Option<InBody> {
    NAMED.iter().find(|(name, _)| *name == kind).map(|(_, how)| *how)
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

/// Kinds that take with them what is in them when they are deleted, and what that is: a delete is refused while there is any, unless it is said.
const TAKES_ALONG: &[(&str, &str)] = &[("artifactregistry.v1.projects.locations.repositories", "packages")];

/// What is in a thing of a kind that would go with it; none where nothing does, or Google refuses by itself.
pub(crate) fn takes_along(kind: &str) -> Option<&'static str> {
    TAKES_ALONG.iter().find(|(name, _)| *name == kind).map(|(_, what)| *what)
}

/// What a kind allows in a name, where that is less than a DNS label, or has no `-`: the most characters, and what stands between words.
pub(crate) fn name_rule(kind: &str) -> Option<(usize, char)> {
    match kind {
        "iam.v1.projects.serviceAccounts" => Some((30, '-')),
        "bigquery.v2.datasets" | "bigquery.v2.routines" | "bigquery.v2.tables" | "iam.v1.projects.roles" => {
            Some((63, '_'))
        }
        _ => None,
    }
}
