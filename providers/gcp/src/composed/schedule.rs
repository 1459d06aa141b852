//! `schedule`: a job of Cloud Scheduler, which sends a message to a topic of Pub/Sub, or calls a function as an account that may do that alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use trueup_engine::compose::{Composition, Part, Read, Wanted};
use trueup_engine::schema::Problem;
use trueup_parts::{Known, Native, Whole, attributes, changed, field, is_said, map};
use trueup_state::{FieldPath, Value};

use super::function::service_of;
use super::identity::ACCOUNT;
use crate::binding;

pub(super) const JOB: &str = "cloudscheduler.v1.projects.locations.jobs";
pub(super) const PARTS: [&str; 3] = [JOB, ACCOUNT, binding::KIND];
pub(super) const OPTIONS: [&str; 1] = ["retries"];

/// What is known of it, each as it is of a part.
const KNOWN: Known<2> = [("name", "job", "resource_id"), ("resource_id", "job", "resource_id")];
/// What a message is that says nothing: Pub/Sub takes none without data.
const SILENT: &str = "{}";

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let at = |path: &str, message: &str| vec![Problem::new(FieldPath::parse(path), message)];
    if *field(wanted, "enabled").revealed() == Value::Bool(false) {
        return Err(at(
            "enabled",
            "a job of Cloud Scheduler runs from when it is made: leave the schedule out meanwhile",
        ));
    }
    let (origin, when) = when(wanted).map_err(|(path, message)| at(path, &message))?;
    let job = Native::new(wanted, "job", JOB)
        .beside("name", "name")
        .with("description", format!("Made by Trueup for `{}`", wanted.address))
        .from("schedule", origin, when)
        .taking("timeZone", "time_zone")
        .option("retryConfig.retryCount", "retries");
    let parts = if is_said(field(wanted, "starts.function")) { calls(wanted, job)? } else { tells(wanted, job)? };
    Ok(Composition { parts, attributes: attributes(KNOWN) })
}

/// One that sends a message.
fn tells(wanted: &Wanted<'_>, job: Native<'_>) -> Result<Vec<Part>, Vec<Problem>> {
    if is_said(field(wanted, "identity")) {
        let message = "Cloud Scheduler sends messages as itself: leave it out";
        return Err(vec![Problem::new(FieldPath::parse("identity"), message)]);
    }
    let data = input(wanted).unwrap_or_else(|| STANDARD.encode(SILENT).into());
    let job = job.taking("pubsubTarget.topicName", "starts.queue").from("pubsubTarget.data", "input", data);
    Ok(vec![job.part()])
}

/// One that calls a function.
fn calls(wanted: &Wanted<'_>, job: Native<'_>) -> Result<Vec<Part>, Vec<Problem>> {
    let at = "starts.function";
    let function = Whole::of(field(wanted, at));
    if let Some(problem) = function.foreign(wanted, at, "start") {
        return Err(vec![problem]);
    }
    let url = function.attribute("url");
    let mut job = job.from("httpTarget.uri", at, url.clone()).with("httpTarget.httpMethod", "POST").from(
        "httpTarget.oidcToken.audience",
        at,
        url,
    );
    if let Some(data) = input(wanted) {
        let said = field(wanted, "input").revealed().as_str().unwrap_or_default();
        let is_json = serde_json::from_str::<serde_json::Value>(said).is_ok();
        let kind = if is_json { "application/json" } else { "text/plain" };
        job = job.from("httpTarget.body", "input", data);
        job = job.from("httpTarget.headers", "input", map([("Content-Type", kind.into())]));
    }
    if is_said(field(wanted, "identity")) {
        return Ok(vec![job.taking("httpTarget.oidcToken.serviceAccountEmail", "identity").part()]);
    }
    let about = format!("Made by Trueup for `{}`", wanted.address);
    let account = Native::new(wanted, "account", ACCOUNT).with("description", about);
    let service = changed(&function.attribute("resource_id"), |id| format!("//run.googleapis.com/{}", service_of(id)));
    let may = Native::new(wanted, "may-call", binding::KIND)
        .from("resource", at, service)
        .from("role", at, "roles/run.invoker")
        .reading("member", Read::of("account", "email").between("serviceAccount:", ""));
    let job = job.reads("httpTarget.oidcToken.serviceAccountEmail", "account", "email").after("may-call");
    Ok(vec![account.part(), may.part(), job.part()])
}

/// What is given to what is started, as Google has bytes; none where nothing is said.
fn input(wanted: &Wanted<'_>) -> Option<Value> {
    let input = field(wanted, "input");
    is_said(input).then(|| changed(input, |text| STANDARD.encode(text)))
}

/// When, in the words of cron or of App Engine, and the field that says it. The error is the field and what is wrong there.
fn when(wanted: &Wanted<'_>) -> Result<(&'static str, Value), (&'static str, String)> {
    let (told, every) = (field(wanted, "cron"), field(wanted, "every"));
    if is_said(told) {
        let Some(text) = told.revealed().as_str() else { return Ok(("cron", Value::Unknown)) };
        return match text.split_whitespace().count() {
            5 => Ok(("cron", text.into())),
            _ => Err(("cron", "it has five fields: minute, hour, day of the month, month, day of the week".to_owned())),
        };
    }
    let span = every.revealed().as_str().and_then(|text| text.parse::<trueup_engine::kinds::Span>().ok());
    match span.map(|span| span.duration().as_secs()) {
        Some(seconds) if seconds % 60 != 0 || seconds == 0 => {
            Err(("every", "a schedule at Google counts in whole minutes".to_owned()))
        }
        Some(seconds) => Ok(("every", format!("every {} minutes", seconds / 60).into())),
        None => Ok(("every", Value::Unknown)),
    }
}
