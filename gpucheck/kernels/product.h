// The exact product: every block computes the same small product of integers, so that each multiprocessor's answer can be
// held against the CPU's.
#pragma once
#include "gpu.h"

enum {
    EDGE = 64,      // rows and columns of the product
    PANEL = 32,     // how much of the depth is in shared memory at once
    BLOCK = 256,    // threads of a block
};

// Brings EDGE x PANEL elements of A and PANEL x EDGE of B to shared memory. Both are stored row by row.
template <typename Element>
static inline void load_panels(Element* a_panel, Element* b_panel, const Element* a, const Element* b, u32 depth, u32 from) {
    for (u32 at = thread_index(); at < EDGE * PANEL; at += BLOCK) {
        a_panel[at] = a[at / PANEL * depth + from + at % PANEL];
        b_panel[at] = b[(from + at / EDGE) * EDGE + at % EDGE];
    }
}

// Notes which multiprocessor this block ran on.
static inline void sign(u32* multiprocessors) {
    if (thread_index() == 0) {
        multiprocessors[block_index()] = multiprocessor();
    }
}
