//! What is drawn where no blueprint of one file leads to it.

use trueup_engine::diagnostic::{Diagnostic, FileId, Sources, Span};

use super::{github, json, report};

const PARENT: &str = "blueprint: demo\nmodules:\n  eval: { source: ./eval.yaml, inputs: { bucket: 3 } }\n";
const MODULE: &str =
    "blueprint: eval\nvariables:\n  bucket: { type: string }\nresources:\n  results: { kind: bukket }\n";

/// The stretch of a file in which a text stands.
fn span(sources: &Sources, file: FileId, text: &str) -> Span {
    let start = sources.get(file).unwrap().text.find(text).unwrap();
    Span { file, start, end: start + text.len() }
}

fn two_files() -> (Sources, Diagnostic) {
    let mut sources = Sources::default();
    let parent = sources.add("blueprint.yaml", PARENT);
    let module = sources.add("eval.yaml", MODULE);
    let diagnostic = Diagnostic::error("the variable `bucket` is a string, and 3 is an integer")
        .at(span(&sources, module, "type: string"), "it is declared here")
        .at(span(&sources, parent, "3"), "and given here")
        .at(span(&sources, parent, "eval"), "to this module")
        .help("give it a string")
        .within("module eval");
    (sources, diagnostic)
}

#[test]
fn labels_in_a_second_file_are_drawn() {
    let (sources, diagnostic) = two_files();
    insta::assert_snapshot!(report::draw(&sources, &diagnostic));
}

#[test]
fn a_label_out_of_reach_does_no_harm() {
    let mut sources = Sources::default();
    let file = sources.add("a.yaml", "a: 1");
    for span in [(4, 4), (2, 90), (90, 95), (3, 1)] {
        let span = Span { file, start: span.0, end: span.1 };
        let drawn = report::draw(&sources, &Diagnostic::error("odd").at(span, "here"));
        assert!(drawn.contains("odd") && drawn.contains("a.yaml:1"), "{drawn}");
    }
    let unknown = Span { file: FileId(7), start: 0, end: 1 };
    assert!(report::draw(&sources, &Diagnostic::error("odd").at(unknown, "here")).contains("odd"));
    let empty = sources.add("empty.yaml", "");
    let drawn = report::draw(&sources, &Diagnostic::error("odd").at(Span { file: empty, start: 0, end: 0 }, "here"));
    assert!(drawn.contains("odd"), "{drawn}");
}

#[test]
fn what_a_terminal_would_obey_is_not_passed_on() {
    let mut sources = Sources::default();
    let file = sources.add("a.yaml", "a: \u{1b}[31mred \u{9b}31m \u{202e}dlo\n");
    let drawn = report::draw(&sources, &Diagnostic::error("odd").at(Span { file, start: 0, end: 1 }, "here"));
    assert!(!drawn.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{drawn:?}");
}

/// Every example of `docs/json.md` is what is printed.
#[test]
fn the_documented_shape_is_the_printed_one() {
    let (sources, diagnostic) = two_files();
    let list = vec![diagnostic.clone(), Diagnostic::warning("odd")];
    let printed = [json::diagnostic(&sources, &diagnostic).to_string(), json::summary(&list, 0).to_string()];
    let page = include_str!("../../../docs/json.md");
    for line in printed {
        assert!(page.contains(&line), "docs/json.md does not have\n{line}");
    }
}

/// A circle of thousands is drawn as quickly as one of a dozen, and says how much of it is not shown.
#[test]
fn of_many_places_a_dozen_is_drawn() {
    let mut sources = Sources::default();
    let text = (0..5_000).map(|at| format!("a{at}: reads")).collect::<Vec<_>>().join("\n");
    let starts: Vec<usize> = text.match_indices("reads").map(|(start, _)| start).collect();
    let file = sources.add("a.yaml", text);
    let mut diagnostic = Diagnostic::error(format!("a circle: {}", "a -> ".repeat(5_000))).help("take one out");
    for start in starts {
        diagnostic = diagnostic.at(Span { file, start, end: start + 5 }, "this one");
    }
    let drawn = report::draw(&sources, &diagnostic);
    assert_eq!(drawn.matches("this one").count(), 12, "{drawn}");
    assert!(drawn.contains("… and 4988 more places; take one out"), "{drawn}");
    assert!(drawn.len() < 4_000, "{}", drawn.len());
    let annotation = github::annotation(&sources, &diagnostic);
    assert!(annotation.contains("%0A… and 4988 more places%0Ahelp: take one out"), "{annotation}");
    assert!(annotation.len() < 4_000, "{}", annotation.len());
    // Machines are told all of them, each with its line.
    let json = json::diagnostic(&sources, &diagnostic);
    assert_eq!(json["labels"][4_999]["line"], 5_000);
    assert_eq!(json["labels"][4_999]["column"], 8);
}
