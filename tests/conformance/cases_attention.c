/* SPDX-License-Identifier: MIT
 *
 * Cases of attention and attention_merge: each alone and both enqueued in one go, over segments of
 * every codec and grouping, GQA ratios, head dimensions, masks, sequences and strides.
 */
#include "cases.h"
#include "fixture_attention.h"

typedef enum { STAGE_ATTENTION, STAGE_MERGE, STAGE_CHAIN } attention_stage;

typedef struct {
    kvant_attention_spec spec;
    attention_stage stage;
} attention_case;

static void run_attention(kvant_trial *t, const void *data)
{
    const attention_case *c = data;
    kvant_attention_fixture f;
    kvant_attention_build(t, &c->spec, &f);
    kvant_trial_buffer *attention[] = {f.store, f.queries, f.positions, f.partials};
    kvant_trial_buffer *merge[] = {f.store, f.partials, f.out, f.lse};
    kvant_kernel kernel = kvant_attention_kernel_of(&c->spec);
    switch (c->stage) {
    case STAGE_ATTENTION:
        kvant_trial_launch(t, kernel, &f.params, attention);
        break;
    case STAGE_MERGE:
        kvant_trial_prepare(t, kernel, &f.params, attention);
        kvant_trial_launch(t, KVANT_KERNEL_attention_merge, &f.params, merge);
        break;
    default:
        kvant_trial_enqueue(t, kernel, &f.params, attention);
        kvant_trial_enqueue(t, KVANT_KERNEL_attention_merge, &f.params, merge);
        kvant_trial_check_all(t, "attention and attention_merge");
        break;
    }
}

static void emit_stages(kvant_case_sink *sink, const kvant_attention_spec *spec, const char *format,
                        int quick)
{
    char name[180];
    kvant_attention_name(spec, format, name, sizeof name);
    attention_case c = {.spec = *spec, .stage = STAGE_ATTENTION};
    kvant_emit(sink, quick, run_attention, &c, "%s/%s",
               kvant_kernel_name(kvant_attention_kernel_of(spec)), name);
    c.stage = STAGE_MERGE;
    kvant_emit(sink, quick, run_attention, &c, "attention_merge/%s", name);
    if (quick) {
        c.stage = STAGE_CHAIN;
        kvant_emit(sink, quick, run_attention, &c, "attention_chain/%s", name);
    }
}

/* The shape of case number i: every list is walked at its own speed. */
static void choose_shape(kvant_attention_spec *s, uint32_t i)
{
    static const kv_u32 dims[][2] = {{64, 64}, {8, 8},   {128, 128}, {40, 40}, {72, 80},
                                     {96, 96}, {80, 72}, {64, 32},   {16, 48}};
    static const kv_u32 heads[][2] = {{2, 1}, {1, 1}, {4, 2}, {3, 1}, {8, 2}, {16, 2}, {16, 1}};
    static const kv_u32 queries[] = {1, 1, 2, 1, 5};
    const kv_u32 *dim = dims[i % 9u];
    const kv_u32 *head = heads[i % 7u];
    s->cache.k_dim = dim[0];
    s->cache.v_dim = dim[1];
    s->q_heads = head[0];
    s->cache.kv_heads = head[1];
    s->queries = queries[i % 5u];
    s->cache.sequences = 1u + (i % 4u == 3u ? 1u : 0u);
    s->cache.dtype = i % 3u;
    s->q_dtype = (i / 2u) % 3u;
    s->out_dtype = i % 2u != 0u ? KV_DTYPE_F16 : KV_DTYPE_F32;
    s->has_lse = i % 3u != 0u;
    s->is_padded = i % 2u == 0u;
    s->mask = (kvant_attention_mask)(i % 3u);
}

/* ---- one segment of every format ----------------------------------------------------------- */

static const kv_u32 codecs[] = {KV_CODEC_INT2, KV_CODEC_INT4, KV_CODEC_INT8,
                                KV_CODEC_INT8_SYMMETRIC};

static kvant_format format_of(kv_u32 codec, kv_u32 grouping, uint32_t i)
{
    static const kv_u32 channel_lengths[] = {32, 64, 16, 8, 128};
    static const kv_u32 token_lengths[] = {32, 64, 128};
    kvant_format format = {.codec = codec, .grouping = grouping};
    if (kv_codec_keeps_norm(codec) != 0u) {
        grouping = grouping % 2u != 0u ? KV_GROUP_TOKEN_HEAD : KV_GROUP_TOKEN_CHANNELS;
        format.grouping = grouping;
    }
    if (grouping == KV_GROUP_TOKEN_CHANNELS) {
        format.group_length = channel_lengths[i % 5u];
    } else if (grouping == KV_GROUP_CHANNEL_TOKENS) {
        format.group_length = token_lengths[i % 3u];
    }
    format.has_channel_scale = kv_is_channelwise(grouping) == 0u && i % 3u == 1u;
    return format;
}

