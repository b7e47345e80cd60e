/* SPDX-License-Identifier: MIT
 *
 * Golden cases: the bytes of tiny compression events in every codec, layout and grouping, of the f16
 * window, of an attention output and of saliency scores, against checked-in hexadecimal text.
 */
#include "fixture_quantize.h"
#include "fixture_saliency.h"
#include "golden.h"

static const struct {
    const char *name;
    const char *text;
} golden_rows[] = {
#define KVANT_GOLDEN(name, text) {name, text},
#include "format.def"
#undef KVANT_GOLDEN
};

/* Bytes of words in the order in which they lie in a file, a space after each word. */
static void append_words(char *text, size_t size, const char *label, const kv_u32 *words,
                         uint32_t count)
{
    size_t used = strlen(text);
    used += (size_t)snprintf(text + used, size - used, "%s%s:", used != 0u ? " " : "", label);
    for (uint32_t i = 0; i < count && used + 16u < size; i++) {
        used += (size_t)snprintf(text + used, size - used, " %02x%02x%02x%02x", words[i] & 255u,
                                 (words[i] >> 8) & 255u, (words[i] >> 16) & 255u, words[i] >> 24);
    }
}

/* Halves that look irregular, with one channel larger than the others; no generator involved. */
static float golden_value(uint32_t token, uint32_t head, uint32_t channel)
{
    int32_t i = (int32_t)((token * 37u + channel * 11u + head * 5u) % 61u) - 30;
    return (float)i * 0.125f * (channel == 3u ? 4.0f : 1.0f);
}

static void fill_golden(kvant_trial_buffer *buffer, const kv_view *view, uint32_t rows,
                        uint32_t heads, uint32_t dim)
{
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t head = 0; head < heads; head++) {
            for (uint32_t channel = 0; channel < dim; channel++) {
                kvant_store_element(buffer->words, kv_view_index(view, row, head, channel),
                                    view->dtype, golden_value(row, head, channel));
            }
        }
    }
    buffer->is_dirty = 1;
}

/* ---- encode -------------------------------------------------------------------------------- */

static const kv_u32 codecs[] = {KV_CODEC_INT2, KV_CODEC_INT4, KV_CODEC_INT8,
                                KV_CODEC_INT8_SYMMETRIC};

#define GOLDEN_CODEBOOKS 80u

#define GOLDEN_WIDTHS 92u
static const kv_u32 widths[] = {KV_CODEC_INT3, KV_CODEC_INT1,   KV_CODEC_NF3,    KV_CODEC_NF2,
                                KV_CODEC_NUQ3, KV_CODEC_LLOYD2, KV_CODEC_LLOYD3, KV_CODEC_LLOYD4};

/* variant = (tensor * 4 + codec) * 5 + grouping, + 40 with channel scales; from GOLDEN_CODEBOOKS on
 * tensor * 4 + codebook, 8 channels of a token a group; then the learned ones, of K; from GOLDEN_WIDTHS
 * on codec * 2 + tensor */
static kvant_event golden_event(uint32_t variant)
{
    if (variant >= GOLDEN_WIDTHS) {
        uint32_t i = variant - GOLDEN_WIDTHS;
        kvant_event width = golden_event(i % 2u * 20u + KV_GROUP_TOKEN_CHANNELS);
        width.codec = widths[i / 2u];
        return width;
    }
    if (variant >= GOLDEN_CODEBOOKS) {
        uint32_t i = variant - GOLDEN_CODEBOOKS;
        kvant_event codebook = golden_event(i / 4u % 2u * 20u + KV_GROUP_TOKEN_CHANNELS);
        codebook.codec = (i < 8u ? KV_CODEC_NF4 : KV_CODEC_NUQ4) + i % 4u;
        return codebook;
    }
    kvant_event event = {
        .is_value = variant / 20u % 2u,
        .codec = codecs[variant / 5u % 4u],
        .grouping = variant % 5u,
        .heads = 2u,
        .dim = 8u,
        .tokens = 6u, /* and two of padding */
        .capacity = 8u,
        .dtype = KV_DTYPE_F32,
        .has_channel_scale = variant >= 40u,
    };
    if (event.grouping == KV_GROUP_TOKEN_CHANNELS) {
        event.dim = 16u;
        event.group_length = 8u;
    } else if (event.grouping == KV_GROUP_CHANNEL_TOKENS) {
        event.group_length = 32u;
    }
    return event;
}

