//! Where a provider makes something.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::names::ProviderName;

/// A provider's settings for one resource, resolved: region, project, account, profile. Credentials are named here, never held.
/// A large stack has few scopes and names each many times: a clone costs nothing, and they have an order, to group by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    /// The provider and its alias.
    pub provider: ProviderName,
    /// Its settings by name.
    pub settings: Settings,
}

impl Scope {
    /// A provider that has no settings.
    pub fn of(provider: impl Into<ProviderName>) -> Self {
        Self { provider: provider.into(), settings: Settings::default() }
    }
}

/// A provider's settings by name. They don't change.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, Json>")]
#[serde(into = "BTreeMap<String, Json>")]
pub struct Settings(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    by_name: BTreeMap<String, Json>,
    /// The same text for the same settings.
    text: String,
}

impl From<BTreeMap<String, Json>> for Settings {
    fn from(by_name: BTreeMap<String, Json>) -> Self {
        let words: Vec<String> = by_name.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Self(Arc::new(Inner { by_name, text: words.join("&") }))
    }
}

impl<const N: usize> From<[(String, Json); N]> for Settings {
    fn from(by_name: [(String, Json); N]) -> Self {
        BTreeMap::from(by_name).into()
    }
}

impl From<Settings> for BTreeMap<String, Json> {
    fn from(settings: Settings) -> Self {
        settings.0.by_name.clone()
    }
}

impl Deref for Settings {
    type Target = BTreeMap<String, Json>;

    fn deref(&self) -> &Self::Target {
        &self.0.by_name
    }
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.text == other.0.text
    }
}

impl Eq for Settings {}

impl PartialOrd for Settings {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Settings {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { std::cmp::Ordering::Equal } else { self.0.text.cmp(&other.0.text) }
    }
}
