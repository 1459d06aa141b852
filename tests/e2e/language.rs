//! Every example of `docs/language.md` is what the program takes it for.
//!
//! A fence `yaml` is a whole blueprint; one that begins with the comment of a path is a module's file, for the next ones. A fence
//! `yaml resources` or `yaml variables` is put into a blueprint of that section alone. With `fails`, the `text` fence after it says why.
//! In `yaml values` the comments say, as JSON, what the outputs come to. `text plan` is what `trueup plan` says of the blueprint before it.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use crate::support::Place;

/// A fence: its info string, its text, and the line it begins on.
struct Fence {
    info: String,
    text: String,
    line: usize,
}

fn fences() -> Vec<Fence> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/language.md");
    let mut fences: Vec<Fence> = Vec::new();
    let mut open = false;
    for (number, line) in fs::read_to_string(path).unwrap().lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(info) => {
                open = true;
                fences.push(Fence { info: info.to_owned(), text: String::new(), line: number + 1 });
            }
            None if open => {
                let fence = fences.last_mut().unwrap();
                fence.text.push_str(line);
                fence.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!open, "the last fence is left open");
    fences
}

/// A fragment in a blueprint of its own.
fn around(section: &str, text: &str) -> String {
    let inner: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    format!("blueprint: example\nproviders: {{ local: {{}} }}\n{section}:\n{}\n", inner.join("\n"))
}

/// Each output of a fence `yaml values` comes to what the comment beside it says.
fn values(place: &Place, fence: &Fence) {
    let planned = place.run(&["plan", "--json"]).json();
    let (_, outputs) = fence.text.split_once("\noutputs:\n").expect("values are outputs");
    for (line, name) in outputs.lines().filter_map(|line| Some((line, line.trim().split_once(':')?.0))) {
        let said = line.rsplit_once(" # ").map(|(_, said)| serde_json::from_str::<Json>(said));
        let Some(Ok(said)) = said else { panic!("line {}: `{name}` has no comment that is JSON", fence.line) };
        assert_eq!(planned["output_changes"][name]["after"], said, "line {}: `{name}`", fence.line);
    }
}

/// A plan as it is said, without the spaces that lines end with.
fn plan(place: &Place) -> String {
    let lines: Vec<String> = place.run(&["plan"]).exits(2).out.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

#[test]
fn every_example_is_checked() {
    let fences = fences();
    let place = Place::new();
    let (mut right, mut wrong) = (0, 0);
    for (position, fence) in fences.iter().enumerate() {
        let mut words = fence.info.split_whitespace();
        let Some("yaml") = words.next() else {
            match fence.info.as_str() {
                "text plan" => assert_eq!(plan(&place), fence.text.trim_end(), "line {}", fence.line),
                "text" => {}
                _ => panic!("line {}: this fence is of no sort that is known here", fence.line),
            }
            continue;
        };
        let words: Vec<&str> = words.collect();
        let text = match words.first() {
            None | Some(&"values") => fence.text.clone(),
            Some(section @ (&"resources" | &"variables")) => around(section, &fence.text),
            Some(other) => panic!("line {}: `{other}` is no section that is known here", fence.line),
        };
        if let Some(name) = text
            .strip_prefix("# ")
            .and_then(|text| text.lines().next())
            .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "yaml"))
        {
            fs::create_dir_all(place.path(name).parent().unwrap()).unwrap();
            fs::write(place.path(name), &text).unwrap();
            continue;
        }
        fs::write(place.path("blueprint.yaml"), &text).unwrap();
        let ran = place.run(&["validate"]);
        if words.contains(&"fails") {
            let said = &fences[position + 1];
            assert_eq!(said.info, "text", "line {}: what is said of it is missing", fence.line);
            assert_eq!(ran.code, 1, "line {}", fence.line);
            assert!(ran.err.contains(said.text.trim_end()), "line {}:\n{}", fence.line, ran.err);
            wrong += 1;
        } else {
            assert_eq!(ran.code, 0, "line {}:\n{}{}", fence.line, ran.out, ran.err);
            if words.contains(&"values") {
                values(&place, fence);
            }
            right += 1;
        }
    }
    assert!(right >= 12 && wrong >= 2, "{right} examples are right and {wrong} wrong");
}
