/* SPDX-License-Identifier: MIT
 *
 * Computes the layout of a cache: checks its shape, and takes the steps of layout_parts.h.
 */
#include <math.h>

#include "layout.h"
#include "layout_parts.h"
#include "recipe_internal.h"
#include "validate.h"

kvant_status kvant_layout_check_size(const kvant_cache_desc *desc)
{
    if (desc->struct_size != sizeof *desc) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "kvant_cache_desc.struct_size is %zu, this library has %zu",
                          desc->struct_size, sizeof *desc);
    }
    return KVANT_OK;
}

static kvant_status check_dims(const kvant_cache_desc *desc)
{
    uint32_t dims[2] = {desc->k_dim, desc->v_dim != 0 ? desc->v_dim : desc->k_dim};
    for (int i = 0; i < 2; i++) {
        if (dims[i] < 8 || dims[i] > KV_MAX_HEAD_DIM || dims[i] % 8 != 0) {
            return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                              "%s is %u, not a multiple of 8 from 8 to %u",
                              i == 0 ? "k_dim" : "v_dim", dims[i], KV_MAX_HEAD_DIM);
        }
    }
    return KVANT_OK;
}

/* Of a cache of latents: v_dim is the latent's dimension, k_dim that of the rotary key. */
static kvant_status check_latent_dims(const kvant_cache_desc *desc)
{
    uint32_t unit = KV_CHUNK * kv_latent_parts(desc->v_dim);
    if (desc->kv_heads != 1) {
        return kvant_fail(
            KVANT_ERROR_INVALID_ARGUMENT,
            "a recipe with latent=1 is for caches of latents, which have one KV head; "
            "kv_heads is %u",
            desc->kv_heads);
    }
    if (desc->v_dim == 0 || desc->v_dim > KV_MAX_LATENT_DIM || desc->v_dim % unit != 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "v_dim is %u; latents take a multiple of 32 up to 256, or of 64 up to %u",
                          desc->v_dim, KV_MAX_LATENT_DIM);
    }
    if (desc->k_dim < 8 || desc->k_dim > KV_MAX_ROTARY_DIM || desc->k_dim % 8 != 0) {
        return kvant_fail(
            KVANT_ERROR_INVALID_ARGUMENT,
            "k_dim is %u; rotary keys beside latents take a multiple of 8 from 8 to %u",
            desc->k_dim, KV_MAX_ROTARY_DIM);
    }
    if (desc->scale == 0.0f) { /* the dimension of a head is not known here */
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "scale is 0, which has no default with latents: it is 1 over the root of "
                          "a whole head's dimension, 128 + 64 for DeepSeek-V2");
    }
    return KVANT_OK;
}

kvant_status kvant_layout_check_shape(const kvant_cache_desc *desc)
{
    if (desc->layers == 0 || desc->sequences == 0 || desc->q_heads == 0 || desc->kv_heads == 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "layers, sequences, q_heads and kv_heads must be above 0");
    }
    if (desc->layers > 65535 || desc->sequences > 65535 || desc->q_heads > 4096) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "more than 65535 layers or sequences, or 4096 heads");
    }
    if (desc->q_heads % desc->kv_heads != 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "%u query heads are not a multiple of %u KV heads", desc->q_heads,
                          desc->kv_heads);
    }
    kvant_status dims = desc->recipe.latent != 0 ? check_latent_dims(desc) : check_dims(desc);
    if (dims != KVANT_OK) {
        return dims;
    }
    uint64_t tokens = (uint64_t)desc->prefill_tokens + desc->decode_tokens;
    if (tokens == 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "prefill_tokens and decode_tokens are both 0");
    }
    if (tokens > (1u << 28)) {
        return kvant_fail(KVANT_ERROR_LIMIT, "more than 2^28 tokens a sequence");
    }
    if (desc->max_queries > 1024) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "max_queries is above 1024");
    }
    kvant_status status = kvant_check_scale(desc->scale);
    if (status != KVANT_OK) {
        return status;
    }
    if (desc->non_finite != KVANT_NON_FINITE_STRICT &&
        desc->non_finite != KVANT_NON_FINITE_SANITISE) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "non_finite has no known value");
    }
    return kvant_recipe_check(&desc->recipe);
}

/* ---- all of it ---- */

kvant_status kvant_layout_plan(kvant_host *host, const kvant_cache_desc *desc,
                               kvant_layout *out_layout)
{
    *out_layout = (kvant_layout){0};
    kvant_status status = kvant_layout_check_shape(desc);
    if (status != KVANT_OK) {
        return status;
    }
    kvant_layout layout = {.desc = *desc};
    layout.desc.v_dim = desc->v_dim != 0 ? desc->v_dim : desc->k_dim;
    layout.desc.max_queries = desc->max_queries != 0 ? desc->max_queries : 1u;
    if (desc->scale == 0.0f) {
        layout.desc.scale = (float)(1.0 / sqrt((double)desc->k_dim));
    }
    status = kvant_layout_divide_heads(&layout);
    if (status != KVANT_OK) {
        return status;
    }
    kvant_layout_decide(&layout);
    status = kvant_layout_list(host, &layout);
    if (status == KVANT_OK) {
        status = kvant_layout_place(&layout);
    }
    if (status == KVANT_OK) {
        status = kvant_layout_size_scratch(&layout);
    }
    if (status == KVANT_OK) {
        status = kvant_layout_check_scores(&layout);
    }
    if (status == KVANT_OK) {
        status = kvant_layout_count_bytes(&layout);
    }
    if (status != KVANT_OK) {
        kvant_layout_free(host, &layout);
        return status;
    }
    *out_layout = layout;
    return KVANT_OK;
}

void kvant_layout_free(kvant_host *host, kvant_layout *layout)
{
    kvant_release(host, layout->segments);
    layout->segments = NULL;
}
