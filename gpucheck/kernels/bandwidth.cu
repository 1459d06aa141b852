// The bandwidth of device memory: each thread moves 16 bytes at a time, the grid strides over the buffers.
#include "gpu.h"

// target = source. `quads` of 16 bytes, each read once and written once.
KERNEL copy(Quad* target, const Quad* source, u64 quads) {
    for (u64 at = global_index(); at < quads; at += global_size()) {
        target[at] = source[at];
    }
}

// target = left + scale * right, in floats. Two are read and one is written.
KERNEL triad(Quad* target, const Quad* left, const Quad* right, float scale, u64 quads) {
    for (u64 at = global_index(); at < quads; at += global_size()) {
        Quad l = left[at], r = right[at];
        target[at] = Quad{bits(fused(scale, real(r.x), real(l.x))), bits(fused(scale, real(r.y), real(l.y))),
                          bits(fused(scale, real(r.z), real(l.z))), bits(fused(scale, real(r.w), real(l.w)))};
    }
}
