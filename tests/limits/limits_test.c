/* SPDX-License-Identifier: MIT
 *
 * Devices with small limits: what is split must be split so that no call exceeds them, with the
 * results of the host. Usage: limits_test BACKEND [--slow | --set N|NAME [FILTER]]; --set takes one of
 * the sets, by its number or its name, slow or not, and of conformance what the filter matches. Returns
 * 77 where there is no such device.
 */
#include "cmocka_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_scenario.h"
#include "conformance.h"
#include "context_internal.h"
#include "native_watch.h"

enum { KIB = 1024, SKIPPED = 77 };

static const char *backend;

static bool on(const char *name)
{
    return strcmp(backend, name) == 0;
}

/* ---- what is forced ---- */

/* A limit that a backend does not have is not forced there: see native_watch.h. */
typedef struct {
    const char *name;
    native_limits limits;
    enum {
        NO,
        YES,
        SLOW,  /* kernels are compiled for a size that no other test has: when asked for */
        PARTLY /* the same, but some kernels always */
    } on_opencl;
    bool on_vulkan, on_cuda;
} forced_set;

static bool slow_too;     /* an argument asks for it */
static int only_set = -1; /* likewise */
static const char *only_cases;

static const forced_set sets[] = {
    {"its own limits", {0}, YES, true, true},
    {"bindings of 1 MiB", {.binding_bytes = 1024 * KIB}, NO, true, false},
    {"bindings of 128 KiB, 16 work-groups",
     {.binding_bytes = 128 * KIB, .groups = 16},
     NO,
     true,
     false},
    {"allocations of 256 KiB, 16 work-groups",
     {.allocation_bytes = 256 * KIB, .groups = 16},
     YES,
     true,
     true},
    {"allocations of 128 KiB", {.allocation_bytes = 128 * KIB}, YES, true, true},
    {"a GPU of 128 lanes, 32 KiB of shared memory",
     {.lanes = 128, .shared_bytes = 32 * KIB, .is_gpu = true},
     SLOW,
     true,
     false},
    {"a GPU of 32 lanes", {.lanes = 32, .is_gpu = true}, PARTLY, false, false},
    {"a GPU of 16 lanes", {.lanes = 16, .is_gpu = true}, SLOW, false, false},
    {"work-groups of 32 lanes, 48 KiB of shared memory",
     {.lanes = 32, .shared_bytes = 48 * KIB, .groups = 16},
     NO,
     true,
     true},
    {"work-groups of 8 lanes", {.lanes = 8}, NO, true, false},
};
enum { SETS = sizeof sets / sizeof sets[0] };

static bool applies(const forced_set *set)
{
    if (only_set >= 0 && set != &sets[only_set]) {
        return false;
    }
    return on("opencl")   ? set->on_opencl == YES || (slow_too && set->on_opencl != NO)
           : on("vulkan") ? set->on_vulkan
                          : set->on_cuda;
}

static void force(const forced_set *set)
{
    native_forget();
    native_force(&set->limits);
}

static void assert_kept(const char *set)
{
    const native_counts *counts = native_counted();
    native_force(NULL);
    print_message("%s, %s: %llu launches, at most %u work-groups of %u lanes; allocations of %llu "
                  "bytes, bindings of %llu\n",
                  backend, set, (unsigned long long)counts->launches, counts->most_groups,
                  counts->largest_group, (unsigned long long)counts->largest_allocation,
                  (unsigned long long)counts->largest_binding);
    if (counts->violations != 0) {
        fail_msg("%s, %s: %llu calls exceed a limit, the first: %s", backend, set,
                 (unsigned long long)counts->violations, counts->violation);
    }
}

/* ---- conformance ---- */

/* The quick list's cases that match the filter, within the limits of a set. */
static void conform(const forced_set *set, const char *filter, size_t least)
{
    static const kvant_backend *const backends[] = {
#define KVANT_BACKEND(name) &kvant_backend_##name,
#include "backends.def"
#undef KVANT_BACKEND
    };
    kvant_conformance_options options = KVANT_CONFORMANCE_OPTIONS_INIT;
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        options.backend = on(backends[i]->name) ? backends[i] : options.backend;
    }
    options.quick = 1;
    options.filter = filter;
    options.log = stderr;
    force(set);
    kvant_conformance_report report;
    kvant_status status = kvant_conformance_run(&options, &report);
    assert_int_equal(status, KVANT_OK);
    print_message("%s, %s: %zu cases passed, %zu failed, %zu too large\n", backend, set->name,
                  report.counts[KVANT_CASE_PASSED], report.counts[KVANT_CASE_FAILED],
                  report.counts[KVANT_CASE_SKIPPED]);
    size_t failed = report.counts[KVANT_CASE_FAILED];
    size_t passed = report.counts[KVANT_CASE_PASSED];
    kvant_conformance_release(&report);
    assert_kept(set->name);
    assert_int_equal(failed, 0);
    assert_true(passed > least);
}