static void emit_formats(kvant_case_sink *sink)
{
    static const kv_u32 tokens[] = {33, 1, 100, 4, 32, 5, 31, 3, 64, 130};
    uint32_t i = 0;
    for (kv_u32 codec = 0; codec < 4u; codec++) {
        for (kv_u32 k_grouping = 0; k_grouping < 5u; k_grouping++) {
            for (kv_u32 turn = 0; turn < 5u; turn++, i++) {
                kvant_attention_spec s = {.cache = {.segment_count = 1u}};
                choose_shape(&s, i);
                kv_u32 v_codec = codecs[(codec + turn) % 4u];
                s.cache.segments[0] = (kvant_segment){
                    .k = format_of(codecs[codec], k_grouping, i),
                    .v = format_of(v_codec, (k_grouping + turn) % 5u, i / 2u),
                    .tokens = tokens[(i + i / 10u) % 10u],
                    .spare = i % 5u == 0u ? 6u : 0u,
                    .has_positions_per_head = i % 6u == 2u,
                };
                s.cache.kind = i % 4u == 1u ? KVANT_INPUT_OUTLIERS : KVANT_INPUT_GAUSSIAN;
                emit_stages(sink, &s, "segment", i % 20u == 3u);
            }
        }
    }
}

/* Codebooks for K, V or both, beside integers of every width and f16; then codes in planes. */
static void emit_codebooks(kvant_case_sink *sink)
{
    static const kv_u32 tokens[] = {33, 100, 4, 31, 270};
    static const kv_u32 planes[] = {KV_CODEC_INT3, KV_CODEC_INT1,   KV_CODEC_NF3,   KV_CODEC_NUQ3,
                                    KV_CODEC_NF2,  KV_CODEC_LLOYD3, KV_CODEC_LLOYD4};
    for (uint32_t i = 0; i < 44u; i++) {
        kvant_attention_spec s = {.cache = {.segment_count = 1u + i % 3u}};
        choose_shape(&s, i);
        kv_u32 codebook = (i % 3u == 1u ? KV_CODEC_NUQ4 : KV_CODEC_NF4) + i % 4u;
        kv_u32 other = i % 5u == 4u ? KV_CODEC_FP4 : codecs[i % 5u];
        if (i >= 24u) {
            codebook = planes[i % 7u];
            other = i % 8u == 0u ? other : planes[i / 3u % 7u];
        }
        s.cache.segments[0] = (kvant_segment){
            .k = format_of(i % 2u == 0u ? codebook : other, i % 5u, i),
            .v = format_of(i % 2u == 0u ? other : codebook, (i / 2u) % 5u, i / 2u),
            .tokens = tokens[i % 5u],
            .spare = i % 4u == 0u ? 6u : 0u,
            .has_positions_per_head = i % 6u == 2u,
        };
        s.cache.segments[1] = (kvant_segment){.k = format_of(other, (i + 1u) % 5u, i),
                                              .v = format_of(codebook, (i + 3u) % 5u, i),
                                              .tokens = 20u + i};
        s.cache.segments[2] = (kvant_segment){
            .k = {.codec = KV_CODEC_F16}, .v = {.codec = KV_CODEC_F16}, .tokens = 9u};
        s.cache.kind = i % 4u == 1u ? KVANT_INPUT_OUTLIERS : KVANT_INPUT_GAUSSIAN;
        emit_stages(sink, &s, "codebook", i % 3u == 0u || i == 4u || i == 7u);
    }
}

/* Segments of some heads alone: a run in the middle, the last head, the others; a head in none but the
 * window, and in the last case rows that see no token at all. */
