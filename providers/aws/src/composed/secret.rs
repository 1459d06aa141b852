//! `secret`: one of Secrets Manager. Its value is written, and never read.

use trueup_engine::compose::{Composition, Wanted};

use super::ID;
use super::{Known, attributes};
use trueup_parts::Native;

pub(super) const SECRET: &str = "AWS::SecretsManager::Secret";
pub(super) const PARTS: [&str; 1] = [SECRET];

/// What is known of it, each as it is of a part.
pub(super) const KNOWN: Known<2> = [("name", "secret", "Name"), ("resource_id", "secret", ID)];

pub(super) fn compose(wanted: &Wanted<'_>) -> Composition {
    let secret = Native::new(wanted, "secret", SECRET)
        .taking("Name", "name")
        .taking("SecretString", "value")
        .taking("Description", "description")
        .taking("KmsKeyId", "encryption.kms_key")
        .tagged();
    Composition { parts: vec![secret.part()], attributes: attributes(KNOWN) }
}
