/* SPDX-License-Identifier: MIT
 *
 * The parameters of every kernel: plain 32-bit fields, at most 128 bytes a struct, passed as push
 * constants (Vulkan) or by value. Offsets into the store and the scratch buffer are in words,
 * offsets and strides of caller tensors in elements.
 */
#ifndef KVANT_CONTRACT_PARAMS_H
#define KVANT_CONTRACT_PARAMS_H

#include "lang.h"

/* A caller's tensor [token][head][channel]. Row i of the operation is token row
 * (first + i), less wrap when that reaches wrap (a ring); wrap is KV_NO_OFFSET for a plain tensor. */
KV_STRUCT_BEGIN(kv_view)
    kv_u32 offset;
    kv_u32 token_stride;
    kv_u32 head_stride;
    kv_u32 channel_stride;
    kv_u32 dtype;
    kv_u32 first;
    kv_u32 wrap;
KV_STRUCT_END(kv_view)

/* arithmetic: output[i] = f(input words 4i..4i+3), for the self-test and the conformance suite */
KV_STRUCT_BEGIN(kv_arithmetic_params)
    kv_u32 operation; /* KV_ARITHMETIC_* */
    kv_u32 count;
KV_STRUCT_END(kv_arithmetic_params)

#define KV_ARITHMETIC_MULTIPLY_ADD 0u /* a * b + c, both rounded */
#define KV_ARITHMETIC_F16_TO_F32 1u
#define KV_ARITHMETIC_F32_TO_F16 2u
#define KV_ARITHMETIC_RECIPROCAL 3u
#define KV_ARITHMETIC_SQRT_F16 4u
#define KV_ARITHMETIC_EXP 5u
#define KV_ARITHMETIC_LOG 6u
#define KV_ARITHMETIC_RINT 7u
#define KV_ARITHMETIC_INT_TO_FLOAT 8u
#define KV_ARITHMETIC_PHILOX 9u /* key a, b, counter c, d, 0, 0 */
#define KV_ARITHMETIC_ELEMENT 10u    /* word a, element number b, dtype c modulo 3: its float */
#define KV_ARITHMETIC_CACHE_HALF 11u /* the same element as the half that the cache stores */
/* b: token, and the channel in the high half; c: 2 << (low byte modulo 3) bits, and the code is one of
 * V where more than the low byte is set */
#define KV_ARITHMETIC_PACK 12u      /* code a put into word d */
#define KV_ARITHMETIC_UNPACK 13u    /* the code in word d */
#define KV_ARITHMETIC_CODE_WORD 14u /* the index of the code's word in a head of dimension d */
#define KV_ARITHMETIC_OPERATIONS 15u

/* exchange: what lanes of a work-group tell each other, for the conformance suite. Each group works
 * on KV_EXCHANGE_SLOTS words of input [group][slot], and leaves KV_EXCHANGE_WORDS words of output
 * [group]: the slots after `rounds` rounds, their prefix sums, a bit for each odd slot, and the
 * lowest, the highest and the sum of them. totals: the same three over all groups. */
KV_STRUCT_BEGIN(kv_exchange_params)
    kv_u32 groups;
    kv_u32 rounds;
    kv_u32 input_offset;
    kv_u32 output_offset;
    kv_u32 totals_offset; /* in output; 0xffffffff, 0, 0 before the launch */
KV_STRUCT_END(kv_exchange_params)

#define KV_EXCHANGE_SLOTS 256u
#define KV_EXCHANGE_SUMS 256u   /* words of a group's output: where the prefix sums begin, */
#define KV_EXCHANGE_FLAGS 512u  /* the bits of the odd slots, */
#define KV_EXCHANGE_TOTALS 520u /* and lowest, highest, sum */
#define KV_EXCHANGE_WORDS 523u

