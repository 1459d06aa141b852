//! `identity`: a service account, and a binding for each thing that it may do.

use trueup_engine::compose::{Composition, Read, Wanted};
use trueup_engine::schema::Problem;
use trueup_parts::{Known, Native, attributes};

use super::grants;
use crate::binding;

pub(super) const ACCOUNT: &str = "iam.v1.projects.serviceAccounts";
pub(super) const PARTS: [&str; 2] = [ACCOUNT, binding::KIND];

/// What is known of it, each as it is of a part.
const KNOWN: Known<2> = [("name", "account", "email"), ("resource_id", "account", "name")];

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let account = Native::new(wanted, "account", ACCOUNT)
        .beside("name", "name")
        .with("description", format!("Made by Trueup for `{}`", wanted.address));
    let mut parts = vec![account.part()];
    for grant in grants::grants(wanted)? {
        let granted = Native::new(wanted, grant.name, binding::KIND)
            .from("resource", &grant.origin, grant.resource)
            .from("role", &grant.origin, grant.role)
            .reading("member", Read::of("account", "email").between("serviceAccount:", ""));
        parts.push(granted.part());
    }
    Ok(Composition { parts, attributes: attributes(KNOWN) })
}
