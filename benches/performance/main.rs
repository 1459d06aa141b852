//! The README's performance table: `cargo bench --bench performance`. Names of sections after `--` measure only those.
//!
//! Each section is measured in a process of its own, so that what one needs of memory is not counted with another.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark measures time and prints it"
)]
#![allow(clippy::unwrap_used, clippy::duplicate_mod, reason = "what is shared with the tests does")]

#[path = "../../state/tests/support/entries.rs"]
mod entries;
mod expand;
mod graph;
mod journal;
mod plan;
mod process;
#[path = "../../engine/tests/reading/mod.rs"]
mod reading;
mod recover;
mod scale;
mod schedule;
#[path = "../../engine/tests/schedules/mod.rs"]
mod schedules;
#[path = "../../engine/tests/support/mod.rs"]
mod support;
mod validate;
#[path = "../../engine/tests/reading/wide.rs"]
mod wide;

use std::process::Command;

/// What says to this program that it is the process of one section.
const SECTION: &str = "--section";

/// The sections, in the order of the table.
const SECTIONS: [(&str, fn()); 9] = [
    ("plan", plan::measure),
    ("validate", validate::measure),
    ("graph", graph::measure),
    ("expand", expand::measure),
    ("journal", journal::measure),
    ("schedule", schedule::measure),
    ("apply", scale::apply),
    ("recover", recover::measure),
    ("large", scale::large),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [mark, name] = &arguments[..]
        && mark == SECTION
    {
        return SECTIONS.iter().filter(|(known, _)| known == name).for_each(|(_, measure)| measure());
    }
    println!("| what | figure |");
    println!("| --- | --- |");
    let this = std::env::current_exe().expect("this program has a path");
    for (name, _) in SECTIONS.iter().filter(|(name, _)| arguments.is_empty() || arguments.iter().any(|one| one == name))
    {
        let status = Command::new(&this).args([SECTION, name]).status().expect("this program runs");
        assert!(status.success(), "the section {name} failed");
    }
}

/// A row of the table.
fn row(what: &str, figure: &str) {
    println!("| {what} | {figure} |");
}
