#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * attention: softmax(scale q K^T) V over one split of one sequence's segments, computed on the
 * packed codes. It leaves, for each query row, the largest score, the sum of the weights (2^-23)
 * and the unnormalised output of the split; attention_merge joins the splits.
 *
 * One work-group does one split of one KV head for up to KV_ROWS query rows, and reads each word of
 * K and V once for all of them. The work goes chunk by chunk (32 channels of K, 32 tokens of V):
 * a chunk's integer operands are few, and what a chunk gives is added to a score or an output in
 * shared memory. For K a lane has the tokens of one word, for V the channels of one word.
 *
 * Specialization constant 1 is the number of query rows that there is room for: 1, 2, 4 or 8.
 */
#include "kernel.glsl"

layout(constant_id = 1) const kv_u32 ROWS = KV_ROWS;

KV_BINDING(0, readonly, store);
KV_BINDING(1, readonly, queries);
KV_BINDING(2, readonly, positions);
KV_BINDING(3, writeonly, partials);
KV_PARAMS(kv_attention_params);

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

#include "attention_steps.glsl"

void main()
{
    attend_split();
}
