/* SPDX-License-Identifier: MIT
 *
 * Oracle cases of ranges, outliers, pooling and ranks: each score equals what the definition gives,
 * computed in double precision and by sorting; and by ranges and outliers the tokens are selected
 * that double precision selects from the numbers as they were given, before they became halves.
 */
#include <stdlib.h>

#include "cases.h"
#include "fixture_scores.h"
#include "oracle.h"

#define NO_LARGER_SCORE 4294967294.0 /* what stays, whatever is done to scores */

static void expect_score(kvant_trial *t, const char *what, unsigned map, unsigned token,
                         double expected, double got)
{
    if (expected != got) {
        kvant_trial_fail(t, "map %u, token %u: %s %.9g, should be %.9g", map, token, what, got,
                         expected);
    }
    t->words++;
}

/* ---- pooling and ranks ---- */

typedef struct {
    kvant_score_kind kind;
    kv_u32 tokens, maps, width, is_largest;
} pool_case;

static double pooled_in_double(const pool_case *c, const kv_u32 *scores, unsigned token)
{
    int reach = (int)(c->width / 2u);
    double sum = 0.0;
    double largest = 0.0;
    for (int i = (int)token - reach; i <= (int)token + reach; i++) {
        double score = i >= 0 && i < (int)c->tokens ? (double)scores[i] : 0.0;
        score =
            score < NO_LARGER_SCORE ? score : 0.0; /* not seen: nothing that a neighbour gains */
        sum += score;
        largest = fmax(largest, score);
    }
    if ((double)scores[token] >= NO_LARGER_SCORE) {
        return NO_LARGER_SCORE;
    }
    return c->is_largest ? largest : floor(sum / (double)c->width);
}

static void run_pool(kvant_trial *t, const void *data)
{
    const pool_case *c = data;
    kvant_trial_buffer *scratch = kvant_trial_add_buffer(t);
    kv_pool_params p = {
        .tokens = c->tokens, .maps = c->maps, .width = c->width, .is_largest = c->is_largest};
    p.scores_offset = kvant_add_scores(t, scratch, c->kind, c->maps, c->tokens);
    p.pooled_offset = kvant_trial_region(t, scratch, c->maps * c->tokens);
    kvant_trial_device_only(t, KVANT_KERNEL_saliency_pool, &p, (kvant_trial_buffer *[]){scratch});
    for (unsigned map = 0; map < c->maps; map++) {
        const kv_u32 *scores = &scratch->words[p.scores_offset + map * c->tokens];
        for (unsigned i = 0; i < c->tokens; i++) {
            expect_score(t, "pooled", map, i, pooled_in_double(c, scores, i),
                         (double)scratch->words[p.pooled_offset + map * c->tokens + i]);
        }
    }
}

typedef struct {
    unsigned score, token;
} ranked;

static int by_score(const void *a, const void *b)
{
    const ranked *x = a;
    const ranked *y = b;
    if (x->score != y->score) {
        return x->score < y->score ? -1 : 1;
    }
    return x->token < y->token ? -1 : 1;
}

/* Adds weight x rank to blend; what stays becomes NO_LARGER_SCORE. */
static void add_ranks(kvant_trial *t, const kv_u32 *scores, unsigned tokens, double weight,
                      double *blend)
{
    ranked *order = kvant_trial_memory(t, tokens, sizeof *order);
    for (unsigned i = 0; i < tokens; i++) {
        order[i] = (ranked){scores[i], i};
    }
    qsort(order, tokens, sizeof *order, by_score);
    for (unsigned rank = 0; rank < tokens; rank++) {
        double *sum = &blend[order[rank].token];
        int stays = *sum >= NO_LARGER_SCORE || (double)order[rank].score >= NO_LARGER_SCORE;
        *sum = stays ? NO_LARGER_SCORE : *sum + weight * (double)rank;
    }
}

static void run_ranks(kvant_trial *t, const void *data)
{
    const pool_case *c = data;
    const unsigned weights[2] = {100u, 156u};
    kvant_trial_buffer *scratch = kvant_trial_add_buffer(t);
    kv_ranks_params p = {.tokens = c->tokens, .maps = c->maps};
    p.blend_offset = kvant_trial_region(t, scratch, c->maps * c->tokens);
    kv_u32 rows[2];
    rows[0] = kvant_add_scores(t, scratch, KVANT_SCORES_RANDOM, c->maps, c->tokens);
    rows[1] = kvant_add_scores(t, scratch, c->kind, c->maps, c->tokens);
    for (kv_u32 i = 0; i < 2u; i++) {
        p.scores_offset = rows[i];
        p.is_added = i;
        p.weight = weights[i];
        kvant_trial_device_only(t, KVANT_KERNEL_saliency_ranks, &p,
                                (kvant_trial_buffer *[]){scratch});
    }
    for (unsigned map = 0; map < c->maps; map++) {
        double *blend = kvant_trial_memory(t, c->tokens, sizeof *blend);
        for (int i = 0; i < 2; i++) {
            add_ranks(t, &scratch->words[rows[i] + map * c->tokens], c->tokens, weights[i], blend);
        }
        for (unsigned i = 0; i < c->tokens; i++) {
            expect_score(t, "blend", map, i, blend[i],
                         (double)scratch->words[p.blend_offset + map * c->tokens + i]);
        }
    }
}

