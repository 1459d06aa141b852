//! What each kind needs to be allowed to do: the table that `docs/gcp.md` is made from.

use trueup_parts::permissions::{Permissions, parts_table, table};

use crate::composed;

/// All of them, in the order of their kinds.
pub const PERMISSIONS: [Permissions; 8] = [
    Permissions {
        kind: "aiplatform.v1.projects.locations.endpoints.deployedModels",
        look: &["aiplatform.endpoints.get"],
        change: &["aiplatform.endpoints.deploy", "aiplatform.endpoints.undeploy", "aiplatform.endpoints.update"],
        fields: &[("`serviceAccount`", &["iam.serviceAccounts.actAs"])],
    },
    Permissions {
        kind: "artifact",
        look: &["storage.objects.get", "storage.objects.list"],
        change: &["storage.objects.create", "storage.objects.delete"],
        fields: &[],
    },
    Permissions {
        kind: "bucket",
        look: &["storage.buckets.get", "storage.buckets.list"],
        change: &["storage.buckets.create", "storage.buckets.delete", "storage.buckets.update", "storage.objects.list"],
        fields: &[
            ("`force_destroy`", &["storage.objects.delete"]),
            ("`public_access: read`, `logging`", &["storage.buckets.getIamPolicy", "storage.buckets.setIamPolicy"]),
            (
                "`encryption`",
                &["cloudkms.cryptoKeyVersions.useToEncrypt and useToDecrypt, for Cloud Storage's service agent"],
            ),
        ],
    },
    Permissions {
        kind: "gpu_instance",
        look: &["compute.instances.get", "compute.instances.list", "compute.firewalls.get", "compute.firewalls.list"],
        change: &[
            "compute.disks.create",
            "compute.disks.get",
            "compute.disks.resize",
            "compute.disks.setLabels",
            "compute.firewalls.create",
            "compute.firewalls.delete",
            "compute.firewalls.update",
            "compute.globalOperations.get",
            "compute.images.useReadOnly",
            "compute.instances.create",
            "compute.instances.delete",
            "compute.instances.setLabels",
            "compute.instances.setMachineType",
            "compute.instances.setMetadata",
            "compute.instances.setServiceAccount",
            "compute.instances.setTags",
            "compute.instances.start",
            "compute.instances.stop",
            "compute.networks.updatePolicy",
            "compute.subnetworks.use",
            "compute.zoneOperations.get",
        ],
        fields: &[
            ("`identity`", &["iam.serviceAccounts.actAs"]),
            ("`image.name` with `*`", &["compute.images.list"]),
            ("`market` with a reservation", &["compute.reservations.get"]),
            ("`network.public_ip`", &["compute.subnetworks.useExternalIp"]),
            (
                "`validate` but by `via: ssh`",
                &[
                    "what a bucket needs, and storage.objects.create, get and delete there",
                    "iam.serviceAccounts.signBlob, of oneself, where there is no key",
                ],
            ),
        ],
    },
    Permissions {
        kind: "iam.v1.bindings",
        look: &["getIamPolicy of the resource's service, as pubsub.topics.getIamPolicy"],
        change: &["setIamPolicy there"],
        fields: &[],
    },
    Permissions {
        kind: "image",
        look: &["artifactregistry.dockerimages.get"],
        change: &[
            "artifactregistry.repositories.downloadArtifacts",
            "artifactregistry.repositories.uploadArtifacts",
            "artifactregistry.tags.create",
            "artifactregistry.tags.delete",
            "artifactregistry.tags.update",
            "artifactregistry.versions.delete",
        ],
        fields: &[],
    },
    Permissions {
        kind: "secretmanager.v1.projects.secrets.versions",
        look: &["secretmanager.versions.get"],
        change: &["secretmanager.versions.add", "secretmanager.versions.destroy"],
        fields: &[("so that a lost reply leaves no second value", &["secretmanager.versions.access"])],
    },
    Permissions {
        kind: "any native kind",
        look: &["get of its service, as pubsub.topics.get"],
        change: &["create, update and delete there"],
        fields: &[
            ("several in one parent, or known by labels", &["list there"]),
            ("a service account that is named in it", &["iam.serviceAccounts.actAs"]),
        ],
    },
];

/// The table as Markdown.
pub fn markdown() -> String {
    table(&PERMISSIONS)
}

/// Of which native kinds each composed kind is made, as Markdown: it needs what they need.
pub fn parts_markdown() -> String {
    parts_table(&composed::KINDS, composed::parts_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_say_what_the_table_says() {
        let documents = include_str!("../../../docs/gcp.md");
        for table in [markdown(), parts_markdown()] {
            assert!(documents.contains(&table), "docs/gcp.md has another table than\n{table}");
        }
    }
}
