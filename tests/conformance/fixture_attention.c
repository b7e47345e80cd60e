/* SPDX-License-Identifier: MIT
 *
 * A decode step over a cache: names and buffers.
 */
#include "fixture_attention.h"

static void format_text(const kvant_format *f, char *text, size_t size)
{
    static const char *const groupings[] = {"t", "th", "tc", "ct", "cs"};
    if (f->codec == KV_CODEC_F16) {
        snprintf(text, size, "f16");
        return;
    }
    char length[16] = "";
    if (f->group_length != 0u) {
        snprintf(length, sizeof length, "%u", f->group_length);
    }
    snprintf(text, size, "%s%s%s%s%s", kvant_event_codec_name(f->codec),
             f->codec >= KV_CODEC_NF4 ? "-" : "", groupings[f->grouping], length,
             f->has_channel_scale ? "-cst" : "");
}

kvant_kernel kvant_attention_kernel_of(const kvant_attention_spec *s)
{
    for (kv_u32 i = 0; i < s->cache.segment_count; i++) {
        if (s->cache.is_latent) {
            return KVANT_KERNEL_attention_latent;
        }
        if (s->cache.segments[i].head_count != 0u ||
            kv_codec_has_codebook(s->cache.segments[i].k.codec) != 0u ||
            kv_codec_has_codebook(s->cache.segments[i].v.codec) != 0u) {
            return KVANT_KERNEL_attention_general;
        }
    }
    return KVANT_KERNEL_attention;
}

void kvant_attention_name(const kvant_attention_spec *s, const char *format, char *name,
                          size_t size)
{
    static const char *const masks[] = {"all", "causal", "early"};
    int used = snprintf(name, size, "%s", format);
    for (kv_u32 i = 0; i < s->cache.segment_count && (size_t)used < size; i++) {
        const kvant_segment *segment = &s->cache.segments[i];
        char k[32];
        char v[32];
        char heads[24] = "";
        if (segment->head_count != 0u) {
            snprintf(heads, sizeof heads, "-of%u+%u", segment->head_first, segment->head_count);
        }
        format_text(&segment->k, k, sizeof k);
        format_text(&segment->v, v, sizeof v);
        used += snprintf(name + used, size - (size_t)used, "/%s.%s.%u%s%s", k, v, segment->tokens,
                         segment->has_positions_per_head ? "h" : "", heads);
    }
    if ((size_t)used < size) {
        snprintf(name + used, size - (size_t)used,
                 "/q%u-kv%u/dim%u-%u/rows%u/seq%u/%s/%s-%s/%s-%s%s%s", s->q_heads,
                 s->cache.kv_heads, s->cache.k_dim, s->cache.v_dim, s->queries, s->cache.sequences,
                 masks[s->mask], kvant_input_name(s->cache.kind), kvant_input_name(s->query_kind),
                 kvant_dtype_name(s->q_dtype), kvant_dtype_name(s->out_dtype),
                 s->has_lse ? "-lse" : "", s->is_padded ? "/padded" : "");
    }
}

static void add_queries(kvant_trial *t, const kvant_attention_spec *s, kvant_attention_fixture *f)
{
    kv_attention_params *p = &f->params;
    kv_u32 dim = s->cache.k_dim + (s->cache.is_latent ? s->cache.v_dim : 0u);
    kv_u32 odd = s->is_padded ? 3u : 0u;
    p->q_row_stride = s->is_padded ? s->q_heads * (dim + odd) : dim;
    p->q_head_stride = s->is_padded ? dim + odd : s->queries * dim;
    p->q_sequence_stride = s->queries * s->q_heads * (dim + odd) + odd;
    kv_u32 elements = s->cache.sequences * p->q_sequence_stride + odd + 1u;
    kv_u32 base = kvant_trial_region(t, f->queries, elements);
    p->q_offset = (s->q_dtype == KV_DTYPE_F32 ? base : 2u * base) + (s->is_padded ? 1u : 0u);
    p->q_dtype = s->q_dtype;
    for (kv_u32 sequence = 0; sequence < s->cache.sequences; sequence++) {
        for (kv_u32 head = 0; head < s->q_heads; head++) {
            for (kv_u32 row = 0; row < s->queries; row++) {
                kv_u32 at = p->q_offset + sequence * p->q_sequence_stride +
                            head * p->q_head_stride + row * p->q_row_stride;
                for (kv_u32 channel = 0; channel < dim; channel++) {
                    kvant_store_element(f->queries->words, at + channel, s->q_dtype,
                                        kvant_input_value(&t->random, s->query_kind, row, channel));
                }
            }
        }
    }
}

