//! Whom to call: one client for each project, place and account, made once and shared by all that is done there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use google_cloud_auth::credentials::{
    self, CacheableResource, Credentials, external_account, impersonated, service_account,
};
use google_cloud_auth::signer::Signer;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_storage::client::{Storage, StorageControl};
use http::{HeaderMap, Method};
use reqwest::Url;
use serde_json::Value as Json;
use tokio::sync::OnceCell;
use trueup_engine::provider::{Api, ProviderError};
use trueup_state::{Class, Scope};

use crate::compute::Compute;
use crate::error::refused;
use crate::metadata;
use crate::settings::Settings;

/// How long one call may take: less than any lease has left when it is sent.
pub(crate) const CALL: Duration = Duration::from_secs(30);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a read is tried, and how long it waits before the second time: twice as long before each that follows.
const READS: (u32, Duration) = (5, Duration::from_millis(250));
/// How many calls to one API may be under way at once.
pub(crate) const AT_ONCE: usize = 32;
/// What credentials are asked for: what IAM allows is all that counts.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// All clients of a process.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    clients: Mutex<BTreeMap<Scope, Arc<OnceCell<Arc<Clients>>>>>,
    /// Of Compute Engine, which lists all places of a project at once, those of a project are shared.
    compute: Mutex<BTreeMap<Scope, Arc<OnceCell<Compute>>>>,
}

/// Whom to call, and for what place.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) project: String,
    pub(crate) region: Option<String>,
    pub(crate) zone: Option<String>,
    endpoint: Option<String>,
    credentials: Credentials,
    /// The file that the credentials are from, where one is named, and the account that is acted as.
    signing: (Option<String>, Option<String>),
    http: reqwest::Client,
    compute: Arc<OnceCell<Compute>>,
    storage: OnceCell<StorageControl>,
    files: OnceCell<Storage>,
}

/// A call.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    /// What it is for, in a few words.
    pub(crate) doing: &'a str,
    pub(crate) method: Method,
    /// The API, and the root of its paths: `pubsub`, `https://pubsub.googleapis.com/`.
    pub(crate) api: (&'a str, &'a str),
    /// The path below the root.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Option<Json>,
}

impl Pool {
    /// The clients of a scope.
    pub(crate) async fn of(&self, scope: &Scope) -> Result<Arc<Clients>, ProviderError> {
        let cell =
            self.clients.lock().unwrap_or_else(PoisonError::into_inner).entry(scope.clone()).or_default().clone();
        let made = || async { Clients::of(Settings::of(scope), self.compute_of(scope)).map(Arc::new) };
        cell.get_or_try_init(made).await.cloned()
    }

    fn compute_of(&self, scope: &Scope) -> Arc<OnceCell<Compute>> {
        let mut compute = self.compute.lock().unwrap_or_else(PoisonError::into_inner);
        compute.entry(everywhere(scope)).or_default().clone()
    }
}

impl Clients {
    fn of(settings: Settings, compute: Arc<OnceCell<Compute>>) -> Result<Self, ProviderError> {
        let http = reqwest::Client::builder().timeout(CALL).connect_timeout(CONNECT);
        let http = http.user_agent(concat!("trueup/", env!("CARGO_PKG_VERSION"))).build();
        let http = http.map_err(|error| ProviderError::new(Class::Internal, error.to_string()))?;
        Ok(Self {
            credentials: credentials(&settings)?,
            signing: (settings.credentials, settings.impersonate),
            project: settings.project.unwrap_or_default(),
            region: settings.region,
            zone: settings.zone,
            endpoint: settings.endpoint_url,
            http,
            compute,
            storage: OnceCell::new(),
            files: OnceCell::new(),
        })
    }

    /// What calls of an API share a limit with.
    pub(crate) fn api(&self, name: &str) -> Api {
        Api { name: format!("{}/{name}", self.project), concurrency: AT_ONCE }
    }

    /// Compute Engine's own clients.
    pub(crate) async fn compute(&self) -> Result<&Compute, ProviderError> {
        let root = "https://compute.googleapis.com/";
        let made = || async { Compute::of(self.root("compute", root), self.credentials.clone()).await };
        self.compute.get_or_try_init(made).await
    }

    /// Cloud Storage's client of buckets, which speaks gRPC: it has no paths, so that an endpoint's own root is where it is.
    pub(crate) async fn storage(&self) -> Result<&StorageControl, ProviderError> {
        let usual = || self.endpoint.clone().unwrap_or_else(|| "https://storage.googleapis.com".to_owned());
        let made = || async {
            let builder = StorageControl::builder().with_endpoint(overridden("storagecontrol").unwrap_or_else(usual));
            let builder = builder.with_credentials(self.credentials.clone()).with_retry_policy(NeverRetry);
            let unusable =
                |error| ProviderError::new(Class::Internal, format!("Cloud Storage's client can't be made: {error}"));
            builder.with_attempt_timeout(CALL).build().await.map_err(unusable)
        };
        self.storage.get_or_try_init(made).await
    }

