/* SPDX-License-Identifier: MIT
 *
 * The first launch of a kernel, with nothing to do: drivers for CPUs compile for a size of work-groups
 * when they meet it, and prepare() must leave nothing to compile.
 */
#include "opencl_internal.h"

#include "arith.h"
#include "layout.h"
#include "params.h"

typedef union {
#define KVANT_KERNEL(name, params, count, names, shape, exactness) params name;
#include "kernels.def"
#undef KVANT_KERNEL
} any_params;

typedef struct {
    uint32_t params_bytes;
    uint32_t binding_count;
} signature;

static const signature signatures[KVANT_KERNEL_COUNT] = {
#define KVANT_KERNEL(name, params, count, names, shape, exactness) {sizeof(params), count},
#include "kernels.def"
#undef KVANT_KERNEL
};

/* Parameters of an empty launch: no tokens, no items, and nothing that is divided by is 0. */
static void make_empty(kvant_kernel kernel, any_params *params)
{
    *params = (any_params){0};
    switch (kernel) {
    case KVANT_KERNEL_encode:
    case KVANT_KERNEL_gather:
    case KVANT_KERNEL_encode_codebook:
        params->encode.codec =
            kernel == KVANT_KERNEL_encode_codebook ? KV_CODEC_NF4 : KV_CODEC_INT8;
        params->encode.heads = 1;
        params->encode.dim = 8;
        break;
    case KVANT_KERNEL_saliency_queries:
    case KVANT_KERNEL_saliency_rows:
    case KVANT_KERNEL_saliency_merge:
    case KVANT_KERNEL_saliency_columns:
    case KVANT_KERNEL_saliency_scores:
        params->saliency_rows.q_heads = 1;
        params->saliency_rows.kv_heads = 1;
        break;
    case KVANT_KERNEL_attention_general:
    case KVANT_KERNEL_attention: /* the region's header, all 0, has no splits */
    case KVANT_KERNEL_attention_merge:
        params->attention.queries = 1;
        params->attention.q_heads = 1;
        params->attention.kv_heads = 1;
        params->attention.lse_offset = KV_NO_OFFSET;
        break;
    case KVANT_KERNEL_attention_latent:
        params->attention_latent.queries = 1;
        params->attention_latent.q_heads = 1;
        break;
    case KVANT_KERNEL_prefill:
        params->prefill.q_heads = 1;
        params->prefill.kv_heads = 1;
        params->prefill.lse_offset = KV_NO_OFFSET;
        break;
    default:
        break;
    }
}

kvant_status kvant_opencl_warm_up(kvant_backend_device *device, kvant_kernel kernel,
                                  kvant_variant variant)
{
    kvant_backend_buffer *buffer = NULL;
    kvant_status status = kvant_opencl_buffer_create(device, 4u * KV_HEADER_WORDS, &buffer);
    if (status != KVANT_OK) {
        return status;
    }
    any_params params;
    make_empty(kernel, &params);
    kvant_launch launch = {
        .kernel = kernel,
        .variant = variant,
        .params = &params,
        .params_bytes = signatures[kernel].params_bytes,
        .groups = {1, 1, 1},
        .binding_count = signatures[kernel].binding_count,
    };
    for (uint32_t i = 0; i < launch.binding_count; i++) {
        launch.bindings[i] = buffer;
    }
    status = kvant_opencl_launch(device, &launch);
    if (status == KVANT_OK) {
        status = kvant_opencl_synchronize(device);
    }
    kvant_opencl_buffer_destroy(device, buffer);
    return status;
}