/* finite: status[status_offset] += elements of the view that no finite half can hold */
KV_STRUCT_BEGIN(kv_finite_params)
    kv_view source;
    kv_u32 tokens;
    kv_u32 heads;
    kv_u32 dim;
    kv_u32 status_offset;
KV_STRUCT_END(kv_finite_params)

/* append: K and V rows into an f16 segment, at slots (slot + i) modulo capacity, with positions */
KV_STRUCT_BEGIN(kv_append_params)
    kv_view k;
    kv_view v;
    kv_u32 tokens;
    kv_u32 heads;
    kv_u32 k_dim;
    kv_u32 v_dim; /* 0: no V (probe queries) */
    kv_u32 k_offset;
    kv_u32 v_offset;
    kv_u32 positions_offset;
    kv_u32 capacity;
    kv_u32 slot;
    kv_u32 first_position;
    kv_u32 status_offset; /* counts what had to be clamped */
KV_STRUCT_END(kv_append_params)

/* rotate: rows [token][head] of one or two tensors, each block of kv_rotate_block(dim) channels times
 * the Hadamard matrix of that size, Sylvester's, over the root of its size. Before it (in the inverse:
 * after it) channel c changes its sign where bit c % 32 of signs[c / 32] is set. Rows of `source` go to
 * target_offset + token * target_token_stride + head * target_head_stride of `target`; those of
 * `second` follow, packed, `tokens` token strides after the first. */
KV_STRUCT_BEGIN(kv_rotate_params)
    kv_view source;
    kv_view second;
    kv_u32 tokens;
    kv_u32 heads;
    kv_u32 dim;
    kv_u32 second_dim; /* 0: no second tensor */
    kv_u32 target_offset;
    kv_u32 target_token_stride;
    kv_u32 target_head_stride;
    kv_u32 target_dtype;  /* f16 (even offset and strides) or f32 */
    kv_u32 form;          /* KV_ROTATE_* */
    kv_u32 status_offset; /* counts what had to be clamped, before or after; KV_NO_OFFSET: nowhere */
    kv_u32 signs[8];
KV_STRUCT_END(kv_rotate_params)

#define KV_ROTATE_INVERSE 1u
#define KV_ROTATE_CACHED 2u /* of K and V, which are finite halves first; else queries, outputs */

/* positions: store[offset + (slot + i) mod capacity] = first + i * step, for i < count */
KV_STRUCT_BEGIN(kv_positions_params)
    kv_u32 offset;
    kv_u32 capacity;
    kv_u32 slot;
    kv_u32 count;
    kv_u32 first;
    kv_u32 step; /* 1; or 0 to write KV_POSITION_INVALID */
KV_STRUCT_END(kv_positions_params)

/* extrema, encode, encode_codebook, encode_norm, codebook_histogram, codebook_levels, gather: one tensor (K or V) of
 * a compression event. The event's token i is row
 * indices[i] - index_base of the view (or row i without indices) and becomes token (token + i) of
 * the segment. With per-head lists head h's indices start at indices_offset + h * indices_head. */
KV_STRUCT_BEGIN(kv_quantize_params)
    kv_view source;
    kv_u32 indices_offset; /* in the store; KV_NO_OFFSET: rows in order */
    kv_u32 indices_head;
    kv_u32 index_base;
    kv_u32 tokens; /* of the event */
    kv_u32 token;  /* of the segment, where the event starts: a multiple of 4, and of the block */
    kv_u32 capacity;
    kv_u32 heads;
    kv_u32 dim;
    kv_u32 codec;
    kv_u32 grouping;
    kv_u32 group_length;
    kv_u32 is_value;             /* 0: K layout, 1: V layout */
    kv_u32 channel_scale_offset; /* halves [head][dim] in the store, or KV_NO_OFFSET */
    kv_u32 params_offset;        /* in the store */
    kv_u32 codes_offset;         /* in the store */
    /* in scratch: lowest key of each channel [head][dim], then highest of each; or a histogram */
    kv_u32 keys_offset;
    kv_u32 levels_offset; /* in the store: a learned codebook */