static void emit_heads(kvant_case_sink *sink)
{
    for (uint32_t i = 0; i < 8u; i++) {
        kvant_attention_spec s = {.cache = {.segment_count = i == 7u ? 1u : 3u}};
        choose_shape(&s, i);
        s.cache.kv_heads = 3u + i % 2u;
        s.q_heads = s.cache.kv_heads * (1u + i % 3u);
        s.cache.segments[0] = (kvant_segment){
            .k = format_of(i % 3u == 0u ? KV_CODEC_NF4 : codecs[i % 4u], i % 5u, i),
            .v = format_of(codecs[(i + 1u) % 4u], (i + 2u) % 5u, i),
            .tokens = i == 5u ? 270u : 37u,
            .has_positions_per_head = i % 2u == 0u,
            .head_first = 1u,
            .head_count = 1u + i % 2u,
        };
        s.cache.segments[1] = (kvant_segment){.k = format_of(codecs[i % 4u], (i + 3u) % 5u, i),
                                              .v = format_of(KV_CODEC_FP4, (i + 1u) % 5u, i),
                                              .tokens = 20u + i,
                                              .head_first = s.cache.kv_heads - 1u,
                                              .head_count = 1u};
        s.cache.segments[2] = (kvant_segment){.k = {.codec = KV_CODEC_F16},
                                              .v = {.codec = KV_CODEC_F16},
                                              .tokens = 9u,
                                              .head_first = 0u,
                                              .head_count = i % 2u == 0u ? 0u : 2u};
        emit_stages(sink, &s, "heads", i < 4u || i == 7u);
    }
}

/* Every kind of K and V data and of query data, on two formats. */
static void emit_kinds(kvant_case_sink *sink)
{
    uint32_t i = 0;
    for (int kind = 0; kind < KVANT_INPUT_SPECIAL; kind++) {
        for (int turn = 0; turn < 3; turn++, i++) {
            kvant_attention_spec s = {.cache = {.segment_count = 1u}};
            choose_shape(&s, i);
            kv_u32 grouping = turn == 0 ? KV_GROUP_CHANNEL_TOKENS : KV_GROUP_TOKEN_HEAD;
            kvant_format format = {KV_CODEC_INT4, grouping, turn == 0 ? 32u : 0u, 0};
            kvant_format half = {.codec = KV_CODEC_F16};
            s.cache.segments[0] = (kvant_segment){
                .k = turn == 2 ? half : format, .v = turn == 2 ? half : format, .tokens = 37u};
            s.cache.kind = (kvant_input_kind)kind;
            s.query_kind = (kvant_input_kind)((kind * 3 + turn) % KVANT_INPUT_KIND_COUNT);
            emit_stages(sink, &s, turn == 2 ? "window" : "segment", 0);
        }
    }
}

/* f16 segments, and one tensor quantized beside one that is not. */
static void emit_windows(kvant_case_sink *sink)
{
    static const kv_u32 tokens[] = {1, 3, 4, 5, 31, 32, 33, 100};
    for (uint32_t i = 0; i < 24u; i++) {
        kvant_attention_spec s = {.cache = {.segment_count = 1u}};
        choose_shape(&s, i);
        kvant_format half = {.codec = KV_CODEC_F16};
        kvant_format quantized = format_of(codecs[i % 4u], i % 5u, i);
        s.cache.segments[0] = (kvant_segment){
            .k = i % 3u == 1u ? quantized : half,
            .v = i % 3u == 2u ? quantized : half,
            .tokens = tokens[i % 8u],
            .spare = i % 2u * 5u,
        };
        s.cache.segments[0].slot = i % 3u == 0u ? s.cache.segments[0].tokens / 2u : 0u;
        emit_stages(sink, &s, i % 3u == 0u ? "window" : "mixed", i % 8u == 0u);
    }
}

/* ---- several segments ---------------------------------------------------------------------- */

static kvant_segment zipcache_segment(kv_u32 codec, kv_u32 tokens)
{
    return (kvant_segment){
        .k = {codec, KV_GROUP_CHANNEL_SEGMENT, 0u, 0},
        .v = {codec, KV_GROUP_TOKEN, 0u, 1},
        .tokens = tokens,
    };
}

static kvant_segment kivi_segment(kv_u32 codec, kv_u32 tokens)
{
    return (kvant_segment){
        .k = {codec, KV_GROUP_CHANNEL_TOKENS, 32u, 0},
        .v = {codec, KV_GROUP_TOKEN_CHANNELS, 32u, 0},
        .tokens = tokens,
    };
}

static kvant_segment window_segment(kv_u32 tokens, kv_u32 spare, kv_u32 slot)
{
    return (kvant_segment){.k = {.codec = KV_CODEC_F16},
                           .v = {.codec = KV_CODEC_F16},
                           .tokens = tokens,
                           .spare = spare,
                           .slot = slot};
}

