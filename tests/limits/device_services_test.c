/* SPDX-License-Identifier: MIT
 *
 * What a context offers beside computing, on every backend: the caller's store of compiled kernels,
 * whole and damaged, and time stamps. Usage: device_services_test BACKEND
 */
#include "cmocka_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvant/kvant.h"
#include "native_watch.h"

enum { BLOBS = 64, SKIPPED = 77 };

static const char *backend;

/* ---- a store of kernels ---- */

typedef struct {
    char key[160];
    unsigned char *bytes;
    size_t size;
} blob;

static blob blobs[BLOBS];
static unsigned int loads, stores;

static blob *find(const char *key)
{
    for (int i = 0; i < BLOBS; i++) {
        if (blobs[i].bytes == NULL || strcmp(blobs[i].key, key) == 0) {
            return &blobs[i];
        }
    }
    return &blobs[BLOBS - 1];
}

static size_t load(void *user, const char *key, void *bytes, size_t capacity)
{
    (void)user;
    const blob *b = find(key);
    loads++;
    if (b->bytes != NULL && capacity != 0) {
        memcpy(bytes, b->bytes, b->size < capacity ? b->size : capacity);
    }
    return b->bytes != NULL ? b->size : 0;
}

static void store(void *user, const char *key, const void *bytes, size_t size)
{
    (void)user;
    blob *b = find(key);
    stores++;
    free(b->bytes);
    b->bytes = malloc(size);
    assert_non_null(b->bytes);
    memcpy(b->bytes, bytes, size);
    b->size = size;
    snprintf(b->key, sizeof b->key, "%s", key);
}

/* Opening proves the arithmetic, so it builds a kernel. Returns the compilations that took. */
static uint64_t open_and_close(void)
{
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = backend;
    desc.kernel_cache = (kvant_kernel_cache){load, store, NULL};
    kvant_context *context = NULL;
    native_forget();
    loads = stores = 0;
    if (kvant_context_create(&desc, &context) != KVANT_OK) {
        fail_msg("%s", kvant_last_message());
    }
    kvant_device_info info = KVANT_DEVICE_INFO_INIT;
    assert_int_equal(kvant_context_device(context, &info), KVANT_OK);
    assert_int_equal(info.exact, 1);
    kvant_context_destroy(context);
    return native_counted()->compiles;
}

static void kernels_are_kept_for_the_next_time(void **state)
{
    (void)state;
    bool is_kept = strcmp(backend, "opencl") == 0 || strcmp(backend, "vulkan") == 0;
    /* OpenCL drivers of CPUs keep what they compile themselves */
    const native_limits gpu = {.lanes = 16, .is_gpu = true};
    native_force(strcmp(backend, "opencl") == 0 ? &gpu : NULL);
    (void)open_and_close();
    assert_true((stores != 0) == is_kept);
    (void)open_and_close();
    assert_true((loads != 0) == is_kept);
    assert_int_equal(stores, 0); /* what is there already is not written again */
    for (int way = 0; is_kept && way < 4; way++) {
        blob *b = &blobs[0];
        if (way == 0) {
            b->bytes[b->size / 2] ^= 1;
        } else if (way == 1) {
            b->size -= 1;
        } else if (way == 2) {
            b->size = 3;
        } else {
            b->bytes[0] ^= 1;
        }
        (void)open_and_close();
        assert_int_equal(stores, 1); /* a whole one in its place */
        (void)open_and_close();
        assert_int_equal(stores, 0);
    }
    native_force(NULL);
    for (int i = 0; i < BLOBS; i++) {
        free(blobs[i].bytes);
        blobs[i].bytes = NULL;
    }
}

/* ---- time stamps ---- */

static void time_passes(void **state)
{
    (void)state;
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = backend;
    desc.flags = KVANT_CONTEXT_ALLOW_INEXACT; /* null computes nothing */
    kvant_context *context = NULL;
    kvant_buffer *buffer = NULL;
    double elapsed = -1.0;
    assert_int_equal(kvant_context_create(&desc, &context), KVANT_OK);
    assert_int_equal(kvant_buffer_create(context, 4096, &buffer), KVANT_OK);
    assert_int_equal(kvant_context_elapsed(context, &elapsed), KVANT_ERROR_INVALID_STATE);
    assert_int_equal(kvant_context_mark(context, 2), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_context_mark(context, 0), KVANT_OK);
    assert_int_equal(kvant_context_elapsed(context, &elapsed), KVANT_ERROR_INVALID_STATE);
    for (int i = 0; i < 2; i++) { /* stamps can be set again */
        assert_int_equal(kvant_context_mark(context, 0), KVANT_OK);
        assert_int_equal(kvant_buffer_fill(buffer, 0, 0x01020304, 4096), KVANT_OK);
        assert_int_equal(kvant_buffer_copy(buffer, 0, buffer, 2048, 1024), KVANT_OK);
        assert_int_equal(kvant_context_mark(context, 1), KVANT_OK);
        assert_int_equal(kvant_context_elapsed(context, NULL), KVANT_ERROR_INVALID_ARGUMENT);
        assert_int_equal(kvant_context_elapsed(context, &elapsed), KVANT_OK);
        assert_true(elapsed >= 0.0);
    }
    uint32_t word = 0;
    assert_int_equal(kvant_buffer_read(buffer, 2048, &word, 4), KVANT_OK);
    assert_int_equal(word, 0x01020304);
    assert_int_equal(kvant_buffer_write(buffer, 0, &elapsed, 4), KVANT_OK);
    assert_int_equal(kvant_context_prepare(context), KVANT_OK);
    assert_int_equal(kvant_context_synchronize(context), KVANT_OK);
    assert_int_equal(kvant_context_is_lost(context), 0);
    kvant_buffer_destroy(buffer);
    kvant_context_destroy(context);
}

int main(int argc, char **argv)
{
    backend = argc > 1 ? argv[1] : "host";
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = backend;
    desc.flags = KVANT_CONTEXT_ALLOW_INEXACT;
    kvant_context *context = NULL;
    if (kvant_context_create(&desc, &context) != KVANT_OK) {
        fprintf(stderr, "skipped: %s\n", kvant_last_message());
        return SKIPPED;
    }
    kvant_context_destroy(context);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_passes),
        cmocka_unit_test(kernels_are_kept_for_the_next_time),
    };
    size_t count = strcmp(backend, "null") == 0 ? 1 : 2; /* null has no kernels */
    return _cmocka_run_group_tests(backend, tests, count, NULL, NULL);
}
