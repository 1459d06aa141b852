// Patterns over memory: written, and looked for again.
#include "pattern.h"

// Writes the pattern over `quads` of 16 bytes; `first`: which quad of the whole memory the first of these is.
KERNEL memory_write(Quad* memory, u64 quads, u64 first, u32 kind, u32 seed) {
    for (u64 at = global_index(); at < quads; at += global_size()) {
        memory[at] = pattern_quad(kind, seed, first + at);
    }
}

// Looks for it again: adds to faults[0] how many words differ, lowers faults[1] to the first of them, as an index of words.
KERNEL memory_verify(const Quad* memory, u64 quads, u64 first, u32 kind, u32 seed, u64* faults) {
    u64 wrong = 0;
    u64 where = ~0ull;
    for (u64 at = global_index(); at < quads; at += global_size()) {
        u32 word;
        u32 here = wrong_words(memory[at], pattern_quad(kind, seed, first + at), &word);
        if (here != 0) {
            u64 index = (first + at) * 4 + word;
            where = index < where ? index : where;
        }
        wrong += here;
    }
    if (wrong != 0) {
        add(&faults[0], wrong);
        lower(&faults[1], where);
    }
}