/* What a CPU compiles in seconds for a GPU's work-groups. */
static const char *const quick_kernels[] = {"extrema/*", "encode/*", "select/*",
                                            "attention_merge/*", "rotate/*"};

static void kernels_conform(void **state)
{
    (void)state;
    for (int i = 1; i < SETS; i++) { /* with its own limits: tests/conformance */
        if (applies(&sets[i])) {
            conform(&sets[i], only_cases, only_cases == NULL ? 50 : 0);
        } else if (on("opencl") && only_set < 0 && sets[i].on_opencl == PARTLY) {
            for (size_t j = 0; j < sizeof quick_kernels / sizeof quick_kernels[0]; j++) {
                conform(&sets[i], quick_kernels[j], 0);
            }
        }
    }
}

/* ---- caches ---- */

/* More sequences than work-groups along a dimension; several buffers a layer. */
static const scenario scenarios[] = {
    {"kivi2", 20, 4, 2, 32, 32, 90, 40, 1, KVANT_F32, 30.0f, KVANT_NON_FINITE_STRICT},
    {"zipcache,window=16,period=16", 20, 4, 2, 32, 32, 120, 36, 1, KVANT_F32, 1.0f,
     KVANT_NON_FINITE_STRICT},
    {"f16", 18, 4, 4, 16, 24, 100, 8, 4, KVANT_F16, 1.0f, KVANT_NON_FINITE_SANITISE},
};
enum { SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

static void caches_are_the_hosts(void **state)
{
    (void)state;
    kvant_context *host = scenario_open("host");
    assert_non_null(host);
    for (int j = 0; j < SCENARIOS; j++) {
        scenario_result expected = scenario_run(host, &scenarios[j]);
        for (int i = 0; i < SETS; i++) {
            if (!applies(&sets[i])) {
                continue;
            }
            force(&sets[i]);
            kvant_context *context = scenario_open(backend);
            assert_non_null(context);
            scenario_result got = scenario_run(context, &scenarios[j]);
            kvant_context_destroy(context);
            assert_kept(sets[i].name);
            assert_true(got.count == expected.count);
            if (got.digest != expected.digest ||
                memcmp(got.outputs, expected.outputs, got.count * sizeof(float)) != 0) {
                fail_msg("%s, %s: %s has other results than on the host", backend, sets[i].name,
                         scenarios[j].recipe);
            }
            scenario_release(&got);
        }
        scenario_release(&expected);
    }
    kvant_context_destroy(host);
}

/* Attention to more sequences at once than a launch takes: cut into several, with the same results
 * as one sequence at a time. */
static void sequences_are_split_too(void **state)
{
    (void)state;
    enum { LAYERS = 8, SEQUENCES = 20, HEADS = 2, DIM = 16, ROW = HEADS * DIM, TOKENS = 100 };
    const scenario s = {"f16",  SEQUENCES, HEADS, HEADS,     DIM,  DIM,
                        TOKENS, 1,         1,     KVANT_F32, 1.0f, KVANT_NON_FINITE_STRICT};
    static float got[2][SEQUENCES * ROW];
    kvant_context *context = scenario_open(backend);
    assert_non_null(context);
    context->limits.max_groups = 4;
    kvant_cache_desc desc = scenario_desc(&s);
    desc.layers = LAYERS;
    kvant_cache *cache = NULL;
    assert_int_equal(kvant_cache_create(context, &desc, &cache), KVANT_OK);
    for (uint32_t i = 0; i < SEQUENCES; i++) {
        kvant_tensor k = scenario_upload(context, &s, 0, i, 1, 0, TOKENS);
        kvant_tensor v = scenario_upload(context, &s, 1, i, 1, 0, TOKENS);
        assert_int_equal(kvant_cache_prefill(cache, 0, i, TOKENS, &k, &v, NULL), KVANT_OK);
        kvant_buffer_destroy(k.buffer);
        kvant_buffer_destroy(v.buffer);
    }
    kvant_tensor q = scenario_upload(context, &s, 2, 0, SEQUENCES, TOKENS, 1);
    kvant_tensor out = {.dtype = KVANT_F32};
    assert_int_equal(kvant_buffer_create(context, sizeof got[0], &out.buffer), KVANT_OK);
    kvant_status status = kvant_cache_attend(cache, 0, 0, SEQUENCES, 1, &q, &out, NULL);
    if (status != KVANT_OK) {
        fail_msg("attend: %s", kvant_last_message());
    }
    assert_int_equal(kvant_buffer_read(out.buffer, 0, got[0], sizeof got[0]), KVANT_OK);
    for (uint32_t i = 0; i < SEQUENCES; i++) {
        q.offset = out.offset = (uint64_t)i * ROW;
        assert_int_equal(kvant_cache_attend(cache, 0, i, 1, 1, &q, &out, NULL), KVANT_OK);
    }
    assert_int_equal(kvant_buffer_read(out.buffer, 0, got[1], sizeof got[1]), KVANT_OK);
    assert_memory_equal(got[0], got[1], sizeof got[0]);
    kvant_buffer_destroy(q.buffer);
    kvant_buffer_destroy(out.buffer);
    kvant_cache_destroy(cache);
    kvant_context_destroy(context);
}

/* ---- refusals ---- */

static void assert_refused(kvant_status status, kvant_status expected, const char *words)
{
    if (status != expected || strstr(kvant_last_message(), words) == NULL) {
        fail_msg("%s instead of %s with \"%s\": %s", kvant_status_name(status),
                 kvant_status_name(expected), words, kvant_last_message());
    }
}

/* What does not fit is refused with a reason, before anything is allocated or launched. */
static void shapes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    const forced_set set = {
        "128 KiB, 16 work-groups",
        {.binding_bytes = 128 * KIB, .allocation_bytes = 128 * KIB, .groups = 16},
        YES,
        true,
        true};
    force(&set);
    kvant_context *context = scenario_open(backend);
    assert_non_null(context);
    context->limits.max_groups = 16; /* OpenCL has no limit that could be forced */
    assert_int_equal(kvant_context_prepare(context), KVANT_OK);
    native_forget();

