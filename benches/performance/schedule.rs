//! How well an apply uses the time it has, on a paused clock and a toy cloud: what is measured is the order of calls, not this machine.

use crate::row;
use crate::schedules::{Graph, Limit, done_a_second};

/// How many graphs are tried.
const GRAPHS: u64 = 200;

pub(crate) fn measure() {
    let ratios: Vec<f64> = (0..GRAPHS).map(Graph::of).map(|graph| graph.makespan() / graph.bound()).collect();
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    let worst = ratios.iter().copied().fold(0.0, f64::max);
    row(
        "an apply's makespan over its lower bound (the longest path, or work over places), 200 random graphs, paused clock",
        &format!("mean {mean:.3}, worst {worst:.3}"),
    );
    let limit = Limit { rate: 100.0, burst: 10.0, whole_seconds: false };
    let (done, refused) = done_a_second(3_000, limit);
    row(
        "an apply of 3,000 under a limit of 100 calls a second, paused clock",
        &format!("{done:.1} done a second, none failed, {:.1} % of calls refused and tried again", refused * 100.0),
    );
}
