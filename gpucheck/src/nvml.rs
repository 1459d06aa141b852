//! What NVML, the driver's management library, counts and sees. It may be missing: then what it would have told is not checked.

use std::sync::{Mutex, PoisonError};

use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enum_wrappers::device::{Clock, EccCounter, MemoryError, RetirementCause, TemperatureSensor};
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, EventSet, Nvml};

use crate::report::{Conditions, Counters, Outcome, PcieLink, Remapped};

/// The most NVLinks that a GPU has: 18 on Hopper and Blackwell.
const MOST_LINKS: u32 = 18;

/// NVML, where it is.
pub(crate) struct Library(Nvml);

impl Library {
    /// Loads it; an error says why it can't be.
    pub(crate) fn open() -> Result<Self, String> {
        Nvml::init().map(Self).map_err(|error| format!("NVML can't be asked: {error}"))
    }

    /// How many GPUs it sees.
    pub(crate) fn count(&self) -> Option<u32> {
        self.0.device_count().ok()
    }

    /// An eye on the GPU at an address on the bus.
    pub(crate) fn eye(&self, pci_address: &str) -> Result<Eye<'_>, String> {
        self.0
            .device_by_pci_bus_id(pci_address)
            .map(Eye)
            .map_err(|error| format!("NVML does not know {pci_address}: {error}"))
    }

    /// Listens to errors that the driver reports of these GPUs, from now on.
    pub(crate) fn listen<'a: 'e, 'e>(&'a self, eyes: impl Iterator<Item = &'e Eye<'a>>) -> Option<Ear<'a>> {
        let mut set = self.0.create_event_set().ok()?;
        for eye in eyes {
            set = eye.0.register_events(EventTypes::CRITICAL_XID_ERROR, set).ok()?;
        }
        Some(Ear(Mutex::new(set)))
    }
}

/// An ear for the driver's errors.
pub(crate) struct Ear<'a>(Mutex<EventSet<'a>>);

impl Ear<'_> {
    /// What was heard so far, each with the number that NVML has for its GPU. None where it could not be listened to.
    pub(crate) fn heard(&self) -> Option<Vec<(u32, u64)>> {
        let set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut heard = Vec::new();
        loop {
            match set.wait(1) {
                Ok(event) => {
                    let xid = match event.event_data {
                        Some(XidError::Value(xid)) => xid,
                        Some(XidError::Unknown) | None => 0,
                    };
                    heard.push((event.device.index().ok()?, xid));
                }
                Err(NvmlError::Timeout) => return Some(heard),
                Err(_) => return None,
            }
        }
    }
}

/// An eye on one GPU.
pub(crate) struct Eye<'a>(Device<'a>);

impl Eye<'_> {
    /// The number that NVML has for it.
    pub(crate) fn number(&self) -> Option<u32> {
        self.0.index().ok()
    }

    /// What is counted now.
    pub(crate) fn counters(&self) -> Counters {
        let errors = |kind, counter| self.0.total_ecc_errors(kind, counter).ok();
        Counters {
            corrected: errors(MemoryError::Corrected, EccCounter::Volatile),
            uncorrected: errors(MemoryError::Uncorrected, EccCounter::Volatile),
            uncorrected_ever: errors(MemoryError::Uncorrected, EccCounter::Aggregate),
            remapped: raw::remapped_rows(&self.0),
            retired_pages: self.retired_pages(),
            links: self.links(),
        }
    }

    fn retired_pages(&self) -> Option<(u32, bool)> {
        let count = |cause| self.0.retired_pages(cause).ok().and_then(|pages| u32::try_from(pages.len()).ok());
        let retired = count(RetirementCause::MultipleSingleBitEccErrors)? + count(RetirementCause::DoubleBitEccError)?;
        Some((retired, self.0.are_pages_pending_retired().ok()?))
    }

    /// How many NVLinks are up and down. A GPU without any has none of either.
    fn links(&self) -> Option<(u32, u32)> {
        let (mut up, mut down) = (0, 0);
        for link in 0..MOST_LINKS {
            match self.0.link_wrapper_for(link).is_active() {
                Ok(true) => up += 1,
                Ok(false) => down += 1,
                Err(NvmlError::NotSupported | NvmlError::InvalidArg) => break,
                Err(_) => return None,
            }
        }
        Some((up, down))
    }

    /// The link to the host, as it is now.
    pub(crate) fn link(&self) -> Outcome<PcieLink> {
        let link = || {
            Ok::<_, NvmlError>(PcieLink {
                generation: self.0.current_pcie_link_gen()?,
                width: self.0.current_pcie_link_width()?,
                most_generation: self.0.max_pcie_link_gen()?,
                most_width: self.0.max_pcie_link_width()?,
            })
        };
        link().map_or_else(
            |error| Outcome::not_checked(format!("NVML does not tell the link: {error}")),
            Outcome::Measured,
        )
    }

    /// Keeps this thread to the processors that are near the GPU, so that what it pins is too; where that can't be, it is as it was.
    pub(crate) fn stay_near(&self) {
        raw::stay_near(&self.0);
    }

    /// Adds what it is like now to what it was like.
    pub(crate) fn look(&self, conditions: &mut Conditions) {
        if let Ok(clock) = self.0.clock_info(Clock::SM) {
            let (least, most) = conditions.clock_mhz.unwrap_or((clock, clock));
            conditions.clock_mhz = Some((least.min(clock), most.max(clock)));
        }
        let temperature = self.0.temperature(TemperatureSensor::Gpu).ok();
        conditions.temperature = conditions.temperature.max(temperature);
        if let Ok(milliwatts) = self.0.power_usage() {
            let watts = f64::from(milliwatts) / 1000.0;
            conditions.power = Some(conditions.power.map_or(watts, |most| most.max(watts)));
        }
        if let Ok(reasons) = self.0.current_throttle_reasons() {
            conditions.throttle = Some(conditions.throttle.unwrap_or(0) | reasons.bits());
        }
    }
}

/// What the wrapper has no call for, or one that wants more than an eye.
#[allow(unsafe_code)]
mod raw {
    use super::{Device, Remapped};

    /// Rows of memory that were replaced; none where NVML has no such call, or the GPU no such rows.
    pub(super) fn remapped_rows(device: &Device) -> Option<Remapped> {
        let symbol = device.nvml().lib().nvmlDeviceGetRemappedRows.as_ref().ok()?;
        let (mut corrected, mut uncorrected, mut pending, mut failed) = (0, 0, 0, 0);
        // SAFETY: the handle is the wrapper's own and alive, and the call writes four integers.
        let code = unsafe {
            symbol(device.handle(), &raw mut corrected, &raw mut uncorrected, &raw mut pending, &raw mut failed)
        };
        (code == 0).then_some(Remapped { corrected, uncorrected, pending: pending != 0, failed: failed != 0 })
    }

    /// Keeps this thread to the processors near a GPU, where the system lets it.
    pub(super) fn stay_near(device: &Device) {
        // SAFETY: the handle is the wrapper's own and alive. It is asked for to be changed, and what changes is this thread.
        let mut own = unsafe { Device::new(device.handle(), device.nvml()) };
        let _ = own.set_cpu_affinity();
    }
}
