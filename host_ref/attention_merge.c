/* SPDX-License-Identifier: MIT
 *
 * attention_merge: the partial results of a query row's splits, joined in index order into the output
 * and, where asked, its log-sum-exp. A row that sees no token gives 0 and minus infinity. One
 * work-group does one query row.
 */
#include "reference.h"

static void merge_row(const kv_attention_params *p, const kv_u32 *partials, kv_u32 splits,
                      kv_u32 stride, kv_f32 *output, kv_f32 *lse)
{
    /* 1. Largest score */
    kv_f32 largest = KV_MASKED;
    for (kv_u32 split = 0; split < splits; split++) {
        const kv_u32 *partial = &partials[split * stride];
        if (partial[1] != 0u) {
            largest = kv_max(largest, kv_float(partial[0]));
        }
    }

    /* 2. Sums in index order */
    KV_EXACT kv_f32 sum = 0.0f;
    for (kv_u32 channel = 0; channel < p->v_dim; channel++) {
        output[channel] = 0.0f;
    }
    for (kv_u32 split = 0; split < splits; split++) {
        const kv_u32 *partial = &partials[split * stride];
        if (partial[1] == 0u) {
            continue;
        }
        KV_EXACT kv_f32 difference = kv_float(partial[0]) - largest;
        kv_f32 factor = kv_exp(difference);
        KV_EXACT kv_f32 part = kv_uint_to_float(partial[1]) * KV_WEIGHT_STEP;
        part = part * factor;
        sum = sum + part;
        for (kv_u32 channel = 0; channel < p->v_dim; channel++) {
            KV_EXACT kv_f32 term = kv_float(partial[2u + channel]) * factor;
            KV_EXACT kv_f32 total = output[channel] + kv_flush(term);
            output[channel] = total;
        }
    }

    /* 3. Normalise */
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

void kvant_ref_attention_merge(const void *params_words, kv_u32 *const *bindings)
{
    const kv_attention_params *p = params_words;
    const kv_u32 *store = bindings[0];
    const kv_u32 *partials = bindings[1];
    kv_u32 *out = bindings[2];
    kv_u32 *lse = bindings[3];
    kv_u32 rows = p->q_heads * p->queries;
    kv_u32 words = p->v_dim + 2u;

    for (kv_u32 sequence = 0; sequence < p->sequences; sequence++) {
        kv_u32 splits =
            kv_min_u32(store[p->sequence_offset + sequence * p->sequence_stride + KV_HEADER_SPLITS],
                       p->max_splits);
        for (kv_u32 q_head = 0; q_head < p->q_heads; q_head++) {
            for (kv_u32 row = 0; row < p->queries; row++) {
                kv_u32 line = q_head * p->queries + row;
                kv_f32 output[KV_MAX_LATENT_DIM];
                kv_f32 row_lse;
                merge_row(p,
                          &partials[p->partials_offset +
                                    (sequence * p->max_splits * rows + line) * words],
                          splits, rows * words, output, &row_lse);

                /* 4. Store */
                kv_u32 at = p->out_offset + sequence * p->out_sequence_stride +
                            q_head * p->out_head_stride + row * p->out_row_stride;
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
                    lse[p->lse_offset + sequence * rows + line] = kv_bits(row_lse);
                }
            }
        }
    }
}
