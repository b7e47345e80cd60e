/* SPDX-License-Identifier: MIT
 *
 * One case while it runs: the device, buffers with guards and poison, launches, comparison.
 */
#include "trial.h"

#include <stdarg.h>
#include <stdlib.h>

#include "plan.h"

typedef struct {
    const char *name;
    const char *bindings; /* "input:r output:w" */
    uint32_t binding_count;
    uint32_t params_bytes;
    void (*reference)(const void *params, kv_u32 *const *bindings);
} kernel_entry;

static const kernel_entry kernels[KVANT_KERNEL_COUNT] = {
#define KVANT_KERNEL(name, params, count, names, shape, exactness)                                 \
    {#name, names, count, (uint32_t)sizeof(params), kvant_ref_##name},
#include "kernels.def"
#undef KVANT_KERNEL
};

const char *kvant_kernel_name(kvant_kernel kernel)
{
    return kernels[kernel].name;
}

uint64_t kvant_hash_text(const char *text, uint64_t hash)
{
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* ---- the trial ----------------------------------------------------------------------------- */

void kvant_trial_begin(kvant_trial *trial, kvant_test_device *device, const char *name,
                       kvant_variant_choice choice, uint64_t seed)
{
    memset(trial, 0, sizeof *trial);
    trial->device = device;
    trial->name = name;
    trial->choice = choice;
    trial->first_random = kvant_hash_text(name, KVANT_HASH_START) ^ seed;
    trial->random = trial->first_random;
    trial->digest = KVANT_HASH_START;
    trial->result = KVANT_CASE_PASSED;
}

void kvant_trial_clear(kvant_trial *trial)
{
    for (uint32_t i = 0; i < trial->buffer_count; i++) {
        kvant_trial_buffer *buffer = &trial->buffers[i];
        if (buffer->device != NULL) {
            trial->device->backend->buffer_destroy(trial->device->device, buffer->device);
        }
        free(buffer->words);
    }
    for (uint32_t i = 0; i < trial->memory_count; i++) {
        free(trial->memories[i]);
    }
    memset(trial->buffers, 0, sizeof trial->buffers);
    trial->buffer_count = 0;
    trial->memory_count = 0;
}

void kvant_trial_end(kvant_trial *trial)
{
    kvant_trial_clear(trial);
}

void kvant_trial_fail(kvant_trial *trial, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(trial->message, sizeof trial->message, format, arguments);
    va_end(arguments);
    trial->result = KVANT_CASE_FAILED;
    longjmp(trial->abandon, 1);
}

void kvant_trial_skip(kvant_trial *trial, const char *reason)
{
    snprintf(trial->message, sizeof trial->message, "%s", reason);
    trial->result = KVANT_CASE_SKIPPED;
    longjmp(trial->abandon, 1);
}

void *kvant_trial_memory(kvant_trial *trial, size_t count, size_t size)
{
    void *memory = NULL;
    if (trial->memory_count < KVANT_TRIAL_MEMORIES) {
        memory = calloc(count != 0u ? count : 1u, size);
    }
    if (memory == NULL) {
        kvant_trial_fail(trial, "no host memory for %zu x %zu bytes", count, size);
    }
    trial->memories[trial->memory_count++] = memory;
    return memory;
}

static void grow(kvant_trial *trial, kvant_trial_buffer *buffer, uint32_t words)
{
    uint32_t count = buffer->count + words;
    if (count > buffer->capacity) {
        uint32_t capacity = count + count / 2u;
        kv_u32 *moved = realloc(buffer->words, (size_t)capacity * sizeof *moved);
        if (moved == NULL) {
            kvant_trial_fail(trial, "no host memory for a buffer of %u words", count);
        }
        buffer->words = moved;
        buffer->capacity = capacity;
    }
    for (uint32_t i = buffer->count; i < count; i++) {
        buffer->words[i] = kvant_trial_poison(i);
    }
    buffer->count = count;
    buffer->is_dirty = 1;
}

kvant_trial_buffer *kvant_trial_add_buffer_without_guard(kvant_trial *trial)
{
    if (trial->buffer_count == KVANT_TRIAL_BUFFERS) {
        kvant_trial_fail(trial, "the case needs more than %u buffers", KVANT_TRIAL_BUFFERS);
    }
    return &trial->buffers[trial->buffer_count++];
}

kvant_trial_buffer *kvant_trial_add_buffer(kvant_trial *trial)
{
    kvant_trial_buffer *buffer = kvant_trial_add_buffer_without_guard(trial);
    grow(trial, buffer, KVANT_GUARD_WORDS);
    return buffer;
}

uint32_t kvant_trial_region(kvant_trial *trial, kvant_trial_buffer *buffer, uint32_t words)
{
    uint32_t offset = buffer->count;
    grow(trial, buffer, words + KVANT_GUARD_WORDS);
    return offset;
}

void kvant_trial_fill(kvant_trial_buffer *buffer, uint32_t offset, uint32_t words, uint32_t word)
{
    for (uint32_t i = 0; i < words; i++) {
        buffer->words[offset + i] = word;
    }
    buffer->is_dirty = 1;
}

/* ---- launches ------------------------------------------------------------------------------ */

static void check(kvant_trial *trial, kvant_status status, const char *call, kvant_kernel kernel)
{
    if (status != KVANT_OK) {
        kvant_trial_fail(trial, "%s for %s returned %d: %s", call, kernels[kernel].name,
                         (int)status, trial->device->message);
    }
}

static void send(kvant_trial *trial, kvant_trial_buffer *buffer, kvant_kernel kernel)
{
    const kvant_backend *backend = trial->device->backend;
    kvant_backend_device *device = trial->device->device;
    if (buffer->count == 0u) { /* without guards, one that the case has no use for */
        grow(trial, buffer, 1u);
    }
    uint64_t bytes = (uint64_t)buffer->count * 4u;
    if (buffer->device != NULL && buffer->device_count != buffer->count) {
        backend->buffer_destroy(device, buffer->device);
        buffer->device = NULL;
    }
    if (buffer->device == NULL) {
        if (bytes > trial->device->limits.max_buffer_bytes) {
            kvant_trial_skip(trial, "a buffer exceeds the limits of the device");
        }
        check(trial, backend->buffer_create(device, bytes, &buffer->device), "buffer_create",
              kernel);
        buffer->device_count = buffer->count;
        buffer->is_dirty = 1;
    }
    if (buffer->is_dirty) {
        check(trial, backend->upload(device, buffer->device, 0, buffer->words, bytes), "upload",
              kernel);
        buffer->is_dirty = 0;
    }
}

static void launch_on_device(kvant_trial *trial, kvant_kernel kernel, const void *params,
                             kvant_trial_buffer *const *bindings)
{
    kvant_test_device *on = trial->device;
    kvant_variant variant =
        kvant_variant_of_launch(kernel, params, on->limits.capabilities, trial->choice);
    trial->launched |= UINT64_C(1) << kernel;
    kvant_launch launch = {
        .kernel = kernel,
        .variant = variant,
        .params = params,
        .params_bytes = kernels[kernel].params_bytes,
        .binding_count = kernels[kernel].binding_count,
    };
    for (uint32_t i = 0; i < launch.binding_count; i++) {
        send(trial, bindings[i], kernel);
        launch.bindings[i] = bindings[i]->device;
    }
    if (!kvant_plan_groups(kernel, params, &on->limits, launch.groups)) {
        kvant_trial_skip(trial, "the grid exceeds the limits of the device");
    }
    uint32_t bit = 1u << variant;
    if ((on->prepared[kernel] & bit) == 0u) {
        check(trial, on->backend->prepare(on->device, kernel, bit), "prepare", kernel);
        on->prepared[kernel] |= bit;
    }
    if (launch.groups[0] != 0u && launch.groups[1] != 0u && launch.groups[2] != 0u) {
        check(trial, on->backend->launch(on->device, &launch), "launch", kernel);
    }
}

/* "encode, store" */
static void binding_name(kvant_kernel kernel, uint32_t index, char *name, size_t size)
{
    const char *list = kernels[kernel].bindings;
    for (; index != 0u; index--) {
        list += strcspn(list, " ");
        list += strspn(list, " ");
    }
    snprintf(name, size, "%s, %.*s", kernels[kernel].name, (int)strcspn(list, ": "), list);
}

/* Compares a whole buffer with what it must hold. */
static void compare(kvant_trial *trial, const char *what, const kvant_trial_buffer *buffer)
{
    kvant_test_device *on = trial->device;
    kv_u32 *got = kvant_trial_memory(trial, buffer->count, sizeof *got);
    kvant_status status = on->backend->download(on->device, buffer->device, 0, got,
                                                (uint64_t)buffer->count * sizeof *got);
    if (status != KVANT_OK) {
        kvant_trial_fail(trial, "download of %s returned %d: %s", what, (int)status, on->message);
    }
    kvant_trial_compare(trial, what, buffer->words, got, buffer->count);
    free(got);
    trial->memory_count--;
}

/* Whether an earlier binding is the same buffer. */
static int is_repeated(kvant_trial_buffer *const *bindings, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++) {
        if (bindings[i] == bindings[index]) {
            return 1;
        }
    }
    return 0;
}

static void run_reference(kvant_kernel kernel, const void *params,
                          kvant_trial_buffer *const *bindings)
{
    kv_u32 *words[KVANT_MAX_BINDINGS] = {NULL};
    for (uint32_t i = 0; i < kernels[kernel].binding_count; i++) {
        words[i] = bindings[i]->words;
    }
    kernels[kernel].reference(params, words);
}

void kvant_trial_enqueue(kvant_trial *trial, kvant_kernel kernel, const void *params,
                         kvant_trial_buffer *const *bindings)
{
    launch_on_device(trial, kernel, params, bindings);
    run_reference(kernel, params, bindings);
}

void kvant_trial_check_all(kvant_trial *trial, const char *what)
{
    for (uint32_t i = 0; i < trial->buffer_count; i++) {
        if (trial->buffers[i].device != NULL) {
            char name[96];
            snprintf(name, sizeof name, "%s, buffer %u", what, i);
            compare(trial, name, &trial->buffers[i]);
        }
    }
}

void kvant_trial_launch(kvant_trial *trial, kvant_kernel kernel, const void *params,
                        kvant_trial_buffer *const *bindings)
{
    launch_on_device(trial, kernel, params, bindings);
    run_reference(kernel, params, bindings);
    for (uint32_t i = 0; i < kernels[kernel].binding_count; i++) {
        if (!is_repeated(bindings, i)) {
            char name[96];
            binding_name(kernel, i, name, sizeof name);
            compare(trial, name, bindings[i]);
        }
    }
}

void kvant_trial_check_normal(kvant_trial *trial, const kvant_trial_buffer *buffer, uint32_t offset,
                              uint32_t words)
{
    for (uint32_t i = offset; i < offset + words; i++) {
        kv_u32 magnitude = buffer->words[i] & 0x7fffffffu;
        if (magnitude != 0u && magnitude < 0x00800000u) {
            kvant_trial_fail(trial, "word %u is the subnormal float 0x%08x", i, buffer->words[i]);
        }
    }
}

void kvant_trial_prepare(kvant_trial *trial, kvant_kernel kernel, const void *params,
                         kvant_trial_buffer *const *bindings)
{
    (void)trial;
    run_reference(kernel, params, bindings);
    for (uint32_t i = 0; i < kernels[kernel].binding_count; i++) {
        bindings[i]->is_dirty = 1;
    }
}

void kvant_trial_device_only(kvant_trial *trial, kvant_kernel kernel, const void *params,
                             kvant_trial_buffer *const *bindings)
{
    kvant_test_device *on = trial->device;
    launch_on_device(trial, kernel, params, bindings);
    for (uint32_t i = 0; i < kernels[kernel].binding_count; i++) {
        if (!is_repeated(bindings, i)) {
            check(trial,
                  on->backend->download(on->device, bindings[i]->device, 0, bindings[i]->words,
                                        (uint64_t)bindings[i]->count * 4u),
                  "download", kernel);
            kvant_trial_digest(trial, bindings[i]->words, bindings[i]->count);
        }
    }
}
