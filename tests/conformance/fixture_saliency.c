/* SPDX-License-Identifier: MIT
 *
 * A saliency event, laid out and run as the cache does it.
 */
#include "fixture_saliency.h"

void kvant_saliency_name(const kvant_saliency_spec *s, char *name, size_t size)
{
    static const char *const normalisers[] = {"sum", "causal", "probes"};
    snprintf(
        name, size, "q%u-kv%u/dim%u/tokens%u-from%u/rows%u-from%u/probes%u-%u/%s/%s-%s/%s-%s%s%s",
        s->q_heads, s->kv_heads, s->dim, s->tokens, s->first_position, s->rows, s->row_position,
        s->random, s->recent, normalisers[s->normalise], kvant_input_name(s->k_kind),
        kvant_input_name(s->q_kind), kvant_dtype_name(s->k_dtype), kvant_dtype_name(s->q_dtype),
        s->all_heads != 0u ? "/allheads" : "", s->has_gathered_queries ? "/gathered" : "");
}

static void add_keys(kvant_trial *t, const kvant_saliency_spec *s, kvant_saliency_fixture *f)
{
    kvant_event event = {
        .codec = KV_CODEC_INT8,
        .grouping = KV_GROUP_CHANNEL_SEGMENT,
        .heads = s->kv_heads,
        .dim = s->dim,
        .tokens = s->tokens,
        .capacity = (s->tokens + 3u) / 4u * 4u,
        .dtype = s->k_dtype,
        .kind = s->k_kind,
    };
    kvant_event_build(t, &event, NULL, &f->keys, f->source, f->scratch, f->scratch);
}

static void add_stages(kvant_trial *t, const kvant_saliency_spec *s, kvant_saliency_fixture *f)
{
    kv_saliency_params *p = &f->params;
    kv_u32 items = p->probes * s->q_heads;
    kv_u32 splits = (s->tokens + KV_SPLIT_TOKENS - 1u) / KV_SPLIT_TOKENS;
    kv_u32 maps = s->all_heads != 0u ? 1u : s->kv_heads;
    p->operands_offset = kvant_trial_region(t, f->scratch, items * s->dim / 4u);
    p->steps_offset = kvant_trial_region(t, f->scratch, items);
    p->partials_offset = kvant_trial_region(t, f->scratch, 2u * items * splits);
    p->rows_offset = kvant_trial_region(t, f->scratch, 2u * items);
    p->sums_offset = kvant_trial_region(t, f->scratch, 2u * s->kv_heads * s->tokens);
    p->scores_offset = kvant_trial_region(t, f->scratch, maps * s->tokens);
}

static void add_selection(kvant_trial *t, const kvant_saliency_spec *s, kv_u32 share,
                          kvant_saliency_fixture *f)
{
    kv_u32 maps = s->all_heads != 0u ? 1u : s->kv_heads;
    kv_u32 salient = s->tokens * share / 100u;
    f->select = (kv_select_params){
        .tokens = s->tokens,
        .salient = salient,
        .maps = maps,
        .scores_offset = f->params.scores_offset,
        .first_position = s->first_position,
        .salient_stride = salient,
        .regular_stride = s->tokens - salient,
        .classes_offset = KV_NO_OFFSET,
    };
    f->select.salient_offset = kvant_trial_region(t, f->store, maps * salient);
    f->select.regular_offset = kvant_trial_region(t, f->store, maps * (s->tokens - salient));
}

void kvant_saliency_build(kvant_trial *t, const kvant_saliency_spec *s, kv_u32 share,
                          kvant_saliency_fixture *f)
{
    memset(f, 0, sizeof *f);
    f->source = kvant_trial_add_buffer(t);
    f->queries = kvant_trial_add_buffer(t);
    f->scratch = kvant_trial_add_buffer(t);
    f->store = kvant_trial_add_buffer(t);
    kv_u32 probes = s->random + s->recent;
    f->probes = (kv_probe_rows_params){
        .offset = kvant_trial_region(t, f->scratch, probes),
        .rows = s->rows,
        .random = s->random,
        .recent = s->recent,
        .base = s->row_position,
        .seed_low = 0x1234567u,
        .seed_high = 0x89abcdefu,
        .layer = 3u,
        .event = s->tokens,
    };
    add_keys(t, s, f);
    f->params = (kv_saliency_params){
        .query_base = s->has_gathered_queries ? KV_NO_OFFSET : s->row_position,
        .probes = probes,
        .probes_offset = f->probes.offset,
        .tokens = s->tokens,
        .first_position = s->first_position,
        .q_heads = s->q_heads,
        .kv_heads = s->kv_heads,
        .dim = s->dim,
        .capacity = f->keys.quantize.capacity,
        .codes_offset = f->keys.quantize.codes_offset,
        .params_offset = f->keys.quantize.params_offset,
        .scale = 1.0f / sqrtf((float)s->dim),
        .normalise = s->normalise,
        .all_heads = s->all_heads,
    };
    f->params.queries = kvant_add_tensor(
        t, f->queries, (kvant_view_kind)(s->tokens % KVANT_VIEW_KIND_COUNT), s->q_dtype,
        s->has_gathered_queries ? probes : s->rows, s->q_heads, s->dim, s->q_kind);
    add_stages(t, s, f);
    add_selection(t, s, share, f);
}

void kvant_saliency_run(kvant_trial *t, kvant_saliency_fixture *f, kvant_kernel only,
                        kvant_launch_fn chosen, kvant_launch_fn rest)
{
    (only == KVANT_KERNEL_probe_rows ? chosen : rest)(t, KVANT_KERNEL_probe_rows, &f->probes,
                                                      (kvant_trial_buffer *[]){f->scratch});
    kvant_event_run(t, &f->keys, only, chosen, rest);
    (only == KVANT_KERNEL_saliency_queries ? chosen : rest)(
        t, KVANT_KERNEL_saliency_queries, &f->params,
        (kvant_trial_buffer *[]){f->queries, f->scratch});
    static const kvant_kernel stages[] = {KVANT_KERNEL_saliency_rows, KVANT_KERNEL_saliency_merge,
                                          KVANT_KERNEL_saliency_columns,
                                          KVANT_KERNEL_saliency_scores};
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
        (only == stages[i] ? chosen : rest)(t, stages[i], &f->params,
                                            (kvant_trial_buffer *[]){f->scratch});
    }
    (only == KVANT_KERNEL_select ? chosen : rest)(t, KVANT_KERNEL_select, &f->select,
                                                  (kvant_trial_buffer *[]){f->scratch, f->store});
}
