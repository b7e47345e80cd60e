/* SPDX-License-Identifier: MIT
 *
 * Caches beyond 4 GiB, planned and not allocated: every offset is exact, fits its type, and overlaps
 * nothing, on both sides of 2^32 bytes and of 2^32 halves.
 */
#include <stdlib.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "layout.h"
#include "layout_plan.h"

static const uint64_t gib = UINT64_C(1) << 30;

static kvant_cache_desc large(const char *recipe, uint32_t tokens)
{
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    assert_int_equal(kvant_recipe_parse(recipe, &desc.recipe), KVANT_OK);
    desc.layers = 80;
    desc.sequences = 64;
    desc.q_heads = 32;
    desc.kv_heads = 32;
    desc.k_dim = 128;
    desc.prefill_tokens = tokens;
    desc.decode_tokens = 1000;
    return desc;
}

typedef struct {
    uint64_t first, words;
} range;

static int compare(const void *a, const void *b)
{
    const range *x = a;
    const range *y = b;
    return x->first < y->first ? -1 : x->first > y->first ? 1 : 0;
}

/* All code ranges of a region, in 64 bits, from the definition of the codes' words. */
static size_t list_codes(const kvant_layout *layout, range *ranges)
{
    size_t count = 0;
    for (uint32_t i = 0; i < layout->segment_count; i++) {
        const kvant_segment *at = &layout->segments[i].at;
        uint64_t elements = (uint64_t)layout->desc.kv_heads * at->capacity;
        ranges[count++] = (range){at->positions, at->capacity};
        ranges[count++] = (range){at->k_codes, elements * layout->desc.k_dim *
                                                   kv_codec_bits((uint32_t)at->k_codec) / 32u};
        ranges[count++] = (range){at->v_codes, elements * layout->desc.v_dim *
                                                   kv_codec_bits((uint32_t)at->v_codec) / 32u};
    }
    return count;
}

static void regions_beyond_4_gib_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *recipe;
        uint32_t tokens;
        uint64_t least, most; /* bytes of a region */
    } cases[] = {
        {"f16", 261000, 3, 4},        {"f16", 327680, 5, 6},       {"f16", 510000, 7, 8},
        {"int8-token", 560000, 4, 5}, {"zipcache", 1600000, 4, 7},
    };
    kvant_context_desc defaults = KVANT_CONTEXT_DESC_INIT;
    kvant_host host;
    kvant_host_init(&host, &defaults);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kvant_cache_desc desc = large(cases[i].recipe, cases[i].tokens);
        kvant_layout layout;
        if (kvant_layout_make(&host, &desc, &layout) != KVANT_OK) {
            fail_msg("%s: %s", cases[i].recipe, kvant_last_message());
        }
        uint64_t region = (uint64_t)layout.region_words * 4u;
        print_message("%s, %u tokens: %.2f GiB a region\n", cases[i].recipe, cases[i].tokens,
                      (double)region / (double)gib);
        assert_true(region >= cases[i].least * gib && region <= cases[i].most * gib);
        /* halves are counted in 32 bits */
        assert_true((uint64_t)layout.region_words * 2u <= UINT32_MAX);

        range *ranges = calloc(3u * (size_t)layout.segment_count, sizeof *ranges);
        assert_non_null(ranges);
        size_t count = list_codes(&layout, ranges);
        qsort(ranges, count, sizeof *ranges, compare);
        uint64_t end = layout.segments_offset;
        for (size_t j = 0; j < count; j++) {
            assert_true(ranges[j].first >= end);
            end = ranges[j].first + ranges[j].words;
        }
        assert_true(end <= layout.region_words);
        assert_true(cases[i].least < 4 || end * 4u > 4u * gib);
        free(ranges);

        /* the plan counts what the regions take, over all layers and sequences */
        const kvant_cache_bytes *b = &layout.bytes;
        assert_true(b->bytes - b->scratch == region * 80u * 64u);
        assert_true(b->bytes ==
                    b->codes + b->parameters + b->maps + b->window + b->padding + b->scratch);
        /* attention's scratch can be bound by every Vulkan device, or is of one sequence */
        assert_true(layout.scratch_bytes <= (UINT64_C(128) << 20) || layout.attend_sequences == 1);
        kvant_layout_free(&host, &layout);
    }
}

static void what_32_bits_do_not_reach_is_refused(void **state)
{
    (void)state;
    kvant_cache_bytes bytes = KVANT_CACHE_BYTES_INIT;
    kvant_cache_desc desc = large("f16", 600000); /* 9.2 GiB */
    assert_int_equal(kvant_cache_plan(&desc, &bytes), KVANT_ERROR_LIMIT);
    assert_non_null(strstr(kvant_last_message(), "more than 8 GiB"));
    desc = large("kivi2", 3000000); /* 7 GiB, but 1.2e10 elements of K in one segment */
    assert_int_equal(kvant_cache_plan(&desc, &bytes), KVANT_ERROR_LIMIT);
    assert_non_null(strstr(kvant_last_message(), "2^32 elements"));
    desc = large("f16", 510000);
    assert_int_equal(kvant_cache_plan(&desc, &bytes), KVANT_OK);
}

/* How a layer is cut into buffers, by what a kernel of the device can bind. */
static void large_layers_need_large_bindings(void **state)
{
    (void)state;
    kvant_context_desc context_desc = KVANT_CONTEXT_DESC_INIT;
    context_desc.backend = "host";
    kvant_context *context = NULL;
    assert_int_equal(kvant_context_create(&context_desc, &context), KVANT_OK);
    kvant_cache_desc desc = large("f16", 327680); /* 5 GiB a region */
    static const struct {
        uint64_t binding;
        kvant_status status;
    } cases[] = {
        {UINT64_C(128) << 20, KVANT_ERROR_LIMIT}, /* lavapipe */
        {(UINT64_C(4) << 30) - 4u, KVANT_ERROR_LIMIT},
        {UINT64_C(6) << 30, KVANT_OK},
        {UINT64_C(16) << 30, KVANT_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        context->limits.max_buffer_bytes = cases[i].binding;
        assert_int_equal(kvant_cache_supports(context, &desc), cases[i].status);
    }
    /* 65,535 work-groups: a split of attention each, so this many tokens and no more */
    context->limits.max_buffer_bytes = UINT64_C(16) << 30;
    context->limits.max_groups = 65535;
    desc = large("f16", 65535u * KV_SPLIT_TOKENS - 1000u);
    desc.kv_heads = desc.q_heads = 1;
    desc.k_dim = 8;
    assert_int_equal(kvant_cache_supports(context, &desc), KVANT_OK);
    desc.decode_tokens += 1;
    assert_int_equal(kvant_cache_supports(context, &desc), KVANT_ERROR_LIMIT);
    kvant_context_destroy(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regions_beyond_4_gib_are_exact),
        cmocka_unit_test(what_32_bits_do_not_reach_is_refused),
        cmocka_unit_test(large_layers_need_large_bindings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
