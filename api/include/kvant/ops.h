/* SPDX-License-Identifier: MIT
 *
 * kvant/ops.h: the single operations that a cache is made of, for engines that keep their own
 * storage. A store is a buffer of 32-bit words laid out as docs/format.md says; offsets in it are in
 * words. What a store holds (index lists, tables) is the caller's own and is trusted; ranges that one
 * call writes must not overlap. kvant/cache.h does all of this for you.
 *
 * K and V elements that no finite half can hold are clamped here without a word: NaN becomes 0, the
 * rest +-65504. The cache is where they are refused or counted.
 *
 * All calls queue work and return; none waits, none allocates. Kernels are built on their first
 * use, or by kvant_context_prepare.
 * Errors of every call: INVALID_ARGUMENT (the message names the field), LIMIT, KERNEL_BUILD,
 * DEVICE_LOST.
 */
#ifndef KVANT_OPS_H
#define KVANT_OPS_H

#include "kvant/buffer.h"
#include "kvant/recipe.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KVANT_NO_OFFSET 0xffffffffu

typedef enum kvant_tensor_role { KVANT_KEYS = 0, KVANT_VALUES = 1 } kvant_tensor_role;

/*
 * One tensor (K or V) of one sequence, quantized in place of storage.
 *   shape        source [tokens][heads][dim]; dim a multiple of 8, 8 .. 256
 *   indices      words in the store: row numbers of the source, one a token, ascending;
 *                KVANT_NO_OFFSET: rows 0 .. tokens - 1
 *   capacity     tokens that the segment has room for, a multiple of 4
 *   first_token  token of the segment where this event starts: a multiple of 4, and of
 *                group_length for KVANT_GROUPING_CHANNEL_TOKENS
 *   channel_scale  halves [heads][dim] in the store, written by kvant_channel_scale; or
 *                KVANT_NO_OFFSET
 *   scratch      at least kvant_quantize_scratch_bytes() bytes
 *   levels       4 words in the store for the codebook of a codec that learns it (nuq4 and after), from
 *                the event's tokens: first_token must be 0
 */
typedef struct kvant_quantize_desc {
    size_t struct_size;
    kvant_tensor source;
    kvant_tensor_role role;
    uint32_t tokens;
    uint32_t heads;
    uint32_t dim;
    kvant_codec codec;
    kvant_grouping grouping;
    uint32_t group_length;
    kvant_buffer *store;
    uint32_t indices;
    uint32_t capacity;
    uint32_t first_token;
    uint32_t channel_scale;
    uint32_t params;
    uint32_t codes;
    kvant_buffer *scratch;
    uint32_t levels;
} kvant_quantize_desc;

#define KVANT_QUANTIZE_DESC_INIT                                                                   \
    {sizeof(kvant_quantize_desc), {0, KVANT_F16, 0, 0, 0, 0, 0}, KVANT_KEYS, 0, 0, 0,              \
     KVANT_CODEC_INT4, KVANT_GROUPING_TOKEN_HEAD, 0, 0, KVANT_NO_OFFSET, 0, 0, KVANT_NO_OFFSET,    \
     0, 0, 0, 0}

KVANT_API uint64_t kvant_quantize_scratch_bytes(const kvant_quantize_desc *desc);
/* Words of codes, and of parameters, that a segment of `capacity` tokens takes. */
KVANT_API uint64_t kvant_quantize_code_words(const kvant_quantize_desc *desc);
KVANT_API uint64_t kvant_quantize_param_words(const kvant_quantize_desc *desc);

/* Channel scales of the source (ZipCache, algorithm 1), to `channel_scale`. */
KVANT_API kvant_status kvant_channel_scale(kvant_context *context,
                                           const kvant_quantize_desc *desc) KVANT_CHECK_RESULT;

/* Parameters, codes and packing. Codec f16 copies rows as halves, and takes no parameters, channel
 * scales or scratch. */
KVANT_API kvant_status kvant_quantize(kvant_context *context,
                                      const kvant_quantize_desc *desc) KVANT_CHECK_RESULT;

/* The stored tokens first_token .. first_token + tokens - 1 back to rows 0 .. of `source`, which is
 * here the target (f16 or f32, channel_stride 1, even strides). Codec f16 is allowed. */
