/* SPDX-License-Identifier: MIT
 *
 * Rows of scores, and events that are judged by their own numbers.
 */
#include "fixture_scores.h"

static const char *const score_names[] = {
#define SCORE_TEXT(symbol, name) name,
    KVANT_SCORE_KINDS(SCORE_TEXT)
#undef SCORE_TEXT
};

const char *kvant_score_kind_name(kvant_score_kind kind)
{
    return score_names[kind];
}

kv_u32 kvant_score_value(uint64_t *random_state, kvant_score_kind kind, kv_u32 token)
{
    kv_u32 random = (kv_u32)(kvant_random(random_state) >> 32);
    switch (kind) {
    case KVANT_SCORES_SMALL:
        return 0x01020300u | (random & 255u);
    case KVANT_SCORES_TIES:
        return 1000u * (random % 3u);
    case KVANT_SCORES_EQUAL:
        return 77u;
    case KVANT_SCORES_SATURATED:
        return random % 3u == 0u ? KV_SCORE_MAX : random % 3u == 1u ? 0xffffffffu : random;
    case KVANT_SCORES_FALLING:
        return 0xf0000000u - token * 65537u;
    default:
        return random;
    }
}

kv_u32 kvant_add_scores(kvant_trial *t, kvant_trial_buffer *scratch, kvant_score_kind kind,
                        kv_u32 maps, kv_u32 tokens)
{
    kv_u32 offset = kvant_trial_region(t, scratch, maps * tokens);
    for (kv_u32 i = 0; i < maps * tokens; i++) {
        scratch->words[offset + i] = kvant_score_value(&t->random, kind, i % tokens);
    }
    return offset;
}

void kvant_range_name(const kvant_range_spec *s, char *name, size_t size)
{
    snprintf(name, size, "heads%u/dim%u/tokens%u/%s/%s/%s/of%u%s", s->heads, s->dim, s->tokens,
             kvant_input_name(s->kind), kvant_dtype_name(s->dtype), kvant_view_name(s->view),
             s->percentile, s->all_heads != 0u ? "/allheads" : "");
}

void kvant_range_build(kvant_trial *t, const kvant_range_spec *s, kvant_range_fixture *f)
{
    kv_u32 maps = s->all_heads != 0u ? 1u : s->heads;
    kv_u32 numbers = s->tokens * s->dim * (s->all_heads != 0u ? s->heads : 1u);
    f->source = kvant_trial_add_buffer(t);
    f->scratch = kvant_trial_add_buffer(t);
    f->counts = (kv_range_params){.tokens = s->tokens,
                                  .heads = s->heads,
                                  .dim = s->dim,
                                  .all_heads = s->all_heads,
                                  .limits_offset = KV_NO_OFFSET};
    f->counts.source =
        kvant_add_tensor(t, f->source, s->view, s->dtype, s->tokens, s->heads, s->dim, s->kind);
    f->counts.counts_offset = kvant_trial_region(t, f->scratch, maps * KV_MAGNITUDES);
    kvant_trial_fill(f->scratch, f->counts.counts_offset, maps * KV_MAGNITUDES, 0u);
    f->limit = (kv_percentile_params){
        .maps = maps,
        .rank = (kv_u32)(((uint64_t)numbers * s->percentile + 999u) / 1000u) - 1u,
        .counts_offset = f->counts.counts_offset,
        .limits_offset = kvant_trial_region(t, f->scratch, maps),
    };
    f->ranges = f->counts;
    f->ranges.scores_offset = kvant_trial_region(t, f->scratch, maps * s->tokens);
    f->outliers = f->counts;
    f->outliers.limits_offset = f->limit.limits_offset;
    f->outliers.scores_offset = kvant_trial_region(t, f->scratch, maps * s->tokens);
}

void kvant_range_run(kvant_trial *t, kvant_range_fixture *f, kvant_kernel only,
                     kvant_launch_fn chosen, kvant_launch_fn rest)
{
    kvant_trial_buffer *both[2] = {f->source, f->scratch};
    (only == KVANT_KERNEL_saliency_magnitudes ? chosen : rest)(t, KVANT_KERNEL_saliency_magnitudes,
                                                               &f->counts, both);
    (only == KVANT_KERNEL_saliency_percentile ? chosen : rest)(
        t, KVANT_KERNEL_saliency_percentile, &f->limit, (kvant_trial_buffer *[]){f->scratch});
    kvant_launch_fn range = only == KVANT_KERNEL_saliency_range ? chosen : rest;
    range(t, KVANT_KERNEL_saliency_range, &f->ranges, both);
    range(t, KVANT_KERNEL_saliency_range, &f->outliers, both);
}
