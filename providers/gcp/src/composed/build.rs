//! `build`: a trigger of Cloud Build, and a service account that may push the image and write the log, and nothing else.

use trueup_engine::compose::{Composition, Part, Read, Wanted};
use trueup_engine::kinds::Span;
use trueup_engine::schema::Problem;
use trueup_parts::{Known, Native, attributes, changed, field, is_said, map, option};
use trueup_state::{FieldPath, Value};

use super::identity::ACCOUNT;
use super::project;
use crate::binding;

const TRIGGER: &str = "cloudbuild.v1.projects.locations.triggers";
pub(super) const PARTS: [&str; 3] = [TRIGGER, ACCOUNT, binding::KIND];
pub(super) const OPTIONS: [&str; 1] = ["machine_type"];

/// What is known of it, each as it is of a part.
const KNOWN: Known<2> = [("name", "trigger", "resource_id"), ("resource_id", "trigger", "resource_id")];
/// What builds.
const BUILDER: &str = "gcr.io/cloud-builders/docker";
/// What Cloud Build puts for the commit (*Substituting variable values*).
const COMMIT: &str = "$SHORT_SHA";
/// The longest that a build may take (*Quotas*), in seconds.
const LONGEST: u64 = 24 * 60 * 60;

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let problems = problems(wanted);
    if !problems.is_empty() {
        return Err(problems);
    }
    let image = changed(field(wanted, "image"), |image| format!("{image}:{COMMIT}"));
    let span = field(wanted, "timeout").revealed().as_str().and_then(|text| text.parse::<Span>().ok());
    let step = map([("name", BUILDER.into()), ("args", arguments(wanted, &image))]);
    let off = match field(wanted, "enabled").revealed() {
        Value::Bool(enabled) => Value::Bool(!enabled),
        _ => Value::Unknown,
    };
    let mut trigger = source(wanted, Native::new(wanted, "trigger", TRIGGER).beside("name", "name"))
        .with("description", format!("Made by Trueup for `{}`", wanted.address))
        .from("disabled", "enabled", off)
        .from("build.steps", "source", Value::List(vec![step]))
        .from("build.images", "image", Value::List(vec![image]))
        .from(
            "build.timeout",
            "timeout",
            span.map_or(Value::Unknown, |span| format!("{}s", span.duration().as_secs()).into()),
        )
        // Who builds as an account of one's own has its log there.
        .with("build.options.logging", "CLOUD_LOGGING_ONLY")
        .option("build.options.machineType", "machine_type");
    if let Value::Map(tags) = field(wanted, "tags").revealed() {
        let tags: Vec<Value> =
            tags.iter().map(|(key, value)| changed(value, |value| format!("{key}_{value}"))).collect();
        trigger = trigger.from("tags", "tags", Value::List(tags));
    }
    let mut parts = Vec::new();
    if is_said(field(wanted, "identity")) {
        let path = |account: &str| {
            format!("projects/{}/serviceAccounts/{}", project(wanted), account.rsplit('/').next().unwrap_or_default())
        };
        trigger = trigger.from("serviceAccount", "identity", changed(field(wanted, "identity"), path));
    } else {
        parts.extend(account(wanted));
        trigger = trigger.reads("serviceAccount", "account", "resource_id").after("may-push").after("may-log");
    }
    parts.push(trigger.part());
    Ok(Composition { parts, attributes: attributes(KNOWN) })
}

/// What is built, and when.
fn source<'a>(wanted: &Wanted<'_>, trigger: Native<'a>) -> Native<'a> {
    let part = |place: usize| {
        changed(field(wanted, "source.github"), |said| said.split('/').nth(place).unwrap_or_default().to_owned())
    };
    let trigger = trigger.from("github.owner", "source.github", part(0)).from("github.name", "source.github", part(1));
    // Each is a regular expression to Google.
    if is_said(field(wanted, "source.tag")) {
        let tag = changed(field(wanted, "source.tag"), |tag| format!("^{tag}$"));
        return trigger.from("github.push.tag", "source.tag", tag);
    }
    let branch = field(wanted, "source.branch");
    let branch =
        if is_said(branch) { changed(branch, |branch| format!("^{}$", literal(branch))) } else { "^main$".into() };
    trigger.from("github.push.branch", "source.branch", branch)
}

/// A text as a regular expression of just that.
fn literal(text: &str) -> String {
    text.chars()
        .flat_map(|c| (!c.is_alphanumeric() && c != '/' && c != '-' && c != '_').then_some('\\').into_iter().chain([c]))
        .collect()
}

