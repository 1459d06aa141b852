//! The aspects of a bucket that S3 keeps apart: each is read by a call of its own and written by another, and is one or two fields of a
//! spec.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLoggingStatus, BucketVersioningStatus, CorsConfiguration, CorsRule,
    LoggingEnabled, ObjectLockConfiguration, ObjectLockEnabled, ObjectOwnership, OwnershipControls,
    OwnershipControlsRule, ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule, Tag, Tagging, VersioningConfiguration,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::sync::OnceCell;
use trueup_engine::kinds::bucket::{self, Encryption, Spec};
use trueup_engine::provider::ProviderError;
use trueup_engine::typed::to_value;
use trueup_state::Value;
use trueup_state::map::Map;

use super::{OPTIONS, access, lifecycle};
use crate::clients::Clients;
pub(super) use crate::error::built;
use crate::error::failed;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Aspect {
    /// Who may make its files public, and who may read them without being named.
    Access,
    Versioning,
    /// What makes files immutable for a while.
    ObjectLock,
    Encryption,
    /// Whose a file is that somebody else has put there.
    Ownership,
    Lifecycle,
    Cors,
    Logging,
}

impl Aspect {
    /// All of them, in the order in which they are written: what others rely on goes first.
    pub(super) const ALL: [Self; 8] = [
        Self::Access,
        Self::Versioning,
        Self::ObjectLock,
        Self::Encryption,
        Self::Ownership,
        Self::Lifecycle,
        Self::Cors,
        Self::Logging,
    ];

    /// The fields of a spec that it is.
    pub(super) fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Access => &["public_access"],
            Self::Versioning => &["versioning"],
            Self::Encryption => &["encryption"],
            Self::Lifecycle => &["lifecycle", "storage_class"],
            Self::Cors => &["cors"],
            Self::Logging => &["logging"],
            Self::ObjectLock | Self::Ownership => &[],
        }
    }

    /// Those of AWS's own options that it is.
    pub(super) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Access => &["policy"],
            Self::ObjectLock => &["object_lock"],
            Self::Ownership => &["ownership"],
            _ => &[],
        }
    }

    /// Whether a spec says anything of it, by a field that was written or filled in; one that is not known says all there is.
    pub(super) fn is_asked(self, sent: Option<&Value>) -> bool {
        let Some(sent) = sent else { return true };
        let options = sent.at(&OPTIONS);
        let has = |name: &&str| sent.get(name).is_some();
        self.fields().iter().any(has)
            || self.options().iter().any(|name| options.is_some_and(|map| map.get(name).is_some()))
    }

    /// What is there of it.
    pub(super) async fn read(self, look: &Look<'_>, name: &str, sent: Option<&Value>) -> Result<Part, ProviderError> {
        let s3 = look.s3;
        match self {
            Self::Access => access::read(s3, name, sent).await,
            Self::Versioning => read_versioning(s3, name).await,
            Self::ObjectLock => read_object_lock(s3, name).await,
            Self::Encryption => read_encryption(s3, name).await,
            Self::Ownership => read_ownership(s3, name).await,
            Self::Lifecycle => read_lifecycle(s3, name).await,
            Self::Cors => read_cors(s3, name).await,
            Self::Logging => read_logging(look, name, sent).await,
        }
    }

    /// Whether what is read of it is, to the letter, what was written. Keys and policies are kept in forms of AWS's own.
    pub(super) fn is_exact(self) -> bool {
        matches!(self, Self::Versioning | Self::ObjectLock | Self::Ownership | Self::Lifecycle | Self::Logging)
    }

    /// Makes it what a spec says.
    pub(super) async fn write(self, clients: &Clients, name: &str, spec: &Spec) -> Result<(), ProviderError> {
        let s3 = &clients.s3.writes;
        match self {
            Self::Access => access::write(s3, name, spec).await,
            Self::Versioning => write_versioning(s3, name, spec).await,
            Self::ObjectLock => write_object_lock(s3, name).await,
            Self::Encryption => write_encryption(s3, name, spec).await,
            Self::Ownership => write_ownership(s3, name, spec).await,
            Self::Lifecycle => write_lifecycle(s3, name, spec).await,
            Self::Cors => write_cors(s3, name, spec).await,
            Self::Logging => write_logging(clients, name, spec).await,
        }
    }
}

/// What is there of an aspect, in the shape of a spec.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Part {
    pub(super) fields: Map,
    /// What stands below `options.aws`.
    pub(super) options: Map,
}