KVANT_API kvant_status kvant_dequantize(kvant_context *context,
                                        const kvant_quantize_desc *desc) KVANT_CHECK_RESULT;

/*
 * Rows times a Hadamard matrix with signs, or back: what the transform "rot" does to K, V, queries and
 * outputs (docs/numerics.md, Rotation).
 *   source       [tokens][heads][dim]
 *   target       likewise, f16 or f32, channel_stride 1, in another buffer
 *   seed         of the signs, as in a recipe
 *   is_inverse   1: back
 *   is_cached    1: elements of K or V, rounded to finite halves first, as a cache does; 0: queries and
 *                outputs
 */
typedef struct kvant_rotate_desc {
    size_t struct_size;
    kvant_tensor source;
    kvant_tensor target;
    uint32_t tokens;
    uint32_t heads;
    uint32_t dim;
    uint64_t seed;
    uint32_t is_inverse;
    uint32_t is_cached;
} kvant_rotate_desc;

#define KVANT_ROTATE_DESC_INIT                                                                     \
    {sizeof(kvant_rotate_desc), {0, KVANT_F16, 0, 0, 0, 0, 0}, {0, KVANT_F16, 0, 0, 0, 0, 0},      \
     0, 0, 0, 0, 0, 0}

KVANT_API kvant_status kvant_rotate(kvant_context *context,
                                    const kvant_rotate_desc *desc) KVANT_CHECK_RESULT;

/*
 * Saliency of the tokens of a prompt: probe rows of the attention matrix, in integers.
 *   keys [tokens][kv_heads][dim], queries [tokens][q_heads][dim] (one row a token)
 *   scale        of the softmax; 0 means 1/sqrt(dim)
 *   scores       out, 32-bit words [maps][tokens], at the start of `scores`: maps is 1 for
 *                KVANT_HEADS_ALL, kv_heads for KVANT_HEADS_GROUP; larger is more salient
 *   scratch      at least kvant_saliency_scratch_bytes() bytes
 */
typedef struct kvant_saliency_desc {
    size_t struct_size;
    kvant_tensor keys;
    kvant_tensor queries;
    uint32_t tokens;
    uint32_t q_heads;
    uint32_t kv_heads;
    uint32_t dim;
    float scale;
    uint32_t probes_random; /* rows */
    uint32_t probes_recent; /* rows */
    uint64_t seed;
    uint32_t layer; /* with the seed, the stream of random rows */
    kvant_normaliser normaliser;
    kvant_head_reduction heads;
    kvant_buffer *scratch;
    kvant_buffer *scores;
    kvant_pooling pooling; /* of the scores along the tokens */
    uint32_t pool_tokens;  /* odd, 3 .. 63; 0 without pooling */
} kvant_saliency_desc;

#define KVANT_SALIENCY_DESC_INIT                                                                   \
    {sizeof(kvant_saliency_desc), {0, KVANT_F16, 0, 0, 0, 0, 0}, {0, KVANT_F16, 0, 0, 0, 0, 0},    \
     0, 0, 0, 0, 0.0f, 0, 0, 0, 0, KVANT_NORMALISER_PROBES, KVANT_HEADS_ALL, 0, 0,                 \
     KVANT_POOLING_NONE, 0}

KVANT_API uint64_t kvant_saliency_scratch_bytes(const kvant_saliency_desc *desc);
KVANT_API kvant_status kvant_saliency(kvant_context *context,
                                      const kvant_saliency_desc *desc) KVANT_CHECK_RESULT;

/*
 * Scores of tokens by their own numbers, without queries.
 *   source       K or V [tokens][kv_heads][dim], taken as the halves that a cache would hold
 *   percentile   0: a score is the largest less the smallest of a token's numbers, as the bits of a
 *                float; else above 0 and below 1: how many of them are larger in magnitude than that
 *                share of all (of the map), times 2^16, plus the range as a half
 *   scores       out, 32-bit words [maps][tokens], as those of kvant_saliency
 *   scratch      at least kvant_range_scratch_bytes() bytes
 */
typedef struct kvant_range_desc {
    size_t struct_size;
    kvant_tensor source;
    uint32_t tokens;
    uint32_t kv_heads;
    uint32_t dim;
    double percentile;
    kvant_head_reduction heads;
    kvant_buffer *scratch;
    kvant_buffer *scores;
} kvant_range_desc;

