//! What is wrong with a secret, or beside one, is told without it: in text, as JSON and as annotations.

use std::fs;

use crate::canary::{CANARY, found, silent};
use crate::support::{Place, Ran};

/// Where a secret can't stand, or is not what belongs there: a part of a blueprint each, and what is said of it.
const REFUSED: [(&str, &str, &str); 24] = [
    ("a name", "resources: { a: { kind: bucket, name: '{{ var.token }}' } }", "can't be secret"),
    (
        "a piece of a name",
        "resources: { a: { kind: bucket, name: 'x-{{ var.token[2:14] | lower }}' } }",
        "can't be secret",
    ),
    ("an id", "resources: { a: { kind: bucket, existing: '{{ var.token }}' } }", "can't be secret"),
    ("a provider", "resources: { a: { kind: bucket, provider: '{{ var.token }}' } }", "can't be secret"),
    ("a key", "resources: { a: { kind: bucket, for_each: ['{{ var.token }}'] } }", "would show in addresses"),
    (
        "a key of a map",
        "resources: { a: { kind: bucket, for_each: '{{ {var.token: 1} }}' } }",
        "would show in addresses",
    ),
    (
        "its letters as keys",
        "resources: { a: { kind: bucket, for_each: '{{ var.token | list }}' } }",
        "would show in addresses",
    ),
    (
        "its length as keys",
        "resources: { a: { kind: bucket, for_each: '{{ range(var.token | length) }}' } }",
        "would show",
    ),
    (
        "a module's key",
        "modules: { m: { source: ./inner.yaml, for_each: ['{{ var.token }}'] } }",
        "would show in addresses",
    ),
    ("a tag", "resources: { a: { kind: bucket, tags: { t: '{{ var.token }}' } } }", "can't be secret"),
    ("a tag of all", "tags: { t: '{{ var.token }}' }\nresources: { a: { kind: bucket } }", "can't be secret"),
    ("an argument", "resources: { a: { kind: endpoint, command: [sh, '{{ var.token }}'] } }", "can't be secret"),
    ("an image", "resources: { a: { kind: endpoint, provider: sim, image: 'x/{{ var.token }}' } }", "can't be secret"),
    (
        "a path",
        "resources: { a: { kind: endpoint, command: [sh], working_dir: '{{ var.token }}' } }",
        "can't be secret",
    ),
    (
        "a candidate",
        "resources: { a: { kind: bucket, placement: [{ provider: sim, region: '{{ var.token }}' }] } }",
        "secret",
    ),
    (
        "text for a number",
        "resources: { a: { kind: 'Sim::Thing', provider: sim, properties: { size: '{{ var.token }}' } } }",
        "an integer belongs",
    ),
    (
        "text for a list",
        "resources: { a: { kind: 'Sim::Thing', provider: sim, properties: { items: '{{ var.token }}' } } }",
        "a list belongs",
    ),
    (
        "a list for text",
        "resources: { a: { kind: endpoint, command: [sh], env: { A: '{{ [var.token] }}' } } }",
        "a string belongs",
    ),
    (
        "no process has it",
        "resources: { a: { kind: endpoint, command: [sh], env: { A: \"{{ var.token }}\\0\" } } }",
        "no environment variable has a NUL in it",
    ),
    ("no number", "outputs: { o: '{{ var.token | int }}' }", "no number"),
    ("an operator", "outputs: { o: '{{ var.token + 1 }}' }", "can't be evaluated"),
    ("an index", "outputs: { o: '{{ var.open[var.token] }}' }", "secret"),
    ("a filter's name", "outputs: { o: '{{ [1] | map(var.token) | list }}' }", "secret"),
    ("whether something is made", "resources: { a: { kind: bucket, when: '{{ var.token }}' } }", "`when`"),
];

/// What is wrong with a variable: how it is declared, and what is said.
const DECLARED: [(&str, &str, &str); 5] = [
    ("a pattern", "token: { type: string, secret: true, pattern: '^x+$' }", "does not look like"),
    ("a choice", "token: { type: string, secret: true, enum: [a, b] }", "none of"),
    ("a number", "token: { type: integer, secret: true }", "is of type integer"),
    ("a list", "token: { type: list, secret: true }", "is of type list"),
    ("not declared", "other: { type: string, default: x }", "there is no variable `token`"),
];

