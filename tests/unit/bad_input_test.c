/* SPDX-License-Identifier: MIT
 *
 * Bad input gets a status and a sentence, and changes nothing.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "kvant/kvant.h"

enum { TOKENS = 48, HEADS = 2, DIM = 16, ELEMENTS = TOKENS * HEADS * DIM };

typedef struct {
    kvant_context *context;
    kvant_cache *cache;
    kvant_tensor k;
    kvant_tensor v;
    kvant_tensor q;
    kvant_tensor out;
    float data[ELEMENTS];
} fixture;

static kvant_cache_desc description(kvant_non_finite mode)
{
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    assert_int_equal(kvant_recipe_parse("zipcache,period=8", &desc.recipe), KVANT_OK);
    desc.layers = 2;
    desc.q_heads = HEADS;
    desc.kv_heads = HEADS;
    desc.k_dim = DIM;
    desc.prefill_tokens = 32;
    desc.decode_tokens = 16;
    desc.non_finite = mode;
    return desc;
}

static kvant_tensor make_tensor(fixture *f)
{
    kvant_tensor t = {.dtype = KVANT_F32};
    assert_int_equal(kvant_buffer_create(f->context, sizeof f->data, &t.buffer), KVANT_OK);
    assert_int_equal(kvant_buffer_write(t.buffer, 0, f->data, sizeof f->data), KVANT_OK);
    return t;
}

static void open_fixture(fixture *f, kvant_non_finite mode)
{
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = "host";
    assert_int_equal(kvant_context_create(&desc, &f->context), KVANT_OK);
    for (int i = 0; i < ELEMENTS; i++) {
        f->data[i] = (float)((i * 37) % 101 - 50) / 16.0f;
    }
    f->k = make_tensor(f);
    f->v = make_tensor(f);
    f->q = make_tensor(f);
    f->out = make_tensor(f);
    kvant_cache_desc cache_desc = description(mode);
    assert_int_equal(kvant_cache_create(f->context, &cache_desc, &f->cache), KVANT_OK);
}

static void close_fixture(fixture *f)
{
    kvant_cache_destroy(f->cache);
    kvant_buffer_destroy(f->k.buffer);
    kvant_buffer_destroy(f->v.buffer);
    kvant_buffer_destroy(f->q.buffer);
    kvant_buffer_destroy(f->out.buffer);
    kvant_context_destroy(f->context);
}

static uint64_t digest_of(fixture *f)
{
    uint64_t digest = 0;
    assert_int_equal(kvant_cache_digest(f->cache, &digest), KVANT_OK);
    return digest;
}

/* The call is refused with that status and a sentence, and the cache is as it was. */
#define REFUSED(call, expected)                                                                    \
    do {                                                                                           \
        uint64_t before = digest_of(&f);                                                           \
        uint32_t length = kvant_cache_length(f.cache, 0, 0);                                       \
        assert_int_equal(call, expected);                                                          \
        assert_true(strlen(kvant_last_message()) > 10);                                            \
        assert_true(digest_of(&f) == before);                                                      \
        assert_int_equal(kvant_cache_length(f.cache, 0, 0), length);                               \
    } while (0)

static void put(fixture *f, kvant_tensor *tensor, uint32_t element, float value)
{
    assert_int_equal(kvant_buffer_write(tensor->buffer, element * 4u, &value, 4), KVANT_OK);
    (void)f;
}

static void strict_mode_refuses_what_is_not_finite(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, 65520.0f, 3e38f};
    fixture f = {0};
    open_fixture(&f, KVANT_NON_FINITE_STRICT);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        kvant_tensor *tensor = i % 2 == 0 ? &f.k : &f.v;
        put(&f, tensor, 77, bad[i]);
        REFUSED(kvant_cache_prefill(f.cache, 0, 0, 32, &f.k, &f.v, &f.q), KVANT_ERROR_NOT_FINITE);
        REFUSED(kvant_cache_append(f.cache, 0, 0, 4, &f.k, &f.v), KVANT_ERROR_NOT_FINITE);
        put(&f, tensor, 77, 1.0f);
    }
    assert_int_equal(kvant_cache_prefill(f.cache, 0, 0, 32, &f.k, &f.v, &f.q), KVANT_OK);
    put(&f, &f.k, 3, NAN);
    REFUSED(kvant_cache_append(f.cache, 0, 0, 1, &f.k, &f.v), KVANT_ERROR_NOT_FINITE);
    close_fixture(&f);
}

