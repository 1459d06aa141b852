//! Whom to call: one set of clients for each account and region, made once and shared by all that is done there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::meta::region::ProvideRegion;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::retry::RetryPartition;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::sync::OnceCell;
use trueup_engine::provider::{Api, ProviderError};
use trueup_state::{Class, Scope};

use crate::error::failed;
use crate::settings::{Settings, partition};

/// How long one try of a call may take: less than any lease has left when it is sent.
const TRY: Duration = Duration::from_secs(30);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a read is tried.
const READS: u32 = 6;
/// How many calls to one API may be under way at once.
pub(crate) const AT_ONCE: usize = 64;

/// All clients of a process.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    clients: Mutex<BTreeMap<Scope, Arc<OnceCell<Arc<Clients>>>>>,
    /// What was loaded of the environment and the profiles, by all but the region.
    configs: Mutex<BTreeMap<Settings, Arc<OnceCell<SdkConfig>>>>,
}

/// Whom to call in one account and region.
#[derive(Debug)]
pub(crate) struct Clients {
    /// Where.
    pub(crate) region: String,
    /// The number of the account that the credentials are of.
    pub(crate) account: String,
    pub(crate) s3: Pair<aws_sdk_s3::Client>,
    pub(crate) ec2: Pair<aws_sdk_ec2::Client>,
    pub(crate) cloud_control: Pair<aws_sdk_cloudcontrol::Client>,
    pub(crate) cloud_formation: Pair<aws_sdk_cloudformation::Client>,
    pub(crate) ecr: Pair<aws_sdk_ecr::Client>,
}

/// The clients of one service. Both know of each other what the service refused for being too much.
#[derive(Clone, Debug)]
pub(crate) struct Pair<C> {
    /// What only reads: it is tried again here.
    pub(crate) reads: C,
    /// What changes something: it is tried once, for the engine knows how to go on.
    pub(crate) writes: C,
}

impl<C> Pair<C> {
    /// Both, of what makes one. `partition`: what they share a limit in.
    fn of(partition: String, make: impl Fn(RetryConfig, RetryPartition) -> C) -> Self {
        let partition = RetryPartition::new(partition);
        let tried = |times| make(RetryConfig::adaptive().with_max_attempts(times), partition.clone());
        Self { reads: tried(READS), writes: tried(1) }
    }
}

impl Clients {
    /// The partition that the region is in: the second word of the ARNs there.
    pub(crate) fn partition(&self) -> &'static str {
        partition(&self.region)
    }

    /// What calls of a service here share a limit with.
    pub(crate) fn api(&self, service: &str) -> Api {
        Api { name: format!("{}/{}/{service}", self.account, self.region), concurrency: AT_ONCE }
    }
}

impl Pool {
    /// The clients of a scope.
    pub(crate) async fn of(&self, scope: &Scope) -> Result<Arc<Clients>, ProviderError> {
        let cell =
            self.clients.lock().unwrap_or_else(PoisonError::into_inner).entry(scope.clone()).or_default().clone();
        cell.get_or_try_init(|| self.make(Settings::of(scope))).await.cloned()
    }

