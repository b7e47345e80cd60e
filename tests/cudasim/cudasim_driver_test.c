/* SPDX-License-Identifier: MIT
 *
 * The simulated driver's functions: streams do their work in order and no earlier than something
 * waits, events mark it, copies that need not wait do not, launches have their limits, and the
 * device claims no more than it is asked to.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "params.h"

enum { OK = 0, INVALID_VALUE = 1, INVALID_HANDLE = 400, NOT_READY = 600, WORDS = 256 };

typedef unsigned long long address;
typedef void *handle;

static struct {
    int (*cuInit)(unsigned int);
    int (*cuDeviceGetAttribute)(int *, int, int);
    int (*cuDevicePrimaryCtxRetain)(handle *, int);
    int (*cuDevicePrimaryCtxRelease_v2)(int);
    int (*cuCtxPushCurrent_v2)(handle);
    int (*cuCtxPopCurrent_v2)(handle *);
    int (*cuStreamCreate)(handle *, unsigned int);
    int (*cuStreamDestroy_v2)(handle);
    int (*cuStreamSynchronize)(handle);
    int (*cuStreamQuery)(handle);
    int (*cuEventCreate)(handle *, unsigned int);
    int (*cuEventDestroy_v2)(handle);
    int (*cuEventRecord)(handle, handle);
    int (*cuEventQuery)(handle);
    int (*cuEventSynchronize)(handle);
    int (*cuEventElapsedTime)(float *, handle, handle);
    int (*cuMemAlloc_v2)(address *, size_t);
    int (*cuMemFree_v2)(address);
    int (*cuMemAllocHost_v2)(void **, size_t);
    int (*cuMemFreeHost)(void *);
    int (*cuMemsetD32Async)(address, unsigned int, size_t, handle);
    int (*cuMemcpyHtoDAsync_v2)(address, const void *, size_t, handle);
    int (*cuMemcpyDtoHAsync_v2)(void *, address, size_t, handle);
    int (*cuMemcpyDtoDAsync_v2)(address, address, size_t, handle);
    int (*cuModuleLoadData)(handle *, const void *);
    int (*cuModuleUnload)(handle);
    int (*cuModuleGetFunction)(handle *, handle, const char *);
    int (*cuLaunchKernel)(handle, unsigned int, unsigned int, unsigned int, unsigned int,
                          unsigned int, unsigned int, unsigned int, handle, void **, void **);
} cu;

/* What a test works with. */
typedef struct {
    handle context, stream;
    address first, second; /* device memory of WORDS words */
    unsigned int *pinned;
} bench;

static bench b;

static void *driver;

static void load(void *function, const char *name)
{
    void *found = dlsym(driver, name);
    if (found == NULL) {
        fail_msg("the simulated driver has no %s", name);
    }
    memcpy(function, &found, sizeof found);
}

static int load_driver(void **state)
{
    (void)state;
    driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    assert_non_null(driver);
    assert_non_null(dlsym(driver, "cudasim_live_allocations")); /* never a real driver */
#define LOAD(name) load(&cu.name, #name)
    LOAD(cuInit);
    LOAD(cuDeviceGetAttribute);
    LOAD(cuDevicePrimaryCtxRetain);
    LOAD(cuDevicePrimaryCtxRelease_v2);
    LOAD(cuCtxPushCurrent_v2);
    LOAD(cuCtxPopCurrent_v2);
    LOAD(cuStreamCreate);
    LOAD(cuStreamDestroy_v2);
    LOAD(cuStreamSynchronize);
    LOAD(cuStreamQuery);
    LOAD(cuEventCreate);
    LOAD(cuEventDestroy_v2);
    LOAD(cuEventRecord);
    LOAD(cuEventQuery);
    LOAD(cuEventSynchronize);
    LOAD(cuEventElapsedTime);
    LOAD(cuMemAlloc_v2);
    LOAD(cuMemFree_v2);
    LOAD(cuMemAllocHost_v2);
    LOAD(cuMemFreeHost);
    LOAD(cuMemsetD32Async);
    LOAD(cuMemcpyHtoDAsync_v2);
    LOAD(cuMemcpyDtoHAsync_v2);
    LOAD(cuMemcpyDtoDAsync_v2);
    LOAD(cuModuleLoadData);
    LOAD(cuModuleUnload);
    LOAD(cuModuleGetFunction);
    LOAD(cuLaunchKernel);
#undef LOAD
    assert_int_equal(cu.cuInit(0), OK);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    memset(&b, 0, sizeof b);
    assert_int_equal(cu.cuDevicePrimaryCtxRetain(&b.context, 0), OK);
    assert_int_equal(cu.cuCtxPushCurrent_v2(b.context), OK);
    assert_int_equal(cu.cuStreamCreate(&b.stream, 0), OK);
    assert_int_equal(cu.cuMemAlloc_v2(&b.first, WORDS * 4u), OK);
    assert_int_equal(cu.cuMemAlloc_v2(&b.second, WORDS * 4u), OK);
    void *pinned = NULL;
    assert_int_equal(cu.cuMemAllocHost_v2(&pinned, WORDS * 4u), OK);
    b.pinned = pinned;
    memset(b.pinned, 0, WORDS * 4u);
    return 0;
}