impl Part {
    pub(super) fn of(field: &str, value: impl Into<Value>) -> Self {
        Self { fields: [(field.to_owned(), value.into())].into(), options: Map::new() }
    }

    fn option(name: &str, value: impl Into<Value>) -> Self {
        Self { fields: Map::new(), options: [(name.to_owned(), value.into())].into() }
    }

    /// Whether it is what a spec wants, in what the spec says.
    pub(super) fn is(&self, wanted: &Value) -> bool {
        let options = wanted.at(&OPTIONS);
        let is_wanted = |there: &Map, wanted: Option<&Value>| {
            there
                .iter()
                .all(|(name, value)| wanted.and_then(|wanted| wanted.get(name)).is_none_or(|wanted| wanted.same(value)))
        };
        is_wanted(&self.fields, Some(wanted)) && is_wanted(&self.options, options)
    }
}

/// An answer, or none where the code says that there is no such configuration.
pub(super) fn unless<T, E>(
    doing: &str,
    answer: Result<T, SdkError<E, HttpResponse>>,
    missing: &str,
) -> Result<Option<T>, ProviderError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match answer {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.as_service_error().and_then(ProvideErrorMetadata::code) == Some(missing) => Ok(None),
        Err(error) => Err(failed(doing, &error)),
    }
}

async fn read_versioning(s3: &Client, name: &str) -> Result<Part, ProviderError> {
    let there = s3.get_bucket_versioning().bucket(name).send().await;
    let there = there.map_err(|error| failed("read its versioning", &error))?;
    Ok(Part::of("versioning", there.status() == Some(&BucketVersioningStatus::Enabled)))
}

async fn write_versioning(s3: &Client, name: &str, spec: &Spec) -> Result<(), ProviderError> {
    let status = if spec.versioning { BucketVersioningStatus::Enabled } else { BucketVersioningStatus::Suspended };
    let configuration = VersioningConfiguration::builder().status(status).build();
    let written = s3.put_bucket_versioning().bucket(name).versioning_configuration(configuration).send().await;
    written.map(drop).map_err(|error| failed("set its versioning", &error))
}

async fn read_object_lock(s3: &Client, name: &str) -> Result<Part, ProviderError> {
    let there = s3.get_object_lock_configuration().bucket(name).send().await;
    let there = unless("read its object lock", there, "ObjectLockConfigurationNotFoundError")?;
    let lock = there.as_ref().and_then(|there| there.object_lock_configuration()?.object_lock_enabled());
    Ok(Part::option("object_lock", lock == Some(&ObjectLockEnabled::Enabled)))
}

/// It can only be put on: a bucket never loses it.
async fn write_object_lock(s3: &Client, name: &str) -> Result<(), ProviderError> {
    let configuration = ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled).build();
    let written = s3.put_object_lock_configuration().bucket(name).object_lock_configuration(configuration).send().await;
    written.map(drop).map_err(|error| failed("put on its object lock", &error))
}

async fn read_encryption(s3: &Client, name: &str) -> Result<Part, ProviderError> {
    let there = s3.get_bucket_encryption().bucket(name).send().await;
    let there = unless("read its encryption", there, "ServerSideEncryptionConfigurationNotFoundError")?;
    let configuration = there.and_then(|there| there.server_side_encryption_configuration);
    let rule = configuration.as_ref().and_then(|configuration| configuration.rules().first());
    let applied = rule.and_then(ServerSideEncryptionRule::apply_server_side_encryption_by_default);
    Ok(Part::of(
        "encryption",
        match applied {
            None => Value::from("none"),
            Some(applied) => match applied.kms_master_key_id() {
                Some(key) => to_value(&Encryption::KmsKey(key.to_owned())),
                None if *applied.sse_algorithm() == ServerSideEncryption::Aes256 => {
                    to_value(&Encryption::ProviderManaged)
                }
                None => Value::from(applied.sse_algorithm().as_str()),
            },
        },
    ))
}

async fn write_encryption(s3: &Client, name: &str, spec: &Spec) -> Result<(), ProviderError> {
    let (applied, by_key) = match &spec.encryption {
        Encryption::ProviderManaged => {
            (ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256), false)
        }
        Encryption::KmsKey(key) => (
            ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::AwsKms).kms_master_key_id(key),
            true,
        ),
    };
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(built(applied.build())?)
        // Else every file that is read or written is a call to the key service, and is paid for.
        .set_bucket_key_enabled(by_key.then_some(true));
    let configuration = built(ServerSideEncryptionConfiguration::builder().rules(rule.build()).build())?;
    let call = s3.put_bucket_encryption().bucket(name).server_side_encryption_configuration(configuration);
    call.send().await.map(drop).map_err(|error| failed("set its encryption", &error))
}

