/* SPDX-License-Identifier: MIT
 *
 * The CUDA backend on the simulated driver: listing, copies, failures of every driver call, faults
 * of kernels. Its kernels are tested by the conformance suite.
 */
#include "cmocka_headers.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "embedded.h"
#include "params.h"

extern const kvant_embedded kvant_cuda_images[];

static const kvant_backend *const backend = &kvant_backend_cuda;
static void *simulator; /* held open: what it counts outlives an enumeration */
static unsigned int (*live_allocations)(void);
static int (*context_depth)(void);

/* ---- services ---- */

static char last_message[512];
static int live_host_allocations;
static int allocations_left = -1; /* -1: no limit */

static void *allocate(const kvant_services *services, size_t bytes)
{
    (void)services;
    if (allocations_left == 0) {
        return NULL;
    }
    allocations_left -= allocations_left > 0 ? 1 : 0;
    void *memory = calloc(1, bytes);
    live_host_allocations += memory != NULL ? 1 : 0;
    return memory;
}

static void release(const kvant_services *services, void *memory)
{
    (void)services;
    live_host_allocations -= memory != NULL ? 1 : 0;
    free(memory);
}

static kvant_status report(const kvant_services *services, kvant_status status, const char *name,
                           const char *format, ...)
{
    (void)services;
    (void)name;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_message, sizeof last_message, format, arguments);
    va_end(arguments);
    return status;
}

static const kvant_services services = {.allocate = allocate, .release = release, .report = report};

/* ---- what the tests share ---- */

static int reset(void **state)
{
    (void)state;
    unsetenv("CUDASIM_DEVICES");
    unsetenv("CUDASIM_NAME");
    unsetenv("CUDASIM_FAIL");
    allocations_left = -1;
    last_message[0] = '\0';
    return 0;
}

static void assert_nothing_left(void)
{
    assert_int_equal(context_depth(), 0);
    assert_int_equal(live_allocations(), 0);
    assert_int_equal(live_host_allocations, 0);
}

static kvant_backend_device *open_device(void)
{
    kvant_backend_device *device = NULL;
    kvant_backend_limits limits;
    assert_int_equal(backend->open(&services, 0, &device, &limits), KVANT_OK);
    return device;
}

/* Launches `positions`: words[offset + i] = i for i < count. */
static kvant_status launch_positions(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                     uint32_t offset, uint32_t count)
{
    kv_positions_params params = {.offset = offset, .capacity = count, .count = count, .step = 1};
    kvant_launch launch = {.kernel = KVANT_KERNEL_positions,
                           .params = &params,
                           .params_bytes = sizeof params,
                           .groups = {1, 1, 1},
                           .binding_count = 1,
                           .bindings = {buffer}};
    kvant_status status =
        backend->prepare(device, KVANT_KERNEL_positions, 1u << KVANT_VARIANT_baseline);
    return status == KVANT_OK ? backend->launch(device, &launch) : status;
}

/* ---- listing ---- */

static void lists_a_simulated_device(void **state)
{
    (void)state;
    kvant_device_record records[2];
    uint32_t count = 0;
    assert_int_equal(backend->enumerate(&services, records, 2, &count), KVANT_OK);
    assert_int_equal(count, 1);
    assert_int_equal(records[0].kind, KVANT_DEVICE_SIMULATED);
    assert_string_equal(records[0].name, "simulated CUDA device");
    assert_string_equal(records[0].driver, "CUDA 12.4, sm_75");
    assert_string_equal(records[0].uuid, "00000000000000000000000000000001");
    assert_string_equal(records[0].pci, "ffff:00:00.0");
    setenv("CUDASIM_DEVICES", "3", 1);
    assert_int_equal(backend->enumerate(&services, records, 2, &count), KVANT_OK);
    assert_int_equal(count, 3);
    assert_nothing_left();
}

