//! A run of several phases, or one that moves something, may die at any moment too.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[macro_use]
mod blows;
mod support;

use blows::Case;
use support::{blueprint, with_moves};

/// The moves that come with the second blueprint, the lines of the first, and of the second.
type Lines = (&'static [&'static str], &'static [&'static str], &'static [&'static str]);

const CASES: [Lines; 7] = [
    // Made in two phases, and in three.
    (&[], &[], &["a: { kind: KIND }", "b: { kind: KIND, for_each: '{{ [a.id] }}', host: '{{ a.id }}' }"]),
    (
        &[],
        &[],
        &[
            "a: { kind: box }",
            "b: { kind: KIND, when: \"{{ a.zone == 'z1' }}\" }",
            "c: { kind: box, for_each: '{{ [b.id] }}' }",
        ],
    ),
    // What exists in the second phase waits, changes its key, and is read.
    (
        &[],
        &[
            "a: { kind: KIND, shape: round }",
            "b: { kind: KIND, for_each: '{{ [a.id] }}' }",
            "r: { kind: box, depends_on: [b] }",
        ],
        &[
            "a: { kind: KIND, shape: flat }",
            "b: { kind: KIND, for_each: '{{ [a.id] }}' }",
            "r: { kind: box, depends_on: [b] }",
        ],
    ),
    // Moved and changed, with who reads it.
    (
        &["a -> b", "r -> s"],
        &["a: { kind: KIND, size: 1 }", "r: { kind: box, host: '{{ a.address }}' }"],
        &["b: { kind: KIND, size: 2 }", "s: { kind: box, host: '{{ b.address }}' }"],
    ),
    // Moved and made anew.
    (
        &["a -> b"],
        &["a: { kind: KIND, shape: round }", "r: { kind: box, host: '{{ a.id }}' }"],
        &["b: { kind: KIND, shape: flat }", "r: { kind: box, host: '{{ b.id }}' }"],
    ),
    // Moved beside what is made and what goes.
    (
        &["x -> y"],
        &["x: { kind: KIND, for_each: [k, l] }", "q: { kind: KIND }"],
        &["y: { kind: KIND, for_each: [k, m], note: new }", "p: { kind: KIND, depends_on: [y] }"],
    ),
    // Moved in the second phase, and changed there.
    (
        &["x -> b[\"z1\"]"],
        &["d: { kind: box }", "x: { kind: KIND, size: 1, host: '{{ d.id }}' }"],
        &["a: { kind: box }", "b: { kind: KIND, size: 2, for_each: '{{ [a.zone] }}' }"],
    ),
];

fn cases(kind: &str) -> Vec<Case> {
    let text = |lines: &[&str]| blueprint(lines).replace("KIND", kind);
    let case = |(moves, before, after): &Lines| Case {
        name: format!("{kind} {moves:?} {after:?}"),
        before: text(before),
        after: if moves.is_empty() { text(after) } else { with_moves(moves, &text(after)) },
    };
    CASES.iter().map(case).collect()
}

on_every_kind! {
    scarce,
    named,
    tagged,
}
