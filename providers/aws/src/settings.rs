//! What may stand under `aws` in a blueprint's `providers`, and the scope that it makes of one resource.

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
    /// Where things are made. Default: `AWS_REGION`, or the profile's. Example: `eu-west-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z]{2,}(-[a-z]+)+-[0-9]+$"))]
    pub(crate) region: Option<String>,

    /// The account that things are made in, by its number: where the credentials are of another, nothing is done.
    /// Default: the credentials' own. Example: `"123456789012"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{12}$"))]
    pub(crate) account: Option<String>,

    /// The profile of `~/.aws/config` whose credentials are used. Default: `AWS_PROFILE`, or those of the environment. Example: `research`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub(crate) profile: Option<String>,

    /// A role that is assumed: its ARN, or its name where `account` is given. Default: none. Example: `deploy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(arn:aws[a-z-]*:iam::[0-9]{12}:role/)?[A-Za-z0-9+=,.@_/-]+$"))]
    pub(crate) role: Option<String>,

    /// What the role's trust policy asks for besides. Default: nothing. Example: `trueup`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2))]
    pub(crate) external_id: Option<String>,

    /// Where its services are, for what speaks AWS's language and is not AWS. Default: AWS, or `AWS_ENDPOINT_URL`.
    /// Example: `http://127.0.0.1:5000`.
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
        for (name, value) in candidate.into_iter().flat_map(|candidate| &candidate.fields) {
            if known.contains(&name.as_str()) {
                json[name] = value.clone();
            }
        }
        if let Some(problem) = schema().problems(&json.clone().into()).into_iter().next() {
            return Err(Invalid { path: problem.path, message: problem.message });
        }
        let settings: Self = serde_json::from_value(json).map_err(|error| invalid("", error.to_string()))?;
        let is_named = settings.role.as_ref().is_some_and(|role| !role.starts_with("arn:"));
        if is_named && settings.account.is_none() {
            return Err(invalid("role", "a role's name is not enough without `account`: say its ARN, or the account"));
        }
        Ok(settings)
    }

    /// The settings that a scope was made of.
    pub(crate) fn of(scope: &Scope) -> Self {
        let text =
            |settings: &trueup_state::scope::Settings, name: &str| settings.get(name)?.as_str().map(str::to_owned);
        let field = |name: &str| text(&scope.access, name);
        Self {
            region: text(&scope.settings, "region"),
            account: field("account"),
            profile: field("profile"),
            role: field("role"),
            external_id: field("external_id"),
            endpoint_url: field("endpoint_url"),
        }
    }

    /// The scope that they make. `usual`: the region where none is said.
    pub(crate) fn scope(
        self,
        name: &ProviderName,
        usual: impl FnOnce(Option<&str>) -> Option<String>,
    ) -> Result<Scope, Invalid> {
        let region = self.region.clone().or_else(|| usual(self.profile.as_deref()));
        let region = region.ok_or_else(|| {
            invalid("region", "there is no region: say `region`, or set AWS_REGION, or give the profile one")
        })?;
        let access = [
            ("account", self.account),
            ("profile", self.profile),
            ("role", self.role),
            ("external_id", self.external_id),
            ("endpoint_url", self.endpoint_url),
        ];
        let access = access.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        let access = access.collect::<BTreeMap<_, _>>().into();
        Ok(Scope { provider: name.clone(), settings: [("region".to_owned(), region.into())].into(), access })
    }

    /// The ARN of the role to assume.
    pub(crate) fn role_arn(&self) -> Option<String> {
        let role = self.role.as_ref()?;
        if role.starts_with("arn:") {
            return Some(role.clone());
        }
        let partition = partition(self.region.as_deref().unwrap_or_default());
        Some(format!("arn:{partition}:iam::{}:role/{role}", self.account.as_deref().unwrap_or_default()))
    }
}

/// The partition that a region is in: the second word of the ARNs there.
pub(crate) fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        region if region.starts_with("us-iso-") => "aws-iso",
        region if region.starts_with("us-isob-") => "aws-iso-b",
        region if region.starts_with("us-isof-") => "aws-iso-f",
        region if region.starts_with("eu-isoe-") => "aws-iso-e",
        region if region.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope(settings: serde_json::Value, candidate: &serde_json::Value) -> Result<Scope, Invalid> {
        let fields = candidate.as_object().cloned().unwrap_or_default().into_iter().collect();
        let candidate = Candidate { position: 0, provider: "aws".into(), fields };
        let read = Settings::read(&settings.into(), Some(&candidate))?;
        read.scope(&"aws.eu".into(), |profile| (profile == Some("research")).then(|| "eu-north-1".to_owned()))
    }

    #[test]
    fn a_candidate_goes_before_the_block_and_the_block_before_the_environment() {
        let region = |settings, candidate| scope(settings, &candidate).unwrap().settings["region"].clone();
        assert_eq!(
            region(json!({ "region": "us-east-1" }), json!({ "region": "eu-west-1", "market": "spot" })),
            "eu-west-1"
        );
        assert_eq!(region(json!({ "region": "us-east-1" }), json!({})), "us-east-1");
        assert_eq!(region(json!({ "profile": "research" }), json!({})), "eu-north-1");
    }

    #[test]
    fn what_a_scope_was_made_of_can_be_read_again() {
        let said =
            json!({ "region": "us-gov-west-1", "account": "123456789012", "role": "deploy", "external_id": "trueup" });
        let scope = scope(said, &json!({})).unwrap();
        let settings = Settings::of(&scope);
        assert_eq!(settings.clone().scope(&"aws.eu".into(), |_| None).unwrap(), scope);
        assert_eq!(settings.role_arn().unwrap(), "arn:aws-us-gov:iam::123456789012:role/deploy");
    }

    #[test]
    fn what_makes_no_scope_is_told_with_its_field() {
        for (settings, field) in [
            (json!({}), "region"),
            (json!({ "region": "Frankfurt" }), "region"),
            (json!({ "region": "eu-west-1", "account": "12" }), "account"),
            (json!({ "region": "eu-west-1", "role": "deploy" }), "role"),
            (json!({ "region": "eu-west-1", "endpoint_url": "127.0.0.1" }), "endpoint_url"),
            (json!({ "region": "eu-west-1", "regoin": "x" }), "regoin"),
        ] {
            assert_eq!(scope(settings.clone(), &json!({})).unwrap_err().path.to_string(), field, "{settings}");
        }
    }
}
