/* SPDX-License-Identifier: MIT
 *
 * Cases of attention_latent and of attention_merge behind it: latents of every codec and grouping, of
 * one part and of two, beside windows of f16 latents; and the same against softmax in double precision
 * over what is stored.
 */
#include "cases.h"
#include "fixture_attention.h"
#include "oracle.h"

typedef enum { STAGE_ATTENTION, STAGE_CHAIN, STAGE_ORACLE } latent_stage;

typedef struct {
    kvant_attention_spec spec;
    latent_stage stage;
} latent_case;

/* ---- against double precision ---------------------------------------------------------------- */

#define NMSE_LIMIT 1e-6
#define MOST_DIM (KV_MAX_LATENT_DIM + KV_MAX_ROTARY_DIM)

typedef struct {
    double *scores;  /* [token] */
    double *weights; /* [token] */
    double *values;  /* [token][v_dim] */
    size_t count;
} seen_tokens;

/* Latents, or rotary keys, of a segment. */
static oracle_tensor stored_tensor(const kv_latent_params *p, const kv_u32 *region,
                                   const kv_u32 *segment, int is_value)
{
    kv_u32 codec = is_value ? segment[KV_SEGMENT_V_CODEC] : KV_CODEC_F16;
    kv_u32 scale = segment[KV_SEGMENT_V_CHANNEL_SCALE];
    unsigned parts = p->v_dim > 256u ? 2u : 1u;
    oracle_tensor tensor = {
        .codes = &region[segment[is_value ? KV_SEGMENT_V_CODES : KV_SEGMENT_K_CODES]],
        .bits = codec == KV_CODEC_F16              ? 16u
                : codec == KV_CODEC_INT8_SYMMETRIC ? 8u
                                                   : codec,
        .is_symmetric = codec == KV_CODEC_INT8_SYMMETRIC,
        .is_value = is_value,
        .grouping = (oracle_grouping)segment[KV_SEGMENT_V_GROUPING],
        .group_length = segment[KV_SEGMENT_V_GROUP_LENGTH],
        .capacity = segment[KV_SEGMENT_CAPACITY],
        .heads = is_value ? parts : 1u,
        .dim = is_value ? p->v_dim / parts : p->k_dim,
    };
    if (codec >= KV_CODEC_NF4) {
        oracle_codebook(codec, &region[segment[KV_SEGMENT_LEVELS] + 4u], &tensor);
    }
    if (tensor.bits != 16u) {
        tensor.params = &region[segment[KV_SEGMENT_V_PARAMS]];
        tensor.channel_scale = scale != KV_NO_OFFSET ? &region[scale] : NULL;
    }
    return tensor;
}

static void see_segment(const kv_latent_params *p, const kv_u32 *region, const kv_u32 *segment,
                        kv_u32 limit, const double *query, seen_tokens *seen)
{
    oracle_tensor latents = stored_tensor(p, region, segment, 1);
    oracle_tensor keys = stored_tensor(p, region, segment, 0);
    for (unsigned token = 0; token < latents.capacity; token++) {
        kv_u32 position = region[segment[KV_SEGMENT_POSITIONS] + token];
        if (position == KV_POSITION_INVALID || position > limit) {
            continue;
        }
        double score = 0.0;
        double *values = &seen->values[seen->count * p->v_dim];
        for (unsigned c = 0; c < p->v_dim; c++) {
            values[c] = oracle_read(&latents, c / latents.dim, token, c % latents.dim).value;
            score += query[c] * values[c];
        }
        for (unsigned c = 0; c < p->k_dim; c++) {
            score += query[p->v_dim + c] * oracle_read(&keys, 0u, token, c).value;
        }
        seen->scores[seen->count++] = score * (double)p->scale;
    }
}

