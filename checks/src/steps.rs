//! What is done on a machine: the program is brought there, started, and asked after.

use std::time::Duration;

use trueup_state::Clock;

use crate::machine::{Machine, Unreachable};
use crate::program::Carried;

const PREPARE: &str = include_str!("scripts/prepare.sh");
const UPLOAD: &str = include_str!("scripts/upload.sh");
const START: &str = include_str!("scripts/start.sh");
const LOOK: &str = include_str!("scripts/look.sh");

/// How long the program may be on its way within one call: what is left goes on with the next.
const A_WHILE: Duration = Duration::from_secs(15);
/// How much of it is sent at once, in bytes.
const PIECE: usize = 2 * 1024 * 1024;

/// Why the program can't be had on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unbrought {
    Unreachable(Unreachable),
    /// The machine is of another sort: what it calls itself.
    Strange(String),
}

impl From<Unreachable> for Unbrought {
    fn from(error: Unreachable) -> Self {
        Self::Unreachable(error)
    }
}

/// Brings the program to a machine, for a while. How many bytes of it are there then; none once it is there whole.
pub(crate) async fn bring(
    machine: &dyn Machine,
    program: &Carried,
    clock: &dyn Clock,
) -> Result<Option<usize>, Unbrought> {
    let since = clock.uptime();
    let said = machine.run(PREPARE, format!("{}\n", program.digest).as_bytes()).await?.good("take the program")?;
    let mut lines = said.lines();
    let sort = lines.next().unwrap_or_default();
    if !program.sort.runs_on(sort) {
        return Err(Unbrought::Strange(sort.to_owned()));
    }
    let there = lines.next().unwrap_or_default();
    if there == "there" {
        return Ok(None);
    }
    // More than there should be is something else.
    let there = there.trim().parse().ok().filter(|there| *there <= program.bytes.len());
    let mut there: usize = there.unwrap_or(0);
    loop {
        let end = program.bytes.len().min(there + PIECE);
        let is_last = end == program.bytes.len();
        let which = if is_last { "last" } else { "more" };
        let input = [format!("{}\n{there}\n{which}\n", program.digest).as_bytes(), &program.bytes[there..end]].concat();
        machine.run(UPLOAD, &input).await?.good("take the program")?;
        there = end;
        if is_last {
            return Ok(None);
        }
        if clock.uptime().saturating_sub(since) >= A_WHILE {
            return Ok(Some(there));
        }
    }
}

/// Starts the program; one that this token has started goes on. `visible`: the GPUs that it is to see; none for all.
pub(crate) async fn start(
    machine: &dyn Machine,
    token: &str,
    program: &Carried,
    visible: Option<&str>,
    words: &[String],
) -> Result<(), Unreachable> {
    let mut input = format!("{token}\n{}\n{}\n", program.digest, visible.unwrap_or_default());
    words.iter().for_each(|word| input.push_str(&format!("{word}\n")));
    machine.run(START, input.as_bytes()).await?.good("start the program").map(drop)
}

/// How far a check is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Far {
    /// Nothing is known of it there.
    Absent,
    /// It goes on; what it is at.
    Running(String),
    /// Something ended it before it was done; what it said last.
    Died(String),
    /// It is done: with this exit code, and these words.
    Ended(i32, String),
}

/// Asks how far a check is.
pub(crate) async fn look(machine: &dyn Machine, token: &str) -> Result<Far, Unreachable> {
    let output = machine.run(LOOK, format!("{token}\n").as_bytes()).await?;
    let said = output.good("be asked how far it is")?;
    let (first, rest) = said.split_once('\n').unwrap_or((&said, ""));
    let rest = rest.trim().to_owned();
    match first.split_once(' ') {
        Some(("ended", code)) => {
            let code = code.trim().parse().map_err(|_| Unreachable(format!("it ended with `{code}`")))?;
            Ok(Far::Ended(code, rest))
        }
        _ if first == "absent" => Ok(Far::Absent),
        _ if first == "running" => Ok(Far::Running(rest)),
        _ if first == "died" => Ok(Far::Died(rest)),
        _ => Err(Unreachable(format!("it says what makes no sense: {first}"))),
    }
}
