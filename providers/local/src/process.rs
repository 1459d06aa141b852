//! Processes that outlive the one that started them: known again by number, start and boot, never by number alone.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, WaitOptions};
use serde::{Deserialize, Serialize};
use trueup_state::holder::process_start;

use crate::home::private_file;

/// The environment variable by which a replica and all that it starts are found again, even when nothing was noted of them.
pub(crate) const MARKER: &str = "TRUEUP_REPLICA";

/// A process of this machine, in this boot or an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pid: u32,
    start: u64,
    boot: String,
}

/// What a process is started with.
pub(crate) struct Launch<'a> {
    /// The program and its arguments.
    pub(crate) command: &'a [String],
    /// Where it runs.
    pub(crate) directory: &'a Path,
    /// Its whole environment besides `PATH`, `HOME` and `LANG`.
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// The file that takes what it says.
    pub(crate) log: &'a Path,
}

/// Starts a process in a session of its own, so that no terminal and no end of this process takes it along.
///
/// # Errors
/// The program or the directory is not there, or can't be used.
#[expect(
    unsafe_code,
    reason = "between fork and exec only setsid is called, which is async-signal-safe and allocates nothing"
)]
pub(crate) fn start(launch: &Launch<'_>) -> io::Result<Process> {
    let (program, arguments) =
        launch.command.split_first().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is empty"))?;
    let log = private_file(launch.log, false)?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(launch.directory).env_clear().envs(inherited()).envs(launch.environment);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    // SAFETY: the closure calls setsid(2) alone; see the attribute's reason.
    unsafe {
        command.pre_exec(|| rustix::process::setsid().map(|_| ()).map_err(io::Error::from));
    }
    let pid = command.spawn()?.id();
    // A process that ended at once has no start any more: it counts as one that is gone.
    Ok(Process { pid, start: process_start(pid).unwrap_or(0), boot: boot_id() })
}

impl Process {
    /// Whether it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        if let Some(pid) = self.pid() {
            // Where it is a child of this process and has ended, it is let go of, so that it is no zombie. Others' are not touched.
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
        }
        self.boot == boot_id() && process_start(self.pid) == Some(self.start)
    }

    /// Tells it and its group to stop: kindly, or at once.
    pub(crate) fn stop(&self, at_once: bool) {
        if self.is_alive()
            && let Some(pid) = self.pid()
        {
            // It may be gone by now: then there is nothing to tell.
            let _ = rustix::process::kill_process_group(pid, if at_once { Signal::KILL } else { Signal::TERM });
        }
    }

    /// The program and arguments that it runs, as the kernel has them.
    pub(crate) fn command(&self) -> Option<Vec<String>> {
        let text = fs::read(format!("/proc/{}/cmdline", self.pid)).ok().filter(|text| !text.is_empty())?;
        self.is_alive().then(|| split(&text))
    }

    /// The environment that it was started with, as the kernel has it.
    pub(crate) fn environment(&self) -> Option<BTreeMap<String, String>> {
        let variables = environment_of(self.pid)?;
        self.is_alive().then_some(variables)
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.pid).ok()?)
    }
}

/// Ends every process whose marker begins so.
pub(crate) fn end_marked(marker: &str) {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let is_ours = || {
            environment_of(pid).is_some_and(|variables| variables.get(MARKER).is_some_and(|m| m.starts_with(marker)))
        };
        if !is_ours() {
            continue;
        }
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

/// What a child gets of this process's environment, so that programs are found and write text.
fn inherited() -> Vec<(&'static str, std::ffi::OsString)> {
    let default = |name, value: &str| (name, std::env::var_os(name).unwrap_or_else(|| value.into()));
    vec![default("PATH", "/usr/local/bin:/usr/bin:/bin"), default("HOME", "/"), default("LANG", "C.UTF-8")]
}

fn environment_of(pid: u32) -> Option<BTreeMap<String, String>> {
    let text = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let pair = |line: &String| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some(split(&text).iter().filter_map(pair).collect())
}

fn split(text: &[u8]) -> Vec<String> {
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    text.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
