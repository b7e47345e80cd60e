/* SPDX-License-Identifier: MIT
 *
 * Where everything of a cache lies: one region of words per layer and sequence, the same layout for
 * all of them, computed from the descriptor before anything is allocated. docs/format.md draws it.
 *
 * A region holds header | split table | segment table | positions | parameters | channel scales |
 * codes | f16 rows. Segments come in this order: sinks, then the compressed ones, then the window.
 */
#ifndef KVANT_CACHE_LAYOUT_PLAN_H
#define KVANT_CACHE_LAYOUT_PLAN_H

#include <stdbool.h>

#include "context_internal.h"
#include "kvant/cache.h"
#include "kvant/ops.h"
#include "recipe_classes.h"

typedef struct {
    kvant_class token_class;
    uint32_t event; /* the compression event that fills it; 0 where events append to it */
    uint32_t
        tokens; /* that it holds of the longest prompt and all periods; capacity is that, each event
                         rounded up to 4, or more where shorter prompts need more */
    kvant_segment at; /* as the segment table says it */
} kvant_planned_segment;

/* KV heads that follow one another. */
typedef struct {
    uint32_t first;
    uint32_t count;
} kvant_head_run;

/* Words of the workspace of one compression event, from its start. */
typedef struct {
    uint64_t keys;
    uint64_t query_keys;
    uint64_t probes;
    uint64_t codes;
    uint64_t params;
    uint64_t operands;
    uint64_t steps;
    uint64_t partials;
    uint64_t rows;
    uint64_t sums;
    uint64_t scores;
    uint64_t unpooled; /* scores before they are pooled */
    uint64_t part;     /* scores of one part of a blend */
    uint64_t counts;   /* of magnitudes */
    uint64_t limits;   /* beyond which a number is an outlier */
    uint64_t words;    /* all of it */
} kvant_workspace;

typedef struct {
    kvant_cache_desc desc; /* with defaults filled in */
    bool is_f16;
    bool two_classes;
    bool needs_attention;    /* they are judged by probe rows, alone or with something else */
    bool rotates_k;          /* the recipe rotates K before it is stored, */
    bool rotates_v;          /* V */
    bool smooths_k;          /* divides K by channel scales of the first event */
    uint32_t signs[8];       /* of the rotation, a bit a channel */
    uint32_t rotated_tokens; /* that one launch rotates on their way into the window */
    bool learns_codebooks;   /* some codec learns one from the tokens compressed together */
    bool is_general;         /* attention needs attention_general: some codec has a codebook */
    kvant_head_run full[KVANT_RECIPE_STREAMS + 1u]; /* heads that have compressed tokens ... */
    uint32_t full_runs; /* ... each run in segments of its own; the others stream */
    bool is_evicting;   /* whatever leaves the window or a prompt is evicted */
    bool reevaluates;   /* classes of compressed tokens are decided again */
    bool per_event;     /* each event fills segments of its own: its parameters are the segment's */
    bool is_latent;     /* V holds latents, and queries have v_dim channels more */
    uint32_t v_heads;   /* heads that V is stored as: the KV heads, or the parts of a latent, */
    uint32_t v_head_dim;   /* and channels of one */
    uint32_t maps;         /* class maps: 1, or one a KV head */
    uint32_t alignment;    /* tokens to which a prompt's event is rounded down */
    uint32_t events;       /* compression events that a sequence can have, the prompt's included */
    uint32_t window_limit; /* tokens in the window when a period has to leave */
    uint32_t window_capacity; /* slots of the ring; 0: no window */
    uint32_t probe_capacity;  /* gathered probe queries of a decode period */

    kvant_planned_segment *segments;
    uint32_t segment_count;
    int32_t sink_segment;   /* index, or -1 */
    int32_t window_segment; /* index, or -1 */
    uint32_t first_compressed;
    uint32_t max_splits;

    uint32_t splits_offset;
    uint32_t segments_offset;
    uint32_t positions_offset;
    uint32_t positions_words;
    uint32_t probe_positions; /* of the gathered probe queries */
    uint32_t probe_rows;      /* f16 rows [q_head][slot][k_dim] */
    uint32_t places;      /* of compressed tokens, [map][token], as the kernel locate leaves them */
    uint32_t places_head; /* tokens of a map */
    uint32_t region_words;

    uint64_t scratch_bytes;
    uint32_t attend_sequences; /* sequences that one attention launch takes, for its scratch */
    uint32_t query_positions;  /* word of the scratch buffer: [sequence][query] */
    uint32_t rotated;          /* word of the scratch buffer: rotated rows of one call */
    uint32_t moved_rows; /* words after `partials`: K of all, or all codes, while re-evaluating */
    uint32_t partials;   /* word of the scratch buffer; decode compression uses it too */

    kvant_cache_bytes bytes;
} kvant_layout;

/* Whether the descriptor is this library's: before anything else of it is read. */
kvant_status kvant_layout_check_size(const kvant_cache_desc *desc);
/* Whether its numbers and its recipe are possible. */
kvant_status kvant_layout_check_shape(const kvant_cache_desc *desc);

/* Fails with INVALID_ARGUMENT or LIMIT. kvant_layout_free is needed after success alone. */
kvant_status kvant_layout_make(kvant_host *host, const kvant_cache_desc *desc,
                               kvant_layout *out_layout);
/* The same for a recipe without a budget. */
kvant_status kvant_layout_plan(kvant_host *host, const kvant_cache_desc *desc,
                               kvant_layout *out_layout);
void kvant_layout_free(kvant_host *host, kvant_layout *layout);

/* Probe rows of `rows` rows. */
void kvant_probe_counts(const kvant_recipe *recipe, uint32_t rows, uint32_t *out_random,
                        uint32_t *out_recent);

/* Of a prompt, the tokens that are compressed: not sinks, not window, rounded for growing segments. */
uint32_t kvant_prefill_compressed(const kvant_layout *layout, uint32_t tokens);

/* Workspace to compress `tokens` tokens, judged by `probes` probe rows. */
kvant_workspace kvant_workspace_of(const kvant_layout *layout, uint32_t tokens, uint32_t probes);

/* Words of a region with the parameters and the codes of all compressed segments. */
void kvant_moved_range(const kvant_layout *layout, uint32_t *out_first, uint64_t *out_words);

/* Channels of a query: the rotary ones come after those that have absorbed the latents' matrix. */
uint32_t kvant_query_dim(const kvant_layout *layout);

/* Words that the rotated halves of `tokens` tokens take. */
uint64_t kvant_rotated_words(const kvant_layout *layout, uint32_t tokens);

/* Heads that a segment holds. */
uint32_t kvant_segment_heads(const kvant_layout *layout, const kvant_segment *segment);

/* Compressed segments of an event and class: index of the first run of heads, which those of the other
 * runs follow, or -1 where that class is empty. */
int32_t kvant_find_segment(const kvant_layout *layout, kvant_class token_class, uint32_t event);

#endif
