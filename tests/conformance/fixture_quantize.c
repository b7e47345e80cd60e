/* SPDX-License-Identifier: MIT
 *
 * A compression event of one tensor, laid out and run as the cache does it.
 */
#include "fixture_quantize.h"

const char *kvant_event_codec_name(kv_u32 codec)
{
    switch (codec) {
    case KV_CODEC_INT1:
        return "int1";
    case KV_CODEC_INT2:
        return "int2";
    case KV_CODEC_INT3:
        return "int3";
    case KV_CODEC_INT4:
        return "int4";
    case KV_CODEC_INT8:
        return "int8";
    case KV_CODEC_INT8_SYMMETRIC:
        return "int8s";
    case KV_CODEC_NF4:
        return "nf4";
    case KV_CODEC_FP4:
        return "fp4";
    case KV_CODEC_MXFP4:
        return "mxfp4";
    case KV_CODEC_NVFP4:
        return "nvfp4";
    case KV_CODEC_NUQ4:
        return "nuq4";
    case KV_CODEC_NUQ2:
        return "nuq2";
    case KV_CODEC_NUQ3:
        return "nuq3";
    case KV_CODEC_LLOYD2:
        return "lloyd2";
    case KV_CODEC_LLOYD3:
        return "lloyd3";
    case KV_CODEC_LLOYD4:
        return "lloyd4";
    case KV_CODEC_NF2:
        return "nf2";
    case KV_CODEC_NF3:
        return "nf3";
    case KV_CODEC_INTRINSIC:
        return "intrinsic";
    case KV_CODEC_INTRINSIC_LITERAL:
        return "literal";
    default:
        return "f16";
    }
}

void kvant_event_name(const kvant_event *e, char *name, size_t size)
{
    static const char *const groupings[] = {"token", "token-head", "token-channels",
                                            "channel-tokens", "channel-segment"};
    static const char *const gathers[] = {"", "/gather", "/gather-heads"};
    char grouping[48];
    if (e->grouping == KV_GROUP_TOKEN_CHANNELS || e->grouping == KV_GROUP_CHANNEL_TOKENS) {
        snprintf(grouping, sizeof grouping, "%s-%u", groupings[e->grouping], e->group_length);
    } else {
        snprintf(grouping, sizeof grouping, "%s", groupings[e->grouping]);
    }
    snprintf(name, size, "%s/%s/%s/heads%u/dim%u/tokens%u/at%u-of%u/%s/%s/%s%s%s",
             e->is_value != 0u ? "v" : "k", kvant_event_codec_name(e->codec), grouping, e->heads,
             e->dim, e->tokens, e->token, e->capacity, kvant_dtype_name(e->dtype),
             kvant_view_name(e->layout), kvant_input_name(e->kind), gathers[e->gather],
             e->has_channel_scale ? "/cst" : "");
}

kv_u32 kvant_event_params_words(const kvant_event *e)
{
    return kv_group_count(e->grouping, e->group_length, e->capacity, e->dim, e->heads);
}

kv_u32 kvant_event_codes_words(const kvant_event *e)
{
    return e->heads * kv_code_words(e->capacity, e->dim, kv_codec_bits(e->codec));
}

/* Lists of rows, ascending, some left out; with a base as positions have. Returns the rows that the
 * source must have. */
static kv_u32 add_indices(kvant_trial *trial, const kvant_event *e, kv_quantize_params *p,
                          kvant_trial_buffer *store)
{
    if (e->gather == KVANT_GATHER_NONE) {
        p->indices_offset = KV_NO_OFFSET;
        return e->tokens;
    }
    kv_u32 lists = e->gather == KVANT_GATHER_PER_HEAD ? e->heads : 1u;
    p->index_base = 500u;
    p->indices_head = lists > 1u ? e->tokens + 3u : 0u;
    p->indices_offset =
        kvant_trial_region(trial, store, lists > 1u ? lists * p->indices_head : e->tokens);
    kv_u32 rows = e->tokens * 2u;
    for (kv_u32 list = 0; list < lists; list++) {
        for (kv_u32 i = 0; i < e->tokens; i++) {
            store->words[p->indices_offset + list * p->indices_head + i] =
                p->index_base + 2u * i + kvant_random_below(&trial->random, 2u);
        }
    }
    return rows;
}

