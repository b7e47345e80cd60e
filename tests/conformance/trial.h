/* SPDX-License-Identifier: MIT
 *
 * One case while it runs. A case builds buffers out of regions with guard words between them, then
 * launches kernels: each launch runs host_ref on the expected contents and the backend on the
 * device's, and every word of every binding is compared, guards and inputs included. Everything is
 * poisoned before it is filled, so that a word that was never written shows.
 *
 * A failure abandons the case at once; memory of the trial is released by its owner.
 */
#ifndef KVANT_TESTS_TRIAL_H
#define KVANT_TESTS_TRIAL_H

#include <setjmp.h>

#include "conformance.h"
#include "reference.h"
#include "variants.h"

/* The device under test. */
typedef struct {
    const kvant_backend *backend;
    uint32_t index; /* of the backend's devices */
    kvant_backend_device *device;
    kvant_backend_limits limits;
    kvant_variant_choice variant; /* what KVANT_VARIANT asks for */
    int lacks_variant;            /* it was not opened because it is not capable of that */
    kvant_device_record record;
    kvant_services services;
    char message[512];                     /* the last that the backend reported */
    uint32_t prepared[KVANT_KERNEL_COUNT]; /* variants, as bits */
    struct kvant_context *contexts[2]; /* of the whole-cache cases: host and device, once opened */
} kvant_test_device;

/* Opens the device of the options. On failure `device->message` says why. */
kvant_status kvant_test_device_open(kvant_test_device *device, const kvant_backend *backend,
                                    uint32_t index);
void kvant_test_device_close(kvant_test_device *device);

typedef struct {
    kv_u32 *words; /* what the buffer must hold; moves when a region is added */
    uint32_t count;
    uint32_t capacity;
    kvant_backend_buffer *device;
    uint32_t device_count;
    int is_dirty; /* the device's copy is older than `words` */
} kvant_trial_buffer;

#define KVANT_TRIAL_BUFFERS 8u
#define KVANT_TRIAL_MEMORIES 32u
#ifndef KVANT_GUARD_WORDS /* 0 where a checker is to see the end of every buffer */
#define KVANT_GUARD_WORDS 21u
#endif

typedef struct {
    kvant_test_device *device;
    const char *name;
    kvant_variant_choice choice; /* the variant that its launches get */
    uint64_t launched;           /* kernels, as bits 1 << kvant_kernel */
    uint64_t random;             /* state of the generator, from the case's name */
    uint64_t first_random;       /* as it was before the first draw */
    kvant_trial_buffer buffers[KVANT_TRIAL_BUFFERS];
    uint32_t buffer_count;
    void *memories[KVANT_TRIAL_MEMORIES];
    uint32_t memory_count;
    jmp_buf abandon;
    kvant_case_result result;
    char message[1024];
    uint64_t words;  /* compared with the expected ones */
    uint64_t digest; /* of all that was read back from the device */
    kvant_mismatch mismatch;
    kvant_measure measure;
} kvant_trial;

/* `name` is that of the list, without a variant: its inputs are the same in each of them. */
void kvant_trial_begin(kvant_trial *trial, kvant_test_device *device, const char *name,
                       kvant_variant_choice choice, uint64_t seed);
void kvant_trial_end(kvant_trial *trial);

/* Frees the buffers and memories, for a case that goes through several draws. */
void kvant_trial_clear(kvant_trial *trial);

/* Abandons the case with a sentence. */
_Noreturn void kvant_trial_fail(kvant_trial *trial, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
_Noreturn void kvant_trial_skip(kvant_trial *trial, const char *reason);

/* Zeroed memory that lives as long as the trial. */
void *kvant_trial_memory(kvant_trial *trial, size_t count, size_t size);

/* An empty buffer with leading guard words. `without_guard`: the first region starts at word 0. */
kvant_trial_buffer *kvant_trial_add_buffer(kvant_trial *trial);
kvant_trial_buffer *kvant_trial_add_buffer_without_guard(kvant_trial *trial);

/* A region of `words` poisoned words, with guard words after it; returns its offset in words. */
uint32_t kvant_trial_region(kvant_trial *trial, kvant_trial_buffer *buffer, uint32_t words);

/* Repeats a word over a range. */
void kvant_trial_fill(kvant_trial_buffer *buffer, uint32_t offset, uint32_t words, uint32_t word);

/* Runs a kernel on the reference and on the device and compares every word of the bindings. */
void kvant_trial_launch(kvant_trial *trial, kvant_kernel kernel, const void *params,
                        kvant_trial_buffer *const *bindings);

/* The same without looking at the result: a chain is enqueued at once, then checked as a whole. */
void kvant_trial_enqueue(kvant_trial *trial, kvant_kernel kernel, const void *params,
                         kvant_trial_buffer *const *bindings);
void kvant_trial_check_all(kvant_trial *trial, const char *what);

/* No float of the range is subnormal: devices may flush those, so a definition that produces them
 * cannot give the same bits everywhere. */
void kvant_trial_check_normal(kvant_trial *trial, const kvant_trial_buffer *buffer, uint32_t offset,
                              uint32_t words);

/* Runs a kernel on the reference alone, to prepare the input of another one. */
void kvant_trial_prepare(kvant_trial *trial, kvant_kernel kernel, const void *params,
                         kvant_trial_buffer *const *bindings);

/* Runs a kernel on the device alone and takes its output: for cases that have their own oracle. */
void kvant_trial_device_only(kvant_trial *trial, kvant_kernel kernel, const void *params,
                             kvant_trial_buffer *const *bindings);

/* ---- for cases that read the device's words in another way ---- */

/* Compares words, adds `got` to the digest, and fails with the first one that differs. */
void kvant_trial_compare(kvant_trial *trial, const char *what, const kv_u32 *expected,
                         const kv_u32 *got, uint32_t count);

/* Adds words of the device to the digest, by which devices are compared with each other. All that
 * goes through the functions above is in it. */
void kvant_trial_digest(kvant_trial *trial, const kv_u32 *words, uint32_t count);

/* Records a measure and its bound (ignored for KVANT_UNBOUNDED); the worst of all calls is kept.
 * Does not fail the case. */
void kvant_trial_measure(kvant_trial *trial, const char *name, double value, kvant_bound_kind kind,
                         double bound);

/* What word `index` of a buffer holds before it is filled: no kernel writes it by chance; as a half
 * or a float it is often not finite. */
kv_u32 kvant_trial_poison(uint32_t index);

/* "encode" */
const char *kvant_kernel_name(kvant_kernel kernel);

/* FNV-1a. */
uint64_t kvant_hash_text(const char *text, uint64_t hash);
#define KVANT_HASH_START UINT64_C(0xcbf29ce484222325)
#define KVANT_HASH_FACTOR UINT64_C(0x100000001b3)

#endif
