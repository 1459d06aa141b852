//! What may be said on the command line.

mod gpucheck;
mod mistake;
mod part;
#[cfg(feature = "sim")]
mod sim;
mod state;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use trueup_engine::kinds::Span;
use trueup_engine::kinds::duration::SpanError;

use crate::draw::schedule::Every;
use crate::files::from_here;

pub(crate) use gpucheck::GpucheckArgs;
pub(crate) use mistake::without_values;
pub(crate) use part::{PartArgs, RefreshArgs, ReplaceArgs, options};
#[cfg(feature = "sim")]
pub(crate) use sim::{SimArgs, SimBreakArgs, SimCommand};
pub(crate) use state::{
    ExportArgs, ForgetArgs, ImportArgs, MoveArgs, RekeyArgs, RepairArgs, ResolveArgs, StateArgs, StateCommand,
};

/// The blueprint that is read where none is named.
pub(crate) const DEFAULT_BLUEPRINT: &str = "blueprint.yaml";

/// Infrastructure as code for machine learning: brings buckets, GPUs, registries and endpoints level with a checked-in blueprint.
#[derive(Debug, Parser)]
#[command(name = "trueup", version, max_term_width = 100, propagate_version = true, disable_help_subcommand = true)]
#[command(
    after_help = "Example: trueup apply blueprints/quickstart.yaml\n\nExit codes: 0 nothing to do, or done · 1 error · 2 changes or drift found · 3 some resources failed · \
    4 another run holds the lease · 5 refused by policy, protection or budget. `trueup gpucheck --help` has those of a check"
)]
pub(crate) struct Arguments {
    /// How to answer
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t)]
    pub(crate) format: Format,

    /// Short for `--format json`
    #[arg(long, global = true, conflicts_with = "format")]
    pub(crate) json: bool,

    /// Take the schemas of native types from what is kept on this machine alone
    #[arg(long, global = true)]
    pub(crate) offline: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How a command answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// For machines
    Json,
    /// For people, with errors and warnings as annotations of GitHub Actions
    Github,
    /// A graph in Graphviz's language (`trueup graph` alone)
    Dot,
    /// A drawing of a graph (`trueup graph` alone)
    Svg,
}

