/* SPDX-License-Identifier: MIT
 *
 * The kernels that the simulator holds, from the manifest and the table of variants.
 */
#include "cudasim.h"

#include <string.h>

#define KVANT_KERNEL(name, params, count, names, shape, exactness)                                 \
    extern const cudasim_kernel cudasim_kernel_##name;
#include "kernels.def"
#undef KVANT_KERNEL
#define KVANT_TUNED_CUDA(kernel, variant, capability, least_rows, why)                             \
    extern const cudasim_kernel cudasim_kernel_##kernel##_##variant;
#include "variants.def"

static const cudasim_kernel *const kernels[] = {
#define KVANT_KERNEL(name, params, count, names, shape, exactness) &cudasim_kernel_##name,
#include "kernels.def"
#undef KVANT_KERNEL
#define KVANT_TUNED_CUDA(kernel, variant, capability, least_rows, why)                             \
    &cudasim_kernel_##kernel##_##variant,
#include "variants.def"
};

const cudasim_kernel *cudasim_find_kernel(const char *name)
{
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        if (strcmp(kernels[i]->name, name) == 0) {
            return kernels[i];
        }
    }
    return NULL;
}
