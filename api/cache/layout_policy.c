/* SPDX-License-Identifier: MIT
 *
 * What a recipe decides for a cache: counts of tokens and probes, the window, events, segments.
 */
#include <math.h>

#include "arith.h"
#include "codebook.h"
#include "layout.h"
#include "layout_parts.h"
#include "ops_internal.h"
#include "recipe_internal.h"

enum { MAX_EVENTS = 1 << 20, MAX_ROTATED_TOKENS = 16 };

/* ---- counts that the recipe decides ---- */

uint32_t kvant_quad(uint32_t tokens)
{
    return (tokens + KV_TOKEN_QUAD - 1u) / KV_TOKEN_QUAD * KV_TOKEN_QUAD;
}

void kvant_probe_counts(const kvant_recipe *recipe, uint32_t rows, uint32_t *out_random,
                        uint32_t *out_recent)
{
    uint32_t recent = (uint32_t)floor(recipe->probes_recent * (double)rows + 1e-6);
    if (recent == 0 && recipe->probes_recent > 0.0) {
        recent = 1;
    }
    recent = recent > recipe->probes_newest ? recent : recipe->probes_newest;
    uint32_t random = (uint32_t)floor(recipe->probes_random * (double)rows + 1e-6);
    if (random == 0 && recent == 0) {
        random = 1;
    }
    recent = kv_min_u32(recent, rows);
    *out_recent = recent;
    *out_random = kv_min_u32(random, rows - recent);
}

uint32_t kvant_query_dim(const kvant_layout *layout)
{
    return layout->desc.k_dim + (layout->is_latent ? layout->desc.v_dim : 0u);
}

uint32_t kvant_prefill_compressed(const kvant_layout *layout, uint32_t tokens)
{
    const kvant_recipe *recipe = &layout->desc.recipe;
    if (layout->is_f16) {
        return 0;
    }
    uint32_t rest = tokens - kv_min_u32(tokens, recipe->sinks);
    rest -= kv_min_u32(rest, recipe->window);
    return rest - rest % layout->alignment;
}

/* ---- policy: window, events, segments ---- */

static uint32_t common_multiple(uint32_t a, uint32_t b)
{
    uint32_t multiple = a;
    while (multiple % b != 0) {
        multiple += a;
    }
    return multiple;
}

/* Events of a growing segment start where groups of both tensors start. */
static uint32_t alignment_of(const kvant_recipe *recipe)
{
    uint32_t alignment = KV_TOKEN_QUAD;
    const kvant_tensor_rule *rules[2] = {&recipe->k, &recipe->v};
    for (int i = 0; i < 2; i++) {
        if (rules[i]->grouping == KVANT_GROUPING_CHANNEL_TOKENS) {
            alignment = common_multiple(alignment, rules[i]->group_length);
        }
    }
    return alignment;
}

/* Whether events cannot share a segment: a group is all of one, or would begin where the class before
 * it ended. */
static bool fills_per_event(const kvant_recipe *recipe)
{
    const kvant_tensor_rule *rules[2] = {&recipe->k, &recipe->v};
    for (int i = 0; i < 2; i++) {
        if (rules[i]->grouping == KVANT_GROUPING_CHANNEL_SEGMENT ||
            rules[i]->transform == KVANT_TRANSFORM_CST ||
            (rules[i]->grouping == KVANT_GROUPING_CHANNEL_TOKENS &&
             kvant_recipe_has_two_classes(recipe))) {
            return true;
        }
    }
    return false;
}