static void emit_recipes(kvant_case_sink *sink)
{
    /* tokens of the salient, the regular and the window segment */
    static const kv_u32 tokens[][3] = {{20, 13, 5},    {60, 41, 32},    {1, 3, 4},
                                       {255, 257, 31}, {150, 100, 100}, {300, 700, 12}};
    for (uint32_t i = 0; i < 18u; i++) {
        kvant_attention_spec s = {.cache = {.segment_count = 3u}};
        choose_shape(&s, i + i / 3u);
        const kv_u32 *n = tokens[i % 6u];
        s.cache.kind = i % 2u != 0u ? KVANT_INPUT_OUTLIERS : KVANT_INPUT_GAUSSIAN;
        if (n[1] > 200u) { /* the large ones in one modest shape */
            s.cache.k_dim = 64u;
            s.cache.v_dim = 64u;
            s.q_heads = 2u;
            s.cache.kv_heads = 1u;
            s.queries = 1u + i % 2u;
            s.cache.sequences = 1u;
        }
        int is_zipcache = i % 2u == 0u;
        s.cache.segments[0] =
            is_zipcache ? zipcache_segment(KV_CODEC_INT4, n[0]) : kivi_segment(KV_CODEC_INT4, n[0]);
        s.cache.segments[1] =
            is_zipcache ? zipcache_segment(KV_CODEC_INT2, n[1]) : kivi_segment(KV_CODEC_INT2, n[1]);
        s.cache.segments[0].has_positions_per_head = i % 3u == 1u;
        s.cache.segments[1].has_positions_per_head = i % 3u == 1u;
        s.cache.segments[2] = window_segment(n[2], 7u, n[2] / 3u);
        s.cache.has_empty_sequence = i == 9u || i == 4u;
        emit_stages(sink, &s, is_zipcache ? "zipcache" : "kivi", i < 3u);
    }
}

/* Head dimensions at the limits, long rows of work, a sequence that sees nothing. */
static void emit_edges(kvant_case_sink *sink)
{
    static const kv_u32 shapes[][7] = {
        /* K, V dimension, query heads, KV heads, queries, sequences, tokens */
        {256, 256, 2, 1, 1, 1, 40}, {192, 128, 2, 2, 1, 1, 70}, {256, 8, 1, 1, 2, 1, 33},
        {8, 256, 3, 1, 3, 1, 33},   {64, 64, 32, 2, 2, 1, 40},  {32, 32, 4, 4, 1, 5, 20},
        {64, 64, 4, 1, 9, 1, 256},  {24, 56, 2, 1, 1, 3, 516},
    };
    for (uint32_t i = 0; i < 24u; i++) {
        const kv_u32 *n = shapes[i % 8u];
        kvant_attention_spec s = {.cache = {.segment_count = 1u}};
        choose_shape(&s, i);
        s.cache.k_dim = n[0];
        s.cache.v_dim = n[1];
        s.q_heads = n[2];
        s.cache.kv_heads = n[3];
        s.queries = n[4];
        s.cache.sequences = n[5];
        s.mask = (kvant_attention_mask)(i % KVANT_MASK_COUNT);
        s.cache.segments[0] = i / 8u == 0u   ? kivi_segment(KV_CODEC_INT2, n[6])
                              : i / 8u == 1u ? zipcache_segment(KV_CODEC_INT8, n[6])
                                             : window_segment(n[6], 0u, 1u);
        emit_stages(sink, &s, "edge", 0);
    }
}

/* Parts where a cache puts them, so that rows of 16 bytes can be copied as they are: two splits of
 * every codec in wide heads, rounds of blocks of tokens, groups of channels. */
static void emit_aligned(kvant_case_sink *sink)
{
    static const kv_u32 dims[][2] = {{128, 128}, {256, 256}, {64, 192}, {192, 80}, {136, 96}};
    static const kv_u32 k_groupings[] = {KV_GROUP_CHANNEL_TOKENS, KV_GROUP_TOKEN_CHANNELS,
                                         KV_GROUP_CHANNEL_SEGMENT};
    static const kv_u32 v_groupings[] = {KV_GROUP_TOKEN_CHANNELS, KV_GROUP_TOKEN_HEAD};
    for (uint32_t i = 0; i < 12u; i++) {
        kvant_attention_spec s = {.cache = {.segment_count = 1u, .is_aligned = 1}};
        choose_shape(&s, i);
        s.cache.k_dim = dims[i % 5u][0];
        s.cache.v_dim = dims[i % 5u][1];
        s.q_heads = 4u;
        s.cache.kv_heads = 1u;
        s.cache.sequences = 1u;
        s.cache.segments[0] = (kvant_segment){
            .k = format_of(codecs[i % 4u], k_groupings[i % 3u], i / 4u),
            .v = format_of(codecs[(i + i / 4u) % 4u], v_groupings[i % 2u], i / 4u),
            .tokens = i % 3u == 0u ? 300u : 364u,
        };
        emit_stages(sink, &s, "aligned", i < 2u);
    }
}

