#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * prefill: causal attention of a prompt over its uncompressed K and V, as caller tensors. Keys go
 * by in chunks of 32 with a running maximum (flash attention), in exactly the reference's order.
 *
 * One work-group does KV_ROWS query rows of one query head. A chunk of K, then of V, lies in shared
 * memory as the halves that the cache would hold. For scores a lane has one token and one or more
 * rows; for the output it has pairs of channels of all rows.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, q);
KV_BINDING(1, readonly, k);
KV_BINDING(2, readonly, v);
KV_BINDING(3, writeonly, outputs);
KV_BINDING(4, writeonly, lse);
KV_PARAMS(kv_prefill_params);

/* Lanes that share a token take different rows. */
const kv_u32 row_teams = KV_LANES >= 8u * KV_CHUNK ? 8u : KV_LANES >= KV_CHUNK ? KV_LANES / KV_CHUNK
                                                                              : 1u;
const kv_u32 rows_of_lane = KV_ROWS / row_teams;
const kv_u32 pairs_of_lane = (KV_MAX_HEAD_DIM / 2u + KV_LANES - 1u) / KV_LANES;

/* Words of a staged row: odd, so that lanes of different tokens meet different banks. */
#define STAGE_STRIDE (KV_MAX_HEAD_DIM / 2u + 1u)

shared kv_u32 stage[KV_CHUNK * STAGE_STRIDE];
shared kv_f32 query[KV_ROWS * KV_MAX_HEAD_DIM];
shared kv_f32 scores[KV_ROWS * KV_CHUNK]; /* then weights */
shared kv_f32 largest[KV_ROWS];
shared kv_f32 factors[KV_ROWS];
shared kv_f32 sums[KV_ROWS];

kv_u32 first_row;
kv_u32 rows;

/* Keys that a row sees, of the chunk. */
kv_u32 tokens_of(kv_u32 row, kv_u32 chunk)
{
    kv_u32 visible = kv_min_u32(p.keys, first_row + row + p.first_query + 1u);
    return row < rows && visible > chunk ? kv_min_u32(KV_CHUNK, visible - chunk) : 0u;
}

/* A chunk of K or V as packed halves. */
#define STAGE_CHUNK(words, first_token, tokens, offset, token_stride, dim, dtype)                  \
    {                                                                                              \
        kv_u32 pairs = (dim) / 2u;                                                                 \
        KV_FOR_LANES(i, (tokens) * pairs)                                                          \
        {                                                                                          \
            kv_u32 token = i / pairs;                                                              \
            kv_u32 at = (offset) + ((first_token) + token) * (token_stride) + i % pairs * 2u;      \
            stage[token * STAGE_STRIDE + i % pairs] =                                              \
                kv_cache_half(KV_LOAD(words, at, dtype)) |                                         \
                (kv_cache_half(KV_LOAD(words, at + 1u, dtype)) << 16);                             \
        }                                                                                          \
    }

/* 1. Fold the softmax scale into the query */
void fold_queries(kv_u32 q_head)
{
    KV_FOR_LANES(i, rows * p.k_dim)
    {
        kv_u32 row = i / p.k_dim;
        kv_u32 channel = i % p.k_dim;
        kv_u32 at = p.q_offset + (first_row + row) * p.q_token_stride + q_head * p.q_head_stride +
                    channel;
        KV_EXACT kv_f32 x = kv_query_value(KV_LOAD(q, at, p.q_dtype)) * p.scale;
        query[row * KV_MAX_HEAD_DIM + channel] = x;
    }
    KV_FOR_LANES(row, KV_ROWS)
    {
        largest[row] = KV_MASKED;
        sums[row] = 0.0f;
    }
}

