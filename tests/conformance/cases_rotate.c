/* SPDX-License-Identifier: MIT
 *
 * Cases of the kernel rotate: K and V of the cache, in one launch and alone, queries, and outputs on
 * their way back to strided tensors.
 */
#include "cases.h"

typedef struct {
    kvant_view_kind layout;
    kv_u32 dtype, target_dtype;
    kvant_input_kind kind;
    uint32_t tokens, heads, dim, second_dim, form;
} rotate_case;

static void draw_signs(kvant_trial *t, kv_rotate_params *p)
{
    for (int i = 0; i < 8; i++) {
        p->signs[i] = (kv_u32)kvant_random(&t->random);
    }
}

/* The rows of both tensors packed, or those of one at even strides that are not. */
static void place_target(kvant_trial *t, const rotate_case *c, kvant_trial_buffer *target,
                         kv_rotate_params *p)
{
    uint32_t per_word = c->target_dtype == KV_DTYPE_F32 ? 1u : 2u;
    if (c->second_dim != 0u) {
        uint32_t elements = c->tokens * c->heads * (c->dim + c->second_dim);
        p->target_offset = kvant_trial_region(t, target, elements / per_word) * per_word;
        p->target_head_stride = c->dim;
        p->target_token_stride = c->heads * c->dim;
        return;
    }
    kvant_view_kind layout = c->layout == KVANT_VIEW_PADDED || c->layout == KVANT_VIEW_HEAD_MAJOR
                                 ? c->layout
                                 : KVANT_VIEW_PACKED;
    kv_view view =
        kvant_add_target(t, target, layout, c->target_dtype, c->tokens, c->heads, c->dim);
    p->target_offset = view.offset + view.first * view.token_stride;
    p->target_token_stride = view.token_stride;
    p->target_head_stride = view.head_stride;
}

static void run_rotate(kvant_trial *t, const void *data)
{
    const rotate_case *c = data;
    kvant_trial_buffer *source = kvant_trial_add_buffer(t);
    kvant_trial_buffer *second = kvant_trial_add_buffer(t);
    kvant_trial_buffer *target = kvant_trial_add_buffer(t);
    kvant_trial_buffer *status = kvant_trial_add_buffer(t);
    kv_rotate_params p = {
        .tokens = c->tokens,
        .heads = c->heads,
        .dim = c->dim,
        .second_dim = c->second_dim,
        .target_dtype = c->target_dtype,
        .form = c->form,
    };
    p.source =
        kvant_add_tensor(t, source, c->layout, c->dtype, c->tokens, c->heads, c->dim, c->kind);
    if (c->second_dim != 0u) {
        kvant_view_kind other = (kvant_view_kind)((c->layout + 1) % KVANT_VIEW_KIND_COUNT);
        p.second = kvant_add_tensor(t, second, other, (c->dtype + 1u) % 3u, c->tokens, c->heads,
                                    c->second_dim, c->kind);
    }
    place_target(t, c, target, &p);
    draw_signs(t, &p);
    uint32_t counter = kvant_trial_region(t, status, 1u);
    status->words[counter] = 5u; /* it adds */
    p.status_offset = (c->form & KV_ROTATE_CACHED) != 0u ? counter : KV_NO_OFFSET;
    kvant_trial_launch(t, KVANT_KERNEL_rotate, &p,
                       (kvant_trial_buffer *[]){source, second, target, status});
    if (c->target_dtype == KV_DTYPE_F32) {
        kvant_trial_check_normal(t, target, p.target_offset, c->dim);
    }
}

static const char *form_name(uint32_t form)
{
    static const char *const names[] = {"queries", "outputs", "cache", "cache-back"};
    return names[form];
}

void kvant_cases_rotate(kvant_case_sink *sink)
{
    /* tokens, heads, dimension, that of the second tensor */
    static const uint32_t shapes[][4] = {{1, 8, 128, 128}, {1, 1, 8, 0},     {5, 3, 72, 80},
                                         {33, 2, 64, 0},   {3, 1, 256, 248}, {7, 5, 96, 16},
                                         {130, 2, 40, 0},  {2, 4, 192, 0}};
    static const kvant_input_kind kinds[] = {KVANT_INPUT_OUTLIERS,      KVANT_INPUT_SPECIAL,
                                             KVANT_INPUT_HUGE_SCALE,    KVANT_INPUT_SUBNORMAL,
                                             KVANT_INPUT_NEGATIVE_ZERO, KVANT_INPUT_GAUSSIAN};
    for (size_t shape = 0; shape < sizeof shapes / sizeof shapes[0]; shape++) {
        for (uint32_t form = 0; form < 4u; form++) {
            for (uint32_t i = 0; i < 3u; i++) {
                const uint32_t *s = shapes[shape];
                uint32_t mix = (uint32_t)shape + form + 2u * i;
                rotate_case c = {
                    .layout = (kvant_view_kind)((mix + i) % KVANT_VIEW_KIND_COUNT),
                    .dtype = (mix + form) % 3u,
                    .target_dtype =
                        (form & KV_ROTATE_CACHED) != 0u || i == 1u ? KV_DTYPE_F16 : KV_DTYPE_F32,
                    .kind = kinds[(mix + 2u * form) % 6u],
                    .tokens = s[0],
                    .heads = s[1],
                    .dim = s[2],
                    .second_dim = s[3],
                    .form = form,
                };
                kvant_emit(sink, i == 0u && shape % 2u == 0u, run_rotate, &c,
                           "rotate/%s/%s-%s/%s/%s/tokens%u/heads%u/dim%u-%u", form_name(form),
                           kvant_dtype_name(c.dtype), kvant_dtype_name(c.target_dtype),
                           kvant_view_name(c.layout), kvant_input_name(c.kind), c.tokens, c.heads,
                           c.dim, c.second_dim);
            }
        }
    }
}
