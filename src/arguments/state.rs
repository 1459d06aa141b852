//! What may be said of the state.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::DEFAULT_BLUEPRINT;
use crate::files::from_here;

/// What can be done with the state.
#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// List what is recorded
    #[command(after_help = "Example: trueup state list blueprints/quickstart.yaml")]
    List(StateArgs),
    /// Show one resource's record
    #[command(after_help = "Example: trueup state show house_prices blueprints/quickstart.yaml")]
    Show {
        /// The resource's address
        address: String,
        #[command(flatten)]
        stack: StateArgs,
    },
    /// Show what happened, oldest first
    #[command(after_help = "Example: trueup state history blueprints/quickstart.yaml")]
    History(StateArgs),
    /// Give what is recorded another address: a resource, an instance, or all of a block or a module
    #[command(after_help = "Examples: trueup state mv house_prices prices blueprints/quickstart.yaml\n          \
        trueup state mv 'trainer[\"a\"]' trainer_a\n          trueup state mv chat serving/chat")]
    Mv(MoveArgs),
    /// Let go of what is recorded: the things stay, their records go
    #[command(after_help = "Examples: trueup state forget house_prices blueprints/quickstart.yaml\n          \
        trueup state forget 'trainer[\"a\"]' serving --yes")]
    Forget(ForgetArgs),
    /// Check that all that is kept is whole and fits together; changes nothing
    #[command(after_help = "Example: trueup state verify blueprints/quickstart.yaml\n\n\
        Exit codes: 0 it is sound, whatever is noted · 1 it is damaged, or can't be looked at")]
    Verify(StateArgs),
    /// Put a damaged state in order, as far as what is left of it tells what it was; keeps a copy
    #[command(after_help = "Examples: trueup state repair blueprints/quickstart.yaml\n          \
        trueup state repair --drop-tail\n\n\
        Exit codes: 0 it is sound now, whether or not it was · 1 it is as it was, and what is to be done is told")]
    Repair(RepairArgs),
    /// Say what became of an operation that nothing else can tell
    #[command(after_help = "Examples: trueup state resolve trainer --id i-0abc blueprints/quickstart.yaml\n          \
        trueup state resolve trainer --absent")]
    Resolve(ResolveArgs),
    /// Seal the secrets of the state for another key, without an apply
    #[command(
        after_help = "Examples: trueup state rekey blueprints/quickstart.yaml --to new.key --generate\n          \
        trueup state rekey --to ~/keys/search.key\n\n\
        The key in use, by TRUEUP_KEY or in .trueup/key, opens them; what the journal has sealed for it stays so."
    )]
    Rekey(RekeyArgs),
    /// Print all of the state as one document, its secrets sealed
    #[command(after_help = "Example: trueup state export blueprints/quickstart.yaml --out state.json")]
    Export(ExportArgs),
    /// Put an exported state where nothing is recorded
    #[command(after_help = "Examples: trueup state import state.json blueprints/quickstart.yaml\n          \
        trueup state import state.json --env staging --as-copy")]
    Import(ImportArgs),
}

/// Which stack's state. Variables are not needed.
#[derive(Clone, Debug, Args)]
pub(crate) struct StateArgs {
    /// The blueprint's file
    #[arg(default_value = DEFAULT_BLUEPRINT, value_parser = from_here)]
    pub(crate) blueprint: PathBuf,

    /// The environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct MoveArgs {
    /// The address that it has
    pub(crate) from: String,

    /// The address that it gets
    pub(crate) to: String,

    #[command(flatten)]
    pub(crate) stack: StateArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// The addresses, and the blueprint's file [default: blueprint.yaml]
    #[arg(value_name = "ADDRESS… | BLUEPRINT", num_args = 1.., required = true)]
    pub(crate) what: Vec<String>,

    /// The environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,

    /// Don't ask
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RepairArgs {
    #[command(flatten)]
    pub(crate) stack: StateArgs,

    /// Where the end of the journal is lost, go back to the last entry up to which the state is known
    #[arg(long)]
    pub(crate) drop_tail: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RekeyArgs {
    #[command(flatten)]
    pub(crate) stack: StateArgs,

    /// The file of the key to come: an age identity
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,

    /// Make the key, for its owner alone; the file must not be there yet
    #[arg(long)]
    pub(crate) generate: bool,
}

#[derive(Debug, Args)]
#[group(id = "answer", required = true, multiple = false, args = ["id", "absent"])]
pub(crate) struct ResolveArgs {
    /// The resource's address
    pub(crate) address: String,

    /// It was made: this is the provider's id of it
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,

    /// It was not made; of a delete, it is gone
    #[arg(long)]
    pub(crate) absent: bool,

    #[command(flatten)]
    pub(crate) stack: StateArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) stack: StateArgs,

    /// Write it to a file that only its owner can read
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The exported state
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) stack: StateArgs,

    /// Put it into another stack than it is of, with a lineage of its own: both record the same things then
    #[arg(long)]
    pub(crate) as_copy: bool,
}
