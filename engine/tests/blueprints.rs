//! Blueprints as people write them: good ones load to what they say, bad ones are told apart in words to act on.

#![allow(clippy::unwrap_used)]

mod reading;

use std::collections::BTreeSet;
use std::path::Path;

use reading::{Shelf, draw, given, load_from, load_text};
use trueup_engine::blueprint::{Inputs, Instances, MAX_BYTES, evaluate};
use trueup_engine::diagnostic::Diagnostics;
use trueup_state::{Address, Value};

/// A first line `# given: name=value …` gives variables, `# environment: name` an environment, `# kinds: portable` all kinds.
fn inputs(text: &str) -> Inputs {
    let line = |mark: &str| text.lines().find_map(|line| line.strip_prefix(mark)).map(str::trim);
    let pairs: Vec<(&str, &str)> =
        line("# given:").into_iter().flat_map(str::split_whitespace).filter_map(|pair| pair.split_once('=')).collect();
    Inputs { environment: line("# environment:").map(str::to_owned), ..given(&pairs) }
}

#[test]
fn bad_blueprints_say_what_is_wrong() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(files.len() >= 225);
    for path in files {
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let shelf = if text.lines().any(|line| line == "# kinds: portable") { Shelf::Portable } else { Shelf::Small };
        let errors = load_from(shelf, &bytes, &inputs(&text)).map(|_| ()).expect_err(&name);
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true, snapshot_path => "bad" }, {
            insta::assert_snapshot!(name, draw(&errors));
        });
    }
}

#[test]
fn what_was_written_for_another_tool_is_warned_of() {
    let text = r#"
blueprint: demo
resources:
  note:
    kind: file
    provider: local
    path: "${var.model}.txt"
    content: |
      echo ${HOME} $(date) ${USER:-nobody}
      echo <no value>
  more: { kind: file, provider: local, path: more.txt, content: "${join(',', var.names)}" }
outputs:
  model: { value: '{{ var.models["a"] }}', description: Which one, sensitive: true }
  fixed: { value: 4 }
  map_of_its_own: { value: 4, unit: GiB }
variables: { models: { default: { a: b } } }
"#;
    let program = load_text(text.as_bytes(), &given(&[])).unwrap_or_else(|errors| panic!("{}", draw(&errors)));
    let warnings = Diagnostics { sources: program.sources, list: program.warnings };
    insta::assert_snapshot!("warnings", draw(&warnings));
}

#[test]
fn thousands_of_errors_are_all_told_and_none_twice() {
    let block =
        |at: usize| format!("  r{at}: {{ kind: bucket, provider: local, tags: {{ a: '{{{{ q{at}.uri }}}}' }} }}\n");
    let text = format!("blueprint: demo\nresources:\n{}", (0..2000).map(block).collect::<String>());
    let errors = load_text(text.as_bytes(), &given(&[])).unwrap_err();
    let places: BTreeSet<_> = errors.list.iter().map(|error| error.labels[0].span).collect();
    assert_eq!((errors.list.len(), places.len()), (2000, 2000));
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    for (size, refused) in [(MAX_BYTES, false), (MAX_BYTES + 1, true)] {
        let mut text = b"blueprint: demo\n#".to_vec();
        text.resize(size, b' ');
        let result = load_text(&text, &given(&[]));
        assert_eq!(result.is_err(), refused, "{size}");
        if let Err(errors) = result {
            insta::assert_snapshot!(draw(&errors), @r"
            error: the file has more than 10 MiB, which is the most a blueprint may have
              help: keep data in files of its own, and name them in the blueprint
            ");
        }
    }
}

#[test]
fn no_name_and_no_message_is_longer_than_a_screen() {
    let name = "x".repeat(1000);
    let text = format!("blueprint: {name}{name}\ntags: {{ a: \"{{{{ {name} }}}}\" }}\n");
    let errors = load_text(text.as_bytes(), &given(&[])).unwrap_err();
    assert!(errors.list.iter().all(|error| error.message.chars().count() <= 1001), "{errors:?}");
}

fn good(name: &str, inputs: &Inputs) -> trueup_engine::blueprint::Program {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/good").join(name);
    load_text(&std::fs::read(path).unwrap(), inputs).unwrap_or_else(|errors| panic!("{}", draw(&errors)))
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

#[test]
fn a_training_blueprint_loads_to_what_it_says() {
    let program = good("training.yaml", &given(&[("replicas", "3")]));
    assert_eq!(program.name, "training");
    assert_eq!(program.variables["replicas"], 3.into());
    assert_eq!(program.tags(&program.resources[&address("weights")])["model"], "tiny-llama".into());
    let order: Vec<String> = program.graph.order().iter().map(ToString::to_string).collect();
    assert_eq!(
        order,
        [
            "chief",
            "hosts[0]",
            "hosts[1]",
            "hosts[2]",
            "weights",
            "tiny_llama",
            "backup",
            r#"trainer["a"]"#,
            r#"trainer["b"]"#,
            "hostfile"
        ]
    );
    assert_eq!(program.graph.dependencies(&address("hostfile")), [address("trainer")].into(), "the block, as a whole");
    assert_eq!(program.graph.dependencies(&address("backup")), [address("tiny_llama")].into());
    assert_eq!(program.instances(&address("spare")), Some(&Instances::Absent));
    assert!(program.resources[&address("weights")].protect);
    assert_eq!(program.resources[&address("chief")].create_first, Some(true));
    let trainer = &program.resources[&address(r#"trainer["a"]"#)];
    let spec = evaluate(&trainer.spec, &trainer.scope(&program.world())).value;
    assert_eq!(spec.at(&trueup_state::FieldPath::parse("gpu.count")), Some(&8.into()));
    assert!(spec.at(&trueup_state::FieldPath::parse("env.TOKEN")).unwrap().has_secret());
    assert_eq!(spec.at(&trueup_state::FieldPath::parse("env.WEIGHTS")), Some(&Value::Unknown));
    assert!(!format!("{spec:?}").contains("hunter2"));
}

#[test]
fn an_environment_is_merged_over_the_file() {
    let inputs = Inputs { environment: Some("prod".to_owned()), ..given(&[]) };
    let program = good("training.yaml", &inputs);
    assert_eq!(program.environment, "prod");
    assert_eq!(program.variables["replicas"], 4.into());
    assert_eq!(program.tags(&program.resources[&address("weights")])["model"], "tiny-llama".into());
    assert_eq!(program.tags(&program.resources[&address("weights")])["stage"], "prod".into());
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/good/training.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let program = load_text(windows.as_bytes(), &given(&[])).unwrap_or_else(|errors| panic!("{}", draw(&errors)));
    assert_eq!(program.resources.len(), load_text(text.as_bytes(), &given(&[])).unwrap().resources.len());
    let place = |program: &trueup_engine::blueprint::Program| {
        let resource = &program.resources[&address("chief")];
        resource.place(&program.sources, &trueup_state::FieldPath::parse("gpu.count")).unwrap().line
    };
    assert_eq!(place(&program), place(&load_text(text.as_bytes(), &given(&[])).unwrap()));
}
