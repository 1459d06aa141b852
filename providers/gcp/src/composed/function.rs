//! `function`: one of Cloud Run functions, which Google builds from an archive; or, from an image, a service of Cloud Run that answers one call
//! at a time. Either has a service account that may do nothing else than it is granted.

use trueup_engine::compose::{Composition, Part, Read, Wanted};
use trueup_engine::kinds::Span;
use trueup_engine::schema::Problem;
use trueup_parts::{Known, Native, Whole, attributes, changed, field, is_said, map, option};
use trueup_state::{FieldPath, Value};

use super::endpoint::SERVICE;
use super::identity::ACCOUNT;
use super::project;

pub(super) const FUNCTION: &str = "cloudfunctions.v2.projects.locations.functions";
pub(super) const PARTS: [&str; 3] = [FUNCTION, SERVICE, ACCOUNT];
pub(super) const OPTIONS: [&str; 2] = ["build_identity", "max_instances"];

/// What is known of it, each as it is of a part.
const KNOWN: Known<2> = [("resource_id", "function", "resource_id"), ("url", "function", "url")];
/// The same of one that is a service.
const KNOWN_SERVICE: Known<2> = [("resource_id", "function", "resource_id"), ("url", "function", "uri")];

/// The longest that one call may take, in seconds (*Quotas*, functions that are called over HTTP).
const LONGEST: u64 = 3600;

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let is_image = is_said(field(wanted, "code.image"));
    let problems = problems(wanted, is_image);
    if !problems.is_empty() {
        return Err(problems);
    }
    let (function, runs_as) = if is_image { from_image(wanted) } else { from_archive(wanted) };
    let mut function = function.beside("name", "name");
    let mut parts: Vec<Part> = Vec::new();
    if is_said(field(wanted, "identity")) {
        function = function.taking(runs_as, "identity");
    } else {
        let about = format!("Made by Trueup for `{}`", wanted.address);
        parts.push(Native::new(wanted, "account", ACCOUNT).with("description", about).part());
        function = function.reads(runs_as, "account", "email");
    }
    parts.push(function.tagged().part());
    let name = || Read::of("function", "resource_id").after_last('/');
    let mut known = attributes(if is_image { KNOWN_SERVICE } else { KNOWN });
    known.insert("name".to_owned(), name());
    // A filter of Cloud Logging: all logs of a project are in one place.
    let log = name().between("resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"", "\"");
    known.insert("log".to_owned(), log);
    Ok(Composition { parts, attributes: known })
}

/// One that Google builds, and where it stands as whom it runs.
fn from_archive<'a>(wanted: &'a Wanted<'a>) -> (Native<'a>, &'static str) {
    let source = |name: &str| format!("buildConfig.source.storageSource.{name}");
    let runtime = field(wanted, "runtime");
    let (language, handler) = (runtime.revealed().as_str().unwrap_or_default().to_owned(), field(wanted, "handler"));
    let account = |account: &str| {
        let name = account.rsplit('/').next().unwrap_or(account);
        format!("projects/{}/serviceAccounts/{name}", project(wanted))
    };
    let mut function = Native::new(wanted, "function", FUNCTION)
        .with("environment", "GEN_2")
        .from(
            &source("bucket"),
            "code.archive.bucket",
            Whole::of(field(wanted, "code.archive.bucket")).attribute("name"),
        )
        .taking(&source("object"), "code.archive.file")
        .taking(&source("generation"), "code.archive.version")
        .from("buildConfig.runtime", "runtime", changed(runtime, theirs))
        .from("buildConfig.entryPoint", "handler", changed(handler, |handler| entry(&language, handler)))
        .from("serviceConfig.availableMemory", "memory_mib", mebibytes(field(wanted, "memory_mib")))
        .from(
            "serviceConfig.timeoutSeconds",
            "timeout",
            seconds(wanted).map_or(Value::Unknown, |time| Value::Number(time.into())),
        )
        .option("serviceConfig.maxInstanceCount", "max_instances");
    let builder = option(wanted, "build_identity");
    if is_said(builder) {
        function = function.from("buildConfig.serviceAccount", "options.gcp.build_identity", changed(builder, account));
    }
    if has_env(wanted) {
        function = function.taking("serviceConfig.environmentVariables", "env");
    }
    (function, "serviceConfig.serviceAccountEmail")
}

