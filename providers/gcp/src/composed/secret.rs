//! `secret`: one of Secret Manager, and its newest value.

use trueup_engine::compose::{Composition, Wanted};
use trueup_engine::schema::Problem;
use trueup_parts::{Known, Native, attributes, field, is_said, map, option};
use trueup_state::{FieldPath, Value};

use crate::version;

pub(super) const SECRET: &str = "secretmanager.v1.projects.secrets";
pub(super) const PARTS: [&str; 2] = [SECRET, version::KIND];
pub(super) const OPTIONS: [&str; 1] = ["replicas"];

/// What is known of it, each as it is of a part.
const KNOWN: Known<2> = [("name", "secret", "resource_id"), ("resource_id", "secret", "resource_id")];

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let name = field(wanted, "name").revealed().as_str();
    if name.is_some_and(|name| !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))) {
        let message = "at Google the name of a secret has letters, digits, `-` and `_`";
        return Err(vec![Problem::new(FieldPath::parse("name"), message)]);
    }
    let mut secret = Native::new(wanted, "secret", SECRET).beside("name", "name").from(
        "replication",
        "encryption",
        replication(wanted),
    );
    if is_said(field(wanted, "description")) {
        secret = secret.taking("annotations.description", "description");
    }
    let mut parts = vec![secret.tagged().part()];
    if is_said(field(wanted, "value")) {
        let value = Native::new(wanted, "value", version::KIND)
            .reads("secret", "secret", "resource_id")
            .taking("value", "value");
        parts.push(value.part());
    }
    Ok(Composition { parts, attributes: attributes(KNOWN) })
}

/// Where it is kept, and by whose key: everywhere, or in the regions that are said.
fn replication(wanted: &Wanted<'_>) -> Value {
    let key = field(wanted, "encryption.kms_key");
    let encrypted = is_said(key).then(|| ("customerManagedEncryption".to_owned(), map([("kmsKeyName", key.clone())])));
    let regions = option(wanted, "replicas");
    if !is_said(regions) {
        return map([("automatic", Value::Map(encrypted.into_iter().collect()))]);
    }
    let Value::List(regions) = regions.revealed() else { return Value::Unknown };
    let replica = |region: &Value| {
        let location = ("location".to_owned(), region.clone());
        Value::Map([location].into_iter().chain(encrypted.clone()).collect())
    };
    map([("userManaged", map([("replicas", Value::List(regions.iter().map(replica).collect()))]))])
}
