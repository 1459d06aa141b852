//! What may stand under `gcp` in a blueprint's `providers`, and the scope that it makes of one resource.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueup_engine::provider::{Candidate, Invalid};
use trueup_engine::schema::Schema;
use trueup_state::{FieldPath, ProviderName, Scope, Value, codec};

/// The settings of a provider block. What a placement's candidate says of them goes before.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub(crate) struct Settings {
    /// The project that things are made in, by its id. Default: `GOOGLE_CLOUD_PROJECT`, or that of the credentials. Example: `acme-research`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$"))]
    pub(crate) project: Option<String>,

    /// Where things are made that are in a region. Default: the zone's, or `CLOUDSDK_COMPUTE_REGION`. Example: `europe-west4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z]+-[a-z]+[0-9]+$"))]
    pub(crate) region: Option<String>,

    /// Where things are made that are in a zone. Default: `CLOUDSDK_COMPUTE_ZONE`. Example: `europe-west4-a`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z]+-[a-z]+[0-9]+-[a-z]+$"))]
    pub(crate) zone: Option<String>,

    /// A file with credentials: a service account's key, or what workload identity federation writes. Default: application default
    /// credentials. Example: `/etc/trueup/deploy.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub(crate) credentials: Option<String>,

    /// A service account that is acted as, by its address. Default: none. Example: `deploy@acme-research.iam.gserviceaccount.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[^@\s]+@[^@\s]+$"))]
    pub(crate) impersonate: Option<String>,

    /// Where its APIs are, for what speaks Google's language and is not Google: each is below this, by the name of its own host.
    /// Default: Google, or for one API `CLOUDSDK_API_ENDPOINT_OVERRIDES_` and its name. Example: `http://127.0.0.1:5000`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://.+"))]
    pub(crate) endpoint_url: Option<String>,
}

/// The schema of the settings.
pub(crate) fn schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of::<Settings, BTreeMap<String, String>>(1, false));
    &SCHEMA
}

fn invalid(field: &str, message: impl Into<String>) -> Invalid {
    Invalid { path: FieldPath::from_iter([field]), message: message.into() }
}

impl Settings {
    /// The settings of a provider block, with what a candidate says of them besides.
    pub(crate) fn read(settings: &Value, candidate: Option<&Candidate>) -> Result<Self, Invalid> {
        let mut json = codec::reveal(settings).unwrap_or_default();
        if !json.is_object() {
            json = serde_json::json!({});
        }
        let known = schema().fields();
        let said = candidate.into_iter().flat_map(|candidate| &candidate.fields);
        let said: Vec<_> = said.filter(|(name, _)| known.contains(&name.as_str())).collect();
        // A candidate in another region is in none of the block's zones.
        if said.iter().any(|(name, _)| *name == "region") && !said.iter().any(|(name, _)| *name == "zone") {
            json.as_object_mut().map(|json| json.shift_remove("zone"));
        }
        if said.iter().any(|(name, _)| *name == "zone") && !said.iter().any(|(name, _)| *name == "region") {
            json.as_object_mut().map(|json| json.shift_remove("region"));
        }
        for (name, value) in said {
            json[name.as_str()] = value.clone();
        }
        if let Some(problem) = schema().problems(&json.clone().into()).into_iter().next() {
            return Err(Invalid { path: problem.path, message: problem.message });
        }
        serde_json::from_value(json).map_err(|error| invalid("", error.to_string()))
    }

    /// The settings that a scope was made of.
    pub(crate) fn of(scope: &Scope) -> Self {
        let text =
            |settings: &trueup_state::scope::Settings, name: &str| settings.get(name)?.as_str().map(str::to_owned);
        Self {
            project: text(&scope.settings, "project"),
            region: text(&scope.settings, "region"),
            zone: text(&scope.settings, "zone"),
            credentials: text(&scope.access, "credentials"),
            impersonate: text(&scope.access, "impersonate"),
            endpoint_url: text(&scope.access, "endpoint_url"),
        }
    }

