//! The tensor cores by cuBLASLt, where that library is: the best of a few shapes, since which is fastest differs by chip.
//!
//! All is in the library's plain form for FP8, which the others have too: A transposed, both with the depth next in memory.
#![allow(unsafe_code)]
#![allow(clippy::many_single_char_names)] // m, n, k, A, B and C are what everybody calls them.

use std::ffi::c_void;

use cudarc::cublaslt::result::{self, CublasError};
use cudarc::cublaslt::sys;

use super::device::{Buffer, Device, DeviceError};
use super::effort::Effort;
use super::{rates, repeat};
use crate::format::TensorType;
use crate::reference::Random;
use crate::report::Figures;

/// Rows, columns and depth that are tried.
const SHAPES: [(u64, u64, u64); 3] = [(4096, 4096, 4096), (8192, 8192, 8192), (8192, 8192, 16384)];
/// Memory that a product may use beside its matrices, as the library's documentation advises for Hopper.
const WORKSPACE: usize = 32 << 20;

/// Whether the library is there.
pub(crate) fn is_present() -> bool {
    // SAFETY: loading runs the library's own start-up code, as any use of it would.
    unsafe { sys::is_culib_present() }
}

impl From<CublasError> for DeviceError {
    fn from(error: CublasError) -> Self {
        Self::Library(format!("{:?}", error.0))
    }
}

/// The best of the shapes.
pub(crate) fn measure(device: &Device, kind: TensorType, effort: &Effort) -> Result<Figures, DeviceError> {
    let mut best: Option<Figures> = None;
    for shape in SHAPES {
        let found = one(device, kind, shape, effort)?;
        if best.as_ref().is_none_or(|best| found.median > best.median) {
            best = Some(found);
        }
    }
    best.ok_or(DeviceError::NoTime)
}

fn one(device: &Device, kind: TensorType, (m, n, k): (u64, u64, u64), effort: &Effort) -> Result<Figures, DeviceError> {
    let bytes = |rows: u64, columns: u64, size: usize| usize::try_from(rows * columns).unwrap_or(usize::MAX) * size;
    let (inputs, _, outputs) = types(kind);
    let size = if outputs == sys::cudaDataType::CUDA_R_32F { 4 } else { 2 };
    // Small integers of both signs: zeros would draw less power than work does.
    let mut random = Random::new(1);
    let values: Vec<i32> = (0..1 << 20).map(|_| random.within(3)).collect();
    let values = kind.encode_all(&values);
    let (a, b) = (device.allocate(bytes(m, k, kind.bytes()))?, device.allocate(bytes(n, k, kind.bytes()))?);
    device.fill(&a, &values)?;
    device.fill(&b, &values)?;
    let c = device.allocate(bytes(m, n, size))?;
    let workspace = device.allocate(WORKSPACE)?;
    device.bind()?;
    let product = Matmul::new(kind, [layout(inputs, k, m)?, layout(inputs, k, n)?, layout(outputs, m, n)?])?;
    let seconds = repeat(device, effort, &|| product.run(device, [&a, &b, &c, &workspace]))?;
    rates::figures(&format!("cuBLASLt {m}x{n}x{k}"), 2.0 * (m * n * k) as f64, seconds)
}

/// What is read, how it is computed, what is written.
fn types(kind: TensorType) -> (sys::cudaDataType, sys::cublasComputeType_t, sys::cudaDataType) {
    use sys::cublasComputeType_t::{CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F_FAST_TF32};
    use sys::cudaDataType::{CUDA_R_8F_E4M3, CUDA_R_16BF, CUDA_R_16F, CUDA_R_32F};
    match kind {
        TensorType::Fp16 => (CUDA_R_16F, CUBLAS_COMPUTE_32F, CUDA_R_16F),
        TensorType::Bf16 => (CUDA_R_16BF, CUBLAS_COMPUTE_32F, CUDA_R_16BF),
        TensorType::Tf32 => (CUDA_R_32F, CUBLAS_COMPUTE_32F_FAST_TF32, CUDA_R_32F),
        TensorType::Fp8 => (CUDA_R_8F_E4M3, CUBLAS_COMPUTE_32F, CUDA_R_16BF),
    }
}