async fn read_ownership(s3: &Client, name: &str) -> Result<Part, ProviderError> {
    let there = s3.get_bucket_ownership_controls().bucket(name).send().await;
    let there = unless("read its ownership controls", there, "OwnershipControlsNotFoundError")?;
    let controls = there.and_then(|there| there.ownership_controls);
    let rule = controls.as_ref().and_then(|controls| controls.rules().first());
    Ok(Part::option("ownership", rule.map_or("none", |rule| said_of(rule.object_ownership()))))
}

fn said_of(ownership: &ObjectOwnership) -> &'static str {
    match ownership {
        ObjectOwnership::BucketOwnerPreferred => "bucket_owner_preferred",
        ObjectOwnership::ObjectWriter => "object_writer",
        _ => "bucket_owner_enforced",
    }
}

/// S3's name for whose files are, where a spec says it; else the bucket's owner's.
pub(super) fn ownership(spec: &Spec) -> ObjectOwnership {
    match super::option(spec, "ownership").and_then(serde_json::Value::as_str) {
        Some("bucket_owner_preferred") => ObjectOwnership::BucketOwnerPreferred,
        Some("object_writer") => ObjectOwnership::ObjectWriter,
        _ => ObjectOwnership::BucketOwnerEnforced,
    }
}

async fn write_ownership(s3: &Client, name: &str, spec: &Spec) -> Result<(), ProviderError> {
    let rule = built(OwnershipControlsRule::builder().object_ownership(ownership(spec)).build())?;
    let controls = built(OwnershipControls::builder().rules(rule).build())?;
    let written = s3.put_bucket_ownership_controls().bucket(name).ownership_controls(controls).send().await;
    written.map(drop).map_err(|error| failed("set its ownership controls", &error))
}

async fn read_lifecycle(s3: &Client, name: &str) -> Result<Part, ProviderError> {
    let there = s3.get_bucket_lifecycle_configuration().bucket(name).send().await;
    let there = unless("read its lifecycle rules", there, "NoSuchLifecycleConfiguration")?;
    let rules = there.and_then(|there| there.rules).unwrap_or_default();
    let (rules, class) = lifecycle::read(&rules);
    let fields = [("lifecycle".to_owned(), to_value(&rules)), ("storage_class".to_owned(), to_value(&class))];
    Ok(Part { fields: fields.into(), options: Map::new() })
}

async fn write_lifecycle(s3: &Client, name: &str, spec: &Spec) -> Result<(), ProviderError> {
    let rules = lifecycle::rules(spec)?;
    if rules.is_empty() {
        let written = s3.delete_bucket_lifecycle().bucket(name).send().await;
        return written.map(drop).map_err(|error| failed("remove its lifecycle rules", &error));
    }
    let configuration = built(BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build())?;
    let call = s3.put_bucket_lifecycle_configuration().bucket(name).lifecycle_configuration(configuration);
    call.send().await.map(drop).map_err(|error| failed("set its lifecycle rules", &error))
}

async fn read_cors(s3: &Client, name: &str) -> Result<Part, ProviderError> {
    let there = s3.get_bucket_cors().bucket(name).send().await;
    let there = unless("read its CORS rules", there, "NoSuchCORSConfiguration")?;
    let said = |rule: &CorsRule| bucket::CorsRule {
        origins: rule.allowed_origins().to_vec(),
        methods: rule.allowed_methods().to_vec(),
        headers: rule.allowed_headers().to_vec(),
        max_age_seconds: rule.max_age_seconds().and_then(|age| age.try_into().ok()).unwrap_or_default(),
    };
    let rules = there.and_then(|there| there.cors_rules).unwrap_or_default();
    let rules: Vec<_> = rules.iter().map(said).collect();
    Ok(Part::of("cors", to_value(&rules)))
}

