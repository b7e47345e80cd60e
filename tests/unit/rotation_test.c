/* SPDX-License-Identifier: MIT
 *
 * Rotations: there and back, what they do to outlier channels, and what a cache does with numbers that
 * a rotation makes too large for a half.
 */
#include <math.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "kvant/kvant.h"
#include "kvant/ops.h"

enum { TOKENS = 48, HEADS = 2, DIM = 32, ROW = HEADS * DIM, ELEMENTS = TOKENS * ROW };

static kvant_context *context;
static kvant_tensor k, v, q, out;
static float numbers[ELEMENTS];

static kvant_tensor new_tensor(const float *values, uint32_t elements)
{
    kvant_tensor tensor = {.dtype = KVANT_F32};
    assert_int_equal(kvant_buffer_create(context, elements * 4u, &tensor.buffer), KVANT_OK);
    if (values != NULL) {
        assert_int_equal(kvant_buffer_write(tensor.buffer, 0, values, elements * 4u), KVANT_OK);
    }
    return tensor;
}

/* Numbers of -2 .. 2, and two channels of each head that are 30 times larger. */
static float number_of(uint32_t token, uint32_t i)
{
    float x = (float)((int32_t)((token * 61u + i * 29u + token * i) % 129u) - 64) / 32.0f;
    return i % DIM == 5u || i % DIM == 20u ? 30.0f * x : x;
}

static int open_all(void **state)
{
    (void)state;
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = "host";
    assert_int_equal(kvant_context_create(&desc, &context), KVANT_OK);
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        numbers[i] = number_of(i / ROW, i % ROW);
    }
    k = new_tensor(numbers, ELEMENTS);
    v = new_tensor(numbers, ELEMENTS);
    q = new_tensor(numbers, ELEMENTS);
    out = new_tensor(NULL, ELEMENTS);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    const kvant_tensor *const all[] = {&k, &v, &q, &out};
    for (int i = 0; i < 4; i++) {
        kvant_buffer_destroy(all[i]->buffer);
    }
    kvant_context_destroy(context);
    return 0;
}

static kvant_rotate_desc rotation(kvant_tensor source, kvant_tensor target)
{
    kvant_rotate_desc desc = KVANT_ROTATE_DESC_INIT;
    desc.source = source;
    desc.target = target;
    desc.tokens = TOKENS;
    desc.heads = HEADS;
    desc.dim = DIM;
    desc.seed = 11;
    return desc;
}

static void read_rows(const kvant_tensor *tensor, float *rows)
{
    assert_int_equal(kvant_buffer_read(tensor->buffer, 0, rows, ELEMENTS * 4u), KVANT_OK);
}

static void rows_come_back(void **state)
{
    (void)state;
    static float rotated[ELEMENTS];
    static float back[ELEMENTS];
    kvant_tensor home = new_tensor(NULL, ELEMENTS);
    kvant_rotate_desc there = rotation(k, out);
    assert_int_equal(kvant_rotate(context, &there), KVANT_OK);
    read_rows(&out, rotated);
    kvant_rotate_desc inverse = rotation(out, home);
    inverse.is_inverse = 1;
    assert_int_equal(kvant_rotate(context, &inverse), KVANT_OK);
    read_rows(&home, back);
    double before = 0.0;
    double after = 0.0;
    uint32_t moved = 0;
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        assert_true(fabsf(back[i] - numbers[i]) <= 1e-4f);
        moved += fabsf(rotated[i] - numbers[i]) > 0.01f;
        before += (double)numbers[i] * (double)numbers[i];
        after += (double)rotated[i] * (double)rotated[i];
    }
    assert_true(moved > ELEMENTS / 2);
    assert_true(fabs(after - before) <= 1e-5 * before);

    there.seed = 12; /* other signs */
    assert_int_equal(kvant_rotate(context, &there), KVANT_OK);
    read_rows(&out, back);
    assert_memory_not_equal(back, rotated, sizeof back);
    kvant_buffer_destroy(home.buffer);
}

