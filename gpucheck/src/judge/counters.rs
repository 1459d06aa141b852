//! What NVML counts: errors of memory, rows that were replaced, errors that the driver reported, links that are down.

use super::{Finding, Known, Subject, Verdict};
use crate::report::{Counters, Outcome, Watched};

/// More rows replaced than this and the board is worn (`AzNHC`).
const MOST_REMAPPED: u32 = 512;
/// As many pages given up, and more to be, and it is too (`AzNHC`, for Volta).
const MOST_RETIRED: u32 = 62;
/// XIDs that tell of a fault of the GPU, its memory or its links: `AzNHC`'s list, and 94 and 95, errors of memory that were contained
/// and not. Others (13 and 31 are a program's own) are a warning.
const FAULTS: [u64; 20] = [48, 56, 57, 58, 62, 63, 64, 65, 68, 69, 73, 74, 79, 80, 81, 92, 94, 95, 119, 120];

/// All of one GPU.
pub(super) fn gpu(known: &Known) -> Vec<Finding> {
    let subject = Subject::Gpu(known.gpu.index);
    match &known.gpu.counters {
        Outcome::Measured(watched) => {
            let judged = [
                ("ecc", ecc(watched)),
                ("row_remap", rows(watched)),
                ("xid", xids(watched)),
                ("nvlink", links(watched)),
            ];
            judged.into_iter().filter_map(|(what, judged)| judged.finding(subject, what)).collect()
        }
        Outcome::Failed { error: reason } | Outcome::NotChecked { reason } | Outcome::Inapplicable { reason } => {
            let not_checked = |what| Finding::new(subject, what, Verdict::NotChecked, reason);
            ["ecc", "row_remap", "xid", "nvlink"].map(not_checked).into()
        }
    }
}

/// What a rule says: a verdict with its reason, or that there is nothing of the kind.
enum Judged {
    Is(Verdict, String),
    Nothing,
}

impl Judged {
    fn is(verdict: Verdict, reason: impl Into<String>) -> Self {
        Self::Is(verdict, reason.into())
    }

    fn finding(self, subject: Subject, what: &str) -> Option<Finding> {
        match self {
            Self::Is(verdict, reason) => Some(Finding::new(subject, what, verdict, reason)),
            Self::Nothing => None,
        }
    }
}

/// By how much a counter grew; one that fell was reset, and counts whole.
fn growth(watched: &Watched, counter: fn(&Counters) -> Option<u64>) -> Option<u64> {
    let (before, after) = (counter(&watched.before)?, counter(&watched.after)?);
    Some(after.checked_sub(before).unwrap_or(after))
}

fn ecc(watched: &Watched) -> Judged {
    let Some(uncorrected) = watched.after.uncorrected else {
        return Judged::is(Verdict::NotChecked, "NVML counts no errors here: ECC is off, or the board has none");
    };
    if let Some(grown @ 1..) = growth(watched, |counters| counters.uncorrected) {
        return Judged::is(
            Verdict::Fail,
            format!("{grown} errors of memory that could not be corrected, during the run"),
        );
    }
    if uncorrected > 0 {
        return Judged::is(
            Verdict::Fail,
            format!("{uncorrected} errors of memory that could not be corrected, since the driver was loaded"),
        );
    }
    match growth(watched, |counters| counters.corrected) {
        Some(grown @ 1..) => {
            Judged::is(Verdict::Warn, format!("{grown} errors of memory were corrected during the run"))
        }
        Some(0) => Judged::is(Verdict::Pass, "no errors of memory during the run"),
        None => {
            Judged::is(Verdict::NotChecked, "no errors that could not be corrected; of the others NVML does not say")
        }
    }
}

fn rows(watched: &Watched) -> Judged {
    if let Some(rows) = &watched.after.remapped {
        return if rows.failed {
            Judged::is(Verdict::Fail, "a row of memory could not be replaced: there is no spare one left")
        } else if rows.pending {
            Judged::is(Verdict::Fail, "a row of memory waits to be replaced: the GPU must be reset")
        } else if rows.uncorrected > MOST_REMAPPED {
            Judged::is(
                Verdict::Fail,
                format!("{} rows of memory were replaced, more than {MOST_REMAPPED}", rows.uncorrected),
            )
        } else if rows.uncorrected > 0 {
            Judged::is(Verdict::Warn, format!("{} rows of memory were replaced after errors", rows.uncorrected))
        } else {
            Judged::is(Verdict::Pass, "no row of memory was replaced after an error that could not be corrected")
        };
    }
    match watched.after.retired_pages {
        Some((retired, true)) if retired >= MOST_RETIRED => {
            Judged::is(Verdict::Fail, format!("{retired} pages of memory were given up, and more wait to be"))
        }
        Some((retired, true)) => {
            Judged::is(Verdict::Warn, format!("{retired} pages of memory were given up, and more wait to be"))
        }
        Some((retired, false)) if retired >= MOST_RETIRED => {
            Judged::is(Verdict::Warn, format!("{retired} pages of memory were given up"))
        }
        Some((_, false)) => Judged::is(Verdict::Pass, "no page of memory waits to be given up"),
        None => Judged::is(Verdict::NotChecked, "NVML does not say which rows were replaced"),
    }
}

fn xids(watched: &Watched) -> Judged {
    let Some(xids) = &watched.xids else {
        return Judged::is(Verdict::NotChecked, "the driver's errors could not be listened to");
    };
    let list = xids.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    if xids.iter().any(|xid| FAULTS.contains(xid)) {
        Judged::is(Verdict::Fail, format!("the driver reported XID {list}"))
    } else if xids.is_empty() {
        Judged::is(Verdict::Pass, "the driver reported no error during the run")
    } else {
        Judged::is(Verdict::Warn, format!("the driver reported XID {list}, which may be a program's fault"))
    }
}

fn links(watched: &Watched) -> Judged {
    match watched.after.links {
        Some((_, down @ 1..)) => Judged::is(Verdict::Fail, format!("{down} NVLinks are down")),
        Some((0, 0)) => Judged::Nothing,
        Some((up, 0)) => Judged::is(Verdict::Pass, format!("all {up} NVLinks are up")),
        None => Judged::is(Verdict::NotChecked, "NVML does not say which NVLinks are up"),
    }
}