static void produce_encode(kvant_trial *t, uint32_t variant, char *text, size_t size)
{
    kvant_event event = golden_event(variant);
    kvant_event_plan plan;
    kvant_trial_buffer *source = kvant_trial_add_buffer(t);
    kvant_trial_buffer *store = kvant_trial_add_buffer(t);
    kvant_trial_buffer *scratch = kvant_trial_add_buffer(t);
    kvant_event_build(t, &event, NULL, &plan, source, store, scratch);
    fill_golden(source, &plan.quantize.source, event.tokens, event.heads, event.dim);
    kvant_trial_fill(store, plan.quantize.params_offset, kvant_event_params_words(&event), 0u);
    kvant_event_run(t, &plan, KVANT_KERNEL_COUNT, NULL, kvant_trial_device_only);
    if (event.has_channel_scale) {
        append_words(text, size, "scales", &store->words[plan.quantize.channel_scale_offset],
                     event.heads * event.dim / 2u);
    }
    append_words(text, size, "params", &store->words[plan.quantize.params_offset],
                 kvant_event_params_words(&event));
    append_words(text, size, "codes", &store->words[plan.quantize.codes_offset],
                 kvant_event_codes_words(&event));
    if (kv_codec_is_learned(event.codec) != 0u) {
        append_words(text, size, "levels", &store->words[plan.quantize.levels_offset],
                     KV_CODEBOOK_WORDS);
    }
}

/* ---- the f16 window ------------------------------------------------------------------------ */

static void produce_append(kvant_trial *t, uint32_t variant, char *text, size_t size)
{
    (void)variant;
    kvant_trial_buffer *k = kvant_trial_add_buffer(t);
    kvant_trial_buffer *store = kvant_trial_add_buffer(t);
    kvant_trial_buffer *status = kvant_trial_add_buffer(t);
    kv_append_params p = {.tokens = 3u,
                          .heads = 2u,
                          .k_dim = 8u,
                          .v_dim = 8u,
                          .capacity = 4u,
                          .slot = 2u,
                          .first_position = 9u};
    p.k = kvant_add_tensor(t, k, KVANT_VIEW_PACKED, KV_DTYPE_F32, 3u, 2u, 8u, KVANT_INPUT_ZERO);
    fill_golden(k, &p.k, 3u, 2u, 8u);
    p.v = p.k;
    p.positions_offset = kvant_trial_region(t, store, 4u);
    p.k_offset = kvant_trial_region(t, store, 32u);
    p.v_offset = kvant_trial_region(t, store, 32u);
    kvant_trial_fill(store, 0u, store->count, 0u);
    p.status_offset = kvant_trial_region(t, status, 1u);
    kvant_trial_device_only(t, KVANT_KERNEL_append, &p,
                            (kvant_trial_buffer *[]){k, k, store, status});
    append_words(text, size, "positions", &store->words[p.positions_offset], 4u);
    append_words(text, size, "k", &store->words[p.k_offset], 32u);
    append_words(text, size, "v", &store->words[p.v_offset], 32u);
}

/* Two tensors in one launch, of blocks of 16 and of 8 channels. */
static void produce_rotate(kvant_trial *t, uint32_t variant, char *text, size_t size)
{
    (void)variant;
    kvant_trial_buffer *k = kvant_trial_add_buffer(t);
    kvant_trial_buffer *v = kvant_trial_add_buffer(t);
    kvant_trial_buffer *target = kvant_trial_add_buffer(t);
    kvant_trial_buffer *status = kvant_trial_add_buffer(t);
    kv_rotate_params p = {.tokens = 2u,
                          .heads = 1u,
                          .dim = 16u,
                          .second_dim = 24u,
                          .target_token_stride = 16u,
                          .target_head_stride = 16u,
                          .target_dtype = KV_DTYPE_F16,
                          .form = KV_ROTATE_CACHED,
                          .signs = {0xb7e15162u}};
    p.source =
        kvant_add_tensor(t, k, KVANT_VIEW_PACKED, KV_DTYPE_F32, 2u, 1u, 16u, KVANT_INPUT_ZERO);
    p.second =
        kvant_add_tensor(t, v, KVANT_VIEW_PACKED, KV_DTYPE_F32, 2u, 1u, 24u, KVANT_INPUT_ZERO);
    fill_golden(k, &p.source, 2u, 1u, 16u);
    fill_golden(v, &p.second, 2u, 1u, 24u);
    uint32_t at = kvant_trial_region(t, target, 40u);
    p.target_offset = 2u * at;
    p.status_offset = kvant_trial_region(t, status, 1u);
    kvant_trial_device_only(t, KVANT_KERNEL_rotate, &p,
                            (kvant_trial_buffer *[]){k, v, target, status});
    append_words(text, size, "k", &target->words[at], 16u);
    append_words(text, size, "v", &target->words[at + 16u], 24u);
}

