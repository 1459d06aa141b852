//! How mistakes are shown: to people, to machines, and to GitHub Actions.

use std::fmt::Write;

use crate::support::Place;

const HEAD: &str = "blueprint: demo\nproviders: { local: {} }\nresources:\n";

fn place(resources: &str) -> Place {
    Place::with(&format!("{HEAD}{resources}"))
}

/// So many mistakes, one a line.
fn mistakes(number: usize) -> Place {
    let mut text = String::new();
    for at in 0..number {
        let _ = writeln!(text, "  one_{at}: {{ kind: bukket }}");
    }
    place(&text)
}

/// The caret stands under what is pointed at, as a terminal shows the two lines.
#[track_caller]
fn points_at(place: &Place, word: &str) {
    let shown = place.run(&["validate"]).exits(1).err;
    let lines: Vec<&str> = shown.lines().collect();
    let at = lines.iter().position(|line| line.contains(word) && line.contains('│')).expect(word);
    let columns = |text: &str| unicode_width::UnicodeWidthStr::width(text);
    let start = columns(&lines[at][..lines[at].find(word).unwrap()]);
    let carets = lines[at + 1].find(['─', '┬']).unwrap();
    assert_eq!(columns(&lines[at + 1][..carets]), start, "{shown}");
    assert!(lines[at + 1][carets..].chars().filter(|c| ['─', '┬'].contains(c)).count() == columns(word), "{shown}");
}

#[test]
fn a_long_list_is_cut_and_counted() {
    let shown = mistakes(60).run(&["validate"]).exits(1).err;
    assert_eq!(shown.matches("there is no kind `bukket`").count(), 50);
    assert!(shown.contains("… and 10 more. Mend these first"), "{shown}");
    assert!(shown.contains("60 errors in the blueprint; nothing was done."), "{shown}");
    let shown = mistakes(50).run(&["validate"]).exits(1).err;
    assert_eq!(shown.matches("there is no kind `bukket`").count(), 50);
    assert!(!shown.contains("more"), "{shown}");
}

#[test]
fn machines_are_told_what_was_cut() {
    let lines = mistakes(60).run(&["validate", "--json"]).exits(1).json_lines();
    assert_eq!(lines.len(), 61);
    assert_eq!(lines[60], serde_json::json!({ "errors": 60, "warnings": 0, "cut": 0 }));
    let label = &lines[2]["labels"][0];
    assert_eq!((&label["line"], &label["end_line"]), (&6.into(), &6.into()));
    assert_eq!((&label["column"], &label["end_column"]), (&18.into(), &24.into()));
    let lines = mistakes(1010).run(&["validate", "--format", "json"]).exits(1).json_lines();
    assert_eq!(lines.len(), 1001);
    assert_eq!(lines[1000], serde_json::json!({ "errors": 1010, "warnings": 0, "cut": 10 }));
}

#[test]
fn a_long_line_is_cut_around_what_is_meant() {
    let filler = "a".repeat(10_000);
    let place = place(&format!("  {{ first: {{ kind: bucket, tags: {{ a: {filler} }} }}, data: {{ kind: bukket }}, last: {{ kind: bucket, tags: {{ a: {filler} }} }} }}\n").replace("  {", "  x: {"));
    let ran = place.run(&["validate"]).exits(1);
    assert!(ran.err.lines().all(|line| line.chars().count() < 140), "{}", ran.err);
    assert!(ran.err.len() < 4000, "{}", ran.err.len());
}

#[test]
fn the_heading_of_a_cut_line_names_the_files_column() {
    let filler = "é".repeat(5_000);
    let place = place(&format!("  data: {{ tags: {{ a: {filler} }}, kind: bukket, name: \"{filler}\" }}\n"));
    let ran = place.run(&["validate"]).exits(1);
    assert!(ran.err.contains("blueprint.yaml:4:5032]"), "{}", ran.err);
    assert!(ran.err.contains("there is no kind `bukket`"), "{}", ran.err);
    assert!(ran.err.lines().all(|line| line.chars().count() < 140), "{}", ran.err);
    points_at(&place, "bukket");
}

#[test]
fn wide_characters_keep_the_caret_in_place() {
    points_at(&place("  data: { tags: { 名前: 模型的权重, b: 🦙🦙 }, kind: bukket }\n"), "bukket");
    points_at(&place("  data: { tags: { a: e\u{301}e\u{301} }, kind: bukket }\n"), "bukket");
    points_at(&place("  data: { tags: { a: b },  kind: 模型 }\n"), "模型");
}

#[test]
fn tabs_keep_the_caret_in_place() {
    let place = place("  data: { tags: { a: \"\tone\ttwo\" }, kind: bukket }\n");
    points_at(&place, "bukket");
}

#[test]
fn windows_line_ends_keep_the_caret_in_place() {
    let place = Place::with(&format!("{HEAD}  data: {{ kind: bukket }}\n").replace('\n', "\r\n"));
    points_at(&place, "bukket");
}

#[test]
fn colours_are_for_terminals_and_for_who_wants_them() {
    let place = mistakes(1);
    let coloured = |environment: &[(&str, &str)]| place.run_with(&["validate"], environment).err.contains('\u{1b}');
    assert!(!coloured(&[]), "piped");
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(!coloured(&[("TERM", "xterm-256color")]), "piped");
}

#[test]
fn github_is_given_annotations() {
    let place = place("  data: { kind: \"buk%,:ket\" }\n");
    let ran = place.run(&["validate", "--format", "github"]).exits(1);
    assert_eq!(
        ran.out,
        "::error file=blueprint.yaml,line=4,endLine=4,col=17,endColumn=27,title=there is no kind `buk%25%2C%3Aket`::\
         no kind has this name%0Ahelp: there are `alert`, `artifact`, `bucket`, `budget`, `build`, `endpoint`, `function`, \
         `gpu_instance`, `identity`, `image`, `network`, `registry` and 3 more\n"
    );
    assert_eq!(ran.err, "");
    let ran = place.run(&["state", "list", "./nowhere.yaml", "--format", "github"]).exits(1);
    assert!(ran.out.starts_with("::error::./nowhere.yaml can't be read"), "{}", ran.out);
    assert!(ran.out.contains("%0Ahelp: "), "{}", ran.out);
    let ran = mistakes(60).run(&["plan", "--format", "github"]).exits(1);
    assert_eq!(ran.out.lines().count(), 51);
    assert!(ran.out.lines().last().unwrap().starts_with("::error::… and 10 more."), "{}", ran.out);
}

#[test]
fn the_ordinary_answer_to_github_is_text() {
    let place = Place::with("blueprint: demo\nproviders: { local: {} }\nresources:\n  data: { kind: bucket }\n");
    place.run(&["plan", "--format", "github"]).exits(2).says("+ data").says("1 to create").says_not("::error");
}
