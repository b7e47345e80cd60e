/* SPDX-License-Identifier: MIT
 *
 * Floats as integers that share a scale, for products and sums that are exact in any order. Part of the
 * attention kernels.
 */
#ifndef KVANT_HOST_REF_OPERANDS_H
#define KVANT_HOST_REF_OPERANDS_H

#include "reference.h"

/* `length` floats from `first` on share one operand scale. Returns the value of one unit. */
static kv_f32 make_operands(const kv_f32 *folded, kv_u32 first, kv_u32 length, kv_i32 *operands)
{
    kv_f32 largest = 0.0f;
    for (kv_u32 i = 0; i < length; i++) {
        largest = kv_max(largest, kv_abs(folded[first + i]));
    }
    kv_f32 inverse = kv_operand_inverse(largest, KV_OPERAND_MAX);
    for (kv_u32 i = 0; i < length; i++) {
        operands[first + i] = kv_operand(folded[first + i], inverse);
    }
    KV_EXACT kv_f32 step = largest * KV_OPERAND_STEP;
    return step;
}

/* The sum of float terms as integers of 2^-22 of the largest: any order. */
static kv_f32 sum_of_terms(const kv_f32 *terms, kv_u32 count)
{
    kv_f32 largest = 0.0f;
    for (kv_u32 i = 0; i < count; i++) {
        largest = kv_max(largest, kv_abs(terms[i]));
    }
    kv_f32 inverse = kv_operand_inverse(largest, KV_TERM_ONE);
    kv_i32 sum = 0;
    for (kv_u32 i = 0; i < count; i++) {
        sum += kv_operand(terms[i], inverse);
    }
    KV_EXACT kv_f32 unit = largest * KV_TERM_STEP;
    KV_EXACT kv_f32 value = kv_int_to_float(sum) * unit;
    return value;
}

#endif
