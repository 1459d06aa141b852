//! A machine that falls silent: what becomes of it is what its `validate` says.
#![cfg(feature = "ssh")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use trueup_checks::{Desk, GpuCheck, Program};
use trueup_engine::provider::{Check, Progress};
use trueup_state::clock::{SystemClock, SystemEntropy};
use trueup_state::holder::ThisHost;
use trueup_state::memory::MemoryStore;
use trueup_state::vault::Vault;
use trueup_state::{Address, Class, Handle, Request, Scope, Stack, Token, Value};

/// A check of a machine where nobody answers, long after it began `doing`; and how many reports are kept then.
async fn asked(doing: &str, on_failure: &str) -> (Progress, usize) {
    let (clock, entropy, vault) = (Arc::new(SystemClock), Arc::new(SystemEntropy), Arc::new(Vault::ephemeral()));
    let store = MemoryStore::new(vault.clone(), clock.clone(), entropy.clone(), Arc::new(ThisHost));
    let desk = Arc::new(Desk::new(Arc::new(store), vault, entropy.clone()));
    let stack =
        Stack { blueprint: "s".to_owned(), environment: "default".to_owned(), file: PathBuf::from("blueprint.yaml") };
    desk.is_of(&stack);
    let check = GpuCheck::new(Program::at(PathBuf::from("gpucheck")), BTreeMap::new(), desk.clone(), clock);
    let request = Request {
        token: Token::new(&SystemEntropy),
        address: Address::root("trainer"),
        kind: "gpu_instance".into(),
        schema_version: 1,
        generation: 0,
        scope: Scope::of("sim"),
        name: String::new(),
        id: Some("i".to_owned()),
        spec: json!({ "gpu": { "model": "H100", "count": 1 } }).into(),
        before: Value::Null,
        // Nobody listens there but with the rights of root.
        attributes: json!({ "ssh": "127.0.0.1:1" }).into(),
        check: Some(json!({ "via": "ssh", "on_failure": on_failure }).into()),
        owner: BTreeMap::new(),
    };
    let handle: Json = json!({ doing: { "since": 0 } });
    let progress = check.poll(&request, &Handle(handle)).await.unwrap();
    (progress, desk.checks(&request.address).await.unwrap().len())
}

fn class(progress: &Progress) -> Option<&Class> {
    match progress {
        Progress::Failed(error) => Some(&error.class),
        _ => None,
    }
}

#[tokio::test]
async fn one_that_falls_silent_while_it_is_measured_has_failed() {
    let (replace, kept) = asked("measure", "replace").await;
    assert_eq!((class(&replace), kept), (Some(&Class::Invalid { field: None }), 1), "{replace:?}");
    let (fail, kept) = asked("measure", "fail").await;
    assert_eq!((class(&fail), kept), (Some(&Class::Conflict), 1), "{fail:?}");
    let (warn, kept) = asked("measure", "warn").await;
    assert_eq!((warn, kept), (Progress::Done(None), 1));
}

#[tokio::test]
async fn one_that_was_never_reached_may_be_behind_a_firewall() {
    for on_failure in ["replace", "fail", "warn"] {
        let (progress, kept) = asked("reach", on_failure).await;
        assert_eq!((class(&progress), kept), (Some(&Class::Transient), 0), "{progress:?}");
    }
}
