//! The symbols of the CUDA driver that the bindings ask for, as <https://docs.nvidia.com/cuda/cuda-driver-api/> has them.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::contents::Content;
use crate::gpu::{Gpu, base, gpu, gpus, place};
use crate::kernels::{self, Launch};
use crate::modules::{self, Function, Module};
use crate::settings::settings;

type Code = c_int;
const SUCCESS: Code = 0;
const INVALID_VALUE: Code = 1;
const OUT_OF_MEMORY: Code = 2;
const NO_DEVICE: Code = 100;
const INVALID_DEVICE: Code = 101;
const INVALID_CONTEXT: Code = 201;
const NOT_FOUND: Code = 500;
const PEER_ACCESS_UNSUPPORTED: Code = 217;
const PEER_ACCESS_ALREADY_ENABLED: Code = 704;

thread_local! {
    /// The context of this thread, by its GPU's number and one more; 0: none.
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

fn code(result: Result<(), Code>) -> Code {
    result.err().unwrap_or(SUCCESS)
}

/// The GPU of this thread's context.
fn current() -> Result<usize, Code> {
    CURRENT.get().checked_sub(1).ok_or(INVALID_CONTEXT)
}

/// Does something on a GPU that is not broken.
fn on<T>(index: usize, work: impl FnOnce(&mut Gpu) -> Result<T, Code>) -> Result<T, Code> {
    let mut gpu = gpu(index);
    if gpu.broken == 0 { work(&mut gpu) } else { Err(gpu.broken) }
}

/// Waits for a GPU: for ever, if it hangs.
fn wait(index: usize) -> Result<(), Code> {
    while on(index, |gpu| Ok(gpu.hangs))? {
        std::thread::park();
    }
    Ok(())
}

fn seen() -> usize {
    settings().seen_by_cuda.unwrap_or(gpus().len())
}

#[unsafe(no_mangle)]
extern "C" fn cuInit(_flags: c_uint) -> Code {
    if let Some(text) = &settings().prints {
        let _ = writeln!(std::io::stdout(), "{text}");
    }
    if settings().init != 0 {
        return settings().init;
    }
    if seen() == 0 { NO_DEVICE } else { SUCCESS }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDriverGetVersion(version: *mut c_int) -> Code {
    unsafe { *version = settings().version };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuGetErrorString(_code: Code, text: *mut *const c_char) -> Code {
    unsafe { *text = c"an error of the double".as_ptr() };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetCount(count: *mut c_int) -> Code {
    unsafe { *count = seen() as c_int };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGet(device: *mut c_int, ordinal: c_int) -> Code {
    if usize::try_from(ordinal).is_ok_and(|ordinal| ordinal < seen()) {
        unsafe { *device = ordinal };
        SUCCESS
    } else {
        INVALID_DEVICE
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetName(name: *mut c_char, length: c_int, device: c_int) -> Code {
    let facts = &settings().gpus[device as usize];
    let text = facts.name.bytes().take(length as usize - 1).chain([0]);
    text.enumerate().for_each(|(at, byte)| unsafe { *name.add(at) = byte as c_char });
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetUuid(uuid: *mut [u8; 16], device: c_int) -> Code {
    unsafe { *uuid = [device as u8 + 1; 16] };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetUuid_v2(uuid: *mut [u8; 16], device: c_int) -> Code {
    unsafe { cuDeviceGetUuid(uuid, device) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, device: c_int) -> Code {
    unsafe { *bytes = settings().gpus[device as usize].memory as usize };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetAttribute(value: *mut c_int, attribute: c_int, device: c_int) -> Code {
    let facts = &settings().gpus[device as usize];
    let found = match attribute {
        16 => facts.multiprocessors as c_int,
        32 => c_int::from(facts.ecc),
        33 => 0x10 + device,
        // Slot, domain; and no pools of memory, which nobody here asks for.
        34 | 50 | 115 => 0,
        75 => facts.capability.0,
        76 => facts.capability.1,
        _ => return INVALID_VALUE,
    };
    unsafe { *value = found };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDevicePrimaryCtxRetain(context: *mut usize, device: c_int) -> Code {
    unsafe { *context = device as usize + 1 };
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuDevicePrimaryCtxRelease_v2(_device: c_int) -> Code {
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxSetCurrent(context: usize) -> Code {
    CURRENT.set(context);
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuCtxGetCurrent(context: *mut usize) -> Code {
    unsafe { *context = CURRENT.get() };
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxSynchronize() -> Code {
    code(current().and_then(wait))
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamSynchronize(_stream: usize) -> Code {
    code(current().and_then(wait))
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamWaitEvent(_stream: usize, _event: usize, _flags: c_uint) -> Code {
    code(current().and_then(|index| on(index, |_| Ok(()))))
}

/// A time of a GPU.
struct Event {
    gpu: usize,
    /// Seconds of its clock, by their bits.
    at: AtomicU64,
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuEventCreate(event: *mut *mut Event, _flags: c_uint) -> Code {
    code(current().and_then(|gpu| {
        on(gpu, |_| Ok(()))?;
        unsafe { *event = Box::into_raw(Box::new(Event { gpu, at: AtomicU64::new(0) })) };
        Ok(())
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuEventRecord(event: *mut Event, _stream: usize) -> Code {
    let event = unsafe { &*event };
    code(on(event.gpu, |gpu| {
        event.at.store(gpu.now.to_bits(), Ordering::SeqCst);
        Ok(())
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuEventSynchronize(event: *mut Event) -> Code {
    code(wait(unsafe { &*event }.gpu))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuEventElapsedTime(milliseconds: *mut f32, start: *mut Event, end: *mut Event) -> Code {
    let at = |event: *mut Event| f64::from_bits(unsafe { &*event }.at.load(Ordering::SeqCst));
    unsafe { *milliseconds = ((at(end) - at(start)) * 1000.0) as f32 };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuEventDestroy_v2(event: *mut Event) -> Code {
    drop(unsafe { Box::from_raw(event) });
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> Code {
    code(current().and_then(|index| {
        on(index, |gpu| {
            unsafe { (*free, *total) = (gpu.free() as usize, gpu.facts.memory as usize) };
            Ok(())
        })
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemAlloc_v2(address: *mut u64, bytes: usize) -> Code {
    code(current().and_then(|index| {
        let at = on(index, |gpu| gpu.take(bytes as u64).ok_or(OUT_OF_MEMORY))?;
        unsafe { *address = base(index as u64) + at };
        Ok(())
    }))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemFree_v2(address: u64) -> Code {
    let (index, at) = place(address);
    code(on(index, |gpu| if gpu.give(at) { Ok(()) } else { Err(INVALID_VALUE) }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemHostAlloc(pointer: *mut *mut c_void, bytes: usize, _flags: c_uint) -> Code {
    code(current().map(|_| {
        // Its length stands before it, so that it can be given back.
        let mut words = vec![0u128; bytes.div_ceil(16) + 1].into_boxed_slice();
        words[0] = words.len() as u128;
        unsafe { *pointer = Box::into_raw(words).cast::<u128>().add(1).cast() };
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemFreeHost(pointer: *mut c_void) -> Code {
    unsafe {
        let start = pointer.cast::<u128>().sub(1);
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(start, *start as usize)));
    }
    SUCCESS
}

/// Copies to a GPU, at the rate of its link.
unsafe fn send(to: u64, from: *const c_void, bytes: usize) -> Result<(), Code> {
    let (index, at) = place(to);
    on(index, |gpu| {
        if !gpu.holds(at, bytes as u64) {
            return Err(INVALID_VALUE);
        }
        let copy = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), bytes) }.to_vec();
        gpu.contents.write(to, bytes as u64, Content::Bytes(copy.into()), 0);
        gpu.spend(bytes as f64 / gpu.facts.host);
        Ok(())
    })
}

/// Copies from a GPU, at the rate of its link.
unsafe fn receive(to: *mut c_void, from: u64, bytes: usize) -> Result<(), Code> {
    let (index, at) = place(from);
    wait(index)?;
    on(index, |gpu| {
        if !gpu.holds(at, bytes as u64) {
            return Err(INVALID_VALUE);
        }
        let target = unsafe { std::slice::from_raw_parts_mut(to.cast::<u8>(), bytes) };
        gpu.contents.read_to(from, target);
        gpu.spend(bytes as f64 / gpu.facts.host);
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemcpyHtoD_v2(to: u64, from: *const c_void, bytes: usize) -> Code {
    code(unsafe { send(to, from, bytes) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemcpyHtoDAsync_v2(to: u64, from: *const c_void, bytes: usize, _stream: usize) -> Code {
    code(unsafe { send(to, from, bytes) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemcpyDtoH_v2(to: *mut c_void, from: u64, bytes: usize) -> Code {
    code(unsafe { receive(to, from, bytes) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: u64, bytes: usize, _stream: usize) -> Code {
    code(unsafe { receive(to, from, bytes) })
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, _stream: usize) -> Code {
    let ((index, at), (_, from_at), length) = (place(to), place(from), bytes as u64);
    code(on(index, |gpu| {
        if !gpu.holds(at, length) || !gpu.holds(from_at, length) {
            return Err(INVALID_VALUE);
        }
        let taken = gpu.contents.taken(from, length);
        taken.into_iter().for_each(|(at, length, content, from)| gpu.contents.write(to + at, length, content, from));
        gpu.spend(2.0 * bytes as f64 / gpu.facts.bandwidth);
        Ok(())
    }))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyPeerAsync(
    to: u64,
    _to_context: usize,
    from: u64,
    _from_context: usize,
    bytes: usize,
    _stream: usize,
) -> Code {
    let ((source, at), (target, to_at), length) = (place(from), place(to), bytes as u64);
    code((|| {
        let taken =
            on(
                source,
                |gpu| if gpu.holds(at, length) { Ok(gpu.contents.taken(from, length)) } else { Err(INVALID_VALUE) },
            )?;
        on(target, |gpu| {
            if !gpu.holds(to_at, length) {
                return Err(INVALID_VALUE);
            }
            taken
                .into_iter()
                .for_each(|(at, length, content, from)| gpu.contents.write(to + at, length, content, from));
            Ok(())
        })?;
        on(source, |gpu| {
            gpu.spend(bytes as f64 / settings().peer.unwrap_or(1e9));
            Ok(gpu.facts.ill.garbles_peers)
        })
        .and_then(|garbles| {
            if garbles {
                on(target, |gpu| {
                    garble(gpu, to + length / 2);
                    Ok(())
                })
            } else {
                Ok(())
            }
        })
    })())
}

/// Turns one bit over.
fn garble(gpu: &mut Gpu, address: u64) {
    let byte = gpu.contents.read(address, 1)[0] ^ 0x10;
    gpu.contents.write(address, 1, Content::Bytes(vec![byte].into()), 0);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceCanAccessPeer(can: *mut c_int, _from: c_int, _to: c_int) -> Code {
    unsafe { *can = c_int::from(settings().peer.is_some()) };
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxEnablePeerAccess(context: usize, _flags: c_uint) -> Code {
    static ENABLED: std::sync::Mutex<std::collections::BTreeSet<(usize, usize)>> =
        std::sync::Mutex::new(std::collections::BTreeSet::new());
    if settings().peer.is_none() {
        return PEER_ACCESS_UNSUPPORTED;
    }
    let is_new = ENABLED.lock().is_ok_and(|mut enabled| enabled.insert((CURRENT.get(), context)));
    if is_new { SUCCESS } else { PEER_ACCESS_ALREADY_ENABLED }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuModuleLoadData(module: *mut *mut Module, image: *const c_char) -> Code {
    code(current().and_then(|index| {
        let (major, minor) = on(index, |gpu| Ok(gpu.facts.capability))?;
        let text = unsafe { CStr::from_ptr(image) }.to_str().map_err(|_| modules::INVALID_PTX)?;
        let loaded = modules::load(text, settings().ptx, (major * 10 + minor) as u32)?;
        unsafe { *module = Box::into_raw(Box::new(loaded)) };
        Ok(())
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuModuleGetFunction(
    function: *mut *const Function,
    module: *mut Module,
    name: *const c_char,
) -> Code {
    let (module, name) = unsafe { (&*module, CStr::from_ptr(name)) };
    match module.functions.iter().find(|function| function.name.as_bytes() == name.to_bytes()) {
        Some(found) => {
            unsafe { *function = found };
            SUCCESS
        }
        None => NOT_FOUND,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuModuleUnload(module: *mut Module) -> Code {
    drop(unsafe { Box::from_raw(module) });
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuLaunchKernel(
    function: *const Function,
    blocks: c_uint,
    _blocks_y: c_uint,
    _blocks_z: c_uint,
    threads: c_uint,
    _threads_y: c_uint,
    _threads_z: c_uint,
    _shared: c_uint,
    _stream: usize,
    parameters: *mut *mut c_void,
    _extra: *mut *mut c_void,
) -> Code {
    let function = unsafe { &*function };
    let argument = |(at, size): (usize, &usize)| unsafe {
        let pointer = *parameters.add(at);
        if *size == 8 { *pointer.cast::<u64>() } else { u64::from(*pointer.cast::<u32>()) }
    };
    let arguments = function.parameters.iter().enumerate().map(argument).collect();
    let launch = Launch { function, arguments, blocks: blocks.into(), threads: threads.into() };
    code(current().and_then(|index| on(index, |gpu| launch_on(gpu, &launch))))
}

fn launch_on(gpu: &mut Gpu, launch: &Launch) -> Result<(), Code> {
    let is = |name: &Option<String>| name.as_ref() == Some(&launch.function.name);
    if is(&gpu.facts.ill.crashes) {
        std::process::abort();
    }
    gpu.hangs |= is(&gpu.facts.ill.hangs);
    if is(&gpu.facts.ill.breaks) {
        // The launch is taken, and all that comes after it fails.
        gpu.broken = kernels::ILLEGAL_ADDRESS;
        return Ok(());
    }
    // What a kernel does wrong is told by the next call, and by all after it.
    kernels::run(gpu, launch).or_else(|wrong| {
        gpu.broken = wrong;
        Ok(())
    })
}
