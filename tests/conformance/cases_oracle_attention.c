/* SPDX-License-Identifier: MIT
 *
 * Oracle cases of attention and prefill: outputs and log-sum-exps that the device computed, against
 * softmax(q k) v in double precision over the same codes. Each output must stay within a bound that
 * is derived from its own operands, and the whole within NMSE 1e-6.
 */
#include "cases.h"
#include "fixture_attention.h"
#include "oracle.h"

#define NMSE_LIMIT 1e-6
#define FLOAT_STEP 0x1p-24 /* half an ulp, relative */

/* One query row over everything that it sees. */
typedef struct {
    size_t count;
    double *scores;   /* [token] */
    double *values;   /* [token][v_dim] */
    double *weights;  /* [token] */
    double *v_errors; /* [token][v_dim]: of w v, relative to w, that the integer form adds */
    double score_error;
    double *query;
    double *out;
} row_view;

typedef struct {
    double error, power;
    int has_rows;
} row_sums;

static row_view new_row(kvant_trial *t, size_t tokens, unsigned k_dim, unsigned v_dim)
{
    row_view row = {0};
    row.scores = kvant_trial_memory(t, tokens, sizeof(double));
    row.weights = kvant_trial_memory(t, tokens, sizeof(double));
    row.values = kvant_trial_memory(t, tokens * v_dim, sizeof(double));
    row.v_errors = kvant_trial_memory(t, tokens * v_dim, sizeof(double));
    row.query = kvant_trial_memory(t, k_dim, sizeof(double));
    row.out = kvant_trial_memory(t, v_dim, sizeof(double));
    return row;
}

/* What the device's row may differ by in channel c, from the errors of scores and of V's operands.
 * With every score off by at most d, every weight and their sum are off by a factor of at most
 * exp(2 d); weights are rounded to 2^-24 in the sum. */
static double output_bound(const row_view *row, unsigned dim, unsigned c, double total)
{
    double largest = 0.0;
    double own = 0.0;
    double magnitude = 0.0;
    for (size_t i = 0; i < row->count; i++) {
        double v = fabs(row->values[i * dim + c]);
        largest = fmax(largest, v);
        own += row->weights[i] * row->v_errors[i * dim + c];
        magnitude += row->weights[i] * v;
    }
    double count = (double)row->count;
    double factor = expm1(2.0 * row->score_error + 8.0 * FLOAT_STEP) + count * 0x1p-23 / total;
    return factor * (magnitude / total + largest) + own / total + count * exp(-40.0) * largest +
           0x1p-100;
}

static void check_row(kvant_trial *t, const row_view *row, unsigned dim, const double *got,
                      double got_lse, int is_half, row_sums *sums, const char *where)
{
    if (row->count == 0u) {
        for (unsigned c = 0; c < dim; c++) {
            if (got[c] != 0.0) {
                kvant_trial_fail(t, "%s sees no token, but channel %u is %.9g", where, c, got[c]);
            }
        }
        if (!isnan(got_lse) && got_lse != (double)-INFINITY) {
            kvant_trial_fail(t, "%s sees no token, but its LSE is %.9g", where, got_lse);
        }
        return;
    }
    double total = 0.0;
    double lse =
        oracle_attend(row->scores, row->values, row->count, dim, row->out, row->weights, &total);
    for (unsigned c = 0; c < dim; c++) {
        double bound = output_bound(row, dim, c, total);
        bound += is_half ? fabs(row->out[c]) * 0x1p-11 + 0x1p-25 : 0.0;
        double error = fabs(got[c] - row->out[c]);
        if (!(error <= bound)) {
            kvant_trial_fail(t, "%s channel %u: expected %.9g, got %.9g, error %.3g > %.3g", where,
                             c, row->out[c], got[c], error, bound);
        }
        sums->error += error * error;
        sums->power += row->out[c] * row->out[c];
    }
    double lse_bound =
        row->score_error + (double)row->count * 0x1p-23 + fabs(lse) * 0x1p-22 + 0x1p-20;
    if (!isnan(got_lse) && !(fabs(got_lse - lse) <= lse_bound)) {
        kvant_trial_fail(t, "%s: expected LSE %.9g, got %.9g, bound %.3g", where, lse, got_lse,
                         lse_bound);
    }
    sums->has_rows = 1;
}

