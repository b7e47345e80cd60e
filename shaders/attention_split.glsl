/* SPDX-License-Identifier: MIT
 *
 * Part of attention.comp and its variants: what is known of a split, its segment and its rows, and
 * what lanes share for all five steps. Who includes it has the bindings and ROWS.
 */

#define QUADS (KV_MAX_HEAD_DIM / 4u) /* of channels; and of tokens, KV_SPLIT_TOKENS / 4 */

shared kv_f32 query[ROWS * KV_MAX_HEAD_DIM];  /* [row][channel]: folded query, then the output */
shared kv_f32 scores[ROWS * KV_SPLIT_TOKENS]; /* [row][token]: scores, then weights */
shared kv_u32 largest_keys[KV_ROWS];
shared kv_u32 weight_sums[KV_ROWS];

/* What all lanes of the work-group agree on. */
kv_u32 region; /* the sequence's words */
kv_u32 row_head;  /* the KV head of the rows */
kv_u32 kv_head;   /* its place among those of the segment */
kv_u32 first_row; /* of the KV head */
kv_u32 rows;      /* at hand, at most ROWS */
kv_u32 capacity;  /* tokens of the segment */
kv_u32 first;     /* token of the segment where the split starts */
kv_u32 count;     /* tokens of the split, a multiple of 4 */

/* K or V of a segment. */
struct side {
    kv_u32 codec;
    kv_u32 grouping;
    kv_u32 group_length;
    kv_u32 codes;         /* word of the head's first code */
    kv_u32 params;        /* word of the first group */
    kv_u32 channel_scale; /* word of the first half, or KV_NO_OFFSET */
    kv_u32 dim;
    kv_u32 levels; /* word of the segment's codebooks */
};
side k;
side v;
kv_u32 position_list; /* word of the position of token 0 */

kv_u32 query_head(kv_u32 row)
{
    return row_head * (p.q_heads / p.kv_heads) + (first_row + row) / p.queries;
}

kv_u32 query_row(kv_u32 row)
{
    return (first_row + row) % p.queries;
}

/* The parameter word of the group of (token, channel 0), the address of its neighbours' words. */
kv_u32 group_address(side s, kv_u32 token)
{
    return s.params +
           kv_group_index(s.grouping, s.group_length, capacity, s.dim, kv_head, token, 0u);
}

uvec4 parameter_words(kv_u32 address, kv_u32 stride)
{
    return uvec4(store[address], store[address + stride], store[address + 2u * stride],
                 store[address + 3u * stride]);
}

vec4 query_quad(kv_u32 row, kv_u32 quad)
{
    kv_u32 i = row * KV_MAX_HEAD_DIM + 4u * quad;
    return vec4(query[i], query[i + 1u], query[i + 2u], query[i + 3u]);
}

/* Channels that share a parameter word of one token. */
kv_u32 group_channels(side s)
{
    return s.grouping == KV_GROUP_TOKEN_CHANNELS ? kv_min_u32(s.group_length, s.dim) : s.dim;
}

kv_u32 is_symmetric(side s)
{
    return kv_codec_is_symmetric(s.codec);
}