    /// Cloud Storage's client of what is in buckets.
    pub(crate) async fn files(&self) -> Result<&Storage, ProviderError> {
        let root = self.root("storage", "https://storage.googleapis.com/");
        let made = || async {
            let builder = Storage::builder().with_endpoint(root.trim_end_matches('/').to_owned());
            let builder = builder.with_credentials(self.credentials.clone()).with_retry_policy(NeverRetry);
            let unusable =
                |error| ProviderError::new(Class::Internal, format!("Cloud Storage's client can't be made: {error}"));
            builder.build().await.map_err(unusable)
        };
        self.files.get_or_try_init(made).await
    }

    /// Where files are by addresses of their own, if not at Google.
    pub(crate) fn files_root(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// Who signs addresses: a service account, by its key or by Google.
    pub(crate) fn signer(&self) -> Result<Signer, ProviderError> {
        signer(self.signing.0.as_deref(), self.signing.1.as_deref()).map_err(|what| {
            ProviderError::new(Class::Denied, format!("nobody can sign for these credentials: {what}"))
                .help("a service account signs: act as one, by `impersonate`, or check by `via: ssh`")
        })
    }

    /// What a read is answered. It is tried again where that may help.
    pub(crate) async fn read(&self, call: &Call<'_>) -> Result<Json, ProviderError> {
        patiently(|| self.send(call)).await
    }

    /// What a call is answered. It is sent once.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Json, ProviderError> {
        let request = self.http.request(call.method.clone(), self.url(call)?).headers(self.headers().await?);
        let request = request.query(&call.query);
        let request = match &call.body {
            Some(body) => request.json(body),
            // What has a body has a length, also where there is none.
            None if call.method == Method::GET || call.method == Method::DELETE => request,
            None => request.header(http::header::CONTENT_LENGTH, 0),
        };
        let answer = request.send().await.map_err(|error| lost(call, &error))?;
        let (status, after) = (answer.status().as_u16(), after(answer.headers()));
        let text = answer.text().await.map_err(|error| lost(call, &error))?;
        let body: Json = if text.is_empty() { Json::Null } else { serde_json::from_str(&text).unwrap_or_default() };
        if status >= 400 { Err(refused(call.doing, status, &body, after)) } else { Ok(body) }
    }

    /// Where an API is.
    pub(crate) fn root(&self, api: &str, root: &str) -> String {
        match (overridden(api), &self.endpoint) {
            (Some(url), _) => url,
            (None, Some(endpoint)) => {
                let host = root.trim_start_matches("https://").trim_end_matches('/');
                format!("{}/{host}", endpoint.trim_end_matches('/'))
            }
            (None, None) => root.to_owned(),
        }
    }

    fn url(&self, call: &Call<'_>) -> Result<Url, ProviderError> {
        let (api, root) = call.api;
        let root = self.root(api, root);
        let wrong = |what: &str| {
            ProviderError::new(
                Class::Invalid { field: Some("endpoint_url".to_owned()) },
                format!("{root} is no address: {what}"),
            )
        };
        let mut url = Url::parse(&root).map_err(|error| wrong(&error.to_string()))?;
        url.path_segments_mut().map_err(|()| wrong("it has no path"))?.pop_if_empty().extend(call.path.split('/'));
        Ok(url)
    }

    /// What a registry is told of who asks.
    pub(crate) async fn authorization(&self) -> Result<String, ProviderError> {
        let headers = self.headers().await?;
        let said = headers.get(http::header::AUTHORIZATION).and_then(|said| said.to_str().ok());
        Ok(said.unwrap_or_default().to_owned())
    }

    async fn headers(&self) -> Result<HeaderMap, ProviderError> {
        let asked = self.credentials.headers(http::Extensions::new()).await;
        match asked {
            Ok(CacheableResource::New { data, .. }) => Ok(data),
            Ok(CacheableResource::NotModified) => Ok(HeaderMap::new()),
            Err(error) => {
                let class = if error.is_transient() { Class::Transient } else { Class::Denied };
                let message = format!("the credentials can't be used: {error}");
                Err(ProviderError::new(class, message).help("`gcloud auth application-default login` makes some"))
            }
        }
    }
}

/// A scope without its region and zone: where what is in no place of a project is.
pub(crate) fn everywhere(scope: &Scope) -> Scope {
    let settings = scope.settings.iter().filter(|(name, _)| !matches!(name.as_str(), "region" | "zone"));
    let settings: BTreeMap<String, Json> = settings.map(|(name, value)| (name.clone(), value.clone())).collect();
    Scope { settings: settings.into(), ..scope.clone() }
}

/// What a read is answered. It is tried again where that may help.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, ProviderError>>>(
    ask: impl Fn() -> F,
) -> Result<T, ProviderError> {
    let (mut tries, mut wait) = READS;
    loop {
        tries -= 1;
        match ask().await {
            Err(error) if tries > 0 && matches!(error.class, Class::Throttled { .. } | Class::Transient) => {
                let asked = match error.class {
                    Class::Throttled { retry_after } => retry_after,
                    _ => None,
                };
                tokio::time::sleep(asked.unwrap_or_default().max(wait)).await;
                wait *= 2;
            }
            answer => return answer,
        }
    }
}

