//! AWS as a user meets it: the built program, against an account of moto's behind a proxy, and what boto3 sees of it.

#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(clippy::needless_pass_by_value, reason = "what is asked reads best where it stands")]

mod artifacts;
#[path = "../support/aws/mod.rs"]
mod aws;
#[path = "../support/boot.rs"]
mod boot;
mod buckets;
mod checked;
mod composed;
mod composed_adopt;
mod composed_identity;
mod endpoints;
mod fleet;
mod images;
mod instances;
mod instances_beside;
mod instances_faults;
mod instances_look;
#[path = "../support/layout.rs"]
mod layout;
mod natives;
mod natives_adopt;
mod natives_all;
mod natives_terraform;
mod placed;
#[path = "../support/python.rs"]
mod python;
mod rig;
#[path = "../support/script.rs"]
mod script;
mod serving;
#[path = "../e2e/support.rs"]
#[allow(dead_code, reason = "each test program uses some of it")]
mod support;
