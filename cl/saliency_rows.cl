/* SPDX-License-Identifier: MIT
 *
 * saliency_rows: for each probe row and each split of tokens, the largest score and the sum of the
 * exponentials relative to it, in units of 2^-23. Integer sums: any order. One work-group does one
 * split of one KV head for up to KV_ROWS pairs of a probe row and a query head of the group.
 */
#include "saliency.clh"

/* Local memory: scores [row][KV_SPLIT_TOKENS], and what the KV_PARTS lanes of a row exchange. */
typedef struct {
    __local kv_f32 *scores;
    __local kv_f32 *largest;
    __local kv_u32 *sums;
    kv_u32 first; /* token where the split starts */
    kv_u32 end;
} kv_saliency_split;

/* 1. Scores ... */
KV_INLINE void score_rows(const kv_saliency_params *p, __global const kv_u32 *scratch,
                          const kv_saliency_split *s, kv_u32 kv_head, kv_u32 first_row, kv_u32 rows)
{
    kv_u32 group = p->q_heads / p->kv_heads;
    kv_u32 words = p->dim / 4u;
    for (kv_u32 token = s->first + (kv_u32)get_local_id(0) * KV_WIDTH; token < s->end;
         token += KV_LANES * KV_WIDTH) {
        kv_words keys[KV_MAX_HEAD_DIM / 4u];
        kv_load_keys(p, scratch, kv_head, token, keys);
        kv_ints key_bias = kv_key_bias(keys, words);
        for (kv_u32 row = 0u; row < rows; row++) {
            kv_u32 item = (first_row + row) / group * p->q_heads + kv_head * group +
                          (first_row + row) % group;
            kv_floats scores = kv_saliency_scores(keys, key_bias, words,
                                                  &scratch[p->operands_offset + item * words],
                                                  kv_float(scratch[p->steps_offset + item]));
            KV_STORE(scores, &s->scores[row * KV_SPLIT_TOKENS + token - s->first]);
        }
    }
}

/* ... and their maximum */
KV_INLINE void find_largest(const kv_saliency_params *p, const kv_saliency_split *s, kv_u32 n,
                            kv_u32 probe_position)
{
    kv_u32 row = n / KV_PARTS;
    kv_floats largest = KV_MASKED;
    for (kv_u32 token = s->first + n % KV_PARTS * KV_WIDTH; token < s->end;
         token += KV_PARTS * KV_WIDTH) {
        kv_floats scores = KV_LOAD(&s->scores[row * KV_SPLIT_TOKENS + token - s->first]);
        largest = kv_floats_max(largest, kv_saliency_visible(p, probe_position, token)
                                             ? scores
                                             : (kv_floats)(KV_MASKED));
    }
    s->largest[n] = kv_largest_of(largest);
}

KV_INLINE kv_f32 largest_of_row(const kv_saliency_split *s, kv_u32 row)
{
    kv_f32 largest = KV_MASKED;
    for (kv_u32 i = 0u; i < KV_PARTS; i++) {
        largest = kv_max(largest, s->largest[row * KV_PARTS + i]);
    }
    return largest;
}

/* 2. Sum of the exponentials */
KV_INLINE void sum_exponentials(const kv_saliency_params *p, const kv_saliency_split *s, kv_u32 n,
                                kv_u32 probe_position)
{
    kv_u32 row = n / KV_PARTS;
    kv_f32 largest = largest_of_row(s, row);
    kv_ints sum = 0;
    for (kv_u32 token = s->first + n % KV_PARTS * KV_WIDTH; token < s->end;
         token += KV_PARTS * KV_WIDTH) {
        kv_floats scores = KV_LOAD(&s->scores[row * KV_SPLIT_TOKENS + token - s->first]);
        KV_EXACT kv_floats difference = scores - largest;
        kv_ints units = kv_weight_units(kv_exps(difference));
        sum += kv_saliency_visible(p, probe_position, token) ? units : (kv_ints)(0);
    }
    s->sums[n] = KV_U32(kv_sum_of(sum));
}

/* 3. Store */
KV_INLINE void store_row(const kv_saliency_split *s, kv_u32 row, __global kv_u32 *partial)
{
    kv_u32 sum = 0u;
    for (kv_u32 i = 0u; i < KV_PARTS; i++) {
        sum += s->sums[row * KV_PARTS + i];
    }
    partial[0] = kv_bits(largest_of_row(s, row));
    partial[1] = sum;
}

KV_KERNEL void kvant_saliency_rows(const kv_saliency_params p, __global kv_u32 *scratch)
{
    __local kv_f32 scores[KV_ROWS * KV_SPLIT_TOKENS];
    __local kv_f32 largest[KV_ROWS * KV_PARTS];
    __local kv_u32 sums[KV_ROWS * KV_PARTS];
    kv_u32 lane = (kv_u32)get_local_id(0);
    kv_u32 group = p.q_heads / p.kv_heads;
    kv_u32 splits = (p.tokens + KV_SPLIT_TOKENS - 1u) / KV_SPLIT_TOKENS;
    kv_u32 split = (kv_u32)get_group_id(0);
    kv_u32 kv_head = (kv_u32)get_group_id(1);
    kv_u32 first_row = (kv_u32)get_group_id(2) * KV_ROWS;
    kv_u32 rows = kv_min_u32(KV_ROWS, p.probes * group - first_row);
    kv_saliency_split s;
    s.scores = scores;
    s.largest = largest;
    s.sums = sums;
    s.first = split * KV_SPLIT_TOKENS;
    s.end = kv_min_u32(s.first + KV_SPLIT_TOKENS, p.tokens);

    score_rows(&p, scratch, &s, kv_head, first_row, rows);
    KV_MEET();
    for (kv_u32 n = lane; n < rows * KV_PARTS; n += KV_LANES) {
        kv_u32 probe = (first_row + n / KV_PARTS) / group;
        find_largest(&p, &s, n, scratch[p.probes_offset + probe]);
    }
    KV_MEET();
    for (kv_u32 n = lane; n < rows * KV_PARTS; n += KV_LANES) {
        kv_u32 probe = (first_row + n / KV_PARTS) / group;
        sum_exponentials(&p, &s, n, scratch[p.probes_offset + probe]);
    }
    KV_MEET();
    for (kv_u32 row = lane; row < rows; row += KV_LANES) {
        kv_u32 item = (first_row + row) / group * p.q_heads + kv_head * group +
                      (first_row + row) % group;
        store_row(&s, row, &scratch[p.partials_offset + 2u * (item * splits + split)]);
    }
}