void kvant_layout_decide(kvant_layout *layout)
{
    const kvant_cache_desc *desc = &layout->desc;
    const kvant_recipe *recipe = &desc->recipe;
    uint32_t total = desc->prefill_tokens + desc->decode_tokens;

    layout->is_f16 = kvant_recipe_is_f16(recipe);
    layout->is_latent = recipe->latent != 0;
    layout->v_heads = layout->is_latent ? kv_latent_parts(desc->v_dim) : desc->kv_heads;
    layout->v_head_dim = layout->is_latent ? desc->v_dim / layout->v_heads : desc->v_dim;
    layout->rotates_k = recipe->k.transform == KVANT_TRANSFORM_ROTATE;
    layout->smooths_k = recipe->k.transform == KVANT_TRANSFORM_SMOOTH;
    layout->rotates_v = recipe->v.transform == KVANT_TRANSFORM_ROTATE;
    if (layout->rotates_k || layout->rotates_v) {
        kvant_rotation_signs(recipe->seed, layout->signs);
        layout->rotated_tokens = kv_min_u32(desc->decode_tokens, MAX_ROTATED_TOKENS);
    }
    layout->two_classes = kvant_recipe_has_two_classes(recipe);
    layout->needs_attention = kvant_recipe_needs_attention(recipe);
    layout->is_evicting =
        !layout->two_classes &&
        (recipe->salient_share > 0.0 ? recipe->k.salient : recipe->k.regular) == KVANT_CODEC_DROP;
    layout->maps = layout->two_classes && recipe->heads == KVANT_HEADS_GROUP ? desc->kv_heads : 1u;
    if (layout->is_f16) {
        layout->alignment = 1;
        layout->window_limit = total;
        layout->window_capacity = kvant_quad(total);
        return;
    }
    const kvant_tensor_rule *rules[2] = {&recipe->k, &recipe->v};
    for (int i = 0; i < 2; i++) {
        layout->learns_codebooks |= kv_codec_is_learned((uint32_t)rules[i]->regular) != 0u ||
                                    kv_codec_is_learned((uint32_t)rules[i]->salient) != 0u;
        layout->is_general |= kv_codec_has_codebook((uint32_t)rules[i]->regular) != 0u ||
                              kv_codec_has_codebook((uint32_t)rules[i]->salient) != 0u;
    }
    layout->per_event = layout->learns_codebooks || fills_per_event(recipe);
    layout->alignment = 1u;
    if (!layout->per_event && !layout->two_classes && !layout->is_evicting) {
        layout->alignment = alignment_of(recipe);
    }
    layout->window_limit = recipe->period != 0 ? recipe->window + recipe->period : UINT32_MAX;

    /* after a prompt the window holds its length and what rounding left; then decode adds to it */
    uint64_t most = (uint64_t)recipe->window + layout->alignment - 1u + desc->decode_tokens;
    if (most > layout->window_limit) {
        most = layout->window_limit;
    }
    layout->window_capacity = kvant_quad(kv_min_u32((uint32_t)most, total));
    layout->events = 1u;
    if (recipe->period != 0) {
        layout->events += (desc->decode_tokens + layout->alignment - 1u) / recipe->period;
    }
    if (layout->needs_attention && layout->events > 1u) {
        uint32_t random;
        uint32_t recent;
        kvant_probe_counts(recipe, recipe->period, &random, &recent);
        layout->probe_capacity = random + recent;
        layout->reevaluates = recipe->reevaluate != 0;
        if (layout->reevaluates) { /* they are kept until then */
            layout->probe_capacity *= recipe->reevaluate / recipe->period;
        }
    }
}

/* An empty segment of f16 rows, of these heads. */
static kvant_planned_segment *add_segment(kvant_layout *layout, kvant_class token_class,
                                          uint32_t tokens, uint32_t capacity, kvant_head_run heads)
{
    kvant_planned_segment *segment = &layout->segments[layout->segment_count++];
    *segment = (kvant_planned_segment){.token_class = token_class, .tokens = tokens};
    segment->at = (kvant_segment){
        .capacity = capacity,
        .k_codec = KVANT_CODEC_F16,
        .v_codec = KVANT_CODEC_F16,
        .k_channel_scale = KVANT_NO_OFFSET,
        .v_channel_scale = KVANT_NO_OFFSET,
        .head_first = heads.first,
        .head_count = heads.count < layout->desc.kv_heads ? heads.count : 0u,
    };
    layout->max_splits += (uint32_t)((capacity + KV_SPLIT_TOKENS - 1u) / KV_SPLIT_TOKENS);
    return segment;
}

/* A segment of a tier, of one run of heads. */
static void add_tier(kvant_layout *layout, const kvant_tier *tier, uint32_t event, uint32_t tokens,
                     uint32_t capacity, kvant_head_run heads)
{
    const kvant_recipe *recipe = &layout->desc.recipe;
    kvant_planned_segment *segment =
        add_segment(layout, tier->token_class, tokens, capacity, heads);
    segment->event = event;
    segment->at.k_codec = tier->k;
    segment->at.v_codec = tier->v;
    if (tier->k != KVANT_CODEC_F16) {
        segment->at.k_grouping = recipe->k.grouping;
        segment->at.k_group_length = recipe->k.group_length;
    }
    if (segment->at.v_codec != KVANT_CODEC_F16) {
        segment->at.v_grouping = recipe->v.grouping;
        segment->at.v_group_length = recipe->v.group_length;
    }
}