static void hostile_descriptors_are_refused(void **state)
{
    (void)state;
    const kvant_rotate_desc good = rotation(k, out);
    kvant_rotate_desc bad[] = {good, good, good, good, good, good, good, good, good, good};
    bad[0].struct_size = 8;
    bad[1].tokens = 0;
    bad[2].heads = 0;
    bad[3].dim = 20;
    bad[4].dim = 512;
    bad[5].tokens = TOKENS + 1;
    bad[6].target = k;
    bad[7].target.dtype = KVANT_BF16;
    bad[8].target.channel_stride = 2;
    bad[9].is_cached = 2;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(kvant_rotate(context, &bad[i]), KVANT_ERROR_INVALID_ARGUMENT);
        assert_true(strlen(kvant_last_message()) > 10);
    }
    assert_int_equal(kvant_rotate(NULL, &good), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_rotate(context, NULL), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_rotate(context, &good), KVANT_OK);
}

/* ---- caches -------------------------------------------------------------------------------- */

static kvant_cache *new_cache(const char *recipe, kvant_non_finite non_finite)
{
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    assert_int_equal(kvant_recipe_parse(recipe, &desc.recipe), KVANT_OK);
    desc.layers = 1;
    desc.q_heads = HEADS;
    desc.kv_heads = HEADS;
    desc.k_dim = DIM;
    desc.prefill_tokens = TOKENS;
    desc.decode_tokens = 2 * TOKENS;
    desc.non_finite = non_finite;
    kvant_cache *cache = NULL;
    assert_int_equal(kvant_cache_create(context, &desc, &cache), KVANT_OK);
    return cache;
}

/* One query over the tokens of a cache. */
static void attend(const char *recipe, float *result)
{
    kvant_cache *cache = new_cache(recipe, KVANT_NON_FINITE_STRICT);
    assert_int_equal(kvant_cache_prefill(cache, 0, 0, TOKENS, &k, &v, &q), KVANT_OK);
    kvant_tensor mild = new_tensor(NULL, ROW);
    float query[ROW];
    for (uint32_t i = 0; i < ROW; i++) {
        query[i] = numbers[7 * ROW + i] / (i % DIM == 5u || i % DIM == 20u ? 30.0f : 1.0f);
    }
    assert_int_equal(kvant_buffer_write(mild.buffer, 0, query, sizeof query), KVANT_OK);
    assert_int_equal(kvant_cache_attend(cache, 0, 0, 1, 1, &mild, &out, NULL), KVANT_OK);
    assert_int_equal(kvant_buffer_read(out.buffer, 0, result, ROW * 4u), KVANT_OK);
    kvant_buffer_destroy(mild.buffer);
    kvant_cache_destroy(cache);
}

static double error_of(const char *recipe, const float *exact)
{
    float result[ROW];
    attend(recipe, result);
    double error = 0.0;
    for (uint32_t i = 0; i < ROW; i++) {
        error += pow((double)result[i] - (double)exact[i], 2.0);
    }
    return error;
}

static void outliers_cost_less(void **state)
{
    (void)state;
    float exact[ROW];
    attend("f16", exact);
    double plain = error_of("int4", exact);
    double rotated = error_of("rotate", exact);
    print_message("squared error of an output, outlier channels: int4 %.3g, rotate %.3g\n", plain,
                  rotated);
    assert_true(rotated < 0.5 * plain);
}

static uint64_t digest_of(kvant_cache *cache)
{
    uint64_t digest = 0;
    assert_int_equal(kvant_cache_digest(cache, &digest), KVANT_OK);
    return digest;
}

static kvant_tensor from_row(kvant_tensor tensor, uint32_t row)
{
    tensor.offset = (uint64_t)row * ROW;
    return tensor;
}