static void says_why_there_is_none(void **state)
{
    (void)state;
    kvant_device_record record;
    uint32_t count = 1;
    setenv("CUDASIM_DEVICES", "0", 1);
    assert_int_equal(backend->enumerate(&services, &record, 1, &count),
                     KVANT_ERROR_BACKEND_UNAVAILABLE);
    assert_int_equal(count, 0);
    assert_non_null(strstr(last_message, "no CUDA device"));
}

static void has_kernels_for_a_gpu_or_says_so(void **state)
{
    (void)state;
    kvant_device_record record;
    uint32_t count = 0;
    setenv("CUDASIM_NAME", "some real GPU", 1);
    kvant_status status = backend->enumerate(&services, &record, 1, &count);
    if (kvant_embedded_find(kvant_cuda_images, "kvant.fatbin") != NULL) {
        assert_int_equal(status, KVANT_OK);
        assert_int_equal(record.kind, KVANT_DEVICE_GPU);
        return;
    }
    assert_int_equal(status, KVANT_ERROR_BACKEND_UNAVAILABLE);
    assert_non_null(strstr(last_message, "built without nvcc"));
    kvant_backend_device *device = NULL;
    kvant_backend_limits limits;
    assert_int_equal(backend->open(&services, 0, &device, &limits),
                     KVANT_ERROR_BACKEND_UNAVAILABLE);
    assert_null(device);
    assert_nothing_left();
}

/* ---- memory ---- */

static void buffers_begin_as_zeros(void **state)
{
    (void)state;
    kvant_backend_device *device = open_device();
    kvant_backend_buffer *buffer = NULL;
    unsigned char bytes[1028];
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(backend->buffer_create(device, sizeof bytes, &buffer), KVANT_OK);
    assert_int_equal(backend->download(device, buffer, 0, bytes, sizeof bytes), KVANT_OK);
    for (size_t i = 0; i < sizeof bytes; i++) {
        assert_int_equal(bytes[i], 0);
    }
    backend->buffer_destroy(device, buffer);
    backend->close(device);
    assert_nothing_left();
}

/* Uploads of all sizes, from memory that is overwritten as soon as the call returns. */
static void uploads_do_not_keep_the_callers_memory(void **state)
{
    (void)state;
    enum { WORDS = 1 << 20 };
    kvant_backend_device *device = open_device();
    kvant_backend_buffer *buffer = NULL;
    uint32_t *words = calloc(WORDS, sizeof *words);
    assert_non_null(words);
    assert_int_equal(backend->buffer_create(device, WORDS * 4u, &buffer), KVANT_OK);
    uint32_t done = 0;
    for (uint32_t part = 1; done < WORDS; part = part * 3u + 1u) {
        uint32_t count = part < WORDS - done ? part : WORDS - done;
        for (uint32_t i = 0; i < count; i++) {
            words[i] = (done + i) * 2654435761u;
        }
        assert_int_equal(backend->upload(device, buffer, (uint64_t)done * 4u, words, count * 4u),
                         KVANT_OK);
        memset(words, 0, count * 4u);
        done += count;
    }
    assert_int_equal(backend->download(device, buffer, 0, words, WORDS * 4u), KVANT_OK);
    for (uint32_t i = 0; i < WORDS; i++) {
        assert_int_equal(words[i], i * 2654435761u);
    }
    free(words);
    backend->buffer_destroy(device, buffer);
    backend->close(device);
    assert_nothing_left();
}

