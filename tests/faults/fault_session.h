/* SPDX-License-Identifier: MIT
 *
 * What is done with a device while its calls fail: a cache is created, takes a prompt and decodes
 * over a compression. Stage by stage, so that a failed one can be tried again.
 */
#ifndef KVANT_TESTS_FAULT_SESSION_H
#define KVANT_TESTS_FAULT_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "fault_points.h"

enum {
    FAULT_PROMPT = 40,
    FAULT_STEPS = 12, /* the window of 8 + 8 is full before the last of them */
    FAULT_TOKENS = FAULT_PROMPT + FAULT_STEPS,
    FAULT_Q_HEADS = 6, /* three query rows a KV head: enough for every variant of attention */
    FAULT_KV_HEADS = 2,
    FAULT_DIM = 16,
    FAULT_ROW = FAULT_Q_HEADS * FAULT_DIM
};

typedef struct {
    kvant_context *context;
    kvant_cache *cache;
    kvant_buffer *tensors[3]; /* K, V, Q of all tokens, f32 */
    kvant_buffer *out;
    float outputs[FAULT_STEPS][FAULT_ROW];
    uint64_t digest;
    int done;      /* stages that succeeded: prompt, then append and attend in turn, digest */
    bool is_timed; /* the first of them while device time is measured */
    int timed;     /* stages of measuring that succeeded */
} fault_session;

/* A context with the counted allocator. */
kvant_status fault_open(const char *backend, kvant_context **out_context);

kvant_status fault_session_create(fault_session *s, kvant_context *context);
void fault_session_destroy(fault_session *s); /* stops measuring */

/* One attention, its output read back. */
kvant_status fault_session_attend(fault_session *s, int step);

/* The measured stages that are left, where is_timed is set; all stages that are left. */
kvant_status fault_session_time(fault_session *s);
kvant_status fault_session_go_on(fault_session *s);

/* Empties the sequence: all stages are to be done again. */
kvant_status fault_session_reset(fault_session *s);

/* The results that every other session must have; whether this one has them. */
void fault_session_expect(const fault_session *s);
bool fault_session_has_results(const fault_session *s);

#endif
