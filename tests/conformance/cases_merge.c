/* SPDX-License-Identifier: MIT
 *
 * attention_merge over partial results that no attention kernel left: more splits than lanes of a
 * warp, of a work-group, or that shared memory has room for, without the tokens these would take.
 */
#include "cases.h"

typedef struct {
    uint32_t splits;
    uint32_t v_dim;
    uint32_t q_heads;
    uint32_t queries;
    uint32_t sequences;
    int has_halves; /* f16 output */
} merge_case;

/* One partial result: the largest score, the sum of the weights, and the output. One in seven has
 * seen no token; the largest score of all is as often in the first as in the last split. */
static void fill_partial(kvant_trial *t, kv_u32 *words, uint32_t dim)
{
    int is_empty = kvant_random_below(&t->random, 7u) == 0u;
    words[0] = kv_bits(is_empty ? KV_MASKED : 6.0f * kvant_random_normal(&t->random));
    words[1] = is_empty ? 0u : (1u << 23) + kvant_random_below(&t->random, 0x7f000000u);
    for (uint32_t channel = 0; channel < dim; channel++) {
        words[2u + channel] =
            kv_bits(is_empty ? 0.0f : 20.0f * (kvant_random_unit(&t->random) - 0.5f));
    }
}

static void run_merge(kvant_trial *t, const void *data)
{
    const merge_case *c = data;
    const uint32_t rows = c->q_heads * c->queries;
    const uint32_t stride = KV_HEADER_WORDS + 5u;
    kvant_trial_buffer *store = kvant_trial_add_buffer(t);
    kvant_trial_buffer *partials = kvant_trial_add_buffer(t);
    kvant_trial_buffer *out = kvant_trial_add_buffer(t);
    kvant_trial_buffer *lse = kvant_trial_add_buffer(t);
    kv_attention_params p = {
        .sequence_stride = stride,
        .sequences = c->sequences,
        .max_splits = c->splits,
        .queries = c->queries,
        .q_heads = c->q_heads,
        .kv_heads = 1u,
        .k_dim = 8u,
        .v_dim = c->v_dim,
        .positions_offset = KV_NO_OFFSET,
        .out_head_stride = c->queries * c->v_dim,
        .out_row_stride = c->v_dim,
        .out_sequence_stride = rows * c->v_dim,
        .out_dtype = c->has_halves ? KV_DTYPE_F16 : KV_DTYPE_F32,
    };
    p.sequence_offset = kvant_trial_region(t, store, c->sequences * stride);
    for (uint32_t sequence = 0; sequence < c->sequences; sequence++) {
        /* every other sequence has a split less */
        store->words[p.sequence_offset + sequence * stride + KV_HEADER_SPLITS] =
            c->splits - sequence % 2u;
    }
    const uint32_t count = c->sequences * c->splits * rows;
    p.partials_offset = kvant_trial_region(t, partials, count * (c->v_dim + 2u));
    for (uint32_t i = 0; i < count; i++) {
        fill_partial(t, &partials->words[p.partials_offset + i * (c->v_dim + 2u)], c->v_dim);
    }
    const uint32_t elements = c->sequences * rows * c->v_dim;
    const uint32_t first = kvant_trial_region(t, out, elements);
    p.out_offset = c->has_halves ? 2u * first : first;
    p.lse_offset = kvant_trial_region(t, lse, c->sequences * rows);
    kvant_trial_launch(t, KVANT_KERNEL_attention_merge, &p,
                       (kvant_trial_buffer *[]){store, partials, out, lse});
}

void kvant_cases_merge(kvant_case_sink *sink)
{
    static const uint32_t splits[] = {31, 33, 100, 129, 257, 300, 1025, 4099};
    static const uint32_t dims[] = {64, 256, 128, 40, 80};
    for (uint32_t i = 0; i < 16u; i++) {
        merge_case c = {
            .splits = splits[i % 8u],
            .v_dim = dims[i % 5u],
            .q_heads = 1u + i % 3u,
            .queries = 1u + i / 8u,
            .sequences = 1u + i % 2u,
            .has_halves = i % 4u >= 2u,
        };
        char name[120];
        snprintf(name, sizeof name, "splits%u/dim%u/q%u/rows%u/seq%u/%s", c.splits, c.v_dim,
                 c.q_heads, c.queries, c.sequences, c.has_halves ? "f16" : "f32");
        if (c.splits > 1025u) {
            kvant_emit_full(sink, run_merge, &c, "attention_merge/partials/%s", name);
        } else {
            kvant_emit(sink, i < 8u, run_merge, &c, "attention_merge/partials/%s", name);
        }
    }
}
