/* SPDX-License-Identifier: MIT
 *
 * extrema: the lowest and the highest value of each parameter group of a compression event, as
 * sortable keys: order does not matter, atomics are allowed. Scratch holds 0xffffffff in the plane
 * of the lowest and 0 in the plane of the highest before the launch. One item is a block of tokens of
 * one head, for groups along channels KV_COLUMNS columns of it.
 */
#include "quantize.clh"

/* A lane that has read so many tokens of a column joins its extrema with those of others. */
#define RUN_TOKENS (KV_BLOCK * 8u)
/* Rows that are read together. */
#define ROWS 4u

/* Tokens of a column that one item reads: a group of them, or part of one. */
KV_INLINE kv_u32 run_of(const kv_quantize_params *p)
{
    if (p->grouping == KV_GROUP_CHANNEL_TOKENS) {
        return p->group_length <= RUN_TOKENS ? p->group_length : KV_CHUNK;
    }
    return p->grouping == KV_GROUP_CHANNEL_SEGMENT ? RUN_TOKENS : KV_BLOCK;
}

/* Whether an item sees whole groups, and no other item does. */
KV_INLINE kv_u32 owns_groups(const kv_quantize_params *p)
{
    return p->grouping == KV_GROUP_TOKEN_HEAD || p->grouping == KV_GROUP_TOKEN_CHANNELS ||
           (p->grouping == KV_GROUP_CHANNEL_TOKENS && p->group_length == run_of(p));
}

/* 2. Group extrema. Most values change nothing, and a look is cheaper than an atomic. */
KV_INLINE void merge_group(const kv_quantize_params *p, __global kv_u32 *scratch, kv_u32 group,
                           kv_f32 low, kv_f32 high)
{
    __global kv_u32 *lowest = &scratch[p->keys_offset + group];
    __global kv_u32 *highest = &scratch[p->keys_offset + p->groups + group];
    kv_u32 low_key = kv_sortable(low);
    kv_u32 high_key = kv_sortable(high);
    if (owns_groups(p)) {
        *lowest = low_key;
        *highest = high_key;
        return;
    }
    if (low_key < *lowest) {
        atomic_min(lowest, low_key);
    }
    if (high_key > *highest) {
        atomic_max(highest, high_key);
    }
}

#if KV_LANES == 1

/* kv_sortable */
KV_INLINE kv_words keys_of(kv_floats x)
{
    int8 bits = as_int8(x);
    return as_uint8(bits) ^ (as_uint8(bits >> 31) | 0x80000000u);
}

KV_INLINE void merge_column(const kv_quantize_params *p, __global kv_u32 *scratch, kv_u32 group,
                            const kv_floats *low, const kv_floats *high)
{
    if (owns_groups(p)) {
        vstore8(keys_of(*low), 0, &scratch[p->keys_offset + group]);
        vstore8(keys_of(*high), 0, &scratch[p->keys_offset + p->groups + group]);
        return;
    }
    kv_f32 lows[KV_COLUMN];
    kv_f32 highs[KV_COLUMN];
    vstore8(*low, 0, lows);
    vstore8(*high, 0, highs);
    for (kv_u32 i = 0u; i < KV_COLUMN; i++) {
        merge_group(p, scratch, group + i, lows[i], highs[i]);
    }
}

#else

KV_INLINE void merge_column(const kv_quantize_params *p, __global kv_u32 *scratch, kv_u32 group,
                            const kv_floats *low, const kv_floats *high)
{
    KV_FOR_PIECES(piece) {
        merge_group(p, scratch, group + piece, low[piece], high[piece]);
    }
}

#endif

KV_INLINE void start(kv_floats *low, kv_floats *high)
{
    KV_FOR_PIECES(piece) {
        low[piece] = (kv_floats)(INFINITY);
        high[piece] = (kv_floats)(-INFINITY);
    }
}

KV_INLINE void take(const kv_floats *x, kv_floats *low, kv_floats *high)
{
    KV_FOR_PIECES(piece) {
        low[piece] = x[piece] < low[piece] ? x[piece] : low[piece];
        high[piece] = x[piece] > high[piece] ? x[piece] : high[piece];
    }
}

