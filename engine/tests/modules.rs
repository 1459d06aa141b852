//! Modules as they expand: what they see, what is seen of them, and what is in them.

#![allow(clippy::unwrap_used)]

mod reading;

use std::collections::BTreeSet;

use reading::{draw, given, load_text};
use trueup_engine::blueprint::{Inputs, Program, Scope, evaluate};
use trueup_state::{Address, FieldPath, Value};

fn load(text: &str) -> Program {
    load_with(text, &given(&[]))
}

fn load_with(text: &str, inputs: &Inputs) -> Program {
    load_text(text.as_bytes(), inputs).unwrap_or_else(|errors| panic!("{text}\n{}", draw(&errors)))
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn addresses(program: &Program) -> Vec<String> {
    program.resources.keys().map(ToString::to_string).collect()
}

/// What a field of a resource comes to while nothing is known of any.
fn field(program: &Program, resource: &str, path: &str) -> Option<Value> {
    let resource = &program.resources[&address(resource)];
    evaluate(&resource.spec, &resource.scope(&program.world())).value.at(&FieldPath::parse(path)).cloned()
}

/// The resources that one depends on, all that stand in what it depends on as a whole.
fn needs(program: &Program, resource: &str) -> BTreeSet<String> {
    let needed = program.graph.dependencies(&address(resource));
    let is_needed = |one: &&Address| needed.iter().any(|whole| one.is_in(whole));
    program.resources.keys().filter(is_needed).map(ToString::to_string).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const LEAF: &str = r#"
# file: leaf.yaml
blueprint: leaf
variables:
  of: { type: any, default: none }
  label: { type: string, default: plain }
resources:
  data: { kind: bucket, tags: { label: "{{ var.label }}" } }
outputs:
  uri: "{{ data.uri }}"
  of: "{{ var.of }}"
"#;

#[test]
fn a_module_stands_under_its_name_and_each_instance_under_its_key() {
    let program = load(&format!(
        r#"blueprint: demo
providers: {{ local: {{}} }}
modules:
  one: {{ source: ./leaf.yaml }}
  some: {{ source: ./leaf.yaml, for_each: [a, b], when: "{{{{ each.key != 'b' }}}}", inputs: {{ label: "{{{{ each.value }}}}" }} }}
  absent: {{ source: ./leaf.yaml, when: false }}
  numbered: {{ source: ./leaf.yaml, for_each: "{{{{ range(2) }}}}" }}
{LEAF}"#
    ));
    assert_eq!(addresses(&program), ["numbered[0]/data", "numbered[1]/data", "one/data", r#"some["a"]/data"#]);
    assert_eq!(field(&program, r#"some["a"]/data"#, "tags.label"), Some("a".into()));
    assert_eq!(field(&program, "one/data", "tags.label"), Some("plain".into()));
}

#[test]
fn edges_lead_through_inputs_and_outputs_to_resources() {
    let program = load(&format!(
        r#"blueprint: demo
providers: {{ local: {{}} }}
resources:
  first: {{ kind: bucket }}
  last: {{ kind: artifact, bucket: "{{{{ module.two.of }}}}", source: x }}
modules:
  one: {{ source: ./leaf.yaml, inputs: {{ of: "{{{{ first }}}}", label: "{{{{ first.uri }}}}" }} }}
  two: {{ source: ./leaf.yaml, inputs: {{ of: "{{{{ module.one.of }}}}", label: "{{{{ module.one.uri }}}}" }} }}
{LEAF}"#
    ));
    assert_eq!(needs(&program, "one/data"), set(&["first"]));
    assert_eq!(needs(&program, "two/data"), set(&["one/data"]));
    // A whole resource that is handed from module to module is still the one it was.
    assert_eq!(needs(&program, "last"), set(&["first"]));
    assert_eq!(field(&program, "last", "bucket.address"), Some("first".into()));
}

#[test]
fn to_depend_on_a_module_is_to_depend_on_all_that_is_in_it() {
    let program = load(&format!(
        r"blueprint: demo
providers: {{ local: {{}} }}
resources:
  before: {{ kind: bucket }}
  after: {{ kind: bucket, depends_on: [module.outer] }}
modules:
  outer: {{ source: ./outer.yaml, depends_on: [before] }}
# file: outer.yaml
blueprint: outer
resources: {{ own: {{ kind: bucket }} }}
modules: {{ inner: {{ source: ./leaf.yaml, for_each: [a, b] }} }}
{LEAF}"
    ));
    let inside = [r#"outer/inner["a"]/data"#, r#"outer/inner["b"]/data"#, "outer/own"];
    assert_eq!(needs(&program, "after"), set(&inside));
    inside.iter().for_each(|inner| assert_eq!(needs(&program, inner), set(&["before"]), "{inner}"));
}

#[test]
fn tags_add_up_from_the_outside_in() {
    let program = load(
        r"blueprint: demo
providers: { local: {} }
tags: { team: search, stage: dev }
modules: { inner: { source: ./inner.yaml } }
# file: inner.yaml
blueprint: inner
tags: { stage: inner, part: eval }
resources: { data: { kind: bucket } }
",
    );
    let tags = program.tags(&program.resources[&address("inner/data")]);
    let expected = [("part", "eval"), ("stage", "inner"), ("team", "search")];
    let expected = expected.map(|(name, value)| (name.to_owned(), Value::from(value)));
    assert_eq!(tags.clone().into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_module_has_its_own_providers_or_those_around_it() {
    let program = load(
        r"blueprint: demo
providers: { sim: { region: outside } }
modules:
  own: { source: ./own.yaml }
  shared: { source: ./shared.yaml }
# file: own.yaml
blueprint: own
providers: { sim: { region: inside } }
resources: { data: { kind: bucket, provider: sim } }
# file: shared.yaml
blueprint: shared
resources: { data: { kind: bucket, provider: sim } }
",
    );
    for (resource, region) in [("own/data", "inside"), ("shared/data", "outside")] {
        let resource = &program.resources[&address(resource)];
        let settings = program.settings(resource, &resource.provider).unwrap();
        assert_eq!(settings.value.get("region"), Some(&region.into()));
    }
}

#[test]
fn an_environment_reaches_into_modules_that_have_it() {
    let text = r#"blueprint: demo
providers: { local: {} }
environments: { prod: {} }
modules:
  with: { source: ./with.yaml }
  without: { source: ./without.yaml }
# file: with.yaml
blueprint: with
variables: { label: { default: dev } }
environments: { prod: { variables: { label: { default: prod } } } }
resources: { data: { kind: bucket, tags: { label: "{{ var.label }}" } } }
# file: without.yaml
blueprint: without
resources: { data: { kind: bucket } }
"#;
    let prod = Inputs { environment: Some("prod".to_owned()), ..Inputs::default() };
    for (inputs, label) in [(Inputs::default(), "dev"), (prod, "prod")] {
        assert_eq!(field(&load_with(text, &inputs), "with/data", "tags.label"), Some(label.into()));
    }
}

#[test]
fn a_secret_stays_one_on_its_way_through_modules() {
    let text = r#"blueprint: demo
variables: { token: { type: string, secret: true } }
providers: { local: {} }
modules:
  a: { source: ./leaf.yaml, inputs: { label: "{{ var.token }}" } }
  b: { source: ./leaf.yaml, inputs: { label: "x{{ module.a.label }}" } }
outputs: { label: "{{ module.b.label }}" }
# file: leaf.yaml
blueprint: leaf
variables: { label: { type: string } }
resources: { data: { kind: bucket, tags: { label: "{{ var.label }}" } } }
outputs: { label: "{{ var.label }}-{{ data.uri | length > 0 }}" }
"#;
    let program = load_with(text, &given(&[("token", "hunter2")]));
    assert!(field(&program, "a/data", "tags.label").unwrap().has_secret());
    assert!(field(&program, "b/data", "tags.label").unwrap().has_secret());
    let scope = Scope { world: program.world(), module: None, each: None };
    let output = evaluate(&program.outputs["label"].node, &scope).value;
    assert!(output.has_secret() && output.has_unknown());
    assert!(!format!("{program:?}").contains("hunter2"));
}

/// A chain of modules of which each reads the one before as often as `read` says.
fn chain(length: usize, read: &str) -> String {
    let mut text =
        "blueprint: demo\nproviders: { local: {} }\nresources:\n  data: { kind: bucket }\nmodules:\n".to_owned();
    for at in 0..length {
        let from = if at == 0 { "data.uri".to_owned() } else { format!("module.m{}.out", at - 1) };
        text.push_str(&format!("  m{at}: {{ source: ./m.yaml, inputs: {{ a: \"{{{{ {from} }}}}\" }} }}\n"));
    }
    text.push_str(&format!("outputs: {{ x: \"{{{{ module.m{}.out }}}}\" }}\n", length - 1));
    text.push_str(&format!(
        "# file: m.yaml\nblueprint: m\nvariables: {{ a: {{ type: any }} }}\noutputs: {{ out: \"{{{{ {read} }}}}\" }}\n"
    ));
    text
}

#[test]
fn what_several_read_on_the_way_is_evaluated_once() {
    // Without that, this would be evaluated 2^45 times.
    let program = load(&chain(45, "var.a ~ var.a"));
    let scope = Scope { world: program.world(), module: None, each: None };
    let output = evaluate(&program.outputs["x"].node, &scope);
    assert_eq!(output.value, Value::Unknown);
    assert_eq!(output.reads, BTreeSet::from([address("data")]));
}

#[test]
fn a_chain_that_is_too_long_is_refused_and_fills_no_stack() {
    let small = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let loaded = small.spawn(|| load_text(chain(200, "var.a ~ 'x'").as_bytes(), &given(&[])).map(|_| ()).unwrap_err());
    let errors = loaded.unwrap().join().unwrap();
    assert!(errors.list[0].message.contains("too many values of modules are read through each other"));
}

#[test]
fn a_chain_of_many_resources_fills_no_stack() {
    let mut text = "blueprint: demo\nproviders: { local: {} }\nresources:\n  r0: { kind: bucket }\n".to_owned();
    for at in 1..20_000 {
        text.push_str(&format!("  r{at}: {{ kind: bucket, tags: {{ of: \"{{{{ r{}.uri }}}}\" }} }}\n", at - 1));
    }
    let circle = text.replacen("r0: { kind: bucket }", "r0: { kind: bucket, depends_on: [r19999] }", 1);
    let small = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let loaded = small.spawn(move || {
        assert_eq!(load(&text).graph.order().len(), 20_000);
        load_text(circle.as_bytes(), &given(&[])).map(|_| ()).unwrap_err()
    });
    let errors = loaded.unwrap().join().unwrap();
    assert!(errors.list[0].message.starts_with("resources depend on each other in a circle"));
}
