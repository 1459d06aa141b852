// Arithmetic in FP32: chains of fused multiply-adds, and the exact product.
#include "product.h"

enum { FMA_CHAINS = 8 };

// What a chain starts from: in [1, 2), different in each lane and chain.
static inline float chain_start(u32 lane, u32 chain, u32 seed) {
    u32 mixed = ((lane * FMA_CHAINS + chain + 1) * 0x9E3779B1u ^ seed) * 0x85EBCA6Bu;
    return 1.0f + (float)(mixed >> 16) * (1.0f / 65536.0f);
}

// Eight chains in each thread, of `pairs` steps there (x * scale + shift) and back (x * unscale + unshift): neither grows nor
// settles, so that one wrong bit is still there at the end. Each lane of a warp ends with the same bits in every warp.
KERNEL fma_chains(u32* results, u32 pairs, float scale, float shift, float unscale, float unshift, u32 seed) {
    u32 lane = thread_index() % 32;
    float x[FMA_CHAINS];
    for (u32 chain = 0; chain < FMA_CHAINS; chain++) {
        x[chain] = chain_start(lane, chain, seed);
    }
#pragma unroll 4
    for (u32 pair = 0; pair < pairs; pair++) {
        for (u32 chain = 0; chain < FMA_CHAINS; chain++) {
            x[chain] = fused(x[chain], scale, shift);
        }
        for (u32 chain = 0; chain < FMA_CHAINS; chain++) {
            x[chain] = fused(x[chain], unscale, unshift);
        }
    }
    u32 folded = 0;
    for (u32 chain = 0; chain < FMA_CHAINS; chain++) {
        folded = (folded << 3 | folded >> 29) ^ bits(x[chain]);
    }
    results[global_index()] = folded;
}

// The product by plain FP32: each thread has 16 elements of it, 4 rows by 4 columns.
KERNEL product_fp32(float* products, u32* multiprocessors, const u32* a, const u32* b, u32 depth) {
    SHARED u32 a_panel[EDGE * PANEL];
    SHARED u32 b_panel[PANEL * EDGE];
    u32 top = thread_index() / 16 * 4, left = thread_index() % 16 * 4;
    float sums[4][4] = {};
    for (u32 from = 0; from < depth; from += PANEL) {
        load_panels(a_panel, b_panel, a, b, depth, from);
        barrier();
        for (u32 k = 0; k < PANEL; k++) {
            for (u32 row = 0; row < 4; row++) {
                for (u32 column = 0; column < 4; column++) {
                    float left_factor = real(a_panel[(top + row) * PANEL + k]);
                    float right_factor = real(b_panel[k * EDGE + left + column]);
                    sums[row][column] = fused(left_factor, right_factor, sums[row][column]);
                }
            }
        }
        barrier();
    }
    float* product = products + (u64)block_index() * EDGE * EDGE;
    for (u32 row = 0; row < 4; row++) {
        for (u32 column = 0; column < 4; column++) {
            product[(top + row) * EDGE + left + column] = sums[row][column];
        }
    }
    sign(multiprocessors);
}