async fn write_cors(s3: &Client, name: &str, spec: &Spec) -> Result<(), ProviderError> {
    if spec.cors.is_empty() {
        let written = s3.delete_bucket_cors().bucket(name).send().await;
        return written.map(drop).map_err(|error| failed("remove its CORS rules", &error));
    }
    let rule = |rule: &bucket::CorsRule| {
        CorsRule::builder()
            .set_allowed_origins(Some(rule.origins.clone()))
            .set_allowed_methods(Some(rule.methods.clone()))
            .set_allowed_headers(Some(rule.headers.clone()).filter(|headers| !headers.is_empty()))
            .max_age_seconds(rule.max_age_seconds.try_into().unwrap_or(i32::MAX))
            .build()
    };
    let rules: Result<Vec<_>, _> = spec.cors.iter().map(|one| built(rule(one))).collect();
    let configuration = built(CorsConfiguration::builder().set_cors_rules(Some(rules?)).build())?;
    let written = s3.put_bucket_cors().bucket(name).cors_configuration(configuration).send().await;
    written.map(drop).map_err(|error| failed("set its CORS rules", &error))
}

/// One look at buckets, in which nothing is asked twice.
pub(super) struct Look<'a> {
    pub(super) s3: &'a Client,
    /// Whether S3 may put logs into a bucket, by its name.
    takes_logs: Mutex<BTreeMap<String, Arc<OnceCell<bool>>>>,
}

impl<'a> Look<'a> {
    pub(super) fn new(s3: &'a Client) -> Self {
        Self { s3, takes_logs: Mutex::default() }
    }

    async fn takes_logs(&self, bucket: &str) -> Result<bool, ProviderError> {
        let cell = {
            let mut known = self.takes_logs.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(bucket.to_owned()).or_default().clone()
        };
        cell.get_or_try_init(|| access::takes_logs(self.s3, bucket)).await.copied()
    }
}

/// The bucket that takes the log is seen as the resource that was sent, while it is that one still. Where S3 may not put the log there any
/// more, there is none.
async fn read_logging(look: &Look<'_>, name: &str, sent: Option<&Value>) -> Result<Part, ProviderError> {
    let there = look.s3.get_bucket_logging().bucket(name).send().await;
    let there = there.map_err(|error| failed("read where its log goes", &error))?;
    let Some(log) = there.logging_enabled() else { return Ok(Part::of("logging", Value::Null)) };
    let sent = sent.and_then(|sent| sent.get("logging")?.get("bucket"));
    let sent_name = sent.and_then(|bucket| bucket.get("attributes")?.get("name")?.as_str());
    let bucket = match sent {
        Some(_) if sent_name == Some(log.target_bucket()) && !look.takes_logs(log.target_bucket()).await? => {
            return Ok(Part::of("logging", Value::Null));
        }
        Some(bucket) if sent_name == Some(log.target_bucket()) => bucket.clone(),
        _ => Value::from(log.target_bucket()),
    };
    let fields = [("bucket".to_owned(), bucket), ("prefix".to_owned(), log.target_prefix().into())];
    Ok(Part::of("logging", Value::Map(fields.into())))
}

/// The bucket that takes the log lets S3 put it there.
async fn write_logging(clients: &Clients, name: &str, spec: &Spec) -> Result<(), ProviderError> {
    if let Some(target) = spec.logging.as_ref().and_then(|log| log.bucket.attribute("name")) {
        access::take_logs(&clients.s3.writes, target, &clients.account).await?;
    }
    let enabled = spec.logging.as_ref().map(|log| {
        let target = log.bucket.attribute("name").unwrap_or_default();
        built(LoggingEnabled::builder().target_bucket(target).target_prefix(&log.prefix).build())
    });
    let status = BucketLoggingStatus::builder().set_logging_enabled(enabled.transpose()?).build();
    let written = clients.s3.writes.put_bucket_logging().bucket(name).bucket_logging_status(status).send().await;
    written.map(drop).map_err(|error| failed("set where its log goes", &error))
}

/// Its tags, those that say whose it is among them.
pub(super) async fn read_tags(s3: &Client, name: &str) -> Result<Vec<(String, String)>, ProviderError> {
    let there = s3.get_bucket_tagging().bucket(name).send().await;
    let there = unless("read its tags", there, "NoSuchTagSet")?;
    let tags = there.map(|there| there.tag_set).unwrap_or_default();
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

/// Makes its tags these, and no others.
pub(super) async fn write_tags(s3: &Client, name: &str, tags: Vec<Tag>) -> Result<(), ProviderError> {
    let tagging = built(Tagging::builder().set_tag_set(Some(tags)).build())?;
    let written = s3.put_bucket_tagging().bucket(name).tagging(tagging).send().await;
    written.map(drop).map_err(|error| failed("set its tags", &error))
}