static kv_u32 add_keys(kvant_trial *trial, kvant_trial_buffer *scratch, kv_u32 channels)
{
    kv_u32 offset = kvant_trial_region(trial, scratch, 2u * channels);
    kvant_trial_fill(scratch, offset, channels, 0xffffffffu);
    kvant_trial_fill(scratch, offset + channels, channels, 0u);
    return offset;
}

kv_u32 kvant_add_random_keys(kvant_trial *trial, kvant_trial_buffer *scratch, kv_u32 channels)
{
    static const float scales[] = {1.0f, 30.0f, 1e-3f, 2e4f, 0.2f, 0.0f};
    kv_u32 offset = kvant_trial_region(trial, scratch, 2u * channels);
    for (kv_u32 i = 0; i < channels; i++) {
        float scale = scales[kvant_random_below(&trial->random, 6u)];
        float a = kv_cache_value(kvant_random_normal(&trial->random) * scale);
        float b = kv_cache_value(kvant_random_normal(&trial->random) * scale);
        int is_empty = kvant_random_below(&trial->random, 16u) == 0u;
        scratch->words[offset + i] = is_empty ? 0xffffffffu : kv_sortable(a < b ? a : b);
        scratch->words[offset + channels + i] = is_empty ? 0u : kv_sortable(a < b ? b : a);
    }
    scratch->is_dirty = 1;
    return offset;
}

static kvant_event_target add_target(kvant_trial *trial, const kvant_event *e,
                                     kvant_trial_buffer *store)
{
    kvant_event_target target = {.channel_scale_offset = KV_NO_OFFSET};
    if (e->has_channel_scale) {
        target.channel_scale_offset = kvant_trial_region(trial, store, e->heads * e->dim / 2u);
    }
    target.params_offset = kvant_trial_region(trial, store, kvant_event_params_words(e));
    target.codes_offset = kvant_trial_region(trial, store, kvant_event_codes_words(e));
    if (kv_codec_is_learned(e->codec) != 0u) {
        target.levels_offset = kvant_trial_region(trial, store, KV_CODEBOOK_WORDS);
        kvant_trial_fill(store, target.levels_offset, KV_CODEBOOK_WORDS, 0x5a5a5a5au);
    }
    return target;
}