/* ---- ranges and outliers ---- */

typedef struct {
    double range;
    unsigned outliers;
} judged;

static double given(const kvant_range_fixture *f, unsigned token, unsigned head, unsigned channel)
{
    const kv_view *view = &f->counts.source;
    unsigned row = token + view->first;
    row = row >= view->wrap ? row - view->wrap : row;
    return oracle_element(f->source->words,
                          view->offset + (uint64_t)row * view->token_stride +
                              head * view->head_stride + (uint64_t)channel * view->channel_stride,
                          view->dtype);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y ? 1 : 0;
}

/* Ranges and outliers of one map; of the halves, or of the numbers as they were given. Outliers are
 * beyond the magnitude at place ceil(p N) - 1 of all N in order. */
static void judge_map(kvant_trial *t, const kvant_range_spec *s, const kvant_range_fixture *f,
                      unsigned map, int of_halves, judged *tokens)
{
    unsigned first = s->all_heads != 0u ? 0u : map;
    unsigned heads = s->all_heads != 0u ? s->heads : 1u;
    size_t row = (size_t)heads * s->dim;
    double *x = kvant_trial_memory(t, s->tokens * row, sizeof *x);
    double *sorted = kvant_trial_memory(t, s->tokens * row, sizeof *sorted);
    for (size_t i = 0; i < s->tokens * row; i++) {
        unsigned head = first + (unsigned)(i % row / s->dim);
        double value = given(f, (unsigned)(i / row), head, (unsigned)(i % s->dim));
        x[i] = of_halves ? oracle_cache_value(value) : value;
        sorted[i] = fabs(x[i]);
    }
    qsort(sorted, s->tokens * row, sizeof *sorted, ascending);
    size_t place = (s->tokens * row * s->percentile + 999u) / 1000u - 1u;
    for (unsigned token = 0; token < s->tokens; token++) {
        double low = x[token * row];
        double high = low;
        tokens[token].outliers = 0;
        for (size_t i = token * row; i < (token + 1u) * row; i++) {
            low = fmin(low, x[i]);
            high = fmax(high, x[i]);
            tokens[token].outliers += fabs(x[i]) > sorted[place];
        }
        tokens[token].range = high - low;
    }
}

/* Bits of an fp32 number. */
static double word_of(double x)
{
    float single = (float)x;
    uint32_t bits;
    memcpy(&bits, &single, 4);
    return (double)bits;
}

static double outlier_score(const judged *token)
{
    double half = fmin((double)oracle_half_bits(token->range), 31743.0); /* 65504 at most */
    return (double)token->outliers * 65536.0 + half;
}

/* The share of the tokens selected by the device's scores that the oracle's scores select. */
static double overlap_of(kvant_trial *t, const kv_u32 *scores, const double *exact, unsigned tokens)
{
    unsigned wanted = tokens * 60u / 100u;
    unsigned char *chosen[2];
    unsigned *order = kvant_trial_memory(t, tokens, sizeof *order);
    double *got = kvant_trial_memory(t, tokens, sizeof *got);
    for (unsigned i = 0; i < tokens; i++) {
        got[i] = (double)scores[i];
    }
    for (int i = 0; i < 2; i++) {
        chosen[i] = kvant_trial_memory(t, tokens, 1u);
        oracle_select(i == 0 ? got : exact, tokens, wanted, chosen[i], order);
    }
    unsigned common = 0;
    for (unsigned i = 0; i < tokens; i++) {
        common += chosen[0][i] & chosen[1][i];
    }
    return (double)common / wanted;
}