/* A call with more tokens than one launch rotates stores what calls of one token store. */
static void pieces_store_the_same(void **state)
{
    (void)state;
    const char *recipe = "k=int4/head/rot,v=int8/tok8,window=10,sinks=2,period=12";
    kvant_cache *caches[3] = {new_cache(recipe, KVANT_NON_FINITE_STRICT),
                              new_cache(recipe, KVANT_NON_FINITE_SANITISE),
                              new_cache(recipe, KVANT_NON_FINITE_STRICT)};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(kvant_cache_append(caches[i], 0, 0, TOKENS, &k, &v), KVANT_OK);
    }
    for (uint32_t row = 0; row < TOKENS; row++) {
        kvant_tensor one_k = from_row(k, row);
        kvant_tensor one_v = from_row(v, row);
        assert_int_equal(kvant_cache_append(caches[2], 0, 0, 1, &one_k, &one_v), KVANT_OK);
    }
    assert_true(digest_of(caches[0]) == digest_of(caches[2]));
    assert_true(digest_of(caches[1]) == digest_of(caches[2]));
    for (int i = 0; i < 3; i++) {
        kvant_cache_destroy(caches[i]);
    }
}

/* A row whose numbers are halves, but not those of its rotation: its block is one sign pattern. */
static void rotated_overflow_is_seen(void **state)
{
    (void)state;
    static float large[ELEMENTS];
    kvant_rotate_desc inverse = rotation(k, out);
    memset(large, 0, sizeof large);
    large[3] = 2e5f; /* in the rotated basis; 3.5e4 a channel in the other */
    kvant_tensor source = new_tensor(large, ELEMENTS);
    kvant_tensor bad = new_tensor(NULL, ELEMENTS);
    inverse.source = source;
    inverse.target = bad;
    inverse.is_inverse = 1;
    inverse.seed = 0;
    assert_int_equal(kvant_rotate(context, &inverse), KVANT_OK);

    kvant_cache *strict = new_cache("rotate", KVANT_NON_FINITE_STRICT);
    uint64_t digest = digest_of(strict);
    assert_int_equal(kvant_cache_prefill(strict, 0, 0, TOKENS, &bad, &v, &q),
                     KVANT_ERROR_NOT_FINITE);
    assert_non_null(strstr(kvant_last_message(), "rotation"));
    assert_int_equal(kvant_cache_append(strict, 0, 0, 1, &v, &bad), KVANT_ERROR_NOT_FINITE);
    assert_true(digest_of(strict) == digest);
    assert_int_equal(kvant_cache_append(strict, 0, 0, 1, &v, &v), KVANT_OK);
    kvant_cache_destroy(strict);

    uint64_t count = 0;
    kvant_cache *loose = new_cache("rotate", KVANT_NON_FINITE_SANITISE);
    assert_int_equal(kvant_cache_prefill(loose, 0, 0, TOKENS, &bad, &v, &q), KVANT_OK);
    assert_int_equal(kvant_cache_sanitised(loose, &count), KVANT_OK);
    assert_int_equal(count, 1);
    large[3] = NAN;
    large[ROW + 1] = INFINITY;
    assert_int_equal(kvant_buffer_write(source.buffer, 0, large, sizeof large), KVANT_OK);
    assert_int_equal(kvant_cache_append(loose, 0, 0, 2, &source, &v), KVANT_OK);
    assert_int_equal(kvant_cache_sanitised(loose, &count), KVANT_OK);
    assert_int_equal(count, 3);
    kvant_cache_destroy(loose);
    kvant_buffer_destroy(source.buffer);
    kvant_buffer_destroy(bad.buffer);
}

/* While a period is decoded, every query looks for its fourth token. In its own basis that one is
 * judged salient and keeps 8 bits. */
