// `mma` for a CPU. Which lane holds what is told here from the matrix to the lane, the other way round than in `matrix.h`, so
// that a wrong place there gives a wrong product.
#pragma once

struct Held {
    u32 lane, element;
};

// The value of an element by its bits.
struct Half {
    static float value(u32 bits) {
        int exponent = bits >> 10 & 31, fraction = bits & 1023;
        float size = exponent ? ldexpf(1024 + fraction, exponent - 25) : ldexpf(fraction, -24);
        return bits >> 15 ? -size : size;
    }
};
struct Brain {
    static float value(u32 bits) { return real(bits << 16); }
};
struct Tensor32 {
    static float value(u32 bits) { return real(bits & ~0x1fffu); }
};
struct Eight {
    static float value(u32 bits) {
        int exponent = bits >> 3 & 15, fraction = bits & 7;
        float size = exponent ? ldexpf(8 + fraction, exponent - 10) : ldexpf(fraction, -9);
        return bits >> 7 ? -size : size;
    }
};

// What the lanes of a warp put in for each other.
struct Exchange {
    u32 a[32][4], b[32][4];
};
static Exchange exchanges[32];

// m16n8k* of elements of WIDTH bits.
template <u32 WIDTH>
struct Rows16 {
    enum { E = 32 / WIDTH, ROWS = 16, PRODUCTS = 1 };
    static Held a(u32, u32 row, u32 k) {
        return Held{row % 8 * 4 + k / E % 4, (row / 8 + k / (4 * E) * 2) * E + k % E};
    }
    static Held b(u32, u32 k, u32 column) { return Held{column * 4 + k / E % 4, k / (4 * E) * E + k % E}; }
    static Held d(u32, u32 row, u32 column) { return Held{row % 8 * 4 + column / 2, row / 8 * 2 + column % 2}; }
};

// m8n8k4: four products, each of the lanes 4q to 4q + 3 and 16 more than these.
struct Rows8 {
    enum { E = 2, ROWS = 8, PRODUCTS = 4 };
    static Held a(u32 q, u32 row, u32 k) { return Held{q * 4 + row % 4 + row / 4 * 16, k}; }
    static Held b(u32 q, u32 k, u32 column) { return Held{q * 4 + column % 4 + column / 4 * 16, k}; }
    static Held d(u32 q, u32 row, u32 column) {
        return Held{q * 4 + ((row & 1) | (column & 2)) + row / 4 * 16, (row & 2) | (column & 4) | (column & 1)};
    }
};

template <typename Rows, typename Format>
static inline float held(const u32 (*registers)[4], Held at) {
    u32 width = 32 / Rows::E;
    u32 bits = registers[at.lane][at.element / Rows::E] >> (at.element % Rows::E * width % 32);
    return Format::value(width == 32 ? bits : bits & ((1u << width) - 1));
}

template <typename Rows, typename Format, u32 K>
static inline void cpu_mma(float* d, const u32* a, u32 a_registers, const u32* b, u32 b_registers) {
    u32 lane = thread_index() % 32;
    Exchange& exchange = exchanges[thread_index() / 32];
    memcpy(exchange.a[lane], a, a_registers * 4);
    memcpy(exchange.b[lane], b, b_registers * 4);
    wait_as(AT_MMA);
    for (u32 q = 0; q < Rows::PRODUCTS; q++) {
        for (u32 row = 0; row < Rows::ROWS; row++) {
            for (u32 column = 0; column < 8; column++) {
                Held own = Rows::d(q, row, column);
                if (own.lane != lane) continue;
                double sum = d[own.element];
                for (u32 k = 0; k < K; k++) {
                    sum += (double)held<Rows, Format>(exchange.a, Rows::a(q, row, k)) *
                           held<Rows, Format>(exchange.b, Rows::b(q, k, column));
                }
                d[own.element] = (float)sum;
            }
        }
    }
    wait_as(AT_MMA);
}

#define CPU_SHAPE(NAME, LAYOUT, ROWS, FORMAT, DEPTH)                                             \
    struct NAME : LAYOUT {                                                                       \
        static void multiply_add(float* d, const u32* a, const u32* b) {                         \
            cpu_mma<ROWS, FORMAT, DEPTH>(d, a, A_REGISTERS, b, B_REGISTERS);                     \
        }                                                                                        \
    };
typedef Sixteen<u16, 8, 2, 2> Half8;
typedef Sixteen<u16, 16, 2, 4> Half16;
typedef Sixteen<u32, 8, 1, 4> Word8;
typedef Sixteen<u8, 32, 4, 4> Byte32;
CPU_SHAPE(Fp16x4, Four, Rows8, Half, 4)
CPU_SHAPE(Fp16x8, Half8, Rows16<16>, Half, 8)
CPU_SHAPE(Fp16x16, Half16, Rows16<16>, Half, 16)
CPU_SHAPE(Bf16x16, Half16, Rows16<16>, Brain, 16)
CPU_SHAPE(Tf32x8, Word8, Rows16<32>, Tensor32, 8)
CPU_SHAPE(Fp8x32, Byte32, Rows16<8>, Eight, 32)
