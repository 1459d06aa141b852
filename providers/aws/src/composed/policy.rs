//! IAM documents: who may act as a role, and what it may do. Pure.

use trueup_engine::compose::{Part, Wanted};
use trueup_state::Value;

use trueup_parts::{Native, map, texts};

pub(super) const ROLE: &str = "AWS::IAM::Role";
pub(super) const ROLE_POLICY: &str = "AWS::IAM::RolePolicy";

/// The name of the one policy of a role that is ours.
pub(super) const POLICY_NAME: &str = "trueup";

/// The version of the language of policies.
const VERSION: &str = "2012-10-17";

/// A document of statements.
pub(super) fn document(statements: Value) -> Value {
    map([("Version", VERSION.into()), ("Statement", statements)])
}

/// A statement that lets actions be done to what these ARNs name.
pub(super) fn allow(actions: &[&str], resources: Vec<Value>) -> Value {
    let actions = Value::List(actions.iter().map(|action| (*action).into()).collect());
    map([("Effect", "Allow".into()), ("Action", actions), ("Resource", Value::List(resources))])
}

/// The same under a condition.
pub(super) fn only_if(mut statement: Value, condition: Value) -> Value {
    statement.put(&["Condition"].into_iter().collect(), condition);
    statement
}

/// Who may act as a role: these services, in the name of this account's things alone where `account` is given.
pub(super) fn trust(services: &[&str], account: Option<Value>) -> Value {
    let services = Value::List(services.iter().map(|service| format!("{service}.amazonaws.com").into()).collect());
    let statement = map([
        ("Effect", "Allow".into()),
        ("Principal", map([("Service", services)])),
        ("Action", texts(["sts:AssumeRole"])),
    ]);
    let condition = |account| map([("StringEquals", map([("aws:SourceAccount", account)]))]);
    document(Value::List(vec![match account {
        Some(account) => only_if(statement, condition(account)),
        None => statement,
    }]))
}

/// The account that an ARN is of; unknown until that is known.
pub(super) fn account_of(arn: &Value) -> Value {
    trueup_parts::changed(arn, |arn| arn.split(':').nth(4).unwrap_or_default().to_owned())
}

/// A role that a resource has for itself, and what it may do.
pub(super) fn own_role(wanted: &Wanted<'_>, trust: Value, may: Value) -> [Part; 2] {
    let role = Native::new(wanted, "role", ROLE).with("AssumeRolePolicyDocument", trust).tagged();
    let policy = Native::new(wanted, "policy", ROLE_POLICY)
        .with("PolicyName", POLICY_NAME)
        .reads("RoleName", "role", "RoleName")
        .with("PolicyDocument", may);
    [role.part(), policy.part()]
}
