/* SPDX-License-Identifier: MIT
 *
 * Oracle cases of saliency: the tokens that the integer scores select against those that double
 * precision selects, from the published formulas over unquantized K and queries. The metric is
 * the overlap at a share of 60 %, over several draws of random data (one draw of some hundred tokens
 * varies by half a percent); at least 99 % are asked for. Selection itself is compared exactly.
 */
#include "cases.h"
#include "fixture_saliency.h"
#include "oracle.h"

#define OVERLAP_LIMIT 0.99
#define SHARE 60u
#define DRAWS 6

static double view_value(const kvant_trial_buffer *buffer, const kv_view *view, unsigned row,
                         unsigned head, unsigned channel)
{
    unsigned token = row + view->first;
    token = token >= view->wrap ? token - view->wrap : token;
    return oracle_element(buffer->words,
                          view->offset + (uint64_t)token * view->token_stride +
                              head * view->head_stride + channel * view->channel_stride,
                          view->dtype);
}

/* Column sums of the probe rows' softmax of one query head. */
static void add_head(kvant_trial *t, const kvant_saliency_spec *s, const kvant_saliency_fixture *f,
                     unsigned q_head, double *scores, double *keys, double *sums)
{
    unsigned kv_head = q_head / (s->q_heads / s->kv_heads);
    for (unsigned token = 0; token < s->tokens; token++) {
        for (unsigned c = 0; c < s->dim; c++) {
            keys[token * s->dim + c] = oracle_cache_value(
                view_value(f->source, &f->keys.quantize.source, token, kv_head, c));
        }
    }
    for (unsigned i = 0; i < f->params.probes; i++) {
        unsigned position = f->scratch->words[f->params.probes_offset + i];
        if (i != 0u && position <= f->scratch->words[f->params.probes_offset + i - 1u]) {
            kvant_trial_fail(t, "probe %u is not above the one before", i);
        }
        unsigned row = s->has_gathered_queries ? i : position - s->row_position;
        unsigned visible = position >= s->first_position ? position - s->first_position + 1u : 0u;
        visible = visible > s->tokens ? s->tokens : visible;
        for (unsigned token = 0; token < visible; token++) {
            scores[token] = 0.0;
        }
        for (unsigned c = 0; c < s->dim; c++) {
            double q =
                oracle_query_value(view_value(f->queries, &f->params.queries, row, q_head, c));
            for (unsigned token = 0; token < visible; token++) {
                scores[token] += q * (double)f->params.scale * keys[token * s->dim + c];
            }
        }
        oracle_add_probabilities(scores, visible, sums);
    }
}

/* The divisor of the chosen normaliser; 0: no probe row sees the token. */
static double divisor(const kvant_saliency_spec *s, const kvant_saliency_fixture *f, unsigned token)
{
    unsigned seen = 0;
    for (unsigned i = 0; i < f->params.probes; i++) {
        seen += f->scratch->words[f->params.probes_offset + i] >= s->first_position + token;
    }
    if (seen == 0u) {
        return 0.0;
    }
    return s->normalise == KV_NORMALISE_NONE     ? f->params.probes
           : s->normalise == KV_NORMALISE_CAUSAL ? s->tokens - token
                                                 : seen;
}

/* Compares the device's lists with the selection among the device's own scores, then with the one
 * among the double-precision scores; returns the overlap with the latter. */