    async fn make(&self, settings: Settings) -> Result<Arc<Clients>, ProviderError> {
        let region = settings.region.clone().ok_or_else(|| {
            ProviderError::new(Class::Invalid { field: Some("region".to_owned()) }, "the scope has no region")
        })?;
        let config = self
            .config(&settings, Region::new(region.clone()))
            .await
            .into_builder()
            .region(Region::new(region.clone()))
            .build();
        let account = account(&config).await.map_err(|error| match &settings.profile {
            Some(profile) => {
                ProviderError { message: format!("of the profile `{profile}`: {}", error.message), ..error }
            }
            None => error,
        })?;
        if let Some(said) = settings.account.filter(|said| *said != account) {
            let message = format!("the credentials are of the account {account}, and the blueprint says {said}");
            return Err(ProviderError::new(Class::Denied, message).code("WrongAccount"));
        }
        let partition = |service: &str| format!("{account}/{region}/{service}");
        let s3 = Pair::of(partition("s3"), |retry, partition| {
            let builder = aws_sdk_s3::config::Builder::from(&config).retry_config(retry).retry_partition(partition);
            aws_sdk_s3::Client::from_conf(builder.force_path_style(config.endpoint_url().is_some()).build())
        });
        let ec2 = Pair::of(partition("ec2"), |retry, partition| {
            let builder = aws_sdk_ec2::config::Builder::from(&config);
            aws_sdk_ec2::Client::from_conf(builder.retry_config(retry).retry_partition(partition).build())
        });
        let cloud_control = Pair::of(partition("cloudcontrol"), |retry, partition| {
            let builder = aws_sdk_cloudcontrol::config::Builder::from(&config);
            aws_sdk_cloudcontrol::Client::from_conf(builder.retry_config(retry).retry_partition(partition).build())
        });
        let cloud_formation = Pair::of(partition("cloudformation"), |retry, partition| {
            let builder = aws_sdk_cloudformation::config::Builder::from(&config);
            aws_sdk_cloudformation::Client::from_conf(builder.retry_config(retry).retry_partition(partition).build())
        });
        let ecr = Pair::of(partition("ecr"), |retry, partition| {
            let builder = aws_sdk_ecr::config::Builder::from(&config).retry_config(retry).retry_partition(partition);
            aws_sdk_ecr::Client::from_conf(builder.build())
        });
        Ok(Arc::new(Clients { region, account, s3, ec2, cloud_control, cloud_formation, ecr }))
    }

    /// What the environment, the profiles and the settings say, but for the region: one for all regions.
    async fn config(&self, settings: &Settings, region: Region) -> SdkConfig {
        let settings =
            Settings { region: settings.region.clone().filter(|_| settings.role.is_some()), ..settings.clone() };
        let cell =
            self.configs.lock().unwrap_or_else(PoisonError::into_inner).entry(settings.clone()).or_default().clone();
        cell.get_or_init(|| load(settings, region)).await.clone()
    }
}

async fn load(settings: Settings, region: Region) -> SdkConfig {
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(TRY);
    // With a region nobody looks for one, in the end at a machine's own service.
    let mut loader =
        aws_config::defaults(BehaviorVersion::latest()).region(region.clone()).timeout_config(timeouts.build());
    if let Some(profile) = &settings.profile {
        // Whoever is named is asked, and not whoever the environment has.
        let provider = ProviderConfig::without_region().with_region(Some(region.clone()));
        let named = ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&provider).build();
        loader = loader.profile_name(profile).credentials_provider(named);
    }
    if let Some(url) = &settings.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let config = loader.load().await;
    let Some(role) = settings.role_arn() else { return config };
    let mut assumed = AssumeRoleProvider::builder(role).session_name("trueup").configure(&config);
    if let Some(region) = settings.region {
        assumed = assumed.region(Region::new(region));
    }
    if let Some(id) = settings.external_id {
        assumed = assumed.external_id(id);
    }
    let assumed = aws_sdk_s3::config::SharedCredentialsProvider::new(assumed.build().await);
    config.into_builder().credentials_provider(assumed).build()
}

/// The number of the account that credentials are of.
async fn account(config: &SdkConfig) -> Result<String, ProviderError> {
    let answer = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
    let answer = answer.map_err(|error| failed("ask whose the credentials are", &error))?;
    answer.account.ok_or_else(|| ProviderError::new(Class::Internal, "AWS does not say whose the credentials are"))
}

/// The region where a blueprint says none: the environment's, or the profile's.
pub(crate) fn usual_region(profile: Option<&str>) -> Option<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|region| !region.is_empty());
    let of_profile = || {
        let mut provider = ProfileFileRegionProvider::builder();
        if let Some(name) = profile {
            provider = provider.profile_name(name);
        }
        // It reads a file, and waits for nothing.
        futures::executor::block_on(provider.build().region()).map(|region| region.to_string())
    };
    if profile.is_some() { of_profile() } else { None }
        .or_else(|| set("AWS_REGION"))
        .or_else(|| set("AWS_DEFAULT_REGION"))
        .or_else(of_profile)
}
