//! The symbols of cuBLASLt that are asked for, as <https://docs.nvidia.com/cuda/cublas/> has them. It takes the time of a product and
//! computes none: nobody reads the results.
#![allow(clippy::many_single_char_names)] // m, n, k, A, B and D are what everybody calls them.

use std::ffi::{c_int, c_uint, c_void};

use crate::gpu::{gpu, place};

type Code = c_uint;
const SUCCESS: Code = 0;
const INVALID_VALUE: Code = 7;
const NOT_SUPPORTED: Code = 15;

/// A matrix.
struct Layout {
    kind: c_uint,
    rows: u64,
    columns: u64,
}

/// A product: whether A is transposed, and whether TF32 may be used.
struct Description {
    transposed: bool,
    compute: c_uint,
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cublasLtCreate(handle: *mut usize) -> Code {
    unsafe { *handle = 1 };
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cublasLtDestroy(_handle: usize) -> Code {
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cublasLtMatrixLayoutCreate(
    layout: *mut *mut Layout,
    kind: c_uint,
    rows: u64,
    columns: u64,
    _stride: i64,
) -> Code {
    unsafe { *layout = Box::into_raw(Box::new(Layout { kind, rows, columns })) };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cublasLtMatrixLayoutDestroy(layout: *mut Layout) -> Code {
    drop(unsafe { Box::from_raw(layout) });
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cublasLtMatmulDescCreate(
    description: *mut *mut Description,
    compute: c_uint,
    _scale: c_uint,
) -> Code {
    unsafe { *description = Box::into_raw(Box::new(Description { transposed: false, compute })) };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cublasLtMatmulDescSetAttribute(
    description: *mut Description,
    attribute: c_uint,
    value: *const c_void,
    size: usize,
) -> Code {
    // TRANSA, to OP_T.
    if (attribute, size) != (3, 4) {
        return INVALID_VALUE;
    }
    unsafe { (*description).transposed = *value.cast::<c_uint>() == 1 };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cublasLtMatmulDescDestroy(description: *mut Description) -> Code {
    drop(unsafe { Box::from_raw(description) });
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cublasLtMatmulPreferenceCreate(preference: *mut usize) -> Code {
    unsafe { *preference = 1 };
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cublasLtMatmulPreferenceSetAttribute(
    _preference: usize,
    _attribute: c_uint,
    _value: *const c_void,
    size: usize,
) -> Code {
    if size == 8 { SUCCESS } else { INVALID_VALUE }
}

#[unsafe(no_mangle)]
extern "C" fn cublasLtMatmulPreferenceDestroy(_preference: usize) -> Code {
    SUCCESS
}

/// What was chosen, as the library lays it out: how, the memory it needs, whether it can be done, and the waves that it takes.
#[repr(C)]
struct Choice {
    algorithm: [u64; 8],
    workspace: usize,
    state: Code,
    waves: f32,
    reserved: [c_int; 4],
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cublasLtMatmulAlgoGetHeuristic(
    _handle: usize,
    description: *const Description,
    _a: *const Layout,
    _b: *const Layout,
    _c: *const Layout,
    _d: *const Layout,
    _preference: usize,
    _wanted: c_int,
    choice: *mut Choice,
    found: *mut c_int,
) -> Code {
    if !unsafe { &*description }.transposed {
        return NOT_SUPPORTED;
    }
    unsafe {
        *choice = Choice { algorithm: [0; 8], workspace: 0, state: SUCCESS, waves: 1.0, reserved: [0; 4] };
        *found = 1;
    }
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cublasLtMatmul(
    _handle: usize,
    description: *const Description,
    _alpha: *const c_void,
    a: u64,
    a_layout: *const Layout,
    b: u64,
    b_layout: *const Layout,
    _beta: *const c_void,
    _c: u64,
    _c_layout: *const Layout,
    d: u64,
    d_layout: *const Layout,
    _algorithm: *const c_void,
    _workspace: u64,
    _workspace_size: usize,
    _stream: usize,
) -> Code {
    let (a_layout, b_layout, d_layout) = unsafe { (&*a_layout, &*b_layout, &*d_layout) };
    let (m, n, k) = (a_layout.columns, b_layout.columns, a_layout.rows);
    if b_layout.rows != k || (d_layout.rows, d_layout.columns) != (m, n) {
        return INVALID_VALUE;
    }
    let (index, _) = place(a);
    let mut gpu = gpu(index);
    let rates = gpu.facts.library;
    // CUDA_R_16F, CUDA_R_16BF, CUDA_R_32F with COMPUTE_32F_FAST_TF32, CUDA_R_8F_E4M3.
    let (size, rate) = match (a_layout.kind, unsafe { &*description }.compute) {
        (2, _) => (2, rates.0),
        (14, _) => (2, rates.1),
        (0, 77) => (4, rates.2),
        (28, _) => (1, rates.3),
        _ => return NOT_SUPPORTED,
    };
    let fits = [(a, m * k), (b, n * k), (d, m * n)]
        .into_iter()
        .all(|(address, count)| gpu.holds(place(address).1, count * size));
    if !fits || rate <= 0.0 {
        return NOT_SUPPORTED;
    }
    // Small products don't fill the chip.
    let share = if m < 8192 { 0.8 } else { 1.0 };
    gpu.spend(2.0 * (m * n * k) as f64 / (rate * share));
    SUCCESS
}
