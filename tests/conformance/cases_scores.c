/* SPDX-License-Identifier: MIT
 *
 * Cases of what makes and changes scores besides probe rows: ranges, outliers, pooling, ranks.
 */
#include "cases.h"
#include "fixture_scores.h"

/* ---- pooling ---- */

typedef struct {
    kvant_score_kind kind;
    kv_u32 maps;
    kv_pool_params params;
} pool_case;

static void run_pool(kvant_trial *t, const void *data)
{
    const pool_case *c = data;
    kv_pool_params p = c->params;
    kvant_trial_buffer *scratch = kvant_trial_add_buffer(t);
    p.scores_offset = kvant_add_scores(t, scratch, c->kind, p.maps, p.tokens);
    p.pooled_offset = kvant_trial_region(t, scratch, p.maps * p.tokens);
    kvant_trial_launch(t, KVANT_KERNEL_saliency_pool, &p, (kvant_trial_buffer *[]){scratch});
}

static void emit_pool(kvant_case_sink *sink)
{
    static const kv_u32 tokens[] = {1, 3, 33, 100, 257, 1025};
    static const kv_u32 widths[] = {7, 1, 5, 63, 3};
    for (uint32_t i = 0; i < 36u; i++) {
        pool_case c = {.kind = (kvant_score_kind)(i / 6u),
                       .params = {.tokens = tokens[i % 6u],
                                  .maps = 1u + i % 3u,
                                  .width = widths[i % 5u],
                                  .is_largest = (i / 5u) % 2u}};
        kvant_emit(sink, i % 7u == 5u, run_pool, &c, "saliency_pool/%s/tokens%u/maps%u/%s%u",
                   kvant_score_kind_name(c.kind), c.params.tokens, c.params.maps,
                   c.params.is_largest != 0u ? "max" : "avg", c.params.width);
    }
}

/* ---- ranks ---- */

typedef struct {
    kvant_score_kind kinds[2];
    kv_ranks_params params;
} ranks_case;

/* Two rows of scores into one blend. */
static void run_ranks(kvant_trial *t, const void *data)
{
    const ranks_case *c = data;
    kv_ranks_params p = c->params;
    kvant_trial_buffer *scratch = kvant_trial_add_buffer(t);
    p.blend_offset = kvant_trial_region(t, scratch, p.maps * p.tokens);
    for (kv_u32 i = 0; i < 2u; i++) {
        p.scores_offset = kvant_add_scores(t, scratch, c->kinds[i], p.maps, p.tokens);
        p.is_added = i;
        kvant_trial_launch(t, KVANT_KERNEL_saliency_ranks, &p, (kvant_trial_buffer *[]){scratch});
        p.weight = KV_BLEND_ONE - p.weight;
    }
}

static void emit_ranks(kvant_case_sink *sink)
{
    static const kv_u32 tokens[] = {1, 3, 33, 100, 257, 1025};
    for (uint32_t i = 0; i < 18u; i++) {
        ranks_case c = {
            .kinds = {(kvant_score_kind)(i % 6u), (kvant_score_kind)((i + i / 6u + 1u) % 6u)},
            .params = {.tokens = tokens[(i + i / 6u) % 6u],
                       .maps = 1u + i % 3u,
                       .weight = i % 4u == 3u ? KV_BLEND_ONE : 40u * (i % 4u)}};
        kvant_emit(sink, i % 3u == 1u, run_ranks, &c,
                   "saliency_ranks/%s-%s/tokens%u/maps%u/weight%u",
                   kvant_score_kind_name(c.kinds[0]), kvant_score_kind_name(c.kinds[1]),
                   c.params.tokens, c.params.maps, c.params.weight);
    }
}

/* ---- ranges and outliers ---- */

typedef struct {
    kvant_range_spec spec;
    kvant_kernel kernel;
} range_case;

static void run_range(kvant_trial *t, const void *data)
{
    const range_case *c = data;
    kvant_range_fixture f;
    kvant_range_build(t, &c->spec, &f);
    kvant_range_run(t, &f, c->kernel, kvant_trial_launch, kvant_trial_prepare);
}

static void emit_ranges(kvant_case_sink *sink)
{
    static const kvant_kernel kernels[] = {KVANT_KERNEL_saliency_magnitudes,
                                           KVANT_KERNEL_saliency_percentile,
                                           KVANT_KERNEL_saliency_range};
    static const kv_u32 tokens[] = {33, 1, 100, 5, 257};
    static const kv_u32 dims[] = {64, 8, 40, 128, 72, 256, 96};
    static const kv_u32 heads[] = {2, 1, 3};
    static const kv_u32 percentiles[] = {995, 999, 500, 1000, 1};
    for (uint32_t i = 0; i < 2u * KVANT_INPUT_KIND_COUNT; i++) {
        range_case c = {.spec = {.tokens = tokens[i % 5u],
                                 .heads = heads[i % 3u],
                                 .dim = dims[i % 7u],
                                 .all_heads = (i / 2u) % 2u,
                                 .dtype = i % 3u == 0u ? KV_DTYPE_F16 : i % 4u % 3u,
                                 .view = (kvant_view_kind)((i + i / 11u) % KVANT_VIEW_KIND_COUNT),
                                 .kind = (kvant_input_kind)(i % KVANT_INPUT_KIND_COUNT),
                                 .percentile = percentiles[(i + i / 5u) % 5u]}};
        char name[160];
        kvant_range_name(&c.spec, name, sizeof name);
        for (size_t k = 0; k < sizeof kernels / sizeof kernels[0]; k++) {
            c.kernel = kernels[k];
            kvant_emit(sink, i % 9u == 1u, run_range, &c, "%s/%s", kvant_kernel_name(c.kernel),
                       name);
        }
    }
}

void kvant_cases_scores(kvant_case_sink *sink)
{
    emit_pool(sink);
    emit_ranks(sink);
    emit_ranges(sink);
}
