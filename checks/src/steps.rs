//! What is done on a machine: the program is brought there, started, and asked after.

use std::time::Duration;

use trueup_state::Clock;

use crate::machine::{Machine, Unreachable};
use crate::program::Carried;

const PREPARE: &str = include_str!("scripts/prepare.sh");
const UPLOAD: &str = include_str!("scripts/upload.sh");
const START: &str = include_str!("scripts/start.sh");
const LOOK: &str = include_str!("scripts/look.sh");
const STOP: &str = include_str!("scripts/stop.sh");

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

impl Far {
    /// What a machine tells: how far it is in the first line, then what it is at or what it says. None where that makes no sense.
    pub(crate) fn told(said: &str) -> Option<Self> {
        let (first, rest) = said.split_once('\n')?;
        let rest = rest.trim().to_owned();
        match first.split_once(' ').unwrap_or((first, "")) {
            ("ended", code) => Some(Self::Ended(code.trim().parse().ok()?, rest)),
            ("absent", "") => Some(Self::Absent),
            ("running", "") => Some(Self::Running(rest)),
            ("died", "") => Some(Self::Died(rest)),
            _ => None,
        }
    }
}

/// Ends a check that goes on still.
pub(crate) async fn stop(machine: &dyn Machine, token: &str) -> Result<(), Unreachable> {
    machine.run(STOP, format!("{token}\n").as_bytes()).await?.good("end the check").map(drop)
}

/// Asks how far a check is.
pub(crate) async fn look(machine: &dyn Machine, token: &str) -> Result<Far, Unreachable> {
    let output = machine.run(LOOK, format!("{token}\n").as_bytes()).await?;
    let said = output.good("be asked how far it is")?;
    Far::told(&said).ok_or_else(|| Unreachable(format!("it says what makes no sense: {said}")))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use async_trait::async_trait;
    use trueup_state::clock::SystemClock;

    use super::*;
    use crate::machine::Output;
    use crate::program::Program;

    /// This machine, with a place of its own for what is brought there.
    struct Apart(PathBuf);

    #[async_trait]
    impl Machine for Apart {
        async fn run(&self, script: &str, input: &[u8]) -> Result<Output, Unreachable> {
            let script = format!("export XDG_CACHE_HOME='{}'\n{script}", self.0.display());
            crate::here::Here.run(&script, input).await
        }
    }

    #[tokio::test]
    async fn what_is_started_twice_with_one_token_runs_once() {
        let place = tempfile::tempdir().unwrap();
        let (runs, file) = (place.path().join("runs"), place.path().join("measures"));
        std::fs::write(&file, format!("#!/bin/sh\necho run >> '{}'\n", runs.display())).unwrap();
        let program = Program::at(file);
        let (machine, program) = (Apart(place.path().to_owned()), program.carried().await.unwrap());
        assert_eq!(bring(&machine, program, &SystemClock).await, Ok(None));
        for _ in 0..2 {
            start(&machine, "t", program, None, &[]).await.unwrap();
            while look(&machine, "t").await.unwrap() != Far::Ended(0, String::new()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        start(&machine, "another", program, None, &[]).await.unwrap();
        while look(&machine, "another").await.unwrap() != Far::Ended(0, String::new()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(std::fs::read_to_string(runs).unwrap(), "run\nrun\n");
    }

    #[test]
    fn how_far_it_is_comes_before_what_it_says() {
        assert_eq!(Far::told("ended 2\n{}\n"), Some(Far::Ended(2, "{}".to_owned())));
        assert_eq!(Far::told("ended 1\n"), Some(Far::Ended(1, String::new())));
        assert_eq!(Far::told("running\nmemory of GPU 0\n"), Some(Far::Running("memory of GPU 0".to_owned())));
        assert_eq!(Far::told("died\n"), Some(Far::Died(String::new())));
        assert_eq!(Far::told("absent\n"), Some(Far::Absent));
    }

    #[test]
    fn what_makes_no_sense_says_nothing() {
        for said in ["", "ended 2", "ended\n", "ended x\n{}", "running far\n", "2\n{}\n"] {
            assert_eq!(Far::told(said), None, "{said:?}");
        }
    }
}
