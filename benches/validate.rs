//! How long `trueup validate` takes as a whole process on a blueprint of 1,000 lines: `cargo bench --bench validate`.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark measures time and prints it")]

use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, Instant};

/// How many runs are counted.
const RUNS: usize = 50;
/// How many lines the blueprint has.
const LINES: usize = 1000;

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let text = blueprint();
    std::fs::write(directory.path().join("blueprint.yaml"), &text).expect("the blueprint is written");
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
        command.arg("validate").current_dir(directory.path()).env("XDG_STATE_HOME", directory.path());
        let since = Instant::now();
        let output = command.output().expect("the program runs");
        let took = since.elapsed();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        took
    };
    let mut times: Vec<Duration> = (0..=RUNS).map(|_| run()).skip(1).collect();
    times.sort();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "validate, {} lines: median {:.1} ms, least {:.1} ms, most {:.1} ms of {RUNS} runs",
        text.lines().count(),
        milliseconds(times[RUNS / 2]),
        milliseconds(times[0]),
        milliseconds(times[RUNS - 1]),
    );
}

/// Every kind and most of the language, over and over: each group reads what the others of it are.
fn blueprint() -> String {
    let mut text = String::from(
        "blueprint: bench\n\
         description: A thousand lines\n\
         variables:\n  \
           team: { type: string, default: search, pattern: \"^[a-z]+$\" }\n  \
           replicas: { type: integer, default: 2, minimum: 1, maximum: 8 }\n  \
           cities: { type: map, default: { berlin: ./a, lisbon: ./b } }\n  \
           token: { type: string, default: hunter2, secret: true }\n\
         tags: { team: \"{{ var.team }}\" }\n\
         providers: { local: {} }\n\
         environments:\n  \
           prod:\n    \
             variables: { replicas: { default: 4 } }\n\
         resources:\n",
    );
    let group = GROUP.lines().count();
    let mut number = 0;
    while text.lines().count() + group < LINES {
        text.push_str(&GROUP.replace('#', &number.to_string()));
        number += 1;
    }
    text.push_str("outputs:\n");
    for number in 0..LINES - text.lines().count() {
        let _ = writeln!(text, "  uri_{number}: \"{{{{ weights_{number}.uri }}}}/{{{{ var.team | upper }}}}\"");
    }
    text
}

const GROUP: &str = r#"  weights_#:
    kind: bucket
    versioning: true
    protect: "{{ var.replicas > 4 }}"
    ignore: [tags.owner]
    drift: { correct: [tags, versioning] }
    lifecycle:
      - { prefix: checkpoints/, expire_after_days: 30 }
      - { transition: { after_days: 90, storage_class: cold } }
    tags: { stage: "{{ 'prod' if var.replicas > 2 else 'dev' }}" }
  model_#:
    kind: artifact
    for_each: "{{ var.cities }}"
    bucket: "{{ weights_# }}"
    source: "{{ each.value }}"
    path: "cities/{{ each.key }}"
  images_#: { kind: registry, retention: { keep_last: 5 } }
  image_#:
    kind: image
    registry: "{{ images_# }}"
    from: { oci_layout: ./images/chat }
    tag: ["v{{ var.replicas }}"]
  trainer_#:
    kind: gpu_instance
    when: "{{ var.replicas > 1 }}"
    gpu: { model: H100, count: 8 }
    placement:
      - { provider: local }
    max_price_per_hour: 100
    replace: create_first
    env:
      WEIGHTS: "{{ weights_#.uri }}"
      HF_TOKEN: "{{ var.token }}"
    depends_on: [images_#]
  chat_#:
    kind: endpoint
    for_each: "{{ var.cities }}"
    command: [python3, predict.py]
    model: "{{ model_#[each.key].uri }}"
    gpu: { model: L4, count: 1 }
    replicas: { min: "{{ var.replicas }}", max: 8, target: { metric: concurrency, value: 4 } }
    health: { path: /healthz, start_timeout: 30s }
    env:
      CITY: "{{ each.key }}"
      IMAGE: "{{ image_#.ref }}"
    request_timeout: 30s
"#;
