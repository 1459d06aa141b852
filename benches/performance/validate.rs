//! How long `trueup validate` takes as a whole process on a blueprint of 1,000 lines.

use std::fmt::Write;

use crate::process::{RUNS, median, milliseconds, times, trueup};
use crate::row;

/// How many lines the blueprint has.
const LINES: usize = 1000;

pub(crate) fn measure() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("blueprint.yaml"), blueprint()).expect("the blueprint is written");
    let times = times(RUNS, || trueup(directory.path(), &["validate"], &[0]).took);
    let figure = format!("median {:.1} ms of {RUNS} runs", milliseconds(median(&times)));
    row("`validate` of 1,000 lines", &figure);
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