impl Arguments {
    /// How to answer.
    pub(crate) fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented blueprint to start from
    #[command(after_help = "Examples: trueup init\n          trueup init serving --provider local")]
    Init(InitArgs),
    /// Check a blueprint without a cloud
    #[command(after_help = "Example: trueup validate blueprints/quickstart.yaml")]
    Validate(ValidateArgs),
    /// Show what an apply would do; touches nothing
    #[command(after_help = "Examples: trueup plan blueprints/quickstart.yaml --out plan.trueup\n          \
        trueup plan blueprints/quickstart.yaml --view full\n          \
        trueup plan --target 'shard[*]' --exclude kind:bucket\n          \
        trueup plan --refresh=false")]
    Plan(PlanArgs),
    /// Show a saved plan; needs no provider and no key
    #[command(after_help = "Example: trueup show plan.trueup --view brief")]
    Show(ShowArgs),
    /// Bring the stack level with its blueprint, or carry out a saved plan
    #[command(
        after_help = "Examples: trueup apply blueprints/quickstart.yaml\n          trueup apply plan.trueup --yes\n          \
        trueup apply --target tag:team=search\n          trueup apply --replace 'trainer[\"a\"]'"
    )]
    Apply(ApplyArgs),
    /// Take what is there already, and was made elsewhere, under management
    #[command(after_help = "Examples: trueup adopt blueprints/quickstart.yaml\n          \
        trueup adopt weights --id llm-weights blueprints/quickstart.yaml\n          \
        trueup adopt --from-terraform terraform.tfstate --out estate.yaml\n\n\
        Nothing is changed at the provider: what differs from the blueprint is shown, and changed by the next apply.")]
    Adopt(AdoptArgs),
    /// Delete everything the stack has, or a part of it with what depends on it
    #[command(after_help = "Examples: trueup destroy blueprints/quickstart.yaml --yes\n          \
        trueup destroy --exclude kind:bucket\n          trueup destroy --target eval")]
    Destroy(DestroyArgs),
    /// Show what was changed outside Trueup, and put it right with --correct
    #[command(after_help = "Examples: trueup drift blueprints/quickstart.yaml --correct --yes\n          \
        trueup drift --correct --target 'eval/*'\n          trueup drift --all . --markdown")]
    Drift(DriftArgs),
    /// Print the stack's outputs
    #[command(after_help = "Examples: trueup output url\n          trueup output try blueprints/quickstart.yaml")]
    Output(OutputArgs),
    /// Show what depends on what, and what an apply would change
    #[command(after_help = "Examples: trueup graph blueprints/quickstart.yaml\n          \
        trueup graph blueprints/quickstart.yaml --format svg --out graph.svg")]
    Graph(GraphArgs),
    /// Measure the GPUs of this machine, and judge whether they are what was paid for
    #[command(
        after_help = "Examples: trueup gpucheck\n          trueup gpucheck --level standard --count 8 --model H100 --require ecc,nvlink\n          \
        trueup gpucheck --store-baseline h100.json\n\n\
        Exit codes: 0 the GPUs pass, or are only warned of · 1 error · 2 the GPUs fail · 3 there is no driver, or no GPU"
    )]
    Gpucheck(GpucheckArgs),
    /// Look into the state, and put right by hand what nothing else can
    #[command(subcommand, after_help = "Example: trueup state list blueprints/quickstart.yaml")]
    State(StateCommand),
    /// Print what runs a drift correction again and again
    #[command(subcommand, after_help = "Example: trueup schedule print systemd blueprints/quickstart.yaml --every 1h")]
    Schedule(ScheduleCommand),
    /// Look into the cloud to rehearse on, and break something in it
    #[cfg(feature = "sim")]
    #[command(subcommand, after_help = "Example: trueup sim break 'trainer[0]' tags.team=nobody")]
    Sim(SimCommand),
    /// Free the lease of a run that is gone
    #[command(after_help = "Example: trueup unlock blueprints/quickstart.yaml")]
    Unlock(UnlockArgs),
    /// Explain a kind, a field, a section of a blueprint or a provider's settings
    #[command(
        after_help = "Examples: trueup explain\n          trueup explain endpoint.health.path\n          trueup explain resources.for_each\n          \
        trueup explain AWS::SQS::Queue.properties.RedrivePolicy"
    )]
    Explain(ExplainArgs),
    /// Print the JSON Schema of a blueprint, for editors
    #[command(after_help = "Example: trueup schema > blueprint.schema.json")]
    Schema,
    /// Print completions for a shell
    #[command(after_help = "Example: trueup completions bash > ~/.local/share/bash-completion/completions/trueup")]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The directory that the blueprint is written into; it is made where it is missing
    #[arg(default_value = ".")]
    pub(crate) directory: PathBuf,

    /// Who makes things in it
    #[arg(long, value_enum, default_value_t = Starter::Local)]
    pub(crate) provider: Starter,
}

/// The providers that a blueprint can be started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Starter {
    /// This machine
    Local,
    /// Amazon Web Services
    Aws,
    /// Google Cloud
    Gcp,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// What to explain: a kind, a section such as `resources`, a provider, or a field of one; without it, what there is
    #[arg(value_name = "KIND[.FIELD]")]
    pub(crate) name: Option<String>,
}

/// Which stack.
#[derive(Clone, Debug, Args)]
pub(crate) struct StackArgs {
    /// The blueprint's file
    #[arg(default_value = DEFAULT_BLUEPRINT, value_parser = from_here)]
    pub(crate) blueprint: PathBuf,

    #[command(flatten)]
    pub(crate) inputs: InputArgs,
}

/// What a blueprint is loaded with.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct InputArgs {
    /// The environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,

    /// Set a variable; may be repeated, and wins over --var-file and `TRUEUP_VAR_NAME`
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub(crate) variables: Vec<String>,

    /// Set variables from a YAML file; may be repeated, the last wins
    #[arg(long = "var-file", value_name = "FILE")]
    pub(crate) variable_files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    pub(crate) stack: StackArgs,
}

