/* SPDX-License-Identifier: MIT
 *
 * How many items or work-groups each kernel has. The kernels of all languages rely on these counts;
 * they are listed per kernel in docs/kernels.md.
 */
#include "plan.h"

#include "layout.h"
#include "params.h"

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1u) / b;
}

static uint64_t columns_of(uint32_t dim)
{
    return divide_up(dim, 8u);
}

/* Columns of a head that are items of their own: a lone lane takes all of them. */
static uint64_t column_items(const kv_quantize_params *p, uint32_t lanes)
{
    return p->heads * (lanes == 1u ? 1u : columns_of(p->dim));
}

static uint64_t extrema_items(const kv_quantize_params *p, uint32_t lanes)
{
    uint64_t runs = divide_up(p->tokens, KV_RUN_TOKENS(lanes));
    return divide_up(column_items(p, lanes), KV_RUN_HEADS(lanes)) * runs;
}

static uint64_t encode_items(const kv_quantize_params *p, uint32_t lanes)
{
    if (p->grouping == KV_GROUP_CHANNEL_SEGMENT) {
        return column_items(p, lanes) * divide_up(p->tokens, KV_BLOCK_TOKENS(lanes));
    }
    if (p->grouping == KV_GROUP_CHANNEL_TOKENS) {
        return column_items(p, lanes) * divide_up(p->tokens, p->group_length);
    }
    if (lanes == 1u) {
        return (p->grouping == KV_GROUP_TOKEN ? 1u : p->heads) *
               divide_up(p->tokens, KV_BLOCK_TOKENS(lanes));
    }
    uint64_t heads = p->grouping == KV_GROUP_TOKEN
                         ? p->heads
                         : KV_TILE_HEADS(lanes, (uint32_t)columns_of(p->dim));
    uint64_t tiles = divide_up(p->heads, heads) * divide_up(p->tokens, KV_TOKEN_QUAD);
    return KV_IS_NARROW(lanes) ? tiles : tiles * lanes;
}

static uint64_t gather_items(const kv_quantize_params *p, uint32_t lanes)
{
    uint64_t rows = divide_up(p->tokens, KV_TOKEN_QUAD) * KV_TOKEN_QUAD * p->heads;
    return rows * (KV_IS_NARROW(lanes) ? 1u : columns_of(p->dim));
}

static uint64_t append_items(const kv_append_params *p, uint32_t lanes)
{
    uint64_t columns = columns_of(p->k_dim) + columns_of(p->v_dim);
    return (uint64_t)p->tokens * p->heads * (KV_IS_NARROW(lanes) ? 2u : columns) + p->tokens;
}

/* A lane of a CPU takes a row, a work-group those of one tensor; the lanes of a larger one take as many
 * rows as they have octets of channels. */
static uint64_t rotate_items(const kv_rotate_params *p, uint32_t lanes)
{
    uint64_t rows = (uint64_t)p->tokens * p->heads;
    if (KV_IS_NARROW(lanes)) {
        return divide_up(rows, lanes) * lanes * (p->second_dim != 0u ? 2u : 1u);
    }
    return rows * (columns_of(p->dim) + columns_of(p->second_dim));
}

/* Words of codes, then words of parameters. */
static uint64_t transcode_items(const kv_transcode_params *p)
{
    uint32_t tokens = (p->tokens + 3u) / 4u * 4u;
    uint32_t bits = kv_codec_bits(p->codecs[p->token_class]);
    return (uint64_t)p->heads * kv_code_words(tokens, p->dim, bits) +
           kv_group_count(p->grouping, p->group_length, tokens, p->dim, p->heads);
}

static uint64_t saliency_items(kvant_kernel kernel, const kv_saliency_params *p)
{
    switch (kernel) {
    case KVANT_KERNEL_saliency_columns:
        return (uint64_t)p->kv_heads * p->tokens;
    case KVANT_KERNEL_saliency_scores:
        return (uint64_t)(p->all_heads != 0u ? 1u : p->kv_heads) * p->tokens;
    default:
        return (uint64_t)p->probes * p->q_heads;
    }
}

/* Rows of heads, in octets of channels but for a CPU. */
static uint64_t row_items(uint32_t tokens, uint32_t heads, uint32_t dim, uint32_t lanes)
{
    return (uint64_t)tokens * heads * (KV_IS_NARROW(lanes) ? 1u : columns_of(dim));
}

