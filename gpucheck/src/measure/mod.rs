//! Measures all GPUs of a machine, in the process that talks to the driver.
#![allow(clippy::cast_precision_loss)] // Bytes and operations, of which rates are made.

mod bandwidth;
mod burn;
mod copies;
mod device;
mod effort;
mod kernels;
mod library;
mod memory;
mod pairs;
mod products;
mod rates;
mod steps;
mod watch;

use std::sync::{Mutex, PoisonError};

use self::device::{Device, DeviceError};
use self::effort::Effort;
use self::steps::Steps;
use self::watch::Watch;
use crate::events::{Event, Listener};
use crate::format::TensorType;
use crate::nvml::{Eye, Library};
use crate::report::{Correctness, Gpu, Incident, Level, Outcome, Pair, Quantity, Report, least_capability};

/// What is to be measured.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// How much.
    pub level: Level,
    /// How long to burn, where the level is to burn.
    pub burn_seconds: f64,
}

/// Measures everything and tells as it goes. Returns when all is told; a driver that hangs keeps it for ever.
pub fn run(asked: Asked, listener: &dyn Listener) {
    if let Some(reason) = crate::probe::driver_missing() {
        return listener.tell(Event::Absent { reason: format!("the driver's library can't be loaded: {reason}") });
    }
    let mut report = Report::new(asked.level);
    match steps::guarded(device::count) {
        Ok(0) => return listener.tell(Event::Absent { reason: "the driver sees no GPU".into() }),
        Err(reason) if is_absence(&reason) => {
            return listener.tell(Event::Absent { reason: format!("the driver sees no GPU: {reason}") });
        }
        Ok(count) => measure(asked, count, &mut report, listener),
        Err(error) => report.incidents.push(Incident::Refused { what: "to count GPUs".into(), error }),
    }
    listener.tell(Event::Report { report: Box::new(report) });
    listener.tell(Event::Done);
}

/// Codes of a driver that has nothing to drive.
fn is_absence(reason: &str) -> bool {
    reason.contains("CUDA_ERROR_NO_DEVICE") || reason.contains("CUDA_ERROR_STUB_LIBRARY")
}

fn measure(asked: Asked, count: u32, report: &mut Report, listener: &dyn Listener) {
    let effort = Effort::of(asked.level, asked.burn_seconds);
    let steps = Steps::new(listener, count);
    report.driver = steps::guarded(device::driver_version).ok();
    let devices = open(count, report, &steps);
    let library = Library::open();
    let watch = Watch::new(library.as_ref(), report);
    report.seen_by_nvml = library.as_ref().ok().and_then(Library::count);
    steps.tell(report);

    // What is known is told after each step: a crash or a hang in the next takes nothing of it away.
    correctness(&devices, report, &effort, &steps);
    rates_of(&devices, report, &effort, &steps);
    library_of(&devices, report, &effort, &steps);
    copies_of(&devices, report, &effort, &steps, &watch);
    pairs_of(&devices, report, &effort, &steps);
    if let Some(seconds) = effort.burn {
        let burns = steps.at_once(&devices, "burn", |device| {
            let step = Steps::named("burn", device.index);
            let tick = |done| listener.tell(Event::Tick { step: step.clone(), seconds: done, of: seconds });
            burn::measure(device, seconds, watch.eye(device.index), tick)
        });
        burns.into_iter().for_each(|(index, outcome)| report.gpus[index as usize].burn = outcome);
    }
    watch.end(report);
}

/// Opens every GPU that lets itself be opened.
fn open(count: u32, report: &mut Report, steps: &Steps) -> Vec<Device> {
    let mut devices = Vec::new();
    for index in 0..count {
        let mut gpu = Gpu::new(index);
        let opened = steps.one("identity", index, || {
            let device = Device::open(index)?;
            let identity = device.identity()?;
            Ok((device, identity))
        });
        gpu.identity = part(&opened, |(_, identity)| identity.clone());
        report.gpus.push(gpu);
        if let Outcome::Measured((device, _)) = opened {
            devices.push(device);
        }
    }
    devices
}

fn has(device: &Device, kind: TensorType) -> bool {
    device.capability >= least_capability(kind)
}

/// The exact products, and the patterns of memory.
fn correctness(devices: &[Device], report: &mut Report, effort: &Effort, steps: &Steps) {
    for kind in [None].into_iter().chain(TensorType::ALL.map(Some)) {
        let what = format!("product_{}", kind.map_or("fp32", TensorType::name));
        let able = devices.iter().filter(|device| kind.is_none_or(|kind| has(device, kind)));
        let outcomes = steps.at_once(able, &what, |device| products::measure(device, kind, effort));
        for (index, outcome) in outcomes {
            report.gpus[index as usize].answers.insert(what.clone(), outcome);
        }
        steps.tell(report);
    }
    let outcomes = steps.at_once(devices, "memory", |device| memory::measure(device, effort));
    outcomes.into_iter().for_each(|(index, outcome)| report.gpus[index as usize].memory = outcome);
    steps.tell(report);
}