/* 2. Scores: eight strided sums, then a fixed tree */
void score_token(kv_u32 token, kv_u32 lane_first_row)
{
    KV_EXACT kv_f32 partial[rows_of_lane * 8u];
    for (kv_u32 i = 0u; i < rows_of_lane * 8u; i++) {
        partial[i] = 0.0f;
    }
    for (kv_u32 channel = 0u; channel < p.k_dim; channel += 8u) {
        kv_f32 keys[8];
        for (kv_u32 i = 0u; i < 4u; i++) {
            kv_u32 word = stage[token * STAGE_STRIDE + channel / 2u + i];
            keys[2u * i] = kv_f16_to_f32(word & 0xffffu);
            keys[2u * i + 1u] = kv_f16_to_f32(word >> 16);
        }
        for (kv_u32 row = 0u; row < rows_of_lane; row++) {
            kv_u32 at = (lane_first_row + row) * KV_MAX_HEAD_DIM + channel;
            for (kv_u32 i = 0u; i < 8u; i++) {
                KV_EXACT kv_f32 product = query[at + i] * keys[i];
                partial[row * 8u + i] = partial[row * 8u + i] + product;
            }
        }
    }
    for (kv_u32 row = 0u; row < rows_of_lane; row++) {
        kv_u32 i = row * 8u;
        KV_EXACT kv_f32 even = (partial[i] + partial[i + 4u]) + (partial[i + 2u] + partial[i + 6u]);
        KV_EXACT kv_f32 odd =
            (partial[i + 1u] + partial[i + 5u]) + (partial[i + 3u] + partial[i + 7u]);
        KV_EXACT kv_f32 score = even + odd;
        scores[(lane_first_row + row) * KV_CHUNK + token] = score;
    }
}

void score_chunk(kv_u32 tokens)
{
    if (KV_LANES >= KV_CHUNK) {
        kv_u32 token = KV_LANE % KV_CHUNK;
        if (token < tokens && KV_LANE / KV_CHUNK < row_teams) {
            score_token(token, KV_LANE / KV_CHUNK * rows_of_lane);
        }
    } else {
        KV_FOR_LANES(token, tokens)
        {
            score_token(token, 0u);
        }
    }
}

/* 3. What was summed before is rescaled by factors[] */
void update_largest(kv_u32 chunk)
{
    KV_FOR_LANES(row, KV_ROWS)
    {
        kv_f32 previous = largest[row];
        kv_f32 now = previous;
        for (kv_u32 i = 0u; i < tokens_of(row, chunk); i++) {
            now = kv_max(now, scores[row * KV_CHUNK + i]);
        }
        KV_EXACT kv_f32 change = previous - now;
        largest[row] = now;
        factors[row] = kv_exp(change);
    }
}

/* 4. Weights */
void weigh_chunk(kv_u32 chunk)
{
    KV_FOR_LANES(i, KV_ROWS * KV_CHUNK)
    {
        kv_u32 row = i / KV_CHUNK;
        if (i % KV_CHUNK < tokens_of(row, chunk)) {
            KV_EXACT kv_f32 difference = scores[i] - largest[row];
            scores[i] = kv_exp(difference);
        }
    }
}

/* ... and their sum, in token order */
void sum_weights(kv_u32 chunk)
{
    KV_FOR_LANES(row, KV_ROWS)
    {
        KV_EXACT kv_f32 sum = sums[row] * factors[row];
        for (kv_u32 i = 0u; i < tokens_of(row, chunk); i++) {
            sum = sum + scores[row * KV_CHUNK + i];
        }
        sums[row] = sum;
    }
}

/* 6. Store */
void store_pair(kv_u32 at, kv_f32 low, kv_f32 high)
{
    if (p.out_dtype == KV_DTYPE_F32) {
        outputs[at] = kv_bits(low);
        outputs[at + 1u] = kv_bits(high);
    } else {
        outputs[at / 2u] = kv_f32_to_f16(low) | (kv_f32_to_f16(high) << 16);
    }
}

