/* SPDX-License-Identifier: MIT
 *
 * Contexts are independent: threads that each have one of their own, on each backend and on all of
 * them at once, get the bytes that one thread alone gets, and each reads its own last message. Made
 * for the thread sanitizer, and run without it too.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "kvant/kvant.h"

enum { THREADS = 3, ROUNDS = 2, TOKENS = 40, STEPS = 12, HEADS = 2, DIM = 16 };
enum { ROW = HEADS * DIM, FLOATS = TOKENS * ROW };

static const char *const backends[] = {"host", "cuda", "opencl", "vulkan"};
enum { BACKENDS = sizeof backends / sizeof backends[0] };

typedef struct {
    const char *backend;
    uint64_t digest;
    float outputs[STEPS][ROW];
    kvant_status status; /* the first that was not OK, and what the thread was told */
    char message[160];
    int is_message_own; /* after a refused call: the message is about that call's argument */
} job;

static kvant_status decode(kvant_context *context, kvant_cache *cache, kvant_tensor *kv, job *j)
{
    float row[ROW];
    kvant_status status = kvant_cache_prefill(cache, 0, 0, TOKENS, kv, kv, kv);
    for (int step = 0; step < STEPS && status == KVANT_OK; step++) {
        for (int i = 0; i < ROW; i++) {
            row[i] = (float)((i * 29 + step * 53) % 97 - 48) / 32.0f;
        }
        status = kvant_buffer_write(kv->buffer, 0, row, sizeof row);
        status = status == KVANT_OK ? kvant_cache_append(cache, 0, 0, 1, kv, kv) : status;
        status = status == KVANT_OK ? kvant_cache_attend(cache, 0, 0, 1, 1, kv, kv, NULL) : status;
        status = status == KVANT_OK
                     ? kvant_buffer_read(kv->buffer, 0, j->outputs[step], sizeof j->outputs[step])
                     : status;
    }
    status = status == KVANT_OK ? kvant_cache_digest(cache, &j->digest) : status;
    return status == KVANT_OK ? kvant_context_synchronize(context) : status;
}

static kvant_status use(kvant_context *context, job *j)
{
    float data[FLOATS];
    for (int i = 0; i < FLOATS; i++) {
        data[i] = (float)((i * 37) % 101 - 50) / 16.0f;
    }
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    kvant_cache *cache = NULL;
    kvant_tensor kv = {.dtype = KVANT_F32};
    kvant_status status = kvant_recipe_parse("zipcache,window=8,period=8", &desc.recipe);
    desc.layers = 1;
    desc.q_heads = desc.kv_heads = HEADS;
    desc.k_dim = DIM;
    desc.prefill_tokens = TOKENS;
    desc.decode_tokens = STEPS;
    status = status == KVANT_OK ? kvant_cache_create(context, &desc, &cache) : status;
    status = status == KVANT_OK ? kvant_buffer_create(context, sizeof data, &kv.buffer) : status;
    status = status == KVANT_OK ? kvant_buffer_write(kv.buffer, 0, data, sizeof data) : status;
    status = status == KVANT_OK ? decode(context, cache, &kv, j) : status;
    kvant_buffer_destroy(kv.buffer);
    kvant_cache_destroy(cache);
    return status;
}

/* A text that is this thread's alone is refused; the message has to quote it. */
static int own_message(const job *j)
{
    char text[32];
    kvant_recipe recipe;
    snprintf(text, sizeof text, "no-recipe-%zx", (size_t)j);
    return kvant_recipe_parse(text, &recipe) == KVANT_ERROR_UNKNOWN_RECIPE &&
           strstr(kvant_last_message(), text) != NULL;
}

static void *run(void *argument)
{
    job *j = argument;
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = j->backend;
    j->is_message_own = 1;
    for (int round = 0; round < ROUNDS && j->status == KVANT_OK; round++) {
        kvant_context *context = NULL;
        j->status = kvant_context_create(&desc, &context);
        j->status = j->status == KVANT_OK ? use(context, j) : j->status;
        kvant_context_destroy(context);
        if (j->status != KVANT_OK) {
            snprintf(j->message, sizeof j->message, "%s", kvant_last_message());
        }
        j->is_message_own &= own_message(j);
    }
    return NULL;
}

static int is_here(const char *backend)
{
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = backend;
    kvant_context *context = NULL;
    kvant_status status = kvant_context_create(&desc, &context);
    if (status != KVANT_OK) {
        print_message("without %s: %s\n", backend, kvant_last_message());
    }
    kvant_context_destroy(context);
    return status == KVANT_OK;
}

static void run_all(job *jobs, size_t count)
{
    static pthread_t threads[THREADS * BACKENDS];
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run, &jobs[i]), 0);
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

static void check(const job *got, const job *expected)
{
    if (got->status != KVANT_OK) {
        fail_msg("%s: status %d, %s", got->backend, (int)got->status, got->message);
    }
    assert_true(got->is_message_own);
    assert_true(got->digest == expected->digest);
    assert_memory_equal(got->outputs, expected->outputs, sizeof got->outputs);
}

static void threads_do_not_disturb_each_other(void **state)
{
    (void)state;
    static job alone, jobs[THREADS * BACKENDS];
    alone.backend = "host";
    run(&alone);
    check(&alone, &alone);
    size_t count = 0;
    for (size_t i = 0; i < BACKENDS; i++) {
        if (!is_here(backends[i])) {
            continue;
        }
        job *first = &jobs[count];
        for (size_t j = 0; j < THREADS; j++) {
            first[j].backend = backends[i];
        }
        run_all(first, THREADS);
        for (size_t j = 0; j < THREADS; j++) {
            check(&first[j], &alone);
            memset(&first[j], 0, sizeof first[j]);
            first[j].backend = backends[i];
        }
        count += THREADS;
        print_message("%s: %d threads, %d contexts each\n", backends[i], THREADS, ROUNDS);
    }
    run_all(jobs, count);
    for (size_t i = 0; i < count; i++) {
        check(&jobs[i], &alone);
    }
    print_message("together: %zu threads\n", count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
