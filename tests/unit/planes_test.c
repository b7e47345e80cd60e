/* SPDX-License-Identifier: MIT
 *
 * Codes of 1 and 3 bits: each bit of their planes has one place, attention's 4-bit words are the same
 * codes, and 3 bits have 8 levels. Roots of the codebooks that keep norms.
 */
#include <math.h>

#include "../support/cmocka_headers.h"
#include "arith.h"
#include "codebook.h"

enum { DIM = 40, CAPACITY = 12, MOST_WORDS = CAPACITY * DIM * 3 / 32 };

static kv_u32 code_in(const kv_u32 *words, kv_u32 is_value, kv_u32 token, kv_u32 channel,
                      kv_u32 bits)
{
    return kv_plane_code(is_value, token, channel, bits,
                         words[kv_two_word(token, channel, DIM, bits)],
                         words[kv_one_word(token, channel, DIM, bits)]);
}

/* Setting one bit after the other changes one code each time, and in the end all are full. */
static void bits_have_one_place(void **state)
{
    (void)state;
    for (kv_u32 variant = 0; variant < 4u; variant++) {
        kv_u32 is_value = variant % 2u;
        kv_u32 bits = variant < 2u ? 1u : 3u;
        kv_u32 count = kv_code_words(CAPACITY, DIM, bits);
        assert_int_equal(count * 32u, CAPACITY * DIM * bits);
        kv_u32 words[MOST_WORDS] = {0};
        kv_u32 expected = 0;
        for (kv_u32 bit = 0; bit < count * 32u; bit++) {
            words[bit / 32u] |= 1u << bit % 32u;
            kv_u32 set = 0;
            for (kv_u32 i = 0; i < CAPACITY * DIM; i++) {
                kv_u32 code = code_in(words, is_value, i / DIM, i % DIM, bits);
                set += (code & 1u) + ((code >> 1) & 1u) + (code >> 2);
            }
            expected++;
            assert_int_equal(set, expected);
        }
    }
}

static void pairs_are_words_of_4_bits(void **state)
{
    (void)state;
    for (kv_u32 variant = 0; variant < 4u; variant++) {
        kv_u32 is_value = variant % 2u;
        kv_u32 bits = variant < 2u ? 1u : 3u;
        kv_u32 words[MOST_WORDS];
        for (kv_u32 i = 0; i < MOST_WORDS; i++) {
            words[i] = kv_philox(variant, 1u, i, 0u, 0u, 0u);
        }
        for (kv_u32 i = 0; i < CAPACITY * DIM; i++) {
            kv_u32 token = i / DIM;
            kv_u32 channel = i % DIM;
            kv_u32 pair = is_value != 0u ? channel / 2u % 2u : token / 2u % 2u;
            kv_u32 word =
                kv_plane_pair(bits, words[kv_two_word(token, channel, DIM, bits)],
                              words[kv_one_word(token, channel, DIM, bits)], channel / 4u, pair);
            kv_u32 code = (word >> kv_code_shift(is_value, token, channel, 4u)) & 15u;
            assert_int_equal(code, code_in(words, is_value, token, channel, bits));
        }
    }
}

/* Two published quantizers count bits^2 - 1 steps, 8 for 3 bits, and clamp the last one away. */
static void three_bits_have_eight_levels(void **state)
{
    (void)state;
    assert_true(kv_qmax(1u) == 1.0f);
    assert_true(kv_qmax(3u) == 7.0f);
    assert_true(kv_reciprocal_of_qmax(3u) == (float)(1.0 / 7.0));
    kv_u32 param = kv_group_param(KV_CODEC_INT3, -3.0f, 4.0f);
    kv_f32 scale = kv_param_scale(param);
    kv_f32 minimum = kv_param_minimum(param, 0u);
    assert_true(scale == 1.0f);
    for (kv_u32 code = 0; code < 8u; code++) {
        kv_u32 got = kv_level_code(
            KV_CODEC_INT3, kv_codebook_word(KV_CODEC_INT3, 0u), kv_codebook_word(KV_CODEC_INT3, 1u),
            kv_codebook_word(KV_CODEC_INT3, 2u), kv_codebook_word(KV_CODEC_INT3, 3u), (float)code);
        assert_int_equal(got, code);
        assert_true(kv_dequantized(got, scale, minimum) == (float)code - 3.0f);
    }
}

/* The codes of int1 and int3 are rounded like those of other integers, ties to even. */
static void thresholds_are_rounding(void **state)
{
    (void)state;
    static const kv_u32 codecs[2] = {KV_CODEC_INT1, KV_CODEC_INT3};
    for (int i = 0; i < 2; i++) {
        kv_f32 qmax = kv_qmax(kv_codec_bits(codecs[i]));
        for (int step = -64; step < 64 * 9; step++) {
            kv_f32 y = (kv_f32)step / 64.0f;
            kv_u32 got = kv_level_code(
                codecs[i], kv_codebook_word(codecs[i], 0u), kv_codebook_word(codecs[i], 1u),
                kv_codebook_word(codecs[i], 2u), kv_codebook_word(codecs[i], 3u), y);
            assert_int_equal(got, kv_asymmetric_code(y, 0.0f, 1.0f, qmax));
        }
    }
}

/* The scale of a group makes its levels as long as its numbers. */
static void norms_are_kept(void **state)
{
    (void)state;
    for (kv_u32 x = 1u; x < 0x80000000u; x += x / 7u + 1u) {
        double root = sqrt((double)x);
        assert_true(fabs((double)kv_root(x) - root) <= root * 0x1p-16);
    }
    assert_true(kv_root(0u) == 0.0f);
    assert_true(kv_root(256u * 4095u * 4095u) == 65520.0f);
    kv_f32 norm = kv_norm(2.0f, 4095u * 4095u); /* one number of 2 */
    assert_true(fabs((double)norm - 2.0) < 1e-6);
    assert_true(kv_norm_param(norm, 127u * 127u) == kv_cache_half((kv_f32)(2.0 / 127.0)));
    assert_true(kv_norm_inverse(kv_levels_of_deviation(KV_CODEC_LLOYD3), 0.0f, 8u) == 0.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_have_one_place),
        cmocka_unit_test(pairs_are_words_of_4_bits),
        cmocka_unit_test(three_bits_have_eight_levels),
        cmocka_unit_test(thresholds_are_rounding),
        cmocka_unit_test(norms_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
