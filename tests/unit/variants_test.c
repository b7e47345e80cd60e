/* SPDX-License-Identifier: MIT
 *
 * Which variant of a kernel a launch gets, and what KVANT_VARIANT may say.
 */
#include <stdlib.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "kvant/context.h"
#include "params.h"
#include "variants.h"

/* What a device of each backend may have. */
static const uint32_t backend_capabilities[] = {
#define KVANT_TUNED_CUDA(kernel, variant, capability, least_rows, why) (capability) |
#include "variants.def"
    0,
#define KVANT_TUNED_OPENCL(kernel, variant, capability, least_rows, why) (capability) |
#include "variants.def"
    0,
#define KVANT_TUNED_VULKAN(kernel, variant, capability, least_rows, why) (capability) |
#include "variants.def"
    0};

static const kvant_variant_choice automatic = {0, KVANT_VARIANT_baseline};

static kvant_variant of_rows(uint32_t q_heads, uint32_t queries, uint32_t capabilities,
                             kvant_variant_choice choice)
{
    kv_attention_params p = {.q_heads = q_heads, .kv_heads = 2, .queries = queries};
    return kvant_variant_of_launch(KVANT_KERNEL_attention, &p, capabilities, choice);
}

static void a_capable_device_takes_the_variant_from_three_rows_on(void **state)
{
    (void)state;
    assert_int_equal(of_rows(8, 1, 0, automatic), KVANT_VARIANT_baseline);
    assert_int_equal(of_rows(8, 1, KVANT_CAPABILITY_INT8_MMA, automatic), KVANT_VARIANT_mma);
    assert_int_equal(of_rows(6, 1, KVANT_CAPABILITY_INT8_MMA, automatic), KVANT_VARIANT_mma);
    assert_int_equal(of_rows(4, 1, KVANT_CAPABILITY_INT8_MMA, automatic), KVANT_VARIANT_baseline);
    assert_int_equal(of_rows(4, 2, KVANT_CAPABILITY_INT8_MMA, automatic), KVANT_VARIANT_mma);
    kv_positions_params p = {.count = 8};
    assert_int_equal(kvant_variant_of_launch(KVANT_KERNEL_positions, &p, UINT32_MAX, automatic),
                     KVANT_VARIANT_baseline);
}

static void one_subgroup_takes_its_variant_for_any_number_of_rows(void **state)
{
    (void)state;
    const uint32_t capability = KVANT_CAPABILITY_SUBGROUP_OF_8;
    assert_int_equal(of_rows(2, 1, capability, automatic), KVANT_VARIANT_subgroup);
    assert_int_equal(of_rows(16, 4, capability, automatic), KVANT_VARIANT_subgroup);
    char text[64]; /* says what launches get: attention not dot, though this device could */
    kvant_variant_describe(capability | KVANT_CAPABILITY_INT8_DOT, automatic, text, sizeof text);
    assert_string_equal(text, "attention=subgroup, saliency_rows=dot, saliency_columns=dot");
}

static void what_a_device_is_no_faster_for_is_taken_only_if_forced(void **state)
{
    (void)state;
    const uint32_t fast = KVANT_CAPABILITY_INT8_DOT;
    const uint32_t slow = fast | KVANT_CAPABILITY_SLOW(fast);
    const kvant_variant_choice dot = {1, KVANT_VARIANT_dot};
    assert_int_equal(of_rows(8, 1, fast, automatic), KVANT_VARIANT_dot);
    assert_int_equal(of_rows(8, 1, slow, automatic), KVANT_VARIANT_baseline);
    assert_int_equal(of_rows(8, 1, slow, dot), KVANT_VARIANT_dot);
    assert_true(kvant_variant_is_possible(KVANT_KERNEL_attention, KVANT_VARIANT_dot, slow));
    assert_int_equal(kvant_variant_set(KVANT_KERNEL_attention, slow, automatic),
                     1u << KVANT_VARIANT_baseline);
    char text[64];
    kvant_variant_describe(slow, automatic, text, sizeof text);
    assert_string_equal(text, "baseline");
    kvant_variant_describe(slow, dot, text, sizeof text);
    assert_string_equal(text, "attention=dot, saliency_rows=dot, saliency_columns=dot");
}

