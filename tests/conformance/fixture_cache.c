/* SPDX-License-Identifier: MIT
 *
 * Sequences of a compressed cache: the layout of a region, then each segment through the kernels of
 * the reference.
 */
#include "fixture_cache.h"

/* Offsets of one segment's parts within its region. */
typedef struct {
    kv_u32 positions, k_codes, v_codes, k_params, v_params, k_scale, v_scale, levels;
} segment_parts;

kv_u32 kvant_segment_capacity(const kvant_segment *segment)
{
    return (segment->tokens + segment->spare + 3u) / 4u * 4u;
}

kv_u32 kvant_segment_heads_of(const kvant_cache_spec *spec, const kvant_segment *segment)
{
    return segment->head_count != 0u ? segment->head_count : spec->kv_heads;
}

static kvant_event event_of(const kvant_cache_spec *spec, const kvant_segment *segment,
                            kv_u32 is_value)
{
    const kvant_format *format = is_value != 0u ? &segment->v : &segment->k;
    kvant_event event = {
        .is_value = is_value,
        .codec = format->codec,
        .grouping = format->grouping,
        .group_length = format->group_length,
        .heads = kvant_segment_heads_of(spec, segment),
        .dim = is_value != 0u ? spec->v_dim : spec->k_dim,
        .tokens = segment->tokens,
        .capacity = kvant_segment_capacity(segment),
        .dtype = spec->dtype,
        .kind = spec->kind,
        .has_channel_scale = format->has_channel_scale,
    };
    if (spec->is_latent && is_value != 0u) {
        event.heads = kv_latent_parts(spec->v_dim);
        event.dim = spec->v_dim / event.heads;
    }
    return event;
}

static kv_u32 aligned(const kvant_cache_spec *spec, kv_u32 at)
{
    return spec->is_aligned ? (at + 3u) / 4u * 4u : at;
}

static kv_u32 take(const kvant_cache_spec *spec, kv_u32 *at, kv_u32 words)
{
    kv_u32 offset = aligned(spec, *at);
    *at =
        offset + words + 5u; /* zeroed words after each part: reading them shows, they stay zero */
    return offset;
}

static void place_tensor(const kvant_cache_spec *spec, const kvant_event *e, kv_u32 *at,
                         kv_u32 *codes, kv_u32 *params, kv_u32 *scale)
{
    if (e->codec == KV_CODEC_F16) {
        *codes = take(spec, at, e->heads * e->capacity * e->dim / 2u);
        *params = KV_NO_OFFSET;
        *scale = KV_NO_OFFSET;
        return;
    }
    *scale = e->has_channel_scale ? take(spec, at, e->heads * e->dim / 2u) : KV_NO_OFFSET;
    *params = take(spec, at, kvant_event_params_words(e));
    *codes = take(spec, at, kvant_event_codes_words(e));
}

static kv_u32 place_segment(const kvant_cache_spec *spec, const kvant_segment *segment, kv_u32 at,
                            segment_parts *parts)
{
    kv_u32 lists = segment->has_positions_per_head ? kvant_segment_heads_of(spec, segment) : 1u;
    parts->positions = take(spec, &at, lists * kvant_segment_capacity(segment));
    kvant_event k = event_of(spec, segment, 0u);
    kvant_event v = event_of(spec, segment, 1u);
    place_tensor(spec, &k, &at, &parts->k_codes, &parts->k_params, &parts->k_scale);
    place_tensor(spec, &v, &at, &parts->v_codes, &parts->v_params, &parts->v_scale);
    parts->levels = 0u;
    if (kv_codec_is_learned(k.codec) != 0u || kv_codec_is_learned(v.codec) != 0u) {
        parts->levels = take(spec, &at, 2u * KV_CODEBOOK_WORDS);
    }
    return at;
}