static void sanitise_mode_clamps_and_counts(void **state)
{
    (void)state;
    fixture f = {0};
    open_fixture(&f, KVANT_NON_FINITE_SANITISE);
    put(&f, &f.k, 3, NAN);
    put(&f, &f.v, 5, -INFINITY);
    assert_int_equal(kvant_cache_append(f.cache, 0, 0, 1, &f.k, &f.v), KVANT_OK);
    assert_int_equal(kvant_cache_attend(f.cache, 0, 0, 1, 1, &f.q, &f.out, NULL), KVANT_OK);
    uint64_t count = 0;
    assert_int_equal(kvant_cache_sanitised(f.cache, &count), KVANT_OK);
    assert_int_equal(count, 2);
    float out[HEADS * DIM];
    assert_int_equal(kvant_buffer_read(f.out.buffer, 0, out, sizeof out), KVANT_OK);
    for (int i = 0; i < HEADS * DIM; i++) {
        assert_true(isfinite(out[i]));
    }
    assert_true(out[5] == -65504.0f);
    close_fixture(&f);
}

static void sanitise_mode_counts_prompts_too(void **state)
{
    (void)state;
    fixture f = {0};
    open_fixture(&f, KVANT_NON_FINITE_SANITISE);
    put(&f, &f.k, 3, NAN);
    put(&f, &f.k, 70, 70000.0f);
    put(&f, &f.v, 5, -INFINITY);
    assert_int_equal(kvant_cache_prefill(f.cache, 0, 0, 32, &f.k, &f.v, &f.q), KVANT_OK);
    uint64_t count = 0;
    assert_int_equal(kvant_cache_sanitised(f.cache, &count), KVANT_OK);
    assert_int_equal(count, 3);
    close_fixture(&f);
}