    static const struct {
        scenario shape;
        const char *words;
    } cases[] = {
        {{"f16", 1, 4, 4, 64, 64, 400, 1, 1, KVANT_F32, 1.0f, KVANT_NON_FINITE_STRICT},
         "one layer of one sequence takes"},
        {{"kivi2", 1, 4, 2, 32, 32, 90, 40, 5, KVANT_F32, 1.0f, KVANT_NON_FINITE_STRICT},
         "up to 20 work-groups a launch, this device takes 16"},
        {{"kivi2", 1, 2, 1, 8, 8, 5000, 1, 1, KVANT_F32, 1.0f, KVANT_NON_FINITE_STRICT},
         "work-groups a launch, this device takes 16"},
        {{"zipcache,random=0.5", 1, 16, 1, 16, 16, 900, 1, 1, KVANT_F32, 1.0f,
          KVANT_NON_FINITE_STRICT},
         "the scratch of a prompt or of attention takes"},
        {{"zipcache,random=0.9,window=8,period=200", 1, 16, 1, 8, 8, 0, 300, 1, KVANT_F32, 1.0f,
          KVANT_NON_FINITE_STRICT},
         "this device"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kvant_cache_desc desc = scenario_desc(&cases[i].shape);
        kvant_cache *cache = (kvant_cache *)&desc;
        assert_refused(kvant_cache_supports(context, &desc), KVANT_ERROR_LIMIT, cases[i].words);
        assert_refused(kvant_cache_create(context, &desc, &cache), KVANT_ERROR_LIMIT,
                       cases[i].words);
        assert_null(cache);
    }
    kvant_buffer *buffer = NULL;
    assert_refused(kvant_buffer_create(context, 128 * KIB + 4, &buffer), KVANT_ERROR_LIMIT,
                   "a buffer of 131076 bytes is more than the 131072");
    assert_null(buffer);
    assert_int_equal(native_counted()->allocations, 0);
    assert_int_equal(native_counted()->launches, 0);
    assert_int_equal(kvant_buffer_create(context, 128 * KIB, &buffer), KVANT_OK);
    kvant_buffer_destroy(buffer);
    kvant_context_destroy(context);
    assert_kept(set.name);
}

/* A call of two launches whose second one is too large does not make the first. */
static void an_operation_runs_whole_or_not_at_all(void **state)
{
    (void)state;
    kvant_context *context = scenario_open(backend);
    assert_non_null(context);
    context->limits.max_groups = 16;
    kvant_segment segment = {.capacity = 4,
                             .k_codec = KVANT_CODEC_F16,
                             .v_codec = KVANT_CODEC_F16,
                             .positions = 64,
                             .k_codes = 128,
                             .v_codes = 256,
                             .k_channel_scale = KVANT_NO_OFFSET,
                             .v_channel_scale = KVANT_NO_OFFSET};
    kvant_attention_desc desc = KVANT_ATTENTION_DESC_INIT;
    desc.sequences = 1;
    desc.queries_per_sequence = 20; /* 20 work-groups of the merge, 3 before it */
    desc.q_heads = desc.kv_heads = 1;
    desc.k_dim = desc.v_dim = 8;
    desc.max_segments = 1;
    desc.max_splits = kvant_attention_splits(&segment, 1);
    kvant_buffer *buffers[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(kvant_buffer_create(context, 64 * KIB, &buffers[i]), KVANT_OK);
    }
    desc.store = buffers[0];
    desc.queries = (kvant_tensor){.buffer = buffers[1], .dtype = KVANT_F32};
    desc.out = (kvant_tensor){.buffer = buffers[2], .dtype = KVANT_F32};
    desc.scratch = buffers[3];
    kvant_context_stats before = KVANT_CONTEXT_STATS_INIT;
    kvant_context_stats after = KVANT_CONTEXT_STATS_INIT;
    assert_int_equal(kvant_context_get_stats(context, &before), KVANT_OK);
    assert_refused(kvant_attention(context, &desc), KVANT_ERROR_LIMIT,
                   "attention_merge: the launch exceeds the 16 work-groups");
    assert_int_equal(kvant_context_get_stats(context, &after), KVANT_OK);
    assert_true(after.launches == before.launches);
    desc.queries_per_sequence = 16;
    assert_int_equal(kvant_attention(context, &desc), KVANT_OK);
    for (int i = 0; i < 4; i++) {
        kvant_buffer_destroy(buffers[i]);
    }
    kvant_context_destroy(context);
}

/* A device on which no kernel could run is not opened, and the reason is its own. */
static void devices_that_are_too_small_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *backend;
        native_limits limits;
        const char *words;
    } cases[] = {
        {"opencl", {.shared_bytes = 16 * KIB}, "less than 32 KiB of local memory"},
        {"vulkan", {.shared_bytes = 16 * KIB}, "16384 bytes of shared memory"},
        {"vulkan", {.lanes = 64, .is_gpu = true}, "64 lanes"},
        {"vulkan", {.lanes = 4}, "4 lanes"},
        {"cuda", {.lanes = 16}, "blocks of 16 threads"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (!on(cases[i].backend)) {
            continue;
        }
        native_forget();
        native_force(&cases[i].limits);
        kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
        desc.backend = backend;
        kvant_context *context = (kvant_context *)&desc;
        assert_refused(kvant_context_create(&desc, &context), KVANT_ERROR_NO_DEVICE,
                       cases[i].words);
        assert_null(context);
        assert_int_equal(native_counted()->launches, 0);
        assert_kept(cases[i].words);
    }
}