/// How much of a plan is shown to people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum View {
    /// One line for each resource
    Brief,
    /// What is said of new resources, what changes of others, and why
    #[default]
    Normal,
    /// Every field, every reason, and what depends on what
    Full,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ViewArgs {
    /// How much of it to show
    #[arg(long, value_enum, value_name = "VIEW", default_value_t)]
    pub(crate) view: View,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) stack: StackArgs,

    #[command(flatten)]
    pub(crate) view: ViewArgs,

    /// Save the plan, for `trueup apply FILE`
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Plan the destruction of everything the stack has
    #[arg(long, conflicts_with = "replaces")]
    pub(crate) destroy: bool,

    #[command(flatten)]
    pub(crate) part: PartArgs,

    #[command(flatten)]
    pub(crate) replace: ReplaceArgs,

    #[command(flatten)]
    pub(crate) refresh: RefreshArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The saved plan
    pub(crate) plan: PathBuf,

    #[command(flatten)]
    pub(crate) view: ViewArgs,
}

/// How operations are carried out.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// Don't ask. What only the first phase of an apply can tell is planned in a further one, which may not replace or delete
    /// unless it is `--yes=all`
    #[arg(long, short = 'y', value_name = "all", num_args = 0..=1, require_equals = true, default_missing_value = "first", hide_possible_values = true)]
    pub(crate) yes: Option<Yes>,

    /// How many operations may be under way at once
    #[arg(long, value_name = "N", default_value_t = trueup_engine::apply::lanes::PARALLELISM, value_parser = parallelism)]
    pub(crate) parallelism: usize,

    /// Wait for another run to finish instead of giving up
    #[arg(long)]
    pub(crate) wait: bool,

    /// How long the right to change the stack lasts without being renewed, which this run does as long as it is awake; what it
    /// writes later than that is refused
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = lease)]
    pub(crate) lease: Duration,

    /// The program that measures the GPUs of machines with a `validate`, for those machines [default: `gpucheck` beside this one]
    #[arg(long, value_name = "FILE")]
    pub(crate) gpucheck_program: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) view: ViewArgs,
}

/// What is answered beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Yes {
    /// The first phase, and of further ones what neither replaces nor deletes.
    First,
    /// All phases.
    All,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The blueprint's file, or a saved plan
    #[arg(default_value = DEFAULT_BLUEPRINT, value_name = "BLUEPRINT | PLAN", value_parser = from_here)]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) inputs: InputArgs,

    #[command(flatten)]
    pub(crate) part: PartArgs,

    #[command(flatten)]
    pub(crate) replace: ReplaceArgs,

    #[command(flatten)]
    pub(crate) refresh: RefreshArgs,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AdoptArgs {
    /// A resource's address, and the blueprint's file [default: blueprint.yaml]. Without an address: whatever is declared, not
    /// recorded, and found by its name or its tags
    #[arg(value_name = "ADDRESS | BLUEPRINT", num_args = 0..=2)]
    pub(crate) what: Vec<String>,

    /// The provider's id of what the resource is
    #[arg(long, value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) id: Option<String>,

    /// Write a blueprint of what a state of Terraform's manages (version 4), and adopt that
    #[arg(long, value_name = "FILE", conflicts_with_all = ["what", "id", "force"])]
    pub(crate) from_terraform: Option<PathBuf>,

    /// Where that blueprint is written, which must not be there yet; without it, it is only printed
    #[arg(long, value_name = "FILE", requires = "from_terraform", value_parser = from_here)]
    pub(crate) out: Option<PathBuf>,

    /// Take it over though its tags name another stack, which must not manage it any more
    #[arg(long, requires = "id")]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) inputs: InputArgs,

    /// Don't ask
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,

    #[command(flatten)]
    pub(crate) view: ViewArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DestroyArgs {
    #[command(flatten)]
    pub(crate) stack: StackArgs,

    #[command(flatten)]
    pub(crate) part: PartArgs,

    #[command(flatten)]
    pub(crate) refresh: RefreshArgs,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DriftArgs {
    #[command(flatten)]
    pub(crate) stack: StackArgs,

    /// Bring back what drifted, and only that
    #[arg(long)]
    pub(crate) correct: bool,

    /// Check the GPUs of machines with a `validate` again
    #[arg(long, conflicts_with_all = ["all", "markdown"])]
    pub(crate) validate: bool,

    /// Answer in Markdown: a report for a pull request or an issue
    #[arg(long, conflicts_with_all = ["correct", "json", "format"])]
    pub(crate) markdown: bool,

    /// Look at every blueprint below a directory that has a state, in each of its environments
    #[arg(long, value_name = "DIR", conflicts_with_all = ["correct", "blueprint", "variables", "variable_files"])]
    pub(crate) all: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) part: PartArgs,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// What can be done about schedules.
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// Print what runs `trueup drift --correct --yes` again and again: a unit and its timer, a line of a crontab, a workflow, a `CronJob`
    #[command(after_help = "Examples: trueup schedule print cron blueprints/quickstart.yaml\n          \
        trueup schedule print systemd --env prod --every 15m --out /etc/systemd/system\n          \
        trueup schedule print kubernetes --image registry.example/trueup:1 --claim infra")]
    Print(SchedulePrintArgs),
}

/// What can run something again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scheduler {
    /// A service and a timer of systemd
    Systemd,
    /// A line of a crontab
    Cron,
    /// A workflow of GitHub Actions, for a runner of your own
    GithubActions,
    /// A `CronJob` of Kubernetes
    Kubernetes,
}