#define KVANT_RANGE_DESC_INIT                                                                      \
    {sizeof(kvant_range_desc), {0, KVANT_F16, 0, 0, 0, 0, 0}, 0, 0, 0, 0.0, KVANT_HEADS_ALL, 0, 0}

KVANT_API uint64_t kvant_range_scratch_bytes(const kvant_range_desc *desc);
KVANT_API kvant_status kvant_range(kvant_context *context,
                                   const kvant_range_desc *desc) KVANT_CHECK_RESULT;

/*
 * Ranks of scores into a blend: blend[map][token] becomes weight x its rank, or plus that (is_added).
 * A rank is how many tokens of the map have a smaller (score, position). Scores of different kinds
 * cannot be added, ranks can; what kvant_saliency gives a token that no probe row sees stays.
 *   words           buffer of both
 *   scores, blend   word offsets of [maps][tokens]
 *   weight          of 256; the weights of one blend are 256 together
 */
typedef struct kvant_ranks_desc {
    size_t struct_size;
    kvant_buffer *words;
    uint32_t scores;
    uint32_t blend;
    uint32_t maps;
    uint32_t tokens;
    uint32_t weight;
    int is_added;
} kvant_ranks_desc;

#define KVANT_RANKS_DESC_INIT {sizeof(kvant_ranks_desc), 0, 0, 0, 1, 0, 256, 0}

KVANT_API kvant_status kvant_add_ranks(kvant_context *context,
                                       const kvant_ranks_desc *desc) KVANT_CHECK_RESULT;

/*
 * The `salient` tokens with the largest (score, position) of each map; ties go to the later token.
 *   scores       words [maps][tokens] at the start of the buffer
 *   forced_first, forced_last   first and last tokens that count as the largest
 *   salient_list, regular_list  word offsets in `lists`; a map takes `salient` (tokens - salient)
 *                words of each, ascending; KVANT_NO_OFFSET leaves a list out
 *   class_map    word offset in `scores`, behind them, of one bit a token (1: salient),
 *                ceil(tokens / 32) words a map; or KVANT_NO_OFFSET
 */
typedef struct kvant_select_desc {
    size_t struct_size;
    kvant_buffer *scores;
    uint32_t maps;
    uint32_t tokens;
    uint32_t salient;
    uint32_t forced_first;
    uint32_t forced_last;
    kvant_buffer *lists;
    uint32_t salient_list;
    uint32_t regular_list;
    uint32_t class_map;
} kvant_select_desc;

#define KVANT_SELECT_DESC_INIT                                                                     \
    {sizeof(kvant_select_desc), 0, 1, 0, 0, 0, 0, 0, 0, 0, KVANT_NO_OFFSET}

KVANT_API kvant_status kvant_select(kvant_context *context,
                                    const kvant_select_desc *desc) KVANT_CHECK_RESULT;

/* One run of tokens in one codec, as attention reads it. Offsets in words from the start of the
 * sequence's region of the store. */
typedef struct kvant_segment {
    uint32_t capacity; /* tokens, a multiple of 4 */
    kvant_codec k_codec;
    kvant_codec v_codec; /* f16 together with k_codec f16 only */
    kvant_grouping k_grouping;
    uint32_t k_group_length;
    kvant_grouping v_grouping;
    uint32_t v_group_length;
    uint32_t positions;             /* a word a token; 0xffffffff: no token there */
    uint32_t positions_head_stride; /* 0: one list for all heads */
    uint32_t k_codes;
    uint32_t v_codes;
    uint32_t k_params;
    uint32_t v_params;
    uint32_t k_channel_scale; /* or KVANT_NO_OFFSET */
    uint32_t v_channel_scale; /* or KVANT_NO_OFFSET */
    uint32_t levels; /* of learned codebooks: 4 words of K's, then 4 of V's; else 0 */
    uint32_t head_first; /* first KV head that it holds; 0 where it holds all */
    uint32_t head_count; /* KV heads that it holds, which need is_general; 0: all */
} kvant_segment;