    /// The scope that they make. `usual`: what the environment says where the block does not, by the name of a setting.
    pub(crate) fn scope(
        self,
        name: &ProviderName,
        usual: impl Fn(&str, Option<&str>) -> Option<String>,
    ) -> Result<Scope, Invalid> {
        let file = self.credentials.as_deref();
        let project = self.project.clone().or_else(|| usual("project", file));
        let project = project
            .ok_or_else(|| invalid("project", "there is no project: say `project`, or set GOOGLE_CLOUD_PROJECT"))?;
        let is_placed = self.region.is_some() || self.zone.is_some();
        let zone = self.zone.clone().or_else(|| usual("zone", None).filter(|_| !is_placed));
        let region =
            self.region.clone().or_else(|| zone.as_deref().and_then(region_of)).or_else(|| usual("region", None));
        if let (Some(zone), Some(region)) = (&zone, &region)
            && region_of(zone).as_ref() != Some(region)
        {
            return Err(invalid("zone", format!("the zone {zone} is not in the region {region}")));
        }
        let some = |settings: [(&str, Option<String>); 3]| -> BTreeMap<String, serde_json::Value> {
            settings.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect()
        };
        let place = some([("project", Some(project)), ("region", region), ("zone", zone)]);
        let access =
            [("credentials", self.credentials), ("impersonate", self.impersonate), ("endpoint_url", self.endpoint_url)];
        Ok(Scope { provider: name.clone(), settings: place.into(), access: some(access).into() })
    }
}

/// The region of a zone: `europe-west4` of `europe-west4-a`.
pub(crate) fn region_of(zone: &str) -> Option<String> {
    zone.rsplit_once('-').map(|(region, _)| region.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope(settings: serde_json::Value, candidate: &serde_json::Value) -> Result<Scope, Invalid> {
        let fields = candidate.as_object().cloned().unwrap_or_default().into_iter().collect();
        let candidate = Candidate { position: 0, provider: "gcp".into(), fields };
        let read = Settings::read(&settings.into(), Some(&candidate))?;
        read.scope(&"gcp.eu".into(), |name, file| match (name, file) {
            ("project", Some(_)) => Some("of-the-key".to_owned()),
            ("region", _) => Some("us-central1".to_owned()),
            _ => None,
        })
    }

    fn placed(settings: serde_json::Value, candidate: &serde_json::Value) -> (Option<String>, Option<String>) {
        let settings = Settings::of(&scope(settings, candidate).unwrap());
        (settings.region, settings.zone)
    }

    #[test]
    fn a_candidate_goes_before_the_block_and_the_block_before_the_environment() {
        let some = |text: &str| Some(text.to_owned());
        let block = json!({ "project": "acme-research", "zone": "europe-west4-a" });
        assert_eq!(placed(block.clone(), &json!({})), (some("europe-west4"), some("europe-west4-a")));
        assert_eq!(placed(block.clone(), &json!({ "region": "us-east1" })), (some("us-east1"), None));
        assert_eq!(placed(block, &json!({ "zone": "us-east1-b" })), (some("us-east1"), some("us-east1-b")));
        assert_eq!(placed(json!({ "project": "acme-research" }), &json!({})), (some("us-central1"), None));
        let of_key = scope(json!({ "credentials": "/key.json" }), &json!({})).unwrap();
        assert_eq!(of_key.settings["project"], "of-the-key");
    }

    #[test]
    fn what_a_scope_was_made_of_can_be_read_again() {
        let said =
            json!({ "project": "acme-research", "region": "us-east1", "impersonate": "a@b", "credentials": "/key" });
        let scope = scope(said, &json!({})).unwrap();
        assert_eq!(Settings::of(&scope).scope(&"gcp.eu".into(), |_, _| None).unwrap(), scope);
    }

    #[test]
    fn what_makes_no_scope_is_told_with_its_field() {
        for (settings, field) in [
            (json!({}), "project"),
            (json!({ "project": "No" }), "project"),
            (json!({ "project": "acme-research", "region": "Frankfurt" }), "region"),
            (json!({ "project": "acme-research", "zone": "europe-west4" }), "zone"),
            (json!({ "project": "acme-research", "region": "us-east1", "zone": "us-east4-a" }), "zone"),
            (json!({ "project": "acme-research", "endpoint_url": "127.0.0.1" }), "endpoint_url"),
            (json!({ "porject": "acme-research" }), "porject"),
        ] {
            assert_eq!(scope(settings.clone(), &json!({})).unwrap_err().path.to_string(), field, "{settings}");
        }
    }
}
