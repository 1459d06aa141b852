// FP16 on the tensor cores, by the shape that the tier has: m8n8k4 on Volta, m16n8k8 on Turing, m16n8k16 since Ampere.
#include "tensor.h"

#if TIER >= 80
TENSOR_KERNELS(fp16, Fp16x16)
#elif TIER >= 75
TENSOR_KERNELS(fp16, Fp16x8)
#else
TENSOR_KERNELS(fp16, Fp16x4)
#endif
