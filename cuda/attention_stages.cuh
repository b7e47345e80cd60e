/* SPDX-License-Identifier: MIT
 *
 * The code words of a split as one stream of stages, K's and then V's, in the order in which steps 2
 * and 4 take them. A stage is a block of rows of words that fits a part of shared memory:
 *   K  channels [channel, ..) of as many tokens as the warps' tiles have at once, within a round
 *   V  channels [channel, ..), within a group of channels, of some chunks of 32 tokens
 * Segments in f16 are not in the stream. What takes the stages goes by the same lengths.
 */
#ifndef KVANT_CUDA_ATTENTION_STAGES_CUH
#define KVANT_CUDA_ATTENTION_STAGES_CUH

#include "attention_mma.cuh"

#define KV_STAGE_WORDS 1280u

struct kv_stage {
    const kv_u32 *from;
    kv_u32 stride; /* words between rows where they are stored */
    kv_u32 line;   /* and in the stage */
    kv_u32 rows;
    kv_u32 words; /* of a row */
};

/* ---- how K and V are cut into stages ---- */

/* Distances of rows: those of packed stages follow each other. Others are apart, so that what a warp
 * reads at once lies in different banks: 8 rows of K eight words wide, 4 rows of V. K in 8 bits has no
 * room for that and comes close. */
template <bool IS_PACKED> KV_FN kv_u32 kv_v_stage_line(kv_u32 words)
{
    return IS_PACKED ? words : (words + 3u) / 8u * 8u + 4u;
}

template <bool IS_PACKED> KV_FN kv_u32 kv_k_stage_line(bool is_8_bit, kv_u32 words)
{
    return IS_PACKED || is_8_bit ? kv_v_stage_line<IS_PACKED>(words)
                                 : (words + 7u) / 16u * 16u + 8u;
}

/* Channels of a stage at most: whole chunks. */
KV_FN kv_u32 kv_k_stage_channels(kv_u32 bits)
{
    return bits == 8u ? 64u : 128u;
}

KV_FN kv_u32 kv_v_stage_channels(kv_u32 bits)
{
    return bits == 8u ? 128u : KV_MAX_HEAD_DIM;
}

/* Tokens of a stage of K at most: a tile a warp. */
KV_FN kv_u32 kv_k_stage_tokens(kv_u32 bits)
{
    return kv_warps() * (bits == 2u ? 32u : 16u);
}

KV_FN bool kv_is_in_stages(const kv_split &s, bool is_value)
{
    return s.segment[is_value ? KV_SEGMENT_V_CODEC : KV_SEGMENT_K_CODEC] != KV_CODEC_F16;
}

/* What is the same for all stages of K, or of V. */
struct kv_cut {
    const kv_u32 *words;  /* of the split's first token */
    kv_u32 stride;        /* words between rows */
    kv_u32 token_shift;   /* a row has 1 << token_shift tokens, */
    kv_u32 channel_shift; /* a word 1 << channel_shift channels */
    kv_u32 tokens;        /* of a stage at most */
    kv_u32 channels;      /* of a stage at most */
};

template <bool IS_PACKED> KV_FN kv_cut kv_cut_of(const kv_split &s, bool is_value)
{
    const kv_u32 *segment = s.segment;
    kv_u32 bits = kv_codec_bits(segment[is_value ? KV_SEGMENT_V_CODEC : KV_SEGMENT_K_CODEC]);
    kv_u32 dim = is_value ? s.v_dim : s.k_dim;
    kv_u32 field_shift = bits == 2u ? 2u : bits == 4u ? 1u : 0u;
    kv_cut cut;
    cut.words = s.region + segment[is_value ? KV_SEGMENT_V_CODES : KV_SEGMENT_K_CODES] +
                s.kv_head * kv_code_words(segment[KV_SEGMENT_CAPACITY], dim, bits) +
                kv_code_word(is_value ? 1u : 0u, s.first, 0u, dim, bits);
    cut.token_shift = is_value ? 2u : field_shift;
    cut.channel_shift = is_value ? field_shift : 2u;
    cut.stride = dim >> cut.channel_shift;
    cut.channels = is_value ? kv_v_stage_channels(bits) : kv_k_stage_channels(bits);
    cut.tokens = kv_k_stage_tokens(bits);
    if (is_value) {
        kv_u32 words = kv_min_u32(cut.channels, kv_v_group_channels(s)) >> field_shift;
        kv_u32 chunk_words = kv_v_stage_line<IS_PACKED>(words) * (KV_CHUNK / 4u);
        cut.tokens = KV_STAGE_WORDS / chunk_words * KV_CHUNK;
    }
    return cut;
}

