// The little of CUDA that the kernels use, so that their bodies are plain C++: for a GPU here, for a CPU in `cpu/gpu.h`.
//
// NVRTC compiles with --device-as-default-execution-space: a function without a mark runs on the GPU.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

// Sixteen bytes: what one thread moves at once.
struct alignas(16) Quad {
    u32 x, y, z, w;
};

#ifdef __CUDACC_RTC__

#define KERNEL extern "C" __global__ void
#define SHARED __shared__

static inline u32 thread_index() { return threadIdx.x; }
static inline u32 block_index() { return blockIdx.x; }
static inline u32 block_size() { return blockDim.x; }
static inline u32 grid_size() { return gridDim.x; }
static inline void barrier() { __syncthreads(); }
static inline float fused(float a, float b, float c) { return __fmaf_rn(a, b, c); }
static inline u32 bits(float value) { return __float_as_uint(value); }
static inline float real(u32 value) { return __uint_as_float(value); }
static inline void add(u64* sum, u64 value) { atomicAdd(sum, value); }
static inline void lower(u64* least, u64 value) { atomicMin(least, value); }

// The multiprocessor that runs this block.
static inline u32 multiprocessor() {
    u32 id;
    asm volatile("mov.u32 %0, %%smid;" : "=r"(id));
    return id;
}

#else
#include "cpu/gpu.h"
#endif

// This thread among all of the grid, and how many there are.
static inline u64 global_index() { return (u64)block_index() * block_size() + thread_index(); }
static inline u64 global_size() { return (u64)grid_size() * block_size(); }
