//! Who may read and write by a bucket's IAM policy. What others put into it stays: a change is sent with the etag that was read.

#[cfg(test)]
use std::collections::BTreeSet;

use google_cloud_iam_v1::model::{Binding, GetPolicyOptions, Policy};
use google_cloud_storage::client::StorageControl;
use trueup_engine::provider::ProviderError;
use trueup_state::Class;

use super::path;
use crate::clients::patiently;
use crate::error::failed;

/// The role of who reads files, and everybody.
pub(super) const READ: (&str, &str) = ("roles/storage.objectViewer", "allUsers");
/// The role of who writes files, and what writes access logs (*Usage logs & storage logs*).
pub(super) const LOGS: (&str, &str) = ("roles/storage.objectCreator", "group:cloud-storage-analytics@google.com");
/// How often a change is tried that somebody else's came before.
const TRIES: u32 = 5;
/// The version of policies that has conditions: in an earlier one they would be lost.
const VERSION: i32 = 3;

async fn policy(storage: &StorageControl, bucket: &str) -> Result<Policy, ProviderError> {
    let ask = || async {
        let options = GetPolicyOptions::new().set_requested_policy_version(VERSION);
        let call = storage.get_iam_policy().set_resource(path(bucket)).set_options(options);
        call.send().await.map_err(|error| failed("read who may use the bucket", &error))
    };
    patiently(ask).await
}

fn has(policy: &Policy, (role, member): (&str, &str)) -> bool {
    let is_it = |binding: &Binding| binding.role == role && binding.condition.is_none();
    policy.bindings.iter().any(|binding| is_it(binding) && binding.members.iter().any(|one| one == member))
}

/// Whether a policy has a member in a role.
pub(super) async fn is_granted(
    storage: &StorageControl,
    bucket: &str,
    grant: (&str, &str),
) -> Result<bool, ProviderError> {
    Ok(has(&policy(storage, bucket).await?, grant))
}

/// Puts a member into a role, or takes it out; whether that was a change.
pub(super) async fn grant(
    storage: &StorageControl,
    bucket: &str,
    grant: (&str, &str),
    is_wanted: bool,
) -> Result<bool, ProviderError> {
    let mut tries = TRIES;
    loop {
        tries -= 1;
        let there = policy(storage, bucket).await?;
        if has(&there, grant) == is_wanted {
            return Ok(false);
        }
        let changed = with(there, grant, is_wanted);
        let sent = storage.set_iam_policy().set_resource(path(bucket)).set_policy(changed).send().await;
        match sent.map_err(|error| failed("say who may use the bucket", &error)) {
            Ok(_) => return Ok(true),
            Err(error) if error.class == Class::Conflict && tries > 0 => {}
            Err(error) => return Err(error),
        }
    }
}

/// A policy with a member in a role, or without.
fn with(mut policy: Policy, (role, member): (&str, &str), is_wanted: bool) -> Policy {
    let is_it = |binding: &Binding| binding.role == role && binding.condition.is_none();
    for binding in policy.bindings.iter_mut().filter(|binding| is_it(binding)) {
        binding.members.retain(|one| one != member);
    }
    if is_wanted {
        match policy.bindings.iter_mut().find(|binding| is_it(binding)) {
            Some(binding) => binding.members.push(member.to_owned()),
            None => policy.bindings.push(Binding::new().set_role(role).set_members([member])),
        }
    }
    policy.bindings.retain(|binding| !binding.members.is_empty());
    policy.set_version(VERSION)
}

/// All members of a role, of a policy.
#[cfg(test)]
fn members<'a>(policy: &'a Policy, role: &str) -> BTreeSet<&'a str> {
    let of = policy.bindings.iter().filter(|binding| binding.role == role);
    of.flat_map(|binding| binding.members.iter().map(String::as_str)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_put_into_a_policy_stays() {
        let theirs = Binding::new().set_role(READ.0).set_members(["user:ada@example.com"]);
        let policy = Policy::new().set_bindings([theirs]).set_etag("e1").set_version(VERSION);
        let open = with(policy.clone(), READ, true);
        assert!(has(&open, READ));
        assert_eq!(members(&open, READ.0), ["allUsers", "user:ada@example.com"].into());
        assert_eq!(with(open, READ, false), policy);
        let none = Policy::new().set_version(VERSION);
        assert_eq!(with(with(none.clone(), LOGS, true), LOGS, false), none);
    }
}