/// What a person may have written into a file of values, beside the secret.
const FILES: [&str; 12] = [
    "token: CANARY\nbad: [",
    "token: [CANARY",
    "token: \"CANARY",
    "- CANARY",
    "CANARY",
    "token: '{{ CANARY }}'",
    "token: { CANARY: 1 }",
    "token: [CANARY]",
    "token: !CANARY x",
    "token: *CANARY",
    "token: CANARY: x",
    "token: CANARY\ntoken: CANARY",
];

/// Asks in all forms; the canary is given by the environment.
#[track_caller]
fn refused(place: &Place, way: &str, arguments: &[&str], words: &str) {
    for form in ["text", "json", "github"] {
        let asked = [&["plan", "--format", form], arguments].concat();
        let ran = place.run_with(&asked, &[("TRUEUP_VAR_token", CANARY), ("RUST_LOG", "trace")]);
        is_silent(way, &ran);
        let said = format!("{}{}", ran.out, ran.err);
        assert!(
            ran.code == 1 && said.contains(words),
            "{way} as {form} says no `{words}`, and ends in {}:\n{said}",
            ran.code
        );
    }
}

#[track_caller]
fn is_silent(way: &str, ran: &Ran) {
    silent(way, &ran.out);
    silent(&format!("the log of {way}"), &ran.err);
}

#[test]
fn where_a_secret_can_not_stand_it_is_refused_and_not_repeated() {
    for (way, part, words) in REFUSED {
        let by_local = |kind: &str| part.replace(kind, &format!("provider: local, {kind}"));
        let part = if part.contains("provider:") || part.contains("placement:") {
            part.to_owned()
        } else {
            by_local("kind: ")
        };
        let variables = "{ token: { type: string, secret: true }, open: { type: map, default: {} } }";
        let head = format!("blueprint: demo\nproviders: {{ local: {{}}, sim: {{}} }}\nvariables: {variables}");
        let place = Place::with(&format!("{head}\n{part}\n"));
        place.write("inner.yaml", "blueprint: inner\n");
        refused(&place, way, &[], words);
    }
}

#[test]
fn what_is_wrong_with_a_secret_variable_is_told_without_it() {
    for (way, declared, words) in DECLARED {
        let place = Place::with(&format!("blueprint: demo\nvariables:\n  {declared}\n"));
        refused(&place, way, &[], words);
        // The same in the file, where its line is shown.
        if way != "not declared" {
            let with_default = declared.replace("secret: true", &format!("secret: true, default: {CANARY}"));
            let place = Place::with(&format!("blueprint: demo\nvariables:\n  {with_default}\n"));
            let ran = place.run(&["plan"]).exits(1);
            is_silent(way, &ran);
            ran.complains("xxxxxxxx");
        }
    }
    let bare = "blueprint: demo\nvariables: { token: { type: string, secret: true } }\nenvironments: { prod: { variables: { token: CANARY } } }\n";
    let place = Place::with(&bare.replace("CANARY", CANARY));
    let ran = place.run(&["plan", "--env", "prod"]).exits(1);
    is_silent("a bare value", &ran);
    ran.complains("write `token: { default: … }`");
}

#[test]
fn a_file_of_values_that_can_not_be_used_is_not_repeated() {
    let place = Place::with("blueprint: demo\nvariables: { token: { type: string, secret: true } }\n");
    for text in FILES {
        place.write("values.yaml", &text.replace("CANARY", CANARY));
        for form in ["text", "json", "github"] {
            let ran = place.run(&["plan", "--format", form, "--var-file", "values.yaml"]).exits(1);
            is_silent(text, &ran);
        }
    }
    is_silent("a value without a name", &place.run(&["plan", "--var", CANARY]).exits(1));
    let nameless = [("TRUEUP_VAR_token", "x"), ("RUST_BACKTRACE", "1")];
    place.run_with(&["plan", "--var", "other"], &nameless).exits(1).complains("has no `=`");
}

/// A value that is no text makes nothing fail, and is not repeated.
#[test]
fn what_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStringExt;

    let place = Place::with("blueprint: demo\nvariables: { token: { type: string, secret: true } }\n");
    let mut shell = place.shell(&format!("exec {} plan", assert_cmd::cargo::cargo_bin!("trueup").display()));
    shell.env("TRUEUP_VAR_token", std::ffi::OsString::from_vec([b"\xff", CANARY.as_bytes()].concat()));
    let output = shell.output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    silent("a value that is no text", &said);
    assert!(output.status.code() == Some(1) && said.contains("TRUEUP_VAR_token is not UTF-8"), "{said}");
}

