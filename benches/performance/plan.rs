//! How long a plan takes as a whole process on ten resources with nothing to do.

use std::fmt::Write;

use crate::process::{RUNS, median, milliseconds, times, trueup};
use crate::row;

pub(crate) fn measure() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("blueprint.yaml"), blueprint()).expect("the blueprint is written");
    trueup(directory.path(), &["apply", "--yes"], &[0]);
    for (what, arguments) in [
        ("`plan` of 10 resources, nothing to do, no refresh", &["plan", "--refresh=false"][..]),
        ("the same with a refresh", &["plan"][..]),
    ] {
        let times = times(RUNS, || trueup(directory.path(), arguments, &[0]).took);
        row(what, &format!("median {:.1} ms of {RUNS} runs", milliseconds(median(&times))));
    }
    trueup(directory.path(), &["destroy", "--yes"], &[0]);
}

/// Four buckets and six registries, with a variable, tags and an output.
fn blueprint() -> String {
    let mut text = String::from("blueprint: bench\nvariables:\n  team: { type: string, default: search }\n");
    text.push_str("tags: { team: \"{{ var.team }}\" }\nproviders:\n  local: {}\nresources:\n");
    for number in 0..4 {
        let _ = writeln!(text, "  bucket_{number}:\n    kind: bucket\n    versioning: true");
    }
    for number in 0..6 {
        let depends_on = number % 4;
        let _ = writeln!(text, "  registry_{number}:\n    kind: registry\n    depends_on: [bucket_{depends_on}]");
    }
    text.push_str("outputs:\n  uri: \"{{ bucket_0.uri }}\"\n");
    text
}
