/* SPDX-License-Identifier: MIT
 *
 * OpenCL's variants for extensions that no device here has. The driver's answers are changed: a CPU
 * calls itself a GPU with the extensions, and programs that ask for one get an emulation of its
 * functions in front (emulated_*.clh). So the variants' texts run, and are compared with the host bit
 * for bit; how fast they are it cannot say.
 *
 * The linker option --wrap sends the backend's uses of kvant_dynlib_symbol here, as in tests/limits.
 * PoCL must run one work-group at a time. Returns 77 where there is no OpenCL device.
 */
#include "../support/cmocka_headers.h"

#include <stdio.h>
#include <string.h>

#include "conformance.h"
#include "context_internal.h"
#include "dynlib.h"
#include "embedded.h"
#include "opencl_api.h"

enum { SKIPPED = 77, LANES = 32 };

extern const kvant_embedded emulated_extensions[];

/* ---- what the driver says ---- */

static struct {
    const char *extensions; /* of the device; NULL: it is the CPU that it is */
    cl_bool is_dot_fast;
    int is_emulated;
    const char *planted; /* in front of an emulation */
} forced;

static kvant_opencl_api real;

static cl_int give(const void *answer, size_t length, size_t size, void *value, size_t *out_size)
{
    if (value != NULL && size < length) {
        return CL_INVALID_VALUE;
    }
    if (value != NULL) {
        memcpy(value, answer, length);
    }
    if (out_size != NULL) {
        *out_size = length;
    }
    return CL_SUCCESS;
}

static cl_int CL_API_CALL forced_clGetDeviceInfo(cl_device_id id, cl_device_info what, size_t size,
                                                 void *value, size_t *out_size)
{
    const cl_device_type gpu = CL_DEVICE_TYPE_GPU;
    const size_t lanes = LANES;
    const cl_bool is_fast[6] = {CL_FALSE, forced.is_dot_fast, forced.is_dot_fast};
    if (forced.extensions == NULL) {
        return real.clGetDeviceInfo(id, what, size, value, out_size);
    }
    switch (what) {
    case CL_DEVICE_TYPE:
        return give(&gpu, sizeof gpu, size, value, out_size);
    case CL_DEVICE_MAX_WORK_GROUP_SIZE:
        return give(&lanes, sizeof lanes, size, value, out_size);
    case CL_DEVICE_EXTENSIONS:
        return give(forced.extensions, strlen(forced.extensions) + 1u, size, value, out_size);
    case 0x1075: /* CL_DEVICE_INTEGER_DOT_PRODUCT_ACCELERATION_PROPERTIES_4x8BIT_PACKED_KHR */
        return give(is_fast, sizeof is_fast, size, value, out_size);
    default:
        return real.clGetDeviceInfo(id, what, size, value, out_size);
    }
}

static const char *emulation_of(const char *source)
{
    const char *file =
        strstr(source, "cl_khr_integer_dot_product : enable") != NULL ? "emulated_dot.clh"
        : strstr(source, "cl_khr_subgroup_shuffle : enable") != NULL  ? "emulated_subgroups.clh"
                                                                      : NULL;
    return file != NULL ? (const char *)kvant_embedded_find(emulated_extensions, file)->bytes
                        : NULL;
}

static cl_program CL_API_CALL forced_clCreateProgramWithSource(cl_context context, cl_uint count,
                                                               const char **texts,
                                                               const size_t *sizes, cl_int *error)
{
    const char *emulation =
        forced.is_emulated && count == 1u ? emulation_of(texts[0]) : NULL; /* they end with a 0 */
    if (emulation == NULL) {
        return real.clCreateProgramWithSource(context, count, texts, sizes, error);
    }
    const char *all[] = {forced.planted != NULL ? forced.planted : "", emulation, texts[0]};
    return real.clCreateProgramWithSource(context, 3, all, NULL, error);
}

kvant_symbol real_symbol(void *library, const char *name) __asm__("__real_kvant_dynlib_symbol");
kvant_symbol wrapped_symbol(void *library, const char *name) __asm__("__wrap_kvant_dynlib_symbol");