static int end(void **state)
{
    (void)state;
    handle popped;
    assert_int_equal(cu.cuMemFreeHost(b.pinned), OK);
    assert_int_equal(cu.cuMemFree_v2(b.first), OK);
    assert_int_equal(cu.cuMemFree_v2(b.second), OK);
    assert_int_equal(cu.cuStreamDestroy_v2(b.stream), OK);
    assert_int_equal(cu.cuCtxPopCurrent_v2(&popped), OK);
    assert_int_equal(cu.cuDevicePrimaryCtxRelease_v2(0), OK);
    return 0;
}

static void fill(address to, unsigned int word)
{
    assert_int_equal(cu.cuMemsetD32Async(to, word, WORDS, b.stream), OK);
}

static void a_stream_keeps_its_order_and_waits_to_be_waited_for(void **state)
{
    (void)state;
    unsigned int *pinned = b.pinned;
    fill(b.first, 1);
    assert_int_equal(cu.cuMemcpyDtoDAsync_v2(b.second, b.first, WORDS * 4u, b.stream), OK);
    fill(b.first, 2);
    assert_int_equal(cu.cuMemcpyDtoHAsync_v2(pinned, b.second, 4, b.stream), OK);
    assert_int_equal(cu.cuMemcpyDtoHAsync_v2(pinned + 1, b.first, 4, b.stream), OK);
    assert_int_equal(cu.cuStreamQuery(b.stream), NOT_READY);
    assert_int_equal(pinned[0], 0);
    assert_int_equal(cu.cuStreamSynchronize(b.stream), OK);
    assert_int_equal(cu.cuStreamQuery(b.stream), OK);
    assert_int_equal(pinned[0], 1);
    assert_int_equal(pinned[1], 2);
}

static void streams_do_not_wait_for_each_other(void **state)
{
    (void)state;
    handle other = NULL;
    assert_int_equal(cu.cuStreamCreate(&other, 0), OK);
    fill(b.first, 1);
    assert_int_equal(cu.cuMemsetD32Async(b.second, 2, WORDS, other), OK);
    assert_int_equal(cu.cuStreamSynchronize(other), OK);
    assert_int_equal(cu.cuStreamQuery(b.stream), NOT_READY);
    assert_int_equal(cu.cuStreamSynchronize(b.stream), OK);
    assert_int_equal(cu.cuStreamDestroy_v2(other), OK);
}

static void pinned_memory_is_read_late_and_other_memory_at_once(void **state)
{
    (void)state;
    unsigned int pageable[1] = {7};
    unsigned int *pinned = b.pinned;
    pinned[0] = 5;
    assert_int_equal(cu.cuMemcpyHtoDAsync_v2(b.first, pinned, 4, b.stream), OK);
    pinned[0] = 6; /* too early: shows */
    assert_int_equal(cu.cuMemcpyDtoHAsync_v2(pinned + 1, b.first, 4, b.stream), OK);
    assert_int_equal(cu.cuStreamSynchronize(b.stream), OK);
    assert_int_equal(pinned[1], 6);
    assert_int_equal(cu.cuMemcpyHtoDAsync_v2(b.first, pageable, 4, b.stream), OK);
    pageable[0] = 8;
    assert_int_equal(cu.cuMemcpyDtoHAsync_v2(pageable, b.first, 4, b.stream), OK);
    assert_int_equal(pageable[0], 7);
}

static void events_mark_where_a_stream_is(void **state)
{
    (void)state;
    float milliseconds = -1;
    handle start = NULL, stop = NULL;
    assert_int_equal(cu.cuEventCreate(&start, 0), OK);
    assert_int_equal(cu.cuEventCreate(&stop, 0), OK);
    assert_int_equal(cu.cuEventElapsedTime(&milliseconds, start, stop), INVALID_HANDLE);
    assert_int_equal(cu.cuEventRecord(start, b.stream), OK);
    fill(b.first, 3);
    assert_int_equal(cu.cuMemcpyDtoHAsync_v2(b.pinned, b.first, 4, b.stream), OK);
    assert_int_equal(cu.cuEventRecord(stop, b.stream), OK);
    assert_int_equal(cu.cuEventQuery(stop), NOT_READY);
    assert_int_equal(cu.cuEventElapsedTime(&milliseconds, start, stop), NOT_READY);
    assert_int_equal(b.pinned[0], 0);
    assert_int_equal(cu.cuEventSynchronize(stop), OK);
    assert_int_equal(b.pinned[0], 3);
    assert_int_equal(cu.cuEventQuery(stop), OK);
    assert_int_equal(cu.cuEventElapsedTime(&milliseconds, start, stop), OK);
    assert_true(milliseconds >= 0);
    assert_int_equal(cu.cuEventDestroy_v2(start), OK);
    assert_int_equal(cu.cuEventDestroy_v2(stop), OK);
}