void kvant_event_build(kvant_trial *trial, const kvant_event *e, const kvant_event_target *given,
                       kvant_event_plan *plan, kvant_trial_buffer *source,
                       kvant_trial_buffer *store, kvant_trial_buffer *scratch)
{
    *plan = (kvant_event_plan){.source = source, .store = store, .scratch = scratch};
    kv_quantize_params p = {
        .tokens = e->tokens,
        .token = e->token,
        .capacity = e->capacity,
        .heads = e->heads,
        .dim = e->dim,
        .codec = e->codec,
        .grouping = e->grouping,
        .group_length = e->group_length,
        .is_value = e->is_value,
    };
    kv_u32 rows = add_indices(trial, e, &p, store);
    p.source =
        kvant_add_tensor(trial, source, e->layout, e->dtype, rows, e->heads, e->dim, e->kind);
    kvant_event_target target = given != NULL ? *given : add_target(trial, e, store);

    /* the channel scales, from the extrema of each channel */
    plan->has_channel_scale = e->has_channel_scale;
    plan->scale_extrema = p;
    plan->scale_extrema.channel_scale_offset = KV_NO_OFFSET;
    if (e->has_channel_scale) {
        plan->scale_extrema.keys_offset = add_keys(trial, scratch, e->heads * e->dim);
        plan->channel_scale = (kv_channel_scale_params){
            .keys_offset = plan->scale_extrema.keys_offset,
            .channels = e->heads * e->dim,
            .scale_offset = target.channel_scale_offset,
        };
    }

    p.channel_scale_offset = e->has_channel_scale ? target.channel_scale_offset : KV_NO_OFFSET;
    p.params_offset = target.params_offset;
    p.codes_offset = target.codes_offset;
    p.levels_offset = target.levels_offset;
    p.keys_offset = add_keys(trial, scratch, e->heads * e->dim);
    plan->quantize = p;
    plan->learning = p;
    if (kv_codec_is_learned(e->codec) != 0u) {
        plan->learning.keys_offset = kvant_trial_region(trial, scratch, KV_CODEBOOK_BYTES);
        kvant_trial_fill(scratch, plan->learning.keys_offset, KV_CODEBOOK_BYTES, 0u);
    }
    plan->parameters = (kv_parameters_params){
        .keys_offset = p.keys_offset,
        .channels = e->heads * e->dim,
        .params_offset = p.params_offset,
        .codec = p.codec,
    };
    plan->dequantize = (kv_dequantize_params){
        .tokens = e->tokens,
        .token = e->token,
        .capacity = e->capacity,
        .heads = e->heads,
        .dim = e->dim,
        .codec = e->codec,
        .grouping = e->grouping,
        .group_length = e->group_length,
        .is_value = e->is_value,
        .channel_scale_offset = p.channel_scale_offset,
        .params_offset = p.params_offset,
        .codes_offset = p.codes_offset,
        .levels_offset = p.levels_offset,
    };
}

kvant_kernel kvant_event_encode_kernel(kv_u32 codec)
{
    return kv_codec_keeps_norm(codec) != 0u     ? KVANT_KERNEL_encode_norm
           : kv_codec_has_codebook(codec) != 0u ? KVANT_KERNEL_encode_codebook
                                                : KVANT_KERNEL_encode;
}

void kvant_event_run(kvant_trial *trial, const kvant_event_plan *plan, kvant_kernel only,
                     kvant_launch_fn chosen, kvant_launch_fn rest)
{
    kvant_trial_buffer *extrema[] = {plan->source, plan->store, plan->scratch};
    kvant_trial_buffer *finish[] = {plan->scratch, plan->store};
    kvant_trial_buffer *encode[] = {plan->source, plan->store};
    kvant_launch_fn run = only == KVANT_KERNEL_extrema ? chosen : rest;
    if (plan->has_channel_scale) {
        run(trial, KVANT_KERNEL_extrema, &plan->scale_extrema, extrema);
        (only == KVANT_KERNEL_channel_scale ? chosen : rest)(trial, KVANT_KERNEL_channel_scale,
                                                             &plan->channel_scale, finish);
    }
    if (kv_groups_are_local(plan->quantize.grouping) == 0u) {
        run(trial, KVANT_KERNEL_extrema, &plan->quantize, extrema);
        (only == KVANT_KERNEL_parameters ? chosen : rest)(trial, KVANT_KERNEL_parameters,
                                                          &plan->parameters, finish);
    }
    kvant_kernel kernel = kvant_event_encode_kernel(plan->quantize.codec);
    if (kv_codec_is_learned(plan->quantize.codec) != 0u) {
        rest(trial, kernel, &plan->quantize, encode); /* the parameters */
        (only == KVANT_KERNEL_codebook_histogram ? chosen : rest)(
            trial, KVANT_KERNEL_codebook_histogram, &plan->learning, extrema);
        (only == KVANT_KERNEL_codebook_levels ? chosen : rest)(trial, KVANT_KERNEL_codebook_levels,
                                                               &plan->learning, finish);
    }
    (only == kernel ? chosen : rest)(trial, kernel, &plan->quantize, encode);
}
