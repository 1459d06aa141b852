// TF32 on the tensor cores, since Ampere: floats of 32 bits of which the lowest 13 are not looked at.
#include "tensor.h"

TENSOR_KERNELS(tf32, Tf32x8)
