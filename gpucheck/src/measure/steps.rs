//! One step after the other, each told as it begins and ends; what goes wrong in one ends that one alone.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use super::device::{Device, DeviceError};
use crate::events::{Event, Listener};
use crate::report::{Outcome, Report};

/// Tells of steps.
pub(super) struct Steps<'a> {
    listener: &'a dyn Listener,
    done: AtomicU32,
    of: u32,
}

impl<'a> Steps<'a> {
    /// For so many GPUs.
    pub(super) fn new(listener: &'a dyn Listener, gpus: u32) -> Self {
        // Identity, five products, memory, bandwidth, five rates and copies of each GPU; two for each pair.
        let of = 14 * gpus + 2 * gpus * gpus.saturating_sub(1);
        Self { listener, done: AtomicU32::new(0), of }
    }

    /// Tells all that is known so far.
    pub(super) fn tell(&self, report: &Report) {
        self.listener.tell(Event::Report { report: Box::new(report.clone()) });
    }

    /// What a step on a GPU is called.
    pub(super) fn named(what: &str, index: u32) -> String {
        format!("{what} on GPU {index}")
    }

    /// One step.
    pub(super) fn one<T>(&self, what: &str, index: u32, work: impl FnOnce() -> Result<T, DeviceError>) -> Outcome<T> {
        let step = Self::named(what, index);
        let done = self.done.fetch_add(1, Ordering::Relaxed);
        self.listener.tell(Event::Begin { step: step.clone(), done, of: self.of.max(done + 1) });
        let outcome = match catch(work) {
            Ok(Ok(found)) => Outcome::Measured(found),
            Ok(Err(error @ (DeviceError::TooOld { .. } | DeviceError::Library(_)))) => {
                Outcome::not_checked(error.to_string())
            }
            Ok(Err(error @ DeviceError::NoKernel(_))) => Outcome::Inapplicable { reason: error.to_string() },
            Ok(Err(error)) => Outcome::Failed { error: error.to_string() },
            Err(error) => Outcome::Failed { error },
        };
        self.listener.tell(Event::End { step });
        outcome
    }

    /// One step on each of several GPUs, all at once; by their numbers.
    pub(super) fn at_once<'d, T: Send>(
        &self,
        devices: impl IntoIterator<Item = &'d Device>,
        what: &str,
        work: impl Fn(&Device) -> Result<T, DeviceError> + Sync,
    ) -> Vec<(u32, Outcome<T>)> {
        std::thread::scope(|scope| {
            let run = |device: &'d Device| {
                let work = &work;
                (device.index, scope.spawn(move || self.one(what, device.index, || work(device))))
            };
            let running: Vec<_> = devices.into_iter().map(run).collect();
            let ended = |panic: Box<dyn Any + Send>| Outcome::Failed { error: said(&*panic) };
            running.into_iter().map(|(index, thread)| (index, thread.join().unwrap_or_else(ended))).collect()
        })
    }
}

/// Runs what may panic, as the bindings do where the driver lacks a symbol; an error is what was said then.
fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| said(&*panic))
}

/// The same of a call to the driver, with its error in words.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, DeviceError>) -> Result<T, String> {
    catch(work)?.map_err(|error| error.to_string())
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("it panicked");
    match text.strip_prefix("Missing symbol ").and_then(|rest| rest.split_once(':')) {
        Some((symbol, _)) => format!("the driver is too old: it lacks {symbol}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_a_missing_symbol_is_told_by_its_name() {
        let caught = |text: &'static str| guarded::<()>(move || panic!("{text}")).unwrap_err();
        assert_eq!(caught("something"), "something");
        assert_eq!(caught("Missing symbol cuFoo_v2: dlsym failed"), "the driver is too old: it lacks cuFoo_v2");
        assert_eq!(guarded::<()>(|| Err(DeviceError::NoTime)).unwrap_err(), "the driver's clock stood still");
    }
}
