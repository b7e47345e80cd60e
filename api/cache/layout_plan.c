/* SPDX-License-Identifier: MIT
 *
 * Computes the layout of a cache and counts every byte of it.
 */
#include "layout_plan.h"

#include <math.h>
#include <stdio.h>

#include "arith.h"
#include "checked.h"
#include "codebook.h"
#include "layout.h"
#include "ops_internal.h"
#include "params.h"
#include "recipe_internal.h"
#include "validate.h"

enum { ALIGN_WORDS = 16, MAX_EVENTS = 1 << 20, MAX_ROTATED_TOKENS = 16 };

/* Of the scratch, for more than one sequence at a time: every Vulkan device can bind twice that. */
#define MAX_ATTEND_BYTES (UINT64_C(64) << 20)

static uint32_t quad(uint32_t tokens)
{
    return (tokens + KV_TOKEN_QUAD - 1u) / KV_TOKEN_QUAD * KV_TOKEN_QUAD;
}

/* ---- counts that the recipe decides ---- */

uint32_t kvant_salient_tokens(const kvant_recipe *recipe, uint32_t tokens)
{
    /* the regular ones are rounded down; the small number absorbs that 1 - 0.6 is not 0.4 */
    double regular = floor((1.0 - recipe->salient_share) * (double)tokens + 1e-6);
    return tokens - (uint32_t)regular;
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

/* ---- checks ---- */

static kvant_status check_shape(const kvant_cache_desc *desc)
{
    if (desc->struct_size != sizeof *desc) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "kvant_cache_desc.struct_size is %zu, this library has %zu",
                          desc->struct_size, sizeof *desc);
    }
    if (desc->layers == 0 || desc->sequences == 0 || desc->q_heads == 0 || desc->kv_heads == 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "layers, sequences, q_heads and kv_heads must be above 0");
    }
    if (desc->layers > 65535 || desc->sequences > 65535 || desc->q_heads > 4096) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "more than 65535 layers or sequences, or 4096 heads");
    }
    if (desc->q_heads % desc->kv_heads != 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "%u query heads are not a multiple of %u KV heads", desc->q_heads,
                          desc->kv_heads);
    }
    uint32_t dims[2] = {desc->k_dim, desc->v_dim != 0 ? desc->v_dim : desc->k_dim};
    for (int i = 0; i < 2; i++) {
        if (dims[i] < 8 || dims[i] > KV_MAX_HEAD_DIM || dims[i] % 8 != 0) {
            return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                              "%s is %u, not a multiple of 8 from 8 to %u",
                              i == 0 ? "k_dim" : "v_dim", dims[i], KV_MAX_HEAD_DIM);
        }
    }
    uint64_t tokens = (uint64_t)desc->prefill_tokens + desc->decode_tokens;
    if (tokens == 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "prefill_tokens and decode_tokens are both 0");
    }
    if (tokens > (1u << 28)) {
        return kvant_fail(KVANT_ERROR_LIMIT, "more than 2^28 tokens a sequence");
    }
    if (desc->max_queries > 1024) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "max_queries is above 1024");
    }
    kvant_status status = kvant_check_scale(desc->scale);
    if (status != KVANT_OK) {
        return status;
    }
    if (desc->non_finite != KVANT_NON_FINITE_STRICT &&
        desc->non_finite != KVANT_NON_FINITE_SANITISE) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "non_finite has no known value");
    }
    return kvant_recipe_check(&desc->recipe);
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

static void decide_policy(kvant_layout *layout)
{
    const kvant_cache_desc *desc = &layout->desc;
    const kvant_recipe *recipe = &desc->recipe;
    uint32_t total = desc->prefill_tokens + desc->decode_tokens;

    layout->is_f16 = kvant_recipe_is_f16(recipe);
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
        layout->window_capacity = quad(total);
        return;
    }
    const kvant_tensor_rule *rules[2] = {&recipe->k, &recipe->v};
    for (int i = 0; i < 2; i++) {
        layout->learns_codebooks |= kv_codec_is_learned((uint32_t)rules[i]->regular) != 0u ||
                                    kv_codec_is_learned((uint32_t)rules[i]->salient) != 0u;
        layout->has_codebooks |= kv_codec_has_codebook((uint32_t)rules[i]->regular) != 0u ||
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
    layout->window_capacity = quad(kv_min_u32((uint32_t)most, total));
    layout->events = 1u;
    if (recipe->period != 0) {
        layout->events += (desc->decode_tokens + layout->alignment - 1u) / recipe->period;
    }
    if (layout->needs_attention && layout->events > 1u) {
        uint32_t random;
        uint32_t recent;
        kvant_probe_counts(recipe, recipe->period, &random, &recent);
        layout->probe_capacity = random + recent;
    }
}