/* Independent items of an ITEMS kernel. */
static uint64_t count_items(kvant_kernel kernel, const void *params, uint32_t lanes)
{
    switch (kernel) {
    case KVANT_KERNEL_arithmetic:
        return ((const kv_arithmetic_params *)params)->count;
    case KVANT_KERNEL_finite: {
        const kv_finite_params *p = params;
        return row_items(p->tokens, p->heads, p->dim, lanes);
    }
    case KVANT_KERNEL_append:
        return append_items(params, lanes);
    case KVANT_KERNEL_rotate:
        return rotate_items(params, lanes);
    case KVANT_KERNEL_codebook_histogram: {
        const kv_quantize_params *p = params;
        return (uint64_t)p->tokens * p->heads;
    }
    case KVANT_KERNEL_codebook_levels:
        return 1u;
    case KVANT_KERNEL_positions:
        return ((const kv_positions_params *)params)->count;
    case KVANT_KERNEL_extrema:
        return extrema_items(params, lanes);
    case KVANT_KERNEL_channel_scale:
        return ((const kv_channel_scale_params *)params)->channels / 2u;
    case KVANT_KERNEL_parameters:
        return ((const kv_parameters_params *)params)->channels;
    case KVANT_KERNEL_encode:
    case KVANT_KERNEL_encode_codebook:
        return encode_items(params, lanes);
    case KVANT_KERNEL_encode_norm: {
        const kv_quantize_params *p = params;
        return divide_up(p->tokens, KV_TOKEN_QUAD) * p->heads;
    }
    case KVANT_KERNEL_gather:
        return gather_items(params, lanes);
    case KVANT_KERNEL_dequantize: {
        const kv_dequantize_params *p = params;
        return (uint64_t)p->tokens * p->heads * (p->dim / 2u);
    }
    case KVANT_KERNEL_locate: {
        const kv_locate_params *p = params;
        return (uint64_t)p->maps * p->tokens;
    }
    case KVANT_KERNEL_transcode:
        return transcode_items(params);
    case KVANT_KERNEL_probe_rows: {
        const kv_probe_rows_params *p = params;
        return (uint64_t)p->random + p->recent;
    }
    case KVANT_KERNEL_saliency_pool: {
        const kv_pool_params *p = params;
        return (uint64_t)p->maps * p->tokens;
    }
    case KVANT_KERNEL_saliency_magnitudes: {
        const kv_range_params *p = params;
        return row_items(p->tokens, p->heads, p->dim, lanes);
    }
    case KVANT_KERNEL_saliency_range: {
        const kv_range_params *p = params;
        return (uint64_t)(p->all_heads != 0u ? 1u : p->heads) * p->tokens;
    }
    case KVANT_KERNEL_saliency_ranks: {
        const kv_ranks_params *p = params;
        return (uint64_t)p->maps * p->tokens;
    }
    default:
        return saliency_items(kernel, params);
    }
}

/* The grid of a GROUPS kernel. */
static void count_groups(kvant_kernel kernel, const void *params, uint32_t lanes,
                         uint64_t groups[3])
{
    groups[0] = groups[1] = groups[2] = 1u;
    if (kernel == KVANT_KERNEL_saliency_rows) {
        const kv_saliency_params *p = params;
        groups[0] = divide_up(p->tokens, KV_SPLIT_TOKENS);
        groups[1] = p->kv_heads;
        groups[2] =
            divide_up((uint64_t)p->probes * (p->q_heads / p->kv_heads), KV_SALIENCY_PAIRS(lanes));
    } else if (kernel == KVANT_KERNEL_saliency_percentile) {
        groups[0] = ((const kv_percentile_params *)params)->maps;
    } else if (kernel == KVANT_KERNEL_exchange) {
        groups[0] = ((const kv_exchange_params *)params)->groups;
    } else if (kernel == KVANT_KERNEL_select) {
        groups[0] = ((const kv_select_params *)params)->maps;
    } else if (kernel == KVANT_KERNEL_attention || kernel == KVANT_KERNEL_attention_general) {
        const kv_attention_params *p = params;
        uint64_t rows = (uint64_t)(p->q_heads / p->kv_heads) * p->queries;
        groups[0] = p->max_splits;
        groups[1] = p->kv_heads * divide_up(rows, KV_ROWS);
        groups[2] = p->sequences;
    } else if (kernel == KVANT_KERNEL_attention_latent) {
        const kv_latent_params *p = params;
        groups[0] = p->max_splits;
        groups[1] = divide_up((uint64_t)p->q_heads * p->queries, KV_LATENT_ROWS);
        groups[2] = p->sequences;
    } else if (kernel == KVANT_KERNEL_attention_merge) {
        const kv_attention_params *p = params;
        groups[0] = (uint64_t)p->q_heads * p->queries;
        groups[2] = p->sequences;
    } else { /* prefill */
        const kv_prefill_params *p = params;
        groups[0] = divide_up(p->queries, KV_PREFILL_ROWS(lanes));
        groups[1] = p->q_heads;
    }
}

static int is_items(kvant_kernel kernel)
{
    enum { ITEMS = 1, GROUPS = 0 };
    static const unsigned char shapes[KVANT_KERNEL_COUNT] = {
#define KVANT_KERNEL(name, params, count, names, shape, exactness) shape,
#include "kernels.def"
#undef KVANT_KERNEL
    };
    return shapes[kernel];
}

int kvant_plan_groups(kvant_kernel kernel, const void *params, const kvant_backend_limits *limits,
                      uint32_t out_groups[3])
{
    uint64_t groups[3] = {0u, 1u, 1u};
    if (is_items(kernel)) {
        /* a grid-stride loop takes what a smaller grid leaves */
        groups[0] = divide_up(count_items(kernel, params, limits->lanes), limits->lanes);
        if (groups[0] > limits->max_groups) {
            groups[0] = limits->max_groups;
        }
    } else {
        count_groups(kernel, params, limits->lanes, groups);
    }
    for (int i = 0; i < 3; i++) {
        if (groups[i] > limits->max_groups) {
            return 0;
        }
        out_groups[i] = (uint32_t)groups[i];
    }
    return 1;
}
