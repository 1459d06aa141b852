//! A run that makes, changes or removes what is made of parts may die at any moment too.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[macro_use]
mod blows;
mod support;

use blows::Case;
use support::blueprint;

/// The lines of one blueprint, and of another.
type Lines = (&'static [&'static str], &'static [&'static str]);

const CASES: [Lines; 4] = [
    (&[], &["a: { kind: trio_KIND }", "b: { kind: box, host: '{{ a.id }}' }"]),
    (
        &["a: { kind: trio_KIND, shape: round, size: 1 }", "b: { kind: box, note: '{{ a.address }}' }"],
        &["a: { kind: trio_KIND, shape: flat, size: 2 }", "b: { kind: box, note: '{{ a.address }}' }"],
    ),
    (&["a: { kind: trio_KIND }", "b: { kind: trio_KIND, host: '{{ a.id }}' }"], &["a: { kind: trio_KIND }"]),
    (&["a: { kind: trio_KIND }", "b: { kind: box, host: '{{ a.id }}' }"], &[]),
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
