//! Where a provider makes something.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Its settings by name: where things are.
    pub settings: Settings,
    /// By whom and how they are asked for there: a profile, a role, an endpoint. Another one is the same place.
    #[serde(default, skip_serializing_if = "Settings::is_none")]
    pub access: Settings,
}

/// The access by which two places can be told apart after all, where both say it: whose they are.
const OWNER: &str = "account";

impl Scope {
    /// A provider that has no settings.
    pub fn of(provider: impl Into<ProviderName>) -> Self {
        Self { provider: provider.into(), settings: Settings::default(), access: Settings::default() }
    }

    /// A place of a provider's, asked for by nobody in particular.
    pub fn at(provider: impl Into<ProviderName>, settings: impl Into<Settings>) -> Self {
        Self { provider: provider.into(), settings: settings.into(), access: Settings::default() }
    }

    /// The first setting that tells two places apart; none where it is one. An alias is only a name.
    pub fn apart_from(&self, other: &Scope) -> Option<String> {
        if self.provider.provider() != other.provider.provider() {
            return Some("provider".to_owned());
        }
        let owner = |scope: &Scope| scope.access.get(OWNER).cloned();
        if owner(self).zip(owner(other)).is_some_and(|(one, other)| one != other) {
            return Some(OWNER.to_owned());
        }
        if self.settings == other.settings {
            return None;
        }
        let names: BTreeSet<_> = self.settings.keys().chain(other.settings.keys()).collect();
        // What is access by now may have been a setting once.
        let mut names =
            names.into_iter().filter(|name| !self.access.contains_key(*name) && !other.access.contains_key(*name));
        names.find(|name| self.settings.get(*name) != other.settings.get(*name)).cloned()
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

impl Settings {
    /// Whether there is none.
    fn is_none(&self) -> bool {
        self.0.by_name.is_empty()
    }
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
