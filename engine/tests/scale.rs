//! Large blueprints load in time that grows with their size and no faster.

#![allow(clippy::unwrap_used)]

mod reading;

use std::fmt::Write;

use reading::{given, load_text};
use trueup_state::Address;

/// A `for_each` of many, another that reads it instance by instance, and one resource that reads it whole.
fn wide(count: usize) -> String {
    format!(
        r#"
blueprint: wide
variables: {{ count: {{ type: integer, default: {count} }} }}
providers: {{ sim: {{}} }}
resources:
  node:
    kind: gpu_instance
    for_each: "{{{{ range(var.count) }}}}"
    gpu: {{ model: H100, count: 8 }}
    env: {{ RANK: "rank {{{{ each.key }}}}", WORLD: "{{{{ var.count | string }}}}", NEXT: "{{{{ each.value | string }}}}" }}
  disk:
    kind: file
    for_each: "{{{{ range(var.count) }}}}"
    path: "/{{{{ each.key }}}}"
    content: "{{{{ node[each.key].id }}}}"
  all: {{ kind: file, path: all, content: "{{{{ node | length }}}} nodes" }}
"#
    )
}

#[test]
fn a_wide_for_each_makes_edges_by_its_size() {
    let program = load_text(wide(2_000).as_bytes(), &given(&[])).unwrap();
    assert_eq!(program.resources.len(), 4_001);
    // 2,000 for the disks; 2,000 into the group and one out of it.
    assert_eq!(program.graph.graph.edge_count(), 4_001);
    assert_eq!(program.graph.order().len(), 4_001);
    assert_eq!(program.graph.dependencies(&Address::root("all")).len(), 2_000);
}

#[test]
fn many_blocks_load() {
    let mut text = "blueprint: many\nproviders: { sim: {} }\nresources:\n  r0: { kind: bucket }\n".to_owned();
    for number in 1..2_000 {
        let before = number - 1;
        let _ = writeln!(text, "  r{number}: {{ kind: bucket, tags: {{ before: \"{{{{ r{before}.uri }}}}\" }} }}");
    }
    let program = load_text(text.as_bytes(), &given(&[])).unwrap();
    assert_eq!(program.graph.order().last(), Some(&Address::root("r1999")));
}

/// `cargo test --release -p trueup-engine --test scale -- --ignored --nocapture` says how long it takes.
#[test]
#[ignore = "takes its time in a debug build"]
#[allow(clippy::disallowed_methods, clippy::print_stdout)]
fn a_hundred_thousand_instances() {
    let text = wide(100_000);
    let before = std::time::Instant::now();
    let program = load_text(text.as_bytes(), &given(&[])).unwrap_or_else(|errors| panic!("{}", reading::draw(&errors)));
    println!("loaded {} resources in {:?}", program.resources.len(), before.elapsed());
    let world = program.world();
    let before = std::time::Instant::now();
    for resource in program.resources.values().filter(|resource| resource.address.name() == "node") {
        std::hint::black_box(trueup_engine::blueprint::evaluate(&resource.spec, &resource.scope(&world)));
    }
    println!("evaluated 100,000 specs with three expressions in {:?}", before.elapsed());
}
