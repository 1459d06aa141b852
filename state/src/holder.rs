//! Who holds a lease, and whether they are still there.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// The process that holds a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The machine's name.
    pub host: String,
    /// The machine's boot: process ids mean something within one only.
    pub boot_id: String,
    /// The process.
    pub pid: u32,
    /// When it started, in the kernel's own count: a process id may be used again.
    pub process_start: u64,
    /// What it does: `apply`, `destroy`, `drift --correct`.
    pub operation: String,
    /// Since when.
    pub since: Timestamp,
    /// How long a lease of it lasts without being renewed, in milliseconds where it is written.
    #[serde(rename = "term_ms", default = "usual_term", with = "millis")]
    pub term: Duration,
}

/// How long a lease lasts without being renewed, where nothing else is asked for.
pub const TERM: Duration = Duration::from_mins(1);

fn usual_term() -> Duration {
    TERM
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`trueup {}`, process {} on {}", self.operation, self.pid, self.host)
    }
}

/// What a store asks about processes.
pub trait Processes: Send + Sync + fmt::Debug {
    /// Whether the holder is certainly gone: its process ended, or its machine booted since. A holder elsewhere is never certain.
    fn is_gone(&self, holder: &Holder) -> bool;
}

/// The processes of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThisHost;

impl ThisHost {
    /// This process, as the holder of a lease.
    pub fn holder(operation: impl Into<String>, since: Timestamp) -> Holder {
        let pid = std::process::id();
        Holder {
            host: host_name(),
            boot_id: boot_id(),
            pid,
            process_start: process_start(pid).unwrap_or(0),
            operation: operation.into(),
            since,
            term: TERM,
        }
    }
}

impl Processes for ThisHost {
    fn is_gone(&self, holder: &Holder) -> bool {
        if holder.host != host_name() || holder.boot_id.is_empty() {
            return false;
        }
        holder.boot_id != boot_id() || process_start(holder.pid) != Some(holder.process_start)
    }
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Linux tells it; elsewhere it is empty, and only the deadline frees a lease.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// When a process started, in clock ticks since boot: field 22 of `/proc/PID/stat`, counted after the command's closing bracket.
/// None for a process that is gone or only waits to be reaped.
pub fn process_start(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    match *fields.first()? {
        "Z" | "X" => None,
        _ => fields.get(19)?.parse().ok(),
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_another_start_is_not() {
        let mut holder = ThisHost::holder("apply", Timestamp(0));
        assert!(!ThisHost.is_gone(&holder));
        holder.process_start += 1;
        assert!(ThisHost.is_gone(&holder));
    }

    #[test]
    fn a_holder_of_before_there_were_terms_has_the_usual_one() {
        let holder = ThisHost::holder("apply", Timestamp(0));
        let mut json = serde_json::to_value(&holder).unwrap();
        assert_eq!(json["term_ms"], 60_000);
        json.as_object_mut().unwrap().remove("term_ms");
        assert_eq!(serde_json::from_value::<Holder>(json).unwrap(), holder);
        let short = Holder { term: Duration::from_secs(2), ..holder };
        assert_eq!(serde_json::from_value::<Holder>(serde_json::to_value(&short).unwrap()).unwrap(), short);
    }

    #[test]
    fn a_holder_elsewhere_is_never_certainly_gone() {
        let mut holder = ThisHost::holder("apply", Timestamp(0));
        holder.host.push('x');
        holder.process_start += 1;
        assert!(!ThisHost.is_gone(&holder));
    }
}
