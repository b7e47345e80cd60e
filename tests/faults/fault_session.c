/* SPDX-License-Identifier: MIT
 *
 * The stages of a session, the measured ones among them, and their results.
 */
#include "fault_session.h"

#include <math.h>
#include <string.h>

#include "cmocka_headers.h"
#include "context_internal.h"

static float expected_outputs[FAULT_STEPS][FAULT_ROW];
static uint64_t expected_digest;

kvant_status fault_open(const char *backend, kvant_context **out_context)
{
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = backend;
    desc.allocator = fault_allocator();
    *out_context = (kvant_context *)&desc; /* must become NULL */
    kvant_status status = kvant_context_create(&desc, out_context);
    assert_true((*out_context != NULL) == (status == KVANT_OK));
    return status;
}

static kvant_status create_buffer(kvant_context *context, uint64_t bytes, kvant_buffer **out_buffer)
{
    kvant_status status = kvant_buffer_create(context, bytes, out_buffer);
    assert_true((*out_buffer != NULL) == (status == KVANT_OK));
    return status;
}

kvant_status fault_session_create(fault_session *s, kvant_context *context)
{
    static float values[FAULT_TOKENS * FAULT_ROW]; /* K and V use the first of them */
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    kvant_status status = kvant_recipe_parse("zipcache,window=8,period=8", &desc.recipe);
    assert_int_equal(status, KVANT_OK);
    desc.layers = 1;
    desc.q_heads = FAULT_Q_HEADS;
    desc.kv_heads = FAULT_KV_HEADS;
    desc.k_dim = FAULT_DIM;
    desc.prefill_tokens = FAULT_PROMPT;
    desc.decode_tokens = FAULT_STEPS;
    s->context = context;
    for (int i = 0; i < 3 && status == KVANT_OK; i++) {
        for (int j = 0; j < FAULT_TOKENS * FAULT_ROW; j++) {
            values[j] = (float)((j * 37 + i * 11) % 101 - 50) / 16.0f;
        }
        status = create_buffer(context, sizeof values, &s->tensors[i]);
        if (status == KVANT_OK) {
            status = kvant_buffer_write(s->tensors[i], 0, values, sizeof values);
        }
    }
    if (status == KVANT_OK) {
        status = create_buffer(context, sizeof s->outputs[0], &s->out);
    }
    if (status == KVANT_OK) {
        s->cache = (kvant_cache *)&desc; /* must become NULL */
        status = kvant_cache_create(context, &desc, &s->cache);
        assert_true((s->cache != NULL) == (status == KVANT_OK));
    }
    return status;
}

void fault_session_destroy(fault_session *s)
{
    if (s->is_timed && s->context != NULL) {
        s->context->timing.is_on = false; /* a lost device may be taken back into use */
    }
    kvant_cache_destroy(s->cache);
    for (int i = 0; i < 3; i++) {
        kvant_buffer_destroy(s->tensors[i]);
    }
    kvant_buffer_destroy(s->out);
    *s = (fault_session){0};
}

/* ---- stages ---- */

static kvant_tensor rows_of(const fault_session *s, int which, int first)
{
    int heads = which < 2 ? FAULT_KV_HEADS : FAULT_Q_HEADS;
    return (kvant_tensor){.buffer = s->tensors[which],
                          .dtype = KVANT_F32,
                          .offset = (uint64_t)(first * heads * FAULT_DIM)};
}

kvant_status fault_session_attend(fault_session *s, int step)
{
    kvant_tensor q = rows_of(s, 2, FAULT_PROMPT + step);
    kvant_tensor out = {.buffer = s->out, .dtype = KVANT_F32};
    kvant_status status = kvant_cache_attend(s->cache, 0, 0, 1, 1, &q, &out, NULL);
    if (status == KVANT_OK) {
        status = kvant_buffer_read(s->out, 0, s->outputs[step], sizeof s->outputs[step]);
    }
    return status;
}

