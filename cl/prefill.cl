/* SPDX-License-Identifier: MIT
 *
 * prefill: causal attention of a prompt over its uncompressed K and V, as caller tensors. Keys go by
 * in chunks of 32 with a running maximum (flash attention). The order of every sum is that of
 * host_ref/prefill.c.
 *
 * One work-group does KV_ROWS query rows of one query head. It takes 4 chunks at a time: their
 * scores (a lane does whole tokens), their weights, then their output (a lane does whole
 * channels).
 */
#include "wide.clh"

#define KV_TILE_CHUNKS 4u
#define KV_TILE (KV_TILE_CHUNKS * KV_CHUNK)

typedef struct {
    __global const kv_u32 *k;
    __global const kv_u32 *v;
    kv_u32 kv_head;
    kv_u32 lane;
    kv_u32 first_visible; /* keys that the first row sees; each row sees one more */
    kv_u32 tile;          /* first key of the tile */
    kv_u32 tokens;        /* keys of the tile */

    /* local memory */
    __local kv_f32 *query;   /* [row][k_dim] */
    __local kv_f32 *output;  /* [row][v_dim]; a lane touches its own channels alone */
    __local kv_f32 *weights; /* [row][KV_TILE]; first the scores */
    __local kv_f32 *maxima;  /* [row][chunk]: largest score of each chunk */
    __local kv_f32 *factors; /* [row][chunk]: what rescales earlier sums */
    __local kv_f32 *largest; /* [row] */
    __local kv_f32 *sums;    /* [row] */
} kv_prefill;

/* Keys that a row sees. */
KV_INLINE kv_u32 visible_keys(const kv_prefill *s, const kv_prefill_params *p, kv_u32 row)
{
    return kv_min_u32(p->keys, s->first_visible + row);
}

/* Eight elements from element i on, as the cache would hold them. */
KV_INLINE float8 load_eight(__global const kv_u32 *words, kv_u32 i, kv_u32 dtype)
{
#if KV_WIDTH == 8u
    if (dtype == KV_DTYPE_F32) {
        return kv_cache_values(as_float8(vload8(0, &words[i])));
    }
    if ((i & 1u) == 0u) {
        uint4 pairs = vload4(0, &words[i / 2u]);
        uint8 halves = (uint8)(pairs.s0 & 0xffffu, pairs.s0 >> 16, pairs.s1 & 0xffffu,
                               pairs.s1 >> 16, pairs.s2 & 0xffffu, pairs.s2 >> 16,
                               pairs.s3 & 0xffffu, pairs.s3 >> 16);
        return kv_cache_values(dtype == KV_DTYPE_BF16 ? as_float8(halves << 16)
                                                      : kv_halves_to_floats(halves));
    }
#endif
    kv_f32 values[8];
    for (kv_u32 n = 0u; n < 8u; n++) {
        values[n] =
            kv_cache_value(kv_element(words[kv_element_word(i + n, dtype)], i + n, dtype));
    }
    return vload8(0, values);
}

/* KV_WIDTH of them. */
KV_INLINE kv_floats load_values(__global const kv_u32 *words, kv_u32 i, kv_u32 dtype)
{
#if KV_WIDTH == 8u
    return load_eight(words, i, dtype);
#else
    return kv_cache_value(kv_element(words[kv_element_word(i, dtype)], i, dtype));
#endif
}

/* 1. Fold the softmax scale into the query */
KV_INLINE void fold_queries(const kv_prefill *s, const kv_prefill_params *p,
                            __global const kv_u32 *q, kv_u32 first_row, kv_u32 rows)
{
    for (kv_u32 n = s->lane; n < rows * p->k_dim; n += KV_LANES) {
        kv_u32 i = p->q_offset + (first_row + n / p->k_dim) * p->q_token_stride +
                   (kv_u32)get_group_id(1) * p->q_head_stride + n % p->k_dim;
        KV_EXACT kv_f32 x =
            kv_query_value(kv_element(q[kv_element_word(i, p->q_dtype)], i, p->q_dtype)) * p->scale;
        s->query[n] = x;
    }
    for (kv_u32 n = s->lane; n < rows * p->v_dim; n += KV_LANES) {
        s->output[n] = 0.0f;
    }
    for (kv_u32 row = s->lane; row < rows; row += KV_LANES) {
        s->largest[row] = KV_MASKED;
        s->sums[row] = 0.0f;
    }
    KV_MEET();
}