/* Descriptors of the single operations that ask for what is not there. */
static void hostile_operations_are_refused(void **state)
{
    (void)state;
    fixture f = {0};
    open_fixture(&f, KVANT_NON_FINITE_STRICT);
    kvant_buffer *store = NULL;
    kvant_buffer *scratch = NULL;
    assert_int_equal(kvant_buffer_create(f.context, 1 << 16, &store), KVANT_OK);
    assert_int_equal(kvant_buffer_create(f.context, 1 << 16, &scratch), KVANT_OK);
    kvant_quantize_desc good = KVANT_QUANTIZE_DESC_INIT;
    good.source = f.k;
    good.tokens = 32;
    good.heads = HEADS;
    good.dim = DIM;
    good.capacity = 32;
    good.store = store;
    good.scratch = scratch;
    good.codes = 1024;
    assert_int_equal(kvant_quantize(f.context, &good), KVANT_OK);

#define REFUSED_OP(function, change)                                                               \
    do {                                                                                           \
        kvant_quantize_desc desc = good;                                                           \
        change;                                                                                    \
        kvant_status got = function(f.context, &desc);                                             \
        assert_true(got == KVANT_ERROR_INVALID_ARGUMENT || got == KVANT_ERROR_LIMIT);              \
    } while (0)

    REFUSED_OP(kvant_quantize, desc.group_length = 3);
    REFUSED_OP(kvant_quantize,
               (desc.grouping = KVANT_GROUPING_CHANNEL_TOKENS, desc.group_length = 0xffffffe0u));
    REFUSED_OP(kvant_quantize, desc.params = 0xfffffff0u);
    REFUSED_OP(kvant_quantize, desc.codes = (1 << 14) - 8);
    REFUSED_OP(kvant_quantize, desc.indices = (1 << 14) - 8);
    REFUSED_OP(kvant_quantize, desc.channel_scale = (1 << 14) - 8);
    REFUSED_OP(kvant_channel_scale, desc.channel_scale = KVANT_NO_OFFSET);
    REFUSED_OP(kvant_channel_scale, (desc.channel_scale = 0, desc.indices = (1 << 14) - 8));
    REFUSED_OP(kvant_quantize, desc.capacity = 30);
    REFUSED_OP(kvant_quantize, desc.first_token = 4);
    REFUSED_OP(kvant_quantize, (desc.grouping = KVANT_GROUPING_CHANNEL_SEGMENT, desc.tokens = 4,
                                desc.first_token = 4));
    REFUSED_OP(kvant_quantize, desc.scratch = store);
    REFUSED_OP(kvant_quantize, desc.role = (kvant_tensor_role)7);
    REFUSED_OP(kvant_quantize, desc.codec = KVANT_CODEC_NONE);
    REFUSED_OP(kvant_quantize, desc.heads = 0);
    REFUSED_OP(kvant_quantize, desc.tokens = 0);
    REFUSED_OP(kvant_quantize, desc.dim = 260);
#undef REFUSED_OP

    kvant_saliency_desc saliency = KVANT_SALIENCY_DESC_INIT;
    saliency.keys = f.k;
    saliency.queries = f.q;
    saliency.tokens = TOKENS;
    saliency.q_heads = saliency.kv_heads = HEADS;
    saliency.dim = DIM;
    saliency.probes_recent = 4;
    saliency.scratch = scratch;
    saliency.scores = store;
    assert_int_equal(kvant_saliency(f.context, &saliency), KVANT_OK);
    saliency.scale = 3e38f;
    assert_int_equal(kvant_saliency(f.context, &saliency), KVANT_ERROR_INVALID_ARGUMENT);
    saliency.scale = 0.0f;
    saliency.probes_random = TOKENS;
    assert_int_equal(kvant_saliency(f.context, &saliency), KVANT_ERROR_INVALID_ARGUMENT);

    saliency.probes_random = 0;
    saliency.pooling = KVANT_POOLING_MEAN;
    assert_int_equal(kvant_saliency(f.context, &saliency), KVANT_ERROR_INVALID_ARGUMENT);
    saliency.pool_tokens = 6;
    assert_int_equal(kvant_saliency(f.context, &saliency), KVANT_ERROR_INVALID_ARGUMENT);
    saliency.pool_tokens = 5;
    assert_int_equal(kvant_saliency(f.context, &saliency), KVANT_OK);

    kvant_range_desc range = KVANT_RANGE_DESC_INIT;
    range.source = f.k;
    range.tokens = TOKENS;
    range.kv_heads = HEADS;
    range.dim = DIM;
    range.scratch = scratch;
    range.scores = store;
    assert_int_equal(kvant_range(f.context, &range), KVANT_OK);
    range.percentile = 1.0;
    assert_int_equal(kvant_range(f.context, &range), KVANT_ERROR_INVALID_ARGUMENT);
    assert_true(kvant_range_scratch_bytes(&range) == 0);
    range.percentile = 0.0;
    range.dim = 12;
    assert_int_equal(kvant_range(f.context, &range), KVANT_ERROR_INVALID_ARGUMENT);
    range.dim = DIM;
    range.tokens = 0;
    assert_int_equal(kvant_range(f.context, &range), KVANT_ERROR_INVALID_ARGUMENT);

    kvant_ranks_desc ranks = KVANT_RANKS_DESC_INIT;
    ranks.words = store;
    ranks.tokens = TOKENS;
    ranks.blend = TOKENS;
    assert_int_equal(kvant_add_ranks(f.context, &ranks), KVANT_OK);
    ranks.blend = TOKENS - 1; /* over the scores */
    assert_int_equal(kvant_add_ranks(f.context, &ranks), KVANT_ERROR_INVALID_ARGUMENT);
    ranks.blend = TOKENS;
    ranks.weight = 257;
    assert_int_equal(kvant_add_ranks(f.context, &ranks), KVANT_ERROR_INVALID_ARGUMENT);

    kvant_select_desc select = KVANT_SELECT_DESC_INIT;
    select.scores = store;
    select.tokens = TOKENS;
    select.salient = 10;
    select.lists = scratch;
    select.regular_list = 10;
    select.class_map = 0; /* over the scores */
    assert_int_equal(kvant_select(f.context, &select), KVANT_ERROR_INVALID_ARGUMENT);
    select.class_map = TOKENS;
    assert_int_equal(kvant_select(f.context, &select), KVANT_OK);
    select.salient = TOKENS + 1;
    assert_int_equal(kvant_select(f.context, &select), KVANT_ERROR_INVALID_ARGUMENT);

    double elapsed = 0.0;
    assert_int_equal(kvant_context_elapsed(f.context, &elapsed), KVANT_ERROR_INVALID_STATE);
    kvant_buffer_destroy(store);
    kvant_buffer_destroy(scratch);
    close_fixture(&f);
}