static void write_entry(const kvant_segment *segment, const segment_parts *parts, kv_u32 *entry)
{
    kv_u32 capacity = kvant_segment_capacity(segment);
    entry[KV_SEGMENT_CAPACITY] = capacity;
    entry[KV_SEGMENT_K_CODEC] = segment->k.codec;
    entry[KV_SEGMENT_V_CODEC] = segment->v.codec;
    entry[KV_SEGMENT_K_GROUPING] = segment->k.grouping;
    entry[KV_SEGMENT_K_GROUP_LENGTH] = segment->k.group_length;
    entry[KV_SEGMENT_V_GROUPING] = segment->v.grouping;
    entry[KV_SEGMENT_V_GROUP_LENGTH] = segment->v.group_length;
    entry[KV_SEGMENT_POSITIONS] = parts->positions;
    entry[KV_SEGMENT_POSITIONS_HEAD] = segment->has_positions_per_head ? capacity : 0u;
    entry[KV_SEGMENT_K_CODES] = parts->k_codes;
    entry[KV_SEGMENT_V_CODES] = parts->v_codes;
    entry[KV_SEGMENT_K_PARAMS] = parts->k_params;
    entry[KV_SEGMENT_V_PARAMS] = parts->v_params;
    entry[KV_SEGMENT_K_CHANNEL_SCALE] = parts->k_scale;
    entry[KV_SEGMENT_V_CHANNEL_SCALE] = parts->v_scale;
    entry[KV_SEGMENT_LEVELS] = parts->levels;
    entry[KV_SEGMENT_HEAD_FIRST] = segment->head_first;
    entry[KV_SEGMENT_HEAD_COUNT] = segment->head_count;
}

/* Ascending positions with gaps, dealt to the slots of a ring; per head, shifted by the head. */
static kv_u32 write_positions(kvant_trial *trial, const kvant_segment *segment, kv_u32 lists,
                              kv_u32 first, kv_u32 *words)
{
    kv_u32 capacity = kvant_segment_capacity(segment);
    kv_u32 last = first;
    for (kv_u32 list = 0; list < lists; list++) {
        kv_u32 position = first + list % 2u;
        for (kv_u32 i = 0; i < capacity; i++) {
            kv_u32 slot = (segment->slot + i) % capacity;
            words[list * capacity + slot] = i < segment->tokens ? position : KV_POSITION_INVALID;
            if (i < segment->tokens) {
                last = position > last ? position : last;
                position += 1u + kvant_random_below(&trial->random, 2u);
            }
        }
    }
    return last + 1u;
}

/* A quantized tensor through the launches of an event, or halves in every slot of the ring: slots
 * without a token hold finite leftovers there, as in a cache that has wrapped round. */
static void fill_tensor(kvant_trial *trial, const kvant_event *e, const kvant_event_target *target,
                        kvant_trial_buffer *store, kvant_trial_buffer *source,
                        kvant_trial_buffer *scratch)
{
    if (e->codec != KV_CODEC_F16) {
        kvant_event_plan plan;
        kvant_event_build(trial, e, target, &plan, source, store, scratch);
        kvant_event_run(trial, &plan, KVANT_KERNEL_COUNT, NULL, kvant_trial_prepare);
        return;
    }
    for (kv_u32 i = 0; i < e->heads * e->capacity * e->dim; i++) {
        kv_u32 channel = i % e->dim;
        kv_u32 token = i / e->dim % e->capacity;
        float x = kvant_input_value(&trial->random, e->kind, token, channel);
        kv_store_half(store->words, target->codes_offset, i, kv_cache_half(x));
    }
}