static void decoded_tokens_are_judged_in_one_basis(void **state)
{
    (void)state;
    enum { PERIOD = 20, SOUGHT = 3 };
    kvant_cache *cache = new_cache("k=int2+int8/head/rot,v=int2+int8/head,salient=0.1,recent=0.5,"
                                   "norm=none,heads=group,period=20",
                                   KVANT_NON_FINITE_STRICT);
    float rows[2][ROW]; /* of K and V */
    kvant_tensor one_k = new_tensor(NULL, ROW);
    kvant_tensor one_v = new_tensor(NULL, ROW);
    kvant_tensor query = new_tensor(NULL, ROW);
    float sought[ROW];
    for (uint32_t i = 0; i < ROW; i++) {
        sought[i] = (float)((int32_t)(i * 7u % 5u) - 2);
    }
    assert_int_equal(kvant_buffer_write(query.buffer, 0, sought, sizeof sought), KVANT_OK);
    for (uint32_t token = 0; token <= PERIOD; token++) {
        for (uint32_t i = 0; i < ROW; i++) {
            rows[0][i] = token == SOUGHT ? sought[i] : (float)((token + i) % 3u) * 0.1f;
            rows[1][i] = (float)((token * 5u + i * 3u) % 11u);
        }
        assert_int_equal(kvant_buffer_write(one_k.buffer, 0, rows[0], sizeof rows[0]), KVANT_OK);
        assert_int_equal(kvant_buffer_write(one_v.buffer, 0, rows[1], sizeof rows[1]), KVANT_OK);
        assert_int_equal(kvant_cache_append(cache, 0, 0, 1, &one_k, &one_v), KVANT_OK);
        assert_int_equal(kvant_cache_attend(cache, 0, 0, 1, 1, &query, &out, NULL), KVANT_OK);
    }
    float result[ROW];
    assert_int_equal(kvant_buffer_read(out.buffer, 0, result, sizeof result), KVANT_OK);
    for (uint32_t i = 0; i < ROW; i++) {
        float value = (float)((SOUGHT * 5u + i * 3u) % 11u); /* 0 .. 10; of 2 bits, 1.7 off */
        assert_true(fabsf(result[i] - value) <= 0.1f);
    }
    kvant_buffer_destroy(one_k.buffer);
    kvant_buffer_destroy(one_v.buffer);
    kvant_buffer_destroy(query.buffer);
    kvant_cache_destroy(cache);
}

/* Only what is rotated takes room for it. */
static void rotated_rows_are_planned(void **state)
{
    (void)state;
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    desc.layers = desc.sequences = 1;
    desc.q_heads = desc.kv_heads = 8;
    desc.k_dim = 128;
    desc.prefill_tokens = 1000;
    desc.decode_tokens = 100;
    kvant_cache_bytes bytes[3];
    const char *const recipes[] = {"int4", "k=int4/head/rot,v=int4/head", "rotate"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(kvant_recipe_parse(recipes[i], &desc.recipe), KVANT_OK);
        bytes[i] = (kvant_cache_bytes)KVANT_CACHE_BYTES_INIT;
        assert_int_equal(kvant_cache_plan(&desc, &bytes[i]), KVANT_OK);
    }
    uint64_t tensor = UINT64_C(1000) * 8 * 128 * 2;
    assert_true(bytes[1].transient_bytes == bytes[0].transient_bytes + tensor);
    assert_true(bytes[2].transient_bytes == bytes[0].transient_bytes + 2 * tensor);
    assert_true(bytes[2].codes == bytes[0].codes && bytes[2].parameters == bytes[0].parameters);
    assert_true(bytes[1].scratch - bytes[0].scratch == 16 * 8 * 128 * 2);
    assert_true(bytes[2].scratch - bytes[0].scratch == 16 * 8 * 256 * 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back),
        cmocka_unit_test(hostile_descriptors_are_refused),
        cmocka_unit_test(outliers_cost_less),
        cmocka_unit_test(pieces_store_the_same),
        cmocka_unit_test(rotated_overflow_is_seen),
        cmocka_unit_test(rotated_rows_are_planned),
        cmocka_unit_test(decoded_tokens_are_judged_in_one_basis),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