/* Rows 0, 3 and 5 of 6, and the padding after them. */
static void produce_gather(kvant_trial *t, uint32_t variant, char *text, size_t size)
{
    kvant_trial_buffer *source = kvant_trial_add_buffer(t);
    kvant_trial_buffer *store = kvant_trial_add_buffer(t);
    kv_quantize_params p = {.tokens = 3u,
                            .token = 4u,
                            .capacity = 8u,
                            .heads = 2u,
                            .dim = 8u,
                            .codec = KV_CODEC_F16,
                            .is_value = variant,
                            .index_base = 7u,
                            .channel_scale_offset = KV_NO_OFFSET};
    p.source =
        kvant_add_tensor(t, source, KVANT_VIEW_PACKED, KV_DTYPE_F32, 6u, 2u, 8u, KVANT_INPUT_ZERO);
    fill_golden(source, &p.source, 6u, 2u, 8u);
    p.indices_offset = kvant_trial_region(t, store, 3u);
    p.codes_offset = kvant_trial_region(t, store, 64u);
    kvant_trial_fill(store, p.codes_offset, 64u, 0u);
    static const kv_u32 rows[3] = {0u, 3u, 5u};
    for (kv_u32 i = 0; i < 3u; i++) {
        store->words[p.indices_offset + i] = p.index_base + rows[i];
    }
    kvant_trial_device_only(t, KVANT_KERNEL_gather, &p, (kvant_trial_buffer *[]){source, store});
    append_words(text, size, "rows", &store->words[p.codes_offset], 64u);
}

/* ---- attention ----------------------------------------------------------------------------- */

#define GOLDEN_REGION_WORDS 512u
#define GOLDEN_SEGMENT 32u   /* offset of the segment's entry in the region */
#define GOLDEN_POSITIONS 64u /* offset of the first part */

typedef struct {
    kvant_trial_buffer *source, *store, *scratch;
    kv_u32 region;
    kv_u32 at; /* next free word of the region */
} golden_cache;

/* One tensor of the segment: places its parts, encodes it, writes its words of the entry. */
static kvant_event add_golden_tensor(kvant_trial *t, golden_cache *c, uint32_t variant)
{
    kvant_event event = golden_event(variant);
    kv_u32 i = event.is_value;
    kv_u32 scale = event.has_channel_scale ? c->at : KV_NO_OFFSET;
    c->at += event.has_channel_scale ? event.heads * event.dim / 2u : 0u;
    kv_u32 params = c->at;
    c->at += kvant_event_params_words(&event);
    kv_u32 codes = c->at;
    c->at += kvant_event_codes_words(&event);

    kv_u32 *entry = &c->store->words[c->region + GOLDEN_SEGMENT];
    entry[KV_SEGMENT_K_CODEC + i] = event.codec;
    entry[KV_SEGMENT_K_GROUPING + 2u * i] = event.grouping;
    entry[KV_SEGMENT_K_GROUP_LENGTH + 2u * i] = event.group_length;
    entry[KV_SEGMENT_K_CODES + i] = codes;
    entry[KV_SEGMENT_K_PARAMS + i] = params;
    entry[KV_SEGMENT_K_CHANNEL_SCALE + i] = scale;

    kvant_event_target target = {c->region + params, c->region + codes, c->region + scale, 0u};
    kvant_event_plan plan;
    kvant_event_build(t, &event, &target, &plan, c->source, c->store, c->scratch);
    fill_golden(c->source, &plan.quantize.source, event.tokens, event.heads, event.dim);
    kvant_event_run(t, &plan, KVANT_KERNEL_COUNT, NULL, kvant_trial_prepare);
    return event;
}

static golden_cache new_golden_cache(kvant_trial *t)
{
    golden_cache c = {.at = GOLDEN_POSITIONS};
    c.source = kvant_trial_add_buffer(t);
    c.store = kvant_trial_add_buffer(t);
    c.scratch = kvant_trial_add_buffer(t);
    c.region = kvant_trial_region(t, c.store, GOLDEN_REGION_WORDS);
    kvant_trial_fill(c.store, c.region, GOLDEN_REGION_WORDS, 0u);
    kv_u32 *region = &c.store->words[c.region];
    region[KV_HEADER_SPLITS] = 1u;
    region[GOLDEN_SEGMENT + KV_SEGMENT_CAPACITY] = 8u;
    region[GOLDEN_SEGMENT + KV_SEGMENT_POSITIONS] = c.at;
    for (kv_u32 i = 0; i < 8u; i++) {
        region[c.at++] = i < 6u ? i : KV_POSITION_INVALID;
    }
    return c;
}

