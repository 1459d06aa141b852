//! Large stacks, on the provider `sim`: every figure is of the whole process.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::process::{Run, median, times, trueup};
use crate::row;

/// How often a run is repeated that takes a second or so.
const RUNS: usize = 5;

/// The settings of a cloud that answers at once.
pub(crate) const AT_ONCE: &str = "page_size: 1000";

const LARGE: usize = 100_000;
const SMALL: usize = 10_000;

/// A stack in a directory of its own.
pub(crate) struct Estate {
    directory: tempfile::TempDir,
    resources: usize,
}

impl Estate {
    /// So many resources with three expressions each, which read one more; beside them a lone one.
    pub(crate) fn new(resources: usize, settings: &str) -> Self {
        let estate = Self { directory: tempfile::tempdir().expect("a temporary directory"), resources };
        estate.write(settings, "as it was");
        estate
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, settings: &str, lone: &str) {
        let text = format!(
            "blueprint: bench\n\
             variables: {{ team: {{ type: string, default: search }} }}\n\
             providers: {{ sim: {{ {settings} }} }}\n\
             resources:\n  \
               base: {{ kind: \"Sim::Thing\", properties: {{ text: base }} }}\n  \
               lone: {{ kind: \"Sim::Thing\", properties: {{ text: {lone} }} }}\n  \
               thing:\n    \
                 kind: Sim::Thing\n    \
                 for_each: \"{{{{ range({}) }}}}\"\n    \
                 properties:\n      \
                   text: \"thing {{{{ each.value }}}} of {{{{ var.team }}}}\"\n      \
                   size: \"{{{{ each.value * 2 }}}}\"\n      \
                   labels: {{ team: \"{{{{ var.team }}}}\", base: \"{{{{ base.resource_id }}}}\" }}\n",
            self.resources
        );
        fs::write(self.path().join("blueprint.yaml"), text).expect("the blueprint is written");
    }

    fn run(&self, arguments: &[&str], code: i32) -> Run {
        trueup(self.path(), arguments, &[code])
    }

    pub(crate) fn apply(&self) -> Run {
        self.run(&["apply", "--yes", "--parallelism", "32"], 0)
    }

    fn plan_unrefreshed(&self, code: i32) -> Run {
        self.run(&["plan", "--refresh=false"], code)
    }

    /// How often the cloud was asked for a list.
    fn lists(&self) -> usize {
        let calls = self.run(&["sim", "calls", "--json"], 0).output.stdout;
        String::from_utf8_lossy(&calls).lines().filter(|line| line.contains("\"call\":\"list\"")).count()
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn rate(operations: usize, time: Duration) -> f64 {
    operations as f64 / time.as_secs_f64()
}

/// An apply with a cloud that takes no time, so that what is measured is ours; the journal is on disk.
pub(crate) fn apply() {
    let of = |resources| {
        let run = || {
            let estate = Estate::new(resources, "memory: true");
            estate.apply().took
        };
        median(&times(3, run))
    };
    let took = of(SMALL);
    let figure = format!("median {} of 3 runs: {:.0} operations a second", seconds(took), rate(SMALL + 2, took));
    row("`apply` of 10,000, a cloud in memory that takes no time, journal on disk", &figure);
}

/// A stack of 100,000 from its apply to its destroy, and what its plans are compared with.
pub(crate) fn large() {
    let small = Estate::new(SMALL, AT_ONCE);
    small.apply();
    let large = Estate::new(LARGE, AT_ONCE);
    let applied = large.apply().took;
    nothing_to_do(&small, &large);
    one_change(&large);
    refresh(&large);
    let destroyed = large.run(&["destroy", "--yes", "--parallelism", "32"], 0).took;
    let figure = format!("{} · {}", seconds(applied), seconds(destroyed));
    row("`apply` · `destroy` of 100,000, a cloud in a file", &figure);
}

/// Plans of stacks that are as they should be.
fn nothing_to_do(small: &Estate, large: &Estate) {
    let runs = |estate: &Estate| -> Vec<Run> { (0..=RUNS).map(|_| estate.plan_unrefreshed(0)).skip(1).collect() };
    let [small, large] = [runs(small), runs(large)];
    let middle = |runs: &[Run]| {
        let mut took: Vec<Duration> = runs.iter().map(|run| run.took).collect();
        took.sort();
        median(&took)
    };
    let peak = large.iter().map(Run::peak).max().unwrap_or_default();
    let figure = format!("median {} of {RUNS} runs, {peak} MiB", seconds(middle(&large)));
    row("`plan` of 100,000, nothing to do, no refresh", &figure);
    let ratio = middle(&large).as_secs_f64() / middle(&small).as_secs_f64();
    let figure = format!("{}, {ratio:.1}", seconds(middle(&small)));
    row("the same of 10,000, and how many times that the former takes", &figure);
    phases(&small, &large);
}

/// Each phase of both, and how much longer the larger takes.
fn phases(small: &[Run], large: &[Run]) {
    let of = |runs: &[Run], phase: &str| {
        let mut all: Vec<f64> = runs.iter().filter_map(|run| run.phases().get(phase).copied()).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    let words = ["load", "state", "prepare", "plan", "draw"].map(|name| {
        let (small, large) = (of(small, name), of(large, name));
        format!("{name} {large:.1} ms ({:.1})", large / small)
    });
    row("its phases, and how many times those of 10,000 they take; the first two go on at once", &words.join(" · "));
}

/// One of them is edited, and edited back: the two are measured by turns, for a machine is not the same from one minute to the next.
fn one_change(estate: &Estate) {
    let turn = |lone, code| {
        estate.write(AT_ONCE, lone);
        estate.plan_unrefreshed(code).took
    };
    let turns = (0..RUNS).map(|_| (turn("as it is to be", 2), turn("as it was", 0)));
    let (mut one, mut nothing): (Vec<Duration>, Vec<Duration>) = turns.unzip();
    one.sort();
    nothing.sort();
    let (one, nothing) = (median(&one), median(&nothing));
    let more = (one.as_secs_f64() / nothing.as_secs_f64() - 1.0) * 100.0;
    row("`plan` of one change among 100,000, and how much more that is", &format!("{}, {more:+.1} %", seconds(one)));
}

/// What is there is asked of a cloud that takes 20 ms to answer.
fn refresh(estate: &Estate) {
    estate.write("page_size: 1000, latency: 20ms", "as it was");
    let before = estate.lists();
    let took = estate.run(&["plan"], 0).took;
    let calls = estate.lists() - before;
    estate.write(AT_ONCE, "as it was");
    row("`plan` of 100,000 with a refresh, pages of 1,000, 20 ms a call", &format!("{}, {calls} calls", seconds(took)));
}