KV_STRUCT_END(kv_quantize_params)

/* channel_scale: store halves [i] = sqrt(largest magnitude of channel i), 1 for a zero channel; divided
 * by the same of the query heads that meet channel i, where there are any */
KV_STRUCT_BEGIN(kv_channel_scale_params)
    kv_u32 keys_offset; /* in scratch, as extrema leaves them */
    kv_u32 channels;    /* of all heads */
    kv_u32 scale_offset; /* in the store */
    kv_u32 dim;          /* of a head; counts only with queries */
    kv_u32 group;        /* query heads of a head; 0: no queries */
    kv_u32 query_keys_offset; /* in scratch, as extrema leaves those of the queries */
KV_STRUCT_END(kv_channel_scale_params)

/* parameters: the keys of each channel to its stored word, in a segment whose groups are its
 * channels */
KV_STRUCT_BEGIN(kv_parameters_params)
    kv_u32 keys_offset; /* in scratch, as extrema leaves them */
    kv_u32 channels;    /* of all heads */
    kv_u32 params_offset;
    kv_u32 codec;
KV_STRUCT_END(kv_parameters_params)

/* dequantize: tokens [token, token + tokens) of a quantized or f16 tensor to rows 0.. of the view */
KV_STRUCT_BEGIN(kv_dequantize_params)
    kv_view target; /* dtype f16 or f32; channel_stride 1 and even strides for f16 */
    kv_u32 tokens;
    kv_u32 token;
    kv_u32 capacity;
    kv_u32 heads;
    kv_u32 dim;
    kv_u32 codec;
    kv_u32 grouping;
    kv_u32 group_length;
    kv_u32 is_value;
    kv_u32 channel_scale_offset;
    kv_u32 params_offset;
    kv_u32 codes_offset;
    kv_u32 levels_offset;
    kv_u32 is_scattered;     /* 1: to row position - position_base instead, slots without a token to none */
    kv_u32 positions_offset; /* list of the segment's positions, and words between those of two heads */
    kv_u32 positions_head;
    kv_u32 position_base;
KV_STRUCT_END(kv_dequantize_params)

/* locate: where tokens of a class are. For the token of slot (slot + i), i < tokens, at its position:
 * place[map][position - base] = slot | class << 28 | lowest class << 30, of all that it was in. */
KV_STRUCT_BEGIN(kv_locate_params)
    kv_u32 tokens;
    kv_u32 slot;
    kv_u32 maps;
    kv_u32 positions_offset; /* of the segment's first list */
    kv_u32 positions_head;   /* words between the lists of two maps */
    kv_u32 base;
    kv_u32 places_offset;
    kv_u32 places_head;
    kv_u32 token_class; /* 0, the best, to 2 */
    kv_u32 is_new;      /* 1: the tokens were in no class before */
KV_STRUCT_END(kv_locate_params)

#define KV_PLACE_SLOT(place) ((place) & 0x0fffffffu)
#define KV_PLACE_CLASS(place) (((place) >> 28) & 3u)
#define KV_PLACE_LOWEST(place) ((place) >> 30)
#define KV_CLASSES 3u

/* transcode: one tensor of the tokens that a class has now, from the segments of all classes as they
 * were before. Codes keep the bits of the lowest class that their token was in, as far as these fit:
 * of more, the lowest are dropped (kv_demoted_param). */
KV_STRUCT_BEGIN(kv_transcode_params)
    kv_u32 tokens; /* of the class, from slot 0 on */
    kv_u32 token_class;
    kv_u32 heads;
    kv_u32 dim;
    kv_u32 grouping; /* along tokens */
    kv_u32 group_length;
    kv_u32 is_value;
    kv_u32 positions_offset; /* in the store, of the tokens */
    kv_u32 positions_head;
    kv_u32 base;
    kv_u32 places_offset; /* in the store, as locate leaves them */
    kv_u32 places_head;
    kv_u32 moved; /* word w of the store was word w + moved (modulo 2^32) of the source */
    kv_u32 capacities[KV_CLASSES]; /* of the segments of the classes; in the store: */
    kv_u32 codecs[KV_CLASSES]; /* int8, int4, int2, none of more bits than the one before */
    kv_u32 params_offsets[KV_CLASSES];
    kv_u32 codes_offsets[KV_CLASSES];
