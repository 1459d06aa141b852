//! `function`: one of Lambda, the group of its log, and the right to write that: of a role that may do nothing else, or of the one it is given.

use sha2::{Digest, Sha256};
use trueup_engine::compose::{Composition, Part, Read, Wanted};
use trueup_engine::kinds::Span;
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, Value};

use super::policy::{POLICY_NAME, ROLE, ROLE_POLICY, allow, document, own_role, trust};
use super::{Known, attributes};
use trueup_parts::{Native, field, is_said, option};
use trueup_parts::{Whole, changed};

pub(super) const FUNCTION: &str = "AWS::Lambda::Function";
pub(super) const LOG: &str = "AWS::Logs::LogGroup";
pub(super) const PARTS: [&str; 4] = [FUNCTION, LOG, ROLE, ROLE_POLICY];
pub(super) const OPTIONS: [&str; 4] =
    ["architecture", "ephemeral_storage_mib", "log_retention_days", "reserved_concurrency"];

/// What is known of it, each as it is of a part.
pub(super) const KNOWN: Known<3> =
    [("name", "function", "FunctionName"), ("resource_id", "function", "Arn"), ("log", "log", "LogGroupName")];

/// The most memory and time that Lambda gives, in MiB and seconds.
const MOST: (u64, u64) = (10_240, 900);
/// For how many days a log is kept that is said nothing of.
const LOG_DAYS: i64 = 30;

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let problems = problems(wanted);
    if !problems.is_empty() {
        return Err(problems);
    }
    let days = option(wanted, "log_retention_days").clone();
    let days = if is_said(&days) { days } else { LOG_DAYS.into() };
    let log = Native::new(wanted, "log", LOG).from("RetentionInDays", "options.aws.log_retention_days", days).tagged();
    let mut function = code(wanted, Native::new(wanted, "function", FUNCTION))
        .taking("FunctionName", "name")
        .taking("MemorySize", "memory_mib")
        .from("Timeout", "timeout", seconds(field(wanted, "timeout")))
        .reads("LoggingConfig.LogGroup", "log", "LogGroupName")
        .option("ReservedConcurrentExecutions", "reserved_concurrency")
        .option("EphemeralStorage.Size", "ephemeral_storage_mib");
    let env = field(wanted, "env");
    if env.revealed().as_map().is_none_or(|env| !env.is_empty()) {
        function = function.taking("Environment.Variables", "env");
    }
    let architecture = option(wanted, "architecture");
    if is_said(architecture) {
        let origin = "options.aws.architecture";
        function = function.from("Architectures", origin, vec![architecture.clone()]);
    }
    let write = allow(&["logs:CreateLogStream", "logs:PutLogEvents"], vec![Value::Unknown]);
    let may = document(Value::List(vec![write]));
    let mut parts: Vec<Part> = Vec::new();
    let mut policy = if is_said(field(wanted, "identity")) {
        function = function.taking("Role", "identity");
        on_role_of_others(wanted, may)
    } else {
        let [role, policy] = own_role(wanted, trust(&["lambda"], None), may);
        parts.push(role);
        function = function.reads("Role", "role", "Arn");
        policy
    };
    let arn = FieldPath::parse("properties.PolicyDocument.Statement[0].Resource[0]");
    policy.reads.insert(arn, Read::of("log", "Arn"));
    parts.push(policy);
    // What the role may do is tried when a function is made.
    parts.extend([log.part(), function.after("policy").tagged().part()]);
    Ok(Composition { parts, attributes: attributes(KNOWN) })
}

/// What a role that the function is given may do besides, under a name that no other function's has.
fn on_role_of_others(wanted: &Wanted<'_>, may: Value) -> Part {
    let digest = hex::encode(Sha256::digest(wanted.address.to_string()));
    let name = changed(field(wanted, "identity"), |arn| arn.rsplit('/').next().unwrap_or_default().to_owned());
    let policy = Native::new(wanted, "policy", ROLE_POLICY)
        .with("PolicyName", format!("{POLICY_NAME}-log-{}", &digest[..8]))
        .from("RoleName", "identity", name)
        .with("PolicyDocument", may);
    policy.part()
}

/// With the program.
fn code<'a>(wanted: &'a Wanted<'a>, function: Native<'a>) -> Native<'a> {
    if is_said(field(wanted, "code.image")) {
        return function.from("PackageType", "code", "Image").taking("Code.ImageUri", "code.image");
    }
    let bucket = Whole::of(field(wanted, "code.archive.bucket")).attribute("name");
    function
        .from("PackageType", "code", "Zip")
        .from("Code.S3Bucket", "code.archive.bucket", bucket)
        .taking("Code.S3Key", "code.archive.file")
        .taking("Code.S3ObjectVersion", "code.archive.version")
        .taking("Handler", "handler")
        .taking("Runtime", "runtime")
}

/// A span in seconds; unknown until it is known.
fn seconds(span: &Value) -> Value {
    parsed(span).map_or(Value::Unknown, |span| Value::Number(span.duration().as_secs().into()))
}

fn parsed(span: &Value) -> Option<Span> {
    span.revealed().as_str()?.parse().ok()
}

/// What Lambda can't take of a spec.
fn problems(wanted: &Wanted<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |at: &str, message: String| problems.push(Problem::new(FieldPath::parse(at), message));
    let is_image = is_said(field(wanted, "code.image"));
    for name in ["handler", "runtime"] {
        match (is_image, is_said(field(wanted, name))) {
            (true, true) => refuse(name, format!("an image has no `{name}`: it says itself what it runs")),
            (false, false) => refuse("", format!("the field `{name}` is missing: an archive needs it")),
            _ => {}
        }
    }
    for name in field(wanted, "env").revealed().as_map().into_iter().flat_map(|env| env.keys()) {
        let is_name = name.len() > 1 && name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !is_name || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let message = format!(
                "`{name}` is no name of a variable at AWS: it has two characters or more, the first a letter, the others letters, digits or `_`"
            );
            problems.push(Problem::new(FieldPath::parse("env").field(name), message));
        }
    }
    let mut refuse = |at: &str, message: String| problems.push(Problem::new(FieldPath::parse(at), message));
    let memory = match field(wanted, "memory_mib").revealed() {
        Value::Number(number) => number.as_u64(),
        _ => None,
    };
    if memory.is_some_and(|memory| memory > MOST.0) {
        refuse("memory_mib", format!("a function at AWS has at most {} MiB", MOST.0));
    }
    let timeout = parsed(field(wanted, "timeout")).map(|span| span.duration());
    if timeout.is_some_and(|timeout| timeout.subsec_millis() != 0 || !(1..=MOST.1).contains(&timeout.as_secs())) {
        refuse("timeout", "one call takes whole seconds at AWS, and at most `15m`".to_owned());
    }
    if !is_image {
        let bucket = Whole::of(field(wanted, "code.archive.bucket"));
        let foreign = bucket.foreign(wanted, "code.archive.bucket", "take its program from");
        problems.extend(foreign);
    }
    problems
}