static void copies_and_fills(void **state)
{
    (void)state;
    kvant_backend_device *device = open_device();
    kvant_backend_buffer *a = NULL;
    kvant_backend_buffer *b = NULL;
    uint32_t words[8] = {0};
    assert_int_equal(backend->buffer_create(device, sizeof words, &a), KVANT_OK);
    assert_int_equal(backend->buffer_create(device, sizeof words, &b), KVANT_OK);
    assert_int_equal(backend->fill(device, a, 8, 0x12345678u, 16), KVANT_OK);
    assert_int_equal(backend->copy(device, a, 4, b, 0, 12), KVANT_OK);
    assert_int_equal(backend->mark(device, 0), KVANT_OK);
    assert_int_equal(backend->fill(device, a, 0, 0, sizeof words), KVANT_OK);
    assert_int_equal(backend->mark(device, 1), KVANT_OK);
    assert_int_equal(backend->flush(device), KVANT_OK);
    double microseconds = -1.0;
    assert_int_equal(backend->elapsed(device, 0, 1, &microseconds), KVANT_OK);
    assert_true(microseconds >= 0.0);
    assert_int_equal(backend->download(device, b, 0, words, sizeof words), KVANT_OK);
    static const uint32_t expected[8] = {0, 0x12345678u, 0x12345678u};
    assert_memory_equal(words, expected, sizeof words);
    backend->buffer_destroy(device, a);
    backend->buffer_destroy(device, b);
    backend->close(device);
    assert_nothing_left();
}

/* ---- failures ---- */

/* One use of a device, from listing to closing. Returns the first failure. */
static kvant_status whole_use(void)
{
    kvant_device_record record;
    kvant_backend_limits limits;
    kvant_backend_device *device = NULL;
    kvant_backend_buffer *buffer = NULL;
    uint32_t count = 0;
    uint32_t words[64] = {0};
    double microseconds;
    kvant_status status = backend->enumerate(&services, &record, 1, &count);
    if (status == KVANT_OK) {
        status = backend->open(&services, 0, &device, &limits);
    }
    if (status != KVANT_OK) {
        assert_null(device);
        return status;
    }
    status = backend->buffer_create(device, sizeof words, &buffer);
    if (status == KVANT_OK) {
        const kvant_status all[] = {
            backend->upload(device, buffer, 0, words, sizeof words),
            launch_positions(device, buffer, 0, 64),
            backend->fill(device, buffer, 0, 7, 4),
            backend->copy(device, buffer, 0, buffer, 8, 4),
            backend->mark(device, 0),
            backend->mark(device, 1),
            backend->elapsed(device, 0, 1, &microseconds),
            backend->flush(device),
            backend->synchronize(device),
            backend->download(device, buffer, 0, words, sizeof words),
        };
        for (size_t i = 0; status == KVANT_OK && i < sizeof all / sizeof all[0]; i++) {
            status = all[i];
        }
        backend->buffer_destroy(device, buffer);
    } else {
        assert_null(buffer);
    }
    backend->close(device);
    if (status == KVANT_OK) {
        assert_int_equal(words[0], 7);
        assert_int_equal(words[2], 7);
        assert_int_equal(words[63], 63);
    }
    return status;
}

/* The n-th driver call fails, for every n: each failure is reported or of no consequence, and
 * nothing stays behind. */
static void survives_every_failing_call(void **state)
{
    (void)state;
    static const int codes[] = {1, 2, 719}; /* bad value, out of memory, fault */
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        int failures = 0;
        int successes = 0;
        for (int nth = 1; successes < 20; nth++) { /* past the last call all is well */
            char plan[64];
            snprintf(plan, sizeof plan, "*:%d:%d", nth, codes[i]);
            setenv("CUDASIM_FAIL", plan, 1);
            last_message[0] = '\0';
            kvant_status status = whole_use();
            if (status == KVANT_OK) {
                successes++;
            } else {
                failures++;
                assert_true(last_message[0] != '\0');
            }
            assert_nothing_left();
        }
        assert_true(failures > 40);
    }
}

static void survives_every_failing_allocation(void **state)
{
    (void)state;
    kvant_status status = KVANT_ERROR_OUT_OF_HOST_MEMORY;
    int limit = 0;
    for (; status != KVANT_OK; limit++) {
        allocations_left = limit;
        status = whole_use();
        assert_true(status == KVANT_OK || status == KVANT_ERROR_OUT_OF_HOST_MEMORY);
        assert_nothing_left();
    }
    assert_true(limit > 1);
}