static void fill_sequence(kvant_trial *trial, const kvant_cache_spec *spec,
                          kvant_trial_buffer *store, kvant_trial_buffer *source,
                          kvant_trial_buffer *scratch, kv_u32 base, kvant_cache_layout *layout)
{
    const segment_parts none = {0, 0, 0, 0, 0, 0, 0, 0};
    segment_parts parts = none;
    kv_u32 at = layout->segments_offset + spec->segment_count * KV_SEGMENT_WORDS;
    kv_u32 split = 0;
    kv_u32 position = 10u;
    for (kv_u32 i = 0; i < spec->segment_count; i++) {
        const kvant_segment *segment = &spec->segments[i];
        at = place_segment(spec, segment, at, &parts);
        kv_u32 *region = &store->words[base];
        write_entry(segment, &parts, &region[layout->segments_offset + i * KV_SEGMENT_WORDS]);
        for (kv_u32 first = 0; first < kvant_segment_capacity(segment); first += KV_SPLIT_TOKENS) {
            kv_u32 *entry = &region[layout->splits_offset + split * KV_SPLIT_WORDS];
            entry[KV_SPLIT_SEGMENT] = i;
            entry[KV_SPLIT_FIRST_TOKEN] = first;
            split++;
        }
        kv_u32 lists = segment->has_positions_per_head ? kvant_segment_heads_of(spec, segment) : 1u;
        position = write_positions(trial, segment, lists, position, &region[parts.positions]);

        kvant_event k = event_of(spec, segment, 0u);
        kvant_event v = event_of(spec, segment, 1u);
        kvant_event_target k_target = {base + parts.k_params, base + parts.k_codes,
                                       base + parts.k_scale, base + parts.levels};
        kvant_event_target v_target = {base + parts.v_params, base + parts.v_codes,
                                       base + parts.v_scale,
                                       base + parts.levels + KV_CODEBOOK_WORDS};
        fill_tensor(trial, &k, &k_target, store, source, scratch);
        fill_tensor(trial, &v, &v_target, store, source, scratch);
    }
    layout->positions = position;
    store->words[base + KV_HEADER_SPLITS] = split;
}

void kvant_cache_build(kvant_trial *trial, const kvant_cache_spec *spec, kvant_trial_buffer *store,
                       kvant_trial_buffer *source, kvant_trial_buffer *scratch,
                       kvant_cache_layout *layout)
{
    /* the layout, the same for all sequences */
    kv_u32 splits = 0;
    for (kv_u32 i = 0; i < spec->segment_count; i++) {
        kv_u32 capacity = kvant_segment_capacity(&spec->segments[i]);
        splits += (capacity + KV_SPLIT_TOKENS - 1u) / KV_SPLIT_TOKENS;
    }
    *layout = (kvant_cache_layout){
        .splits = splits,
        .splits_offset = KV_HEADER_WORDS,
        .segments_offset = KV_HEADER_WORDS + splits * KV_SPLIT_WORDS,
    };
    segment_parts parts;
    kv_u32 end = layout->segments_offset + spec->segment_count * KV_SEGMENT_WORDS;
    for (kv_u32 i = 0; i < spec->segment_count; i++) {
        end = place_segment(spec, &spec->segments[i], end, &parts);
    }
    layout->sequence_stride = aligned(spec, end + KVANT_GUARD_WORDS);
    if (spec->is_aligned) {
        kvant_trial_region(trial, store, 3u - (store->count + KVANT_GUARD_WORDS + 3u) % 4u);
    }
    layout->sequence_offset =
        kvant_trial_region(trial, store, spec->sequences * layout->sequence_stride);

    for (kv_u32 sequence = 0; sequence < spec->sequences; sequence++) {
        kv_u32 base = layout->sequence_offset + sequence * layout->sequence_stride;
        kvant_trial_fill(store, base, end, 0u);
        fill_sequence(trial, spec, store, source, scratch, base, layout);
        if (sequence % 2u == 1u && splits > 1u) { /* a shorter sequence */
            store->words[base + KV_HEADER_SPLITS] = splits - 1u;
        }
    }
    if (spec->has_empty_sequence) {
        store->words[layout->sequence_offset + KV_HEADER_SPLITS] = 0u;
    }
}