static void a_forced_variant_is_taken_by_the_kernels_that_have_it(void **state)
{
    (void)state;
    const kvant_variant_choice mma = {1, KVANT_VARIANT_mma};
    const kvant_variant_choice baseline = {1, KVANT_VARIANT_baseline};
    assert_int_equal(of_rows(2, 1, KVANT_CAPABILITY_INT8_MMA, mma), KVANT_VARIANT_mma);
    assert_int_equal(of_rows(8, 1, KVANT_CAPABILITY_INT8_MMA, baseline), KVANT_VARIANT_baseline);
    kv_positions_params p = {.count = 8};
    assert_int_equal(kvant_variant_of_launch(KVANT_KERNEL_positions, &p, UINT32_MAX, mma),
                     KVANT_VARIANT_baseline);
}

static void a_variant_on_request_is_taken_only_where_it_is_forced(void **state)
{
    (void)state;
    const kvant_variant_choice forced = {1, KVANT_VARIANT_async};
    char text[64];
    assert_int_equal(of_rows(8, 1, KVANT_CAPABILITY_INT8_MMA, forced), KVANT_VARIANT_async);
    assert_int_equal(of_rows(1u << 30, 1u, KVANT_CAPABILITY_INT8_MMA, automatic),
                     KVANT_VARIANT_mma);
    assert_int_equal(kvant_variant_set(KVANT_KERNEL_attention, KVANT_CAPABILITY_INT8_MMA, forced),
                     1u << KVANT_VARIANT_async);
    assert_int_equal(
        kvant_variant_set(KVANT_KERNEL_attention, KVANT_CAPABILITY_INT8_MMA, automatic) >>
                KVANT_VARIANT_async &
            1u,
        0);
    kvant_variant_describe(KVANT_CAPABILITY_INT8_MMA, forced, text, sizeof text);
    assert_string_equal(text, "attention=async");
}

static void only_what_launches_may_get_is_built(void **state)
{
    (void)state;
    const uint32_t baseline = 1u << KVANT_VARIANT_baseline;
    const uint32_t mma = 1u << KVANT_VARIANT_mma;
    const kvant_kernel attention = KVANT_KERNEL_attention;
    assert_int_equal(kvant_variant_set(attention, 0, automatic), baseline);
    assert_int_equal(kvant_variant_set(attention, KVANT_CAPABILITY_INT8_MMA, automatic),
                     baseline | mma);
    assert_int_equal(kvant_variant_set(KVANT_KERNEL_positions, UINT32_MAX, automatic), baseline);
    const kvant_variant_choice forced = {1, KVANT_VARIANT_mma};
    assert_int_equal(kvant_variant_set(attention, KVANT_CAPABILITY_INT8_MMA, forced), mma);
    assert_int_equal(kvant_variant_set(KVANT_KERNEL_positions, UINT32_MAX, forced), baseline);
}

static void a_choice_is_read_or_refused_with_a_reason(void **state)
{
    (void)state;
    char message[200] = "";
    kvant_variant_choice choice;
    assert_true(kvant_variant_read(NULL, 0, &choice, message, sizeof message));
    assert_false(choice.is_forced);
    assert_true(kvant_variant_read("", 0, &choice, message, sizeof message));
    assert_false(choice.is_forced);
    assert_true(kvant_variant_read("baseline", 0, &choice, message, sizeof message));
    assert_true(choice.is_forced);
    assert_false(kvant_variant_read("mma", 0, &choice, message, sizeof message));
    assert_non_null(strstr(message, "compute capability 8.0"));
    assert_false(choice.is_forced);
    assert_false(kvant_variant_read("fast", UINT32_MAX, &choice, message, sizeof message));
    assert_string_equal(
        message,
        "unknown variant \"fast\"; there are baseline, mma, async, bulk, dot, subgroup, vnni, "
        "matrix");
    char small[16];
    assert_false(kvant_variant_read("fast", UINT32_MAX, &choice, small, sizeof small));
    assert_int_equal(strlen(small), sizeof small - 1u);
}

