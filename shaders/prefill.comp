#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * prefill: causal attention of a prompt over its uncompressed K and V, as caller tensors. Keys go
 * by in chunks of 32 with a running maximum (flash attention), in exactly the reference's order.
 *
 * One work-group does KV_ROWS query rows of one query head. A chunk of K, then of V, lies in shared
 * memory as the halves that the cache would hold. For scores a lane has tokens and rows; for the
 * output it has pairs of channels of all rows.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, q);
KV_BINDING(1, readonly, k);
KV_BINDING(2, readonly, v);
KV_BINDING(3, writeonly, outputs);
KV_BINDING(4, writeonly, lse);
KV_PARAMS(kv_prefill_params);

/* For scores a lane takes some tokens of a chunk and some rows; lanes that share tokens take other
 * rows. A work-group of 8 lanes, the vector of a CPU, does all tokens and half of the rows at once. */
const bool is_wide = KV_LANES > KV_CHUNK;
const kv_u32 tokens_of_lane = is_wide ? 1u : KV_CHUNK / KV_LANES;
const kv_u32 row_teams = KV_LANES >= KV_ROWS * KV_CHUNK ? KV_ROWS : is_wide ? KV_LANES / KV_CHUNK : 2u;
const kv_u32 rows_of_lane = KV_ROWS / row_teams;
const kv_u32 keys_of_lane = 8u * tokens_of_lane;
const kv_u32 dots_of_lane = keys_of_lane * rows_of_lane;
const kv_u32 pairs_of_lane = (KV_MAX_HEAD_DIM / 2u + KV_LANES - 1u) / KV_LANES;

/* Words of a staged row: odd, so that lanes of different tokens meet different banks. */
#define STAGE_STRIDE (KV_MAX_HEAD_DIM / 2u + 1u)

shared kv_u32 stage[KV_CHUNK * STAGE_STRIDE];
shared vec4 query[KV_ROWS * KV_MAX_HEAD_DIM / 4u]; /* [row][quad of channels] */
shared kv_f32 scores[KV_ROWS * KV_CHUNK];          /* [row][token] */
shared vec4 weights[KV_ROWS * KV_CHUNK / 4u];      /* [row][quad of tokens] */
shared kv_f32 largest[KV_ROWS];
shared kv_f32 factors[KV_ROWS];
shared kv_f32 sums[KV_ROWS];

kv_u32 first_row;
kv_u32 rows;
/* The output of the lane's pairs of channels, [pair][row]. */
const kv_u32 values_of_lane = pairs_of_lane * KV_ROWS;
kv_f32 low_sums[values_of_lane];
kv_f32 high_sums[values_of_lane];

/* Keys that a row sees, of the chunk. */
kv_u32 tokens_of(kv_u32 row, kv_u32 chunk)
{
    kv_u32 visible = kv_min_u32(p.keys, first_row + row + p.first_query + 1u);
    return row < rows && visible > chunk ? kv_min_u32(KV_CHUNK, visible - chunk) : 0u;
}

/* A chunk of K or V as packed halves. A lane's pairs are KV_LANES apart; token and pair are stepped
 * along, because integer division is slow. */
#define STAGE_CHUNK(words, first_token, tokens, offset, token_stride, dim, dtype)                  \
    {                                                                                              \
        kv_u32 pairs = (dim) / 2u;                                                                 \
        kv_u32 pair = KV_LANE % pairs;                                                             \
        for (kv_u32 token = KV_LANE / pairs; token < (tokens);) {                                  \
            kv_u32 at = (offset) + ((first_token) + token) * (token_stride) + pair * 2u;           \
            stage[token * STAGE_STRIDE + pair] =                                                   \
                kv_cache_half(KV_LOAD(words, at, dtype)) |                                         \
                (kv_cache_half(KV_LOAD(words, at + 1u, dtype)) << 16);                             \
            pair += KV_LANES % pairs;                                                              \
            token += KV_LANES / pairs + (pair >= pairs ? 1u : 0u);                                 \
            pair -= pair >= pairs ? pairs : 0u;                                                    \
        }                                                                                          \
    }