/* The groups of the tokens of a block. */
KV_INLINE void token_extrema(const kv_quantize_params *p, __global const kv_u32 *source,
                             __global const kv_u32 *store, kv_u32 is_plain,
                             __global kv_u32 *scratch, kv_u32 head, kv_u32 begin)
{
    kv_u32 capacity = (p->tokens + 3u) / 4u * 4u;
    kv_u32 end = kv_min_u32(begin + KV_BLOCK, p->tokens);
    kv_u32 length = p->grouping == KV_GROUP_TOKEN_CHANNELS ? p->group_length : p->dim;
    for (kv_u32 first = 0u; first < p->dim; first += length) {
        kv_u32 past = kv_min_u32(first + length, p->dim);
        kv_floats factors[KV_MAX_HEAD_DIM / KV_COLUMN][KV_PIECES];
        for (kv_u32 channel = first; channel < past; channel += KV_COLUMN) {
            kv_load_factors(p, store, head, channel, factors[channel / KV_COLUMN]);
        }
        for (kv_u32 token = begin; token < end; token++) {
            kv_u32 row = kv_event_row(p, store, token, head);
            kv_floats low[KV_PIECES];
            kv_floats high[KV_PIECES];
            start(low, high);
            for (kv_u32 channel = first; channel < past; channel += KV_COLUMN) {
                /* 1. Load */
                kv_floats x[KV_PIECES];
                kv_event_values(p, source, is_plain, row, channel, factors[channel / KV_COLUMN],
                                x);
                take(x, low, high);
            }
            for (kv_u32 piece = 1u; piece < KV_PIECES; piece++) {
                low[0] = low[piece] < low[0] ? low[piece] : low[0];
                high[0] = kv_floats_max(high[0], high[piece]);
            }
            merge_group(p, scratch,
                        kv_group_index(p->grouping, p->group_length, capacity, p->dim, head, token,
                                       first),
                        -kv_largest_of(-low[0]), kv_largest_of(high[0]));
        }
    }
}

/* The groups of the channels of KV_COLUMNS columns, `channel` the first, in a run of tokens. */
KV_INLINE void channel_extrema(const kv_quantize_params *p, __global const kv_u32 *source,
                               __global const kv_u32 *store, kv_u32 is_plain,
                               __global kv_u32 *scratch, kv_u32 head, kv_u32 begin, kv_u32 end,
                               kv_u32 channel)
{
    kv_u32 capacity = (p->tokens + 3u) / 4u * 4u;
    kv_u32 columns = kv_min_u32(p->dim / KV_COLUMN, KV_COLUMNS);
    kv_u32 group = kv_group_index(p->grouping, p->group_length, capacity, p->dim, head, begin,
                                  channel);
    kv_floats factors[KV_COLUMNS][KV_PIECES];
    kv_floats low[KV_COLUMNS][KV_PIECES];
    kv_floats high[KV_COLUMNS][KV_PIECES];
    for (kv_u32 i = 0u; i < columns; i++) {
        kv_load_factors(p, store, head, channel + i * KV_COLUMN, factors[i]);
        start(low[i], high[i]);
    }
    for (kv_u32 token = begin; token < end; token += ROWS) {
        kv_u32 rows[ROWS];
        for (kv_u32 j = 0u; j < ROWS; j++) {
            rows[j] = kv_event_row(p, store, kv_min_u32(token + j, end - 1u), head);
        }
        for (kv_u32 i = 0u; i < columns; i++) {
            KV_UNROLL for (kv_u32 j = 0u; j < ROWS; j++) {
                /* 1. Load */
                kv_floats x[KV_PIECES];
                kv_event_values(p, source, is_plain, rows[j], channel + i * KV_COLUMN, factors[i],
                                x);
                take(x, low[i], high[i]);
            }
        }
    }
    for (kv_u32 i = 0u; i < columns; i++) {
        merge_column(p, scratch, group + i * KV_COLUMN, low[i], high[i]);
    }
}

KV_KERNEL void kvant_extrema(const kv_quantize_params p, __global const kv_u32 *source,
                             __global const kv_u32 *store, __global kv_u32 *scratch)
{
    kv_u32 is_plain = kv_is_plain(&p.source);
    kv_u32 is_channelwise = kv_is_channelwise(p.grouping);
    kv_u32 run = run_of(&p);
    kv_u32 parts = is_channelwise != 0u
                       ? (p.dim / KV_COLUMN + KV_COLUMNS - 1u) / KV_COLUMNS
                       : 1u;
    const kv_items items = kv_my_items((p.tokens + run - 1u) / run * p.heads * parts);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        kv_u32 head = item / parts % p.heads;
        kv_u32 begin = item / parts / p.heads * run;
        if (is_channelwise != 0u) {
            channel_extrema(&p, source, store, is_plain, scratch, head, begin,
                            kv_min_u32(begin + run, p.tokens),
                            item % parts * KV_COLUMNS * KV_COLUMN);
        } else {
            token_extrema(&p, source, store, is_plain, scratch, head, begin);
        }
    }
}
