//! What may be said of the cloud to rehearse on.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What can be done about the cloud to rehearse on.
#[derive(Debug, Subcommand)]
pub(crate) enum SimCommand {
    /// Show every call that it was asked, oldest first
    #[command(after_help = "Example: trueup sim calls --json | jq -r .call | sort | uniq -c")]
    Calls(SimArgs),
    /// Show what it has
    #[command(after_help = "Example: trueup sim objects")]
    Objects(SimArgs),
    /// Change something behind everybody's back, so that it drifts
    #[command(after_help = "Examples: trueup sim break weights versioning=false tags.team=nobody\n          \
        trueup sim break weights tags.team=null\n          trueup sim break weights --gone")]
    Break(SimBreakArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    /// The cloud's file
    #[arg(long, value_name = "FILE", default_value = ".trueup/sim.db")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct SimBreakArgs {
    /// The address that it was made for, or its id
    pub(crate) what: String,

    /// What a field is to be, as YAML; `null` takes it away
    #[arg(value_name = "FIELD=VALUE", required_unless_present = "gone")]
    pub(crate) fields: Vec<String>,

    /// Delete it
    #[arg(long, conflicts_with = "fields")]
    pub(crate) gone: bool,

    #[command(flatten)]
    pub(crate) cloud: SimArgs,
}