/* 1. Fold the softmax scale into the query */
void fold_queries(kv_u32 q_head)
{
    kv_u32 quads = p.k_dim / 4u;
    KV_FOR_LANES(i, rows * quads)
    {
        kv_u32 row = i / quads;
        kv_u32 at = p.q_offset + (first_row + row) * p.q_token_stride + q_head * p.q_head_stride +
                    i % quads * 4u;
        vec4 x;
        for (kv_u32 n = 0u; n < 4u; n++) {
            KV_EXACT kv_f32 scaled = kv_query_value(KV_LOAD(q, at + n, p.q_dtype)) * p.scale;
            x[n] = scaled;
        }
        query[row * (KV_MAX_HEAD_DIM / 4u) + i % quads] = x;
    }
    KV_FOR_LANES(row, KV_ROWS)
    {
        largest[row] = KV_MASKED;
        sums[row] = 0.0f;
    }
}

/* 2. Scores: eight strided sums, then a fixed tree; of tokens token, token + KV_LANES, ... */
void score_tokens(kv_u32 token, kv_u32 row0)
{
    KV_EXACT kv_f32 partial[dots_of_lane]; /* [token][row][8] */
    for (kv_u32 i = 0u; i < dots_of_lane; i++) {
        partial[i] = 0.0f;
    }
    for (kv_u32 channel = 0u; channel < p.k_dim; channel += 8u) {
        kv_f32 keys[keys_of_lane]; /* [token][8] */
        for (kv_u32 i = 0u; i < keys_of_lane / 2u; i++) {
            kv_u32 row = token + i / 4u * KV_LANES;
            kv_u32 word = stage[row * STAGE_STRIDE + channel / 2u + i % 4u];
            keys[2u * i] = kv_f16_to_f32(word & 0xffffu);
            keys[2u * i + 1u] = kv_f16_to_f32(word >> 16);
        }
        for (kv_u32 row = 0u; row < rows_of_lane; row++) {
            kv_u32 at = (row0 + row) * (KV_MAX_HEAD_DIM / 4u) + channel / 4u;
            vec4 low = query[at];
            vec4 high = query[at + 1u];
            for (kv_u32 i = 0u; i < keys_of_lane; i++) {
                kv_u32 n = i / 8u * rows_of_lane * 8u + row * 8u + i % 8u;
                KV_EXACT kv_f32 product = (i % 8u < 4u ? low[i % 4u] : high[i % 4u]) * keys[i];
                partial[n] = partial[n] + product;
            }
        }
    }
    for (kv_u32 t = 0u; t < tokens_of_lane; t++) {
        for (kv_u32 row = 0u; row < rows_of_lane; row++) {
            kv_u32 i = (t * rows_of_lane + row) * 8u;
            KV_EXACT kv_f32 even =
                (partial[i] + partial[i + 4u]) + (partial[i + 2u] + partial[i + 6u]);
            KV_EXACT kv_f32 odd =
                (partial[i + 1u] + partial[i + 5u]) + (partial[i + 3u] + partial[i + 7u]);
            KV_EXACT kv_f32 score = even + odd;
            scores[(row0 + row) * KV_CHUNK + token + t * KV_LANES] = score;
        }
    }
}

