// Runs one kernel on a CPU, for the tests: `program KERNEL GRID BLOCK`, its arguments on standard input, its buffers on
// standard output as it left them. An argument is its length (64 bits) and its bytes; a buffer and a scalar are told apart by
// the kernel's own signature.
#pragma once

#include <tuple>

enum { GUARD = 4096 };
static std::vector<std::vector<char>> buffers;

static std::vector<char> read_bytes(size_t margin) {
    u64 length;
    if (fread(&length, 8, 1, stdin) != 1) exit(4);
    std::vector<char> bytes(length + 2 * margin, (char)0xA5);
    if (length != 0 && fread(bytes.data() + margin, length, 1, stdin) != 1) exit(4);
    return bytes;
}

template <typename P>
struct Argument {
    static P read() {
        std::vector<char> bytes = read_bytes(0);
        if (bytes.size() != sizeof(P)) exit(5);
        P value;
        memcpy(&value, bytes.data(), sizeof(P));
        return value;
    }
};
template <typename T>
struct Argument<T*> {
    static T* read() {
        buffers.push_back(read_bytes(GUARD));
        return (T*)(buffers.back().data() + GUARD);
    }
};

static void write_buffers() {
    for (std::vector<char>& buffer : buffers) {
        for (size_t at = 0; at < GUARD; at++) {
            if (buffer[at] != (char)0xA5 || buffer[buffer.size() - 1 - at] != (char)0xA5) {
                fprintf(stderr, "written outside of a buffer\n");
                exit(6);
            }
        }
        u64 length = buffer.size() - 2 * GUARD;
        fwrite(&length, 8, 1, stdout);
        fwrite(buffer.data() + GUARD, length, 1, stdout);
    }
}

template <typename... P>
static void run(void (*kernel)(P...), int grid, int block) {
    // In braces they are read in their order. The buffers stay where they are: only the list of them grows.
    std::tuple<P...> arguments{Argument<P>::read()...};
    machine.grid = grid;
    machine.block = block;
    machine.body = [&] { std::apply(kernel, arguments); };
    for (machine.current_block = 0; machine.current_block < machine.grid; machine.current_block++) {
        run_block();
    }
    write_buffers();
}

#define ENTRY(KERNEL_NAME) \
    if (!strcmp(argv[1], #KERNEL_NAME)) return run(KERNEL_NAME, atoi(argv[2]), atoi(argv[3])), 0;