/* `capacity` is `tokens`, with the padding of each event that appends to the segment. */
static void add_segment(kvant_layout *layout, kvant_class token_class, uint32_t event,
                        uint32_t tokens, uint32_t capacity)
{
    if (tokens == 0) {
        return;
    }
    const kvant_recipe *recipe = &layout->desc.recipe;
    kvant_planned_segment *segment = &layout->segments[layout->segment_count++];
    *segment =
        (kvant_planned_segment){.token_class = token_class, .event = event, .tokens = tokens};
    segment->at = (kvant_segment){
        .capacity = capacity,
        .k_codec = KVANT_CODEC_F16,
        .v_codec = KVANT_CODEC_F16,
        .k_channel_scale = KVANT_NO_OFFSET,
        .v_channel_scale = KVANT_NO_OFFSET,
    };
    if (token_class == KVANT_CLASS_SALIENT || token_class == KVANT_CLASS_REGULAR) {
        bool salient = token_class == KVANT_CLASS_SALIENT;
        segment->at.k_codec = salient ? recipe->k.salient : recipe->k.regular;
        segment->at.v_codec = salient ? recipe->v.salient : recipe->v.regular;
    }
    if (segment->at.k_codec != KVANT_CODEC_F16) {
        segment->at.k_grouping = recipe->k.grouping;
        segment->at.k_group_length = recipe->k.group_length;
        segment->at.v_grouping = recipe->v.grouping;
        segment->at.v_group_length = recipe->v.group_length;
    }
    layout->max_splits +=
        (uint32_t)((segment->at.capacity + KV_SPLIT_TOKENS - 1u) / KV_SPLIT_TOKENS);
}

/* The compressed segments of an event, or of all of them. A class that is evicted has none. */
static void add_compressed(kvant_layout *layout, uint32_t event)
{
    const kvant_recipe *recipe = &layout->desc.recipe;
    const kvant_class classes[2] = {KVANT_CLASS_SALIENT, KVANT_CLASS_REGULAR};
    const kvant_codec codecs[2] = {recipe->k.salient, recipe->k.regular};
    uint32_t prompt =
        event == 0 ? kvant_prefill_compressed(layout, layout->desc.prefill_tokens) : 0;
    uint32_t periods = event != 0 ? 1u : layout->per_event ? 0u : layout->events - 1u;
    for (int i = 0; i < 2; i++) {
        uint32_t of_prompt = kvant_salient_tokens(recipe, prompt);
        uint32_t of_period = kvant_salient_tokens(recipe, recipe->period);
        if (classes[i] == KVANT_CLASS_REGULAR) {
            of_prompt = prompt - of_prompt;
            of_period = recipe->period - of_period;
        }
        if (codecs[i] != KVANT_CODEC_DROP) {
            add_segment(layout, classes[i], event, of_prompt + periods * of_period,
                        quad(of_prompt) + periods * quad(of_period));
        }
    }
}