static void check_rows(kvant_trial *t, const kvant_attention_fixture *f, size_t tokens)
{
    const kv_latent_params *p = &f->latent;
    seen_tokens seen = {
        .scores = kvant_trial_memory(t, tokens, sizeof(double)),
        .weights = kvant_trial_memory(t, tokens, sizeof(double)),
        .values = kvant_trial_memory(t, tokens * p->v_dim, sizeof(double)),
    };
    double error = 0.0;
    double power = 0.0;
    for (unsigned i = 0; i < p->sequences * p->q_heads * p->queries; i++) {
        unsigned row = i % p->queries;
        unsigned head = i / p->queries % p->q_heads;
        unsigned sequence = i / p->queries / p->q_heads;
        const kv_u32 *region = &f->store->words[p->sequence_offset + sequence * p->sequence_stride];
        kv_u32 limit = p->positions_offset == KV_NO_OFFSET
                           ? KV_POSITION_INVALID - 1u
                           : f->positions->words[p->positions_offset + sequence * p->queries + row];
        double query[MOST_DIM];
        double expected[KV_MAX_LATENT_DIM];
        uint64_t at = p->q_offset + (uint64_t)sequence * p->q_sequence_stride +
                      head * p->q_head_stride + row * p->q_row_stride;
        for (unsigned c = 0; c < p->v_dim + p->k_dim; c++) {
            query[c] = oracle_query_value(oracle_element(f->queries->words, at + c, p->q_dtype));
        }
        seen.count = 0;
        for (kv_u32 split = 0; split < region[KV_HEADER_SPLITS]; split++) {
            const kv_u32 *entry = &region[p->splits_offset + split * KV_SPLIT_WORDS];
            if (entry[KV_SPLIT_FIRST_TOKEN] == 0u) {
                see_segment(
                    p, region,
                    &region[p->segments_offset + entry[KV_SPLIT_SEGMENT] * KV_SEGMENT_WORDS], limit,
                    query, &seen);
            }
        }
        double total = 0.0;
        double lse = (double)-INFINITY;
        for (unsigned c = 0; c < p->v_dim; c++) {
            expected[c] = 0.0;
        }
        if (seen.count != 0u) {
            lse = oracle_attend(seen.scores, seen.values, seen.count, p->v_dim, expected,
                                seen.weights, &total);
        }
        uint64_t out = f->params.out_offset + (uint64_t)sequence * f->params.out_sequence_stride +
                       head * f->params.out_head_stride + row * f->params.out_row_stride;
        for (unsigned c = 0; c < p->v_dim; c++) {
            double got = oracle_element(f->out->words, out + c, KV_DTYPE_F32);
            error += (got - expected[c]) * (got - expected[c]);
            power += expected[c] * expected[c];
        }
        double got_lse = oracle_element(&f->lse->words[f->params.lse_offset], i, KV_DTYPE_F32);
        if (seen.count == 0u ? got_lse != lse : !(fabs(got_lse - lse) <= 1e-3 + 1e-5 * fabs(lse))) {
            kvant_trial_fail(t, "sequence %u head %u row %u: expected LSE %.9g, got %.9g", sequence,
                             head, row, lse, got_lse);
        }
        t->words += p->v_dim;
    }
    double nmse = power > 0.0 ? error / power : error;
    kvant_trial_measure(t, "NMSE", nmse, KVANT_AT_MOST, NMSE_LIMIT);
    if (!(nmse <= NMSE_LIMIT)) {
        kvant_trial_fail(t, "NMSE %.3g is above %.3g", nmse, NMSE_LIMIT);
    }
}

/* ---- cases ------------------------------------------------------------------------------------ */

static void run_latent(kvant_trial *t, const void *data)
{
    const latent_case *c = data;
    kvant_attention_fixture f;
    kvant_attention_build(t, &c->spec, &f);
    kvant_trial_buffer *attention[] = {f.store, f.queries, f.queries, f.positions, f.partials};
    kvant_trial_buffer *merge[] = {f.store, f.partials, f.out, f.lse};
    if (c->stage == STAGE_ATTENTION) {
        kvant_trial_launch(t, KVANT_KERNEL_attention_latent, &f.latent, attention);
        return;
    }
    if (c->stage == STAGE_CHAIN) {
        kvant_trial_enqueue(t, KVANT_KERNEL_attention_latent, &f.latent, attention);
        kvant_trial_enqueue(t, KVANT_KERNEL_attention_merge, &f.params, merge);
        kvant_trial_check_all(t, "attention_latent and attention_merge");
        return;
    }
    kvant_trial_device_only(t, KVANT_KERNEL_attention_latent, &f.latent, attention);
    kvant_trial_device_only(t, KVANT_KERNEL_attention_merge, &f.params, merge);
    size_t tokens = 0;
    for (kv_u32 i = 0; i < c->spec.cache.segment_count; i++) {
        tokens += kvant_segment_capacity(&c->spec.cache.segments[i]);
    }
    check_rows(t, &f, tokens);
}

static void emit_stages(kvant_case_sink *sink, const kvant_attention_spec *spec, int quick)
{
    char name[180];
    kvant_attention_name(spec, "latent", name, sizeof name);
    latent_case c = {.spec = *spec, .stage = STAGE_ATTENTION};
    kvant_emit(sink, quick, run_latent, &c, "attention_latent/%s", name);
    if (quick) {
        c.stage = STAGE_CHAIN;
        kvant_emit(sink, quick, run_latent, &c, "attention_chain/%s", name);
    }
    c.stage = STAGE_ORACLE;
    c.spec.out_dtype = KV_DTYPE_F32;
    c.spec.has_lse = 1;
    kvant_emit(sink, quick, run_latent, &c, "oracle/attention_latent/%s", name);
}

