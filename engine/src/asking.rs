//! Asks a provider what is there, again where it was too busy or out of order for a moment: asking changes nothing.

use std::sync::Arc;
use std::time::Duration;

use trueup_state::{Clock, Entropy};

use crate::apply::retry::Tries;
use crate::provider::{Manager, Observed, ProviderError, Target};

/// The longest that one question is asked again and again. What can't be told by then is said to be so.
const PATIENCE: Duration = Duration::from_mins(2);

/// Whoever asks.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Asker {
    /// What is there of some targets.
    pub(crate) async fn observe(
        &self,
        manager: &dyn Manager,
        targets: &[Target<'_>],
    ) -> Result<Observed, ProviderError> {
        let (since, mut tries) = (self.clock.uptime(), Tries::default());
        loop {
            let error = match manager.observe(targets).await {
                Ok(observed) => return Ok(observed),
                Err(error) => error,
            };
            let asked = self.clock.uptime().saturating_sub(since);
            let again = tries.again(&error, self.entropy.as_ref()).filter(|after| asked + *after <= PATIENCE);
            let Some(after) = again else { return Err(error) };
            self.clock.sleep(after).await;
        }
    }
}
