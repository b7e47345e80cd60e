/* SPDX-License-Identifier: MIT
 *
 * What a cache needs beside its regions: the workspace of an event, the scratch of attention; and
 * the bytes of it all.
 */
#include "arith.h"
#include "checked.h"
#include "codebook.h"
#include "layout.h"
#include "layout_parts.h"
#include "ops_internal.h"
#include "params.h"
#include "recipe_internal.h"

/* Of the scratch, for more than one sequence at a time: every Vulkan device can bind twice that. */
#define MAX_ATTEND_BYTES (UINT64_C(64) << 20)

static void place_scores(const kvant_layout *layout, uint32_t tokens, kvant_placer *p,
                         kvant_workspace *w)
{
    const kvant_recipe *recipe = &layout->desc.recipe;
    uint64_t words = (uint64_t)layout->maps * tokens;
    uint64_t count = 0;
    w->scores = kvant_take_words(p, words, &count);
    if (layout->needs_attention && recipe->pooling != KVANT_POOLING_NONE) {
        w->unpooled = kvant_take_words(p, words, &count);
    }
    if (kvant_recipe_weights(recipe).parts > 1u) {
        w->part = kvant_take_words(p, words, &count);
    }
    if (recipe->score == KVANT_SCORE_OUTLIERS) {
        w->counts = kvant_take_words(p, (uint64_t)layout->maps * KV_MAGNITUDES, &count);
        w->limits = kvant_take_words(p, layout->maps, &count);
    }
}

kvant_workspace kvant_workspace_of(const kvant_layout *layout, uint32_t tokens, uint32_t probes)
{
    const kvant_cache_desc *desc = &layout->desc;
    uint32_t capacity = kvant_quad(tokens);
    uint64_t splits = (tokens + KV_SPLIT_TOKENS - 1u) / KV_SPLIT_TOKENS;
    uint64_t rows = (uint64_t)probes * desc->q_heads;
    uint64_t channels =
        (uint64_t)desc->kv_heads * (desc->k_dim > desc->v_dim ? desc->k_dim : desc->v_dim);

    kvant_placer p = {0, 0};
    uint64_t count = 0;
    kvant_workspace w = {0};
    if (layout->is_evicting) {
        return w;
    }
    uint64_t keys = channels * 2u;
    if (layout->learns_codebooks && keys < KV_CODEBOOK_BYTES) {
        keys = KV_CODEBOOK_BYTES;
    }
    w.keys = kvant_take_words(&p, keys, &count);
    if (layout->smooths_k) {
        w.query_keys = kvant_take_words(&p, (uint64_t)desc->q_heads * desc->k_dim * 2u, &count);
    }
    if (layout->needs_attention) {
        w.probes = kvant_take_words(&p, probes, &count);
        w.codes =
            kvant_take_words(&p, (uint64_t)desc->kv_heads * capacity * (desc->k_dim / 4u), &count);
        w.params = kvant_take_words(&p, channels, &count);
        w.operands = kvant_take_words(&p, rows * (desc->k_dim / 4u), &count);
        w.steps = kvant_take_words(&p, rows, &count);
        w.partials = kvant_take_words(&p, kvant_multiply(rows * 2u, splits), &count);
        w.rows = kvant_take_words(&p, rows * 2u, &count);
        w.sums = kvant_take_words(&p, 2u * (uint64_t)desc->kv_heads * tokens, &count);
    }
    if (layout->two_classes) {
        place_scores(layout, tokens, &p, &w);
    }
    w.words = p.next;
    return w;
}

uint64_t kvant_rotated_words(const kvant_layout *layout, uint32_t tokens)
{
    uint64_t channels = (layout->rotates_k ? layout->desc.k_dim : 0u) +
                        (layout->rotates_v ? layout->desc.v_dim : 0u);
    return (uint64_t)tokens * layout->desc.kv_heads * channels / 2u;
}

/* Words of the rotated queries of a sequence, which its outputs take over. */
static uint64_t rotated_query_words(const kvant_layout *layout)
{
    const kvant_cache_desc *desc = &layout->desc;
    uint64_t k_dim = layout->rotates_k ? desc->k_dim : 0u; /* a latent's are as long as V's rows */
    uint64_t v_dim = layout->rotates_v ? desc->v_dim : 0u;
    return (uint64_t)desc->q_heads * desc->max_queries * (k_dim > v_dim ? k_dim : v_dim);
}

/* Words to judge all compressed tokens again, and to move them. */
static uint64_t reevaluation_words(kvant_layout *layout)
{
    const kvant_cache_desc *desc = &layout->desc;
    uint32_t tokens = layout->places_head;
    uint64_t rows = (uint64_t)tokens * desc->kv_heads * desc->k_dim / 2u;
    uint32_t first;
    uint64_t moved;
    kvant_moved_range(layout, &first, &moved);
    uint64_t judged = kvant_workspace_of(layout, tokens, layout->probe_capacity).words;
    layout->moved_rows = (uint32_t)judged;
    return kvant_add(judged, rows > moved ? rows : moved);
}

/* Attention's partial results and decode-time compression share one buffer. Small caches attend to a
 * few sequences at a time, so that the scratch stays below 1/256 of what is stored, and large ones so
 * that it stays below MAX_ATTEND_BYTES. */
