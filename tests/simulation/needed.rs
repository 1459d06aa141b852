//! Every rule is needed: with one switched off, some seed goes wrong. And so the simulation sees it.

use std::sync::Mutex;

use trueup_state::rules::Rule;

use crate::seed::{How, run};

/// Where each rule was missed last. Another seed does as well: they are tried from the first on.
const MISSED: [(Rule, u64); 12] = [
    (Rule::AskingEndsNothing, 6),
    (Rule::WorldMoved, 5),
    (Rule::Deadline, 9),
    (Rule::TimeForACall, 26),
    (Rule::Fencing, 87),
    (Rule::SilenceIsNoAbsence, 17),
    (Rule::Park, 9),
    (Rule::WaitForPending, 43),
    (Rule::OnlyOurs, 21),
    (Rule::TokenLapses, 9),
    (Rule::Poll, 9),
    (Rule::LookByName, 76),
];

/// So many seeds are tried.
const MOST: u64 = 500;

/// Whether each rule is missed by some seed.
pub(crate) fn all() -> bool {
    let left = Mutex::new(Rule::ALL.to_vec());
    let needless = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(rule) = { left.lock().unwrap().pop() } {
                    match missed(rule) {
                        Some((seed, wrong)) => {
                            let wrong: String = wrong.lines().next().unwrap_or_default().chars().take(160).collect();
                            crate::say(&format!("without {rule:?}: seed {seed}: {wrong}"));
                        }
                        None => needless.lock().unwrap().push(rule),
                    }
                }
            });
        }
    });
    let needless = needless.into_inner().unwrap();
    if !needless.is_empty() {
        crate::say(&format!("no seed went wrong without {needless:?}"));
    }
    needless.is_empty()
}

/// A seed that goes wrong without a rule, and how.
fn missed(rule: Rule) -> Option<(u64, String)> {
    let known = MISSED.iter().filter(|(of, _)| *of == rule).map(|(_, seed)| *seed);
    let how = How { off: Some(rule), ..How::default() };
    known.chain(0..MOST).find_map(|seed| Some((seed, run(seed, &how).wrongs.into_iter().next()?)))
}
