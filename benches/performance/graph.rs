//! How long `trueup graph` takes as a whole process on 1,000 resources.

use std::fmt::Write;

use crate::process::{median, milliseconds, times, trueup};
use crate::row;

/// How many runs are counted.
const RUNS: usize = 10;

/// How many resources there are.
const RESOURCES: usize = 1000;

pub(crate) fn measure() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("blueprint.yaml"), blueprint()).expect("the blueprint is written");
    std::fs::create_dir(directory.path().join("model")).expect("a directory for the artifacts");
    let figures = ["text", "dot", "svg"].map(|format| {
        let run = || {
            let run = trueup(directory.path(), &["graph", "--no-plan", "--format", format], &[0]);
            assert!(String::from_utf8_lossy(&run.output.stdout).contains("endpoint_0"));
            run.took
        };
        format!("{:.0}", milliseconds(median(&times(RUNS, run))))
    });
    let figure = format!("median {} ms of {RUNS} runs", figures.join(" · "));
    row("`graph` of 1,000 resources, as text · DOT · SVG", &figure);
}

/// Buckets, artifacts in them, registries, and endpoints that read artifacts and depend on registries and on each other: a tangle in
/// which nothing is alike. One of a fixed row of numbers says what each depends on.
fn blueprint() -> String {
    let mut text = String::from("blueprint: bench\nproviders:\n  local: {}\nresources:\n");
    let (buckets, artifacts, registries) = (RESOURCES / 10, RESOURCES * 4 / 10, RESOURCES / 20);
    let mut seed = 7_usize;
    let mut any = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for at in 0..buckets {
        let _ = writeln!(text, "  bucket_{at}: {{ kind: bucket }}");
    }
    for at in 0..registries {
        let _ = writeln!(text, "  registry_{at}: {{ kind: registry }}");
    }
    for at in 0..artifacts {
        let bucket = any(buckets);
        let _ = writeln!(
            text,
            "  model_{at}: {{ kind: artifact, bucket: \"{{{{ bucket_{bucket} }}}}\", source: ./model }}"
        );
    }
    for at in 0..RESOURCES - buckets - artifacts - registries {
        let mut depends_on = Vec::new();
        if any(10) < 3 {
            depends_on.push(format!("registry_{}", any(registries)));
        }
        if at > 0 && any(10) < 4 {
            depends_on.push(format!("endpoint_{}", any(at)));
        }
        let (model, depends_on) = (any(artifacts), depends_on.join(", "));
        let _ = writeln!(
            text,
            "  endpoint_{at}: {{ kind: endpoint, command: [x], model: \"{{{{ model_{model}.uri }}}}\", depends_on: [{depends_on}] }}"
        );
    }
    text
}