KV_STRUCT_END(kv_transcode_params)

/* probe_rows: scratch[offset ..] = `random` rows, one from each of as many equal strata of
 * [0, rows - recent), then the last `recent` rows; ascending, distinct. + base */
KV_STRUCT_BEGIN(kv_probe_rows_params)
    kv_u32 offset;
    kv_u32 rows;
    kv_u32 random;
    kv_u32 recent;
    kv_u32 base;
    kv_u32 seed_low;
    kv_u32 seed_high;
    kv_u32 layer;
    kv_u32 event;
KV_STRUCT_END(kv_probe_rows_params)

/* saliency_*: one compression event of one sequence. Keys are int8 codes with one parameter word a
 * channel (as encode writes them for KV_GROUP_CHANNEL_SEGMENT, K layout), in scratch. */
KV_STRUCT_BEGIN(kv_saliency_params)
    kv_view queries;       /* row i is the query at position probe_positions[i] - query_base ... */
    kv_u32 query_base;     /* ... or simply row i where this is KV_NO_OFFSET */
    kv_u32 probes;
    kv_u32 probes_offset;  /* ascending positions of the probe rows */
    kv_u32 tokens;
    kv_u32 first_position; /* token j has position first_position + j */
    kv_u32 q_heads;
    kv_u32 kv_heads;
    kv_u32 dim;
    kv_u32 capacity;       /* tokens, rounded up to 4 */
    kv_u32 codes_offset;
    kv_u32 params_offset;
    kv_f32 scale;          /* of the softmax */
    kv_u32 operands_offset; /* int8 queries: [probe][q_head][dim / 4] words */
    kv_u32 steps_offset;    /* [probe][q_head] floats: value of one unit of the dot product */
    kv_u32 partials_offset; /* [probe][q_head][split] pairs: largest score (float), sum (2^-23) */
    kv_u32 rows_offset;     /* [probe][q_head] pairs: largest score, 1 / sum (floats) */
    kv_u32 sums_offset;     /* [kv_head][token] pairs: low and high word of the column sum (2^-28) */
    kv_u32 scores_offset;   /* [map][token] words */
    kv_u32 normalise;       /* KV_NORMALISE_* */
    kv_u32 all_heads;       /* 1: one map, sums over all heads; 0: one map a KV head */
KV_STRUCT_END(kv_saliency_params)

#define KV_NORMALISE_NONE 0u   /* by the number of probes: the accumulated score */
#define KV_NORMALISE_CAUSAL 1u /* by the rows of the full matrix that see the token */
#define KV_NORMALISE_PROBES 2u /* by the probe rows that see the token (ZipCache) */
#define KV_SCORE_MAX 0xfffffffeu
#define KV_SCORE_FORCED 0xffffffffu
#define KV_PROBABILITY_ONE 268435456.0f /* 2^28 */

/* saliency_pool: pooled[token] = the mean, rounded down, or the largest of the `width` scores around
 * the token's; past both ends scores are 0. A score of KV_SCORE_MAX stays, and is 0 to
 * its neighbours. */
KV_STRUCT_BEGIN(kv_pool_params)
    kv_u32 tokens;
    kv_u32 maps;
    kv_u32 width; /* odd, at most KV_POOL_MAX */
    kv_u32 is_largest;
    kv_u32 scores_offset; /* in scratch, [map][token] */
    kv_u32 pooled_offset; /* likewise */
KV_STRUCT_END(kv_pool_params)