static void translates_codes(void **state)
{
    (void)state;
    static const struct {
        const char *plan;
        kvant_status status;
    } cases[] = {
        {"cuMemAlloc_v2:1:2", KVANT_ERROR_OUT_OF_DEVICE_MEMORY},
        {"cuModuleLoadData:1:209", KVANT_ERROR_KERNEL_BUILD},
        {"cuModuleGetFunction:1:500", KVANT_ERROR_KERNEL_BUILD},
        {"cuLaunchKernel:1:701", KVANT_ERROR_INTERNAL},
        {"cuLaunchKernel:1:719", KVANT_ERROR_DEVICE_LOST},
        {"cuStreamSynchronize:1:214", KVANT_ERROR_DEVICE_LOST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        setenv("CUDASIM_FAIL", cases[i].plan, 1);
        assert_int_equal(whole_use(), cases[i].status);
        assert_nothing_left();
    }
}

/* A kernel that leaves its buffer: the fault shows when something waits, and stays. */
static void a_fault_loses_the_device(void **state)
{
    (void)state;
    kvant_backend_device *device = open_device();
    kvant_backend_buffer *buffer = NULL;
    uint32_t word = 0;
    assert_int_equal(backend->buffer_create(device, 64, &buffer), KVANT_OK);
    print_message("the simulator reports a fault now, as planned\n");
    assert_int_equal(launch_positions(device, buffer, 16, 1), KVANT_OK);
    assert_int_equal(backend->synchronize(device), KVANT_ERROR_DEVICE_LOST);
    assert_non_null(strstr(last_message, "code 700"));
    assert_int_equal(backend->download(device, buffer, 0, &word, 4), KVANT_ERROR_DEVICE_LOST);
    assert_int_equal(backend->upload(device, buffer, 0, &word, 4), KVANT_ERROR_DEVICE_LOST);
    assert_int_equal(backend->flush(device), KVANT_ERROR_DEVICE_LOST);
    backend->buffer_destroy(device, buffer);
    backend->close(device);
    assert_nothing_left();
    assert_int_equal(whole_use(), KVANT_OK);
}

static void stale_kernels_are_refused(void **state)
{
    (void)state;
    setenv("CUDASIM_CONTRACT", "another", 1);
    kvant_status status = whole_use();
    unsetenv("CUDASIM_CONTRACT");
    assert_int_equal(status, KVANT_ERROR_KERNEL_BUILD);
    assert_non_null(strstr(last_message, "stale"));
    assert_nothing_left();
}

static int find_simulator(void)
{
    simulator = dlopen("libcuda.so.1", RTLD_NOW);
    void *live = simulator != NULL ? dlsym(simulator, "cudasim_live_allocations") : NULL;
    void *depth = simulator != NULL ? dlsym(simulator, "cudasim_context_depth") : NULL;
    memcpy(&live_allocations, &live, sizeof live);
    memcpy(&context_depth, &depth, sizeof depth);
    return live != NULL && depth != NULL;
}

int main(void)
{
    if (!find_simulator()) {
        fprintf(stderr, "skipped: libcuda.so.1 is not the simulator\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lists_a_simulated_device, reset),
        cmocka_unit_test_setup(says_why_there_is_none, reset),
        cmocka_unit_test_setup(has_kernels_for_a_gpu_or_says_so, reset),
        cmocka_unit_test_setup(buffers_begin_as_zeros, reset),
        cmocka_unit_test_setup(uploads_do_not_keep_the_callers_memory, reset),
        cmocka_unit_test_setup(copies_and_fills, reset),
        cmocka_unit_test_setup(survives_every_failing_call, reset),
        cmocka_unit_test_setup(survives_every_failing_allocation, reset),
        cmocka_unit_test_setup(translates_codes, reset),
        cmocka_unit_test_setup(a_fault_loses_the_device, reset),
        cmocka_unit_test_setup(stale_kernels_are_refused, reset),
    };
    return cmocka_run_group_tests_name("cuda backend on the simulated driver", tests, NULL, NULL);
}
