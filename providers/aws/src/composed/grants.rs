//! What an identity's grants come to: which actions on which ARNs. Nothing is allowed that a grant does not need.

use trueup_engine::compose::Wanted;
use trueup_engine::diagnostic::with_article;
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, Value};

use super::policy::{allow, only_if};
use crate::settings::{Settings, partition};
use trueup_parts::{Whole, changed, followed};
use trueup_parts::{field, map};

/// The words of grants.
const VERBS: [&str; 5] = ["call", "pull", "push", "read", "write"];

/// What a word means for some kinds.
struct Meaning {
    verb: &'static str,
    /// The kinds, each with the attribute that is its ARN.
    kinds: &'static [(&'static str, &'static str)],
    /// The actions, each list with what follows the ARN in what they are done to; none for what can be allowed on all things alone.
    actions: &'static [(&'static [&'static str], &'static [&'static str])],
    /// The use of a key that its data may be encrypted with.
    key: Option<Key>,
}

/// The use of a key for what one service keeps. Which key it is need not be known: it can be used for that one thing alone.
struct Key {
    service: &'static str,
    actions: &'static [&'static str],
    /// What the service tells the key of what it is used for, and what follows the ARN there.
    context: (&'static str, &'static [&'static str]),
}

const ID: &str = "resource_id";
const BUCKETS: &[(&str, &str)] = &[("bucket", ID), ("AWS::S3::Bucket", "Arn")];
const SECRETS: &[(&str, &str)] = &[("secret", ID), ("AWS::SecretsManager::Secret", "Id")];
const REGISTRIES: &[(&str, &str)] = &[("registry", ID), ("AWS::ECR::Repository", "Arn")];
const OBJECTS: (&str, &[&str]) = ("aws:s3:arn", &["", "/*"]);
const SECRET: (&str, &[&str]) = ("SecretARN", &[""]);
const SELF: &[&str] = &[""];
const READ_FILES: &[&str] = &["s3:GetObject"];
const WRITE_FILES: &[&str] =
    &["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:ListMultipartUploadParts", "s3:PutObject"];
const PULL: &[&str] = &["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
const SIGN_IN: (&[&str], &[&str]) = (&["ecr:GetAuthorizationToken"], &[]);

const MEANINGS: &[Meaning] = &[
    Meaning {
        verb: "read",
        kinds: BUCKETS,
        actions: &[(&["s3:GetBucketLocation", "s3:ListBucket"], SELF), (READ_FILES, &["/*"])],
        key: Some(Key { service: "s3", actions: &["kms:Decrypt"], context: OBJECTS }),
    },
    Meaning {
        verb: "write",
        kinds: BUCKETS,
        actions: &[
            (&["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"], SELF),
            (WRITE_FILES, &["/*"]),
        ],
        key: Some(Key { service: "s3", actions: &["kms:Decrypt", "kms:GenerateDataKey"], context: OBJECTS }),
    },
    Meaning {
        verb: "read",
        kinds: SECRETS,
        actions: &[(&["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"], SELF)],
        key: Some(Key { service: "secretsmanager", actions: &["kms:Decrypt"], context: SECRET }),
    },
    Meaning {
        verb: "write",
        kinds: SECRETS,
        actions: &[(&["secretsmanager:DescribeSecret", "secretsmanager:PutSecretValue"], SELF)],
        key: Some(Key { service: "secretsmanager", actions: &["kms:Decrypt", "kms:GenerateDataKey"], context: SECRET }),
    },
    Meaning {
        verb: "read",
        kinds: &[("AWS::SQS::Queue", "Arn")],
        actions: &[(
            &[
                "sqs:ChangeMessageVisibility",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:GetQueueUrl",
                "sqs:ReceiveMessage",
            ],
            SELF,
        )],
        key: None,
    },
    Meaning {
        verb: "write",
        kinds: &[("AWS::SQS::Queue", "Arn")],
        actions: &[(&["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"], SELF)],
        key: None,
    },
    Meaning {
        verb: "write",
        kinds: &[("AWS::SNS::Topic", "TopicArn")],
        actions: &[(&["sns:Publish"], SELF)],
        key: None,
    },
    Meaning {
        verb: "read",
        kinds: &[("AWS::DynamoDB::Table", "Arn")],
        actions: &[(
            &["dynamodb:BatchGetItem", "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"],
            &["", "/index/*"],
        )],
        key: None,
    },
    Meaning {
        verb: "write",
        kinds: &[("AWS::DynamoDB::Table", "Arn")],
        actions: &[(
            &[
                "dynamodb:BatchWriteItem",
                "dynamodb:DeleteItem",
                "dynamodb:DescribeTable",
                "dynamodb:PutItem",
                "dynamodb:UpdateItem",
            ],
            SELF,
        )],
        key: None,
    },
    Meaning { verb: "pull", kinds: REGISTRIES, actions: &[(PULL, SELF), SIGN_IN], key: None },
    Meaning {
        verb: "push",
        kinds: REGISTRIES,
        actions: &[
            (
                &[
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:BatchGetImage",
                    "ecr:CompleteLayerUpload",
                    "ecr:GetDownloadUrlForLayer",
                    "ecr:InitiateLayerUpload",
                    "ecr:PutImage",
                    "ecr:UploadLayerPart",
                ],
                SELF,
            ),
            SIGN_IN,
        ],
        key: None,
    },
    Meaning {
        verb: "call",
        kinds: &[("endpoint", ID), ("AWS::SageMaker::Endpoint", "EndpointArn")],
        actions: &[(
            &[
                "sagemaker:InvokeEndpoint",
                "sagemaker:InvokeEndpointAsync",
                "sagemaker:InvokeEndpointWithResponseStream",
            ],
            SELF,
        )],
        key: None,
    },
    Meaning {
        verb: "call",
        kinds: &[("function", ID), ("AWS::Lambda::Function", "Arn")],
        actions: &[(&["lambda:InvokeFunction"], &["", ":*"])],
        key: None,
    },
];

/// What grants come to: the statements of a policy, unknown while it is not known what kind of thing one is about.
pub(super) fn statements(wanted: &Wanted<'_>) -> Result<Value, Vec<Problem>> {
    let grants = field(wanted, "can").revealed().as_list().unwrap_or_default();
    let (mut problems, mut statements) = (Vec::new(), Vec::new());
    for (index, grant) in grants.iter().enumerate() {
        let verb = VERBS.into_iter().find_map(|verb| Some((verb, grant.get(verb)?)));
        let of = verb.map(|(verb, of)| (verb, Whole::of(of)));
        match of.and_then(|(verb, of)| Some((verb, of, of.kind?))) {
            Some((verb, of, kind)) => match granted(wanted, &format!("can[{index}].{verb}"), (verb, kind), &of) {
                Ok(more) => statements.push(Some(more)),
                Err(problem) => problems.push(problem),
            },
            None => statements.push(None),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    // One that is not known may come to any number.
    let known: Option<Vec<Vec<Value>>> = statements.into_iter().collect();
    Ok(known.map_or(Value::Unknown, |known| Value::List(known.into_iter().flatten().collect())))
}

/// What one grant comes to.
fn granted(wanted: &Wanted<'_>, at: &str, (verb, kind): (&str, &str), of: &Whole<'_>) -> Result<Vec<Value>, Problem> {
    if let Some(problem) = of.foreign(wanted, at, verb) {
        return Err(problem);
    }
    if kind == "artifact" {
        return Ok(on_artifact(wanted, verb, of));
    }
    let meaning = MEANINGS.iter().find_map(|meaning| {
        let (_, arn) = meaning.kinds.iter().find(|(name, _)| meaning.verb == verb && *name == kind)?;
        Some((meaning, *arn))
    });
    let Some((meaning, arn)) = meaning else {
        let message = format!("at AWS it is not known what it means to {verb} {}", with_article(kind));
        return Err(Problem::new(FieldPath::parse(at), message));
    };
    let arn = of.attribute(arn);
    if kind == "registry" && arn.as_str().is_some_and(|arn| arn.contains(":sagemaker:")) {
        return Err(Problem::new(FieldPath::parse(at), format!("a registry of models has no images to {verb}")));
    }
    let on = |suffixes: &[&str]| match suffixes {
        [] => vec!["*".into()],
        some => some.iter().map(|suffix| followed(&arn, suffix)).collect(),
    };
    let mut statements: Vec<Value> = meaning.actions.iter().map(|(actions, to)| allow(actions, on(to))).collect();
    if let Some(key) = &meaning.key {
        statements.push(with_key(wanted, key, on(key.context.1)));
    }
    Ok(statements)
}

/// The use of whichever key something is encrypted with, through its service and for that thing alone.
fn with_key(wanted: &Wanted<'_>, key: &Key, things: Vec<Value>) -> Value {
    let region = Settings::of(wanted.scope).region.unwrap_or_default();
    let through: Value = format!("{}.{region}.amazonaws.com", key.service).into();
    let context = format!("kms:EncryptionContext:{}", key.context.0);
    let condition = map([
        ("StringEquals", map([("kms:ViaService", through)])),
        ("StringLike", map([(context.as_str(), Value::List(things))])),
    ]);
    only_if(allow(key.actions, vec!["*".into()]), condition)
}

/// What reads or writes an artifact: its own files, and of the rest of its bucket not even the names.
fn on_artifact(wanted: &Wanted<'_>, verb: &str, of: &Whole<'_>) -> Vec<Value> {
    on_files(wanted, verb, &of.attribute("uri"))
}

/// What reads or writes what stands below `s3://BUCKET/PATH`.
pub(super) fn on_files(wanted: &Wanted<'_>, verb: &str, uri: &Value) -> Vec<Value> {
    let partition = partition(&Settings::of(wanted.scope).region.unwrap_or_default());
    let arn = |make: fn(&str, &str) -> String| {
        changed(uri, |uri| {
            let (bucket, path) = uri.trim_start_matches("s3://").split_once('/').unwrap_or((uri, ""));
            make(bucket, path)
        })
    };
    let bucket = followed_by(&format!("arn:{partition}:s3:::"), &arn(|bucket, _| bucket.to_owned()));
    let files = followed_by(&format!("arn:{partition}:s3:::"), &arn(|bucket, path| format!("{bucket}/{path}/*")));
    let below = arn(|_, path| format!("{path}/*"));
    let names = map([("StringLike", map([("s3:prefix", Value::List(vec![below]))]))]);
    let list = only_if(allow(&["s3:ListBucket"], vec![bucket.clone()]), names);
    let (actions, key): (_, &'static [&'static str]) = match verb {
        "read" => (READ_FILES, &["kms:Decrypt"]),
        _ => (WRITE_FILES, &["kms:Decrypt", "kms:GenerateDataKey"]),
    };
    let key = Key { service: "s3", actions: key, context: OBJECTS };
    vec![list, allow(actions, vec![files.clone()]), with_key(wanted, &key, vec![bucket, files])]
}

fn followed_by(prefix: &str, value: &Value) -> Value {
    changed(value, |text| format!("{prefix}{text}"))
}