/* One segment of 6 tokens with the codes of two encode variants. */
static void produce_attention(kvant_trial *t, uint32_t variant, char *text, size_t size)
{
    static const uint32_t pairs[5][2] = {
        {3u, 22u},  /* KIVI: K int2 a channel over 32 tokens, V int2 a token over 8 channels */
        {9u, 65u},  /* ZipCache: K int4 a channel, V int4 a token with channel scales */
        {11u, 31u}, /* K and V int8 a token and head */
        {GOLDEN_CODEBOOKS, GOLDEN_CODEBOOKS + 5u}, /* K nf4, V fp4 */
        {GOLDEN_WIDTHS, GOLDEN_WIDTHS + 3u},       /* K int3, V int1 */
    };
    golden_cache c = new_golden_cache(t);
    kv_u32 k_dim = add_golden_tensor(t, &c, pairs[variant][0]).dim;
    kv_u32 v_dim = add_golden_tensor(t, &c, pairs[variant][1]).dim;
    kvant_trial_buffer *queries = kvant_trial_add_buffer(t);
    kvant_trial_buffer *partials = kvant_trial_add_buffer(t);
    kvant_trial_buffer *out = kvant_trial_add_buffer(t);
    kv_attention_params p = {
        .sequence_offset = c.region,
        .sequence_stride = GOLDEN_REGION_WORDS,
        .splits_offset = KV_HEADER_WORDS,
        .segments_offset = GOLDEN_SEGMENT,
        .sequences = 1u,
        .max_splits = 1u,
        .queries = 1u,
        .q_heads = 2u,
        .kv_heads = 2u,
        .k_dim = k_dim,
        .v_dim = v_dim,
        .scale = 0.25f,
        .q_head_stride = k_dim,
        .q_dtype = KV_DTYPE_F32,
        .positions_offset = KV_NO_OFFSET,
        .out_head_stride = v_dim,
        .out_dtype = KV_DTYPE_F32,
    };
    p.q_offset = kvant_trial_region(t, queries, 2u * k_dim);
    for (kv_u32 i = 0; i < 2u * k_dim; i++) {
        queries->words[p.q_offset + i] = kv_bits(golden_value(7u, i / k_dim, i % k_dim) * 0.5f);
    }
    p.partials_offset = kvant_trial_region(t, partials, 2u * (v_dim + 2u));
    p.out_offset = kvant_trial_region(t, out, 2u * v_dim);
    p.lse_offset = kvant_trial_region(t, out, 2u);
    kvant_trial_device_only(t,
                            variant < 3u ? KVANT_KERNEL_attention : KVANT_KERNEL_attention_general,
                            &p, (kvant_trial_buffer *[]){c.store, queries, c.store, partials});
    kvant_trial_device_only(t, KVANT_KERNEL_attention_merge, &p,
                            (kvant_trial_buffer *[]){c.store, partials, out, out});
    append_words(text, size, "out", &out->words[p.out_offset], 2u * v_dim);
    append_words(text, size, "lse", &out->words[p.lse_offset], 2u);
}

/* ---- saliency ------------------------------------------------------------------------------ */

static void produce_saliency(kvant_trial *t, uint32_t variant, char *text, size_t size)
{
    kvant_saliency_spec s = {.tokens = 20u,
                             .rows = 20u,
                             .random = 3u,
                             .recent = 2u,
                             .q_heads = 2u,
                             .kv_heads = 1u,
                             .dim = 8u,
                             .k_dtype = KV_DTYPE_F32,
                             .q_dtype = KV_DTYPE_F32,
                             .normalise = variant};
    kvant_saliency_fixture f;
    kvant_saliency_build(t, &s, 60u, &f);
    fill_golden(f.source, &f.keys.quantize.source, 20u, 1u, 8u);
    fill_golden(f.queries, &f.params.queries, 20u, 2u, 8u);
    kvant_saliency_run(t, &f, KVANT_KERNEL_COUNT, NULL, kvant_trial_device_only);
    append_words(text, size, "probes", &f.scratch->words[f.probes.offset], 5u);
    append_words(text, size, "scores", &f.scratch->words[f.params.scores_offset], 20u);
    append_words(text, size, "salient", &f.store->words[f.select.salient_offset], 12u);
}

/* ---- the list ------------------------------------------------------------------------------ */