static bool find_set(const char *text)
{
    char *end = NULL;
    only_set = (int)strtol(text, &end, 10);
    if (end != text && *end == '\0') {
        return only_set >= 0 && only_set < SETS;
    }
    for (only_set = 0; only_set < SETS; only_set++) {
        if (strcmp(sets[only_set].name, text) == 0) {
            return true;
        }
    }
    return false;
}

static bool read_arguments(int argc, char **argv)
{
    slow_too = argc > 2;
    if (argc > 3 && argc <= 5 && strcmp(argv[2], "--set") == 0) {
        only_cases = argc > 4 ? argv[4] : NULL;
        return find_set(argv[3]);
    }
    return argc <= 2 || (argc == 3 && strcmp(argv[2], "--slow") == 0);
}

int main(int argc, char **argv)
{
    backend = argc > 1 ? argv[1] : "opencl";
    if (!read_arguments(argc, argv)) {
        fprintf(stderr, "usage: %s BACKEND [--slow | --set 0..%d|NAME [FILTER]]\n", argv[0],
                SETS - 1);
        return 2;
    }
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = backend;
    kvant_context *context = NULL;
    if (kvant_context_create(&desc, &context) != KVANT_OK) {
        fprintf(stderr, "skipped: %s\n", kvant_last_message());
        return SKIPPED;
    }
    kvant_context_destroy(context);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_that_are_too_small_are_refused),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused),
        cmocka_unit_test(an_operation_runs_whole_or_not_at_all),
        cmocka_unit_test(sequences_are_split_too),
        cmocka_unit_test(caches_are_the_hosts),
        cmocka_unit_test(kernels_conform),
    };
    enum { TESTS = sizeof tests / sizeof tests[0] };
    size_t first = only_set < 0 ? 0 : only_cases == NULL ? TESTS - 2 : TESTS - 1;
    return _cmocka_run_group_tests(backend, tests + first, TESTS - first, NULL, NULL);
}
