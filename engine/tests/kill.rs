//! A run may die at any moment: the next one finishes the job, makes nothing twice and leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[macro_use]
mod blows;
mod support;

use blows::Case;
use support::blueprint;

/// The lines of one blueprint, and of another.
type Lines = (&'static [&'static str], &'static [&'static str]);

/// What may die on the way: each verb, and both orders of a replacement, with a dependant that waits.
const CASES: [Lines; 6] = [
    (&[], &["a: { kind: KIND }", "b: { kind: box, host: '{{ a.id }}' }"]),
    (&["a: { kind: KIND, size: 1 }"], &["a: { kind: KIND, size: 2, note: new }"]),
    (
        &["a: { kind: KIND, shape: round }", "b: { kind: box, host: '{{ a.id }}' }"],
        &["a: { kind: KIND, shape: flat, replace: destroy_first }", "b: { kind: box, host: '{{ a.id }}' }"],
    ),
    (
        &["a: { kind: KIND, shape: round }", "b: { kind: box, host: '{{ a.id }}' }"],
        &["a: { kind: KIND, shape: flat, replace: create_first }", "b: { kind: box, host: '{{ a.id }}' }"],
    ),
    (&["a: { kind: KIND }", "b: { kind: box, host: '{{ a.id }}' }"], &[]),
    (
        &["a: { kind: KIND, shape: round, validate: { level: quick } }"],
        &["a: { kind: KIND, shape: flat, replace: create_first, validate: { level: quick } }"],
    ),
];

fn cases(kind: &str) -> Vec<Case> {
    let text = |lines: &[&str]| blueprint(lines).replace("KIND", kind);
    let case =
        |(before, after): &Lines| Case { name: format!("{kind} {after:?}"), before: text(before), after: text(after) };
    CASES.iter().map(case).collect()
}

on_every_kind! {
    scarce,
    named,
    tagged,
}
