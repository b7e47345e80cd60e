/* SPDX-License-Identifier: MIT
 *
 * Cases of the quantize family: extrema, channel_scale, parameters, encode, dequantize, each alone
 * after the reference has prepared its input, and all enqueued in one go.
 */
#include "cases.h"
#include "fixture_quantize.h"

typedef struct {
    kvant_event event;
    kvant_kernel kernel; /* KVANT_KERNEL_COUNT: all */
} quantize_case;

static void launch_dequantize(kvant_trial *t, const kvant_event *e, kvant_event_plan *plan,
                              kvant_launch_fn launch)
{
    static const kvant_view_kind layouts[] = {KVANT_VIEW_PACKED, KVANT_VIEW_HEAD_MAJOR,
                                              KVANT_VIEW_PADDED, KVANT_VIEW_RING};
    kvant_trial_buffer *target = kvant_trial_add_buffer(t);
    kv_u32 dtype = e->dtype == KV_DTYPE_F32 ? KV_DTYPE_F16 : KV_DTYPE_F32;
    plan->dequantize.target = kvant_add_target(
        t, target, layouts[kvant_random_below(&t->random, 4u)], dtype, e->tokens, e->heads, e->dim);
    launch(t, KVANT_KERNEL_dequantize, &plan->dequantize,
           (kvant_trial_buffer *[]){plan->store, target});
}

static void run_quantize(kvant_trial *t, const void *data)
{
    const quantize_case *c = data;
    kvant_event_plan plan;
    kvant_trial_buffer *source = kvant_trial_add_buffer(t);
    kvant_trial_buffer *store = kvant_trial_add_buffer(t);
    kvant_trial_buffer *scratch = kvant_trial_add_buffer(t);
    kvant_event_build(t, &c->event, NULL, &plan, source, store, scratch);
    if (c->kernel == KVANT_KERNEL_COUNT) {
        kvant_event_run(t, &plan, KVANT_KERNEL_COUNT, NULL, kvant_trial_enqueue);
        launch_dequantize(t, &c->event, &plan, kvant_trial_enqueue);
        kvant_trial_check_all(t, "quantize");
        return;
    }
    kvant_event_run(t, &plan, c->kernel, kvant_trial_launch, kvant_trial_prepare);
    if (c->kernel == KVANT_KERNEL_dequantize) {
        launch_dequantize(t, &c->event, &plan, kvant_trial_launch);
    }
}

/* Picks an entry by a counter, so that the lists are walked at different speeds. */
#define PICK(list, i) list[(size_t)(i) % (sizeof list / sizeof list[0])]

static void choose_shape(kvant_event *e, uint32_t i)
{
    static const kv_u32 dims[] = {64, 8, 128, 40, 72, 80, 96, 192, 256, 16, 32};
    static const kv_u32 tokens[] = {33, 1, 100, 4, 32, 5, 257, 31, 3, 64, 255, 12, 256};
    static const kv_u32 heads[] = {2, 1, 3, 2, 8, 1, 4};
    static const kv_u32 lengths_channels[] = {32, 16, 64, 8, 128};
    static const kv_u32 lengths_tokens[] = {32, 64, 128};
    e->dim = PICK(dims, i);
    e->tokens = PICK(tokens, i * 3u + i / 11u);
    e->heads = PICK(heads, i / 2u);
    e->group_length = 0u;
    if (e->grouping == KV_GROUP_TOKEN_CHANNELS) {
        e->group_length = PICK(lengths_channels, i / 3u);
    } else if (e->grouping == KV_GROUP_CHANNEL_TOKENS) {
        e->group_length = PICK(lengths_tokens, i / 3u);
    }
    /* in every second event the segment starts before and ends after it */
    kv_u32 block = e->grouping == KV_GROUP_CHANNEL_TOKENS ? e->group_length : 4u;
    e->token = i % 2u != 0u && e->grouping != KV_GROUP_CHANNEL_SEGMENT ? 2u * block : 0u;
    e->capacity = e->token + (e->tokens + 3u) / 4u * 4u + (i % 4u == 1u ? 8u : 0u);
    while (e->tokens * e->heads * e->dim > 60000u) {
        e->heads = (e->heads + 1u) / 2u;
        if (e->heads == 1u) {
            break;
        }
    }
}