#[derive(Debug, Args)]
pub(crate) struct SchedulePrintArgs {
    /// What is to run it
    #[arg(value_enum)]
    pub(crate) scheduler: Scheduler,

    #[command(flatten)]
    pub(crate) stack: StackArgs,

    /// How often: 5m, 10m, 15m, 20m, 30m, 1h, 2h, 3h, 4h, 6h, 8h, 12h or 1d
    #[arg(long, value_name = "PERIOD", default_value = "1h")]
    pub(crate) every: Every,

    /// Where the program is on the machine that runs it [default: where this one is]
    #[arg(long, value_name = "PATH")]
    pub(crate) program: Option<PathBuf>,

    /// The image that has the program (`kubernetes` alone, which needs it)
    #[arg(long, value_name = "IMAGE", required_if_eq("scheduler", "kubernetes"))]
    pub(crate) image: Option<String>,

    /// The claim of the volume that keeps the working directory (`kubernetes` alone) [default: the schedule's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) claim: Option<String>,

    /// The label of the runner on the machine that keeps the working directory (`github-actions` alone)
    #[arg(long, value_name = "LABEL", default_value = "self-hosted")]
    pub(crate) runner: String,

    /// Write the files into a directory, under their names
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// An output to print alone, as it is, and the blueprint's file [default: blueprint.yaml]
    #[arg(value_name = "NAME | BLUEPRINT", num_args = 0..=2)]
    pub(crate) what: Vec<PathBuf>,

    /// The environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,

    /// Print secrets too
    #[arg(long)]
    pub(crate) reveal: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    #[command(flatten)]
    pub(crate) stack: StackArgs,

    /// Write it to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Show each instance of a `for_each` by itself, and the nodes through which a whole block is read
    #[arg(long)]
    pub(crate) each: bool,

    /// The blueprint alone: without what an apply would change, which is planned from what was seen last
    #[arg(long)]
    pub(crate) no_plan: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UnlockArgs {
    #[command(flatten)]
    pub(crate) stack: StateArgs,

    /// Free the lease of a run that may be alive: its next write is refused
    #[arg(long)]
    pub(crate) force: bool,
}

fn lease(text: &str) -> Result<Duration, String> {
    let span: Span = text.parse().map_err(|error: SpanError| error.to_string())?;
    let bounds = Duration::from_secs(1)..=Duration::from_hours(1);
    if bounds.contains(&span.duration()) { Ok(span.duration()) } else { Err("it is from `1s` to `1h`".to_owned()) }
}

fn parallelism(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=1024).contains(&count) => Ok(count),
        _ => Err("it is a number from 1 to 1024".to_owned()),
    }
}