/* The stage that is next. */
static kvant_status advance(fault_session *s)
{
    int row = s->done < 1 ? 0 : FAULT_PROMPT + (s->done - 1) / 2;
    kvant_tensor k = rows_of(s, 0, row);
    kvant_tensor v = rows_of(s, 1, row);
    kvant_tensor q = rows_of(s, 2, 0);
    kvant_status status;
    if (s->done == 0) {
        status = kvant_cache_prefill(s->cache, 0, 0, FAULT_PROMPT, &k, &v, &q);
    } else if (s->done <= 2 * FAULT_STEPS) {
        status = (s->done - 1) % 2 == 0 ? kvant_cache_append(s->cache, 0, 0, 1, &k, &v)
                                        : fault_session_attend(s, (s->done - 1) / 2);
    } else {
        status = kvant_cache_digest(s->cache, &s->digest);
    }
    s->done += status == KVANT_OK ? 1 : 0;
    return status;
}

/* Starts measuring as if most time stamps were in use, so that a command soon has to wait. */
static kvant_status start_timing(fault_session *s)
{
    kvant_status status = kvant_context_timing(s->context, 1);
    if (status == KVANT_OK) {
        s->context->timing.read = s->context->timing.pairs = KVANT_TIMED_COMMANDS - 8;
    }
    return status;
}

static kvant_status read_elapsed(fault_session *s)
{
    double microseconds = -1.0;
    kvant_status status = kvant_context_elapsed(s->context, &microseconds);
    assert_true(status != KVANT_OK || (isfinite(microseconds) && microseconds >= 0.0));
    return status;
}

/* Where nothing failed every command has its time. */
static kvant_status read_work_times(fault_session *s)
{
    kvant_work_times times = KVANT_WORK_TIMES_INIT;
    kvant_status status = kvant_context_work_times(s->context, &times);
    for (int kind = 0; kind < KVANT_WORK_KINDS && status == KVANT_OK; kind++) {
        assert_true(isfinite(times.microseconds[kind]) && times.microseconds[kind] >= 0.0);
        assert_true(fault_injected() != 0 || times.commands[kind] != 0);
    }
    return status;
}

kvant_status fault_session_time(fault_session *s)
{
    enum { START, FIRST_MARK, PROMPT, APPEND, ATTEND, LAST_MARK, ELAPSED, TIMES, STOP, STAGES };
    kvant_status status = KVANT_OK;
    while (s->is_timed && s->timed < STAGES && status == KVANT_OK) {
        switch (s->timed) {
        case START:
            status = start_timing(s);
            break;
        case FIRST_MARK:
        case LAST_MARK:
            status = kvant_context_mark(s->context, s->timed == FIRST_MARK ? 0 : 1);
            break;
        case ELAPSED:
            status = read_elapsed(s);
            break;
        case TIMES:
            status = read_work_times(s);
            break;
        case STOP:
            status = kvant_context_timing(s->context, 0);
            break;
        case PROMPT:
        case APPEND:
        case ATTEND:
        default:
            status = advance(s);
            break;
        }
        s->timed += status == KVANT_OK ? 1 : 0;
    }
    return status;
}

kvant_status fault_session_go_on(fault_session *s)
{
    kvant_status status = fault_session_time(s);
    while (status == KVANT_OK && s->done <= 2 * FAULT_STEPS + 1) {
        status = advance(s);
    }
    return status;
}

kvant_status fault_session_reset(fault_session *s)
{
    s->done = 0;
    s->timed = 0;
    return kvant_cache_reset(s->cache, 0);
}

/* ---- results ---- */

void fault_session_expect(const fault_session *s)
{
    expected_digest = s->digest;
    memcpy(expected_outputs, s->outputs, sizeof expected_outputs);
}

bool fault_session_has_results(const fault_session *s)
{
    return s->digest == expected_digest &&
           memcmp(s->outputs, expected_outputs, sizeof expected_outputs) == 0;
}
