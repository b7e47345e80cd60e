/* SPDX-License-Identifier: MIT
 *
 * Which devices get attention's variant `matrix`, by what their driver says of cooperative matrices; what
 * it then is asked for; and that nothing but KVANT_VARIANT takes the variant. Returns 77 where there is no
 * Vulkan device.
 */
#include "../support/cmocka_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "context_internal.h"
#include "forced_vulkan.h"

enum { SKIPPED = 77 };

static kvant_status open_device(kvant_context **out_context)
{
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = "vulkan";
    return kvant_context_create(&desc, out_context);
}

/* Whether the device that is forced now has matrices, and whether its driver was asked for them. */
static int has_matrices(void)
{
    kvant_context *context = NULL;
    assert_int_equal(open_device(&context), KVANT_OK);
    uint32_t found = context->limits.capabilities & KVANT_CAPABILITY_VK_MATRIX;
    kvant_context_destroy(context);
    int is_asked = forced_vulkan_asked.matrices && forced_vulkan_asked.memory_model &&
                   forced_vulkan_asked.bytes;
    assert_int_equal(is_asked, found != 0u);
    assert_int_equal(forced_vulkan_asked.matrices, is_asked); /* never without the others */
    return found != 0u;
}

static void the_extension_and_its_features_are_needed(void **state)
{
    (void)state;
    const forced_vulkan_answers whole = forced_vulkan_device(16, 16, 32);
    forced_vulkan = whole;
    assert_true(has_matrices());
    forced_vulkan.is_cpu = 1;
    assert_true(has_matrices());
    forced_vulkan = whole;
    forced_vulkan.has_extension = 0;
    assert_false(has_matrices());
    forced_vulkan = whole;
    forced_vulkan.has_matrices = VK_FALSE;
    assert_false(has_matrices());
    forced_vulkan = whole;
    forced_vulkan.has_memory_model = VK_FALSE;
    assert_false(has_matrices());
    forced_vulkan = whole;
    forced_vulkan.has_bytes = VK_FALSE;
    assert_false(has_matrices());
    forced_vulkan = whole;
    forced_vulkan.stages = VK_SHADER_STAGE_FRAGMENT_BIT;
    assert_false(has_matrices());
    forced_vulkan = whole;
    forced_vulkan.subgroup_lanes = 48; /* do not divide a work-group */
    assert_false(has_matrices());
    forced_vulkan = whole;
    forced_vulkan.count = 0;
    assert_false(has_matrices());
}

/* Each entry of a list but one that the shader can take. */
static void unfit_matrices_are_passed_over(void **state)
{
    (void)state;
    const forced_vulkan_answers whole = forced_vulkan_device(16, 16, 32);
    VkCooperativeMatrixPropertiesKHR *entry = &forced_vulkan.list[0];
    forced_vulkan = whole;
    entry->AType = VK_COMPONENT_TYPE_SINT8_KHR;
    assert_false(has_matrices());
    forced_vulkan = whole;
    entry->BType = VK_COMPONENT_TYPE_SINT8_KHR;
    assert_false(has_matrices());
    forced_vulkan = whole;
    entry->CType = VK_COMPONENT_TYPE_SINT32_KHR;
    assert_false(has_matrices());
    forced_vulkan = whole;
    entry->ResultType = VK_COMPONENT_TYPE_SINT32_KHR;
    assert_false(has_matrices());
    forced_vulkan = whole;
    entry->saturatingAccumulation = VK_TRUE;
    assert_false(has_matrices());
    forced_vulkan = whole;
    entry->scope = VK_SCOPE_WORKGROUP_KHR;
    assert_false(has_matrices());
    forced_vulkan = forced_vulkan_device(32, 16, 32);
    assert_false(has_matrices());
    forced_vulkan = forced_vulkan_device(16, 4, 32);
    assert_false(has_matrices());
    forced_vulkan = forced_vulkan_device(8, 8, 8);
    assert_false(has_matrices());
    forced_vulkan.count = 2; /* the second will do */
    forced_vulkan.list[1] = whole.list[0];
    assert_true(has_matrices());
}

static void nothing_but_the_variable_takes_the_variant(void **state)
{
    (void)state;
    kvant_context *context = NULL;
    kvant_device_info info = KVANT_DEVICE_INFO_INIT;
    forced_vulkan = forced_vulkan_device(16, 16, 32);
    assert_int_equal(open_device(&context), KVANT_OK);
    assert_int_equal(kvant_context_device(context, &info), KVANT_OK);
    assert_null(strstr(info.variants, "matrix"));
    kvant_context_destroy(context);

    setenv("KVANT_VARIANT", "matrix", 1);
    assert_int_equal(open_device(&context), KVANT_OK);
    assert_int_equal(kvant_context_device(context, &info), KVANT_OK);
    assert_string_equal(info.variants, "attention=matrix");
    kvant_context_destroy(context);
    forced_vulkan.has_extension = 0;
    assert_int_equal(open_device(&context), KVANT_ERROR_NO_DEVICE);
    assert_non_null(strstr(kvant_last_message(), "the variant matrix needs matrix products"));
    assert_non_null(strstr(kvant_last_message(), "VK_KHR_cooperative_matrix"));
    unsetenv("KVANT_VARIANT");
}

int main(void)
{
    kvant_context *context = NULL;
    if (open_device(&context) != KVANT_OK) {
        fprintf(stderr, "skipped: %s\n", kvant_last_message());
        return SKIPPED;
    }
    kvant_context_destroy(context);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_extension_and_its_features_are_needed),
        cmocka_unit_test(unfit_matrices_are_passed_over),
        cmocka_unit_test(nothing_but_the_variable_takes_the_variant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