kvant_symbol wrapped_symbol(void *library, const char *name)
{
    kvant_symbol symbol = real_symbol(library, name);
    if (symbol != NULL && strcmp(name, "clGetDeviceInfo") == 0) {
        memcpy(&real.clGetDeviceInfo, &symbol, sizeof symbol);
        return (kvant_symbol)forced_clGetDeviceInfo;
    }
    if (symbol != NULL && strcmp(name, "clCreateProgramWithSource") == 0) {
        memcpy(&real.clCreateProgramWithSource, &symbol, sizeof symbol);
        return (kvant_symbol)forced_clCreateProgramWithSource;
    }
    return symbol;
}

/* ---- which capabilities a device gets ---- */

static const char all_extensions[] =
    "cl_khr_icd cl_khr_integer_dot_product cl_khr_subgroups cl_khr_subgroup_shuffle";

static uint32_t capabilities(void)
{
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = "opencl";
    kvant_context *context = NULL;
    assert_int_equal(kvant_context_create(&desc, &context), KVANT_OK);
    uint32_t found = context->limits.capabilities;
    kvant_context_destroy(context);
    return found;
}

static void extensions_are_capabilities(void **state)
{
    (void)state;
    const uint32_t dot = KVANT_CAPABILITY_CL_INT8_DOT;
    const uint32_t shuffle = KVANT_CAPABILITY_CL_SHUFFLE;
    forced.is_emulated = 1;
    forced.extensions = "cl_khr_icd";
    assert_int_equal(capabilities(), 0);
    forced.extensions = "cl_khr_integer_dot_product cl_khr_subgroups";
    assert_int_equal(capabilities(), dot | KVANT_CAPABILITY_SLOW(dot));
    forced.is_dot_fast = CL_TRUE;
    assert_int_equal(capabilities(), dot);
    forced.extensions = "cl_khr_subgroups cl_khr_subgroup_shuffle";
    assert_int_equal(capabilities(), shuffle);
    forced.extensions = all_extensions;
    assert_int_equal(capabilities(), dot | shuffle);
}

/* The driver lists what its compiler does not have, or what computes something else. */
static void a_list_of_extensions_is_not_believed(void **state)
{
    (void)state;
    forced.extensions = all_extensions;
    forced.is_emulated = 0;
    assert_int_equal(capabilities(), 0);
    forced.is_emulated = 1;
    forced.planted = "#define as_char4(x) as_uchar4(x)\n"
                     "#define barrier(flags) (void)(flags)\n";
    assert_int_equal(capabilities(), 0);
    forced.planted = NULL;
}

/* ---- what the variants compute ---- */

static void conform(const char *filter)
{
    kvant_conformance_options options = KVANT_CONFORMANCE_OPTIONS_INIT;
    options.backend = &kvant_backend_opencl;
    options.quick = 1;
    options.filter = filter;
    options.log = stderr;
    forced.extensions = all_extensions;
    forced.is_emulated = 1;
    kvant_conformance_report report;
    assert_int_equal(kvant_conformance_run(&options, &report), KVANT_OK);
    size_t passed = report.counts[KVANT_CASE_PASSED];
    size_t failed = report.counts[KVANT_CASE_FAILED];
    print_message("%s: %zu cases passed, %zu failed\n", filter, passed, failed);
    kvant_conformance_release(&report);
    assert_int_equal(failed, 0);
    assert_true(passed > 50);
}

static void dot_is_the_host(void **state)
{
    (void)state;
    conform("*/variant=dot");
}

static void subgroup_is_the_host(void **state)
{
    (void)state;
    conform("*/variant=subgroup");
}

int main(void)
{
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = "opencl";
    kvant_context *context = NULL;
    if (kvant_context_create(&desc, &context) != KVANT_OK) {
        fprintf(stderr, "skipped: %s\n", kvant_last_message());
        return SKIPPED;
    }
    kvant_context_destroy(context);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extensions_are_capabilities),
        cmocka_unit_test(a_list_of_extensions_is_not_believed),
        cmocka_unit_test(dot_is_the_host),
        cmocka_unit_test(subgroup_is_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