/// An API's address, where the environment says another, as it does to `gcloud`.
fn overridden(api: &str) -> Option<String> {
    let name = format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{}", api.to_uppercase());
    std::env::var(name).ok().filter(|url| !url.is_empty())
}

/// A call without an answer.
fn lost(call: &Call<'_>, error: &reqwest::Error) -> ProviderError {
    let mut message = format!("{}: {}", call.doing, error.to_string().split(" for url").next().unwrap_or_default());
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    let error_of = ProviderError::new(Class::Transient, message);
    // Where nobody was reached, nothing was done.
    if error.is_connect() || error.is_builder() { error_of } else { error_of.outcome_unknown() }
}

/// How long an answer asks to wait.
pub(crate) fn after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn credentials(settings: &Settings) -> Result<Credentials, ProviderError> {
    let wrong = |what: String| ProviderError::new(Class::Denied, what);
    let built = match &settings.credentials {
        Some(file) => named(Path::new(file)).map_err(wrong)?,
        None if settings.endpoint_url.is_some() && key_file().is_none() && !metadata::is_said() => {
            credentials::anonymous::Builder::new().build()
        }
        None => credentials::Builder::default()
            .with_scopes([SCOPE])
            .build()
            .map_err(|error| wrong(format!("there are no credentials: {error}")))?,
    };
    let Some(account) = &settings.impersonate else { return Ok(built) };
    let acting =
        impersonated::Builder::from_source_credentials(built).with_target_principal(account).with_scopes([SCOPE]);
    acting.build().map_err(|error| wrong(format!("{account} can't be acted as: {error}")))
}

/// Who signs for credentials.
fn signer(file: Option<&str>, impersonate: Option<&str>) -> Result<Signer, String> {
    if let Some(account) = impersonate {
        let source = match file {
            Some(file) => named(Path::new(file))?,
            None => credentials::Builder::default().with_scopes([SCOPE]).build().map_err(|error| error.to_string())?,
        };
        let acting = impersonated::Builder::from_source_credentials(source).with_target_principal(account);
        return acting.with_scopes([SCOPE]).build_signer().map_err(|error| error.to_string());
    }
    let Some(file) = file.map(Path::new) else {
        return credentials::Builder::default().build_signer().map_err(|error| error.to_string());
    };
    let json = read(file)?;
    let built = match json.get("type").and_then(Json::as_str) {
        Some("service_account") => service_account::Builder::new(json).build_signer(),
        Some("impersonated_service_account") => impersonated::Builder::new(json).build_signer(),
        other => return Err(format!("{} is of {}", file.display(), other.unwrap_or("no type"))),
    };
    built.map_err(|error| error.to_string())
}

/// The credentials of a file.
fn named(file: &Path) -> Result<Credentials, String> {
    let json = read(file)?;
    let fail = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    match json.get("type").and_then(Json::as_str) {
        Some("service_account") => {
            let scopes = service_account::AccessSpecifier::from_scopes([SCOPE]);
            service_account::Builder::new(json).with_access_specifier(scopes).build().map_err(|error| fail(&error))
        }
        Some("external_account") => {
            external_account::Builder::new(json).with_scopes([SCOPE]).build().map_err(|error| fail(&error))
        }
        Some("authorized_user") => {
            credentials::user_account::Builder::new(json).with_scopes([SCOPE]).build().map_err(|error| fail(&error))
        }
        Some("impersonated_service_account") => {
            impersonated::Builder::new(json).with_scopes([SCOPE]).build().map_err(|error| fail(&error))
        }
        other => Err(fail(&format!("`{}` is no type of credentials", other.unwrap_or_default()))),
    }
}

fn read(file: &Path) -> Result<Json, String> {
    let bytes = std::fs::read(file).map_err(|error| format!("{} can't be read: {error}", file.display()))?;
    serde_json::from_slice(&bytes).map_err(|_| format!("{} has no credentials", file.display()))
}

/// The file of application default credentials, where there is one.
fn key_file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let usual = || Some(set("HOME")?.join(".config/gcloud/application_default_credentials.json"));
    set("GOOGLE_APPLICATION_CREDENTIALS").or_else(|| usual().filter(|file| file.is_file()))
}

/// What the environment says of a setting. `file`: the credentials that a blueprint names.
pub(crate) fn usual(setting: &str, file: Option<&str>) -> Option<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match setting {
        "project" => {
            let of_key = |file: PathBuf| {
                let json = read(&file).ok()?;
                ["project_id", "quota_project_id"]
                    .into_iter()
                    .find_map(|name| Some(json.get(name)?.as_str()?.to_owned()))
            };
            let named = file.map(PathBuf::from).and_then(of_key);
            named
                .or_else(|| set("GOOGLE_CLOUD_PROJECT"))
                .or_else(|| set("CLOUDSDK_CORE_PROJECT"))
                .or_else(|| key_file().and_then(of_key))
                .or_else(metadata::project)
        }
        "region" => set("CLOUDSDK_COMPUTE_REGION"),
        "zone" => set("CLOUDSDK_COMPUTE_ZONE"),
        _ => None,
    }
}
