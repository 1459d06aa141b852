//! Large blueprints load in time that grows with their size and no faster.

#![allow(clippy::unwrap_used)]

mod reading;
#[path = "reading/wide.rs"]
mod wide;

use std::fmt::Write;

use reading::{given, load_text};
use trueup_state::Address;
use wide::wide;

#[test]
fn a_wide_for_each_makes_edges_by_its_size() {
    let program = load_text(wide(2_000).as_bytes(), &given(&[])).unwrap();
    assert_eq!(program.resources.len(), 4_001);
    // 2,000 for the disks; 2,000 into the group and one out of it.
    assert_eq!(program.graph.graph.edge_count(), 4_001);
    assert_eq!(program.graph.order().len(), 4_001);
    assert_eq!(program.graph.dependencies(&Address::root("all")).len(), 1, "the block, as a whole");
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

#[test]
fn a_module_that_is_depended_on_is_all_that_stands_in_it() {
    let text = r#"
blueprint: modules
providers: { sim: {} }
resources:
  l: { kind: bucket }
  m: { kind: bucket }
  n: { kind: bucket }
  all: { kind: bucket, depends_on: [module.mm] }
  one: { kind: bucket, depends_on: ['module.mm["b"]'] }
modules:
  ma: { source: m.yaml }
  mm: { source: m.yaml, for_each: [a, b] }
  mz: { source: m.yaml }
# file: m.yaml
blueprint: m
resources:
  x: { kind: bucket, for_each: [1, 2] }
modules:
  inner: { source: inner.yaml }
# file: inner.yaml
blueprint: inner
resources:
  y: { kind: bucket }
"#;
    let program = load_text(text.trim_start().as_bytes(), &given(&[])).unwrap();
    let of = |name: &str| {
        let found = program.graph.dependencies(&Address::root(name));
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of("one"), r#"mm["b"]"#);
    assert_eq!(of("all"), "mm");
    // Both come after all that stands in what they depend on.
    let order: Vec<String> = program.graph.order().iter().map(ToString::to_string).collect();
    let place = |address: &str| order.iter().position(|one| one == address).unwrap();
    for inner in [r#"mm["b"]/inner/y"#, r#"mm["b"]/x[1]"#, r#"mm["b"]/x[2]"#] {
        assert!(place(inner) < place("one") && place(inner) < place("all"), "{order:?}");
    }
}
