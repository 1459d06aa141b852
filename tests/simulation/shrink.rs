//! Makes a script that fails smaller: leaves out of it whatever it fails without.

use std::collections::BTreeSet;

use crate::seed::{How, Outcome, run};

/// How many times a script is tried.
const TRIES: usize = 300;

/// The parts that a script fails without, and what goes wrong then.
pub(crate) fn smallest(seed: u64, outcome: &Outcome, how: &How) -> (BTreeSet<usize>, Vec<String>) {
    let (mut without, mut wrongs) = (how.without.clone(), outcome.wrongs.clone());
    let mut tries = 0;
    let mut size = outcome.parts / 2;
    while size > 0 {
        for from in (0..outcome.parts).step_by(size) {
            let more: BTreeSet<usize> = without.iter().copied().chain(from..from + size).collect();
            if more.len() == without.len() || tries == TRIES {
                continue;
            }
            tries += 1;
            let smaller = run(seed, &How { without: more.clone(), tells: false, ..how.clone() });
            if !smaller.wrongs.is_empty() {
                (without, wrongs) = (more, smaller.wrongs);
            }
        }
        size /= 2;
    }
    without.retain(|part| *part < outcome.parts);
    (without, wrongs)
}
