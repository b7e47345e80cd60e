/* SPDX-License-Identifier: MIT
 *
 * Part of attention_subgroup.comp: what lanes share, and what they tell each other by shuffles.
 */

const kv_u32 ROWS_AT_ONCE = ROWS < 4u ? ROWS : 4u;
#define OPERANDS 1280u /* quads of operands at hand: 10 KiB */
#define SLOTS 32u      /* chunks of K or V whose units are at hand */

/* Shared memory: 30 KiB with 8 rows. An operand is 16 bits; a quad is two words. */
shared uvec2 operands[OPERANDS];      /* K: [block][row][quad]; V: [chunk][row][quad] */
shared kv_f32 steps[SLOTS * KV_ROWS]; /* [slot][row]: the value of one unit of an operand */
shared kv_f32 sums[SLOTS * KV_ROWS];  /* [slot][row]: what is added whatever the codes */
shared kv_f32 inverses[KV_ROWS * 8u]; /* [chunk of K][row] */

kv_i32 dots[4u * ROWS_AT_ONCE]; /* [row][token or channel], of one chunk */

/* What lane `lane` has. */
kv_u32 of_lane(kv_u32 x, kv_u32 lane)
{
    return subgroupShuffle(x, lane);
}

kv_f32 of_lane(kv_f32 x, kv_u32 lane)
{
    return subgroupShuffle(x, lane);
}

kv_u32 largest_of_lanes(kv_u32 x)
{
    x = max(x, subgroupShuffle(x, KV_LANE ^ 4u));
    x = max(x, subgroupShuffle(x, KV_LANE ^ 2u));
    return max(x, subgroupShuffle(x, KV_LANE ^ 1u));
}

kv_i32 sum_of_lanes(kv_i32 x)
{
    x += subgroupShuffle(x, KV_LANE ^ 4u);
    x += subgroupShuffle(x, KV_LANE ^ 2u);
    return x + subgroupShuffle(x, KV_LANE ^ 1u);
}
