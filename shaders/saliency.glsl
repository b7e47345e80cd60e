/* SPDX-License-Identifier: MIT
 *
 * What saliency_rows and saliency_columns share: the exact scores of KV_ROWS probe rows of one KV
 * head and a few tokens a lane. The sibling of host_ref/saliency.h; expects the binding `scratch`, the
 * parameters, and the products of saliency_products.glsl or saliency_dot.glsl.
 *
 * Pair i of a KV head is probe i / G, head i % G of the group. On wide work-groups the operands of
 * the pairs and a piece of the keys pass through shared memory, so that global reads are whole
 * sectors; a work-group of 8 lanes (a CPU's vector) reads the words where it needs them.
 */
#ifndef KVANT_SHADERS_SALIENCY_GLSL
#define KVANT_SHADERS_SALIENCY_GLSL

const bool kv_is_wide = KV_LANES > 8u;

/* Tokens of a lane: first + lane, first + lane + KV_LANES, ... On a CPU, where every lane fetches a
 * word by itself, the words of KV_ROWS pairs serve several tokens. */
const kv_u32 kv_tokens_of_lane = kv_is_wide ? 1u : 8u;
const kv_u32 kv_dots_of_lane = KV_ROWS * kv_tokens_of_lane;

/* Words of a key that one step handles, and their stride in shared memory: odd, for the banks. */
#define KEY_STEP 8u
#define KEY_STRIDE 9u

#define KV_SIGNS 0x80808080u /* turns four codes of keys into signed bytes, codes less 128 */

shared kv_quad pair_operands[kv_is_wide ? KV_ROWS * KV_MAX_HEAD_DIM / 4u : 1u];
shared kv_u32 key_words[kv_is_wide ? KV_LANES * KEY_STRIDE : 1u];

/* The row of the per-row arrays that belongs to a pair. */
kv_u32 kv_pair_item(kv_u32 kv_head, kv_u32 pair)
{
    kv_u32 group = p.q_heads / p.kv_heads;
    return pair / group * p.q_heads + kv_head * group + pair % group;
}

kv_u32 kv_pair_probe(kv_u32 pair)
{
    return pair / (p.q_heads / p.kv_heads);
}

kv_u32 kv_pair_count()
{
    return p.probes * (p.q_heads / p.kv_heads);
}

/* The int8 query operands of pairs first.. into shared memory. Pairs past the last get those of
 * the last: whoever uses the dots skips them. The caller puts barriers around it. */
void kv_saliency_load_operands(kv_u32 kv_head, kv_u32 first)
{
    if (kv_is_wide) {
        kv_u32 quads = p.dim / 4u;
        KV_FOR_LANES(i, KV_ROWS * quads)
        {
            kv_u32 row = i / quads;
            kv_u32 pair = kv_min_u32(first + row, kv_pair_count() - 1u);
            kv_u32 at = p.operands_offset + kv_pair_item(kv_head, pair) * quads + i % quads;
            pair_operands[row * (KV_MAX_HEAD_DIM / 4u) + i % quads] = kv_quad_of(scratch[at]);
        }
    }
}

/* Where the operands of KV_ROWS pairs begin; the last pair stands in for those past it. */
void kv_saliency_find_operands(kv_u32 kv_head, kv_u32 first_pair, out kv_u32 operands[KV_ROWS])
{
    for (kv_u32 row = 0u; row < KV_ROWS; row++) {
        kv_u32 pair = kv_min_u32(first_pair + row, kv_pair_count() - 1u);
        operands[row] = p.operands_offset + kv_pair_item(kv_head, pair) * (p.dim / 4u);
    }
}