static void finish(kvant_trial *t, const row_sums *sums, int is_extreme)
{
    if (!sums->has_rows || is_extreme) {
        return;
    }
    double nmse = sums->power > 0.0 ? sums->error / sums->power : 0.0;
    kvant_trial_measure(t, "NMSE", nmse, KVANT_AT_MOST, NMSE_LIMIT);
    if (!(nmse <= NMSE_LIMIT)) {
        kvant_trial_fail(t, "NMSE %.3g is above %.3g", nmse, NMSE_LIMIT);
    }
}

/* ---- attention over a cache ---------------------------------------------------------------- */

static oracle_tensor tensor_of(const kv_u32 *region, const kv_u32 *segment, int is_value,
                               unsigned heads, unsigned dim)
{
    kv_u32 codec = segment[is_value ? KV_SEGMENT_V_CODEC : KV_SEGMENT_K_CODEC];
    kv_u32 scale = segment[is_value ? KV_SEGMENT_V_CHANNEL_SCALE : KV_SEGMENT_K_CHANNEL_SCALE];
    oracle_tensor tensor = {
        .codes = &region[segment[is_value ? KV_SEGMENT_V_CODES : KV_SEGMENT_K_CODES]],
        .bits = codec == KV_CODEC_F16              ? 16u
                : codec == KV_CODEC_INT8_SYMMETRIC ? 8u
                : codec == KV_CODEC_INT1           ? 1u
                                                   : codec,
        .is_symmetric = codec == KV_CODEC_INT8_SYMMETRIC,
        .is_value = is_value,
        .grouping =
            (oracle_grouping)segment[is_value ? KV_SEGMENT_V_GROUPING : KV_SEGMENT_K_GROUPING],
        .group_length = segment[is_value ? KV_SEGMENT_V_GROUP_LENGTH : KV_SEGMENT_K_GROUP_LENGTH],
        .capacity = segment[KV_SEGMENT_CAPACITY],
        .heads = heads,
        .dim = dim,
    };
    if (codec >= KV_CODEC_NF4) {
        oracle_codebook(codec, &region[segment[KV_SEGMENT_LEVELS] + (is_value ? 4u : 0u)], &tensor);
    }
    if (tensor.bits != 16u) {
        tensor.params = &region[segment[is_value ? KV_SEGMENT_V_PARAMS : KV_SEGMENT_K_PARAMS]];
        tensor.channel_scale = scale != KV_NO_OFFSET ? &region[scale] : NULL;
    }
    return tensor;
}

/* The error of w v per unit of w. Operands are rounded to 16 bits of the largest of 32 tokens, so the
 * share of one token's operand error in units of its weight is not bounded by itself: the chunk's
 * error is spread over its tokens in the end, here it is charged to the one of largest weight. */
static void v_errors(const oracle_tensor *v, unsigned head, size_t at, const double *relative,
                     row_view *row, const unsigned *tokens, size_t count)
{
    int is_channelwise = v->grouping >= ORACLE_CHANNEL_TOKENS;
    size_t heaviest = 0;
    for (size_t i = 0; i < count; i++) {
        heaviest = relative[i] > relative[heaviest] ? i : heaviest;
    }
    for (unsigned c = 0; c < v->dim; c++) {
        double step = 0.0;
        double term = 0.0;
        double codes = 0.0;
        double own = 0.0;
        double scale = 1.0;
        for (size_t i = 0; i < count; i++) {
            oracle_stored s = oracle_read(v, head, tokens[i], c);
            double w = relative[i] / relative[heaviest];
            step = fmax(step, w * (is_channelwise ? 1.0 : s.scale));
            term = fmax(term, w * fabs(s.minimum));
            codes += is_channelwise ? s.code * s.scale + fabs(s.minimum) : s.code;
            own += w * (s.code * s.scale + fabs(s.minimum));
            scale = s.channel_scale;
        }
        double error = v->bits == 16u
                           ? 0.0
                           : 0.51 / 32767.0 * step * codes +
                                 (is_channelwise ? 0.0 : 0.51 / 4194304.0 * term * (double)count);
        error += 128.0 * FLOAT_STEP * own;
        row->v_errors[(at + heaviest) * v->dim + c] += error * scale;
    }
}