static void copies_end_where_memory_ends(void **state)
{
    (void)state;
    size_t bytes = WORDS * 4u;
    assert_int_equal(cu.cuMemsetD32Async(b.first, 0, WORDS + 1u, b.stream), INVALID_VALUE);
    assert_int_equal(cu.cuMemsetD32Async(b.first + 2u, 0, 1, b.stream), INVALID_VALUE);
    assert_int_equal(cu.cuMemcpyHtoDAsync_v2(b.first + 4u, b.pinned, bytes, b.stream),
                     INVALID_VALUE);
    assert_int_equal(cu.cuMemcpyDtoHAsync_v2(b.pinned, b.first + 4u, bytes, b.stream),
                     INVALID_VALUE);
    assert_int_equal(cu.cuMemcpyDtoDAsync_v2(b.first, b.second + 4u, bytes, b.stream),
                     INVALID_VALUE);
    assert_int_equal(cu.cuStreamQuery(b.stream), OK);
    assert_int_equal(cu.cuMemFree_v2(b.first + 4u), INVALID_VALUE);
}

/* Words 0, 1, 2 ... by the kernel `positions`, with dynamic shared memory that it does not use. */
static int launch_positions(handle function, unsigned int threads, unsigned int dynamic_bytes)
{
    kv_positions_params params = {.capacity = WORDS, .count = WORDS, .step = 1};
    void *arguments[] = {&params, &b.first};
    return cu.cuLaunchKernel(function, 1, 1, 1, threads, 1, 1, dynamic_bytes, b.stream, arguments,
                             NULL);
}

static void launches_have_limits(void **state)
{
    (void)state;
    handle module = NULL, function = NULL;
    assert_int_equal(cu.cuModuleLoadData(&module, "kvant: built without nvcc"), OK);
    assert_int_equal(cu.cuModuleGetFunction(&function, module, "kvant_positions"), OK);
    assert_int_equal(launch_positions(function, 32, 0), OK);
    assert_int_equal(launch_positions(function, 32, 48u << 10), OK);
    assert_int_equal(launch_positions(function, 32, (48u << 10) + 1u), INVALID_VALUE);
    assert_int_equal(launch_positions(function, 64, 0), INVALID_VALUE);
    assert_int_equal(launch_positions(function, 0, 0), INVALID_VALUE);
    assert_int_equal(cu.cuMemcpyDtoHAsync_v2(b.pinned, b.first, WORDS * 4u, b.stream), OK);
    assert_int_equal(b.pinned[WORDS - 1], 0);
    assert_int_equal(cu.cuStreamSynchronize(b.stream), OK);
    assert_int_equal(b.pinned[WORDS - 1], WORDS - 1);
    assert_int_equal(cu.cuModuleUnload(module), OK);
}

static void attributes_are_those_of_a_plain_device(void **state)
{
    (void)state;
    enum { MAJOR = 75, MINOR = 76, COPY_ENGINES = 40, COOPERATIVE_LAUNCH = 95, POOLS = 115 };
    int major = 0, minor = 0, value = 0;
    assert_int_equal(cu.cuDeviceGetAttribute(&major, MAJOR, 0), OK);
    assert_int_equal(cu.cuDeviceGetAttribute(&minor, MINOR, 0), OK);
    assert_true(major * 10 + minor < 80); /* no 8-bit mma.m16n8k32, no cp.async */
    setenv("CUDASIM_CAPABILITY", "86", 1);
    assert_int_equal(cu.cuDeviceGetAttribute(&major, MAJOR, 0), OK);
    assert_int_equal(cu.cuDeviceGetAttribute(&minor, MINOR, 0), OK);
    unsetenv("CUDASIM_CAPABILITY");
    assert_int_equal(major * 10 + minor, 86);
    const int others[] = {COPY_ENGINES, COOPERATIVE_LAUNCH, POOLS};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(cu.cuDeviceGetAttribute(&value, others[i], 0), INVALID_VALUE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_stream_keeps_its_order_and_waits_to_be_waited_for, begin,
                                        end),
        cmocka_unit_test_setup_teardown(streams_do_not_wait_for_each_other, begin, end),
        cmocka_unit_test_setup_teardown(pinned_memory_is_read_late_and_other_memory_at_once, begin,
                                        end),
        cmocka_unit_test_setup_teardown(events_mark_where_a_stream_is, begin, end),
        cmocka_unit_test_setup_teardown(copies_end_where_memory_ends, begin, end),
        cmocka_unit_test_setup_teardown(launches_have_limits, begin, end),
        cmocka_unit_test(attributes_are_those_of_a_plain_device),
    };
    unsetenv("CUDASIM_CAPABILITY");
    unsetenv("CUDASIM_THREADS");
    return cmocka_run_group_tests_name("functions of the simulated CUDA driver", tests, load_driver,
                                       NULL);
}
