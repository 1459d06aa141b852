//! `trueup graph`: every format, with and without state, and what can't be drawn.

use std::fs;

use crate::support::{DEMO, Place};

const BLOCKS: &str = r#"blueprint: demo
providers: { local: {} }
resources:
  data: { kind: bucket }
  model:
    kind: artifact
    for_each: { berlin: a, lisbon: b, "a <\"odd\"> & b": c }
    bucket: "{{ data }}"
    source: ./model
  images: { kind: registry, tags: { first: "{{ model['berlin'].uri }}" } }
"#;

#[test]
fn a_graph_needs_no_state_and_makes_none() {
    let place = Place::with(DEMO);
    let before = place.listing();
    let graph = place.run(&["graph"]).exits(0);
    assert_eq!(
        graph.out,
        "demo · default\n\n  + chat        endpoint\n  + └─ weights  artifact\n  +    └─ data  bucket\n  + images      registry\n\n\
         4 resources, 4 to create. What stands under a line is what it depends on.\n"
    );
    place.run(&["graph", "--no-plan"]).exits(0).says("\n  chat        endpoint\n").says("4 resources. What");
    place.is_as(&before);
}

#[test]
fn what_would_change_is_shown() {
    let place = Place::applied(DEMO);
    place.run(&["graph"]).exits(0).says("    chat        endpoint").says("4 resources. What");
    place.edit("team: a", "team: b");
    place.edit("  images: { kind: registry }\n", "  results: { kind: bucket }\n");
    place.edit("source: ./model", "source: ./model, path: elsewhere");
    let graph = place.run(&["graph"]).exits(0);
    let graph = graph.says("  ~    └─ data  bucket").says("  ± └─ weights").says("  - images").says("  + results");
    graph.says("5 resources, 1 to create, 2 to update, 1 to replace, 1 to delete.");
    // What goes still stands on what it was made from.
    place.edit("  chat:\n    kind: endpoint\n    command: [python3, serve.py]\n    working_dir: .\n    model: \"{{ weights.uri }}\"\n    env: { WORDS: \"{{ var.words }}\" }\n", "");
    place.edit("  url: \"{{ chat.url }}\"\n", "");
    place.run(&["graph"]).exits(0).says("  - chat").says("  ± └─ weights");
    let svg = place.run(&["graph", "--format", "svg"]).exits(0).out;
    for class in ["create", "update", "replace", "delete"] {
        assert!(svg.contains(&format!("class=\"node {class}\"")), "{class}");
    }
}

#[test]
fn every_format_of_a_small_blueprint() {
    let place = Place::with(BLOCKS);
    place.run(&["graph"]).exits(0).says("model (3)").says_not("berlin");
    let each = place.run(&["graph", "--each"]).exits(0).says(r#"model["a <\"odd\"> & b"]"#).says_not("(3)");
    assert_eq!(each.out.matches("artifact").count(), 3);
    let json = place.run(&["graph", "--json"]).exits(0).json();
    assert_eq!(json["stack"], "demo · default");
    assert_eq!(json["planned"], true);
    place.run(&["graph", "--format", "dot"]).exits(0).says("digraph \"demo · default\" {").says(" -> ");
    let svg = place.run(&["graph", "--each", "--format", "svg"]).exits(0).out;
    let document = roxmltree::Document::parse(&svg).unwrap();
    let nodes = document.descendants().filter(|one| one.attribute("class").is_some_and(|class| class == "node create"));
    assert_eq!(nodes.count(), 5);
    assert_eq!(svg, place.run(&["graph", "--each", "--format", "svg"]).exits(0).out, "the same again");
}

#[test]
fn it_goes_to_a_file_when_asked() {
    let place = Place::with(DEMO);
    let ran = place.run(&["graph", "--format", "svg", "--out", "graph.svg"]).exits(0);
    assert_eq!(ran.out, "");
    assert!(fs::read_to_string(place.path("graph.svg")).unwrap().starts_with("<svg"));
    place.run_with(&["graph", "--out", "graph.txt"], &[("CLICOLOR_FORCE", "1")]).exits(0);
    assert!(!fs::read_to_string(place.path("graph.txt")).unwrap().contains('\u{1b}'));
    place.run(&["graph", "--out", "nowhere/graph.svg"]).exits(1).complains("nowhere/graph.svg can't be written");
}

#[test]
fn what_can_not_be_drawn_says_why() {
    let place = Place::with(DEMO);
    place.run(&["plan", "--format", "svg"]).exits(1).complains("only `trueup graph` draws");
    place.run(&["graph", "--format", "png"]).exits(1).complains("possible values");
    place.run(&["graph", "--json", "--format", "svg"]).exits(1);
    place.run(&["graph", "nowhere.yaml"]).exits(1).complains("nowhere.yaml");
    place.write("blueprint.yaml", "blueprint: demo\nproviders: { local: {} }\nresources:\n  a: { kind: registry, for_each: \"{{ range(6000) | list }}\" }\n");
    place.run(&["graph", "--no-plan", "--format", "svg"]).exits(0).says("a (6000)");
    let many = place.run(&["graph", "--no-plan", "--each", "--format", "svg"]).exits(1);
    many.complains("6000 nodes are too many for a drawing").complains("--format dot");
    place.write("blueprint.yaml", "blueprint: demo\n");
    place.run(&["graph"]).exits(0).says("There are no resources.");
    place.run(&["graph", "--format", "svg"]).exits(0).says("There are no resources.");
}

#[test]
fn a_state_that_can_not_be_read_leaves_the_blueprint() {
    let place = Place::applied(DEMO);
    fs::write(place.path(".trueup/state.db"), "no database at all, but long enough to be looked at").unwrap();
    let graph = place.run(&["graph"]).exits(0).complains("What would change is not shown");
    graph.says("  chat        endpoint").says("4 resources. What");
    let quiet = place.run(&["graph", "--no-plan"]).exits(0);
    assert_eq!(quiet.err, "");
}
