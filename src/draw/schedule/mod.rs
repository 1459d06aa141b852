//! What runs a drift correction again and again: a unit and a timer, a line of a crontab, a workflow, a `CronJob`.
//!
//! No name of anybody's is read by a shell, expanded or interpolated: each form quotes by its own rules, and what one can't hold at all
//! is refused before it gets here.

mod cron;
mod github;
mod kubernetes;
mod systemd;
#[cfg(test)]
mod tests;

use crate::arguments::Scheduler;

/// What is to run, and how often.
pub(crate) struct Schedule {
    /// What it is called: the stack, as a name that all forms take.
    pub(crate) name: String,
    /// The stack, as people read it.
    pub(crate) stack: String,
    /// The program.
    pub(crate) program: String,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// The directory it runs in: the one that holds the state. Absolute.
    pub(crate) directory: String,
    /// The user and the group that the directory belongs to.
    pub(crate) owner: (u32, u32),
    /// What of the machine is written to besides: where stacks agree on ports and GPUs.
    pub(crate) machine: Option<String>,
    /// The variables of the environment that hold what may not stand in a file that others read.
    pub(crate) secrets: Vec<String>,
    /// How often.
    pub(crate) every: Every,
    /// Kubernetes: the image that has the program, and the claim of the volume that has the directory.
    pub(crate) image: String,
    pub(crate) claim: String,
    /// GitHub: the label of the runner that has the directory.
    pub(crate) runner: String,
}

/// A file to be put in its place.
pub(crate) struct File {
    /// What it is called.
    pub(crate) name: String,
    /// Where it belongs.
    pub(crate) place: String,
    pub(crate) text: String,
}

/// The files of one form.
pub(crate) fn files(form: Scheduler, schedule: &Schedule) -> Vec<File> {
    match form {
        Scheduler::Systemd => systemd::files(schedule),
        Scheduler::Cron => cron::files(schedule),
        Scheduler::GithubActions => github::files(schedule),
        Scheduler::Kubernetes => kubernetes::files(schedule),
    }
}

/// The files in a row, each with its place above it where there are several.
pub(crate) fn text(files: &[File]) -> String {
    let shown = |file: &File| {
        if files.len() == 1 { file.text.clone() } else { format!("# {}\n{}", file.place, file.text) }
    };
    files.iter().map(shown).collect::<Vec<_>>().join("\n")
}

/// A period that comes out even in every hour or day, so that each form can keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Every {
    /// So many minutes, of which an hour has a whole number.
    Minutes(u32),
    /// So many hours, of which a day has a whole number.
    Hours(u32),
    /// A day.
    Day,
}

impl std::str::FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unit = text.chars().last().unwrap_or_default();
        let number: u32 = text.strip_suffix(unit).and_then(|number| number.parse().ok()).unwrap_or(0);
        match (number, unit) {
            // GitHub starts nothing more often.
            (5.., 'm') if number < 60 && 60 % number == 0 => Ok(Self::Minutes(number)),
            (1.., 'h') if number < 24 && 24 % number == 0 => Ok(Self::Hours(number)),
            (1, 'd') => Ok(Self::Day),
            _ => Err("it is 5m, 10m, 15m, 20m, 30m, 1h, 2h, 3h, 4h, 6h, 8h, 12h or 1d".to_owned()),
        }
    }
}

impl Every {
    fn seconds(self) -> u32 {
        match self {
            Self::Minutes(minutes) => minutes * 60,
            Self::Hours(hours) => hours * 3600,
            Self::Day => 24 * 3600,
        }
    }

    /// The five fields of a crontab. Where in its period a schedule runs is its own, told by its name: not all at the full hour.
    fn cron(self, name: &str) -> String {
        let own: u32 = name.bytes().map(u32::from).sum();
        let (minute, hour) = (own % 60, own % 24);
        match self {
            Self::Minutes(step) => format!("{}-59/{step} * * * *", own % step),
            Self::Hours(1) => format!("{minute} * * * *"),
            Self::Hours(step) => format!("{minute} {}-23/{step} * * *", own % step),
            Self::Day => format!("{minute} {hour} * * *"),
        }
    }
}

/// What is to be done by whoever puts a file in its place, as a comment.
fn comment(lines: &[String]) -> String {
    lines.iter().flat_map(|line| ["# ", line.as_str(), "\n"]).collect()
}

/// What has to be in the environment, if anything does.
fn needs(schedule: &Schedule, place: &str) -> Option<String> {
    let names = schedule.secrets.join(", ");
    (!schedule.secrets.is_empty()).then(|| format!("It needs {names} in {place}."))
}