static void emit_event(kvant_case_sink *sink, const kvant_event *e, uint32_t i)
{
    char name[200];
    kvant_event_name(e, name, sizeof name);
    const kvant_kernel kernels[] = {KVANT_KERNEL_extrema, KVANT_KERNEL_parameters,
                                    kvant_event_encode_kernel(e->codec), KVANT_KERNEL_dequantize};
    quantize_case c = {.event = *e};
    if (e->has_channel_scale) {
        c.kernel = KVANT_KERNEL_channel_scale;
        kvant_emit(sink, i % 16u == 2u, run_quantize, &c, "channel_scale/%s", name);
    }
    for (size_t j = 0; j < sizeof kernels / sizeof kernels[0]; j++) {
        c.kernel = kernels[j];
        if (kv_groups_are_local(e->grouping) != 0u && j < 2u) {
            continue; /* encode finds the extrema of such groups itself */
        }
        kvant_emit(sink, i % 24u == 0u, run_quantize, &c, "%s/%s", kvant_kernel_name(c.kernel),
                   name);
    }
    static const kvant_kernel learning[] = {KVANT_KERNEL_codebook_histogram,
                                            KVANT_KERNEL_codebook_levels};
    for (size_t j = 0; kv_codec_is_learned(e->codec) != 0u && j < 2u; j++) {
        c.kernel = learning[j];
        kvant_emit(sink, i % 24u == 0u, run_quantize, &c, "%s/%s", kvant_kernel_name(c.kernel),
                   name);
    }
    if (i % 3u == 0u) {
        c.kernel = KVANT_KERNEL_COUNT;
        kvant_emit(sink, i % 24u == 0u, run_quantize, &c, "quantize/%s", name);
    }
}

/* More items than one grid of a small device has. */
static void emit_big(kvant_case_sink *sink)
{
    static const kvant_event events[] = {
        {.codec = KV_CODEC_INT2,
         .grouping = KV_GROUP_CHANNEL_TOKENS,
         .group_length = 32u,
         .kind = KVANT_INPUT_GAUSSIAN},
        {.is_value = 1u,
         .codec = KV_CODEC_INT4,
         .grouping = KV_GROUP_TOKEN,
         .kind = KVANT_INPUT_OUTLIERS,
         .has_channel_scale = 1},
        {.codec = KV_CODEC_INT8_SYMMETRIC,
         .grouping = KV_GROUP_CHANNEL_SEGMENT,
         .kind = KVANT_INPUT_OUTLIERS,
         .gather = KVANT_GATHER_PER_HEAD},
    };
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        kvant_event e = events[i];
        e.heads = 4u;
        e.dim = 128u;
        e.tokens = i == 0u ? 3001u : 701u;
        e.capacity = e.tokens + 3u;
        emit_event(sink, &e, 1u); /* each kernel alone, not in the quick subset */
    }
}

/* What the walk below has outside the quick subset alone: events that start inside a segment,
 * channel scales (and their target in f16), groups of 8 channels, a last group of fewer channels. */
static void emit_inside(kvant_case_sink *sink)
{
    static const kvant_event events[] = {
        {.codec = KV_CODEC_INT2, .grouping = KV_GROUP_TOKEN, .has_channel_scale = 1},
        {.is_value = 1u,
         .codec = KV_CODEC_INT4,
         .grouping = KV_GROUP_TOKEN_CHANNELS,
         .group_length = 8u,
         .has_channel_scale = 1,
         .gather = KVANT_GATHER_SHARED},
        {.codec = KV_CODEC_INT8_SYMMETRIC,
         .grouping = KV_GROUP_TOKEN_HEAD,
         .gather = KVANT_GATHER_PER_HEAD},
        {.codec = KV_CODEC_INT4, .grouping = KV_GROUP_CHANNEL_TOKENS, .group_length = 32u},
        {.is_value = 1u,
         .codec = KV_CODEC_INT2,
         .grouping = KV_GROUP_TOKEN,
         .has_channel_scale = 1,
         .gather = KVANT_GATHER_SHARED},
        {.is_value = 1u,
         .codec = KV_CODEC_INT8,
         .grouping = KV_GROUP_CHANNEL_TOKENS,
         .group_length = 64u},
        {.codec = KV_CODEC_INT8,
         .grouping = KV_GROUP_TOKEN_CHANNELS,
         .group_length = 8u,
         .has_channel_scale = 1},
        {.codec = KV_CODEC_INT4,
         .grouping = KV_GROUP_CHANNEL_SEGMENT,
         .gather = KVANT_GATHER_PER_HEAD},
        {.codec = KV_CODEC_INT4, .grouping = KV_GROUP_TOKEN_CHANNELS, .group_length = 24u},
    };
    static const kv_u32 dims[] = {64, 72, 128, 40};
    for (uint32_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        kvant_event e = events[i];
        e.heads = 2u + i % 2u;
        e.dim = dims[i % 4u];
        e.tokens = 33u - 7u * (i % 3u);
        e.token = e.grouping == KV_GROUP_CHANNEL_TOKENS    ? 2u * e.group_length
                  : e.grouping == KV_GROUP_CHANNEL_SEGMENT ? 0u
                                                           : 12u;
        e.capacity = e.token + 48u;
        e.dtype = (i + KV_DTYPE_F32) % 3u; /* a source in f32 has a target in f16 */
        e.layout = (kvant_view_kind)(i % KVANT_VIEW_KIND_COUNT);
        e.kind = i % 2u != 0u ? KVANT_INPUT_OUTLIERS : KVANT_INPUT_GAUSSIAN;
        emit_event(sink, &e, 0u); /* each kernel alone and all of them, in the quick subset */
    }
}

