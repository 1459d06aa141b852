//! What the fuzzer runs, and what a test of the engine replays over `corpus/`: plain functions that must not panic.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use trueup_engine::blueprint::{Scope, Visible, World, evaluate};
use trueup_engine::diagnostic::Diagnostics;
use trueup_engine::plan::saved;
use trueup_state::codec::{NoKey, SealedValue};
use trueup_state::document::Document;
use trueup_state::vault::Vault;
use trueup_state::{Entry, Event, Map, Stack, State, Timestamp, Value};

#[path = "../../engine/tests/reading/mod.rs"]
mod reading;

/// The value of the secret variable, which nothing may repeat.
const SECRET: &str = "hunter2";

/// A key that nothing of the corpus is sealed for.
static KEY: LazyLock<Vault> = LazyLock::new(Vault::ephemeral);

/// A blueprint around an expression: every sort of thing that one can read.
const WORLD: &str = r"
blueprint: demo
variables:
  a: { type: string, default: x }
  n: { type: integer, default: 2 }
  s: { type: string, secret: true }
  m: { type: map, default: { x: 1, y: { z: two } } }
  l: { type: list, default: [x, y] }
providers: { sim: {} }
resources:
  r: { kind: gpu_instance, gpu: { model: L4, count: 1 } }
  g: { kind: bucket, for_each: [x, y] }
outputs:
  out: '{{ EXPRESSION }}'
";

/// Loads any bytes as a blueprint. What is refused is refused with a place inside the text, and can be drawn.
pub fn blueprint(bytes: &[u8]) {
    if let Err(errors) = reading::load_text(bytes, &reading::given(&[])) {
        check(&errors);
    }
}

/// Reads any text as an expression, and evaluates it while attributes are unknown and once they are known.
pub fn expression(text: &str) {
    let blueprint = WORLD.replace("EXPRESSION", &text.replace('\'', "''"));
    let program = match reading::load_text(blueprint.as_bytes(), &reading::given(&[("s", SECRET)])) {
        Ok(program) => program,
        Err(errors) => {
            check(&errors);
            assert!(text.contains(SECRET) || !format!("{:?}", errors.list).contains(SECRET), "a secret shows");
            return;
        }
    };
    for known in [Value::Unknown, Value::from("x")] {
        let world: Arc<World> = program.world();
        for (address, resource) in program.resources.iter() {
            let attributes: Map = ["id", "ip", "uri"].map(|name| (name.to_owned(), known.clone())).into();
            let (attributes, stable) = (attributes.clone().into(), attributes.into());
            let (kind, provider) = (resource.kind.clone(), resource.provider.clone());
            world.show(address.clone(), Visible { kind, provider, attributes, stable });
        }
        let Some(output) = program.outputs.get("out") else { return };
        let result = evaluate(&output.node, &Scope { world, module: None, each: None });
        assert!(text.contains(SECRET) || !format!("{result:?}").contains(SECRET), "a secret shows");
    }
}

/// Reads any bytes as a saved plan. What is read is written as it was, and the blueprint in it is loaded or refused.
pub fn plan(bytes: &[u8]) {
    let Ok(plan) = saved::read(bytes, &*KEY) else { return };
    let written = saved::write(&plan, &*KEY).expect("there is a key");
    assert_eq!(saved::read(&written, &*KEY).as_ref(), Ok(&plan), "it is not read as it was written");
    let _ = (plan.summary(), plan.is_empty(), plan.changes_nothing());
    if let Err(errors) = saved::reload(&plan, &Arc::new(reading::catalog())) {
        check(&errors);
    }
}

/// Reads any lines as the entries of a journal. Each that is read is written as it was, and follows those before it or is refused; the
/// state that they add up to contradicts nothing. How many were read.
pub fn entry(bytes: &[u8]) -> usize {
    let mut state: State<SealedValue> = State::new("0123456789abcdef");
    let mut read = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(entry) = serde_json::from_slice::<Entry<SealedValue>>(line) else { continue };
        read += 1;
        let written = serde_json::to_vec(&entry).expect("an entry has a JSON form");
        let again: Entry<SealedValue> = serde_json::from_slice(&written).expect("what was written is read");
        assert_eq!(again, entry, "it is not read as it was written");
        let before = state.clone();
        match state.apply(&entry) {
            Ok(()) => assert_eq!(state.flaws(), [], "it was allowed"),
            Err(_) => assert_eq!(state, before, "it was refused, and changed something"),
        }
    }
    read
}

/// Reads any bytes as an exported state. What is read is written as it was, and is the whole of an empty journal's next entry. Whether
/// there is a state in them.
pub fn import(bytes: &[u8]) -> bool {
    let Ok(document) = Document::read(bytes) else { return false };
    let written = serde_json::to_vec(&document).expect("a document has a JSON form");
    assert_eq!(Document::read(&written).as_ref(), Ok(&document), "it is not read as it was written");
    let (blueprint, environment) = (document.stack.blueprint.clone(), document.stack.environment.clone());
    let stack = Stack { blueprint, environment, file: PathBuf::new() };
    let Ok(state) = document.state_for(&stack, &NoKey) else { return false };
    let entry = Entry { at: Timestamp(0), address: None, event: Event::Restored { state: Box::new(state.clone()) } };
    let mut empty: State = State::new("fedcba9876543210");
    empty.apply(&entry).expect("a whole state can be restored");
    assert_eq!(empty, State { serial: 1, ..state });
    assert_eq!(empty.flaws(), []);
    true
}

fn check(errors: &Diagnostics) {
    assert!(errors.has_errors(), "refused, and nothing is wrong");
    for label in errors.list.iter().flat_map(|diagnostic| &diagnostic.labels) {
        let source = errors.sources.get(label.span.file).map(|source| &source.text);
        assert!(source.is_some_and(|text| text.get(label.span.start..label.span.end).is_some()), "{label:?}");
    }
    let shown = Diagnostics { list: errors.list.iter().take(50).cloned().collect(), ..errors.clone() };
    assert!(!reading::draw(&shown).is_empty());
}