/// What the builder is told. Nothing of it is read by a shell, and a `$` of one's own is doubled: Cloud Build puts values for others.
fn arguments(wanted: &Wanted<'_>, image: &Value) -> Value {
    let plain = |value: &Value| changed(value, |text| text.replace('$', "$$"));
    let mut all: Vec<Value> = vec!["build".into(), "--tag".into(), image.clone()];
    if is_said(field(wanted, "dockerfile")) {
        all.extend(["--file".into(), plain(field(wanted, "dockerfile"))]);
    }
    let Value::Map(args) = field(wanted, "args").revealed() else { return Value::Unknown };
    for (name, value) in args {
        all.extend(["--build-arg".into(), changed(value, |value| format!("{name}={}", value.replace('$', "$$")))]);
    }
    all.push(plain(field(wanted, "directory")));
    Value::List(all)
}

/// A service account that may push the image and write its log.
fn account(wanted: &Wanted<'_>) -> [Part; 3] {
    let account =
        Native::new(wanted, "account", ACCOUNT).with("description", format!("Made by Trueup for `{}`", wanted.address));
    let member = || Read::of("account", "email").between("serviceAccount:", "");
    let repository = changed(field(wanted, "image"), |image| {
        repository(image).map_or_else(String::new, |path| format!("//artifactregistry.googleapis.com/{path}"))
    });
    let push = Native::new(wanted, "may-push", binding::KIND)
        .from("resource", "image", repository)
        .from("role", "image", "roles/artifactregistry.writer")
        .reading("member", member());
    let log = Native::new(wanted, "may-log", binding::KIND)
        .with("resource", format!("//cloudresourcemanager.googleapis.com/projects/{}", project(wanted)))
        .with("role", "roles/logging.logWriter")
        .reading("member", member());
    [account.part(), push.part(), log.part()]
}

/// The repository of an image in Artifact Registry: `LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/NAME`; none of one elsewhere.
fn repository(image: &str) -> Option<String> {
    let (host, path) = image.split_once('/')?;
    let location = host.strip_suffix("-docker.pkg.dev")?;
    let mut words = path.split('/');
    let (project, repository) = (words.next()?, words.next()?);
    words.next()?;
    Some(format!("projects/{project}/locations/{location}/repositories/{repository}"))
}

/// What Cloud Build can't do.
fn problems(wanted: &Wanted<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |at: &str, message: String| problems.push(Problem::new(FieldPath::parse(at), message));
    let text = |path: &str| field(wanted, path).revealed().as_str();
    if is_said(field(wanted, "source.branch")) && is_said(field(wanted, "source.tag")) {
        refuse("source", "it is built at commits to a `branch`, or at each `tag`: say one of them".to_owned());
    }
    if !is_said(field(wanted, "identity")) && text("image").is_some_and(|image| repository(image).is_none()) {
        let message = "it is pushed to a repository of Artifact Registry, `LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/NAME`, or say as whom it is pushed elsewhere, in `identity`";
        refuse("image", message.to_owned());
    }
    if text("image").is_some_and(|image| image.rsplit('/').next().is_some_and(|last| last.contains([':', '@']))) {
        refuse("image", "its tag is the commit's short hash: leave it out".to_owned());
    }
    let time = text("timeout").and_then(|text| text.parse::<Span>().ok()).map(|span| span.duration());
    if time.is_some_and(|time| time.subsec_millis() != 0 || !(1..=LONGEST).contains(&time.as_secs())) {
        refuse("timeout", "a build takes whole seconds at Google, and at most `24h`".to_owned());
    }
    if text("directory").is_some_and(|path| path.starts_with('/') || path.split('/').any(|part| part == "..")) {
        refuse("directory", "it is a directory of the repository".to_owned());
    }
    if is_said(option(wanted, "machine_type")) && text("options.gcp.machine_type").is_none() {
        refuse("options.gcp.machine_type", "it is a name of Cloud Build's, as `E2_HIGHCPU_8`".to_owned());
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_itself_and_no_pattern() {
        assert_eq!(literal("release/1.2"), "release/1\\.2");
        assert_eq!(literal("main"), "main");
    }

    #[test]
    fn an_images_repository_is_in_its_name() {
        let path = "projects/acme/locations/europe-west4/repositories/images";
        assert_eq!(repository("europe-west4-docker.pkg.dev/acme/images/team/chat").as_deref(), Some(path));
        for other in ["ghcr.io/acme/chat", "europe-west4-docker.pkg.dev/acme/images", "chat"] {
            assert_eq!(repository(other), None, "{other}");
        }
    }
}