static void calls_out_of_order_or_range_are_refused(void **state)
{
    (void)state;
    fixture f = {0};
    open_fixture(&f, KVANT_NON_FINITE_STRICT);
    REFUSED(kvant_cache_attend(f.cache, 0, 0, 1, 1, &f.q, &f.out, NULL), KVANT_ERROR_INVALID_STATE);
    REFUSED(kvant_cache_prefill(f.cache, 0, 0, 0, &f.k, &f.v, &f.q), KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(kvant_cache_prefill(f.cache, 0, 0, 33, &f.k, &f.v, &f.q), KVANT_ERROR_CAPACITY);
    REFUSED(kvant_cache_prefill(f.cache, 2, 0, 8, &f.k, &f.v, &f.q), KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(kvant_cache_prefill(f.cache, 0, 1, 8, &f.k, &f.v, &f.q), KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(kvant_cache_prefill(f.cache, 0, 0, 8, &f.k, &f.v, NULL), KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(kvant_cache_prefill(f.cache, 0, 0, 8, NULL, &f.v, &f.q), KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(kvant_cache_append(f.cache, 0, 0, 17, &f.k, &f.v), KVANT_ERROR_CAPACITY);
    REFUSED(kvant_cache_append(f.cache, 0, 0, 0, &f.k, &f.v), KVANT_ERROR_INVALID_ARGUMENT);

    assert_int_equal(kvant_cache_prefill(f.cache, 0, 0, 32, &f.k, &f.v, &f.q), KVANT_OK);
    REFUSED(kvant_cache_prefill(f.cache, 0, 0, 8, &f.k, &f.v, &f.q), KVANT_ERROR_INVALID_STATE);
    REFUSED(kvant_cache_attend(f.cache, 0, 0, 2, 1, &f.q, &f.out, NULL),
            KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(kvant_cache_attend(f.cache, 0, 0, 1, 2, &f.q, &f.out, NULL),
            KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(kvant_cache_attend(f.cache, 0, 0, 1, 0, &f.q, &f.out, NULL),
            KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(kvant_cache_reset(f.cache, 7), KVANT_ERROR_INVALID_ARGUMENT);
    close_fixture(&f);
}

static void tensors_beyond_their_buffers_are_refused(void **state)
{
    (void)state;
    fixture f = {0};
    open_fixture(&f, KVANT_NON_FINITE_STRICT);
    kvant_tensor t = f.k;
    t.offset = ELEMENTS - 1;
    REFUSED(kvant_cache_append(f.cache, 0, 0, 1, &t, &f.v), KVANT_ERROR_INVALID_ARGUMENT);
    t = f.k;
    t.token_stride = UINT64_C(1) << 60;
    REFUSED(kvant_cache_append(f.cache, 0, 0, 2, &t, &f.v), KVANT_ERROR_LIMIT);
    t = f.k;
    t.dtype = (kvant_dtype)9;
    REFUSED(kvant_cache_append(f.cache, 0, 0, 1, &t, &f.v), KVANT_ERROR_INVALID_ARGUMENT);
    t = f.k;
    t.buffer = NULL;
    REFUSED(kvant_cache_append(f.cache, 0, 0, 1, &t, &f.v), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_cache_append(f.cache, 0, 0, 1, &f.k, &f.v), KVANT_OK);
    t = f.out;
    t.dtype = KVANT_BF16;
    REFUSED(kvant_cache_attend(f.cache, 0, 0, 1, 1, &f.q, &t, NULL), KVANT_ERROR_INVALID_ARGUMENT);
    t = f.out;
    t.dtype = KVANT_F16;
    t.offset = 1;
    REFUSED(kvant_cache_attend(f.cache, 0, 0, 1, 1, &f.q, &t, NULL), KVANT_ERROR_INVALID_ARGUMENT);
    close_fixture(&f);
}

static void buffers_check_their_ranges(void **state)
{
    (void)state;
    fixture f = {0};
    open_fixture(&f, KVANT_NON_FINITE_STRICT);
    kvant_buffer *buffer = NULL;
    uint32_t word = 1;
    assert_int_equal(kvant_buffer_create(f.context, 0, &buffer), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_buffer_create(NULL, 4, &buffer), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_buffer_create(f.context, UINT64_MAX, &buffer), KVANT_ERROR_LIMIT);
    assert_null(buffer);
    assert_int_equal(kvant_buffer_create(f.context, 10, &buffer), KVANT_OK);
    assert_int_equal(kvant_buffer_size(buffer), 12);
    assert_int_equal(kvant_buffer_write(buffer, 12, &word, 4), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_buffer_write(buffer, 2, &word, 4), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_buffer_write(buffer, UINT64_MAX - 3, &word, 4),
                     KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_buffer_read(buffer, 0, NULL, 4), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_buffer_copy(buffer, 0, buffer, 4, 8), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_buffer_fill(buffer, 0, 7, 16), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_buffer_read(buffer, 8, &word, 4), KVANT_OK);
    assert_int_equal(word, 0); /* new memory is zero */
    kvant_buffer_destroy(buffer);
    kvant_buffer_destroy(NULL);
    close_fixture(&f);
}

static void every_status_has_its_words(void **state)
{
    (void)state;
    for (int i = 0; i >= -16; i--) {
        assert_int_equal(strncmp(kvant_status_name((kvant_status)i), "KVANT_", 6), 0);
        assert_true(strlen(kvant_status_message((kvant_status)i)) > 3);
        assert_non_null(kvant_status_advice((kvant_status)i));
    }
    assert_string_equal(kvant_status_name((kvant_status)-99), "unknown status");
}

static void *no_memory(void *user, size_t bytes)
{
    uint32_t *left = user;
    if (*left == 0) {
        return NULL;
    }
    --*left;
    return malloc(bytes);
}

static void free_memory(void *user, void *memory)
{
    (void)user;
    free(memory);
}

/* Every host allocation of making a cache fails once: a status, no leak, no crash. */
static void exhausted_memory_is_a_status(void **state)
{
    (void)state;
    for (uint32_t allowed = 0; allowed < 64; allowed++) {
        uint32_t left = allowed;
        kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
        desc.backend = "host";
        desc.allocator = (kvant_allocator){no_memory, free_memory, &left};
        kvant_context *context = NULL;
        kvant_status status = kvant_context_create(&desc, &context);
        if (status != KVANT_OK) {
            assert_null(context);
            continue;
        }
        kvant_cache_desc cache_desc = description(KVANT_NON_FINITE_STRICT);
        kvant_cache *cache = NULL;
        status = kvant_cache_create(context, &cache_desc, &cache);
        kvant_cache_destroy(cache);
        kvant_context_destroy(context);
        if (status == KVANT_OK) {
            assert_true(allowed > 10);
            return;
        }
        assert_true(status == KVANT_ERROR_OUT_OF_HOST_MEMORY ||
                    status == KVANT_ERROR_OUT_OF_DEVICE_MEMORY);
        assert_null(cache);
    }
    fail_msg("64 allocations were not enough");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strict_mode_refuses_what_is_not_finite),
        cmocka_unit_test(sanitise_mode_clamps_and_counts),
        cmocka_unit_test(sanitise_mode_counts_prompts_too),
        cmocka_unit_test(hostile_operations_are_refused),
        cmocka_unit_test(calls_out_of_order_or_range_are_refused),
        cmocka_unit_test(tensors_beyond_their_buffers_are_refused),
        cmocka_unit_test(buffers_check_their_ranges),
        cmocka_unit_test(every_status_has_its_words),
        cmocka_unit_test(exhausted_memory_is_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