/* A long sequence: twenty splits of three segments. */
static void emit_long(kvant_case_sink *sink)
{
    for (uint32_t i = 0; i < 2u; i++) {
        kvant_attention_spec s = {.cache = {.segment_count = 3u}};
        choose_shape(&s, 1u);
        s.cache.k_dim = 128u;
        s.cache.v_dim = 128u;
        s.q_heads = 4u;
        s.cache.kv_heads = 1u;
        s.queries = 1u;
        s.mask = KVANT_MASK_CAUSAL;
        s.cache.segments[0] =
            i == 0u ? zipcache_segment(KV_CODEC_INT4, 1803u) : kivi_segment(KV_CODEC_INT4, 33u);
        s.cache.segments[1] =
            i == 0u ? zipcache_segment(KV_CODEC_INT2, 1201u) : kivi_segment(KV_CODEC_INT2, 3001u);
        s.cache.segments[2] = window_segment(100u, 28u, 90u);
        emit_stages(sink, &s, i == 0u ? "zipcache" : "kivi", 0);
    }
}

/* ---- values that fade ----------------------------------------------------------------------- */

/* An f16 window of two splits where a token of tiny V has a tiny weight within its split, and that
 * split a tiny weight against the next: the product lies below the smallest normal float, which
 * devices may flush. No output may depend on it. `gap` is the distance of the scores. */
static void run_fading(kvant_trial *t, const void *data)
{
    const float gap = (float)*(const uint32_t *)data;
    kvant_attention_spec s = {
        .cache = {.segment_count = 1u, .sequences = 1u, .kv_heads = 1u, .k_dim = 8u, .v_dim = 8u},
        .q_heads = 1u,
        .queries = 1u,
        .q_dtype = KV_DTYPE_F32,
        .out_dtype = KV_DTYPE_F32,
        .has_lse = 1,
    };
    s.cache.segments[0] = window_segment(300u, 0u, 0u);
    kvant_attention_fixture f;
    kvant_attention_build(t, &s, &f);
    f.params.scale = 1.0f;
    kv_u32 *region = &f.store->words[f.params.sequence_offset];
    const kv_u32 *segment = &region[f.params.segments_offset];
    for (kv_u32 token = 0; token < 300u; token++) {
        for (kv_u32 channel = 0; channel < 8u; channel++) {
            float key = token < KV_SPLIT_TOKENS ? -2.0f * gap : 0.0f;
            key = token == 17u ? -gap : key;
            float value = token < 17u ? 1e-7f * (float)(channel + 1u) : 0.0f;
            kv_u32 i = token * 8u + channel;
            kv_store_half(region, segment[KV_SEGMENT_K_CODES], i,
                          kv_cache_half(channel == 0u ? key : 0.0f));
            kv_store_half(region, segment[KV_SEGMENT_V_CODES], i, kv_cache_half(value));
        }
    }
    for (kv_u32 channel = 0; channel < 8u; channel++) {
        f.queries->words[f.params.q_offset + channel] = kv_bits(channel == 0u ? 1.0f : 0.0f);
    }
    f.store->is_dirty = 1;
    kvant_trial_launch(t, KVANT_KERNEL_attention, &f.params,
                       (kvant_trial_buffer *[]){f.store, f.queries, f.positions, f.partials});
    kvant_trial_launch(t, KVANT_KERNEL_attention_merge, &f.params,
                       (kvant_trial_buffer *[]){f.store, f.partials, f.out, f.lse});
    kvant_trial_check_normal(t, f.out, f.params.out_offset, 8u);
}

static void emit_fading(kvant_case_sink *sink)
{
    for (uint32_t gap = 20u; gap <= 40u; gap += 4u) {
        kvant_emit(sink, 0, run_fading, &gap, "attention_merge/fading/gap%u", gap);
    }
}

void kvant_cases_attention(kvant_case_sink *sink)
{
    emit_formats(sink);
    emit_codebooks(sink);
    emit_heads(sink);
    emit_kinds(sink);
    emit_windows(sink);
    emit_recipes(sink);
    emit_edges(sink);
    emit_aligned(sink);
    emit_long(sink);
    emit_fading(sink);
}
