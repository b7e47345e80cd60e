/* SPDX-License-Identifier: MIT
 *
 * Statuses, lost devices, recovery.
 */
#include "fault_checks.h"

#include "cmocka_headers.h"

static bool is_memory(kvant_status status)
{
    return status == KVANT_ERROR_OUT_OF_HOST_MEMORY || status == KVANT_ERROR_OUT_OF_DEVICE_MEMORY;
}

void fault_assert_sensible(kvant_status status, bool opening)
{
    bool is_sensible = status == KVANT_ERROR_DEVICE_LOST || status == KVANT_ERROR_KERNEL_BUILD ||
                       is_memory(status);
    if (opening) {
        is_sensible = is_sensible || status == KVANT_ERROR_NO_DEVICE ||
                      status == KVANT_ERROR_BACKEND_UNAVAILABLE;
    }
    if (fault_which() == FAULT_OTHER) {
        is_sensible = is_sensible || status == KVANT_ERROR_INTERNAL;
    }
    if (!is_sensible || kvant_last_message()[0] == '\0') {
        fail_msg("%s failed with kind %d, the call says %s: %s", fault_where(), (int)fault_which(),
                 kvant_status_name(status), kvant_last_message());
    }
}

void fault_assert_results(const fault_session *s)
{
    if (!fault_session_has_results(s)) {
        fail_msg("other results after a failure of %s at stage %d", fault_where(), s->done);
    }
}

void fault_assert_lost(kvant_context *context, fault_session *s)
{
    kvant_buffer *buffer = s->out;
    kvant_work_times times = KVANT_WORK_TIMES_INIT;
    double microseconds = 0.0;
    assert_int_equal(kvant_buffer_create(context, 64, &buffer), KVANT_ERROR_DEVICE_LOST);
    assert_null(buffer);
    assert_int_equal(kvant_context_is_lost(context), 1);
    assert_int_equal(kvant_context_synchronize(context), KVANT_ERROR_DEVICE_LOST);
    assert_int_equal(kvant_context_prepare(context), KVANT_ERROR_DEVICE_LOST);
    assert_int_equal(kvant_context_mark(context, 0), KVANT_ERROR_DEVICE_LOST);
    assert_int_equal(kvant_context_elapsed(context, &microseconds), KVANT_ERROR_DEVICE_LOST);
    assert_int_equal(kvant_context_timing(context, 1), KVANT_ERROR_DEVICE_LOST);
    assert_int_equal(kvant_context_work_times(context, &times), KVANT_ERROR_DEVICE_LOST);
    if (s->cache != NULL) {
        assert_int_equal(kvant_cache_reset(s->cache, 0), KVANT_ERROR_DEVICE_LOST);
        assert_int_equal(fault_session_attend(s, 0), KVANT_ERROR_DEVICE_LOST);
        assert_int_equal(kvant_cache_digest(s->cache, &s->digest), KVANT_ERROR_DEVICE_LOST);
    }
}

bool fault_finds_loss(kvant_context *context)
{
    kvant_buffer *buffer = NULL;
    kvant_status status = kvant_buffer_create(context, 64, &buffer);
    kvant_buffer_destroy(buffer);
    if (status == KVANT_OK) {
        status = kvant_context_synchronize(context);
    }
    if (status != KVANT_OK && status != KVANT_ERROR_DEVICE_LOST) {
        fail_msg("after a failure of %s: %s", fault_where(), kvant_last_message());
    }
    return status == KVANT_ERROR_DEVICE_LOST;
}

/* Creating the session failed: it can be created now. */
static void start_again(kvant_context *context, fault_session *s)
{
    bool is_timed = s->is_timed;
    fault_session_destroy(s);
    s->is_timed = is_timed;
    assert_int_equal(fault_session_create(s, context), KVANT_OK);
    assert_int_equal(fault_session_go_on(s), KVANT_OK);
}

/* The failed stage again, and all behind it: INVALID_STATE where only a reset helps. */
static kvant_status resume(fault_session *s, fault_tally *t)
{
    if (s->done == 0 && kvant_cache_length(s->cache, 0, 0) != 0 &&
        fault_session_attend(s, 0) != KVANT_ERROR_INVALID_STATE) {
        t->wrong[FAULT_HALF_PROMPT]++;
    }
    int failed = s->done;
    kvant_status status = fault_session_go_on(s);
    if (s->is_timed && status != KVANT_OK && status != KVANT_ERROR_INVALID_STATE) {
        status = fault_session_go_on(s); /* that stamps were refused meanwhile is told once */
    }
    if (status == KVANT_OK && !fault_session_has_results(s)) {
        print_message("other results: %s failed at stage %d (%s)\n", fault_where(), failed,
                      failed == 0       ? "prompt"
                      : failed % 2 != 0 ? "append"
                                        : "attend");
        t->wrong[FAULT_OTHER_RESULTS]++;
        status = KVANT_ERROR_INVALID_STATE;
    }
    return status;
}

void fault_recover(kvant_context *context, fault_session *s, fault_tally *t)
{
    kvant_status status = KVANT_OK;
    if (s->cache == NULL) {
        start_again(context, s);
    } else {
        status = resume(s, t);
    }
    if (status == KVANT_OK) {
        t->resumed++;
    } else {
        assert_int_equal(status, KVANT_ERROR_INVALID_STATE);
        assert_int_equal(fault_session_reset(s), KVANT_OK);
        status = fault_session_go_on(s);
        if (status != KVANT_OK) {
            fail_msg("after %s and a reset: %s", fault_where(), kvant_last_message());
        }
        t->reset++;
    }
    fault_assert_results(s);
}

void fault_report_wrongs(const fault_tally *t)
{
    static const char *const texts[FAULT_WRONGS] = {
        [FAULT_OTHER_STATUS] =
            "a device lost in one of these calls is reported as something else at first",
        [FAULT_HALF_PROMPT] = "after a failed prompt the sequence is neither empty nor refused",
        [FAULT_OTHER_RESULTS] =
            "the failed call can be repeated, but the results are others until a reset",
    };
    for (int i = 0; i < FAULT_WRONGS; i++) {
        if (t->wrong[i] != 0) {
            fail_msg("%ld points: %s", t->wrong[i], texts[i]);
        }
    }
}
