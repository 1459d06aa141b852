//! What a program reads is exact, and what a person reads holds nothing that a terminal would obey.

use std::fs::{self, OpenOptions};

use serde_json::{Value as Json, json};

use crate::support::{Place, require};

/// What ends up on a screen if nobody looks: sequences that set its title, clear it and colour it, DEL, Latin-1's controls, and what
/// turns the direction of writing.
const KEYS: [&str; 6] = ["\u{1b}]0;owned\u{7}", "\u{7f}", "", "\u{202e}dlo", "\u{9b}31m", "\u{85}\u{2066}"];

/// A blueprint that has them wherever it may: in keys, names of tags, values, outputs, and what a provider says.
fn odd() -> String {
    // A file may not have them as they are.
    let escaped = |c: char| if c.is_ascii_graphic() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) };
    let key = |key: &str| format!("\"{}\"", key.chars().map(escaped).collect::<String>());
    let keys = format!("[{}]", KEYS.map(key).join(", "));
    format!(
        r#"blueprint: odd
providers: {{ local: {{}} }}
resources:
  odd: {{ kind: bucket, for_each: {keys}, tags: {{ "k\u001b[2J": "v\u007f\u0085" }} }}
  reads: {{ kind: artifact, for_each: "{{{{ odd }}}}", bucket: "{{{{ each.value }}}}", source: ./model }}
  loud: {{ kind: endpoint, command: [sh, -c, "printf 'last \\033[31mwords\\007\\177'; exit 1"] }}
outputs:
  text: "a\u007fb\u001b[31mc\u202e\nd\te"
  list: ["\u007f", "\u0085"]
  plain: curl 'http://a'
"#
    )
}

/// A text without the colours that Trueup gives it.
fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\u{1b}[") {
        let end = rest[at + 2..].find(|c: char| !c.is_ascii_digit() && c != ';').map_or(rest.len(), |end| at + 2 + end);
        let is_colour = rest[end..].starts_with('m');
        plain.push_str(&rest[..at]);
        plain.push_str(if is_colour { "" } else { "\u{1b}[" });
        rest = if is_colour { &rest[end + 1..] } else { &rest[at + 2..] };
    }
    plain + rest
}