static void add_positions(kvant_trial *t, const kvant_attention_spec *s, kvant_attention_fixture *f)
{
    f->params.positions_offset = KV_NO_OFFSET;
    kv_u32 rows = s->cache.sequences * s->queries;
    kv_u32 offset = kvant_trial_region(t, f->positions, rows);
    if (s->mask == KVANT_MASK_NONE) {
        return;
    }
    f->params.positions_offset = offset;
    for (kv_u32 i = 0; i < rows; i++) {
        kv_u32 row = i % s->queries;
        kv_u32 position = f->layout.positions + row;
        if (s->mask == KVANT_MASK_CAUSAL) {
            position -= position >= s->queries ? s->queries : 0u;
        } else { /* positions start at 10: the first row of the first sequence sees none */
            position = i == 0u ? 3u : position * (row + 1u) / (s->queries + 1u);
        }
        f->positions->words[offset + i] = position;
    }
}

static void add_results(kvant_trial *t, const kvant_attention_spec *s, kvant_attention_fixture *f)
{
    kv_attention_params *p = &f->params;
    kv_u32 dim = s->cache.v_dim;
    kv_u32 gap = s->is_padded ? 6u : 0u;
    p->max_splits = f->layout.splits + 1u;
    p->partials_offset = kvant_trial_region(
        t, f->partials, s->cache.sequences * p->max_splits * s->q_heads * s->queries * (dim + 2u));
    p->out_row_stride = s->is_padded ? s->q_heads * (dim + gap) : dim;
    p->out_head_stride = s->is_padded ? dim + gap : s->queries * dim;
    p->out_sequence_stride = s->queries * s->q_heads * (dim + gap) + gap;
    kv_u32 base = kvant_trial_region(t, f->out, s->cache.sequences * p->out_sequence_stride);
    p->out_dtype = s->out_dtype;
    p->out_offset = s->out_dtype == KV_DTYPE_F32 ? base : 2u * base;
    kv_u32 lse = kvant_trial_region(t, f->lse, s->cache.sequences * s->q_heads * s->queries);
    p->lse_offset = s->has_lse ? lse : KV_NO_OFFSET;
}

/* The same for attention_latent: rotary channels come after the absorbed ones. */
static void fill_latent(kvant_attention_fixture *f)
{
    const kv_attention_params *p = &f->params;
    f->latent = (kv_latent_params){
        .sequence_offset = p->sequence_offset,
        .sequence_stride = p->sequence_stride,
        .splits_offset = p->splits_offset,
        .segments_offset = p->segments_offset,
        .sequences = p->sequences,
        .max_splits = p->max_splits,
        .queries = p->queries,
        .q_heads = p->q_heads,
        .k_dim = p->k_dim,
        .v_dim = p->v_dim,
        .scale = p->scale,
        .q_offset = p->q_offset,
        .q_sequence_stride = p->q_sequence_stride,
        .q_head_stride = p->q_head_stride,
        .q_row_stride = p->q_row_stride,
        .q_dtype = p->q_dtype,
        .rotary_offset = p->q_offset + p->v_dim,
        .rotary_sequence_stride = p->q_sequence_stride,
        .rotary_head_stride = p->q_head_stride,
        .rotary_row_stride = p->q_row_stride,
        .rotary_dtype = p->q_dtype,
        .positions_offset = p->positions_offset,
        .partials_offset = p->partials_offset,
    };
}

void kvant_attention_build(kvant_trial *t, const kvant_attention_spec *s,
                           kvant_attention_fixture *f)
{
    memset(f, 0, sizeof *f);
    kvant_trial_buffer **const buffers[] = {&f->store, &f->queries, &f->positions, &f->partials,
                                            &f->out,   &f->lse,     &f->source,    &f->scratch};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        *buffers[i] = kvant_trial_add_buffer(t);
    }
    kvant_cache_build(t, &s->cache, f->store, f->source, f->scratch, &f->layout);
    f->params = (kv_attention_params){
        .sequence_offset = f->layout.sequence_offset,
        .sequence_stride = f->layout.sequence_stride,
        .splits_offset = f->layout.splits_offset,
        .segments_offset = f->layout.segments_offset,
        .sequences = s->cache.sequences,
        .queries = s->queries,
        .q_heads = s->q_heads,
        .kv_heads = s->cache.kv_heads,
        .k_dim = s->cache.k_dim,
        .v_dim = s->cache.v_dim,
        .scale = 1.0f / sqrtf((float)s->cache.k_dim + (s->cache.is_latent ? 128.0f : 0.0f)),
    };
    add_queries(t, s, f);
    add_positions(t, s, f);
    add_results(t, s, f);
    if (s->cache.is_latent) {
        fill_latent(f);
    }
}