/// A matrix, column by column.
struct Layout(sys::cublasLtMatrixLayout_t);

fn layout(kind: sys::cudaDataType, rows: u64, columns: u64) -> Result<Layout, DeviceError> {
    Ok(Layout(result::create_matrix_layout(kind, rows, columns, rows.cast_signed())?))
}

impl Drop for Layout {
    fn drop(&mut self) {
        // SAFETY: it is made once and freed here alone.
        let _ = unsafe { result::destroy_matrix_layout(self.0) };
    }
}

/// A product that is ready to run.
struct Matmul {
    handle: sys::cublasLtHandle_t,
    description: sys::cublasLtMatmulDesc_t,
    layouts: [Layout; 3],
    algorithm: Option<sys::cublasLtMatmulAlgo_t>,
}

impl Matmul {
    fn new(kind: TensorType, layouts: [Layout; 3]) -> Result<Self, DeviceError> {
        let handle = result::create_handle()?;
        let description = match result::create_matmul_desc(types(kind).1, sys::cudaDataType::CUDA_R_32F) {
            Ok(description) => description,
            Err(error) => {
                // SAFETY: it was made above, and nobody else has it.
                let _ = unsafe { result::destroy_handle(handle) };
                return Err(error.into());
            }
        };
        let mut product = Self { handle, description, layouts, algorithm: None };
        product.choose()?;
        Ok(product)
    }

    /// Lets the library choose how.
    fn choose(&mut self) -> Result<(), DeviceError> {
        // CUBLAS_OP_T of cublasOperation_t, which the bindings have no name for.
        let (transposed, workspace) = (1i32, WORKSPACE);
        let preference = result::create_matmul_pref()?;
        let [a, b, c] = self.layouts.each_ref().map(|layout| layout.0);
        // SAFETY: each attribute is given as many bytes as it has, and all handles are alive.
        let chosen = unsafe {
            let transpose = sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_TRANSA;
            let room = sys::cublasLtMatmulPreferenceAttributes_t::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
            result::set_matmul_desc_attribute(
                self.description,
                transpose,
                (&raw const transposed).cast(),
                size_of_val(&transposed),
            )
            .and_then(|()| {
                result::set_matmul_pref_attribute(
                    preference,
                    room,
                    (&raw const workspace).cast(),
                    size_of_val(&workspace),
                )
            })
            .and_then(|()| result::get_matmul_algo_heuristic(self.handle, self.description, a, b, c, c, preference))
        };
        // SAFETY: it was made above, and nobody else has it.
        let _ = unsafe { result::destroy_matmul_pref(preference) };
        self.algorithm = Some(chosen?.algo);
        Ok(())
    }

    /// Starts it.
    fn run(&self, device: &Device, [a, b, c, workspace]: [&Buffer; 4]) -> Result<(), DeviceError> {
        let (one, zero) = (1f32, 0f32);
        let [a_layout, b_layout, c_layout] = self.layouts.each_ref().map(|layout| layout.0);
        let algorithm = self.algorithm.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let address = |buffer: &Buffer| buffer.address() as *mut c_void;
        // SAFETY: the buffers are as large as their layouts say, and outlive the product: freeing them waits for it.
        unsafe {
            result::matmul(
                self.handle,
                self.description,
                (&raw const one).cast(),
                (&raw const zero).cast(),
                address(a),
                a_layout,
                address(b),
                b_layout,
                address(c),
                c_layout,
                address(c),
                c_layout,
                algorithm,
                address(workspace),
                WORKSPACE,
                device.stream().cast(),
            )?;
        }
        Ok(())
    }
}

impl Drop for Matmul {
    fn drop(&mut self) {
        // SAFETY: both are made once and freed here alone.
        unsafe {
            let _ = result::destroy_matmul_desc(self.description);
            let _ = result::destroy_handle(self.handle);
        }
    }
}