/* Adds the tokens of one segment that the row sees. */
static void gather_segment(const kv_u32 *region, const kv_u32 *segment,
                           const kv_attention_params *p, unsigned kv_head, kv_u32 limit,
                           unsigned end, row_view *row)
{
    unsigned heads = p->kv_heads;
    if (segment[KV_SEGMENT_HEAD_COUNT] != 0u) { /* of some heads alone */
        heads = segment[KV_SEGMENT_HEAD_COUNT];
        if (kv_head < segment[KV_SEGMENT_HEAD_FIRST] ||
            kv_head >= segment[KV_SEGMENT_HEAD_FIRST] + heads) {
            return;
        }
        kv_head -= segment[KV_SEGMENT_HEAD_FIRST];
    }
    oracle_tensor k = tensor_of(region, segment, 0, heads, p->k_dim);
    oracle_tensor v = tensor_of(region, segment, 1, heads, p->v_dim);
    double folded[256];
    for (unsigned c = 0; c < p->k_dim; c++) {
        double scale = k.channel_scale != NULL
                           ? oracle_element(k.channel_scale, kv_head * p->k_dim + c, 0u)
                           : 1.0;
        folded[c] = row->query[c] * (double)p->scale * scale;
    }
    for (unsigned chunk = 0; chunk < end; chunk += ORACLE_CHUNK) {
        unsigned tokens[ORACLE_CHUNK];
        double relative[ORACLE_CHUNK];
        size_t count = 0;
        size_t first = row->count;
        for (unsigned token = chunk; token < end && token < chunk + ORACLE_CHUNK; token++) {
            kv_u32 position = region[segment[KV_SEGMENT_POSITIONS] +
                                     kv_head * segment[KV_SEGMENT_POSITIONS_HEAD] + token];
            if (position == KV_POSITION_INVALID || position > limit) {
                continue;
            }
            double score = 0.0;
            for (unsigned c = 0; c < p->k_dim; c++) {
                oracle_stored s = oracle_read(&k, kv_head, token, c);
                score += folded[c] * s.value / s.channel_scale;
            }
            for (unsigned c = 0; c < p->v_dim; c++) {
                row->values[row->count * p->v_dim + c] = oracle_read(&v, kv_head, token, c).value;
                row->v_errors[row->count * p->v_dim + c] = 0.0;
            }
            double bound = oracle_score_bound(&k, kv_head, token, folded);
            row->score_error = fmax(row->score_error, bound + fabs(score) * 0x1p-22);
            row->scores[row->count++] = score;
            tokens[count++] = token;
        }
        double largest = -1e300;
        for (size_t i = 0; i < count; i++) {
            largest = fmax(largest, row->scores[first + i]);
        }
        for (size_t i = 0; i < count; i++) {
            relative[i] = exp(row->scores[first + i] - largest);
        }
        if (count != 0u) {
            v_errors(&v, kv_head, first, relative, row, tokens, count);
        }
    }
}

static void gather_row(const kvant_attention_fixture *f, unsigned sequence, unsigned q_head,
                       unsigned query, row_view *row)
{
    const kv_attention_params *p = &f->params;
    const kv_u32 *region = &f->store->words[p->sequence_offset + sequence * p->sequence_stride];
    kv_u32 limit = KV_POSITION_INVALID - 1u;
    if (p->positions_offset != KV_NO_OFFSET) {
        limit = f->positions->words[p->positions_offset + sequence * p->queries + query];
    }
    uint64_t at = p->q_offset + (uint64_t)sequence * p->q_sequence_stride +
                  q_head * p->q_head_stride + query * p->q_row_stride;
    for (unsigned c = 0; c < p->k_dim; c++) {
        row->query[c] = oracle_query_value(oracle_element(f->queries->words, at + c, p->q_dtype));
    }
    row->count = 0;
    row->score_error = 0.0;
    unsigned kv_head = q_head / (p->q_heads / p->kv_heads);
    for (kv_u32 split = 0; split < region[KV_HEADER_SPLITS]; split++) {
        const kv_u32 *entry = &region[p->splits_offset + split * KV_SPLIT_WORDS];
        const kv_u32 *segment =
            &region[p->segments_offset + entry[KV_SPLIT_SEGMENT] * KV_SEGMENT_WORDS];
        if (entry[KV_SPLIT_FIRST_TOKEN] ==
            0u) { /* the segment as a whole: all its splits are listed */
            gather_segment(region, segment, p, kv_head, limit, segment[KV_SEGMENT_CAPACITY], row);
        }
    }
}