/* ---- the stream ---- */

enum kv_phase { KV_PHASE_K, KV_PHASE_V, KV_PHASE_OVER };

/* The next stage. */
struct kv_cursor {
    kv_phase phase;
    kv_u32 token; /* of the split */
    kv_u32 channel;
    kv_u32 bound; /* K: the token that ends the round; V: the channel that ends the group */
    kv_u32 step;  /* tokens of a round, channels of a group */
};

KV_FN void kv_begin_v(const kv_split &s, kv_cursor &cursor)
{
    cursor.phase = kv_is_in_stages(s, true) ? KV_PHASE_V : KV_PHASE_OVER;
    cursor.token = 0u;
    cursor.channel = 0u;
    cursor.step = kv_v_group_channels(s);
    cursor.bound = cursor.step;
}

KV_FN kv_cursor kv_begin_stream(const kv_split &s)
{
    kv_cursor cursor;
    if (!kv_is_in_stages(s, false)) {
        kv_begin_v(s, cursor);
        return cursor;
    }
    const kv_teams teams = kv_make_teams(s);
    cursor.phase = KV_PHASE_K;
    cursor.token = 0u;
    cursor.channel = 0u;
    cursor.step = teams.count * teams.block_length;
    cursor.bound = teams.first_block * teams.block_length + cursor.step - s.first;
    cursor.bound = kv_min_u32(cursor.bound, s.count);
    return cursor;
}

KV_FN void kv_advance_k(const kv_split &s, kv_cursor &cursor, kv_u32 tokens, kv_u32 channels)
{
    cursor.channel += channels;
    if (cursor.channel == s.k_dim) {
        cursor.channel = 0u;
        cursor.token += tokens;
    }
    if (cursor.token == cursor.bound) {
        cursor.bound = kv_min_u32(cursor.bound + cursor.step, s.count);
    }
    if (cursor.token == s.count) {
        kv_begin_v(s, cursor);
    }
}

KV_FN void kv_advance_v(const kv_split &s, kv_cursor &cursor, kv_u32 tokens, kv_u32 channels)
{
    cursor.token += tokens;
    if (cursor.token == s.count) {
        cursor.token = 0u;
        cursor.channel += channels;
    }
    if (cursor.channel == cursor.bound) {
        cursor.bound = kv_min_u32(cursor.bound + cursor.step, s.v_dim);
    }
    if (cursor.channel == s.v_dim) {
        cursor.phase = KV_PHASE_OVER;
    }
}

/* `cut` is that of the cursor's phase. */
template <bool IS_PACKED>
KV_FN kv_stage kv_next_stage(const kv_split &s, const kv_cut &cut, kv_cursor &cursor)
{
    bool is_k = cursor.phase == KV_PHASE_K;
    kv_u32 end_token = is_k ? cursor.bound : s.count;
    kv_u32 end_channel = is_k ? s.k_dim : cursor.bound;
    kv_u32 tokens = kv_min_u32(cut.tokens, end_token - cursor.token);
    kv_u32 channels = kv_min_u32(cut.channels, end_channel - cursor.channel);
    kv_stage stage;
    stage.from = cut.words + (cursor.token >> cut.token_shift) * cut.stride +
                 (cursor.channel >> cut.channel_shift);
    stage.stride = cut.stride;
    stage.rows = tokens >> cut.token_shift;
    stage.words = channels >> cut.channel_shift;
    stage.line = is_k ? kv_k_stage_line<IS_PACKED>(cut.token_shift == 0u, stage.words)
                      : kv_v_stage_line<IS_PACKED>(stage.words);
    if (is_k) {
        kv_advance_k(s, cursor, tokens, channels);
    } else {
        kv_advance_v(s, cursor, tokens, channels);
    }
    return stage;
}

/* ---- copying ---- */

/* Whether the stage's rows can be copied 16 bytes at a time. */
KV_FN bool kv_is_copied_by_fours(const kv_stage &stage)
{
    return (unsigned long long)stage.from % 16u == 0u && stage.stride % 4u == 0u &&
           stage.words % 4u == 0u;
}

/* Other rows: word by word, by all lanes, done when it returns. */
KV_FN void kv_copy_words(kv_u32 *to, const kv_stage &stage)
{
#pragma unroll 1
    for (kv_u32 i = threadIdx.x; i < stage.rows * stage.words; i += blockDim.x) {
        kv_u32 row = i / stage.words;
        to[row * stage.line + i % stage.words] = stage.from[row * stage.stride + i % stage.words];
    }
}

#endif
