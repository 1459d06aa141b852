//! One GPU through the driver: memory, copies, kernels, time. All that is unsafe of talking to it is here.
//!
//! It is sound as long as kernels keep to the buffers that they are given: `kernels.rs` gives them sizes that fit, and they are run on a CPU
//! with guarded buffers by the tests. A buffer keeps its context alive, and is freed once; every copy is bounded by its
//! buffer's size, and waited for before the host's memory is used again.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys::{CUdevice_attribute as Attribute, CUevent_flags, CUresult};
use cudarc::driver::{CudaContext, CudaModule, CudaStream, DriverError, PinnedHostSlice, result, sys};
use cudarc::nvrtc::Ptx as Source;

use crate::ptx::candidates;
use crate::report::Identity;

/// What a driver says when it refuses.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeviceError {
    /// By its own code.
    #[error("{0:?}")]
    Driver(CUresult),
    /// It is too old for a kernel.
    #[error("the driver is too old for PTX {version}, in which `{file}` is written")]
    TooOld {
        /// The kernel file.
        file: &'static str,
        /// The oldest version that can say it.
        version: &'static str,
    },
    /// The chip has no such kernel.
    #[error("there is no `{0}` for this chip")]
    NoKernel(&'static str),
    /// A library refuses.
    #[error("cuBLASLt refuses: {0}")]
    Library(String),
    /// A figure that is none: no time went by.
    #[error("the driver's clock stood still")]
    NoTime,
    /// A buffer is smaller than what is asked of it.
    #[error("{0} bytes don't fit a buffer of {1}")]
    TooLarge(usize, usize),
}

impl From<DriverError> for DeviceError {
    fn from(error: DriverError) -> Self {
        Self::Driver(error.0)
    }
}

/// A GPU that is open.
pub(crate) struct Device {
    /// Its number, as CUDA counts.
    pub(crate) index: u32,
    /// Major and minor.
    pub(crate) capability: (u32, u32),
    /// How many multiprocessors it has.
    pub(crate) multiprocessors: u32,
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    /// Kernel files that are loaded, each with its tier: the driver compiles them once.
    modules: Mutex<BTreeMap<&'static str, (Arc<CudaModule>, u32)>>,
}

/// Memory of a GPU. From `cuMemAlloc`, not from a pool: what is from a pool is out of other GPUs' reach.
pub(crate) struct Buffer {
    pointer: sys::CUdeviceptr,
    bytes: usize,
    context: Arc<CudaContext>,
}

impl Buffer {
    /// How large it is.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where it is, as the GPU counts.
    pub(super) fn address(&self) -> u64 {
        self.pointer
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // A context that is broken can't free: its process is about to end, and takes the memory with it.
        if self.context.bind_to_thread().is_ok() {
            // SAFETY: it was allocated in this context and is freed here alone.
            let _ = unsafe { result::free_sync(self.pointer) };
        }
    }
}

/// Pinned memory of the host.
pub(crate) struct Pinned(PinnedHostSlice<u8>);

impl Pinned {
    /// What is in it.
    pub(crate) fn bytes(&self) -> Result<&[u8], DeviceError> {
        Ok(self.0.as_slice()?)
    }

    /// What is in it, to be changed.
    pub(crate) fn bytes_mut(&mut self) -> Result<&mut [u8], DeviceError> {
        Ok(self.0.as_mut_slice()?)
    }
}

/// What a kernel is given.
#[derive(Clone, Copy)]
pub(crate) enum Argument<'a> {
    /// A buffer, from its start.
    Buffer(&'a Buffer),
    /// A number of 32 bits.
    Narrow(u32),
    /// A number of 64 bits.
    Wide(u64),
    /// A float.
    Real(f32),
}

impl Argument<'_> {
    fn bits(self) -> u64 {
        match self {
            Self::Buffer(buffer) => buffer.pointer,
            Self::Narrow(value) => value.into(),
            Self::Wide(value) => value,
            Self::Real(value) => value.to_bits().into(),
        }
    }
}