static kvant_status list_segments(kvant_host *host, kvant_layout *layout)
{
    const kvant_cache_desc *desc = &layout->desc;
    const kvant_recipe *recipe = &desc->recipe;
    uint32_t own_events = layout->per_event ? layout->events : 1u;
    if (own_events > MAX_EVENTS) {
        return kvant_fail(KVANT_ERROR_LIMIT, "more than %d compression events", MAX_EVENTS);
    }
    layout->segments =
        kvant_allocate(host, (2u * (size_t)own_events + 2u) * sizeof *layout->segments);
    if (layout->segments == NULL) {
        return kvant_fail(KVANT_ERROR_OUT_OF_HOST_MEMORY, "no memory for the segment list");
    }
    layout->sink_segment = -1;
    layout->window_segment = -1;
    if (!layout->is_f16) {
        uint32_t total = desc->prefill_tokens + desc->decode_tokens;
        if (recipe->sinks != 0) {
            layout->sink_segment = 0;
            uint32_t sinks = kv_min_u32(recipe->sinks, total);
            add_segment(layout, KVANT_CLASS_SINK, 0, sinks, quad(sinks));
        }
        layout->first_compressed = layout->segment_count;
        for (uint32_t event = 0; event < own_events; event++) {
            add_compressed(layout, event);
        }
    }
    if (layout->window_capacity != 0) {
        layout->window_segment = (int32_t)layout->segment_count;
        add_segment(layout, KVANT_CLASS_WINDOW, 0, layout->window_capacity,
                    layout->window_capacity);
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

/* ---- placing ---- */

/* Takes words from a region; counts them, and the gap to the next line of 64 bytes. */
typedef struct {
    uint64_t next;
    uint64_t padding;
} placer;

static uint32_t place(placer *p, uint64_t words, uint64_t *count)
{
    uint64_t at = p->next;
    uint64_t end = kvant_add(at, words);
    p->next = kvant_round_up(end, ALIGN_WORDS);
    p->padding = kvant_add(p->padding, p->next - end);
    *count = kvant_add(*count, words);
    return (uint32_t)at;
}

static uint64_t group_words(kvant_grouping grouping, uint32_t length, uint32_t capacity,
                            uint32_t dim, uint32_t heads)
{
    /* kv_group_count in 64 bits, by its largest term */
    uint64_t most = kvant_multiply(kvant_multiply(heads, capacity), dim);
    if (most > UINT32_MAX) {
        return KVANT_OVERFLOW;
    }
    return kv_group_count((uint32_t)grouping, length, capacity, dim, heads);
}

static void place_positions(kvant_layout *layout, placer *p, uint64_t *maps)
{
    layout->positions_offset = (uint32_t)p->next;
    for (uint32_t i = 0; i < layout->segment_count; i++) {
        kvant_segment *at = &layout->segments[i].at;
        bool per_head =
            layout->maps > 1u && (layout->segments[i].token_class == KVANT_CLASS_SALIENT ||
                                  layout->segments[i].token_class == KVANT_CLASS_REGULAR);
        at->positions_head_stride = per_head ? at->capacity : 0u;
        at->positions = place(p, (uint64_t)at->capacity * (per_head ? layout->maps : 1u), maps);
    }
    if (layout->probe_capacity != 0) {
        layout->probe_positions = place(p, layout->probe_capacity, maps);
    }
    layout->positions_words = (uint32_t)(p->next - layout->positions_offset);
}

static void place_params(kvant_layout *layout, placer *p, uint64_t *parameters)
{
    const kvant_cache_desc *desc = &layout->desc;
    const kvant_recipe *recipe = &desc->recipe;
    uint32_t scale_event = UINT32_MAX;
    uint32_t k_scale = KVANT_NO_OFFSET;
    uint32_t v_scale = KVANT_NO_OFFSET;
    for (uint32_t i = 0; i < layout->segment_count; i++) {
        kvant_planned_segment *segment = &layout->segments[i];
        kvant_segment *at = &segment->at;
        if (at->k_codec == KVANT_CODEC_F16) {
            continue;
        }
        at->k_params = place(p,
                             group_words(at->k_grouping, at->k_group_length, at->capacity,
                                         desc->k_dim, desc->kv_heads),
                             parameters);
        at->v_params = place(p,
                             group_words(at->v_grouping, at->v_group_length, at->capacity,
                                         desc->v_dim, desc->kv_heads),
                             parameters);
        if (kv_codec_is_learned((uint32_t)at->k_codec) != 0u ||
            kv_codec_is_learned((uint32_t)at->v_codec) != 0u) {
            at->levels = place(p, 2u * KV_CODEBOOK_WORDS, parameters);
        }
        if (segment->event != scale_event) { /* both classes of an event share channel scales */
            scale_event = segment->event;
            bool is_first = k_scale == KVANT_NO_OFFSET;
            if (recipe->k.transform == KVANT_TRANSFORM_CST || (layout->smooths_k && is_first)) {
                k_scale = place(p, (uint64_t)desc->kv_heads * desc->k_dim / 2u, parameters);
            }
            if (recipe->v.transform == KVANT_TRANSFORM_CST) {
                v_scale = place(p, (uint64_t)desc->kv_heads * desc->v_dim / 2u, parameters);
            }
        }
        at->k_channel_scale = k_scale;
        at->v_channel_scale = v_scale;
    }
}

static void place_codes(kvant_layout *layout, placer *p, uint64_t *codes, uint64_t *window)
{
    const kvant_cache_desc *desc = &layout->desc;
    for (uint32_t i = 0; i < layout->segment_count; i++) {
        kvant_planned_segment *segment = &layout->segments[i];
        kvant_segment *at = &segment->at;
        uint64_t elements = (uint64_t)desc->kv_heads * at->capacity;
        uint64_t k_bits = kv_codec_bits((uint32_t)at->k_codec);
        uint64_t v_bits = kv_codec_bits((uint32_t)at->v_codec);
        uint64_t *count = at->k_codec == KVANT_CODEC_F16 ? window : codes;
        at->k_codes = place(p, elements * desc->k_dim * k_bits / 32u, count);
        at->v_codes = place(p, elements * desc->v_dim * v_bits / 32u, count);
        /* tokens rounded up to 4 are padding */
        uint64_t spare = (uint64_t)desc->kv_heads * (at->capacity - segment->tokens) *
                         (desc->k_dim * k_bits + desc->v_dim * v_bits) / 32u;
        *count -= spare;
        p->padding += spare;
    }
    if (layout->probe_capacity != 0) {
        layout->probe_rows =
            place(p, (uint64_t)desc->q_heads * layout->probe_capacity * desc->k_dim / 2u, window);
    }
}

static kvant_status place_all(kvant_layout *layout)
{
    placer p = {0, 0};
    uint64_t maps = 0;
    uint64_t parameters = 0;
    uint64_t codes = 0;
    uint64_t window = 0;
    place(&p, KV_HEADER_WORDS, &maps);
    layout->splits_offset = place(&p, (uint64_t)layout->max_splits * KV_SPLIT_WORDS, &maps);
    layout->segments_offset = place(&p, (uint64_t)layout->segment_count * KV_SEGMENT_WORDS, &maps);
    place_positions(layout, &p, &maps);
    place_params(layout, &p, &parameters);
    place_codes(layout, &p, &codes, &window);
    if (p.next > UINT32_MAX / 2u || parameters > UINT32_MAX) {
        return kvant_fail(KVANT_ERROR_LIMIT,
                          "one layer of one sequence takes more than 8 GiB, or a segment has more "
                          "than 2^32 elements; use fewer tokens");
    }
    layout->region_words = (uint32_t)p.next;

    uint64_t regions = (uint64_t)layout->desc.layers * layout->desc.sequences;
    layout->bytes = (kvant_cache_bytes)KVANT_CACHE_BYTES_INIT;
    layout->bytes.codes = kvant_multiply(codes * 4u, regions);
    layout->bytes.parameters = kvant_multiply(parameters * 4u, regions);
    layout->bytes.maps = kvant_multiply(maps * 4u, regions);
    layout->bytes.window = kvant_multiply(window * 4u, regions);
    layout->bytes.padding = kvant_multiply(p.padding * 4u, regions);
    return KVANT_OK;
}

/* ---- scratch ---- */

static void place_scores(const kvant_layout *layout, uint32_t tokens, placer *p, kvant_workspace *w)
{
    const kvant_recipe *recipe = &layout->desc.recipe;
    uint64_t words = (uint64_t)layout->maps * tokens;
    uint64_t count = 0;
    w->scores = place(p, words, &count);
    if (layout->needs_attention && recipe->pooling != KVANT_POOLING_NONE) {
        w->unpooled = place(p, words, &count);
    }
    if (kvant_recipe_weights(recipe).parts > 1u) {
        w->part = place(p, words, &count);
    }
    if (recipe->score == KVANT_SCORE_OUTLIERS) {
        w->counts = place(p, (uint64_t)layout->maps * KV_MAGNITUDES, &count);
        w->limits = place(p, layout->maps, &count);
    }
}

kvant_workspace kvant_workspace_of(const kvant_layout *layout, uint32_t tokens, uint32_t probes)
{
    const kvant_cache_desc *desc = &layout->desc;
    uint32_t capacity = quad(tokens);
    uint64_t splits = (tokens + KV_SPLIT_TOKENS - 1u) / KV_SPLIT_TOKENS;
    uint64_t rows = (uint64_t)probes * desc->q_heads;
    uint64_t channels =
        (uint64_t)desc->kv_heads * (desc->k_dim > desc->v_dim ? desc->k_dim : desc->v_dim);

    placer p = {0, 0};
    uint64_t count = 0;
    kvant_workspace w = {0};
    if (layout->is_evicting) {
        return w;
    }
    uint64_t keys = channels * 2u;
    if (layout->learns_codebooks && keys < KV_CODEBOOK_BYTES) {
        keys = KV_CODEBOOK_BYTES;
    }
    w.keys = place(&p, keys, &count);
    if (layout->smooths_k) {
        w.query_keys = place(&p, (uint64_t)desc->q_heads * desc->k_dim * 2u, &count);
    }
    if (layout->needs_attention) {
        w.probes = place(&p, probes, &count);
        w.codes = place(&p, (uint64_t)desc->kv_heads * capacity * (desc->k_dim / 4u), &count);
        w.params = place(&p, channels, &count);
        w.operands = place(&p, rows * (desc->k_dim / 4u), &count);
        w.steps = place(&p, rows, &count);
        w.partials = place(&p, kvant_multiply(rows * 2u, splits), &count);
        w.rows = place(&p, rows * 2u, &count);
        w.sums = place(&p, 2u * (uint64_t)desc->kv_heads * tokens, &count);
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
    uint64_t k_dim = layout->rotates_k ? desc->k_dim : 0u;
    uint64_t v_dim = layout->rotates_v ? desc->v_dim : 0u;
    return (uint64_t)desc->q_heads * desc->max_queries * (k_dim > v_dim ? k_dim : v_dim);
}

/* Attention's partial results and decode-time compression share one buffer. Small caches attend to a
 * few sequences at a time, so that the scratch stays below 1/256 of what is stored, and large ones so
 * that it stays below MAX_ATTEND_BYTES. */
static kvant_status size_scratch(kvant_layout *layout)
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
    layout->query_positions = KVANT_STATUS_WORDS;
    uint64_t positions = (uint64_t)desc->sequences * desc->max_queries;
    uint64_t after = kvant_round_up(KVANT_STATUS_WORDS + positions, ALIGN_WORDS);
    layout->rotated = (uint32_t)after;
    uint64_t appended = kvant_rotated_words(layout, layout->rotated_tokens);
    rotated *= layout->attend_sequences;
    uint64_t partials =
        kvant_round_up(kvant_add(after, appended > rotated ? appended : rotated), ALIGN_WORDS);
    layout->partials = (uint32_t)partials;
    b->scratch = kvant_add(kvant_multiply(partials, 4u), most);
    layout->scratch_bytes = b->scratch;
    if (b->scratch / 4u > UINT32_MAX) {
        return kvant_fail(KVANT_ERROR_LIMIT, "the scratch buffer exceeds 16 GiB");
    }
    return KVANT_OK;
}

/* Ranks and counts of magnitudes are 32-bit integers. */
static kvant_status check_scores(const kvant_layout *layout)
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

static kvant_status count_bytes(kvant_layout *layout)
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

/* ---- all of it ---- */

kvant_status kvant_layout_plan(kvant_host *host, const kvant_cache_desc *desc,
                               kvant_layout *out_layout)
{
    *out_layout = (kvant_layout){0};
    kvant_status status = check_shape(desc);
    if (status != KVANT_OK) {
        return status;
    }
    kvant_layout layout = {.desc = *desc};
    layout.desc.v_dim = desc->v_dim != 0 ? desc->v_dim : desc->k_dim;
    layout.desc.max_queries = desc->max_queries != 0 ? desc->max_queries : 1u;
    if (desc->scale == 0.0f) {
        layout.desc.scale = (float)(1.0 / sqrt((double)desc->k_dim));
    }
    decide_policy(&layout);
    status = list_segments(host, &layout);
    if (status == KVANT_OK) {
        status = place_all(&layout);
    }
    if (status == KVANT_OK) {
        status = size_scratch(&layout);
    }
    if (status == KVANT_OK) {
        status = check_scores(&layout);
    }
    if (status == KVANT_OK) {
        status = count_bytes(&layout);
    }
    if (status != KVANT_OK) {
        kvant_layout_free(host, &layout);
        return status;
    }
    *out_layout = layout;
    return KVANT_OK;
}

void kvant_layout_free(kvant_host *host, kvant_layout *layout)
{
    kvant_release(host, layout->segments);
    layout->segments = NULL;
}