/* The compressed segments of an event, or of all of them, each class in all runs of heads: their capacity
 * has the padding of each event that appends to them, and room for what a shorter prompt has more of. A
 * class that never has tokens, or that is evicted, has none. */
static void add_compressed(kvant_layout *layout, uint32_t event)
{
    const kvant_recipe *recipe = &layout->desc.recipe;
    uint32_t prompt =
        event == 0 ? kvant_prefill_compressed(layout, layout->desc.prefill_tokens) : 0;
    uint32_t periods = event != 0 ? 1u : layout->per_event ? 0u : layout->events - 1u;
    kvant_tier of_prompt[KVANT_TIERS];
    kvant_tier of_shorter[KVANT_TIERS];
    kvant_tier of_period[KVANT_TIERS];
    kvant_recipe_divide(recipe, prompt, of_prompt);
    kvant_recipe_divide_at_most(recipe, prompt, of_shorter);
    kvant_recipe_divide(recipe, recipe->period, of_period);
    for (int i = 0; i < KVANT_TIERS; i++) {
        const kvant_tier *tier = &of_prompt[i];
        uint32_t tokens = tier->tokens + periods * of_period[i].tokens;
        uint32_t capacity =
            kvant_quad(of_shorter[i].tokens) + periods * kvant_quad(of_period[i].tokens);
        if (capacity == 0 || tier->k == KVANT_CODEC_DROP) {
            continue;
        }
        for (uint32_t run = 0; run < layout->full_runs; run++) {
            add_tier(layout, tier, event, tokens, capacity, layout->full[run]);
        }
    }
}

kvant_status kvant_layout_list(kvant_host *host, kvant_layout *layout)
{
    const kvant_cache_desc *desc = &layout->desc;
    const kvant_recipe *recipe = &desc->recipe;
    uint32_t own_events = layout->per_event ? layout->events : 1u;
    if (own_events > MAX_EVENTS) {
        return kvant_fail(KVANT_ERROR_LIMIT, "more than %d compression events", MAX_EVENTS);
    }
    size_t most = KVANT_TIERS * (size_t)own_events * layout->full_runs + 2u;
    layout->segments = kvant_allocate(host, most * sizeof *layout->segments);
    if (layout->segments == NULL) {
        return kvant_fail(KVANT_ERROR_OUT_OF_HOST_MEMORY, "no memory for the segment list");
    }
    const kvant_head_run all = {0, desc->kv_heads};
    layout->sink_segment = -1;
    layout->window_segment = -1;
    if (!layout->is_f16) {
        uint32_t total = desc->prefill_tokens + desc->decode_tokens;
        if (recipe->sinks != 0) {
            layout->sink_segment = 0;
            uint32_t sinks = kv_min_u32(recipe->sinks, total);
            add_segment(layout, KVANT_CLASS_SINK, sinks, kvant_quad(sinks), all);
        }
        layout->first_compressed = layout->segment_count;
        for (uint32_t event = 0; event < own_events; event++) {
            add_compressed(layout, event);
        }
    }
    if (layout->window_capacity != 0) {
        layout->window_segment = (int32_t)layout->segment_count;
        add_segment(layout, KVANT_CLASS_WINDOW, layout->window_capacity, layout->window_capacity,
                    all);
    }
    if (layout->segment_count == 0) {
        kvant_release(host, layout->segments);
        layout->segments = NULL;
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "the recipe keeps no token of such a cache: it needs a window or sinks");
    }
    return KVANT_OK;
}

int32_t kvant_find_segment(const kvant_layout *layout, kvant_class token_class, uint32_t event)
{
    if (!layout->per_event) {
        event = 0;
    }
    for (uint32_t i = layout->first_compressed; i < layout->segment_count; i++) {
        if (layout->segments[i].token_class == token_class && layout->segments[i].event == event) {
            return (int32_t)i;
        }
    }
    return -1;
}