/// One that is an image already, and where it stands as whom it runs.
fn from_image<'a>(wanted: &'a Wanted<'a>) -> (Native<'a>, &'static str) {
    let container = |name: &str| format!("template.containers[0].{name}");
    let time = seconds(wanted).map_or(Value::Unknown, |time| format!("{time}s").into());
    let mut service = Native::new(wanted, "function", SERVICE)
        .with("template.containers", Value::List(vec![Value::Map([].into())]))
        .taking(&container("image"), "code.image")
        .from(&container("resources.limits.memory"), "memory_mib", mebibytes(field(wanted, "memory_mib")))
        .from("template.timeout", "timeout", time)
        .with("template.maxInstanceRequestConcurrency", 1)
        .option("template.scaling.maxInstanceCount", "max_instances");
    if has_env(wanted) {
        let one = |(name, value): (&String, &Value)| map([("name", name.as_str().into()), ("value", value.clone())]);
        let env = field(wanted, "env").revealed().as_map();
        let env = env.map_or(Value::Unknown, |env| Value::List(env.iter().map(one).collect()));
        service = service.from(&container("env"), "env", env);
    }
    (service, "template.serviceAccount")
}

/// Whether there are variables, as far as is known.
fn has_env(wanted: &Wanted<'_>) -> bool {
    field(wanted, "env").revealed().as_map().is_none_or(|env| !env.is_empty())
}

fn mebibytes(memory: &Value) -> Value {
    match memory.revealed() {
        Value::Number(number) => format!("{number}Mi").into(),
        _ => Value::Unknown,
    }
}

fn seconds(wanted: &Wanted<'_>) -> Option<u64> {
    span(wanted).map(|span| span.duration().as_secs())
}

fn span(wanted: &Wanted<'_>) -> Option<Span> {
    field(wanted, "timeout").revealed().as_str()?.parse().ok()
}

/// A language as Google calls it: `python3.13` and `nodejs22.x` are `python313` and `nodejs22` there.
fn theirs(runtime: &str) -> String {
    runtime.strip_suffix(".x").unwrap_or(runtime).replace('.', "")
}

/// What is called, as Google calls it: a function by its name alone, and of Java a class by its whole.
fn entry(language: &str, handler: &str) -> String {
    if language.starts_with("java") || language.starts_with("dotnet") {
        return handler.to_owned();
    }
    handler.rsplit('.').next().unwrap_or(handler).to_owned()
}

/// What Google can't take of a spec.
fn problems(wanted: &Wanted<'_>, is_image: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |at: &str, message: String| problems.push(Problem::new(FieldPath::parse(at), message));
    for name in ["handler", "runtime"] {
        match (is_image, is_said(field(wanted, name))) {
            (true, true) => refuse(name, format!("an image has no `{name}`: it says itself what it runs")),
            (false, false) => refuse("", format!("the field `{name}` is missing: an archive needs it")),
            _ => {}
        }
    }
    let text = |name: &str| field(wanted, name).revealed().as_str();
    // Google looks for a function in the one file that each language has for it.
    if let Some((language, (file, _))) =
        text("runtime").zip(text("handler").and_then(|handler| handler.rsplit_once('.')))
        && language.starts_with("python")
        && file != "main"
    {
        refuse("handler", "at Google a function in Python is in `main.py`: say `main.NAME`".to_owned());
    }
    if is_image && is_said(option(wanted, "build_identity")) {
        refuse("options.gcp.build_identity", "nothing is built of an image".to_owned());
    }
    let time = span(wanted).map(|span| span.duration());
    if time.is_some_and(|time| time.subsec_millis() != 0 || !(1..=LONGEST).contains(&time.as_secs())) {
        refuse("timeout", "one call takes whole seconds at Google, and at most `60m`".to_owned());
    }
    if !is_image {
        let bucket = Whole::of(field(wanted, "code.archive.bucket"));
        problems.extend(bucket.foreign(wanted, "code.archive.bucket", "take its program from"));
    }
    problems
}

/// The service that runs a function, by the function's id: it has its name.
pub(super) fn service_of(id: &str) -> String {
    id.replace("/functions/", "/services/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_and_what_is_called_have_googles_names() {
        let names =
            [("python3.13", "python313"), ("nodejs22.x", "nodejs22"), ("java21", "java21"), ("ruby3.4", "ruby34")];
        for (said, google) in names {
            assert_eq!(theirs(said), google);
        }
        assert_eq!(entry("python3.13", "main.handle"), "handle");
        assert_eq!(entry("nodejs22.x", "index.handler"), "handler");
        assert_eq!(entry("java21", "com.acme.Retrain"), "com.acme.Retrain");
        assert_eq!(service_of("projects/p/locations/l/functions/f"), "projects/p/locations/l/services/f");
    }
}