static void run_range(kvant_trial *t, const void *data)
{
    const kvant_range_spec *s = data;
    kvant_range_fixture f;
    kvant_range_build(t, s, &f);
    kvant_range_run(t, &f, KVANT_KERNEL_COUNT, NULL, kvant_trial_device_only);
    unsigned maps = s->all_heads != 0u ? 1u : s->heads;
    judged *tokens = kvant_trial_memory(t, s->tokens, sizeof *tokens);
    double *exact = kvant_trial_memory(t, s->tokens, sizeof *exact);
    double overlap[2] = {0.0, 0.0};
    for (unsigned map = 0; map < maps; map++) {
        const kv_u32 *ranges = &f.scratch->words[f.ranges.scores_offset + map * s->tokens];
        const kv_u32 *outliers = &f.scratch->words[f.outliers.scores_offset + map * s->tokens];
        judge_map(t, s, &f, map, 1, tokens);
        for (unsigned i = 0; i < s->tokens; i++) {
            expect_score(t, "range", map, i, word_of(tokens[i].range), (double)ranges[i]);
            expect_score(t, "outliers", map, i, outlier_score(&tokens[i]), (double)outliers[i]);
        }
        if (s->kind != KVANT_INPUT_GAUSSIAN && s->kind != KVANT_INPUT_OUTLIERS) {
            continue;
        }
        judge_map(t, s, &f, map, 0, tokens);
        for (int i = 0; i < 2; i++) {
            for (unsigned token = 0; token < s->tokens; token++) {
                exact[token] =
                    tokens[token].range + (i == 1 ? 1e6 * (double)tokens[token].outliers : 0.0);
            }
            overlap[i] += overlap_of(t, i == 0 ? ranges : outliers, exact, s->tokens) / maps;
        }
    }
    if (s->kind == KVANT_INPUT_GAUSSIAN || s->kind == KVANT_INPUT_OUTLIERS) {
        double worst = fmin(overlap[0], overlap[1]);
        kvant_trial_measure(t, "overlap", worst, KVANT_AT_LEAST, 0.99);
        snprintf(t->message, sizeof t->message, "ranges %.2f %%, outliers %.2f %%",
                 overlap[0] * 100.0, overlap[1] * 100.0);
        if (!(worst >= 0.99)) {
            kvant_trial_fail(t,
                             "ranges select %.2f %% of the tokens that double precision selects, "
                             "outliers %.2f %%",
                             overlap[0] * 100.0, overlap[1] * 100.0);
        }
    }
}

/* ---- the list ---- */

static void emit_scores(kvant_case_sink *sink)
{
    for (uint32_t i = 0; i < KVANT_SCORE_KIND_COUNT; i++) {
        pool_case c = {.kind = (kvant_score_kind)i,
                       .tokens = i % 2u != 0u ? 100u : 257u,
                       .maps = 1u + i % 2u,
                       .width = i < 3u ? 7u : 33u,
                       .is_largest = i % 2u};
        const char *name = kvant_score_kind_name(c.kind);
        kvant_emit(sink, 1, run_pool, &c, "oracle/saliency_pool/%s/tokens%u/maps%u/%s%u", name,
                   c.tokens, c.maps, c.is_largest != 0u ? "max" : "avg", c.width);
        kvant_emit(sink, 1, run_ranks, &c, "oracle/saliency_ranks/%s/tokens%u/maps%u", name,
                   c.tokens, c.maps);
    }
}

void kvant_cases_oracle_scores(kvant_case_sink *sink)
{
    emit_scores(sink);
    static const kvant_range_spec specs[] = {
        {500u, 2u, 64u, 1u, KV_DTYPE_F32, KVANT_VIEW_PACKED, KVANT_INPUT_GAUSSIAN, 995u},
        {400u, 2u, 128u, 0u, KV_DTYPE_F32, KVANT_VIEW_HEAD_MAJOR, KVANT_INPUT_OUTLIERS, 995u},
        {840u, 1u, 128u, 1u, KV_DTYPE_F32, KVANT_VIEW_RING, KVANT_INPUT_OUTLIERS, 999u},
        {100u, 3u, 40u, 0u, KV_DTYPE_BF16, KVANT_VIEW_PADDED, KVANT_INPUT_SPECIAL, 900u},
        {33u, 2u, 8u, 1u, KV_DTYPE_F16, KVANT_VIEW_TRANSPOSED, KVANT_INPUT_SUBNORMAL, 999u},
        {64u, 2u, 96u, 1u, KV_DTYPE_F16, KVANT_VIEW_PACKED, KVANT_INPUT_ZERO, 995u},
        {64u, 1u, 64u, 1u, KV_DTYPE_F32, KVANT_VIEW_PACKED, KVANT_INPUT_HUGE_SCALE, 1000u},
    };
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        char name[160];
        kvant_range_name(&specs[i], name, sizeof name);
        kvant_emit(sink, i != 2u, run_range, &specs[i], "oracle/saliency_range/%s", name);
    }
}
