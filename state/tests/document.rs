//! What is taken for an exported state, and what is not.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use support::entries::{begin, made, spec};
use support::stack;
use trueup_state::clock::SeededEntropy;
use trueup_state::document::{Document, DocumentError};
use trueup_state::vault::Vault;
use trueup_state::{Address, FieldPath, Stack, State, Value, Verb, codec};

/// A state with a secret.
fn state() -> State {
    let mut state = State::new("0123456789abcdef");
    let mut spec = spec("eu");
    spec.put(&FieldPath::parse("token"), Value::secret("canary".into()));
    for entry in made("a", spec) {
        state.apply(&entry).unwrap();
    }
    state
}

fn document(vault: &Vault) -> Json {
    let sealed = state().try_map(&mut |value| codec::seal(&value, vault)).unwrap();
    serde_json::to_value(Document::new(&stack(), sealed)).unwrap()
}

fn read(json: &Json) -> Result<Document, DocumentError> {
    Document::read(json.to_string().as_bytes())
}

#[test]
fn a_document_says_what_it_is_and_comes_back() {
    let vault = Vault::ephemeral();
    let json = document(&vault);
    let top: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(top, ["format_version", "stack", "lineage", "serial", "records", "open", "outputs", "former"]);
    assert_eq!(json["stack"], json!({ "blueprint": "llm-serving", "environment": "prod" }));
    assert!(!json.to_string().contains("canary"));
    let read = read(&json).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), json);
    let opened = read.state_for(&stack(), &vault).unwrap();
    let opened = opened.try_map(&mut |value| codec::open(&codec::seal(&value, &vault)?, &vault)).unwrap();
    assert_eq!(opened, state());
}

/// As one that says that it adds up to nothing: whatever came after it would be taken and forgotten.
#[test]
fn no_document_makes_a_state_that_takes_nothing() {
    let vault = Vault::ephemeral();
    let mut forged = document(&vault);
    forged["is_broken"] = json!(true);
    let mut restored = State::new("0123456789abcdef");
    let taken = read(&forged).unwrap().state_for(&stack(), &vault).unwrap();
    restored.apply(&support::entries::restored(&taken)).unwrap();
    let more = made("more", spec("eu"));
    for entry in &more {
        restored.apply(entry).unwrap();
    }
    assert!(restored.records.contains_key(&Address::root("more")));
    let sealed = restored.try_map(&mut |value| codec::seal(&value, &vault)).unwrap();
    assert!(serde_json::to_value(&sealed).unwrap()["is_broken"].is_null());
}

#[test]
fn what_is_no_exported_state_is_told() {
    let whole = document(&Vault::ephemeral());
    for (change, said) in [
        (json!({ "format_version": 2 }), "its format is 2; this Trueup knows formats up to 1"),
        (json!({ "format_version": "1" }), "it has no `format_version`"),
        (json!({ "format_version": 0 }), "it has no `format_version`"),
        (json!({ "stack": null }), "invalid type: null"),
        (json!({ "stack": { "blueprint": "demo" } }), "missing field `environment`"),
        (json!({ "lineage": "../../etc/passwd" }), "its lineage is not of 16 hex digits"),
        (json!({ "lineage": "0123456789ABCDEF" }), "its lineage is not of 16 hex digits"),
        (json!({ "serial": -1 }), "invalid value: integer `-1`"),
        (json!({ "records": [] }), "invalid type"),
        (json!({ "records": { "b": whole["records"]["a"] } }), "b is kept with the record of a"),
        (json!({ "records": { "": whole["records"]["a"] } }), "is no address"),
    ] {
        let mut json = whole.clone();
        json.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let error = read(&json).unwrap_err().to_string();
        assert!(error.contains(said), "{change}: {error}");
    }
    for text in ["", "hello", "[]", "{}", "null", "\u{0}", "{\"format_version\":1}"] {
        let error = Document::read(text.as_bytes()).unwrap_err();
        assert!(matches!(error, DocumentError::Malformed(_)), "{text}: {error}");
    }
}

#[test]
fn a_document_is_for_its_stack_and_its_key() {
    let vault = Vault::ephemeral();
    let document = read(&document(&vault)).unwrap();
    for other in [Stack { environment: "dev".into(), ..stack() }, Stack { blueprint: "demo".into(), ..stack() }] {
        let error = document.state_for(&other, &vault).unwrap_err();
        assert_eq!(error.to_string(), "it is the state of llm-serving · prod");
    }
    assert_eq!(document.state_for(&stack(), &Vault::ephemeral()), Err(DocumentError::Locked));
    assert_eq!(document.state_for(&stack(), &codec::NoKey), Err(DocumentError::Locked));
}

#[test]
fn what_only_an_apply_can_tell_is_in_no_state() {
    let vault = Vault::ephemeral();
    let mut json = document(&vault);
    json["records"]["a"]["current"]["attributes"]["uri"] = json!({ "$unknown": true });
    let error = read(&json).unwrap().state_for(&stack(), &vault).unwrap_err();
    assert_eq!(error.to_string(), "it is no exported state: it has values that are not known");
}

#[test]
fn a_secret_that_was_changed_is_told() {
    let vault = Vault::ephemeral();
    let mut json = document(&vault);
    let sealed = &mut json["records"]["a"]["current"]["sent"]["token"]["$sealed"];
    *sealed = sealed.as_str().unwrap()[8..].into();
    let error = read(&json).unwrap().state_for(&stack(), &vault).unwrap_err();
    assert!(matches!(error, DocumentError::Vault(_)), "{error:?}");
}

#[test]
fn a_copy_is_for_any_stack_and_has_a_lineage_of_its_own() {
    let vault = Vault::ephemeral();
    let document = read(&document(&vault)).unwrap();
    let entropy = SeededEntropy::new(1);
    let [one, two] = [(); 2].map(|()| document.copy(&vault, &entropy).unwrap());
    let lineages = BTreeSet::from([&one.lineage, &two.lineage, &document.state.lineage].map(String::as_str));
    assert_eq!(lineages.len(), 3, "each has its own: {lineages:?}");
    assert!(one.lineage.len() == 16 && one.lineage.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let other = State { lineage: document.state.lineage.clone(), ..one };
    assert_eq!(other, document.state_for(&stack(), &vault).unwrap(), "nothing else differs");
    assert_eq!(document.copy(&Vault::ephemeral(), &entropy), Err(DocumentError::Locked));
}

#[test]
fn what_has_not_ended_is_not_copied() {
    let vault = Vault::ephemeral();
    let mut state = state();
    state.apply(&begin(Verb::Delete, &Address::root("a"), 0, "open", spec("eu"))).unwrap();
    let sealed = state.try_map(&mut |value| codec::seal(&value, &vault)).unwrap();
    let document = Document::new(&stack(), sealed);
    assert_eq!(document.copy(&vault, &SeededEntropy::new(1)), Err(DocumentError::Open(1)));
    assert!(document.state_for(&stack(), &vault).is_ok(), "its own stack takes it");
}