typedef struct {
    kvant_attention_spec spec;
    int is_extreme; /* scores so large that the derived bound alone is asked for */
} attention_case;

static void run_oracle_attention(kvant_trial *t, const void *data)
{
    const attention_case *work = data;
    const kvant_attention_spec *s = &work->spec;
    kvant_attention_fixture f;
    kvant_attention_build(t, s, &f);
    const kv_attention_params *p = &f.params;
    kvant_trial_device_only(t, kvant_attention_kernel_of(s), p,
                            (kvant_trial_buffer *[]){f.store, f.queries, f.positions, f.partials});
    kvant_trial_device_only(t, KVANT_KERNEL_attention_merge, p,
                            (kvant_trial_buffer *[]){f.store, f.partials, f.out, f.lse});
    size_t tokens = 0;
    for (kv_u32 i = 0; i < s->cache.segment_count; i++) {
        tokens += kvant_segment_capacity(&s->cache.segments[i]);
    }
    row_view row = new_row(t, tokens, p->k_dim, p->v_dim);
    row_sums sums = {0};
    for (unsigned i = 0; i < p->sequences * p->q_heads * p->queries; i++) {
        unsigned query = i % p->queries;
        unsigned q_head = i / p->queries % p->q_heads;
        unsigned sequence = i / p->queries / p->q_heads;
        gather_row(&f, sequence, q_head, query, &row);
        double got[256];
        uint64_t at = p->out_offset + (uint64_t)sequence * p->out_sequence_stride +
                      q_head * p->out_head_stride + query * p->out_row_stride;
        for (unsigned c = 0; c < p->v_dim; c++) {
            got[c] = oracle_element(f.out->words, at + c, p->out_dtype);
        }
        double lse = (double)NAN;
        if (p->lse_offset != KV_NO_OFFSET) {
            lse = oracle_element(&f.lse->words[p->lse_offset], i, 2u);
        }
        char where[64];
        snprintf(where, sizeof where, "sequence %u head %u row %u", sequence, q_head, query);
        check_row(t, &row, p->v_dim, got, lse, p->out_dtype == KV_DTYPE_F16, &sums, where);
        t->words += p->v_dim;
    }
    finish(t, &sums, work->is_extreme);
}

static void emit_spec(kvant_case_sink *sink, const kvant_attention_spec *spec, const char *format,
                      int is_extreme, int quick)
{
    char name[180];
    kvant_attention_name(spec, format, name, sizeof name);
    attention_case c = {.spec = *spec, .is_extreme = is_extreme};
    kvant_emit(sink, quick, run_oracle_attention, &c, "oracle/attention/%s", name);
}

static kvant_format format(kv_u32 codec, kv_u32 grouping, int has_channel_scale)
{
    if (kv_codec_keeps_norm(codec) != 0u) {
        grouping = grouping % 2u != 0u ? KV_GROUP_TOKEN_HEAD : KV_GROUP_TOKEN_CHANNELS;
    }
    kvant_format f = {.codec = codec, .grouping = grouping, .has_channel_scale = has_channel_scale};
    f.group_length = grouping == KV_GROUP_TOKEN_CHANNELS   ? 32u
                     : grouping == KV_GROUP_CHANNEL_TOKENS ? 64u
                                                           : 0u;
    return f;
}

