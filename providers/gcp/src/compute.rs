//! Compute Engine's own clients, those of one project: made once and shared by all of its places.

use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, WeakShared};
use google_cloud_auth::credentials::Credentials;
use google_cloud_compute_v1::client::{Disks, Images, Instances, ZoneOperations};
use google_cloud_compute_v1::model::Instance;
use google_cloud_gax::client_builder::Error;
use google_cloud_gax::retry_policy::NeverRetry;
use trueup_engine::naming::TAG_STACK;
use trueup_engine::provider::ProviderError;
use trueup_state::Class;

use crate::clients::{CALL, patiently};
use crate::error::failed;
use crate::labels;

/// The machines of one page: the most that Google gives.
const PAGE: u32 = 500;

/// All machines of a project that bear owner labels, anybody's.
type Listing = Result<Arc<Vec<Instance>>, ProviderError>;

/// The clients. Each call is sent once.
#[derive(Clone, Debug)]
pub(crate) struct Compute {
    pub(crate) instances: Instances,
    pub(crate) disks: Disks,
    pub(crate) images: Images,
    pub(crate) operations: ZoneOperations,
    /// A list that is under way: whoever asks meanwhile is answered by it.
    under_way: Arc<Mutex<Option<WeakShared<BoxFuture<'static, Listing>>>>>,
}

impl Compute {
    /// The clients at an address.
    pub(crate) async fn of(endpoint: String, credentials: Credentials) -> Result<Self, ProviderError> {
        macro_rules! client {
            ($client:ident) => {
                $client::builder()
                    .with_endpoint(endpoint.clone())
                    .with_credentials(credentials.clone())
                    .with_retry_policy(NeverRetry)
                    .with_attempt_timeout(CALL)
                    .build()
                    .await
                    .map_err(unusable)?
            };
        }
        Ok(Self {
            instances: client!(Instances),
            disks: client!(Disks),
            images: client!(Images),
            operations: client!(ZoneOperations),
            under_way: Arc::default(),
        })
    }

    /// All machines of a project that bear owner labels, anybody's, by one list of all zones. What asks in several zones at once is answered
    /// by the same list.
    pub(crate) async fn machines(&self, project: &str) -> Listing {
        let shared = {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            let joined = under_way.as_ref().and_then(WeakShared::upgrade).filter(|list| list.peek().is_none());
            joined.unwrap_or_else(|| {
                let list = list(self.instances.clone(), project.to_owned()).boxed().shared();
                *under_way = list.downgrade();
                list
            })
        };
        shared.await
    }
}

async fn list(instances: Instances, project: String) -> Listing {
    let filter = format!("labels.{}:*", labels::key(TAG_STACK));
    let (mut all, mut page) = (Vec::new(), None);
    loop {
        let ask = || async {
            let call = instances.aggregated_list().set_project(&project).set_filter(&filter).set_max_results(PAGE);
            let call = call.set_or_clear_page_token(page.clone());
            call.send().await.map_err(|error| failed("list instances", &error))
        };
        let answer = patiently(ask).await?;
        all.extend(answer.items.into_values().flat_map(|place| place.instances));
        page = answer.next_page_token.filter(|token| !token.is_empty());
        if page.is_none() {
            return Ok(Arc::new(all));
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it stands where a function is asked for that takes it so")]
fn unusable(error: Error) -> ProviderError {
    ProviderError::new(Class::Internal, format!("Compute Engine's client can't be made: {error}"))
}
