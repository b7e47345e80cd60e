/* SPDX-License-Identifier: MIT
 *
 * Part of attention.comp and attention_dot.comp, which differ in how four operands are stored
 * (stored_operands) and multiplied by four codes (dot_of_quads), and of attention_general.comp, where
 * levels take the place of codes (KV_CODEBOOKS).
 */

/* All lanes of the work-group have come here, and see what the others wrote. */
void meet()
{
    barrier();
}

#include "attention_split.glsl"

/* On wide work-groups keys pass through shared memory, so that global reads are whole sectors, and
 * a lane carries all rows. A work-group of 8 lanes is the vector of a CPU, where each access to
 * memory costs the same and code must stay small: there a lane carries one row at a time, and four
 * tokens (or channels), which share the loads of the operands. */
const bool is_wide = KV_LANES > 8u;
const kv_u32 ROWS_AT_ONCE = is_wide ? ROWS : 1u;

#define SLOTS 8u         /* (block of tokens, row) pairs of K at once */
#define WEIGHT_SLOTS 64u /* (chunk, group, row) triples of V at once */

/* Shared memory: 31.7 KiB with 8 rows and 128 lanes. */
shared ivec4 operands[SLOTS * QUADS + 8u]; /* K: [slot][quad]; V: [slot][quad of the chunk] */
shared kv_u32 stage[is_wide ? KV_LANES * 9u : 1u];
shared kv_u32 maxima[256]; /* bits of the largest magnitude; then of the inverse of a unit */
shared kv_f32 steps[256];  /* value of one unit of an operand */
shared kv_i32 int_sums[256];
/* With parameters per token, `query` holds the scores of the groups of channels that are finished,
 * while `scores` has the dots of the group at hand. */

#ifdef KV_CODEBOOKS
uvec4 levels; /* of K while scores are made, then of V */
kv_u32 plane_bits; /* of their codes in planes, which are read as 4-bit codes; else 0 */

/* What the word of 4-bit codes would be: column `column` of 4 channels in 4 tokens from row `row` on of a
 * head's planes at `codes`, fields 2 `pair` and 2 `pair` + 1. */
kv_u32 plane_pair(kv_u32 codes, kv_u32 dim, kv_u32 bits, kv_u32 row, kv_u32 column, kv_u32 pair)
{
    return kv_plane_pair(bits, store[codes + kv_two_word(4u * row, 4u * column, dim, bits)],
                         store[codes + kv_one_word(4u * row, 4u * column, dim, bits)], column, pair);
}

/* The codebook of K or V, whose words begin at word `first` of the segment's. */
void load_levels(side s, kv_u32 first)
{
    plane_bits = kv_has_planes(kv_codec_bits(s.codec)) != 0u ? kv_codec_bits(s.codec) : 0u;
    for (kv_u32 i = 0u; i < KV_CODEBOOK_WORDS; i++) {
        levels[i] = kv_codec_is_learned(s.codec) != 0u ? store[s.levels + first + i]
                                                       : kv_codebook_word(s.codec, i);
    }
}
#endif

/* Four operands of K: of a slot, which is (block, row), and channels 4 * quad and on. */
void keep_query_operands(kv_u32 slot, kv_u32 quad, ivec4 x)
{
    operands[slot * QUADS + quad] = stored_operands(x);
}

/* Four operands of V: of a slot, which is (chunk, group, row), and tokens 4 * quad and on. */
void keep_weight_operands(kv_u32 slot, kv_u32 quad, ivec4 x)
{
    operands[slot * 8u + quad] = stored_operands(x);
}

#include "attention_fold.glsl"
#include "attention_f16.glsl"

#define BITS 2u
#define NAMED(name) name##_2
#include "attention_codes.glsl"
#undef BITS
#undef NAMED
#define BITS 4u
#define NAMED(name) name##_4
#include "attention_codes.glsl"
#undef BITS
#undef NAMED
#define BITS 8u
#define NAMED(name) name##_8
#include "attention_codes.glsl"
#undef BITS
#undef NAMED

#include "attention_quantized.glsl"
