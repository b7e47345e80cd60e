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
    kv_u32 line;   /* and in the stage: a multiple of 4 */
    kv_u32 rows;
    kv_u32 words; /* of a row */
};

/* ---- lengths ---- */

/* Distances of rows: those of packed stages follow each other. Others are apart, so that what a warp
 * reads at once lies in different banks: 8 rows of K eight words wide, 4 rows of V. K in 8 bits has no
 * room for that and comes close. */
template <bool IS_PACKED> KV_FN kv_u32 kv_v_stage_line(kv_u32 words)
{
    return IS_PACKED ? words : (words + 3u) / 8u * 8u + 4u;
}

template <bool IS_PACKED> KV_FN kv_u32 kv_k_stage_line(kv_u32 bits, kv_u32 words)
{
    return IS_PACKED || bits == 8u ? kv_v_stage_line<IS_PACKED>(words)
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

/* Tokens of a stage at most: a tile a warp. */
KV_FN kv_u32 kv_k_stage_tokens(kv_u32 bits)
{
    return kv_warps() * (bits == 2u ? 32u : 16u);
}

KV_FN kv_u32 kv_v_stage_tokens(kv_u32 line)
{
    return KV_STAGE_WORDS / (KV_CHUNK / 4u) / line * KV_CHUNK;
}

/* Channels of V that share parameters per token. */
KV_FN kv_u32 kv_v_group_channels(const kv_split &s)
{
    return s.segment[KV_SEGMENT_V_GROUPING] == KV_GROUP_TOKEN_CHANNELS
               ? kv_min_u32(s.segment[KV_SEGMENT_V_GROUP_LENGTH], s.v_dim)
               : s.v_dim;
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
    bool is_f16 = s.segment[KV_SEGMENT_V_CODEC] == KV_CODEC_F16;
    cursor.phase = is_f16 ? KV_PHASE_OVER : KV_PHASE_V;
    cursor.token = 0u;
    cursor.channel = 0u;
    cursor.step = kv_v_group_channels(s);
    cursor.bound = cursor.step;
}

KV_FN kv_cursor kv_begin_stream(const kv_split &s)
{
    kv_cursor cursor;
    if (s.segment[KV_SEGMENT_K_CODEC] == KV_CODEC_F16) {
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

template <bool IS_PACKED> KV_FN kv_stage kv_next_k(const kv_split &s, kv_cursor &cursor)
{
    kv_u32 bits = kv_codec_bits(s.segment[KV_SEGMENT_K_CODEC]);
    kv_u32 channels = kv_min_u32(kv_k_stage_channels(bits), s.k_dim - cursor.channel);
    kv_u32 tokens = kv_min_u32(kv_k_stage_tokens(bits), cursor.bound - cursor.token);
    kv_stage stage;
    stage.from = s.region + s.segment[KV_SEGMENT_K_CODES] +
                 s.kv_head * kv_code_words(s.segment[KV_SEGMENT_CAPACITY], s.k_dim, bits) +
                 kv_k_word(s.first + cursor.token, cursor.channel, s.k_dim, bits);
    stage.stride = s.k_dim / 4u;
    stage.rows = tokens / kv_fields(bits);
    stage.words = channels / 4u;
    stage.line = kv_k_stage_line<IS_PACKED>(bits, stage.words);
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
    return stage;
}

template <bool IS_PACKED> KV_FN kv_stage kv_next_v(const kv_split &s, kv_cursor &cursor)
{
    kv_u32 bits = kv_codec_bits(s.segment[KV_SEGMENT_V_CODEC]);
    kv_u32 channels = kv_min_u32(kv_v_stage_channels(bits), cursor.bound - cursor.channel);
    kv_stage stage;
    stage.words = channels / kv_fields(bits);
    stage.line = kv_v_stage_line<IS_PACKED>(stage.words);
    kv_u32 tokens = kv_min_u32(kv_v_stage_tokens(stage.line), s.count - cursor.token);
    stage.from = s.region + s.segment[KV_SEGMENT_V_CODES] +
                 s.kv_head * kv_code_words(s.segment[KV_SEGMENT_CAPACITY], s.v_dim, bits) +
                 kv_v_word(s.first + cursor.token, cursor.channel, s.v_dim, bits);
    stage.stride = s.v_dim / kv_fields(bits);
    stage.rows = tokens / 4u;
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
    return stage;
}

template <bool IS_PACKED> KV_FN kv_stage kv_next_stage(const kv_split &s, kv_cursor &cursor)
{
    return cursor.phase == KV_PHASE_K ? kv_next_k<IS_PACKED>(s, cursor)
                                      : kv_next_v<IS_PACKED>(s, cursor);
}

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
