// BF16 on the tensor cores, since Ampere.
#include "tensor.h"

TENSOR_KERNELS(bf16, Bf16x16)
