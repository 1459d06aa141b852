//! The symbols of NVML that are asked for, as <https://docs.nvidia.com/deploy/nvml-api/> has them.

use std::ffi::{CStr, c_char, c_uint, c_ulonglong};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::settings::{Gpu, settings};

type Code = c_uint;
/// A GPU by its number and one more.
type Device = usize;
const SUCCESS: Code = 0;
const NOT_SUPPORTED: Code = 3;
const NOT_FOUND: Code = 6;
const TIMEOUT: Code = 10;

fn facts(device: Device) -> &'static Gpu {
    &settings().gpus[device - 1]
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInit_v2() -> Code {
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn nvmlShutdown() -> Code {
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> Code {
    unsafe { *count = settings().gpus.len() as c_uint };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByPciBusId_v2(address: *const c_char, device: *mut Device) -> Code {
    // `domain:bus:slot.function`, in hexadecimal digits.
    let text = unsafe { CStr::from_ptr(address) }.to_string_lossy().into_owned();
    let bus = text.split(':').nth(1).and_then(|bus| usize::from_str_radix(bus, 16).ok());
    match bus.and_then(|bus| bus.checked_sub(0x10)).filter(|index| *index < settings().gpus.len()) {
        Some(index) => {
            unsafe { *device = index + 1 };
            SUCCESS
        }
        None => NOT_FOUND,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetIndex(device: Device, index: *mut c_uint) -> Code {
    unsafe { *index = device as c_uint - 1 };
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceSetCpuAffinity(_device: Device) -> Code {
    SUCCESS
}

/// How often each GPU's counters were looked at.
static LOOKS: [[AtomicU32; 2]; 16] = [const { [const { AtomicU32::new(0) }; 2] }; 16];

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTotalEccErrors(
    device: Device,
    kind: c_uint,
    counter: c_uint,
    count: *mut c_ulonglong,
) -> Code {
    let facts = facts(device);
    if !facts.ecc {
        return NOT_SUPPORTED;
    }
    let found = if kind == 0 { facts.counted.corrected } else { facts.counted.uncorrected };
    let is_first = counter == 0 && LOOKS[(device - 1) % 16][kind as usize % 2].fetch_add(1, Ordering::SeqCst) == 0;
    unsafe { *count = if is_first { found.0 } else { found.1 } };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetRemappedRows(
    device: Device,
    corrected: *mut c_uint,
    uncorrected: *mut c_uint,
    pending: *mut c_uint,
    failed: *mut c_uint,
) -> Code {
    match facts(device).counted.rows {
        Some(rows) => {
            unsafe { (*corrected, *uncorrected, *pending, *failed) = rows };
            SUCCESS
        }
        None => NOT_SUPPORTED,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetNvLinkState(device: Device, link: c_uint, active: *mut c_uint) -> Code {
    let (up, down) = facts(device).counted.links;
    if link >= up + down {
        return NOT_SUPPORTED;
    }
    unsafe { *active = c_uint::from(link < up) };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCurrPcieLinkGeneration(device: Device, generation: *mut c_uint) -> Code {
    unsafe { *generation = facts(device).pcie.0 };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCurrPcieLinkWidth(device: Device, width: *mut c_uint) -> Code {
    unsafe { *width = facts(device).pcie.1 };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMaxPcieLinkGeneration(device: Device, generation: *mut c_uint) -> Code {
    unsafe { *generation = facts(device).pcie.2 };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMaxPcieLinkWidth(device: Device, width: *mut c_uint) -> Code {
    unsafe { *width = facts(device).pcie.3 };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetClockInfo(_device: Device, _kind: c_uint, megahertz: *mut c_uint) -> Code {
    unsafe { *megahertz = 1700 };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTemperature(_device: Device, _sensor: c_uint, degrees: *mut c_uint) -> Code {
    unsafe { *degrees = 61 };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPowerUsage(_device: Device, milliwatts: *mut c_uint) -> Code {
    unsafe { *milliwatts = 690_000 };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCurrentClocksThrottleReasons(device: Device, reasons: *mut c_ulonglong) -> Code {
    unsafe { *reasons = facts(device).counted.throttle };
    SUCCESS
}

/// XIDs that are still to be told, with the GPUs that they are of. None: nobody listens.
static TOLD: Mutex<Vec<(Device, u64)>> = Mutex::new(Vec::new());

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetCreate(set: *mut usize) -> Code {
    unsafe { *set = 1 };
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn nvmlEventSetFree(_set: usize) -> Code {
    SUCCESS
}

/// The kind of event that an XID is.
const XID: c_ulonglong = 8;

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceRegisterEvents(device: Device, kinds: c_ulonglong, _set: usize) -> Code {
    if kinds & XID != 0
        && let Ok(mut told) = TOLD.lock()
    {
        told.extend(facts(device).counted.xids.iter().map(|xid| (device, *xid)));
    }
    SUCCESS
}

/// As NVML lays it out.
#[repr(C)]
struct EventData {
    device: Device,
    kind: c_ulonglong,
    data: c_ulonglong,
    gpu_instance: c_uint,
    compute_instance: c_uint,
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetWait_v2(_set: usize, event: *mut EventData, _milliseconds: c_uint) -> Code {
    match TOLD.lock().ok().and_then(|mut told| told.pop()) {
        Some((device, data)) => {
            unsafe {
                *event = EventData { device, kind: XID, data, gpu_instance: u32::MAX, compute_instance: u32::MAX }
            };
            SUCCESS
        }
        None => TIMEOUT,
    }
}