/// How many GPUs there are.
pub(crate) fn count() -> Result<u32, DeviceError> {
    Ok(u32::try_from(CudaContext::device_count()?).unwrap_or(0))
}

/// The newest CUDA version that the driver can do, as `12.4`.
pub(crate) fn driver_version() -> Result<String, DeviceError> {
    let mut version = 0;
    // SAFETY: it writes one integer.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }.result()?;
    Ok(format!("{}.{}", version / 1000, version % 1000 / 10))
}

impl Device {
    /// Opens a GPU by its number.
    pub(crate) fn open(index: u32) -> Result<Self, DeviceError> {
        let context = CudaContext::new(index as usize)?;
        let (major, minor) = context.compute_capability()?;
        let attribute = |attribute| context.attribute(attribute).map(|value| u32::try_from(value).unwrap_or(0));
        let multiprocessors = attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        let capability = (u32::try_from(major).unwrap_or(0), u32::try_from(minor).unwrap_or(0));
        let stream = context.default_stream();
        Ok(Self { index, capability, multiprocessors, context, stream, modules: Mutex::default() })
    }

    /// What the driver says of it.
    pub(crate) fn identity(&self) -> Result<Identity, DeviceError> {
        let attribute = |attribute| self.context.attribute(attribute).map(|value| u32::try_from(value).unwrap_or(0));
        let domain = attribute(Attribute::CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID)?;
        let bus = attribute(Attribute::CU_DEVICE_ATTRIBUTE_PCI_BUS_ID)?;
        let slot = attribute(Attribute::CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID)?;
        #[allow(clippy::cast_sign_loss)] // Bytes, which C calls characters.
        let uuid = u128::from_be_bytes(self.context.uuid()?.bytes.map(|byte| byte as u8));
        Ok(Identity {
            name: self.context.name()?,
            uuid: format!("{uuid:032x}"),
            pci_address: format!("{domain:08x}:{bus:02x}:{slot:02x}.0"),
            memory_bytes: self.context.total_mem()? as u64,
            compute_capability: self.capability,
            multiprocessors: self.multiprocessors,
            ecc: Some(attribute(Attribute::CU_DEVICE_ATTRIBUTE_ECC_ENABLED)? != 0),
        })
    }

    /// Bytes of memory that are free, and all there are.
    pub(crate) fn memory(&self) -> Result<(usize, usize), DeviceError> {
        Ok(self.context.mem_get_info()?)
    }

    /// Memory of the GPU; what is in it is not said.
    pub(crate) fn allocate(&self, bytes: usize) -> Result<Buffer, DeviceError> {
        self.context.bind_to_thread()?;
        // SAFETY: nothing is read from it as a Rust value before it is written: downloads are of bytes.
        let pointer = unsafe { result::malloc_sync(bytes)? };
        Ok(Buffer { pointer, bytes, context: self.context.clone() })
    }

    /// Memory of the GPU with these bytes.
    pub(crate) fn upload(&self, bytes: &[u8]) -> Result<Buffer, DeviceError> {
        let buffer = self.allocate(bytes.len())?;
        self.wait()?;
        // SAFETY: the buffer is as large as the bytes, and the call returns when they are there.
        unsafe { result::memcpy_htod_sync(buffer.pointer, bytes)? };
        Ok(buffer)
    }

    /// Fills a buffer with these bytes, which it has room for, over and over.
    pub(crate) fn fill(&self, buffer: &Buffer, bytes: &[u8]) -> Result<(), DeviceError> {
        fits(bytes.len(), buffer)?;
        self.wait()?;
        // SAFETY: they fit, and the call returns when they are there.
        unsafe { result::memcpy_htod_sync(buffer.pointer, bytes)? };
        for from in (0..buffer.bytes).step_by(bytes.len().max(1)).skip(1) {
            let (target, part) = (buffer.pointer + from as u64, bytes.len().min(buffer.bytes - from));
            // SAFETY: the part ends where the buffer does at the latest.
            unsafe { result::memcpy_dtod_async(target, buffer.pointer, part, self.stream.cu_stream())? };
        }
        self.wait()
    }

