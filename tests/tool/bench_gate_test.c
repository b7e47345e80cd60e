/* SPDX-License-Identifier: MIT
 *
 * The bench's check before timing: it passes on a sound device, for every operation, and stops at
 * devices with a planted bug.
 */
#include <string.h>

#include "../support/cmocka_headers.h"
#include "bench_work.h"
#include "context_internal.h"
#include "../support/faulty_backend.h"

static const bench_shape shape = {2, 4, 2, 32, 32, 100, 1};

/* The host backend, or the same with a bug. */
static kvant_context *open_context(const kvant_backend *backend)
{
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    kvant_host host;
    kvant_host_init(&host, &desc);
    kvant_context *context = kvant_allocate(&host, sizeof *context);
    assert_non_null(context);
    context->host = host;
    context->host.services.self = &context->host;
    kvant_candidate candidate = {.backend = backend};
    assert_int_equal(kvant_open_candidate(context, &candidate, KVANT_CONTEXT_ALLOW_INEXACT),
                     KVANT_OK);
    return context;
}

/* 0 where the operation passed. */
static int gate(const kvant_backend *backend, const char *kind, const char *text,
                tool_error *out_error)
{
    kvant_recipe recipe;
    assert_int_equal(kvant_recipe_parse(text, &recipe), KVANT_OK);
    kvant_context *device = open_context(backend);
    kvant_context *reference = open_context(&kvant_backend_host);
    int result =
        bench_gate(device, reference, bench_kind_named(kind), &recipe, &shape, 7, out_error);
    kvant_context_destroy(device);
    kvant_context_destroy(reference);
    return result;
}

static void sound_devices_pass(void **state)
{
    (void)state;
    static const char *const recipes[] = {"f16", "int4", "kivi2", "zipcache,period=32"};
    for (const bench_kind *kind = bench_kinds; kind->name != NULL; kind++) {
        for (size_t i = kind->needs_classes ? 3u : 0u; i < 4u; i++) {
            tool_error error = {0, ""};
            int result = gate(&kvant_backend_faulty_none, kind->name, recipes[i], &error);
            if (result != 0) {
                print_error("%s of %s: %s\n", kind->name, recipes[i], error.text);
            }
            assert_int_equal(result, 0);
        }
    }
}

static void wrong_bits_stop_the_bench(void **state)
{
    (void)state;
    static const char *const kinds[] = {"quantize",  "dequantize", "saliency", "select",
                                        "attention", "compress",   "step"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        tool_error error = {0, ""};
        int result = gate(&kvant_backend_faulty_flip, kinds[i], "zipcache,period=32", &error);
        if (result == 0) {
            print_error("%s was not noticed\n", kinds[i]);
        }
        assert_int_not_equal(result, 0);
        assert_int_equal(error.code, TOOL_CHECK_FAILED);
        assert_non_null(strstr(error.text, kinds[i]));
        assert_non_null(strstr(error.text, "host reference"));
    }
}

/* Prompt attention is held to a bound: one wrong number of a query is beyond it. */
static void a_wrong_number_is_beyond_the_bound(void **state)
{
    (void)state;
    tool_error error = {0, ""};
    assert_int_not_equal(gate(&kvant_backend_faulty_input, "prompt-attention", "f16", &error), 0);
    assert_non_null(strstr(error.text, "bound"));
}

static void operations_have_names_and_baselines(void **state)
{
    (void)state;
    assert_null(bench_kind_named("frob"));
    for (const bench_kind *kind = bench_kinds; kind->name != NULL; kind++) {
        assert_ptr_equal(bench_kind_named(kind->name), kind);
        assert_true(kind->baseline == NULL || bench_kind_named(kind->baseline) != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_devices_pass),
        cmocka_unit_test(wrong_bits_stop_the_bench),
        cmocka_unit_test(a_wrong_number_is_beyond_the_bound),
        cmocka_unit_test(operations_have_names_and_baselines),
    };
    return cmocka_run_group_tests_name("bench-gate", tests, NULL, NULL);
}
