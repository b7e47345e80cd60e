/* SPDX-License-Identifier: MIT
 *
 * Cases of prefill. The manifest promises a bound, which `oracle/prefill` checks; the baseline
 * kernels follow the reference's order of sums, so here they are compared bit by bit.
 */
#include "cases.h"

typedef struct {
    kv_u32 queries, keys, first_query, q_heads, kv_heads, k_dim, v_dim;
    kv_u32 dtypes[4]; /* q, k, v, out */
    kvant_input_kind kind;
    int has_lse;
    int is_fused; /* q, k and v in one buffer, [token][q heads, K heads, V heads] */
} prefill_case;

static void launch_prefill(kvant_trial *t, const prefill_case *c, kv_prefill_params *p,
                           kvant_trial_buffer *q, kvant_trial_buffer *k, kvant_trial_buffer *v)
{
    kvant_trial_buffer *out = kvant_trial_add_buffer(t);
    kvant_trial_buffer *lse = kvant_trial_add_buffer(t);
    kv_view target =
        kvant_add_target(t, out, KVANT_VIEW_PADDED, c->dtypes[3], c->queries, c->q_heads, c->v_dim);
    p->out_offset = target.offset;
    p->out_token_stride = target.token_stride;
    p->out_head_stride = target.head_stride;
    p->out_dtype = c->dtypes[3];
    p->lse_offset = KV_NO_OFFSET;
    kv_u32 offset = kvant_trial_region(t, lse, c->q_heads * c->queries);
    if (c->has_lse) {
        p->lse_offset = offset;
    }
    kvant_trial_launch(t, KVANT_KERNEL_prefill, p, (kvant_trial_buffer *[]){q, k, v, out, lse});
}

static void run_separate(kvant_trial *t, const prefill_case *c, kv_prefill_params *p)
{
    kvant_trial_buffer *buffers[3];
    kv_view views[3];
    const kv_u32 shapes[3][3] = {{c->queries, c->q_heads, c->k_dim},
                                 {c->keys, c->kv_heads, c->k_dim},
                                 {c->keys, c->kv_heads, c->v_dim}};
    static const kvant_view_kind layouts[] = {KVANT_VIEW_PACKED, KVANT_VIEW_HEAD_MAJOR};
    for (int i = 0; i < 3; i++) {
        buffers[i] = kvant_trial_add_buffer(t);
        views[i] =
            kvant_add_tensor(t, buffers[i], layouts[(c->queries + (kv_u32)i) % 2u], c->dtypes[i],
                             shapes[i][0], shapes[i][1], shapes[i][2], c->kind);
    }
    p->q_offset = views[0].offset;
    p->q_token_stride = views[0].token_stride;
    p->q_head_stride = views[0].head_stride;
    p->k_offset = views[1].offset;
    p->k_token_stride = views[1].token_stride;
    p->k_head_stride = views[1].head_stride;
    p->v_offset = views[2].offset;
    p->v_token_stride = views[2].token_stride;
    p->v_head_stride = views[2].head_stride;
    launch_prefill(t, c, p, buffers[0], buffers[1], buffers[2]);
}

/* One tensor holds q, k and v, as a fused projection leaves them; dimensions are equal. */
static void run_fused(kvant_trial *t, const prefill_case *c, kv_prefill_params *p)
{
    kvant_trial_buffer *buffer = kvant_trial_add_buffer(t);
    kv_view view = kvant_add_tensor(t, buffer, KVANT_VIEW_PACKED, c->dtypes[0], c->keys,
                                    c->q_heads + 2u * c->kv_heads, c->k_dim, c->kind);
    p->q_offset = view.offset + (c->keys - c->queries) * view.token_stride;
    p->k_offset = view.offset + c->q_heads * view.head_stride;
    p->v_offset = p->k_offset + c->kv_heads * view.head_stride;
    p->q_token_stride = p->k_token_stride = p->v_token_stride = view.token_stride;
    p->q_head_stride = p->k_head_stride = p->v_head_stride = view.head_stride;
    launch_prefill(t, c, p, buffer, buffer, buffer);
}

static void run_prefill(kvant_trial *t, const void *data)
{
    const prefill_case *c = data;
    kv_prefill_params p = {
        .queries = c->queries,
        .keys = c->keys,
        .first_query = c->first_query,
        .q_heads = c->q_heads,
        .kv_heads = c->kv_heads,
        .k_dim = c->k_dim,
        .v_dim = c->v_dim,
        .scale = 1.0f / sqrtf((float)c->k_dim),
        .q_dtype = c->dtypes[0],
        .k_dtype = c->dtypes[1],
        .v_dtype = c->dtypes[2],
    };
    if (c->is_fused) {
        run_fused(t, c, &p);
    } else {
        run_separate(t, c, &p);
    }
}

/* Scores rise from chunk to chunk by `gap`, V is tiny and in the first chunk alone: what the running
 * maximum rescales falls below the smallest normal float, which devices may flush. */
