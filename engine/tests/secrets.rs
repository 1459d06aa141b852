//! A secret that the cloud knows and repeats shows nowhere that Trueup writes or says.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::time::Duration;

use support::cloud::{Fault, Manners};
use support::{House, blueprint_with, events, stack, told};
use tokio::sync::watch;
use trueup_engine::plan::{Mode, Plan, saved};
use trueup_state::codec::{self, Redaction};
use trueup_state::entry::Class;
use trueup_state::{Entry, Store};

const CANARY: &str = "canary-7f3a9c1e";

fn text(size: u32, shape: &str) -> String {
    let head = format!(
        "variables: {{ key: {{ type: string, secret: true, default: {CANARY} }} }}\nproviders: {{ toy: {{}} }}"
    );
    let text = blueprint_with(
        &head,
        &[
            &format!(
                "a: {{ kind: box, password: '{{{{ var.key }}}}', size: {size}, shape: {shape}, validate: {{ level: quick }} }}"
            ),
            "b: { kind: named, note: 'see {{ var.key }}', host: '{{ a.echo }}' }",
            "c: { kind: blind, password: '{{ var.key }}' }",
        ],
    );
    text + "outputs: { told: '{{ a.echo }}' }\n"
}

fn silent(what: &str, text: &str) {
    assert!(!text.contains(CANARY), "{what}: {text}");
}

/// Everything that a plan may be seen as. The blueprint in its sources has the secret as a default.
fn plan_is_silent(house: &House, plan: &Plan) {
    silent("debug", &format!("{plan:?}"));
    silent("saved", &String::from_utf8(saved::write(plan, house.vault.as_ref()).unwrap()).unwrap());
    for redaction in [Redaction::Null, Redaction::Words] {
        let redacted: Result<_, std::convert::Infallible> =
            plan.clone().try_map(&mut |value| Ok(codec::redact(&value, redaction)));
        silent("redacted", &serde_json::to_string(&redacted.unwrap()).unwrap());
    }
}

/// A text as a list of its bytes.
fn in_bytes(text: &str) -> String {
    format!("{:?}", text.as_bytes()).trim_matches(['[', ']']).to_owned()
}

/// Everything that is kept, as it is kept: what a process without the key sees of it.
async fn state_is_silent(house: &House) {
    let state = house.state().await;
    silent("state", &format!("{state:?}"));
    for entry in house.store.history(&stack(), 0).await.unwrap() {
        silent("entry", &format!("{entry:?}"));
        let sealed: Entry<codec::SealedValue> =
            entry.clone().try_map(&mut |value| codec::seal(&value, house.vault.as_ref())).unwrap();
        silent("journal", &serde_json::to_string(&sealed).unwrap());
    }
    let storage = format!("{:?}", house.store);
    assert!(
        storage.contains("toy-a-") || storage.contains(&in_bytes("toy-a-")),
        "names show, so secrets would: {storage}"
    );
    silent("storage", &storage);
    assert!(!storage.contains(&in_bytes(CANARY)));
}

async fn run(house: &House, text: &str, mode: Mode) {
    let plan = house.plan_for(text, mode).await;
    plan_is_silent(house, &plan);
    let (sender, mut receiver) = events();
    let (_cancel, cancelled) = watch::channel(false);
    let ended = house.run_with(text, mode, &house.engine(), &sender, &cancelled).await;
    match ended {
        Ok(report) => {
            silent("report", &format!("{report:?}"));
            silent("report", &serde_json::to_string(&report).unwrap());
        }
        Err(error) => silent("error", &format!("{error} {error:?}")),
    }
    silent("events", &format!("{:?}", told(&mut receiver)));
    state_is_silent(house).await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_shows_nowhere() {
    let house = House::new();
    house.cloud.set_manners(Manners { gossips: true, polls: 1, ..Manners::default() });
    for fault in [Fault::LostAfter, Fault::Fails(Class::Denied)] {
        house.cloud.fail("create a", fault);
    }
    house.cloud.fail("create c", Fault::Fails(Class::Throttled { retry_after: Some(Duration::from_secs(1)) }));
    run(&house, &text(1, "round"), Mode::Apply).await;
    house.cloud.fail("create a", Fault::Partly);
    run(&house, &text(1, "round"), Mode::Apply).await;
    run(&house, &text(1, "round"), Mode::Apply).await;
    assert!(house.cloud.one("b").spec.get("host").unwrap().same(&CANARY.into()), "it did get there");
    house.cloud.fail("update a", Fault::Partly);
    house.cloud.fail("update a", Fault::LostAfter);
    run(&house, &text(2, "round"), Mode::Apply).await;
    run(&house, &text(3, "round"), Mode::Apply).await;
    house.cloud.edit("a", "note", Some(CANARY.into()));
    house.cloud.edit("a", "size", Some(9_i64.into()));
    house.cloud.edit("b", "note", Some(CANARY.into()));
    run(&house, &text(3, "round"), Mode::Correct).await;
    house.cloud.fail("check a", Fault::Fails(Class::Invalid { field: None }));
    house.cloud.fail("delete a", Fault::Fails(Class::Denied));
    run(&house, &text(4, "flat"), Mode::Apply).await;
    run(&house, &text(4, "flat"), Mode::Apply).await;
    run(&house, &text(4, "flat"), Mode::Destroy).await;
    run(&house, &text(4, "flat"), Mode::Destroy).await;
    assert!(house.cloud.of("a").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_parked_or_open_shows_nowhere() {
    let house = House::new();
    house.cloud.set_manners(Manners { gossips: true, ..Manners::default() });
    house.cloud.fail("create c", Fault::LostAfter);
    for _ in 0..6 {
        house.cloud.fail("create a", Fault::LostAfter);
    }
    run(&house, &text(1, "round"), Mode::Apply).await;
    assert_eq!(house.state().await.open.len(), 2);
    run(&house, &text(1, "round"), Mode::Apply).await;
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_observed_says_why_without_the_secret() {
    let house = House::new();
    house.up(&text(1, "round")).await;
    house.cloud.set_manners(Manners { gossips: true, ..Manners::default() });
    house.cloud.fail("observe", Fault::Fails(Class::Denied));
    let plan = house.plan(&text(1, "round")).await;
    assert!(!plan.notices.is_empty());
    plan_is_silent(&house, &plan);
}