/* K and V in one codec and every grouping, Gaussian and with outliers; f16; all in one sequence. */
static void emit_attention(kvant_case_sink *sink)
{
    static const kv_u32 codecs[] = {KV_CODEC_INT2, KV_CODEC_INT4, KV_CODEC_INT8,
                                    KV_CODEC_INT8_SYMMETRIC, KV_CODEC_F16};
    static const kv_u32 dims[][2] = {{64, 64}, {128, 128}, {40, 72}};
    uint32_t i = 0;
    for (size_t codec = 0; codec < 5u; codec++) {
        for (kv_u32 grouping = 0; grouping < (codec == 4u ? 1u : 5u); grouping++) {
            for (uint32_t turn = 0; turn < 4u; turn++, i++) {
                int has_scale = kv_is_channelwise(grouping) == 0u && turn > 1u && codec != 4u;
                kvant_attention_spec s = {
                    .cache = {.segment_count = 1u,
                              .sequences = 1u,
                              .kv_heads = 2u,
                              .k_dim = dims[turn % 3u][0],
                              .v_dim = dims[turn % 3u][1],
                              .kind = turn % 2u != 0u ? KVANT_INPUT_OUTLIERS : KVANT_INPUT_GAUSSIAN,
                              .dtype = i % 3u},
                    .q_heads = 4u,
                    .queries = 1u + turn / 2u,
                    .q_dtype = (i / 3u) % 3u,
                    .out_dtype = turn == 3u ? KV_DTYPE_F16 : KV_DTYPE_F32,
                    .mask = turn == 2u ? KVANT_MASK_EARLY : KVANT_MASK_CAUSAL,
                    .has_lse = 1,
                    .is_padded = (int)(i % 2u),
                };
                s.cache.segments[0] =
                    (kvant_segment){.k = format(codecs[codec], grouping, has_scale),
                                    .v = format(codecs[codec], grouping, has_scale),
                                    .tokens = turn == 1u ? 300u : 77u,
                                    .spare = 5u};
                emit_spec(sink, &s, "segment", 0, turn == 0u);
            }
        }
    }
}

/* Codebooks for K, V or both, beside integers of every width. */
static void emit_codebooks(kvant_case_sink *sink)
{
    static const kv_u32 pairs[][2] = {
        {KV_CODEC_NF4, KV_CODEC_FP4},       {KV_CODEC_MXFP4, KV_CODEC_INT8},
        {KV_CODEC_INT2, KV_CODEC_NVFP4},    {KV_CODEC_FP4, KV_CODEC_NF4},
        {KV_CODEC_INT4, KV_CODEC_MXFP4},    {KV_CODEC_NUQ4, KV_CODEC_NUQ4},
        {KV_CODEC_NUQ2, KV_CODEC_NF4},      {KV_CODEC_INTRINSIC, KV_CODEC_INTRINSIC_LITERAL},
        {KV_CODEC_INT3, KV_CODEC_INT1},     {KV_CODEC_NF3, KV_CODEC_NUQ3},
        {KV_CODEC_INT1, KV_CODEC_INT3},     {KV_CODEC_NF2, KV_CODEC_NF3},
        {KV_CODEC_LLOYD3, KV_CODEC_LLOYD4}, {KV_CODEC_LLOYD4, KV_CODEC_LLOYD2}};
    for (uint32_t i = 0; i < 14u; i++) {
        kvant_attention_spec s = {
            .cache = {.segment_count = 2u,
                      .sequences = 1u,
                      .kv_heads = 2u,
                      .k_dim = i % 2u != 0u ? 64u : 40u,
                      .v_dim = 72u,
                      .kind = i % 2u != 0u ? KVANT_INPUT_OUTLIERS : KVANT_INPUT_GAUSSIAN,
                      .dtype = i % 3u},
            .q_heads = 4u,
            .queries = 1u + i % 2u,
            .q_dtype = KV_DTYPE_F32,
            .out_dtype = KV_DTYPE_F32,
            .mask = KVANT_MASK_CAUSAL,
            .has_lse = 1,
        };
        s.cache.segments[0] = (kvant_segment){.k = format(pairs[i][0], i % 5u, 0),
                                              .v = format(pairs[i][1], (i + 2u) % 5u, 0),
                                              .tokens = 77u,
                                              .spare = 5u};
        s.cache.segments[1] = (kvant_segment){
            .k = {.codec = KV_CODEC_F16}, .v = {.codec = KV_CODEC_F16}, .tokens = 20u};
        emit_spec(sink, &s, "codebook", 0, i < 3u || i == 5u || i == 8u || i == 9u || i == 12u);
    }
}