/* 2. Scores: eight strided sums, then a fixed tree */
KV_INLINE void score_tile(const kv_prefill *s, const kv_prefill_params *p, kv_u32 rows)
{
    for (kv_u32 i = s->lane; i < s->tokens; i += KV_LANES) {
        kv_u32 at =
            p->k_offset + (s->tile + i) * p->k_token_stride + s->kv_head * p->k_head_stride;
        float8 sums[KV_ROWS];
        KV_FOR_ROWS(row, rows) {
            sums[row] = 0.0f;
        }
        for (kv_u32 channel = 0u; channel < p->k_dim; channel += 8u) {
            float8 keys = load_eight(s->k, at + channel, p->k_dtype);
            KV_FOR_ROWS(row, rows) {
                KV_EXACT float8 products =
                    vload8(0, &s->query[row * p->k_dim + channel]) * keys;
                sums[row] = sums[row] + products;
            }
        }
        KV_FOR_ROWS(row, rows) {
            float8 x = sums[row];
            KV_EXACT kv_f32 even = (x.s0 + x.s4) + (x.s2 + x.s6);
            KV_EXACT kv_f32 odd = (x.s1 + x.s5) + (x.s3 + x.s7);
            KV_EXACT kv_f32 score = even + odd;
            s->weights[row * KV_TILE + i] = score;
        }
    }
    KV_MEET();
    for (kv_u32 n = s->lane; n < rows * KV_TILE_CHUNKS; n += KV_LANES) {
        kv_u32 row = n / KV_TILE_CHUNKS;
        kv_u32 first = n % KV_TILE_CHUNKS * KV_CHUNK;
        kv_u32 visible = visible_keys(s, p, row);
        kv_f32 largest = KV_MASKED;
        for (kv_u32 i = first; i < first + KV_CHUNK && s->tile + i < visible; i++) {
            largest = kv_max(largest, s->weights[row * KV_TILE + i]);
        }
        s->maxima[n] = largest;
    }
    KV_MEET();
}

/* 3. Rescale what was summed before: factors, and the weights that belong to them. A row that sees
 * nothing of a chunk gets the factor 1. */
KV_INLINE void weigh_tile(const kv_prefill *s, const kv_prefill_params *p, kv_u32 rows)
{
    for (kv_u32 n = s->lane; n < rows * (KV_TILE / KV_WIDTH); n += KV_LANES) {
        kv_u32 row = n / (KV_TILE / KV_WIDTH);
        kv_u32 i = n % (KV_TILE / KV_WIDTH) * KV_WIDTH;
        if (i >= s->tokens) {
            continue;
        }
        kv_f32 largest = s->largest[row];
        for (kv_u32 chunk = 0u; chunk <= i / KV_CHUNK; chunk++) {
            largest = kv_max(largest, s->maxima[row * KV_TILE_CHUNKS + chunk]);
        }
        __local kv_f32 *at = &s->weights[row * KV_TILE + i];
        kv_ints is_visible = kv_lane_numbers() + (s->tile + i) < visible_keys(s, p, row);
        KV_EXACT kv_floats difference = KV_LOAD(at) - largest;
        kv_floats weights = is_visible ? kv_exps(difference) : (kv_floats)(0.0f);
        KV_STORE(weights, at);
    }
    KV_MEET();
    for (kv_u32 row = s->lane; row < rows; row += KV_LANES) {
        kv_u32 visible = visible_keys(s, p, row);
        kv_f32 largest = s->largest[row];
        KV_EXACT kv_f32 sum = s->sums[row];
        for (kv_u32 chunk = 0u; chunk < KV_TILE_CHUNKS; chunk++) {
            kv_f32 factor = 1.0f;
            kv_u32 first = chunk * KV_CHUNK;
            if (s->tile + first < visible) {
                kv_f32 previous = largest;
                largest = kv_max(largest, s->maxima[row * KV_TILE_CHUNKS + chunk]);
                KV_EXACT kv_f32 change = previous - largest;
                factor = kv_exp(change);
                sum = sum * factor;
            }
            for (kv_u32 i = first; i < first + KV_CHUNK && s->tile + i < visible; i++) {
                sum = sum + s->weights[row * KV_TILE + i];
            }
            s->factors[row * KV_TILE_CHUNKS + chunk] = factor;
        }
        s->largest[row] = largest;
        s->sums[row] = sum;
    }
    KV_MEET();
}

/* 4. Weights and output, in token order */
KV_INLINE void add_tile(const kv_prefill *s, const kv_prefill_params *p, kv_u32 rows)
{
    for (kv_u32 channel = s->lane * KV_WIDTH; channel < p->v_dim; channel += KV_LANES * KV_WIDTH) {
        kv_floats output[KV_ROWS];
        KV_FOR_ROWS(row, rows) {
            output[row] = KV_LOAD(&s->output[row * p->v_dim + channel]);
        }
        for (kv_u32 i = 0u; i < s->tokens; i++) {
            kv_u32 at = p->v_offset + (s->tile + i) * p->v_token_stride +
                        s->kv_head * p->v_head_stride + channel;
            if (i % KV_CHUNK == 0u) {
                KV_FOR_ROWS(row, rows) {
                    if (s->tile + i < s->first_visible + row) {
                        kv_f32 factor = s->factors[row * KV_TILE_CHUNKS + i / KV_CHUNK];
                        KV_EXACT kv_floats scaled = output[row] * factor;
                        output[row] = kv_floats_flush(scaled);
                    }
                }
            }
            kv_floats values = load_values(s->v, at, p->v_dtype);
            KV_FOR_ROWS(row, rows) {
                if (s->tile + i < s->first_visible + row) {
                    KV_EXACT kv_floats product = s->weights[row * KV_TILE + i] * values;
                    output[row] = output[row] + product;
                }
            }
        }
        KV_FOR_ROWS(row, rows) {
            KV_STORE(output[row], &s->output[row * p->v_dim + channel]);
        }
    }
    KV_MEET();
}