void kvant_golden_each(void (*each)(void *user, const kvant_golden *golden), void *user)
{
    static const char *const names[] = {"token", "token-head", "token-channels-8",
                                        "channel-tokens-32", "channel-segment"};
    static const char *const codec_names[] = {"int2", "int4", "int8", "int8s"};
    char name[80];
    for (uint32_t i = 0; i < 80u; i++) {
        if (i >= 40u && i % 5u >= 3u) {
            continue; /* channel scales go with groups along a token */
        }
        snprintf(name, sizeof name, "encode/%s/%s/%s%s", i / 20u % 2u != 0u ? "v" : "k",
                 codec_names[i / 5u % 4u], names[i % 5u], i >= 40u ? "/cst" : "");
        each(user, &(kvant_golden){name, produce_encode, i});
    }
    for (uint32_t i = 0; i < 12u; i++) {
        snprintf(name, sizeof name, "encode/%s/%s/token-channels-8", i / 4u == 1u ? "v" : "k",
                 kvant_event_codec_name(golden_event(GOLDEN_CODEBOOKS + i).codec));
        each(user, &(kvant_golden){name, produce_encode, GOLDEN_CODEBOOKS + i});
    }
    for (uint32_t i = 0; i < 16u; i++) {
        snprintf(name, sizeof name, "encode/%s/%s/token-channels-8", i % 2u != 0u ? "v" : "k",
                 kvant_event_codec_name(golden_event(GOLDEN_WIDTHS + i).codec));
        each(user, &(kvant_golden){name, produce_encode, GOLDEN_WIDTHS + i});
    }
    each(user, &(kvant_golden){"append/f16", produce_append, 0u});
    each(user, &(kvant_golden){"rotate/f16", produce_rotate, 0u});
    each(user, &(kvant_golden){"gather/f16", produce_gather, 0u});
    static const char *const attention_names[] = {"attention/kivi2", "attention/zipcache4",
                                                  "attention/int8", "attention/nf4-fp4",
                                                  "attention/int3-int1"};
    static const char *const saliency_names[] = {"saliency/sum", "saliency/causal",
                                                 "saliency/probes"};
    for (uint32_t i = 0; i < 5u; i++) {
        each(user, &(kvant_golden){attention_names[i], produce_attention, i});
    }
    for (uint32_t i = 0; i < 3u; i++) {
        each(user, &(kvant_golden){saliency_names[i], produce_saliency, i});
    }
}

/* The words of "label: aabbccdd ... label: ...", whose bytes are in memory order. */
static uint32_t read_words(const char *text, kv_u32 *words, uint32_t capacity)
{
    uint32_t count = 0;
    for (size_t length = 0; *text != '\0' && count < capacity; text += length) {
        text += strspn(text, " ");
        length = strcspn(text, " ");
        unsigned byte[4];
        if (length == 8u &&
            sscanf(text, "%2x%2x%2x%2x", &byte[0], &byte[1], &byte[2], &byte[3]) == 4) {
            words[count++] = byte[0] | byte[1] << 8 | byte[2] << 16 | byte[3] << 24;
        }
    }
    return count;
}

static void compare_golden(kvant_trial *t, const char *expected, const char *got)
{
    enum { MOST_WORDS = KVANT_GOLDEN_TEXT / 9 };
    kv_u32 *words[2];
    for (int i = 0; i < 2; i++) {
        words[i] = kvant_trial_memory(t, MOST_WORDS, sizeof(kv_u32));
    }
    uint32_t count = read_words(expected, words[0], MOST_WORDS);
    if (count == read_words(got, words[1], MOST_WORDS)) {
        kvant_trial_compare(t, "the golden bytes,", words[0], words[1], count);
    }
    if (strcmp(expected, got) != 0) {
        kvant_trial_fail(t, "the format has changed: %.80s became %.80s", expected, got);
    }
}

static void run_golden(kvant_trial *t, const void *data)
{
    const kvant_golden *golden = data;
    char *text = kvant_trial_memory(t, KVANT_GOLDEN_TEXT, 1u);
    golden->produce(t, golden->variant, text, KVANT_GOLDEN_TEXT);
    for (size_t i = 0; i < sizeof golden_rows / sizeof golden_rows[0]; i++) {
        if (strcmp(golden_rows[i].name, golden->name) == 0) {
            compare_golden(t, golden_rows[i].text, text);
            return;
        }
    }
    kvant_trial_fail(t, "there are no golden bytes of that name");
}

static void emit_golden(void *user, const kvant_golden *golden)
{
    kvant_emit(user, 1, run_golden, golden, "golden/%s", golden->name);
}

void kvant_cases_golden(kvant_case_sink *sink)
{
    kvant_golden_each(emit_golden, sink);
}
