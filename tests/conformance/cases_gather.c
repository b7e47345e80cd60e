/* SPDX-License-Identifier: MIT
 *
 * Cases of gather: rows of a compression event that stay f16, in every layout of the caller's tensor,
 * by lists and in order; and against a tensor that is looked up in double precision.
 */
#include "cases.h"
#include "fixture_quantize.h"
#include "oracle.h"

#include <math.h>

static kvant_event_plan build(kvant_trial *t, const kvant_event *e)
{
    kvant_event_plan plan;
    kvant_trial_buffer *source = kvant_trial_add_buffer(t);
    kvant_trial_buffer *store = kvant_trial_add_buffer(t);
    kvant_trial_buffer *scratch = kvant_trial_add_buffer(t);
    kvant_event_build(t, e, NULL, &plan, source, store, scratch);
    return plan;
}

static void run_gather(kvant_trial *t, const void *data)
{
    kvant_event_plan plan = build(t, data);
    kvant_trial_launch(t, KVANT_KERNEL_gather, &plan.quantize,
                       (kvant_trial_buffer *[]){plan.source, plan.store});
}

/* The element of the caller's tensor that the event's token has. */
static double given(const kvant_event_plan *plan, unsigned token, unsigned head, unsigned channel)
{
    const kv_quantize_params *p = &plan->quantize;
    const kv_view *view = &p->source;
    unsigned row = token;
    if (p->indices_offset != KV_NO_OFFSET) {
        row = plan->store->words[p->indices_offset + head * p->indices_head + token] - 500u;
    }
    uint64_t at = view->offset + (uint64_t)(view->first + row) * view->token_stride +
                  (uint64_t)head * view->head_stride + (uint64_t)channel * view->channel_stride;
    return oracle_element(plan->source->words, at, view->dtype);
}

static void run_oracle(kvant_trial *t, const void *data)
{
    const kvant_event *e = data;
    kvant_event_plan plan = build(t, e);
    kvant_trial_device_only(t, KVANT_KERNEL_gather, &plan.quantize,
                            (kvant_trial_buffer *[]){plan.source, plan.store});
    const uint32_t *rows = &plan.store->words[plan.quantize.codes_offset];
    for (unsigned head = 0; head < e->heads; head++) {
        for (unsigned token = 0; token < (e->tokens + 3u) / 4u * 4u; token++) {
            for (unsigned channel = 0; channel < e->dim; channel++) {
                double x = token < e->tokens ? given(&plan, token, head, channel) : 0.0;
                uint64_t at = ((uint64_t)head * e->capacity + e->token + token) * e->dim + channel;
                double got = oracle_element(rows, at, 0u);
                if (got != oracle_cache_value(x) || (got == 0.0 && signbit(got))) {
                    kvant_trial_fail(t, "token %u, head %u, channel %u: %.9g became %.9g", token,
                                     head, channel, x, got);
                }
            }
        }
    }
    t->words += (uint64_t)e->heads * e->tokens * e->dim / 2u;
}

static void emit_event(kvant_case_sink *sink, int is_quick, kvant_case_fn run, const char *kind,
                       const kvant_event *e)
{
    char name[200];
    kvant_event_name(e, name, sizeof name);
    kvant_emit(sink, is_quick, run, e, "%s/%s", kind, name);
}

void kvant_cases_gather(kvant_case_sink *sink)
{
    /* heads, dimension, tokens of the event, where it starts */
    static const kv_u32 shapes[][4] = {{1, 8, 1, 0},   {2, 40, 6, 4},     {3, 64, 33, 8},
                                       {8, 128, 5, 0}, {1, 256, 257, 12}, {4, 96, 100, 0}};
    uint32_t i = 0;
    for (size_t shape = 0; shape < sizeof shapes / sizeof shapes[0]; shape++) {
        for (int layout = 0; layout < KVANT_VIEW_KIND_COUNT; layout++, i++) {
            kvant_event e = {
                .is_value = i % 2u,
                .codec = KV_CODEC_F16,
                .heads = shapes[shape][0],
                .dim = shapes[shape][1],
                .tokens = shapes[shape][2],
                .token = shapes[shape][3],
                .capacity = (shapes[shape][2] + 3u) / 4u * 4u + shapes[shape][3] + 4u,
                .dtype = i % 3u,
                .layout = (kvant_view_kind)layout,
                .kind = i % 3u == 1u ? KVANT_INPUT_SUBNORMAL : KVANT_INPUT_SPECIAL,
                .gather = (kvant_gather)((shape + (size_t)layout) % 3u),
            };
            emit_event(sink, layout == 2, run_gather, "gather", &e);
        }
    }
    for (int gather = 0; gather < 3; gather++) {
        kvant_event e = {.codec = KV_CODEC_F16,
                         .heads = 3u,
                         .dim = 72u,
                         .tokens = 26u,
                         .token = 4u,
                         .capacity = 36u,
                         .dtype = (kv_u32)gather,
                         .layout = KVANT_VIEW_PADDED,
                         .kind = KVANT_INPUT_SPECIAL,
                         .gather = (kvant_gather)gather};
        emit_event(sink, 1, run_oracle, "oracle/gather", &e);
    }
}
