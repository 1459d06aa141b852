//! What is sent and never shown again is kept as a digest: that tells a change, and nothing of it can be read or sent from a state.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use support::cloud::Fault;
use support::{House, action, address, blueprint, blueprint_with, change, done, on_paused_time, operations};
use trueup_engine::plan::{Action, Mode};
use trueup_state::{Class, Value, codec};

fn with(code: &str, more: &str) -> String {
    blueprint(&[&format!("a: {{ kind: box, code: {code}, size: 1{more} }}")])
}

/// The code that the cloud has.
fn code(house: &House) -> Option<String> {
    house.cloud.one("a").spec.get("code").map(|code| code.as_str().unwrap().to_owned())
}

/// What is kept of what was sent, as whoever has the key reads it.
async fn kept(house: &House) -> String {
    let state = house.state().await;
    let object = state.records[&address("a")].current.clone().unwrap();
    let code = object.sent.get("code").cloned().unwrap_or_default();
    assert!(code.has_secret() && object.seen.get("code").is_none(), "{object:?}");
    codec::reveal(&code).unwrap().to_string()
}

#[test]
fn it_is_kept_as_a_digest_and_a_change_of_it_is_one() {
    on_paused_time(async {
        let house = House::new();
        house.up(&with("hunter2", "")).await;
        assert_eq!(code(&house).as_deref(), Some("hunter2"));
        assert!(!kept(&house).await.contains("hunter2"));
        house.settled(&with("hunter2", "")).await;
        let plan = house.plan(&with("hunter3", "")).await;
        assert_eq!(operations(&plan), ["update a"]);
        assert_eq!(change(&plan, "a").fields[0].path.to_string(), "code");
        house.up(&with("hunter3", "")).await;
        assert_eq!(code(&house).as_deref(), Some("hunter3"));
        assert!(!kept(&house).await.contains("hunter3"));
        house.settled(&with("hunter3", "")).await;
        house.up(&blueprint(&["a: { kind: box, size: 1 }"])).await;
        assert_eq!(code(&house), None);
        house.settled(&blueprint(&["a: { kind: box, size: 1 }"])).await;
    });
}

#[test]
fn whatever_else_changes_it_is_sent_whole_again() {
    on_paused_time(async {
        let house = House::new();
        house.up(&with("hunter2", "")).await;
        let digest = kept(&house).await;
        house.up(&with("hunter2", ", note: x")).await;
        assert_eq!(code(&house).as_deref(), Some("hunter2"));
        assert_ne!(kept(&house).await, digest, "each time it is sent it gets a digest of its own");
        let again = kept(&house).await;
        // A change of the record alone sends nothing, and keeps what it has.
        house.up(&with("hunter2", ", note: x, protect: true")).await;
        assert_eq!(kept(&house).await, again);
        house.settled(&with("hunter2", ", note: x, protect: true")).await;
        house.up(&with("hunter2", ", note: x")).await;
        house.up(&with("hunter2", ", note: x, shape: flat")).await;
        assert_eq!(code(&house).as_deref(), Some("hunter2"));
        house.up(&blueprint(&[])).await;
        assert!(house.cloud.things().is_empty());
    });
}

#[test]
fn a_correction_sends_what_was_not_edited_and_waits_where_it_was() {
    on_paused_time(async {
        let house = House::new();
        house.up(&with("hunter2", "")).await;
        house.cloud.edit("a", "size", Some(9.into()));
        assert_eq!(done(&house.run_for(&with("hunter2", ""), Mode::Correct).await), ["update a"]);
        assert_eq!(code(&house).as_deref(), Some("hunter2"));
        house.cloud.edit("a", "size", Some(9.into()));
        let plan = house.plan_for(&with("hunter3", ""), Mode::Correct).await;
        assert!(plan.operations.is_empty(), "{:?}", operations(&plan));
        assert!(plan.notices.iter().any(|notice| notice.message.contains("code was edited")), "{:?}", plan.notices);
        house.up(&with("hunter3", "")).await;
        assert_eq!(
            (code(&house).as_deref(), house.cloud.one("a").spec.get("size")),
            (Some("hunter3"), Some(&1.into()))
        );
    });
}

#[test]
fn what_is_known_only_later_and_is_the_same_is_no_call() {
    on_paused_time(async {
        let house = House::new();
        let with = |note: &str| {
            blueprint(&[&format!("z: {{ kind: box, note: {note} }}"), "a: { kind: box, code: '{{ z.zone }}' }"])
        };
        house.up(&with("one")).await;
        let digest = kept(&house).await;
        house.cloud.remove("z");
        let plan = house.plan(&with("one")).await;
        assert_eq!(action(&plan, "a"), Action::Update, "it may turn out to be another");
        assert_eq!(done(&house.up(&with("one")).await).first().map(String::as_str), Some("create z"));
        assert_eq!(house.cloud.take_calls().last().map(String::as_str), Some("create z"));
        assert_eq!(kept(&house).await, digest);
        house.settled(&with("one")).await;
    });
}

#[test]
fn what_is_ignored_is_no_change_and_what_the_blueprint_says_goes_with_the_rest() {
    on_paused_time(async {
        let house = House::new();
        house.up(&with("hunter2", ", ignore: [code]")).await;
        house.settled(&with("hunter3", ", ignore: [code]")).await;
        house.up(&with("hunter3", ", note: x, ignore: [code]")).await;
        assert_eq!(code(&house).as_deref(), Some("hunter3"));
        house.settled(&with("hunter3", ", note: x, ignore: [code]")).await;
    });
}

#[test]
fn until_a_create_succeeds_it_is_kept_sealed_and_the_same_is_sent_once_more() {
    on_paused_time(async {
        let house = House::new();
        house.cloud.fail("create a", Fault::LostAfter);
        house.up(&with("hunter2", "")).await;
        assert_eq!(code(&house).as_deref(), Some("hunter2"));
        assert!(!kept(&house).await.contains("hunter2"));
        house.cloud.fail("update a", Fault::Fails(Class::Denied));
        assert_eq!(house.run(&with("hunter3", "")).await.failed.len(), 1);
        let plan = house.plan(&with("hunter2", "")).await;
        assert!(plan.changes_nothing(), "{:?}", operations(&plan));
    });
}

#[test]
fn a_secret_variable_that_is_sent_so_shows_nowhere() {
    on_paused_time(async {
        let house = House::new();
        let head = "variables: { key: { type: string, secret: true, default: canary-5 } }\nproviders: { toy: {} }";
        let text = blueprint_with(head, &["a: { kind: box, code: '{{ var.key }}' }"]);
        house.up(&text).await;
        house.settled(&text).await;
        let state = house.state().await;
        let sent = &state.records[&address("a")].current.as_ref().unwrap().sent;
        assert!(!codec::reveal(sent).unwrap().to_string().contains("canary"));
        assert_ne!(sent.get("code"), None::<&Value>);
    });
}