/* Words of the table of a sequence with these segments, for kvant_attention_table. */
KVANT_API uint32_t kvant_attention_table_words(const kvant_segment *segments, uint32_t count);
/* The splits that those segments make. */
KVANT_API uint32_t kvant_attention_splits(const kvant_segment *segments, uint32_t count);
/* Writes the table to host memory; the caller puts it at the start of the sequence's region. */
KVANT_API kvant_status kvant_attention_table(const kvant_segment *segments, uint32_t count,
                                             uint32_t max_splits, uint32_t *out_words,
                                             uint32_t capacity_words) KVANT_CHECK_RESULT;

/*
 * softmax(scale q K^T) V over the segments of each sequence, on the packed codes.
 *   queries, out   [sequence][query][q_head][dim]: token_stride steps from query to query; f16,
 *                  bf16 (queries only) or f32; channel_stride 1
 *   positions      words [sequence][query] at the start of the buffer: row r sees tokens whose
 *                  position is at most that; NULL: every token is visible
 *   lse            floats [sequence][q_head][query]; NULL: none. A row that sees nothing gives
 *                  output 0 and -infinity.
 *   scratch        at least kvant_attention_scratch_bytes() bytes
 *   is_general     1 where a segment has a codec with a codebook (nf4 and after) or some heads alone,
 *                  which another kernel reads; 0 where none has. Not checked against the table, which
 *                  is on the device: attention without it takes each segment to hold all heads
 */
typedef struct kvant_attention_desc {
    size_t struct_size;
    kvant_buffer *store;
    uint32_t first_region;  /* word offset of the first sequence's region */
    uint32_t region_stride; /* words between two regions */
    uint32_t max_segments;  /* as the tables were made for */
    uint32_t max_splits;
    uint32_t sequences;
    uint32_t queries_per_sequence;
    uint32_t q_heads;
    uint32_t kv_heads;
    uint32_t k_dim;
    uint32_t v_dim;
    float scale; /* 0 means 1/sqrt(k_dim) */
    kvant_tensor queries;
    kvant_buffer *positions;
    kvant_tensor out;
    kvant_buffer *lse;
    kvant_buffer *scratch;
    uint32_t is_general;
} kvant_attention_desc;

#define KVANT_ATTENTION_DESC_INIT                                                                  \
    {sizeof(kvant_attention_desc), 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0.0f,                          \
     {0, KVANT_F32, 0, 0, 0, 0, 0}, 0, {0, KVANT_F32, 0, 0, 0, 0, 0}, 0, 0, 0}

KVANT_API uint64_t kvant_attention_scratch_bytes(const kvant_attention_desc *desc);
KVANT_API kvant_status kvant_attention(kvant_context *context,
                                       const kvant_attention_desc *desc) KVANT_CHECK_RESULT;

/*
 * Causal attention of a prompt over its uncompressed K and V (one sequence).
 *   queries, out [tokens][q_heads][dim]; keys, values [keys][kv_heads][dim]; channel_stride 1
 *   first_query  row i sees keys 0 .. first_query + i
 *   lse          floats [q_heads][tokens], or NULL
 */
typedef struct kvant_prefill_attention_desc {
    size_t struct_size;
    kvant_tensor queries;
    kvant_tensor keys;
    kvant_tensor values;
    kvant_tensor out;
    kvant_buffer *lse;
    uint32_t query_tokens;
    uint32_t key_tokens;
    uint32_t first_query;
    uint32_t q_heads;
    uint32_t kv_heads;
    uint32_t k_dim;
    uint32_t v_dim;
    float scale; /* 0 means 1/sqrt(k_dim) */
} kvant_prefill_attention_desc;

#define KVANT_PREFILL_ATTENTION_DESC_INIT                                                          \
    {sizeof(kvant_prefill_attention_desc), {0, KVANT_F32, 0, 0, 0, 0, 0},                          \
     {0, KVANT_F32, 0, 0, 0, 0, 0}, {0, KVANT_F32, 0, 0, 0, 0, 0}, {0, KVANT_F32, 0, 0, 0, 0, 0},  \
     0, 0, 0, 0, 0, 0, 0, 0, 0.0f}

KVANT_API kvant_status kvant_prefill_attention(kvant_context *context,
                                               const kvant_prefill_attention_desc *desc)
    KVANT_CHECK_RESULT;

#ifdef __cplusplus
}
#endif

#endif
