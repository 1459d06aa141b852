// FP8 (e4m3) on the tensor cores, since Ada.
//
// Hopper adds FP8 products with some 14 bits, so the sums of whoever calls must stay below 2^12 to be exact.
#include "tensor.h"

TENSOR_KERNELS(fp8, Fp8x32)
