/* SPDX-License-Identifier: MIT
 *
 * Cases of the saliency family: probe_rows, each stage of an event alone, and the whole chain from
 * the probes to the selected tokens enqueued in one go.
 */
#include "cases.h"
#include "fixture_saliency.h"

static void run_probe_rows(kvant_trial *t, const void *data)
{
    kv_probe_rows_params p = *(const kv_probe_rows_params *)data;
    kvant_trial_buffer *scratch = kvant_trial_add_buffer(t);
    p.offset = kvant_trial_region(t, scratch, p.random + p.recent);
    kvant_trial_launch(t, KVANT_KERNEL_probe_rows, &p, (kvant_trial_buffer *[]){scratch});
}

static void emit_probe_rows(kvant_case_sink *sink)
{
    static const kv_u32 shapes[][3] = {
        /* rows, random, recent */
        {1, 0, 1},    {1, 1, 0},   {20, 1, 1},       {100, 5, 5},       {840, 42, 42},
        {33, 16, 17}, {33, 33, 0}, {4096, 205, 205}, {1000000, 500, 3}, {700, 0, 700},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (kv_u32 turn = 0; turn < 2u; turn++) {
            kv_probe_rows_params p = {
                .rows = shapes[i][0],
                .random = shapes[i][1],
                .recent = shapes[i][2],
                .base = turn * 777u,
                .seed_low = turn * 0xdeadbeefu + 1u,
                .seed_high = turn * 0xfffffffeu,
                .layer = turn * 31u,
                .event = turn,
            };
            kvant_emit(sink, i == 4u, run_probe_rows, &p, "probe_rows/rows%u/probes%u-%u/base%u",
                       p.rows, p.random, p.recent, p.base);
        }
    }
}

typedef struct {
    kvant_saliency_spec spec;
    kvant_kernel kernel; /* KVANT_KERNEL_COUNT: all */
} saliency_case;

static void run_saliency(kvant_trial *t, const void *data)
{
    const saliency_case *c = data;
    kvant_saliency_fixture f;
    kvant_saliency_build(t, &c->spec, 60u, &f);
    if (c->kernel == KVANT_KERNEL_COUNT) {
        kvant_saliency_run(t, &f, KVANT_KERNEL_COUNT, NULL, kvant_trial_enqueue);
        kvant_trial_check_all(t, "saliency");
    } else {
        kvant_saliency_run(t, &f, c->kernel, kvant_trial_launch, kvant_trial_prepare);
    }
}

static void emit_spec(kvant_case_sink *sink, const kvant_saliency_spec *spec, int quick)
{
    static const kvant_kernel kernels[] = {
        KVANT_KERNEL_saliency_queries, KVANT_KERNEL_saliency_rows, KVANT_KERNEL_saliency_merge,
        KVANT_KERNEL_saliency_columns, KVANT_KERNEL_saliency_scores};
    char name[200];
    kvant_saliency_name(spec, name, sizeof name);
    saliency_case c = {.spec = *spec};
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        c.kernel = kernels[i];
        kvant_emit(sink, quick, run_saliency, &c, "%s/%s", kvant_kernel_name(c.kernel), name);
    }
    c.kernel = KVANT_KERNEL_COUNT;
    kvant_emit(sink, quick, run_saliency, &c, "saliency/%s", name);
}

void kvant_cases_saliency(kvant_case_sink *sink)
{
    emit_probe_rows(sink);
    /* tokens, first position, rows, position of the first row, random, recent */
    static const kv_u32 events[][6] = {
        {33, 0, 33, 0, 2, 2},     {1, 0, 1, 0, 0, 1},      {100, 0, 100, 0, 5, 5},
        {5, 0, 5, 0, 3, 0},       {257, 0, 257, 0, 13, 4}, {31, 1000, 31, 1000, 1, 7},
        {100, 64, 40, 124, 4, 4}, {256, 0, 256, 0, 9, 1},  {40, 500, 60, 480, 10, 2},
        {700, 0, 700, 0, 10, 10}, {64, 0, 64, 0, 32, 0},
    };
    static const kv_u32 heads[][2] = {{2, 1}, {1, 1},  {4, 2},  {3, 1},
                                      {8, 2}, {16, 2}, {16, 1}, {4, 4}};
    static const kv_u32 dims[] = {64, 8, 40, 128, 72, 32, 256, 96, 80};
    for (uint32_t i = 0; i < 44u; i++) {
        const kv_u32 *e = events[i % 11u];
        kvant_saliency_spec s = {
            .tokens = e[0],
            .first_position = e[1],
            .rows = e[2],
            .row_position = e[3],
            .random = e[4],
            .recent = e[5],
            .q_heads = heads[i % 8u][0],
            .kv_heads = heads[i % 8u][1],
            .dim = dims[i % 9u],
            .k_dtype = i % 3u,
            .q_dtype = (i / 3u) % 3u,
            .k_kind = (kvant_input_kind)(i < 22u ? i % 2u : i % KVANT_INPUT_KIND_COUNT),
            .q_kind = (kvant_input_kind)(i % 4u == 3u ? (i / 4u) % KVANT_INPUT_KIND_COUNT : 0u),
            .normalise = i % 3u,
            .all_heads = (i / 2u) % 2u,
            .has_gathered_queries = i % 5u == 1u,
        };
        if (s.tokens == 700u) {
            s.dim = 64u;
            s.q_heads = 4u;
            s.kv_heads = 2u;
        }
        emit_spec(sink, &s, i % 11u == 2u);
    }
    kvant_saliency_spec big = {.tokens = 1500u,
                               .rows = 1500u,
                               .random = 40u,
                               .recent = 40u,
                               .q_heads = 4u,
                               .kv_heads = 1u,
                               .dim = 128u,
                               .k_kind = KVANT_INPUT_OUTLIERS,
                               .normalise = KV_NORMALISE_PROBES};
    emit_spec(sink, &big, 0);
    /* the first column sums 36 probabilities of a KV head, more than 32 bits of 2^-28 hold */
    kvant_saliency_spec tall = {.tokens = 5u,
                                .rows = 5u,
                                .random = 2u,
                                .recent = 3u,
                                .q_heads = 16u,
                                .kv_heads = 1u,
                                .dim = 32u,
                                .normalise = KV_NORMALISE_CAUSAL};
    emit_spec(sink, &tall, 1);
}
