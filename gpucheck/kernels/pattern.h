// What is written to memory to be found there again: one word of 32 bits by its index.
#pragma once
#include "gpu.h"

enum Pattern : u32 {
    CONSTANT = 0,  // the seed: all zeros, all ones, alternating bits
    ADDRESS = 1,   // every word differs by where it is: finds address lines that are stuck or crossed
    WALKING = 2,   // one bit, one place further at each word: finds data lines that are
};

static inline u32 pattern(u32 kind, u32 seed, u64 index) {
    switch (kind) {
        case CONSTANT: return seed;
        case ADDRESS: return ((u32)index * 0x9E3779B1u + (u32)(index >> 32)) ^ seed;
        default: return (1u << (u32)(index % 32)) ^ seed;
    }
}

static inline Quad pattern_quad(u32 kind, u32 seed, u64 quad) {
    u64 word = quad * 4;
    return Quad{pattern(kind, seed, word), pattern(kind, seed, word + 1), pattern(kind, seed, word + 2),
                pattern(kind, seed, word + 3)};
}

// How many of four words are not what they should be; `first`: the first of them that is not.
static inline u32 wrong_words(Quad found, Quad wanted, u32* first) {
    u32 wrong[4] = {found.x != wanted.x, found.y != wanted.y, found.z != wanted.z, found.w != wanted.w};
    *first = wrong[0] ? 0 : wrong[1] ? 1 : wrong[2] ? 2 : 3;
    return wrong[0] + wrong[1] + wrong[2] + wrong[3];
}
