//! What the program can be told.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use trueup_gpucheck::judge::{Baseline, Rules};
use trueup_gpucheck::report::Level;

const CODES: &str = "\
Exit codes:
  0  the GPUs pass, or are only warned of
  1  wrong usage, or the program itself failed
  2  the GPUs fail
  3  there is no driver, or no GPU";

/// Measures the GPUs of this machine, and judges whether they are what was paid for.
#[derive(Debug, Parser)]
#[command(name = "gpucheck", version, after_help = CODES, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
    #[command(flatten)]
    pub(crate) measure: Measure,
    #[command(flatten)]
    pub(crate) required: Required,
    #[command(flatten)]
    pub(crate) output: Output,
    /// How progress is told on standard error
    #[arg(long, value_enum, default_value = "plain")]
    pub(crate) progress: Progress,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Judge a report that was made before
    Judge {
        /// What `--json` printed
        report: PathBuf,
        #[command(flatten)]
        required: Required,
        #[command(flatten)]
        output: Output,
    },
    /// Be the process that talks to the driver
    #[command(hide = true)]
    Child(Measure),
}

#[derive(Debug, Args)]
pub(crate) struct Measure {
    /// How much is measured
    #[arg(long, value_enum, default_value = "quick")]
    level: Size,
    /// How long to burn, with `--level burn`
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    seconds: u64,
    /// How long all may take before it counts as hung [default: by level]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=700_000))]
    limit: Option<u64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Size {
    /// All but a burn: under 30 s on a healthy node of eight
    Quick,
    /// More of it, and a burn of 90 s: about 3 minutes
    Standard,
    /// As standard, with a burn as long as is asked for
    Burn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// A line for each step
    Plain,
    /// The same as JSON
    Json,
    /// None
    None,
}

#[derive(Debug, Args)]
pub(crate) struct Required {
    /// How many GPUs there must be
    #[arg(long)]
    count: Option<u32>,
    /// The model that each must be, or the start of its name: `H100`
    #[arg(long)]
    model: Option<String>,
    /// The fraction of what is expected that every figure must reach, from 0 to 1
    #[arg(long, value_name = "FRACTION")]
    minimum: Option<f64>,
    /// What must have been looked at; names as in the report
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    require: Vec<String>,
    /// Figures to hold these against, as `--store-baseline` wrote them
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Print JSON: the report and its judgement
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw all GPUs side by side
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Keep the figures of these GPUs, if they don't fail
    #[arg(long, value_name = "FILE")]
    pub(crate) store_baseline: Option<PathBuf>,
}

impl Measure {
    pub(crate) fn level(&self) -> Level {
        match self.level {
            Size::Quick => Level::Quick,
            Size::Standard => Level::Standard,
            Size::Burn => Level::Burn,
        }
    }

    #[allow(clippy::cast_precision_loss)] // A week at most.
    pub(crate) fn burn_seconds(&self) -> f64 {
        self.seconds as f64
    }

    /// How long all may take, in seconds: four times what is promised, and more for large nodes.
    pub(crate) fn limit(&self) -> u64 {
        self.limit.unwrap_or(match self.level {
            Size::Quick => 180,
            Size::Standard => 720,
            Size::Burn => self.seconds * 2 + 720,
        })
    }

    /// The same, for the process that measures.
    pub(crate) fn again(&self) -> [String; 4] {
        let level = format!("{:?}", self.level).to_lowercase();
        ["--level".into(), level, "--seconds".into(), self.seconds.to_string()]
    }
}

impl Required {
    /// The rules, if they can be followed.
    pub(crate) fn rules(&self) -> Result<Rules, String> {
        let baseline = self.baseline.as_ref().map(|path| {
            let text =
                std::fs::read_to_string(path).map_err(|error| format!("{} can't be read: {error}", path.display()))?;
            Baseline::read(&text).map_err(|error| format!("{}: {error}", path.display()))
        });
        let rules = Rules {
            count: self.count,
            model: self.model.clone(),
            minimum: self.minimum,
            require: self.require.clone(),
            baseline: baseline.transpose()?,
        };
        rules.check().map_err(|error| error.to_string())?;
        Ok(rules)
    }
}
