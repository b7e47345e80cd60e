/* SPDX-License-Identifier: MIT
 *
 * attention_latent: attention over latents, of which keys and values are both made (multi-head latent
 * attention, DeepSeek-V2): softmax(scale (ql C^T + qr R^T)) C over one split of one sequence's segments,
 * computed on the packed codes. The lanes share queries and weights; a lane scores four tokens of a row
 * at a time, and sums the channels of a word of codes over all tokens.
 *
 * One work-group does one split for up to KV_LATENT_ROWS query rows.
 */
#include "attention_latent_output.clh"
#include "attention_latent_scores.clh"

/* 3. Weights: masked tokens are selected away, never multiplied */

static void weigh(const kv_latent_split *s, __global kv_u32 *partials)
{
    __local kv_latent_local *m = s->local_memory;
    for (kv_u32 row = s->lane; row < s->rows; row += KV_LANES) {
        kv_f32 largest = KV_MASKED;
        for (kv_u32 i = 0u; i < s->count; i++) {
            if (token_is_visible(s, m->positions[row], i) != 0u) {
                largest = kv_max(largest, m->scores[row * KV_SPLIT_TOKENS + i]);
            }
        }
        m->sums[row] = largest;
        partials[row * (s->v_dim + 2u)] = kv_bits(largest);
    }
    KV_MEET();
    for (kv_u32 n = s->lane; n < s->rows * s->count; n += KV_LANES) {
        kv_u32 row = n / s->count;
        kv_u32 i = n % s->count;
        KV_EXACT kv_f32 difference = m->scores[row * KV_SPLIT_TOKENS + i] - m->sums[row];
        m->scores[row * KV_SPLIT_TOKENS + i] =
            token_is_visible(s, m->positions[row], i) != 0u ? kv_exp(difference) : 0.0f;
    }
    KV_MEET();
    for (kv_u32 row = s->lane; row < s->rows; row += KV_LANES) {
        kv_u32 sum = 0u;
        for (kv_u32 i = 0u; i < s->count; i++) {
            KV_EXACT kv_f32 units = m->scores[row * KV_SPLIT_TOKENS + i] * KV_WEIGHT_ONE;
            sum += KV_U32(KV_I32(kv_rint(units)));
        }
        partials[row * (s->v_dim + 2u) + 1u] = sum;
    }
    KV_MEET();
}

KV_KERNEL void kvant_attention_latent(const kv_latent_params p, __global const kv_u32 *store,
                                      __global const kv_u32 *queries,
                                      __global const kv_u32 *rotary,
                                      __global const kv_u32 *positions, __global kv_u32 *partials)
{
    __local kv_latent_local local_memory;
    kv_u32 split = (kv_u32)get_group_id(0);
    kv_u32 sequence = (kv_u32)get_group_id(2);
    __global const kv_u32 *region = &store[p.sequence_offset + sequence * p.sequence_stride];
    if (split >= region[KV_HEADER_SPLITS]) {
        return;
    }
    kv_u32 all_rows = p.q_heads * p.queries;
    kv_u32 first_row = (kv_u32)get_group_id(1) * KV_LATENT_ROWS;
    __global const kv_u32 *entry = &region[p.splits_offset + split * KV_SPLIT_WORDS];

    kv_latent_split s;
    s.region = region;
    s.segment = &region[p.segments_offset + entry[KV_SPLIT_SEGMENT] * KV_SEGMENT_WORDS];
    s.local_memory = &local_memory;
    s.rows = kv_min_u32(KV_LATENT_ROWS, all_rows - first_row);
    s.lane = (kv_u32)get_local_id(0);
    s.k_dim = p.k_dim;
    s.v_dim = p.v_dim;
    s.capacity = s.segment[KV_SEGMENT_CAPACITY];
    s.part = p.v_dim / kv_latent_parts(p.v_dim);
    s.length = s.segment[KV_SEGMENT_V_GROUPING] == KV_GROUP_TOKEN_CHANNELS
                   ? s.segment[KV_SEGMENT_V_GROUP_LENGTH]
                   : p.v_dim;
    s.first = entry[KV_SPLIT_FIRST_TOKEN];
    s.count = kv_min_u32(KV_SPLIT_TOKENS, s.capacity - s.first);
    s.codec = s.segment[KV_SEGMENT_V_CODEC];
    s.bits = kv_codec_bits(s.codec);
    for (kv_u32 i = 0u; i < KV_CODEBOOK_WORDS; i++) {
        s.levels[i] = kv_codec_is_learned(s.codec) != 0u
                          ? region[s.segment[KV_SEGMENT_LEVELS] + KV_CODEBOOK_WORDS + i]
                          : kv_codebook_word(s.codec, i);
    }
    partials = &partials[p.partials_offset +
                         ((sequence * p.max_splits + split) * all_rows + first_row) *
                             (p.v_dim + 2u)];

    fold_queries(&s, &p, queries, rotary, positions, sequence, first_row);
    if (s.codec != KV_CODEC_F16) {
        make_query_operands(&s);
    }
    score_split(&s);
    weigh(&s, partials);
    if (s.codec == KV_CODEC_F16) {
        f16_output(&s, partials);
    } else {
        quantized_output(&s, partials);
    }
}