/// What a process says before it ends, by its variable `WORDS`.
const LAST_WORDS: [(&str, &str); 9] = [
    ("as it is", "echo $WORDS"),
    ("in JSON", r#"echo "{\"token\":\"$WORDS\"}""#),
    ("in base64", "printf %s \"$WORDS\" | base64"),
    ("behind others in base64", "printf 'user:%s' \"$WORDS\" | base64"),
    ("far behind others in base64, over two lines", "printf '%050d%s' 0 \"$WORDS\" | base64"),
    ("in hexadecimal", "printf %s \"$WORDS\" | od -An -v -tx1 | tr -d ' \\n'"),
    ("in hexadecimal as it is printed", "printf %s \"$WORDS\" | od -An -v -tx1"),
    ("in hexadecimal in capitals", "printf %s \"$WORDS\" | od -An -v -tx1 | tr -d ' \\n' | tr a-f A-F"),
    (
        "on a line of which the end is left",
        "printf 'x\\n%s' \"$WORDS\"; head -c 4080 /dev/zero | tr '\\0' x; echo; echo done",
    ),
];

#[test]
fn what_a_process_says_of_its_secret_is_not_repeated() {
    let place = Place::with(
        r#"blueprint: demo
providers: { local: {} }
variables: { token: { type: string, secret: true } }
resources: { chat: { kind: endpoint, command: [sh, say.sh], working_dir: ., env: { WORDS: "{{ var.token }}" } } }
"#,
    );
    let given = [("TRUEUP_VAR_token", CANARY), ("RUST_LOG", "trace")];
    for (way, script) in LAST_WORDS {
        place.write("say.sh", &format!("{script}\nexit 1\n"));
        for form in ["text", "json"] {
            let ran = place.run_with(&["apply", "--yes", "--format", form], &given);
            is_silent(way, &ran);
            ran.exits(3);
        }
        let history = place.run_with(&["state", "history", "--json"], &given).exits(0);
        is_silent(way, &history);
        for path in place.files().iter().filter(|path| path.extension().is_none_or(|extension| extension != "log")) {
            let found = found(&fs::read(path).unwrap());
            assert!(found.is_none(), "{way}: {} has the canary {}", path.display(), found.unwrap_or_default());
        }
    }
}

/// What a person may get wrong in a blueprint around a secret: the text of its variables, and what is said of it.
const MISTAKES: [(&str, &str); 10] = [
    ("variables:\n  token:\n    secret: true\n    default: CANARY\n  x: [", "this is no YAML"),
    ("variables: { token: { secret: true, defualt: CANARY } }", "there is no `defualt` for a variable"),
    ("variables: { token: { secret: yes, default: CANARY, x: 1 } }", "`x`"),
    ("variables: { token: { secret: true, default: a, default: CANARY } }", "stands here twice"),
    ("variables: { token: { default: CANARY }, token: { secret: true } }", "stands here twice"),
    ("variables: { token: { secret: true } }\nvariables: { token: { default: CANARY } }", "stands here twice"),
    ("variables: { token: { secret: true, default: !CANARY x } }", "tags have no place"),
    ("variables: { token: { secret: true, default: \"CANARY } }", "a quote is left open"),
    ("variables: { token: { secret: true, type: strin, default: CANARY } }", "strin"),
    (
        "variables: { token: { secret: true } }\nenvironments: { prod: { variables: { token: [CANARY } } }",
        "this is no YAML",
    ),
];

#[test]
fn a_mistake_beside_a_secret_in_a_blueprint_is_told_without_it() {
    for (text, words) in MISTAKES {
        let place = Place::with(&format!("blueprint: demo\n{}\n", text.replace("CANARY", CANARY)));
        refused(&place, text, &[], words);
    }
    let key = "blueprint: demo\nvariables: { token: { type: map, secret: true, default: { 4711e3: x } } }\n";
    let ran = Place::with(key).run(&["plan"]).exits(1).complains("a key must be text");
    assert!(!ran.err.contains("4711"), "{}", ran.err);
}