    /// Makes this thread one of the GPU's, as libraries want it.
    pub(super) fn bind(&self) -> Result<(), DeviceError> {
        Ok(self.context.bind_to_thread()?)
    }

    /// The driver's handle of its queue.
    pub(super) fn stream(&self) -> sys::CUstream {
        self.stream.cu_stream()
    }

    /// The bytes of a buffer, once all that was asked for before is done.
    pub(crate) fn download(&self, buffer: &Buffer) -> Result<Vec<u8>, DeviceError> {
        let mut bytes = vec![0u8; buffer.bytes];
        self.wait()?;
        // SAFETY: both are as large, and the call returns when they are here.
        unsafe { result::memcpy_dtoh_sync(&mut bytes, buffer.pointer)? };
        Ok(bytes)
    }

    /// Pinned memory of the host, all zeros.
    pub(crate) fn pin(&self, bytes: usize) -> Result<Pinned, DeviceError> {
        // Other GPUs copy to and from it too. Memory whose writes combine would be slow to read.
        let flags = sys::CU_MEMHOSTALLOC_PORTABLE;
        // SAFETY: it is written below before anything is read.
        let mut pinned = Pinned(unsafe { self.context.alloc_pinned_with_flags::<u8>(bytes, flags)? });
        pinned.bytes_mut()?.fill(0);
        Ok(pinned)
    }

    /// Copies from pinned memory to the start of a buffer; the seconds it took.
    pub(crate) fn send(&self, from: &Pinned, to: &Buffer) -> Result<f64, DeviceError> {
        let bytes = from.bytes()?;
        fits(bytes.len(), to)?;
        // SAFETY: they fit, and `timed` waits for the copy while `bytes` is borrowed.
        self.timed(|| {
            unsafe { result::memcpy_htod_async(to.pointer, bytes, self.stream.cu_stream()) }.map_err(Into::into)
        })
    }

    /// Copies from the start of a buffer to pinned memory; the seconds it took.
    pub(crate) fn receive(&self, from: &Buffer, to: &mut Pinned) -> Result<f64, DeviceError> {
        let bytes = to.bytes_mut()?;
        fits(bytes.len(), from)?;
        // SAFETY: they fit, and `timed` waits for the copy while `bytes` is borrowed.
        self.timed(|| {
            unsafe { result::memcpy_dtoh_async(bytes, from.pointer, self.stream.cu_stream()) }.map_err(Into::into)
        })
    }

    /// Whether another GPU's memory can be reached without the host; then it can be from here on.
    pub(crate) fn join(&self, other: &Self) -> Result<bool, DeviceError> {
        let mut can = 0;
        // SAFETY: it writes one integer.
        unsafe { sys::cuDeviceCanAccessPeer(&raw mut can, self.context.cu_device(), other.context.cu_device()) }
            .result()?;
        if can == 0 {
            return Ok(false);
        }
        self.context.bind_to_thread()?;
        // SAFETY: both contexts are alive.
        match unsafe { sys::cuCtxEnablePeerAccess(other.context.cu_ctx(), 0) } {
            CUresult::CUDA_SUCCESS | CUresult::CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED => Ok(true),
            error => Err(DeviceError::Driver(error)),
        }
    }

    /// Copies a buffer to one of another GPU, `times` over; the seconds that took.
    pub(crate) fn send_to(&self, from: &Buffer, other: &Self, to: &Buffer, times: u32) -> Result<f64, DeviceError> {
        fits(from.bytes, to)?;
        other.wait()?;
        self.timed(|| {
            for _ in 0..times {
                // SAFETY: they fit, both contexts are alive, and `timed` waits for the copies.
                unsafe {
                    result::memcpy_peer_async(
                        other.context.cu_ctx(),
                        to.pointer,
                        self.context.cu_ctx(),
                        from.pointer,
                        from.bytes,
                        self.stream.cu_stream(),
                    )?;
                }
            }
            Ok(())
        })
    }

