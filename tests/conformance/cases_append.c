/* SPDX-License-Identifier: MIT
 *
 * Cases of the kernels that bring tokens in: finite, append, positions.
 */
#include "cases.h"

/* ---- finite -------------------------------------------------------------------------------- */

typedef struct {
    kvant_view_kind layout;
    kv_u32 dtype;
    kvant_input_kind kind;
    uint32_t tokens, heads, dim;
} finite_case;

static void run_finite(kvant_trial *t, const void *data)
{
    const finite_case *c = data;
    kvant_trial_buffer *source = kvant_trial_add_buffer(t);
    kvant_trial_buffer *status = kvant_trial_add_buffer(t);
    kv_finite_params p = {.tokens = c->tokens, .heads = c->heads, .dim = c->dim};
    p.source =
        kvant_add_tensor(t, source, c->layout, c->dtype, c->tokens, c->heads, c->dim, c->kind);
    p.status_offset = kvant_trial_region(t, status, 1u);
    status->words[p.status_offset] = 7u; /* it adds */
    kvant_trial_launch(t, KVANT_KERNEL_finite, &p, (kvant_trial_buffer *[]){source, status});
}

static void emit_finite(kvant_case_sink *sink)
{
    static const uint32_t shapes[][3] = {{1, 1, 8}, {33, 3, 40}, {257, 2, 64}};
    for (kv_u32 dtype = 0; dtype < 3u; dtype++) {
        for (int layout = 0; layout < KVANT_VIEW_KIND_COUNT; layout++) {
            for (int shape = 0; shape < 3; shape++) {
                finite_case c = {(kvant_view_kind)layout, dtype,
                                 KVANT_INPUT_SPECIAL,     shapes[shape][0],
                                 shapes[shape][1],        shapes[shape][2]};
                if (shape != 1 && (layout + (int)dtype) % 2 != 0) {
                    continue;
                }
                kvant_emit(sink, shape == 1 && layout == 2, run_finite, &c,
                           "finite/%s/%s/special/tokens%u/heads%u/dim%u", kvant_dtype_name(dtype),
                           kvant_view_name(c.layout), c.tokens, c.heads, c.dim);
            }
        }
        finite_case clean = {KVANT_VIEW_PACKED, dtype, KVANT_INPUT_HUGE_SCALE, 20u, 2u, 32u};
        kvant_emit(sink, 0, run_finite, &clean, "finite/%s/packed/huge/tokens20/heads2/dim32",
                   kvant_dtype_name(dtype));
    }
}

/* ---- append -------------------------------------------------------------------------------- */

typedef struct {
    kvant_view_kind layout;
    kv_u32 k_dtype, v_dtype;
    kvant_input_kind kind;
    uint32_t tokens, heads, k_dim, v_dim, capacity, slot;
} append_case;

static void run_append(kvant_trial *t, const void *data)
{
    const append_case *c = data;
    kvant_trial_buffer *k = kvant_trial_add_buffer(t);
    kvant_trial_buffer *v = kvant_trial_add_buffer(t);
    kvant_trial_buffer *store = kvant_trial_add_buffer(t);
    kvant_trial_buffer *status = kvant_trial_add_buffer(t);
    kv_append_params p = {
        .tokens = c->tokens,
        .heads = c->heads,
        .k_dim = c->k_dim,
        .v_dim = c->v_dim,
        .capacity = c->capacity,
        .slot = c->slot,
        .first_position = 1000u,
    };
    p.k = kvant_add_tensor(t, k, c->layout, c->k_dtype, c->tokens, c->heads, c->k_dim, c->kind);
    if (c->v_dim != 0u) {
        p.v = kvant_add_tensor(t, v, c->layout, c->v_dtype, c->tokens, c->heads, c->v_dim, c->kind);
    }
    p.positions_offset = kvant_trial_region(t, store, c->capacity);
    p.k_offset = kvant_trial_region(t, store, c->heads * c->capacity * c->k_dim / 2u);
    p.v_offset = kvant_trial_region(t, store, c->heads * c->capacity * c->v_dim / 2u);
    p.status_offset = kvant_trial_region(t, status, 1u);
    status->words[p.status_offset] = 3u;
    kvant_trial_launch(t, KVANT_KERNEL_append, &p, (kvant_trial_buffer *[]){k, v, store, status});
}

static void emit_append(kvant_case_sink *sink)
{
    /* tokens, heads, K and V dimension, capacity, first slot */
    static const uint32_t shapes[][6] = {
        {1, 1, 8, 8, 4, 3},      {1, 8, 128, 128, 256, 255}, {5, 2, 64, 40, 8, 6},
        {33, 3, 72, 80, 36, 20}, {4, 2, 96, 0, 12, 10},      {100, 2, 192, 128, 100, 99},
        {3, 1, 256, 256, 64, 0},
    };
    for (size_t shape = 0; shape < sizeof shapes / sizeof shapes[0]; shape++) {
        for (int layout = 0; layout < KVANT_VIEW_KIND_COUNT; layout++) {
            const uint32_t *s = shapes[shape];
            kv_u32 dtype = (kv_u32)(shape + (size_t)layout) % 3u;
            append_case c = {(kvant_view_kind)layout,
                             dtype,
                             (dtype + 1u) % 3u,
                             layout % 2 != 0 ? KVANT_INPUT_SPECIAL : KVANT_INPUT_SUBNORMAL,
                             s[0],
                             s[1],
                             s[2],
                             s[3],
                             s[4],
                             s[5]};
            c.kind = shape == 3u && layout == 0 ? KVANT_INPUT_NEGATIVE_ZERO : c.kind;
            kvant_emit(sink, layout == 2, run_append, &c,
                       "append/%s-%s/%s/%s/tokens%u/heads%u/dim%u-%u/capacity%u/slot%u",
                       kvant_dtype_name(c.k_dtype), kvant_dtype_name(c.v_dtype),
                       kvant_view_name(c.layout), kvant_input_name(c.kind), c.tokens, c.heads,
                       c.k_dim, c.v_dim, c.capacity, c.slot);
        }
    }
}

/* ---- positions ----------------------------------------------------------------------------- */

static void run_positions(kvant_trial *t, const void *data)
{
    kv_positions_params p = *(const kv_positions_params *)data;
    kvant_trial_buffer *store = kvant_trial_add_buffer(t);
    p.offset = kvant_trial_region(t, store, p.capacity);
    kvant_trial_launch(t, KVANT_KERNEL_positions, &p, (kvant_trial_buffer *[]){store});
}

static void emit_positions(kvant_case_sink *sink)
{
    static const uint32_t shapes[][3] = {/* capacity, slot, count */
                                         {4, 0, 1},
                                         {4, 3, 4},
                                         {100, 90, 33},
                                         {700, 0, 700},
                                         {1024, 1000, 500}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (uint32_t step = 0; step < 2u; step++) {
            kv_positions_params p = {.capacity = shapes[i][0],
                                     .slot = shapes[i][1],
                                     .count = shapes[i][2],
                                     .first = 12345u,
                                     .step = step};
            kvant_emit(sink, i == 2u, run_positions, &p, "positions/%s/capacity%u/slot%u/count%u",
                       step != 0u ? "ascending" : "invalid", p.capacity, p.slot, p.count);
        }
    }
}

void kvant_cases_append(kvant_case_sink *sink)
{
    emit_finite(sink);
    emit_append(sink);
    emit_positions(sink);
}