#define KV_POOL_MAX 63u

/* saliency_magnitudes, saliency_range: one tensor (K or V) of a compression event, as the halves that
 * the cache holds; its token i is row i of the view. */
KV_STRUCT_BEGIN(kv_range_params)
    kv_view source;
    kv_u32 tokens;
    kv_u32 heads;
    kv_u32 dim;
    kv_u32 all_heads;     /* 1: one map; 0: one map a head */
    kv_u32 counts_offset; /* in scratch, [map][KV_MAGNITUDES]: numbers of each magnitude */
    kv_u32 limits_offset; /* in scratch, [map]: a magnitude; KV_NO_OFFSET: scores are ranges */
    kv_u32 scores_offset; /* in scratch, [map][token] */
KV_STRUCT_END(kv_range_params)

#define KV_MAGNITUDES 32768u /* bits of a half without its sign */
#define KV_OUTLIERS_MAX 65534u /* that a score counts; the range is below, in 16 bits */

/* saliency_percentile: limits[map] = the magnitude at place `rank`, from 0 on, of all magnitudes of the
 * map in ascending order */
KV_STRUCT_BEGIN(kv_percentile_params)
    kv_u32 maps;
    kv_u32 rank;
    kv_u32 counts_offset; /* in scratch, [map][KV_MAGNITUDES] */
    kv_u32 limits_offset; /* in scratch, [map] */
KV_STRUCT_END(kv_percentile_params)

/* saliency_ranks: blend[token] = weight x its rank, or plus that: how many tokens of the map have a
 * smaller (score, position). KV_SCORE_MAX stays, in scores and in blend. */
KV_STRUCT_BEGIN(kv_ranks_params)
    kv_u32 tokens;
    kv_u32 maps;
    kv_u32 weight; /* all weights of a blend are KV_BLEND_ONE together */
    kv_u32 is_added;
    kv_u32 scores_offset; /* in scratch, [map][token] */
    kv_u32 blend_offset;  /* likewise */
KV_STRUCT_END(kv_ranks_params)

#define KV_BLEND_ONE 256u
#define KV_BLEND_TOKENS 16777215u /* the most, so that a blend stays below KV_SCORE_MAX */

/* select: the `salient` tokens with the largest (score, position) of each of `maps` score rows;
 * the first `forced_first` and last `forced_last` tokens count as the largest. Both lists come out
 * in ascending order of position; one whose offset is KV_NO_OFFSET is left out. */
KV_STRUCT_BEGIN(kv_select_params)
    kv_u32 tokens;
    kv_u32 salient;
    kv_u32 forced_first;
    kv_u32 forced_last;
    kv_u32 maps;
    kv_u32 scores_offset;  /* in scratch, [map][token] */
    kv_u32 first_position; /* added to what is listed */
    kv_u32 salient_offset; /* in the store */
    kv_u32 salient_stride; /* words between the lists of two maps */
    kv_u32 regular_offset;
    kv_u32 regular_stride;
    kv_u32 classes_offset; /* in scratch: a bit a token, 1 salient, ceil(tokens/32) words a map; or KV_NO_OFFSET */
    kv_u32 is_taking; /* 1: the scores of what is selected become 0 and others one more, up to KV_SCORE_MAX,
                         so that the next launch selects from the rest; it forces no token */
KV_STRUCT_END(kv_select_params)

/* attention, attention_general: partial results of each split. Query row r of head hq and sequence s is at
 * q_offset + s * q_sequence_stride + hq * q_head_stride + r * q_row_stride. */