static void emit_codebook(kvant_case_sink *sink, kv_u32 codec, kv_u32 grouping, uint32_t i)
{
    kvant_event e = {
        .is_value = i / 4u % 2u,
        .codec = codec,
        .grouping = grouping,
        .kind = (kvant_input_kind)(i / 2u % KVANT_INPUT_KIND_COUNT),
        .dtype = i % 3u,
        .layout = (kvant_view_kind)(i / 3u % KVANT_VIEW_KIND_COUNT),
        .gather = (kvant_gather)(i / 5u % 3u),
        .has_channel_scale = i / 2u % 2u != 0u && kv_is_channelwise(grouping) == 0u,
    };
    choose_shape(&e, i + 3u);
    if (kv_codec_is_learned(e.codec) != 0u) { /* a segment of its own */
        e.capacity -= e.token;
        e.token = 0u;
    }
    emit_event(sink, &e, i % 3u == 0u ? 0u : 1u + i % 2u * 2u); /* a third is quick */
}

/* Codebooks, in every grouping, of K and of V; then those of other widths, and codes in planes. */
static void emit_codebooks(kvant_case_sink *sink)
{
    for (uint32_t i = 0; i < 56u; i++) {
        emit_codebook(sink, i < 32u ? KV_CODEC_NF4 + i % 4u : KV_CODEC_NUQ4 + i % 4u, i % 5u, i);
    }
    static const kv_u32 codecs[] = {KV_CODEC_INT3, KV_CODEC_INT1, KV_CODEC_NF3, KV_CODEC_NUQ3,
                                    KV_CODEC_NF2};
    for (uint32_t i = 0; i < 50u; i++) {
        emit_codebook(sink, codecs[i % 5u], (i + i / 5u) % 5u, i);
    }
    static const kv_u32 of_norms[] = {KV_CODEC_LLOYD4, KV_CODEC_LLOYD3, KV_CODEC_LLOYD2};
    for (uint32_t i = 0; i < 24u; i++) {
        kv_u32 grouping = i / 2u % 2u != 0u ? KV_GROUP_TOKEN_HEAD : KV_GROUP_TOKEN_CHANNELS;
        emit_codebook(sink, of_norms[i / 3u % 3u], grouping, i);
    }
}

/* ---- channel scales over those of queries -------------------------------------------------- */

typedef struct {
    uint32_t heads, group, dim;
} smooth_case;

static void run_smooth(kvant_trial *t, const void *data)
{
    const smooth_case *c = data;
    kvant_trial_buffer *scratch = kvant_trial_add_buffer(t);
    kvant_trial_buffer *store = kvant_trial_add_buffer(t);
    kv_channel_scale_params p = {
        .channels = c->heads * c->dim,
        .dim = c->dim,
        .group = c->group,
    };
    p.keys_offset = kvant_add_random_keys(t, scratch, p.channels);
    p.query_keys_offset = kvant_add_random_keys(t, scratch, p.channels * c->group);
    p.scale_offset = kvant_trial_region(t, store, p.channels / 2u);
    kvant_trial_launch(t, KVANT_KERNEL_channel_scale, &p, (kvant_trial_buffer *[]){scratch, store});
}

static void emit_smooth(kvant_case_sink *sink)
{
    static const smooth_case cases[] = {{1u, 1u, 8u}, {3u, 2u, 40u}, {2u, 8u, 128u}};
    for (uint32_t i = 0; i < 3u; i++) {
        kvant_emit(sink, i == 1u, run_smooth, &cases[i], "channel_scale/smooth/kv%u/group%u/dim%u",
                   cases[i].heads, cases[i].group, cases[i].dim);
    }
}

void kvant_cases_quantize(kvant_case_sink *sink)
{
    emit_big(sink);
    emit_inside(sink);
    emit_codebooks(sink);
    static const kv_u32 codecs[] = {KV_CODEC_INT2, KV_CODEC_INT4, KV_CODEC_INT8,
                                    KV_CODEC_INT8_SYMMETRIC};
    uint32_t i = 0;
    for (kv_u32 is_value = 0; is_value < 2u; is_value++) {
        for (size_t codec = 0; codec < 4u; codec++) {
            for (kv_u32 grouping = 0; grouping <= KV_GROUP_CHANNEL_SEGMENT; grouping++) {
                for (int kind = 0; kind < KVANT_INPUT_KIND_COUNT; kind++, i++) {
                    kvant_event e = {
                        .is_value = is_value,
                        .codec = codecs[codec],
                        .grouping = grouping,
                        .kind = (kvant_input_kind)kind,
                        .dtype = i % 3u,
                        .layout = (kvant_view_kind)((i / 3u) % KVANT_VIEW_KIND_COUNT),
                        .gather = (kvant_gather)((i / 5u) % 3u),
                        .has_channel_scale =
                            (i / 2u) % 2u != 0u && kv_is_channelwise(grouping) == 0u,
                    };
                    choose_shape(&e, i);
                    emit_event(sink, &e, i);
                }
            }
        }
    }
    emit_smooth(sink);
}