static double compare_map(kvant_trial *t, const kvant_saliency_spec *s,
                          const kvant_saliency_fixture *f, unsigned map, const double *exact)
{
    const kv_select_params *p = &f->select;
    unsigned char *chosen = kvant_trial_memory(t, s->tokens, 1u);
    unsigned *order = kvant_trial_memory(t, s->tokens, sizeof *order);
    double *scores = kvant_trial_memory(t, s->tokens, sizeof *scores);
    for (unsigned i = 0; i < s->tokens; i++) {
        scores[i] = (double)f->scratch->words[p->scores_offset + map * s->tokens + i];
    }
    oracle_select(scores, s->tokens, p->salient, chosen, order);
    unsigned salient = 0;
    unsigned regular = 0;
    for (unsigned i = 0; i < s->tokens; i++) {
        unsigned got =
            chosen[i] ? f->store->words[p->salient_offset + map * p->salient_stride + salient++]
                      : f->store->words[p->regular_offset + map * p->regular_stride + regular++];
        if (got != s->first_position + i) {
            kvant_trial_fail(t, "map %u: token %u should be %s, the list has %u", map, i,
                             chosen[i] ? "salient" : "regular", got);
        }
    }
    oracle_select(exact, s->tokens, p->salient, chosen, order);
    unsigned common = 0;
    for (unsigned i = 0; i < p->salient; i++) {
        unsigned token =
            f->store->words[p->salient_offset + map * p->salient_stride + i] - s->first_position;
        common += chosen[token];
    }
    return p->salient != 0u ? (double)common / p->salient : 1.0;
}

/* One draw of random data; returns the mean overlap of its maps. */
static double run_draw(kvant_trial *t, const kvant_saliency_spec *s)
{
    kvant_saliency_fixture f;
    kvant_saliency_build(t, s, SHARE, &f);
    kvant_saliency_run(t, &f, KVANT_KERNEL_COUNT, NULL, kvant_trial_device_only);

    double *scores = kvant_trial_memory(t, s->tokens, sizeof *scores);
    double *keys = kvant_trial_memory(t, (size_t)s->tokens * s->dim, sizeof *keys);
    double *sums = kvant_trial_memory(t, s->tokens, sizeof *sums);
    double *exact = kvant_trial_memory(t, s->tokens, sizeof *exact);
    unsigned maps = s->all_heads != 0u ? 1u : s->kv_heads;
    unsigned heads = s->q_heads / maps;
    double overlap = 0.0;
    for (unsigned map = 0; map < maps; map++) {
        for (unsigned i = 0; i < s->tokens; i++) {
            sums[i] = 0.0;
        }
        for (unsigned i = 0; i < heads; i++) {
            add_head(t, s, &f, map * heads + i, scores, keys, sums);
        }
        for (unsigned i = 0; i < s->tokens; i++) {
            double d = divisor(s, &f, i);
            exact[i] = d > 0.0 ? sums[i] / d : 1e300;
        }
        overlap += compare_map(t, s, &f, map, exact) / maps;
        t->words += s->tokens;
    }
    return overlap;
}

static void run_oracle_saliency(kvant_trial *t, const void *data)
{
    double sum = 0.0;
    double lowest = 1.0;
    for (int draw = 0; draw < DRAWS; draw++) {
        double overlap = run_draw(t, data);
        sum += overlap;
        lowest = fmin(lowest, overlap);
        kvant_trial_clear(t);
    }
    double overlap = sum / DRAWS;
    kvant_trial_measure(t, "overlap", overlap, KVANT_AT_LEAST, OVERLAP_LIMIT);
    if (!(overlap >= OVERLAP_LIMIT)) {
        kvant_trial_fail(t,
                         "the integer scores select %.2f %% of the tokens that double precision "
                         "selects, not 99 %%",
                         overlap * 100.0);
    }
    snprintf(t->message, sizeof t->message, "%d draws: mean %.2f %%, lowest %.2f %%", DRAWS,
             overlap * 100.0, lowest * 100.0);
}

/* ---- select alone -------------------------------------------------------------------------- */