    /// Starts a kernel of a file with blocks of 256 threads. Whoever calls sees to it that it keeps to its buffers.
    pub(super) fn launch(
        &self,
        file: &'static str,
        kernel: &'static str,
        blocks: u32,
        arguments: &[Argument],
    ) -> Result<(), DeviceError> {
        let function = self.module(file)?.0.load_function(kernel)?;
        let bits: Vec<u64> = arguments.iter().map(|argument| argument.bits()).collect();
        // The driver reads as many bytes of each as the kernel's parameter has: the lowest, on these machines.
        let mut pointers: Vec<*mut c_void> =
            bits.iter().map(|bits| std::ptr::from_ref(bits).cast_mut().cast()).collect();
        self.context.bind_to_thread()?;
        // SAFETY: the driver reads the arguments before it returns; `kernels.rs` gives each kernel what it is declared with.
        unsafe {
            let stream = self.stream.cu_stream();
            Ok(result::launch_kernel(function.cu_function(), (blocks, 1, 1), (256, 1, 1), 0, stream, &mut pointers)?)
        }
    }

    /// The tier of PTX that a kernel file was loaded in.
    pub(crate) fn tier(&self, file: &'static str) -> Result<u32, DeviceError> {
        Ok(self.module(file)?.1)
    }

    /// A kernel file, from the newest PTX that chip and driver take.
    fn module(&self, file: &'static str) -> Result<(Arc<CudaModule>, u32), DeviceError> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = modules.get(file) {
            return Ok(found.clone());
        }
        let mut refused = DeviceError::NoKernel(file);
        for ptx in candidates(file, self.capability) {
            match self.context.load_module(Source::from_src(ptx.text)) {
                Ok(module) => {
                    modules.insert(file, (module.clone(), ptx.tier));
                    return Ok((module, ptx.tier));
                }
                Err(DriverError(CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION)) => {
                    refused = DeviceError::TooOld { file, version: ptx.version() };
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(refused)
    }

    /// Waits for all that was asked for.
    pub(crate) fn wait(&self) -> Result<(), DeviceError> {
        Ok(self.stream.synchronize()?)
    }

    /// The seconds, by the GPU's clock, that what `work` asks for takes; waits for it.
    pub(crate) fn timed(&self, work: impl FnOnce() -> Result<(), DeviceError>) -> Result<f64, DeviceError> {
        let timer = self.start()?;
        work()?;
        timer.stop()
    }

    /// Starts to take the time.
    pub(crate) fn start(&self) -> Result<Timer<'_>, DeviceError> {
        let event = || self.context.new_event(Some(CUevent_flags::CU_EVENT_DEFAULT));
        let (start, end) = (event()?, event()?);
        start.record(&self.stream)?;
        Ok(Timer { device: self, start, end })
    }
}

/// A time that runs.
pub(crate) struct Timer<'a> {
    device: &'a Device,
    start: cudarc::driver::CudaEvent,
    end: cudarc::driver::CudaEvent,
}

impl Timer<'_> {
    /// Waits for all that was asked for since; the seconds that it took.
    pub(crate) fn stop(self) -> Result<f64, DeviceError> {
        self.end.record(&self.device.stream)?;
        let seconds = f64::from(self.start.elapsed_ms(&self.end)?) / 1000.0;
        if seconds > 0.0 { Ok(seconds) } else { Err(DeviceError::NoTime) }
    }
}

fn fits(bytes: usize, buffer: &Buffer) -> Result<(), DeviceError> {
    if bytes <= buffer.bytes { Ok(()) } else { Err(DeviceError::TooLarge(bytes, buffer.bytes)) }
}
