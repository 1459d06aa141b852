// What is done with `mma`, the same for every type: the rate, the exact product, the burn.
#pragma once
#include "matrix.h"
#include "pattern.h"
#include "product.h"

enum { MMA_CHAINS = 8 };

// Eight chains of products in each warp: in each of `pairs` rounds a chain gets ahead·B and then back·B added, with a B of its
// own. `back` is nearly what undoes `ahead`, so that the sums stay small and exact and one wrong bit stays to the end.
// `aside` is called once a round.
template <typename Shape, typename Aside>
static inline void chains(float* sums, const typename Shape::Element* ahead, const typename Shape::Element* back,
                          const typename Shape::Element* b, u32 pairs, Aside aside) {
    u32 first[Shape::A_REGISTERS], second[Shape::A_REGISTERS], right[MMA_CHAINS][Shape::B_REGISTERS];
    load_a<Shape>(first, ahead, Shape::K);
    load_a<Shape>(second, back, Shape::K);
    for (u32 chain = 0; chain < MMA_CHAINS; chain++) {
        load_b<Shape>(right[chain], b + chain * Shape::K * Shape::N, Shape::N);
    }
    float totals[MMA_CHAINS][Shape::SUMS] = {};
    for (u32 pair = 0; pair < pairs; pair++) {
        aside(pair);
        for (u32 chain = 0; chain < MMA_CHAINS; chain++) {
            Shape::multiply_add(totals[chain], first, right[chain]);
        }
        for (u32 chain = 0; chain < MMA_CHAINS; chain++) {
            Shape::multiply_add(totals[chain], second, right[chain]);
        }
    }
    for (u32 at = 0; at < Shape::SUMS; at++) {
        sums[at] = 0;
        for (u32 chain = 0; chain < MMA_CHAINS; chain++) {
            sums[at] += totals[chain][at];
        }
    }
}

// Stores what each warp has, M rows of N, one warp after the other.
template <typename Shape>
static inline void store_sums(float* results, const float* sums) {
    float* own = results + global_index() / 32 * (Shape::M * Shape::N);
    for (u32 at = 0; at < Shape::SUMS; at++) {
        Place place = Shape::sum(thread_index() % 32, at);
        own[place.row * Shape::N + place.column] = sums[at];
    }
}

template <typename Shape>
static inline void rate(float* results, const typename Shape::Element* ahead, const typename Shape::Element* back,
                        const typename Shape::Element* b, u32 pairs) {
    float sums[Shape::SUMS];
    chains<Shape>(sums, ahead, back, b, pairs, [](u32) {});
    store_sums<Shape>(results, sums);
}

// As `rate`, and in each round every thread looks at 16 bytes of memory for the pattern that was written there: the tensor
// cores and the memory at once draw what the board can. Adds to faults[0] how many words differed.
template <typename Shape>
static inline void burn(float* results, const typename Shape::Element* ahead, const typename Shape::Element* back,
                        const typename Shape::Element* b, u32 pairs, const Quad* memory, u64 quads, u32 seed, u64* faults) {
    u64 at = global_index() % quads, stride = global_size() % quads;
    u64 wrong = 0;
    float sums[Shape::SUMS];
    chains<Shape>(sums, ahead, back, b, pairs, [&](u32) {
        u32 word;
        wrong += wrong_words(memory[at], pattern_quad(ADDRESS, seed, at), &word);
        at += stride;
        at = at < quads ? at : at - quads;
    });
    store_sums<Shape>(results, sums);
    if (wrong != 0) {
        add(&faults[0], wrong);
    }
}

// The exact product by `mma`: the tiles of it are dealt out to the warps of the block.
template <typename Shape>
static inline void product(float* products, u32* multiprocessors, const typename Shape::Element* a,
                           const typename Shape::Element* b, u32 depth) {
    typedef typename Shape::Element Element;
    const u32 tiles_across = EDGE / Shape::N, warps = BLOCK / 32;
    const u32 own_tiles = EDGE / Shape::M * tiles_across / warps;
    SHARED Element a_panel[EDGE * PANEL];
    SHARED Element b_panel[PANEL * EDGE];
    float sums[own_tiles][Shape::SUMS] = {};
    u32 warp = thread_index() / 32;
    for (u32 from = 0; from < depth; from += PANEL) {
        load_panels(a_panel, b_panel, a, b, depth, from);
        barrier();
        for (u32 tile = 0; tile < own_tiles; tile++) {
            u32 top = (warp * own_tiles + tile) / tiles_across * Shape::M;
            u32 left = (warp * own_tiles + tile) % tiles_across * Shape::N;
            for (u32 k = 0; k < PANEL; k += Shape::K) {
                u32 rows[Shape::A_REGISTERS], columns[Shape::B_REGISTERS];
                load_a<Shape>(rows, a_panel + top * PANEL + k, PANEL);
                load_b<Shape>(columns, b_panel + k * EDGE + left, EDGE);
                Shape::multiply_add(sums[tile], rows, columns);
            }
        }
        barrier();
    }
    float* own = products + (u64)block_index() * EDGE * EDGE;
    for (u32 tile = 0; tile < own_tiles; tile++) {
        u32 top = (warp * own_tiles + tile) / tiles_across * Shape::M;
        u32 left = (warp * own_tiles + tile) % tiles_across * Shape::N;
        for (u32 at = 0; at < Shape::SUMS; at++) {
            Place place = Shape::sum(thread_index() % 32, at);
            own[(top + place.row) * EDGE + left + place.column] = sums[tile][at];
        }
    }
    sign(multiprocessors);
}

#define TENSOR_KERNELS(NAME, SHAPE)                                                                                     \
    KERNEL rate_##NAME(float* results, const SHAPE::Element* ahead, const SHAPE::Element* back, const SHAPE::Element* b, \
                       u32 pairs) {                                                                                     \
        rate<SHAPE>(results, ahead, back, b, pairs);                                                                    \
    }                                                                                                                   \
    KERNEL product_##NAME(float* products, u32* multiprocessors, const SHAPE::Element* a, const SHAPE::Element* b,       \
                          u32 depth) {                                                                                  \
        product<SHAPE>(products, multiprocessors, a, b, depth);                                                         \
    }                                                                                                                   \
    KERNEL burn_##NAME(float* results, const SHAPE::Element* ahead, const SHAPE::Element* back, const SHAPE::Element* b, \
                       u32 pairs, const Quad* memory, u64 quads, u32 seed, u64* faults) {                               \
        burn<SHAPE>(results, ahead, back, b, pairs, memory, quads, seed, faults);                                       \
    }
