//! What each kind needs to be allowed to do: the table that `docs/aws.md` is made from, and that the tests hold calls against.

use trueup_parts::permissions::{parts_table, table};

pub use trueup_parts::permissions::Permissions;

use crate::composed;

/// All of them, in the order of their kinds.
pub const PERMISSIONS: [Permissions; 5] = [
    Permissions {
        kind: "artifact",
        look: &["s3:GetObject", "s3:ListBucket"],
        change: &[
            "s3:PutObject",
            "s3:DeleteObject",
            "s3:AbortMultipartUpload",
            "s3:ListBucketMultipartUploads",
            "s3:ListMultipartUploadParts",
        ],
        fields: &[("a bucket with a key of its own", &["kms:Decrypt", "kms:GenerateDataKey"])],
    },
    Permissions {
        kind: "bucket",
        look: &[
            "s3:ListAllMyBuckets",
            "s3:GetBucketCORS",
            "s3:GetBucketPublicAccessBlock",
            "s3:GetBucketTagging",
            "s3:GetBucketVersioning",
            "s3:GetEncryptionConfiguration",
            "s3:GetLifecycleConfiguration",
            "s3:ListBucket",
        ],
        change: &[
            "s3:CreateBucket",
            "s3:DeleteBucket",
            "s3:PutBucketCORS",
            "s3:PutBucketOwnershipControls",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutBucketTagging",
            "s3:PutBucketVersioning",
            "s3:PutEncryptionConfiguration",
            "s3:PutLifecycleConfiguration",
            "s3:TagResource",
        ],
        fields: &[
            (
                "`force_destroy`",
                &[
                    "s3:ListBucketVersions",
                    "s3:ListBucketMultipartUploads",
                    "s3:DeleteObject",
                    "s3:DeleteObjectVersion",
                    "s3:AbortMultipartUpload",
                ],
            ),
            ("`logging`", &["s3:GetBucketLogging", "s3:PutBucketLogging", "s3:GetBucketPolicy", "s3:PutBucketPolicy"]),
            (
                "`public_access: read`, `options.aws.policy`",
                &["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"],
            ),
            ("`options.aws.ownership`", &["s3:GetBucketOwnershipControls"]),
            (
                "`options.aws.object_lock`",
                &["s3:GetBucketObjectLockConfiguration", "s3:PutBucketObjectLockConfiguration"],
            ),
        ],
    },
    Permissions {
        kind: "gpu_instance",
        look: &["cloudformation:DescribeType", "ec2:DescribeInstances", "ec2:DescribeVolumes"],
        change: &[
            "ec2:CreateTags",
            "ec2:DeleteTags",
            "ec2:DescribeImages",
            "ec2:DescribeVolumesModifications",
            "ec2:ModifyInstanceAttribute",
            "ec2:ModifyInstanceMetadataOptions",
            "ec2:ModifyVolume",
            "ec2:RunInstances",
            "ec2:StartInstances",
            "ec2:StopInstances",
            "ec2:TerminateInstances",
            "ssm:GetParameters",
        ],
        fields: &[
            (
                "`identity`",
                &[
                    "ec2:AssociateIamInstanceProfile",
                    "ec2:DescribeIamInstanceProfileAssociations",
                    "ec2:DisassociateIamInstanceProfile",
                    "ec2:ReplaceIamInstanceProfileAssociation",
                    "iam:PassRole",
                ],
            ),
            ("`market: spot`", &["ec2:DescribeSpotInstanceRequests"]),
            (
                "without `options.aws.security_groups`",
                &["what `AWS::EC2::SecurityGroup` needs, as any native type does"],
            ),
            (
                "`ssh.public_keys` without `options.aws.key_name`",
                &["what `AWS::EC2::KeyPair` needs, as any native type does"],
            ),
            ("`network.subnet` by its name", &["ec2:DescribeSubnets"]),
            ("`validate` without `via: ssh`", &["what `bucket` needs", "s3:GetObject", "s3:PutObject"]),
            (
                "disks with a key of the account's own",
                &["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext"],
            ),
        ],
    },
    Permissions {
        kind: "image",
        look: &["ecr:BatchGetImage", "ecr:DescribeImages"],
        change: &[
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchDeleteImage",
            "ecr:CompleteLayerUpload",
            "ecr:GetAuthorizationToken",
            "ecr:GetDownloadUrlForLayer",
            "ecr:InitiateLayerUpload",
            "ecr:PutImage",
            "ecr:UploadLayerPart",
        ],
        fields: &[],
    },
    Permissions {
        kind: "any native type",
        look: &["cloudformation:DescribeType", "cloudformation:GetResource"],
        change: &[
            "cloudformation:CreateResource",
            "cloudformation:DeleteResource",
            "cloudformation:GetResourceRequestStatus",
            "cloudformation:UpdateResource",
        ],
        fields: &[
            ("any", &["what the type's own handlers need: `trueup explain` of the type tells it"]),
            ("`trueup adopt` without an id", &["cloudformation:ListResources"]),
            ("`EmptyOnDelete` of an `AWS::ECR::Repository`", &["ecr:BatchDeleteImage", "ecr:ListImages"]),
        ],
    },
];

/// The table as Markdown.
pub fn markdown() -> String {
    table(&PERMISSIONS)
}

/// Of which native types each composed kind is made, as Markdown: it needs what they need.
pub fn parts_markdown() -> String {
    parts_table(&composed::KINDS, composed::parts_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_say_what_the_table_says() {
        let documents = include_str!("../../../docs/aws.md");
        for table in [markdown(), parts_markdown()] {
            assert!(documents.contains(&table), "docs/aws.md has another table than\n{table}");
        }
    }
}