/* On wide work-groups: one token a lane. */
void kv_saliency_wide_dots(kv_u32 kv_head, kv_u32 first_token, kv_u32 end,
                           out kv_i32 dots[kv_dots_of_lane])
{
    kv_u32 quads = p.dim / 4u;
    kv_u32 codes = p.codes_offset + kv_head * kv_code_words(p.capacity, p.dim, 8u);
    for (kv_u32 row = 0u; row < KV_ROWS; row++) {
        dots[row] = 0;
    }
    for (kv_u32 step = 0u; step < quads; step += KEY_STEP) {
        kv_u32 words = kv_min_u32(KEY_STEP, quads - step);
        barrier();
        KV_FOR_LANES(i, KV_LANES * KEY_STEP)
        {
            kv_u32 row = first_token + i / KEY_STEP;
            if (row < end && i % KEY_STEP < words) {
                key_words[i / KEY_STEP * KEY_STRIDE + i % KEY_STEP] =
                    scratch[codes + row * quads + step + i % KEY_STEP];
            }
        }
        barrier();
        for (kv_u32 word = 0u; word < words; word++) {
            kv_u32 key_word = key_words[KV_LANE * KEY_STRIDE + word];
            kv_quad key = kv_quad_of(key_word ^ KV_SIGNS);
            for (kv_u32 row = 0u; row < KV_ROWS; row++) {
                dots[row] += kv_dot(pair_operands[row * (KV_MAX_HEAD_DIM / 4u) + step + word], key);
            }
        }
    }
}

/* On a CPU: several tokens a lane. */
void kv_saliency_narrow_dots(kv_u32 kv_head, kv_u32 first_pair, kv_u32 first_token, kv_u32 end,
                             out kv_i32 dots[kv_dots_of_lane])
{
    kv_u32 quads = p.dim / 4u;
    kv_u32 codes = p.codes_offset + kv_head * kv_code_words(p.capacity, p.dim, 8u);
    kv_u32 operands[KV_ROWS];
    kv_saliency_find_operands(kv_head, first_pair, operands);
    kv_u32 keys_at[kv_tokens_of_lane];
    for (kv_u32 t = 0u; t < kv_tokens_of_lane; t++) {
        keys_at[t] = codes + kv_min_u32(first_token + KV_LANE + t * KV_LANES, end - 1u) * quads;
    }
    KV_EXACT kv_narrow_sum sums[kv_dots_of_lane];
    for (kv_u32 i = 0u; i < kv_dots_of_lane; i++) {
        sums[i] = kv_narrow_sum(0);
    }
    for (kv_u32 word = 0u; word < quads; word++) {
        kv_narrow_quad keys[kv_tokens_of_lane];
        for (kv_u32 t = 0u; t < kv_tokens_of_lane; t++) {
            keys[t] = kv_narrow_quad_of(scratch[keys_at[t] + word] ^ KV_SIGNS);
        }
        for (kv_u32 row = 0u; row < KV_ROWS; row++) {
            kv_narrow_quad query = kv_narrow_quad_of(scratch[operands[row] + word]);
            for (kv_u32 t = 0u; t < kv_tokens_of_lane; t++) {
                KV_EXACT kv_narrow_sum sum = kv_narrow_dot(query, keys[t]);
                sums[row * kv_tokens_of_lane + t] = sums[row * kv_tokens_of_lane + t] + sum;
            }
        }
    }
    for (kv_u32 i = 0u; i < kv_dots_of_lane; i++) {
        dots[i] = KV_I32(sums[i]);
    }
}

/* The dot products [pair][token of the lane] of KV_ROWS pairs. All lanes call it; a token at `end`
 * or past it reads nothing. */
void kv_saliency_dots(kv_u32 kv_head, kv_u32 first_pair, kv_u32 first_token, kv_u32 end,
                      out kv_i32 dots[kv_dots_of_lane])
{
    if (kv_is_wide) {
        kv_saliency_wide_dots(kv_head, first_token, end, dots);
    } else {
        kv_saliency_narrow_dots(kv_head, first_pair, first_token, end, dots);
    }
}

/* A dot product, below 2^24, to the score. */
kv_f32 kv_saliency_score(kv_i32 dot_product, kv_f32 step)
{
    KV_EXACT kv_f32 score = KV_F32(dot_product) * step;
    return score;
}

/* Whether a probe row sees the token. */
bool kv_saliency_visible(kv_u32 probe_position, kv_u32 token)
{
    return p.first_position + token <= probe_position;
}

#endif
