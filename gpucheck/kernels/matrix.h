// The shapes of `mma`: which element of a matrix each lane holds in which register, as the PTX ISA has it ("Matrix Fragments
// for mma"), and the instruction itself. On a CPU the instruction is replaced (`cpu/mma.h`).
#pragma once
#include "gpu.h"

struct Place {
    u32 row, column;
};

// m16n8k16 and its kin: four lanes share a row; `E` elements fill a register; `AREGS` registers of A.
template <typename ElementOf, u32 DEPTH, u32 E, u32 AREGS>
struct Sixteen {
    typedef ElementOf Element;
    enum { M = 16, N = 8, K = DEPTH, PER_REGISTER = E, A_REGISTERS = AREGS, B_REGISTERS = AREGS / 2, SUMS = 4 };

    static Place a(u32 lane, u32 element) {
        u32 part = element / E;
        return Place{lane / 4 + part % 2 * 8, lane % 4 * E + element % E + part / 2 * 4 * E};
    }
    static Place b(u32 lane, u32 element) {
        return Place{lane % 4 * E + element % E + element / E * 4 * E, lane / 4};
    }
    static Place sum(u32 lane, u32 element) {
        return Place{lane / 4 + element / 2 * 8, lane % 4 * 2 + element % 2};
    }
};

// Volta's m8n8k4: four groups of eight lanes, each with a product of its own. Here each takes eight of 32 rows.
struct Four {
    typedef u16 Element;
    enum { M = 32, N = 8, K = 4, PER_REGISTER = 2, A_REGISTERS = 2, B_REGISTERS = 2, SUMS = 8 };

    static u32 group(u32 lane) { return lane % 16 / 4 * 8; }
    static Place a(u32 lane, u32 element) { return Place{group(lane) + lane % 4 + lane / 16 * 4, element}; }
    static Place b(u32 lane, u32 element) { return Place{element, lane % 4 + lane / 16 * 4}; }
    static Place sum(u32 lane, u32 element) {
        return Place{group(lane) + (lane & 1) + (element & 2) + lane / 16 * 4, (element & 4) + (lane & 2) + (element & 1)};
    }
};

#ifdef __CUDACC_RTC__

#define MMA_16_OF_4(SHAPE, TYPES)                                                                                     \
    asm volatile("mma.sync.aligned." SHAPE ".row.col." TYPES " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};" \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                                     \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))

struct Fp16x4 : Four {
    static void multiply_add(float* d, const u32* a, const u32* b) {
        asm volatile(
            "mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 {%0,%1,%2,%3,%4,%5,%6,%7}, {%8,%9}, {%10,%11}, "
            "{%0,%1,%2,%3,%4,%5,%6,%7};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7])
            : "r"(a[0]), "r"(a[1]), "r"(b[0]), "r"(b[1]));
    }
};
struct Fp16x8 : Sixteen<u16, 8, 2, 2> {
    static void multiply_add(float* d, const u32* a, const u32* b) {
        asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[0]), "r"(a[1]), "r"(b[0]));
    }
};
struct Fp16x16 : Sixteen<u16, 16, 2, 4> {
    static void multiply_add(float* d, const u32* a, const u32* b) { MMA_16_OF_4("m16n8k16", "f32.f16.f16.f32"); }
};
struct Bf16x16 : Sixteen<u16, 16, 2, 4> {
    static void multiply_add(float* d, const u32* a, const u32* b) { MMA_16_OF_4("m16n8k16", "f32.bf16.bf16.f32"); }
};
struct Tf32x8 : Sixteen<u32, 8, 1, 4> {
    static void multiply_add(float* d, const u32* a, const u32* b) { MMA_16_OF_4("m16n8k8", "f32.tf32.tf32.f32"); }
};
struct Fp8x32 : Sixteen<u8, 32, 4, 4> {
    static void multiply_add(float* d, const u32* a, const u32* b) { MMA_16_OF_4("m16n8k32", "f32.e4m3.e4m3.f32"); }
};

#else
#include "cpu/mma.h"
#endif

// A lane's share of A, from a matrix stored row by row with `stride` elements a row.
template <typename Shape>
static inline void load_a(u32* registers, const typename Shape::Element* matrix, u32 stride) {
    const u32 width = 32 / Shape::PER_REGISTER;
    for (u32 r = 0; r < Shape::A_REGISTERS; r++) {
        registers[r] = 0;
        for (u32 e = 0; e < Shape::PER_REGISTER; e++) {
            Place at = Shape::a(thread_index() % 32, r * Shape::PER_REGISTER + e);
            registers[r] |= (u32)matrix[at.row * stride + at.column] << (e * width % 32);
        }
    }
}

// A lane's share of B.
template <typename Shape>
static inline void load_b(u32* registers, const typename Shape::Element* matrix, u32 stride) {
    const u32 width = 32 / Shape::PER_REGISTER;
    for (u32 r = 0; r < Shape::B_REGISTERS; r++) {
        registers[r] = 0;
        for (u32 e = 0; e < Shape::PER_REGISTER; e++) {
            Place at = Shape::b(thread_index() % 32, r * Shape::PER_REGISTER + e);
            registers[r] |= (u32)matrix[at.row * stride + at.column] << (e * width % 32);
        }
    }
}