/* Segments of some heads alone, of which one is in the window only. */
static void emit_heads(kvant_case_sink *sink)
{
    for (uint32_t i = 0; i < 4u; i++) {
        kvant_attention_spec s = {
            .cache = {.segment_count = 3u,
                      .sequences = 1u,
                      .kv_heads = 4u,
                      .k_dim = i % 2u != 0u ? 64u : 40u,
                      .v_dim = 72u,
                      .kind = KVANT_INPUT_GAUSSIAN},
            .q_heads = 8u,
            .queries = 1u + i % 2u,
            .q_dtype = KV_DTYPE_F32,
            .out_dtype = KV_DTYPE_F32,
            .mask = KVANT_MASK_CAUSAL,
            .has_lse = 1,
        };
        s.cache.segments[0] = (kvant_segment){.k = format(KV_CODEC_INT4, i, 0),
                                              .v = format(KV_CODEC_INT8, (i + 2u) % 5u, 0),
                                              .tokens = 77u,
                                              .spare = 5u,
                                              .has_positions_per_head = i % 2u == 0u,
                                              .head_first = i % 2u,
                                              .head_count = 2u};
        s.cache.segments[1] = (kvant_segment){.k = format(KV_CODEC_INT8, (i + 1u) % 5u, 0),
                                              .v = format(KV_CODEC_INT4, (i + 3u) % 5u, 0),
                                              .tokens = 40u,
                                              .head_first = 3u,
                                              .head_count = 1u};
        s.cache.segments[2] = (kvant_segment){
            .k = {.codec = KV_CODEC_F16}, .v = {.codec = KV_CODEC_F16}, .tokens = 20u};
        emit_spec(sink, &s, "heads", 0, i < 2u);
    }
}

static void emit_sequences(kvant_case_sink *sink)
{
    for (uint32_t i = 0; i < 6u; i++) {
        kv_u32 v_grouping = i % 2u != 0u ? KV_GROUP_TOKEN : KV_GROUP_TOKEN_CHANNELS;
        kv_u32 k_grouping = i % 2u != 0u ? KV_GROUP_CHANNEL_SEGMENT : KV_GROUP_CHANNEL_TOKENS;
        kvant_attention_spec s = {
            .cache = {.segment_count = 3u,
                      .sequences = 1u,
                      .kv_heads = 1u + i / 4u,
                      .k_dim = 64u,
                      .v_dim = i < 3u ? 64u : 80u,
                      .kind = i % 3u == 2u ? KVANT_INPUT_OUTLIERS : KVANT_INPUT_GAUSSIAN},
            .q_heads = 4u,
            .queries = 1u + i % 3u,
            .q_dtype = KV_DTYPE_F32,
            .out_dtype = KV_DTYPE_F32,
            .mask = KVANT_MASK_CAUSAL,
            .has_lse = 1,
        };
        s.cache.segments[0] = (kvant_segment){.k = format(KV_CODEC_INT4, k_grouping, 0),
                                              .v = format(KV_CODEC_INT4, v_grouping, (int)(i % 2u)),
                                              .tokens = 120u};
        s.cache.segments[1] = (kvant_segment){.k = format(KV_CODEC_INT2, k_grouping, 0),
                                              .v = format(KV_CODEC_INT2, v_grouping, (int)(i % 2u)),
                                              .tokens = 280u};
        s.cache.segments[2] = (kvant_segment){.k = {.codec = KV_CODEC_F16},
                                              .v = {.codec = KV_CODEC_F16},
                                              .tokens = 30u,
                                              .spare = 3u,
                                              .slot = 11u};
        emit_spec(sink, &s, i % 2u != 0u ? "zipcache" : "kivi", 0, i < 2u);
    }
}