/* Many ties, saturated scores and forced tokens: the later of equals are taken. */
static void run_oracle_select(kvant_trial *t, const void *data)
{
    kv_select_params p = *(const kv_select_params *)data;
    kvant_trial_buffer *scratch = kvant_trial_add_buffer(t);
    kvant_trial_buffer *store = kvant_trial_add_buffer(t);
    p.scores_offset = kvant_trial_region(t, scratch, p.tokens);
    p.classes_offset = kvant_trial_region(t, scratch, (p.tokens + 31u) / 32u);
    p.salient_offset = kvant_trial_region(t, store, p.tokens);
    p.regular_offset = kvant_trial_region(t, store, p.tokens);
    double *scores = kvant_trial_memory(t, p.tokens, sizeof *scores);
    for (unsigned i = 0; i < p.tokens; i++) {
        unsigned score = kvant_random_below(&t->random, 7u);
        score = score == 6u ? 0xffffffffu : score * 1000u; /* as 0xfffffffe: below the forced */
        scratch->words[p.scores_offset + i] = score;
        int is_forced = i < p.forced_first || i + p.forced_last >= p.tokens;
        scores[i] = is_forced ? 1e30 : score > 0xfffffffeu ? 4294967294.0 : score;
    }
    kvant_trial_device_only(t, KVANT_KERNEL_select, &p, (kvant_trial_buffer *[]){scratch, store});
    unsigned char *chosen = kvant_trial_memory(t, p.tokens, 1u);
    unsigned *order = kvant_trial_memory(t, p.tokens, sizeof *order);
    oracle_select(scores, p.tokens, p.salient, chosen, order);
    unsigned taken[2] = {0, 0};
    for (unsigned i = 0; i < p.tokens; i++) {
        unsigned list = chosen[i] ? p.salient_offset : p.regular_offset;
        unsigned got = store->words[list + taken[chosen[i]]++];
        unsigned bit = (scratch->words[p.classes_offset + i / 32u] >> (i % 32u)) & 1u;
        if (got != p.first_position + i || bit != chosen[i]) {
            kvant_trial_fail(t, "token %u should be %s, its list has %u, its class bit is %u", i,
                             chosen[i] ? "salient" : "regular", got, bit);
        }
    }
    t->words += p.tokens;
}

static void emit_select(kvant_case_sink *sink)
{
    static const kv_u32 shapes[][4] = {/* tokens, salient, forced first and last */
                                       {100, 60, 0, 0},   {700, 420, 4, 32}, {257, 1, 0, 0},
                                       {1000, 10, 4, 32}, {33, 33, 2, 2},    {64, 0, 1, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        kv_select_params p = {.tokens = shapes[i][0],
                              .salient = shapes[i][1],
                              .forced_first = shapes[i][2],
                              .forced_last = shapes[i][3],
                              .maps = 1u,
                              .first_position = 5u,
                              .salient_stride = shapes[i][1],
                              .regular_stride = shapes[i][0]};
        kvant_emit(sink, 1, run_oracle_select, &p,
                   "oracle/select/ties/tokens%u/salient%u/forced%u-%u", p.tokens, p.salient,
                   p.forced_first, p.forced_last);
    }
}

void kvant_cases_oracle_saliency(kvant_case_sink *sink)
{
    emit_select(sink);
    static const kvant_input_kind kinds[] = {KVANT_INPUT_GAUSSIAN, KVANT_INPUT_OUTLIERS};
    /* tokens, random and recent probes, query heads, KV heads, dimension; in the last one no probe
     * row sees the last tokens */
    static const kv_u32 shapes[][6] = {{840, 42, 42, 2, 1, 64},
                                       {500, 25, 25, 4, 2, 128},
                                       {400, 20, 20, 8, 2, 32},
                                       {400, 40, 0, 2, 1, 64}};
    for (int kind = 0; kind < 2; kind++) {
        for (uint32_t i = 0; i < 4u; i++) {
            const kv_u32 *n = shapes[i];
            kvant_saliency_spec s = {
                .tokens = n[0],
                .rows = n[0],
                .random = n[1],
                .recent = n[2],
                .q_heads = n[3],
                .kv_heads = n[4],
                .dim = n[5],
                .k_dtype = i % 3u,
                .q_dtype = KV_DTYPE_F32,
                .k_kind = kinds[kind],
                .normalise = (i + 2u) % 3u,
                .all_heads = i == 2u,
            };
            char name[200];
            kvant_saliency_name(&s, name, sizeof name);
            kvant_emit(sink, i == 2u, run_oracle_saliency, &s, "oracle/saliency/%s", name);
        }
    }
}
