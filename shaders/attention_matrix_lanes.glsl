/* SPDX-License-Identifier: MIT
 *
 * Part of attention_matrix.comp, the sibling of attention_lanes.glsl: what lanes share, how operands are
 * kept, and what a subgroup does with the codes of one matrix. Subgroups take matrices in turn.
 */

/* All lanes of the work-group have come here, and see what the others wrote. */
void meet()
{
    barrier();
}

#include "attention_split.glsl"

const kv_u32 ROWS_AT_ONCE = is_wide ? ROWS : 1u; /* of segments of halves */

shared kv_u32 maxima[256]; /* bits of the largest magnitude; then of the inverse of a unit */
shared kv_f32 steps[256];  /* value of one unit of an operand */
shared kv_i32 int_sums[256];
/* With parameters per token, `query` holds the scores of the groups of channels that are finished,
 * while `scores` has the dots of the group at hand. */

/* Where in operands the vectors of the matrix of row `row` begin. */
kv_u32 vectors_of_row(kv_u32 set, kv_u32 row)
{
    return 2u * (set * VECTORS_OF_SET + row / ROWS_OF_MATRIX * VECTORS_OF_MATRIX);
}

kv_u32 packed_bytes(uvec4 x)
{
    x &= 255u;
    return x.x | x.y << 8 | x.z << 16 | x.w << 24;
}

/* Four operands of a row, number `quad` of the eight of a vector. */
void keep_quad(kv_u32 set, kv_u32 row, kv_u32 quad, ivec4 x)
{
    uvec4 unsigned_x = uvec4(x + 32768);
    kv_u32 at = vectors_of_row(set, row) + quad / 4u;
    kv_u32 high = at + 2u + 4u * (row % ROWS_OF_MATRIX);
    operands[high][quad % 4u] = KV_I32(packed_bytes(unsigned_x >> 8));
    operands[high + 2u][quad % 4u] = KV_I32(packed_bytes(unsigned_x));
    if (row % ROWS_OF_MATRIX == 0u) {
        operands[at][quad % 4u] = 0x01010101;
    }
}

kv_u32 set_of_keys(kv_u32 block, kv_u32 quad)
{
    return quad / 8u * K_SETS + block;
}

/* Four operands of K: of a slot, which is (block, row), and channels 4 * quad and on. */
void keep_query_operands(kv_u32 slot, kv_u32 quad, ivec4 x)
{
    keep_quad(set_of_keys(slot / ROWS, quad), slot % ROWS, quad % 8u, x);
}

/* Four operands of V: of a slot, which is (chunk, group, row), and tokens 4 * quad and on. */
void keep_weight_operands(kv_u32 slot, kv_u32 quad, ivec4 x)
{
    keep_quad(slot / ROWS, slot % ROWS, quad, x);
}

/* Work shared by the lanes of a subgroup. */
#define FOR_SUBGROUP(i, count)                                                                     \
    for (kv_u32 i = gl_SubgroupInvocationID; i < (count); i += gl_SubgroupSize)

/* Subgroups that there is room for, and whether this is one of them. */
kv_u32 subgroups_at_work()
{
    return kv_min_u32(gl_NumSubgroups, PLACES);
}

bool is_at_work()
{
    return gl_SubgroupID < PLACES;
}

/* Where the subgroup's own codes begin, and its sums. */
kv_u32 own_codes()
{
    return CODES_AT + gl_SubgroupID * MATRIX_ROWS * 2u;
}

kv_u32 own_sums()
{
    return gl_SubgroupID * MATRIX_ROWS * MATRIX_COLUMNS;
}

/* The subgroup's codes times the vectors from operands[at] on. Its lanes meet before and behind. */
void multiply(kv_u32 at)
{
    subgroupBarrier();
    kv_sum_matrix sums = no_sums();
    for (kv_u32 i = 0u; i < KV_CHUNK / 16u; i += MATRIX_DEPTH / 16u) {
        sums = multiply_add(load_codes(own_codes() + i), load_operands(at + i), sums);
    }
    store_sums(sums, own_sums());
    subgroupBarrier();
}

/* The dot product of row `unit` of the codes and query row `row`, when they have been multiplied. */
kv_i32 dot_of_row(kv_u32 unit, kv_u32 row)
{
    kv_u32 ones = own_sums() + unit;
    kv_u32 high = ones + (1u + 2u * (row % ROWS_OF_MATRIX)) * MATRIX_ROWS;
    return KV_I32((stage[high] << 8) + stage[high + MATRIX_ROWS] - (stage[ones] << 15));
}

#include "attention_fold.glsl"
#include "attention_f16.glsl"

#define BITS 2u
#define NAMED(name) name##_2
#include "attention_matrix_codes.glsl"
#undef BITS
#undef NAMED
#define BITS 4u
#define NAMED(name) name##_4
#include "attention_matrix_codes.glsl"
#undef BITS
#undef NAMED
#define BITS 8u
#define NAMED(name) name##_8
#include "attention_matrix_codes.glsl"
#undef BITS
#undef NAMED

#include "attention_quantized.glsl"
