//! `schedule`: a job of Cloud Scheduler, which sends a message to a topic of Pub/Sub.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use trueup_engine::compose::{Composition, Wanted};
use trueup_engine::schema::Problem;
use trueup_parts::{Known, Native, attributes, changed, field, is_said, option};
use trueup_state::{FieldPath, Value};

pub(super) const JOB: &str = "cloudscheduler.v1.projects.locations.jobs";
pub(super) const PARTS: [&str; 1] = [JOB];
pub(super) const OPTIONS: [&str; 1] = ["retries"];

/// What is known of it, each as it is of a part.
const KNOWN: Known<2> = [("name", "job", "resource_id"), ("resource_id", "job", "resource_id")];
/// What a message is that says nothing: Pub/Sub takes none without data.
const SILENT: &str = "{}";

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let at = |path: &str, message: &str| vec![Problem::new(FieldPath::parse(path), message)];
    if is_said(field(wanted, "starts.function")) {
        let message =
            "a schedule at Google sends a message to a topic: name that in `queue`, and have the function listen to it";
        return Err(at("starts.function", message));
    }
    if *field(wanted, "enabled").revealed() == Value::Bool(false) {
        return Err(at(
            "enabled",
            "a job of Cloud Scheduler runs from when it is made: leave the schedule out meanwhile",
        ));
    }
    if is_said(field(wanted, "identity")) {
        return Err(at("identity", "Cloud Scheduler sends messages as itself: leave it out"));
    }
    let (origin, when) = when(wanted).map_err(|(path, message)| at(path, &message))?;
    let input = field(wanted, "input");
    let data =
        if is_said(input) { changed(input, |text| STANDARD.encode(text)) } else { STANDARD.encode(SILENT).into() };
    let mut job = Native::new(wanted, "job", JOB)
        .beside("name", "name")
        .with("description", format!("Made by Trueup for `{}`", wanted.address))
        .from("schedule", origin, when)
        .taking("timeZone", "time_zone")
        .taking("pubsubTarget.topicName", "starts.queue")
        .from("pubsubTarget.data", "input", data);
    if is_said(option(wanted, "retries")) {
        job = job.option("retryConfig.retryCount", "retries");
    }
    Ok(Composition { parts: vec![job.part()], attributes: attributes(KNOWN) })
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