/* Data and queries of every kind: within the derived bound, and never NaN. */
static void emit_extremes(kvant_case_sink *sink)
{
    static const kv_u32 groupings[] = {KV_GROUP_CHANNEL_TOKENS, KV_GROUP_TOKEN_HEAD};
    for (uint32_t i = 0; i < 3u * KVANT_INPUT_SPECIAL; i++) {
        kvant_attention_spec s = {
            .cache = {.segment_count = 1u,
                      .sequences = 1u,
                      .kv_heads = 1u,
                      .k_dim = 32u,
                      .v_dim = 40u,
                      .kind = (kvant_input_kind)(i / 3u)},
            .q_heads = 2u,
            .queries = 2u,
            .q_dtype = KV_DTYPE_F32,
            .query_kind = (kvant_input_kind)(i % KVANT_INPUT_KIND_COUNT),
            .out_dtype = KV_DTYPE_F32,
            .mask = KVANT_MASK_CAUSAL,
            .has_lse = 1,
        };
        kvant_format quantized = format(KV_CODEC_INT4, groupings[i % 2u], 0);
        kvant_format half = {.codec = KV_CODEC_F16};
        s.cache.segments[0] = (kvant_segment){.k = i % 3u != 2u ? quantized : half,
                                              .v = i % 3u != 2u ? quantized : half,
                                              .tokens = 45u};
        emit_spec(sink, &s, "extreme", 1, 0);
    }
}

/* ---- prefill ------------------------------------------------------------------------------- */

typedef struct {
    kv_u32 tokens, q_heads, kv_heads, k_dim, v_dim;
    kv_u32 dtype;
    kvant_input_kind kind;
} prefill_case;

static void gather_prefill(const kv_prefill_params *p, kvant_trial_buffer *const *b, unsigned query,
                           unsigned q_head, row_view *row)
{
    unsigned kv_head = q_head / (p->q_heads / p->kv_heads);
    row->count = query + 1u;
    row->score_error = 0.0;
    for (unsigned c = 0; c < p->k_dim; c++) {
        uint64_t at =
            p->q_offset + (uint64_t)query * p->q_token_stride + q_head * p->q_head_stride + c;
        row->query[c] = oracle_query_value(oracle_element(b[0]->words, at, p->q_dtype));
    }
    for (unsigned token = 0; token <= query; token++) {
        double score = 0.0;
        double magnitude = 0.0;
        uint64_t k = p->k_offset + (uint64_t)token * p->k_token_stride + kv_head * p->k_head_stride;
        for (unsigned c = 0; c < p->k_dim; c++) {
            double key = oracle_cache_value(oracle_element(b[1]->words, k + c, p->k_dtype));
            score += row->query[c] * (double)p->scale * key;
            magnitude += fabs(row->query[c] * (double)p->scale * key);
        }
        row->scores[token] = score;
        /* any order of fp32 sums: each addition and each product rounds once */
        row->score_error = fmax(row->score_error, (p->k_dim + 4.0) * FLOAT_STEP * magnitude);
        uint64_t v = p->v_offset + (uint64_t)token * p->v_token_stride + kv_head * p->v_head_stride;
        for (unsigned c = 0; c < p->v_dim; c++) {
            double x = oracle_cache_value(oracle_element(b[2]->words, v + c, p->v_dtype));
            row->values[token * p->v_dim + c] = x;
            row->v_errors[token * p->v_dim + c] =
                ((double)row->count + 8.0) * 2.0 * FLOAT_STEP * fabs(x);
        }
    }
}