static void run_fading(kvant_trial *t, const void *data)
{
    const float gap = (float)*(const uint32_t *)data;
    const kv_u32 keys = 4u * KV_CHUNK;
    kvant_trial_buffer *b[5];
    for (int i = 0; i < 5; i++) {
        b[i] = kvant_trial_add_buffer(t);
    }
    kv_view q =
        kvant_add_tensor(t, b[0], KVANT_VIEW_PACKED, KV_DTYPE_F32, 1u, 1u, 8u, KVANT_INPUT_ZERO);
    kv_view k =
        kvant_add_tensor(t, b[1], KVANT_VIEW_PACKED, KV_DTYPE_F32, keys, 1u, 8u, KVANT_INPUT_ZERO);
    kv_view v =
        kvant_add_tensor(t, b[2], KVANT_VIEW_PACKED, KV_DTYPE_F32, keys, 1u, 8u, KVANT_INPUT_ZERO);
    kv_view out = kvant_add_target(t, b[3], KVANT_VIEW_PACKED, KV_DTYPE_F32, 1u, 1u, 8u);
    b[0]->words[q.offset] = kv_bits(1.0f);
    for (kv_u32 token = 0; token < keys; token++) {
        b[1]->words[k.offset + token * 8u] = kv_bits(gap * (float)(token / KV_CHUNK));
        for (kv_u32 channel = 0; channel < 8u; channel++) {
            float value = token < KV_CHUNK ? 1e-7f * (float)(channel + 1u) : 0.0f;
            b[2]->words[v.offset + token * 8u + channel] = kv_bits(value);
        }
    }
    kv_prefill_params p = {
        .queries = 1u,
        .keys = keys,
        .first_query = keys - 1u,
        .q_heads = 1u,
        .kv_heads = 1u,
        .k_dim = 8u,
        .v_dim = 8u,
        .scale = 1.0f,
        .q_offset = q.offset,
        .q_dtype = KV_DTYPE_F32,
        .k_offset = k.offset,
        .k_token_stride = 8u,
        .k_dtype = KV_DTYPE_F32,
        .v_offset = v.offset,
        .v_token_stride = 8u,
        .v_dtype = KV_DTYPE_F32,
        .out_offset = out.offset,
        .out_dtype = KV_DTYPE_F32,
        .lse_offset = KV_NO_OFFSET,
    };
    kvant_trial_launch(t, KVANT_KERNEL_prefill, &p, b);
    kvant_trial_check_normal(t, b[3], out.offset, 8u);
}

static void emit_fading(kvant_case_sink *sink)
{
    for (uint32_t gap = 16u; gap <= 28u; gap += 4u) {
        kvant_emit(sink, 0, run_fading, &gap, "prefill/fading/gap%u", gap);
    }
}

void kvant_cases_prefill(kvant_case_sink *sink)
{
    emit_fading(sink);
    static const kv_u32 shapes[][7] = {
        {1, 1, 0, 1, 1, 8, 8},      {5, 5, 0, 2, 1, 64, 64},     {33, 33, 0, 4, 2, 40, 40},
        {32, 32, 0, 3, 1, 72, 80},  {7, 40, 33, 8, 2, 128, 128}, {65, 65, 0, 2, 2, 96, 32},
        {3, 70, 67, 16, 1, 64, 64}, {9, 9, 0, 2, 1, 256, 256},   {4, 31, 27, 4, 4, 192, 128},
        {20, 10, 0, 2, 1, 32, 32},  {130, 130, 0, 2, 1, 64, 64},
    };
    for (uint32_t i = 0; i < 44u; i++) {
        const kv_u32 *s = shapes[i % 11u];
        prefill_case c = {
            s[0],
            s[1],
            s[2],
            s[3],
            s[4],
            s[5],
            s[6],
            {i % 3u, (i + 1u) % 3u, (i / 2u) % 3u, i % 2u != 0u ? KV_DTYPE_F16 : KV_DTYPE_F32},
            (kvant_input_kind)(i / 11u == 0u ? KVANT_INPUT_GAUSSIAN : i % KVANT_INPUT_KIND_COUNT),
            i % 3u != 1u,
            0};
        c.is_fused = i / 11u == 2u && c.k_dim == c.v_dim && c.queries <= c.keys;
        if (c.is_fused) {
            c.dtypes[1] = c.dtypes[2] = c.dtypes[0];
        }
        kvant_emit(sink, i < 11u && i % 3u != 2u, run_prefill, &c,
                   "prefill/q%u-kv%u/dim%u-%u/queries%u/keys%u/first%u/%s-%s-%s-%s/%s%s%s",
                   c.q_heads, c.kv_heads, c.k_dim, c.v_dim, c.queries, c.keys, c.first_query,
                   kvant_dtype_name(c.dtypes[0]), kvant_dtype_name(c.dtypes[1]),
                   kvant_dtype_name(c.dtypes[2]), kvant_dtype_name(c.dtypes[3]),
                   kvant_input_name(c.kind), c.has_lse ? "/lse" : "", c.is_fused ? "/fused" : "");
    }
}