#[track_caller]
fn is_fit(what: &str, text: &str) {
    let bidi =
        |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let plain = without_colours(text);
    let obeyed = plain.find(|c: char| bidi(c) || c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    if let Some(at) = obeyed {
        panic!("{what}: {:?} in\n{plain}", plain[at..].chars().take(12).collect::<String>());
    }
}

#[test]
fn what_people_read_holds_nothing_that_a_terminal_obeys() {
    let place = Place::with(&odd());
    let coloured = |arguments: &[&str]| place.run_with(arguments, &[("CLICOLOR_FORCE", "1")]);
    let check = |arguments: &[&str]| {
        let ran = coloured(arguments);
        is_fit(&arguments.join(" "), &ran.out);
        is_fit(&arguments.join(" "), &ran.err);
        ran
    };
    for view in ["brief", "normal", "full"] {
        let plan = check(&["plan", "--view", view]).exits(2);
        plan.says("\u{1b}[").says(r#"odd["\u007f"]"#).says(r#"odd[""]"#).says(r#"odd["\u202edlo"]"#);
    }
    check(&["plan", "--out", "plan\u{1b}[2J.trueup"]).exits(2).says("Saved as plan\\u001b[2J.trueup");
    let applied = check(&["apply", "--yes", "--parallelism", "1"]).exits(3);
    applied.says("last \\u001b[31mwords\\u0007\\u007f").says(r#"odd["\u009b31m"]"#);
    check(&["output"]).exits(0).says(r#"text   "a\u007fb\u001b[31mc\u202e\nd\te""#).says("plain  curl 'http://a'\n");
    check(&["state", "list"]).exits(0).says(r#"odd["\u0085\u2066"]"#);
    check(&["state", "history"]).exits(0).says(r#"odd["\u202edlo"]: create begins"#);
    // What is shown is an address as it may be typed.
    check(&["state", "show", r#"odd["\u007f"]"#]).exits(0).says(r"tags.k\u001b[2J").says(r#""v\u007f\u0085""#);
    check(&["state", "show", "odd[\"\u{7f}x\"]"]).exits(1).complains(r#"odd["\u007fx"] is not recorded"#);
    for format in ["text", "dot", "svg"] {
        check(&["graph", "--each", "--format", format]).exits(0).says("u202edlo");
    }
    for directory in fs::read_dir(place.path(".trueup/local/buckets")).unwrap() {
        fs::remove_dir_all(directory.unwrap().path()).unwrap();
    }
    for view in ["brief", "normal", "full"] {
        check(&["drift", "--view", view]).exits(2).says(r#"odd["\u007f"]"#);
        check(&["plan", "--view", view]).exits(2);
    }
    check(&["destroy", "--yes"]).exits(0);
    place.edit("kind: endpoint", "kind: endpoint, \"oh\\u202eno\": 1");
    check(&["plan"]).exits(1).complains("no field `oh\\u202eno`");
    place.edit("blueprint: odd", "blueprint: odd\u{202e}");
    check(&["plan"]).exits(1);
    check(&["validate", "\u{1b}]0;.yaml"]).exits(1).complains("can't be read");
}

#[test]
fn a_value_is_exact_for_programs_and_fit_for_terminals() {
    let place = Place::with(&odd());
    place.run(&["apply", "--yes"]).exits(3);
    let text = "a\u{7f}b\u{1b}[31mc\u{202e}\nd\te";
    assert_eq!(place.run(&["output", "text"]).exits(0).out, format!("{text}\n"));
    assert_eq!(place.run(&["output", "text", "--json"]).exits(0).json(), text);
    let list = place.run(&["output", "list"]).exits(0);
    assert_eq!(list.json(), json!(["\u{7f}", "\u{85}"]));
    is_fit("output list", &list.out);
    assert_eq!(place.run(&["output", "--json"]).exits(0).json()["text"], text);
    if require("script") {
        let shown = place.run_at_terminal("output text", b"").exits(0).out;
        is_fit("output text", &shown);
        assert_eq!(shown.replace('\r', ""), "a\\u007fb\\u001b[31mc\\u202e\nd\te\n");
    }
}

#[test]
fn json_keeps_every_address_apart() {
    let place = Place::with(&odd());
    let addresses = |changes: &Json| -> Vec<String> {
        let address = |change: &Json| change["address"].as_str().unwrap().to_owned();
        changes.as_array().unwrap().iter().map(address).filter(|address| address.starts_with("odd")).collect()
    };
    let expected = |found: Vec<String>| {
        let mut expected = KEYS.map(|key| format!("odd[{}]", Json::from(key))).to_vec();
        expected.sort_unstable();
        let mut found = found;
        found.sort_unstable();
        assert_eq!(found, expected);
    };
    let plan = place.run(&["plan", "--json", "--out", "plan.trueup"]).exits(2);
    is_fit("plan --json", &plan.out);
    expected(addresses(&plan.json()["resource_changes"]));
    // A saved plan is read back as it was.
    assert_eq!(place.run(&["show", "plan.trueup", "--json"]).exits(0).json(), plan.json());
    let graph = place.run(&["graph", "--each", "--json", "--out", "graph.json"]).exits(0);
    assert_eq!(graph.out, "");
    let graph: Json = serde_json::from_str(&fs::read_to_string(place.path("graph.json")).unwrap()).unwrap();
    expected(addresses(&graph["nodes"]));
    let events = place.run(&["apply", "--yes", "--json"]).exits(3);
    is_fit("apply --json", &events.out);
    let started = events.json_lines().into_iter().filter(|line| line["event"] == "finished").collect();
    expected(addresses(&Json::Array(started)));
    expected(addresses(&place.run(&["state", "list", "--json"]).exits(0).json()["resources"]));
}

#[test]
fn an_answer_that_is_lost_is_no_answer() {
    let place = Place::with(&odd());
    place.run(&["apply", "--yes"]).exits(3);
    for arguments in [&["output", "text"][..], &["output"], &["state", "list", "--json"], &["plan", "--json"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ran = place.run_into(arguments, full);
        assert!(ran.err.contains("the answer could not be written as a whole"), "{arguments:?}: {}", ran.err);
        assert_eq!(ran.code, 1, "{arguments:?}");
    }
}
