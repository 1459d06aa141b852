//! `identity`: a role, the policy of what it may do, and what a machine takes it by.

use trueup_engine::compose::{Composition, Wanted};
use trueup_engine::schema::Problem;
use trueup_state::Value;

use super::policy::{POLICY_NAME, ROLE, ROLE_POLICY, document, trust};
use super::{Known, attributes, grants};
use trueup_parts::{Native, field};

pub(super) const PROFILE: &str = "AWS::IAM::InstanceProfile";
pub(super) const PARTS: [&str; 3] = [ROLE, ROLE_POLICY, PROFILE];
pub(super) const OPTIONS: [&str; 2] = ["path", "permissions_boundary"];

/// What is known of it, each as it is of a part.
pub(super) const KNOWN: Known<2> = [("name", "role", "RoleName"), ("resource_id", "role", "Arn")];

/// What may act as an identity, and the service that it acts through.
const SERVICES: [(&str, &str); 4] =
    [("endpoint", "sagemaker"), ("function", "lambda"), ("gpu_instance", "ec2"), ("schedule", "scheduler")];

/// Which of them a spec names.
fn users(wanted: &Wanted<'_>) -> Vec<(&'static str, &'static str)> {
    let said = field(wanted, "used_by").revealed().as_list().unwrap_or_default();
    let names = |name: &str| said.iter().any(|one| one.revealed().as_str() == Some(name));
    SERVICES.into_iter().filter(|(name, _)| names(name)).collect()
}

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let (users, statements) = (users(wanted), grants::statements(wanted)?);
    let services: Vec<&str> = users.iter().map(|(_, service)| *service).collect();
    let role = Native::new(wanted, "role", ROLE)
        .taking("RoleName", "name")
        .from("AssumeRolePolicyDocument", "used_by", trust(&services, None))
        .option("Path", "path")
        .option("PermissionsBoundary", "permissions_boundary")
        .tagged();
    let mut parts = vec![role.part()];
    // A policy says something.
    if statements.as_list().is_none_or(|statements| !statements.is_empty()) {
        let policy = Native::new(wanted, "policy", ROLE_POLICY)
            .with("PolicyName", POLICY_NAME)
            .reads("RoleName", "role", "RoleName")
            .from("PolicyDocument", "can", document(statements));
        parts.push(policy.part());
    }
    if users.iter().any(|(name, _)| *name == "gpu_instance") {
        // It is called as the role is, so that one name does for both.
        let profile = Native::new(wanted, "profile", PROFILE)
            .reads("InstanceProfileName", "role", "RoleName")
            .with("Roles", vec![Value::Unknown])
            .reads("Roles[0]", "role", "RoleName");
        parts.push(profile.part());
    }
    Ok(Composition { parts, attributes: attributes(KNOWN) })
}