void main()
{
    kv_u32 q_head = gl_WorkGroupID.y;
    kv_u32 kv_head = q_head / (p.q_heads / p.kv_heads);
    first_row = gl_WorkGroupID.x * KV_ROWS;
    rows = kv_min_u32(KV_ROWS, p.queries - first_row);
    kv_u32 visible = kv_min_u32(p.keys, first_row + rows - 1u + p.first_query + 1u);

    fold_queries(q_head);

    /* the output of the lane's pairs of channels, [pair][row] */
    KV_EXACT kv_f32 low[pairs_of_lane * KV_ROWS];
    KV_EXACT kv_f32 high[pairs_of_lane * KV_ROWS];
    for (kv_u32 i = 0u; i < pairs_of_lane * KV_ROWS; i++) {
        low[i] = 0.0f;
        high[i] = 0.0f;
    }
    for (kv_u32 chunk = 0u; chunk < visible; chunk += KV_CHUNK) {
        kv_u32 tokens = kv_min_u32(KV_CHUNK, visible - chunk);
        barrier();
        STAGE_CHUNK(k, chunk, tokens, p.k_offset + kv_head * p.k_head_stride, p.k_token_stride,
                    p.k_dim, p.k_dtype)
        barrier();
        score_chunk(tokens);
        barrier();
        update_largest(chunk);
        STAGE_CHUNK(v, chunk, tokens, p.v_offset + kv_head * p.v_head_stride, p.v_token_stride,
                    p.v_dim, p.v_dtype)
        barrier();
        weigh_chunk(chunk);
        barrier();
        sum_weights(chunk);
        for (kv_u32 i = 0u; i < pairs_of_lane; i++) {
            kv_u32 pair = KV_LANE + i * KV_LANES;
            if (pair < p.v_dim / 2u) {
                for (kv_u32 row = 0u; row < KV_ROWS; row++) {
                    low[i * KV_ROWS + row] = low[i * KV_ROWS + row] * factors[row];
                    high[i * KV_ROWS + row] = high[i * KV_ROWS + row] * factors[row];
                }
                for (kv_u32 token = 0u; token < tokens; token++) {
                    kv_u32 word = stage[token * STAGE_STRIDE + pair];
                    kv_f32 low_value = kv_f16_to_f32(word & 0xffffu);
                    kv_f32 high_value = kv_f16_to_f32(word >> 16);
                    for (kv_u32 row = 0u; row < KV_ROWS; row++) {
                        if (token < tokens_of(row, chunk)) {
                            kv_f32 weight = scores[row * KV_CHUNK + token];
                            KV_EXACT kv_f32 low_product = weight * low_value;
                            KV_EXACT kv_f32 high_product = weight * high_value;
                            low[i * KV_ROWS + row] = low[i * KV_ROWS + row] + low_product;
                            high[i * KV_ROWS + row] = high[i * KV_ROWS + row] + high_product;
                        }
                    }
                }
            }
        }
    }
    barrier();

    /* 5. Normalise */
    for (kv_u32 row = 0u; row < rows; row++) {
        kv_f32 sum = sums[row];
        kv_f32 inverse = sum > 0.0f ? kv_reciprocal(sum) : 0.0f;
        kv_u32 at = p.out_offset + (first_row + row) * p.out_token_stride +
                    q_head * p.out_head_stride;
        for (kv_u32 i = 0u; i < pairs_of_lane; i++) {
            kv_u32 pair = KV_LANE + i * KV_LANES;
            if (pair < p.v_dim / 2u) {
                KV_EXACT kv_f32 low_value = low[i * KV_ROWS + row] * inverse;
                KV_EXACT kv_f32 high_value = high[i * KV_ROWS + row] * inverse;
                store_pair(at + 2u * pair, low_value, high_value);
            }
        }
        if (p.lse_offset != KV_NO_OFFSET && KV_LANE == 0u) {
            KV_EXACT kv_f32 log_sum = largest[row] + kv_log(sum);
            lse[p.lse_offset + q_head * p.queries + first_row + row] =
                kv_bits(sum > 0.0f ? log_sum : kv_float(0xff800000u));
        }
    }
}
