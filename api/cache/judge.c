/* SPDX-License-Identifier: MIT
 *
 * How the tokens of a compression event are judged: attention by probe rows, their own numbers, or a
 * blend of both, up to one score a token and class map.
 */
#include "cache_internal.h"
#include "layout.h"
#include "ops_internal.h"
#include "recipe_internal.h"

/* What all parts of a judgement share. */
typedef struct {
    const kvant_place *place;
    const kvant_event *event;
    kvant_buffer *workspace;
    uint32_t base;
    const kvant_workspace *w;
} judgement;

static uint32_t word_at(const judgement *j, uint64_t offset)
{
    return j->base + (uint32_t)offset;
}

/* Summed attention of the probe rows, pooled where the recipe says so. */
static kvant_status score_by_attention(const judgement *j, uint32_t target)
{
    const kvant_layout *layout = j->place->layout;
    const kvant_cache_desc *desc = &layout->desc;
    const kvant_event *event = j->event;
    bool is_pooled = desc->recipe.pooling != KVANT_POOLING_NONE;
    kv_saliency_params p = {
        .queries = event->query_view,
        .query_base = event->query_base,
        .probes = event->probes,
        .probes_offset = word_at(j, j->w->probes),
        .tokens = event->tokens,
        .first_position = event->first_position,
        .q_heads = desc->q_heads,
        .kv_heads = desc->kv_heads,
        .dim = desc->k_dim,
        .capacity = (event->tokens + 3u) / 4u * 4u,
        .codes_offset = word_at(j, j->w->codes),
        .params_offset = word_at(j, j->w->params),
        .scale = desc->scale,
        .operands_offset = word_at(j, j->w->operands),
        .steps_offset = word_at(j, j->w->steps),
        .partials_offset = word_at(j, j->w->partials),
        .rows_offset = word_at(j, j->w->rows),
        .sums_offset = word_at(j, j->w->sums),
        .scores_offset = is_pooled ? word_at(j, j->w->unpooled) : target,
        .normalise = (uint32_t)desc->recipe.normaliser,
        .all_heads = layout->maps == 1u ? 1u : 0u,
    };
    kvant_context *context = j->place->cache->context;
    kvant_status status =
        kvant_op_saliency(context, event->judged_k, &event->judged_k_view, event->queries,
                          j->workspace, word_at(j, j->w->keys), p);
    if (status == KVANT_OK && is_pooled) {
        kv_pool_params pool = {
            .tokens = event->tokens,
            .maps = layout->maps,
            .width = desc->recipe.pool_tokens,
            .is_largest = desc->recipe.pooling == KVANT_POOLING_MAX ? 1u : 0u,
            .scores_offset = p.scores_offset,
            .pooled_offset = target,
        };
        kvant_buffer *workspace = j->workspace;
        status = kvant_launch_kernel(context, KVANT_KERNEL_saliency_pool, &pool, &workspace, 1);
    }
    return status;
}

/* The range or the outliers of each token's K or V. */
static kvant_status score_by_numbers(const judgement *j, bool is_value, uint32_t target)
{
    const kvant_layout *layout = j->place->layout;
    const kvant_cache_desc *desc = &layout->desc;
    const kvant_event *event = j->event;
    kv_range_params p = {
        .source = is_value ? event->v_view : event->k_view,
        .tokens = event->tokens,
        .heads = desc->kv_heads,
        .dim = is_value ? desc->v_dim : desc->k_dim,
        .all_heads = layout->maps == 1u ? 1u : 0u,
        .counts_offset = word_at(j, j->w->counts),
        .limits_offset =
            desc->recipe.score == KVANT_SCORE_OUTLIERS ? word_at(j, j->w->limits) : KV_NO_OFFSET,
        .scores_offset = target,
    };
    return kvant_op_range(j->place->cache->context, is_value ? event->v : event->k, j->workspace,
                          &p, desc->recipe.percentile);
}

static kvant_status score_part(const judgement *j, kvant_score_part part, uint32_t target)
{
    return part == KVANT_PART_ATTENTION ? score_by_attention(j, target)
                                        : score_by_numbers(j, part == KVANT_PART_V, target);
}

kvant_status kvant_judge_event(const kvant_place *place, const kvant_event *event,
                               kvant_buffer *workspace, uint32_t base, const kvant_workspace *w)
{
    const kvant_layout *layout = place->layout;
    const judgement j = {place, event, workspace, base, w};
    const kvant_score_weights weights = kvant_recipe_weights(&layout->desc.recipe);
    uint32_t scores = word_at(&j, w->scores);
    if (weights.parts == 0u) { /* locality: of equal scores the later ones are selected */
        return kvant_buffer_fill(workspace, (uint64_t)scores * 4u, 0u,
                                 (uint64_t)layout->maps * event->tokens * 4u);
    }
    kv_ranks_params ranks = {
        .tokens = event->tokens,
        .maps = layout->maps,
        .scores_offset = word_at(&j, w->part),
        .blend_offset = scores,
    };
    kvant_status status = KVANT_OK;
    for (int part = 0; status == KVANT_OK && part < KVANT_PARTS; part++) {
        ranks.weight = weights.of[part];
        if (ranks.weight == 0u) {
            continue;
        }
        bool is_blend = weights.parts > 1u;
        status = score_part(&j, (kvant_score_part)part, is_blend ? ranks.scores_offset : scores);
        if (status == KVANT_OK && is_blend) {
            status = kvant_launch_kernel(place->cache->context, KVANT_KERNEL_saliency_ranks, &ranks,
                                         &workspace, 1);
            ranks.is_added = 1u;
        }
    }
    return status;
}
