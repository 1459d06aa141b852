//! What the fuzzer runs, and what a test of the engine replays over `corpus/`: plain functions that must not panic.

use std::sync::Arc;

use trueup_engine::blueprint::{Scope, Visible, World, evaluate};
use trueup_engine::diagnostic::Diagnostics;
use trueup_state::{Map, Value};

#[path = "../../engine/tests/reading/mod.rs"]
mod reading;

/// The value of the secret variable, which nothing may repeat.
const SECRET: &str = "hunter2";

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

fn check(errors: &Diagnostics) {
    assert!(errors.has_errors(), "refused, and nothing is wrong");
    for label in errors.list.iter().flat_map(|diagnostic| &diagnostic.labels) {
        let source = errors.sources.get(label.span.file).map(|source| &source.text);
        assert!(source.is_some_and(|text| text.get(label.span.start..label.span.end).is_some()), "{label:?}");
    }
    let shown = Diagnostics { list: errors.list.iter().take(50).cloned().collect(), ..errors.clone() };
    assert!(!reading::draw(&shown).is_empty());
}
