//! Google Cloud as a user meets it: the built program, against a double of Google's APIs, and what Google's own client sees of it.

#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(clippy::needless_pass_by_value, reason = "what is asked reads best where it stands")]

mod artifacts;
#[path = "../support/boot.rs"]
mod boot;
mod buckets;
mod builds;
mod checked;
mod composed;
mod credentials;
mod drifts;
mod functions;
#[path = "../support/gcp/mod.rs"]
mod gcp;
mod images;
#[path = "../support/layout.rs"]
mod layout;
mod machines;
mod machines_lost;
mod natives;
mod natives_all;
mod natives_lost;
mod networks;
#[path = "../support/python.rs"]
mod python;
mod rig;
#[path = "../support/script.rs"]
mod script;
mod serving;
#[path = "../e2e/support.rs"]
#[allow(dead_code, reason = "each test program uses some of it")]
mod support;
mod vertex;
mod volumes;