/* Tokens past the last give scores that nobody reads. */
void score_chunk()
{
    if (is_wide) {
        if (KV_LANE / KV_CHUNK < row_teams) {
            score_tokens(KV_LANE % KV_CHUNK, KV_LANE / KV_CHUNK * rows_of_lane);
        }
    } else {
        for (kv_u32 row0 = 0u; row0 < rows; row0 += rows_of_lane) {
            score_tokens(KV_LANE, row0);
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
    KV_FOR_LANES(i, KV_ROWS * KV_CHUNK / 4u)
    {
        kv_u32 row = 4u * i / KV_CHUNK;
        kv_u32 tokens = tokens_of(row, chunk);
        vec4 x = vec4(0.0f);
        for (kv_u32 n = 0u; n < 4u; n++) {
            if (4u * i % KV_CHUNK + n < tokens) {
                KV_EXACT kv_f32 difference = scores[4u * i + n] - largest[row];
                x[n] = kv_exp(difference);
            }
        }
        weights[i] = x;
    }
}

/* ... and their sum, in token order */
void sum_weights(kv_u32 chunk)
{
    KV_FOR_LANES(row, KV_ROWS)
    {
        KV_EXACT kv_f32 sum = sums[row] * factors[row];
        kv_u32 tokens = tokens_of(row, chunk);
        for (kv_u32 i = 0u; i < tokens; i += 4u) {
            vec4 x = weights[row * (KV_CHUNK / 4u) + i / 4u];
            for (kv_u32 n = 0u; n < 4u; n++) {
                if (i + n < tokens) {
                    sum = sum + x[n];
                }
            }
        }
        sums[row] = sum;
    }
}

/* Adds the chunk to the output of pair number i of the lane: first rescaled, then in token order. A
 * token that a row does not see has weight 0, and staged values are finite. */
void sum_values(kv_u32 i, kv_u32 tokens)
{
    kv_u32 pair = kv_min_u32(KV_LANE + i * KV_LANES, p.v_dim / 2u - 1u);
    KV_EXACT kv_f32 low[KV_ROWS];
    KV_EXACT kv_f32 high[KV_ROWS];
    for (kv_u32 row = 0u; row < KV_ROWS; row++) {
        low[row] = low_sums[i * KV_ROWS + row] * factors[row];
        high[row] = high_sums[i * KV_ROWS + row] * factors[row];
        low[row] = kv_flush(low[row]);
        high[row] = kv_flush(high[row]);
    }
    for (kv_u32 token = 0u; token < tokens; token += 4u) {
        kv_f32 low_values[4];
        kv_f32 high_values[4];
        for (kv_u32 n = 0u; n < 4u; n++) {
            kv_u32 word = stage[kv_min_u32(token + n, tokens - 1u) * STAGE_STRIDE + pair];
            low_values[n] = kv_f16_to_f32(word & 0xffffu);
            high_values[n] = kv_f16_to_f32(word >> 16);
        }
        for (kv_u32 row = 0u; row < KV_ROWS; row++) {
            vec4 x = weights[row * (KV_CHUNK / 4u) + token / 4u];
            for (kv_u32 n = 0u; n < 4u; n++) {
                KV_EXACT kv_f32 low_product = x[n] * low_values[n];
                KV_EXACT kv_f32 high_product = x[n] * high_values[n];
                low[row] = low[row] + low_product;
                high[row] = high[row] + high_product;
            }
        }
    }
    for (kv_u32 row = 0u; row < KV_ROWS; row++) {
        low_sums[i * KV_ROWS + row] = low[row];
        high_sums[i * KV_ROWS + row] = high[row];
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

    for (kv_u32 i = 0u; i < values_of_lane; i++) {
        low_sums[i] = 0.0f;
        high_sums[i] = 0.0f;
    }
    for (kv_u32 chunk = 0u; chunk < visible; chunk += KV_CHUNK) {
        kv_u32 tokens = kv_min_u32(KV_CHUNK, visible - chunk);
        barrier();
        STAGE_CHUNK(k, chunk, tokens, p.k_offset + kv_head * p.k_head_stride, p.k_token_stride,
                    p.k_dim, p.k_dtype)
        barrier();
        score_chunk();
        barrier();
        update_largest(chunk);
        STAGE_CHUNK(v, chunk, tokens, p.v_offset + kv_head * p.v_head_stride, p.v_token_stride,
                    p.v_dim, p.v_dtype)
        barrier();
        weigh_chunk(chunk);
        barrier();
        sum_weights(chunk);
        for (kv_u32 i = 0u; i * KV_LANES < p.v_dim / 2u; i++) {
            sum_values(i, tokens);
        }
    }
    barrier();

    /* 5. Normalise */
    for (kv_u32 row = 0u; row < rows; row++) {
        kv_f32 sum = sums[row];
        kv_f32 inverse = sum > 0.0f ? kv_reciprocal(sum) : 0.0f;
        kv_u32 at = p.out_offset + (first_row + row) * p.out_token_stride +
                    q_head * p.out_head_stride;
        for (kv_u32 i = 0u; i * KV_LANES < p.v_dim / 2u; i++) {
            kv_u32 pair = KV_LANE + i * KV_LANES;
            if (pair < p.v_dim / 2u) {
                KV_EXACT kv_f32 low_value = low_sums[i * KV_ROWS + row] * inverse;
                KV_EXACT kv_f32 high_value = high_sums[i * KV_ROWS + row] * inverse;
                store_pair(at + 2u * pair, kv_flush(low_value), kv_flush(high_value));
            }
        }
        if (p.lse_offset != KV_NO_OFFSET && KV_LANE == 0u) {
            KV_EXACT kv_f32 log_sum = largest[row] + kv_log(sum);
            lse[p.lse_offset + q_head * p.queries + first_row + row] =
                kv_bits(sum > 0.0f ? log_sum : kv_float(0xff800000u));
        }
    }
}