/// Bandwidth of memory, and rates: all GPUs at once, since that is how they will be used.
fn rates_of(devices: &[Device], report: &mut Report, effort: &Effort, steps: &Steps) {
    for (index, outcome) in steps.at_once(devices, "bandwidth", |device| bandwidth::measure(device, effort)) {
        let gpu = &mut report.gpus[index as usize];
        gpu.figures.insert(Quantity::CopyBandwidth, part(&outcome, |found| found.copy.clone()));
        gpu.figures.insert(Quantity::TriadBandwidth, part(&outcome, |found| found.triad.clone()));
        gpu.answers.insert("bandwidth".into(), part(&outcome, |found| found.answers.clone()));
    }
    steps.tell(report);
    for kind in [None].into_iter().chain(TensorType::ALL.map(Some)) {
        let quantity = kind.map_or(Quantity::Fp32Rate, Quantity::rate);
        let able = devices.iter().filter(|device| kind.is_none_or(|kind| has(device, kind)));
        let outcomes = steps.at_once(able, quantity.name(), |device| match kind {
            None => rates::fp32(device, effort),
            Some(kind) => rates::tensor(device, kind, effort),
        });
        for (index, outcome) in outcomes {
            let gpu = &mut report.gpus[index as usize];
            gpu.figures.insert(quantity, part(&outcome, |(figures, _)| figures.clone()));
            gpu.answers.insert(quantity.name().into(), part(&outcome, |(_, answers)| answers.clone()));
        }
        steps.tell(report);
    }
}

/// The same by cuBLASLt, where it is.
fn library_of(devices: &[Device], report: &mut Report, effort: &Effort, steps: &Steps) {
    if !library::is_present() {
        return;
    }
    for kind in TensorType::ALL {
        let quantity = Quantity::library(kind);
        let able = devices.iter().filter(|device| has(device, kind));
        for (index, outcome) in steps.at_once(able, quantity.name(), |device| library::measure(device, kind, effort)) {
            report.gpus[index as usize].figures.insert(quantity, outcome);
        }
        steps.tell(report);
    }
}

/// Pinned copies: one GPU at a time, since they share the host's memory and links.
fn copies_of(devices: &[Device], report: &mut Report, effort: &Effort, steps: &Steps, watch: &Watch) {
    for device in devices {
        let link = Mutex::new(Outcome::not_checked("nothing was copied over it"));
        // In a thread of its own, which stays near this GPU.
        let outcomes = steps.at_once([device], "copies", |device| {
            watch.eye(device.index).into_iter().for_each(Eye::stay_near);
            let look = || *link.lock().unwrap_or_else(PoisonError::into_inner) = watch.link(device.index);
            copies::measure(device, effort, look)
        });
        let Some((_, outcome)) = outcomes.into_iter().next() else { continue };
        let gpu = &mut report.gpus[device.index as usize];
        gpu.figures.insert(Quantity::HostToDevice, part(&outcome, |found| found.there.clone()));
        gpu.figures.insert(Quantity::DeviceToHost, part(&outcome, |found| found.back.clone()));
        gpu.answers.insert("copies".into(), part(&outcome, |found| found.answers.clone()));
        gpu.pcie = link.into_inner().unwrap_or_else(PoisonError::into_inner);
        steps.tell(report);
    }
}

fn pairs_of(devices: &[Device], report: &mut Report, effort: &Effort, steps: &Steps) {
    let all = devices.iter().flat_map(|from| devices.iter().map(move |to| (from, to)));
    for (from, to) in all.filter(|(from, to)| from.index != to.index) {
        let name = format!("→ {}", to.index);
        let direct = steps.one(&format!("direct {name}"), from.index, || pairs::direct(from, to, effort));
        let staged = steps.one(&format!("staged {name}"), from.index, || pairs::staged(from, to, effort));
        let sent = part(&direct, |(_, answers)| answers.clone()).flat();
        let direct = part(&direct, |(figures, _)| figures.clone()).flat();
        let came = part(&staged, |(_, answers)| answers.clone());
        let staged = part(&staged, |(figures, _)| figures.clone());
        report.pairs.push(Pair { from: from.index, to: to.index, direct, staged, intact: both(sent, came) });
        steps.tell(report);
    }
}

/// What came on both ways together; the worse of the two where one did not.
fn both(sent: Outcome<Correctness>, came: Outcome<Correctness>) -> Outcome<Correctness> {
    match (sent, came) {
        (Outcome::Measured(mut sent), Outcome::Measured(came)) => {
            sent.compared += came.compared;
            sent.wrong += came.wrong;
            sent.first_wrong = sent.first_wrong.or(came.first_wrong);
            Outcome::Measured(sent)
        }
        (Outcome::Inapplicable { .. } | Outcome::Measured(_), came) => came,
        (sent, _) => sent,
    }
}

/// A part of what was measured, or why it was not.
fn part<T, P>(outcome: &Outcome<T>, of: impl FnOnce(&T) -> P) -> Outcome<P> {
    match outcome {
        Outcome::Measured(found) => Outcome::Measured(of(found)),
        Outcome::NotChecked { reason } => Outcome::NotChecked { reason: reason.clone() },
        Outcome::Failed { error } => Outcome::Failed { error: error.clone() },
        Outcome::Inapplicable { reason } => Outcome::Inapplicable { reason: reason.clone() },
    }
}

/// Does work over and over for so many seconds by the GPU's clock.
fn warm_up(device: &Device, seconds: f64, work: &dyn Fn() -> Result<(), DeviceError>) -> Result<(), DeviceError> {
    let mut worked = 0.0;
    while worked < seconds {
        worked += device.timed(|| (0..16).try_for_each(|_| work()))?.max(1e-6);
    }
    Ok(())
}

/// Runs work once to warm up, and then as often as is asked, each time as often over as makes a sample long enough; the seconds
/// that it takes once.
fn repeat(
    device: &Device,
    effort: &Effort,
    work: &dyn Fn() -> Result<(), DeviceError>,
) -> Result<Vec<f64>, DeviceError> {
    device.timed(work)?;
    let once = device.timed(work)?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Between 1 and 10000.
    let times = (effort.sample / once).clamp(1.0, 10_000.0) as u32;
    let sample = || device.timed(|| (0..times).try_for_each(|_| work())).map(|seconds| seconds / f64::from(times));
    (0..effort.repetitions).map(|_| sample()).collect()
}