/* Buffers b[0..4]: q, k, v, out, lse. */
static kv_prefill_params build_prefill(kvant_trial *t, const prefill_case *c,
                                       kvant_trial_buffer **b)
{
    kv_view views[3];
    const kv_u32 heads[] = {c->q_heads, c->kv_heads, c->kv_heads};
    for (int i = 0; i < 3; i++) {
        b[i] = kvant_trial_add_buffer(t);
        views[i] = kvant_add_tensor(t, b[i], KVANT_VIEW_PACKED, (c->dtype + (kv_u32)i) % 3u,
                                    c->tokens, heads[i], i == 2 ? c->v_dim : c->k_dim,
                                    i == 0 ? KVANT_INPUT_GAUSSIAN : c->kind);
    }
    b[3] = kvant_trial_add_buffer(t);
    b[4] = kvant_trial_add_buffer(t);
    kv_view out =
        kvant_add_target(t, b[3], KVANT_VIEW_PACKED, KV_DTYPE_F32, c->tokens, c->q_heads, c->v_dim);
    kv_prefill_params p = {
        .queries = c->tokens,
        .keys = c->tokens,
        .q_heads = c->q_heads,
        .kv_heads = c->kv_heads,
        .k_dim = c->k_dim,
        .v_dim = c->v_dim,
        .scale = 1.0f / sqrtf((float)c->k_dim),
        .q_offset = views[0].offset,
        .q_token_stride = views[0].token_stride,
        .q_head_stride = views[0].head_stride,
        .q_dtype = views[0].dtype,
        .k_offset = views[1].offset,
        .k_token_stride = views[1].token_stride,
        .k_head_stride = views[1].head_stride,
        .k_dtype = views[1].dtype,
        .v_offset = views[2].offset,
        .v_token_stride = views[2].token_stride,
        .v_head_stride = views[2].head_stride,
        .v_dtype = views[2].dtype,
        .out_offset = out.offset,
        .out_token_stride = out.token_stride,
        .out_head_stride = out.head_stride,
        .out_dtype = KV_DTYPE_F32,
    };
    p.lse_offset = kvant_trial_region(t, b[4], c->q_heads * c->tokens);
    return p;
}

static void run_oracle_prefill(kvant_trial *t, const void *data)
{
    const prefill_case *c = data;
    kvant_trial_buffer *b[5];
    kv_prefill_params p = build_prefill(t, c, b);
    kvant_trial_device_only(t, KVANT_KERNEL_prefill, &p, b);

    row_view row = new_row(t, c->tokens, c->k_dim, c->v_dim);
    row_sums sums = {0};
    for (unsigned i = 0; i < c->q_heads * c->tokens; i++) {
        unsigned query = i % c->tokens;
        unsigned q_head = i / c->tokens;
        gather_prefill(&p, b, query, q_head, &row);
        double got[256];
        uint64_t at =
            p.out_offset + (uint64_t)query * p.out_token_stride + q_head * p.out_head_stride;
        for (unsigned channel = 0; channel < c->v_dim; channel++) {
            got[channel] = oracle_element(b[3]->words, at + channel, 2u);
        }
        char where[64];
        snprintf(where, sizeof where, "head %u row %u", q_head, query);
        double lse = oracle_element(&b[4]->words[p.lse_offset], i, 2u);
        check_row(t, &row, c->v_dim, got, lse, 0, &sums, where);
        t->words += c->v_dim;
    }
    finish(t, &sums, 0);
}

static void emit_prefill(kvant_case_sink *sink)
{
    static const prefill_case cases[] = {
        {1, 1, 1, 8, 8, KV_DTYPE_F32, KVANT_INPUT_GAUSSIAN},
        {33, 4, 2, 64, 64, KV_DTYPE_F16, KVANT_INPUT_GAUSSIAN},
        {70, 2, 1, 128, 96, KV_DTYPE_F32, KVANT_INPUT_OUTLIERS},
        {40, 2, 2, 40, 40, KV_DTYPE_BF16, KVANT_INPUT_ONE_SIDED},
        {150, 2, 1, 64, 64, KV_DTYPE_F32, KVANT_INPUT_GAUSSIAN},
        {64, 3, 1, 256, 256, KV_DTYPE_F16, KVANT_INPUT_OUTLIERS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const prefill_case *c = &cases[i];
        kvant_emit(sink, i == 1u, run_oracle_prefill, c,
                   "oracle/prefill/q%u-kv%u/dim%u-%u/tokens%u/%s/%s", c->q_heads, c->kv_heads,
                   c->k_dim, c->v_dim, c->tokens, kvant_dtype_name(c->dtype),
                   kvant_input_name(c->kind));
    }
}

void kvant_cases_oracle_attention(kvant_case_sink *sink)
{
    emit_attention(sink);
    emit_codebooks(sink);
    emit_heads(sink);
    emit_sequences(sink);
    emit_extremes(sink);
    emit_prefill(sink);
}
