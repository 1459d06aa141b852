// The kernels' CUDA for a CPU: a block is run as fibers, one a thread, each up to where it waits for the others; blocks run
// one after the other. Which thread runs first is fixed, so a barrier that is missing shows.
#pragma once

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <functional>
#include <vector>

#define KERNEL extern "C" void
#define SHARED static

enum Waiting { RUNNING, AT_BARRIER, AT_MMA, ENDED };

struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    Waiting waiting;
};

struct Machine {
    u32 grid, block, current_block, current_thread;
    ucontext_t scheduler;
    std::vector<Fiber> fibers;
    std::function<void()> body;
};
static Machine machine;

static inline u32 thread_index() { return machine.current_thread; }
static inline u32 block_index() { return machine.current_block; }
static inline u32 block_size() { return machine.block; }
static inline u32 grid_size() { return machine.grid; }
static inline u32 multiprocessor() { return machine.current_block % 3 + 10; }
static inline float fused(float a, float b, float c) { return fmaf(a, b, c); }
static inline u32 bits(float value) {
    u32 bits;
    memcpy(&bits, &value, 4);
    return bits;
}
static inline float real(u32 bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}
static inline void add(u64* sum, u64 value) { *sum += value; }
static inline void lower(u64* least, u64 value) { *least = value < *least ? value : *least; }

// Lets all other threads of the block come to the same place.
static inline void wait_as(Waiting waiting) {
    Fiber& own = machine.fibers[machine.current_thread];
    own.waiting = waiting;
    swapcontext(&own.context, &machine.scheduler);
}
static inline void barrier() { wait_as(AT_BARRIER); }

static void run_fiber() {
    machine.body();
    wait_as(ENDED);
}

// Runs every thread of one block to its end, one stretch between two places of waiting after the other.
static inline void run_block() {
    machine.fibers = std::vector<Fiber>(machine.block);
    for (Fiber& fiber : machine.fibers) {
        fiber.stack.resize(1 << 16);
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = fiber.stack.size();
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, run_fiber, 0);
    }
    for (Waiting reached = RUNNING; reached != ENDED;) {
        for (u32 thread = 0; thread < machine.block; thread++) {
            machine.current_thread = thread;
            swapcontext(&machine.scheduler, &machine.fibers[thread].context);
            if (thread == 0) {
                reached = machine.fibers[0].waiting;
            } else if (machine.fibers[thread].waiting != reached) {
                fprintf(stderr, "thread %u waits elsewhere than the others\n", thread);
                exit(3);
            }
        }
    }
}
