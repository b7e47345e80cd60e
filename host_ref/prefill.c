/* SPDX-License-Identifier: MIT
 *
 * prefill: causal attention of a prompt over its uncompressed K and V, as caller tensors. Keys go by
 * in chunks of 32 with a running maximum (flash attention). The order of every sum is fixed here,
 * so the baseline kernels agree to the last bit; the manifest still promises the bound alone,
 * which leaves room for variants on matrix units.
 *
 * One work-group does a few query rows of one query head.
 */
#include "reference.h"

static kv_f32 load(const kv_u32 *words, kv_u32 i, kv_u32 dtype)
{
    return kv_element(words[kv_element_word(i, dtype)], i, dtype);
}

static void prefill_row(const kv_prefill_params *p, const kv_u32 *q, const kv_u32 *k,
                        const kv_u32 *v, kv_u32 row, kv_u32 q_head, kv_f32 *output, kv_f32 *lse)
{
    kv_u32 kv_head = q_head / (p->q_heads / p->kv_heads);
    kv_u32 visible = kv_min_u32(p->keys, row + p->first_query + 1u);

    /* 1. Fold the softmax scale into the query */
    kv_f32 query[KV_MAX_HEAD_DIM];
    for (kv_u32 channel = 0; channel < p->k_dim; channel++) {
        kv_u32 i = p->q_offset + row * p->q_token_stride + q_head * p->q_head_stride + channel;
        KV_EXACT kv_f32 x = kv_query_value(load(q, i, p->q_dtype)) * p->scale;
        query[channel] = x;
    }

    KV_EXACT kv_f32 sum = 0.0f;
    kv_f32 largest = KV_MASKED;
    for (kv_u32 channel = 0; channel < p->v_dim; channel++) {
        output[channel] = 0.0f;
    }
    for (kv_u32 chunk = 0; chunk < visible; chunk += KV_CHUNK) {
        kv_u32 tokens = kv_min_u32(KV_CHUNK, visible - chunk);

        /* 2. Scores: eight strided sums, then a fixed tree */
        kv_f32 scores[KV_CHUNK];
        kv_f32 previous = largest;
        for (kv_u32 i = 0; i < tokens; i++) {
            kv_u32 at = p->k_offset + (chunk + i) * p->k_token_stride + kv_head * p->k_head_stride;
            KV_EXACT kv_f32 sums[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
            for (kv_u32 channel = 0; channel < p->k_dim; channel++) {
                KV_EXACT kv_f32 product =
                    query[channel] * kv_cache_value(load(k, at + channel, p->k_dtype));
                sums[channel % 8u] = sums[channel % 8u] + product;
            }
            KV_EXACT kv_f32 even = (sums[0] + sums[4]) + (sums[2] + sums[6]);
            KV_EXACT kv_f32 odd = (sums[1] + sums[5]) + (sums[3] + sums[7]);
            scores[i] = even + odd;
            largest = kv_max(largest, scores[i]);
        }

        /* 3. Rescale what was summed before */
        KV_EXACT kv_f32 change = previous - largest;
        kv_f32 factor = kv_exp(change);
        sum = sum * factor;
        for (kv_u32 channel = 0; channel < p->v_dim; channel++) {
            KV_EXACT kv_f32 scaled = output[channel] * factor;
            output[channel] = kv_flush(scaled);
        }

        /* 4. Weights and output, in token order */
        for (kv_u32 i = 0; i < tokens; i++) {
            kv_u32 at = p->v_offset + (chunk + i) * p->v_token_stride + kv_head * p->v_head_stride;
            KV_EXACT kv_f32 difference = scores[i] - largest;
            kv_f32 weight = kv_exp(difference);
            sum = sum + weight;
            for (kv_u32 channel = 0; channel < p->v_dim; channel++) {
                KV_EXACT kv_f32 product =
                    weight * kv_cache_value(load(v, at + channel, p->v_dtype));
                KV_EXACT kv_f32 total = output[channel] + product;
                output[channel] = total;
            }
        }
    }

    /* 5. Normalise */
    if (!(sum > 0.0f)) {
        *lse = kv_float(0xff800000u);
        return;
    }
    kv_f32 inverse = kv_reciprocal(sum);
    for (kv_u32 channel = 0; channel < p->v_dim; channel++) {
        KV_EXACT kv_f32 value = output[channel] * inverse;
        output[channel] = kv_flush(value);
    }
    KV_EXACT kv_f32 log_sum = largest + kv_log(sum);
    *lse = log_sum;
}

void kvant_ref_prefill(const void *params_words, kv_u32 *const *bindings)
{
    const kv_prefill_params *p = params_words;
    kv_u32 *out = bindings[3];
    kv_u32 *lse = bindings[4];

    for (kv_u32 q_head = 0; q_head < p->q_heads; q_head++) {
        for (kv_u32 row = 0; row < p->queries; row++) {
            kv_f32 output[KV_MAX_HEAD_DIM];
            kv_f32 row_lse;
            prefill_row(p, bindings[0], bindings[1], bindings[2], row, q_head, output, &row_lse);

            /* 6. Store */
            kv_u32 at = p->out_offset + row * p->out_token_stride + q_head * p->out_head_stride;
            for (kv_u32 channel = 0; channel < p->v_dim; channel += 2u) {
                if (p->out_dtype == KV_DTYPE_F32) {
                    out[at + channel] = kv_bits(output[channel]);
                    out[at + channel + 1u] = kv_bits(output[channel + 1u]);
                } else {
                    out[(at + channel) / 2u] = kv_f32_to_f16(output[channel]) |
                                               (kv_f32_to_f16(output[channel + 1u]) << 16);
                }
            }
            if (p->lse_offset != KV_NO_OFFSET) {
                lse[p->lse_offset + q_head * p->queries + row] = kv_bits(row_lse);
            }
        }
    }
}