KV_STRUCT_BEGIN(kv_attention_params)
    kv_u32 sequence_offset; /* word of the first sequence's region in the store */
    kv_u32 sequence_stride; /* words between the regions of two sequences */
    kv_u32 splits_offset;   /* within a region */
    kv_u32 segments_offset; /* within a region */
    kv_u32 sequences;
    kv_u32 max_splits; /* splits that partials have room for, a sequence */
    kv_u32 queries;    /* rows a head */
    kv_u32 q_heads;
    kv_u32 kv_heads;
    kv_u32 k_dim;
    kv_u32 v_dim;
    kv_f32 scale;
    kv_u32 q_offset;
    kv_u32 q_sequence_stride;
    kv_u32 q_head_stride;
    kv_u32 q_row_stride;
    kv_u32 q_dtype;
    kv_u32 positions_offset; /* [sequence][row] in `positions`; KV_NO_OFFSET: every token is visible */
    kv_u32 partials_offset;  /* [sequence][split][q_head][row]: largest score, sum, v_dim floats */
    kv_u32 out_offset;
    kv_u32 out_sequence_stride;
    kv_u32 out_head_stride;
    kv_u32 out_row_stride;
    kv_u32 out_dtype;  /* f16 (even offset and strides) or f32 */
    kv_u32 lse_offset; /* [sequence][q_head][row] floats; KV_NO_OFFSET: none */
KV_STRUCT_END(kv_attention_params)

/* attention_latent: partial results of each split of a cache that holds latents as V, in parts
 * (kv_latent_parts), and one rotary key a token as K. Query row r of head hq and sequence s has its v_dim
 * absorbed channels at q_offset + s * q_sequence_stride + hq * q_head_stride + r * q_row_stride of
 * `queries`, and likewise its k_dim rotary ones in `rotary`. */
KV_STRUCT_BEGIN(kv_latent_params)
    kv_u32 sequence_offset; /* word of the first sequence's region in the store */
    kv_u32 sequence_stride; /* words between the regions of two sequences */
    kv_u32 splits_offset;   /* within a region */
    kv_u32 segments_offset; /* within a region */
    kv_u32 sequences;
    kv_u32 max_splits; /* splits that partials have room for, a sequence */
    kv_u32 queries;    /* rows a head */
    kv_u32 q_heads;
    kv_u32 k_dim; /* of the rotary keys */
    kv_u32 v_dim; /* of the latents: a multiple of KV_CHUNK a part */
    kv_f32 scale;
    kv_u32 q_offset;
    kv_u32 q_sequence_stride;
    kv_u32 q_head_stride;
    kv_u32 q_row_stride;
    kv_u32 q_dtype;
    kv_u32 rotary_offset;
    kv_u32 rotary_sequence_stride;
    kv_u32 rotary_head_stride;
    kv_u32 rotary_row_stride;
    kv_u32 rotary_dtype;
    kv_u32 positions_offset; /* as attention's */
    kv_u32 partials_offset;  /* as attention's, v_dim floats a row */
KV_STRUCT_END(kv_latent_params)

/* prefill: causal attention over caller tensors; row i sees key j where j <= i + first_query */
KV_STRUCT_BEGIN(kv_prefill_params)
    kv_u32 queries;
    kv_u32 keys;
    kv_u32 first_query;
    kv_u32 q_heads;
    kv_u32 kv_heads;
    kv_u32 k_dim;
    kv_u32 v_dim;
    kv_f32 scale;
    kv_u32 q_offset;
    kv_u32 q_token_stride;
    kv_u32 q_head_stride;
    kv_u32 q_dtype;
    kv_u32 k_offset;
    kv_u32 k_token_stride;
    kv_u32 k_head_stride;
    kv_u32 k_dtype;
    kv_u32 v_offset;
    kv_u32 v_token_stride;
    kv_u32 v_head_stride;
    kv_u32 v_dtype;
    kv_u32 out_offset;
    kv_u32 out_token_stride;
    kv_u32 out_head_stride;
    kv_u32 out_dtype;
    kv_u32 lse_offset; /* [q_head][row] floats; KV_NO_OFFSET: none */
KV_STRUCT_END(kv_prefill_params)

/* The score of a row that sees no token. */
#define KV_MASKED (-3.0e38f)

#endif