kvant_status kvant_layout_size_scratch(kvant_layout *layout)
{
    const kvant_cache_desc *desc = &layout->desc;
    kvant_cache_bytes *b = &layout->bytes;
    uint64_t stored = kvant_multiply((uint64_t)layout->region_words * 4u,
                                     (uint64_t)desc->layers * desc->sequences);
    uint64_t one = kvant_multiply((uint64_t)layout->max_splits * desc->q_heads * desc->max_queries,
                                  (desc->v_dim + 2u) * 4u);
    uint64_t rotated = rotated_query_words(layout);
    uint64_t share = stored / 256u < MAX_ATTEND_BYTES ? stored / 256u : MAX_ATTEND_BYTES;
    uint64_t sequences = share / kvant_add(one, rotated * 4u);
    sequences = sequences < 1u ? 1u : sequences;
    layout->attend_sequences = sequences < desc->sequences ? (uint32_t)sequences : desc->sequences;

    uint64_t most = kvant_multiply(one, layout->attend_sequences);
    if (layout->events > 1u) {
        kvant_workspace w = kvant_workspace_of(layout, desc->recipe.period, layout->probe_capacity);
        uint64_t bytes = kvant_multiply(w.words, 4u);
        most = bytes > most ? bytes : most;
    }
    if (layout->reevaluates) {
        uint64_t bytes = kvant_multiply(reevaluation_words(layout), 4u);
        most = bytes > most ? bytes : most;
    }
    layout->query_positions = KVANT_STATUS_WORDS;
    uint64_t positions = (uint64_t)desc->sequences * desc->max_queries;
    uint64_t after = kvant_round_up(KVANT_STATUS_WORDS + positions, KVANT_ALIGN_WORDS);
    layout->rotated = (uint32_t)after;
    uint64_t appended = kvant_rotated_words(layout, layout->rotated_tokens);
    rotated *= layout->attend_sequences;
    uint64_t partials = kvant_round_up(kvant_add(after, appended > rotated ? appended : rotated),
                                       KVANT_ALIGN_WORDS);
    layout->partials = (uint32_t)partials;
    b->scratch = kvant_add(kvant_multiply(partials, 4u), most);
    layout->scratch_bytes = b->scratch;
    if (b->scratch / 4u > UINT32_MAX) {
        return kvant_fail(KVANT_ERROR_LIMIT, "the scratch buffer exceeds 16 GiB");
    }
    return KVANT_OK;
}

/* Ranks and counts of magnitudes are 32-bit integers. */
kvant_status kvant_layout_check_scores(const kvant_layout *layout)
{
    const kvant_cache_desc *desc = &layout->desc;
    if (!layout->two_classes) {
        return KVANT_OK;
    }
    uint64_t tokens = kvant_prefill_compressed(layout, desc->prefill_tokens);
    if (layout->events > 1u && desc->recipe.period > tokens) {
        tokens = desc->recipe.period;
    }
    uint64_t dim = desc->k_dim > desc->v_dim ? desc->k_dim : desc->v_dim;
    if (kvant_recipe_weights(&desc->recipe).parts > 1u && tokens > KV_BLEND_TOKENS) {
        return kvant_fail(KVANT_ERROR_LIMIT,
                          "scores of more than %u tokens at a time cannot be "
                          "blended",
                          KV_BLEND_TOKENS);
    }
    if (desc->recipe.score == KVANT_SCORE_OUTLIERS && tokens * desc->kv_heads * dim > UINT32_MAX) {
        return kvant_fail(KVANT_ERROR_LIMIT,
                          "score=outliers takes at most 2^32 numbers of K or V at a time");
    }
    return KVANT_OK;
}

kvant_status kvant_layout_count_bytes(kvant_layout *layout)
{
    const kvant_cache_desc *desc = &layout->desc;
    kvant_cache_bytes *b = &layout->bytes;
    uint64_t parts[] = {b->codes, b->parameters, b->maps, b->window, b->padding, b->scratch};
    for (int i = 0; i < 6; i++) {
        b->bytes = kvant_add(b->bytes, parts[i]);
    }
    uint64_t values = (uint64_t)desc->prefill_tokens + desc->decode_tokens;
    values = kvant_multiply(values, (uint64_t)desc->kv_heads * (desc->k_dim + desc->v_dim));
    values = kvant_multiply(values, (uint64_t)desc->layers * desc->sequences);
    b->f16_bytes = kvant_multiply(values, 2u);
    if (b->bytes == KVANT_OVERFLOW || b->f16_bytes == KVANT_OVERFLOW) {
        return kvant_fail(KVANT_ERROR_LIMIT, "the cache exceeds 2^64 bytes");
    }
    b->ratio = (double)b->f16_bytes / (double)b->bytes;
    b->salient_share = desc->recipe.salient_share;
    b->bits_per_value = 8.0 * (double)b->bytes / (double)values;

    uint32_t compressed = kvant_prefill_compressed(layout, desc->prefill_tokens);
    if (compressed != 0) {
        uint32_t random = 0;
        uint32_t recent = 0;
        if (layout->needs_attention) {
            uint32_t sinks = kv_min_u32(desc->recipe.sinks, desc->prefill_tokens);
            kvant_probe_counts(&desc->recipe, desc->prefill_tokens - sinks, &random, &recent);
        }
        kvant_workspace w = kvant_workspace_of(layout, compressed, random + recent);
        b->transient_bytes = kvant_multiply(w.words, 4u);
    }
    uint64_t rotated = kvant_rotated_words(layout, desc->prefill_tokens);
    if (rotated > UINT32_MAX / 2u) {
        return kvant_fail(KVANT_ERROR_LIMIT, "a prompt has more than 2^32 elements to rotate");
    }
    b->transient_bytes = kvant_add(b->transient_bytes, rotated * 4u);
    return KVANT_OK;
}