/* The shape of the recipe `mla` with all rows of a work-group and all tokens of a split: what a device
 * whose work-groups are narrow loops over longest (llvmpipe ends all loops of a shader after 65535
 * rounds in all). */
static void emit_full_splits(kvant_case_sink *sink)
{
    static const kv_u32 codecs[] = {KV_CODEC_INT8_SYMMETRIC, KV_CODEC_F16, KV_CODEC_INT4};
    for (int i = 0; i < 3; i++) {
        kvant_format format = {.codec = codecs[i]};
        if (format.codec != KV_CODEC_F16) {
            format.group_length = i == 0 ? 128u : 32u;
            format.grouping = KV_GROUP_TOKEN_CHANNELS;
        }
        kvant_attention_spec s = {
            .cache = {.segment_count = 1u,
                      .sequences = 1u,
                      .kv_heads = 1u,
                      .v_dim = KV_MAX_LATENT_DIM,
                      .k_dim = 64u,
                      .kind = KVANT_INPUT_GAUSSIAN,
                      .is_latent = 1},
            .q_heads = KV_LATENT_ROWS,
            .queries = 1u,
        };
        s.cache.segments[0] =
            (kvant_segment){.k = {.codec = KV_CODEC_F16}, .v = format, .tokens = 270u};
        char name[180];
        kvant_attention_name(&s, "full", name, sizeof name);
        latent_case c = {.spec = s, .stage = STAGE_ATTENTION};
        kvant_emit(sink, 1, run_latent, &c, "attention_latent/%s", name);
    }
}

void kvant_cases_latent(kvant_case_sink *sink)
{
    emit_full_splits(sink);
    static const kv_u32 codecs[] = {KV_CODEC_INT8_SYMMETRIC, KV_CODEC_INT4, KV_CODEC_F16,
                                    KV_CODEC_INT2,           KV_CODEC_NF4,  KV_CODEC_INT8,
                                    KV_CODEC_NUQ4,           KV_CODEC_FP4,  KV_CODEC_INTRINSIC};
    static const kv_u32 lengths[] = {128, 0, 32, 256, 64};
    static const kv_u32 dims[][2] = {{512, 64}, {64, 8},   {320, 16},
                                     {256, 24}, {32, 128}, {448, 64}};
    static const kv_u32 tokens[] = {37, 4, 270, 33, 100};
    for (uint32_t i = 0; i < 24u; i++) {
        kvant_format format = {.codec = codecs[i % 9u]};
        if (format.codec != KV_CODEC_F16) {
            format.group_length = lengths[i % 5u];
            format.grouping = format.group_length != 0u ? KV_GROUP_TOKEN_CHANNELS : KV_GROUP_TOKEN;
            format.has_channel_scale = i % 4u == 1u;
        }
        kvant_attention_spec s = {
            .cache = {.segment_count = 1u + i % 3u,
                      .sequences = 1u + (i % 5u == 3u ? 1u : 0u),
                      .kv_heads = 1u,
                      .v_dim = dims[i % 6u][0],
                      .k_dim = dims[i % 6u][1],
                      .kind = i % 4u == 1u ? KVANT_INPUT_OUTLIERS : KVANT_INPUT_GAUSSIAN,
                      .dtype = i % 3u,
                      .is_latent = 1},
            .q_heads = i % 7u == 0u ? 16u : 1u + i % 6u,
            .queries = i % 3u == 2u ? 3u : 1u,
            .q_dtype = (i / 2u) % 3u,
            .out_dtype = i % 2u != 0u ? KV_DTYPE_F16 : KV_DTYPE_F32,
            .mask = (kvant_attention_mask)(i % 3u),
            .has_lse = i % 3u != 0u,
            .is_padded = i % 2u == 0u,
        };
        const kvant_format half = {.codec = KV_CODEC_F16};
        s.cache.segments[0] = (kvant_segment){
            .k = half, .v = format, .tokens = tokens[i % 5u], .spare = i % 4u == 0u ? 6u : 0u};
        s.cache.segments[1] =
            (kvant_segment){.k = half, .v = half, .tokens = 9u + i, .spare = 5u, .slot = 7u};
        s.cache.segments[2] = s.cache.segments[0];
        s.cache.segments[2].tokens = 5u + i;
        emit_stages(sink, &s, i < 9u);
    }
}