static void launches_are_described(void **state)
{
    (void)state;
    char text[64];
    kvant_variant_describe(0, automatic, text, sizeof text);
    assert_string_equal(text, "baseline");
    kvant_variant_describe(KVANT_CAPABILITY_INT8_MMA, automatic, text, sizeof text);
    assert_string_equal(text, "attention=mma from 3 rows");
    kvant_variant_describe(KVANT_CAPABILITY_SUBGROUP_OF_8, automatic, text, sizeof text);
    assert_string_equal(text, "attention=subgroup");
    kvant_variant_describe(UINT32_MAX, (kvant_variant_choice){1, KVANT_VARIANT_mma}, text,
                           sizeof text);
    assert_string_equal(text, "attention=mma");
    kvant_variant_describe(UINT32_MAX, (kvant_variant_choice){1, KVANT_VARIANT_baseline}, text,
                           sizeof text);
    assert_string_equal(text, "baseline");
}

static kvant_status open_host(const char *variant, kvant_context **out_context)
{
    setenv("KVANT_VARIANT", variant, 1);
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = "host";
    kvant_status status = kvant_context_create(&desc, out_context);
    unsetenv("KVANT_VARIANT");
    return status;
}

static void contexts_obey_the_variable(void **state)
{
    (void)state;
    kvant_context *context = NULL;
    assert_int_equal(open_host("fast", &context), KVANT_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(kvant_last_message(), "KVANT_VARIANT: unknown variant \"fast\""));
    assert_int_equal(open_host("mma", &context), KVANT_ERROR_NO_DEVICE);
    assert_non_null(strstr(kvant_last_message(), "which this device does not have"));
    assert_int_equal(open_host("baseline", &context), KVANT_OK);
    kvant_device_info info = KVANT_DEVICE_INFO_INIT;
    assert_int_equal(kvant_context_device(context, &info), KVANT_OK);
    assert_string_equal(info.variants, "baseline");
    kvant_context_destroy(context);
}

/* kvant_device_info has room for what the most capable device of any backend gets. */
static void descriptions_are_never_cut(void **state)
{
    (void)state;
    const size_t room = sizeof((kvant_device_info *)NULL)->variants;
    for (size_t i = 0; i < sizeof backend_capabilities / sizeof backend_capabilities[0]; i++) {
        char text[4096];
        kvant_variant_describe(backend_capabilities[i], automatic, text, sizeof text);
        assert_true(strlen(text) < room);
        for (int variant = 0; variant < KVANT_VARIANT_COUNT; variant++) {
            kvant_variant_choice forced = {1, (kvant_variant)variant};
            kvant_variant_describe(backend_capabilities[i], forced, text, sizeof text);
            assert_true(strlen(text) < room);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_capable_device_takes_the_variant_from_three_rows_on),
        cmocka_unit_test(one_subgroup_takes_its_variant_for_any_number_of_rows),
        cmocka_unit_test(what_a_device_is_no_faster_for_is_taken_only_if_forced),
        cmocka_unit_test(a_forced_variant_is_taken_by_the_kernels_that_have_it),
        cmocka_unit_test(a_variant_on_request_is_taken_only_where_it_is_forced),
        cmocka_unit_test(only_what_launches_may_get_is_built),
        cmocka_unit_test(a_choice_is_read_or_refused_with_a_reason),
        cmocka_unit_test(launches_are_described),
        cmocka_unit_test(descriptions_are_never_cut),
        cmocka_unit_test(contexts_obey_the_variable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
