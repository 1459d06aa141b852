//! The program as a user runs it: the built binary, in a directory of its own.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod adopt;
mod at_plan;
#[path = "../../engine/tests/support/canary.rs"]
mod canary;
mod checks;
mod commands;
mod compositions;
mod corpora;
mod crash;
mod diagnostics;
mod drift;
mod environments;
mod everything;
mod explain;
mod fleet;
mod full_disk;
mod gpucheck;
mod graph;
#[path = "../support/hosts.rs"]
mod hosts;
mod ill;
mod init;
mod interrupt;
mod journey;
mod json;
mod kills;
mod kinds;
mod language;
mod left_out;
mod links;
mod no_key;
mod oci;
mod phases;
#[path = "../support/python.rs"]
mod python;
mod rehearsal;
mod rekey;
mod repair;
mod safe;
mod schedule;
mod schema;
mod secret_errors;
mod secret_ways;
mod secrets;
mod selection;
mod snapshots;
mod state_commands;
mod support;
mod terraform;
