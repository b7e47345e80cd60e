/* SPDX-License-Identifier: MIT
 *
 * attention: softmax(scale q K^T) V over one split of one sequence's segments, computed on the packed
 * codes. It leaves, for each query row, the largest score, the sum of the weights (2^-23) and the
 * unnormalised output of the split; attention_merge joins the splits.
 *
 * Quantized segments are factored: parameters fold into the query (per channel), into the score
 * (per token) and into the probability (V per token), so both products are integer codes times a
 * vector, and that vector is quantized to 16 bits per chunk of 32. All sums of products are
 * integers: any order, any width, the same bits. docs/numerics.md derives the error.
 *
 * One work-group does one split of one KV head for up to KV_ROWS query rows.
 */
#include "attention.h"

void kvant_ref_attention(const void *params_words, kv_u32 *const *bindings)
{
    const kv_attention_params *p = params_words;
    const kv_u32 *store = bindings[0];
    const kv_u32 *queries = bindings[1];
    const kv_u32 *positions = bindings[2];
    kv_u32 *partials = bindings[3];
    attend(p, 0u, store, queries, positions, partials);
}