KV_INLINE void attend(kv_prefill *s, const kv_prefill_params *p, kv_u32 rows)
{
    kv_u32 all_visible = visible_keys(s, p, rows - 1u);
    for (s->tile = 0u; s->tile < all_visible; s->tile += KV_TILE) {
        s->tokens = kv_min_u32(KV_TILE, all_visible - s->tile);
        score_tile(s, p, rows);
        weigh_tile(s, p, rows);
        add_tile(s, p, rows);
    }
}

/* 5. Normalise, 6. Store */
KV_INLINE void store_rows(const kv_prefill *s, const kv_prefill_params *p, kv_u32 first_row,
                          kv_u32 rows, __global kv_u32 *out, __global kv_u32 *lse)
{
    kv_u32 q_head = (kv_u32)get_group_id(1);
    for (kv_u32 n = s->lane; n < rows * (p->v_dim / 2u); n += KV_LANES) {
        kv_u32 row = n / (p->v_dim / 2u);
        kv_u32 channel = n % (p->v_dim / 2u) * 2u;
        kv_u32 at = p->out_offset + (first_row + row) * p->out_token_stride +
                    q_head * p->out_head_stride + channel;
        KV_EXACT kv_f32 low = s->output[row * p->v_dim + channel];
        KV_EXACT kv_f32 high = s->output[row * p->v_dim + channel + 1u];
        if (s->sums[row] > 0.0f) {
            kv_f32 inverse = kv_reciprocal(s->sums[row]);
            low = kv_flush(low * inverse);
            high = kv_flush(high * inverse);
        }
        if (p->out_dtype == KV_DTYPE_F32) {
            out[at] = kv_bits(low);
            out[at + 1u] = kv_bits(high);
        } else {
            out[at / 2u] = kv_f32_to_f16(low) | (kv_f32_to_f16(high) << 16);
        }
    }
    for (kv_u32 row = s->lane; row < rows && p->lse_offset != KV_NO_OFFSET; row += KV_LANES) {
        kv_f32 sum = s->sums[row];
        KV_EXACT kv_f32 log_sum = kv_float(0xff800000u);
        if (sum > 0.0f) {
            log_sum = s->largest[row] + kv_log(sum);
        }
        lse[p->lse_offset + q_head * p->queries + first_row + row] = kv_bits(log_sum);
    }
}

KV_KERNEL void kvant_prefill(const kv_prefill_params p, __global const kv_u32 *q,
                             __global const kv_u32 *k, __global const kv_u32 *v,
                             __global kv_u32 *out, __global kv_u32 *lse)
{
    __local kv_f32 query[KV_ROWS * KV_MAX_HEAD_DIM];
    __local kv_f32 output[KV_ROWS * KV_MAX_HEAD_DIM];
    __local kv_f32 weights[KV_ROWS * KV_TILE];
    __local kv_f32 maxima[KV_ROWS * KV_TILE_CHUNKS];
    __local kv_f32 factors[KV_ROWS * KV_TILE_CHUNKS];
    __local kv_f32 largest[KV_ROWS];
    __local kv_f32 sums[KV_ROWS];
    kv_u32 first_row = (kv_u32)get_group_id(0) * KV_ROWS;
    kv_u32 rows = kv_min_u32(KV_ROWS, p.queries - first_row);
    kv_prefill s;
    s.k = k;
    s.v = v;
    s.kv_head = (kv_u32)get_group_id(1) / (p.q_heads / p.kv_heads);
    s.lane = (kv_u32)get_local_id(0);
    s.first_visible = first_row + p.first_query + 1u;
    s.tile = 0u;
    s.tokens = 0u;
    s.query = query;
    s.output = output;
    s.weights = weights;
    s.maxima = maxima;
    s.factors = factors;
    s.largest = largest;
    s.sums = sums;

    fold_queries(&s, &p, q, first_row, rows);
    if (rows == KV_ROWS) {
        attend(&s, &p, KV_ROWS);
    } else {
        attend(&s, &p, rows);
    }
    store_rows(&s, &p, first_row, rows, out, lse);
}
