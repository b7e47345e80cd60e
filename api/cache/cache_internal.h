/* SPDX-License-Identifier: MIT
 *
 * What a cache is.
 */
#ifndef KVANT_CACHE_CACHE_INTERNAL_H
#define KVANT_CACHE_CACHE_INTERNAL_H

#include "layout_set.h"
#include "params.h"
#include "validate.h"

/* What the host knows of one sequence in one layer. The contents are on the device. */
typedef struct {
    uint32_t length;       /* tokens so far, and the next position */
    uint32_t appended;     /* of them, by append */
    uint32_t sinks;        /* tokens in the sink segment */
    uint32_t window_count; /* tokens in the window */
    uint32_t window_start; /* slot of the oldest */
    uint32_t events;       /* next compression event; 0 is the prompt's */
    uint32_t probe_count;  /* gathered probe queries */
    uint32_t probe_first;  /* of them, the first of the running period */
    uint32_t
        class_tokens[KVANT_TIERS]; /* compressed tokens of each class, where these can change */
    uint32_t probed_length;        /* length when the last one was gathered */
    uint32_t splits;               /* as the table on the device says */
    bool is_smoothed;              /* the channel scales of K are decided */
    bool broken;    /* a call failed halfway: host and device may disagree until a reset */
    uint32_t *used; /* tokens (slots of the window) in use, a segment */
} kvant_stream;

struct kvant_cache {
    kvant_context *context;
    kvant_layout_set set;
    const kvant_layout *layout; /* the recipe's own; its shape is that of all layers */
    uint32_t shard_sequences;   /* sequences in one buffer */
    uint32_t shards;            /* buffers a layer */
    uint32_t segments;          /* the most of a layer */
    kvant_buffer **stores;      /* [layer][shard] */
    kvant_buffer *scratch;      /* status words | query positions | partials or workspace */
    kvant_stream *streams;      /* [layer][sequence] */
    uint32_t *used;             /* of all streams */
    uint32_t *table;            /* header and split table, to build in */
};

/* One sequence of one layer: where it lies and what the host knows of it. */
typedef struct {
    kvant_cache *cache;
    const kvant_layout *layout; /* of the layer */
    kvant_stream *stream;
    kvant_buffer *store;
    uint32_t layer;
    uint32_t base; /* word of the region in the store */
} kvant_place;

/* K and V of a call, checked. */
typedef struct {
    kvant_tensor k;
    kvant_tensor v;
} kvant_pair;

/* Checks the indices. */
kvant_status kvant_place_of(kvant_cache *cache, uint32_t layer, uint32_t sequence,
                            kvant_place *out_place);

/* The same, and fails where a call has failed halfway. */
kvant_status kvant_usable_place_of(kvant_cache *cache, uint32_t layer, uint32_t sequence,
                                   kvant_place *out_place);

/* Makes it an empty region: zeros, the segment table, no token anywhere. */
kvant_status kvant_clear_region(const kvant_place *place);

/* K, V and, for a prompt, Q of a compression event: buffers and views whose row 0 is the event's first
 * token. */
typedef struct {
    kvant_buffer *k;
    kvant_buffer *v;
    kv_view k_view;
    kv_view v_view;
    uint32_t tokens;
    uint32_t first_position;
    kvant_buffer *judged_k; /* K in the basis of the queries: a prompt's are not rotated */
    kv_view judged_k_view;
    kvant_buffer *queries; /* NULL: none */
    kv_view query_view;
    uint32_t query_base; /* position of the query view's row 0; KV_NO_OFFSET: row i is probe i */
    uint32_t probes;     /* their positions are in the workspace */
} kvant_event;

/* Compresses one event into the segments that are next. `workspace` starts at word
 * `workspace_base` of its buffer. */
kvant_status kvant_compress_event(const kvant_place *place, const kvant_event *event,
                                  kvant_buffer *workspace, uint32_t workspace_base,
                                  const kvant_workspace *layout);

/* Scores of the event's tokens, in the workspace: [map][token]. */
kvant_status kvant_judge_event(const kvant_place *place, const kvant_event *event,
                               kvant_buffer *workspace, uint32_t workspace_base,
                               const kvant_workspace *layout);

/* Lists the classes of the event's tokens by their scores, in the segments of `indices`. */
kvant_status kvant_select_classes(const kvant_place *place, const kvant_event *event,
                                  const kvant_tier tiers[KVANT_TIERS],
                                  const int32_t indices[KVANT_TIERS], kvant_buffer *workspace,
                                  uint32_t scores);

/* Gives the event the gathered probe queries from `first` on. */
kvant_status kvant_use_probes(const kvant_place *place, kvant_event *event, uint32_t first,
                              const kvant_workspace *w);

/* Notes where the tokens of a class are, in `slots` slots from `slot` on. */
kvant_status kvant_locate_class(const kvant_place *place, int token_class, int32_t index,
                                uint32_t slot, uint32_t slots, bool is_new);

/* Whether the next event of decode decides the classes of all compressed tokens again. */
bool kvant_reevaluation_is_due(const kvant_place *place);

/* Does so where it is due, by the queries gathered since the last time. Before the event that
 * compresses the next period, which needs the newest of them. */
kvant_status kvant_reevaluate(const kvant_place *place);

/* Compresses the oldest period of the window. */
kvant_status kvant_compress_window(const kvant_place *place);

/* Sends the split table if it changed. */
kvant_status kvant_update_table(const kvant_place *place);

/* What the cache stores of rows row .. row + tokens - 1 of a pair, as rows 0 ..: those of the caller,
 * or of a rotated tensor those that kvant_rotate_pair leaves from word `at` of `target` on. */
kvant_pair kvant_stored_pair(const kvant_layout *layout, const kvant_pair *pair, uint32_t row,
                             uint32_t tokens, kvant_buffer *target, uint32_t at);

/* Rotates those rows to `stored`, in one launch. Adds to a status word what of the rotated tensors no
 * finite half could hold, before or after it. */
kvant_status kvant_rotate_pair(const kvant_place *place, const kvant_pair *pair, uint32_t row,
                               uint32_t tokens, const kvant_pair *stored, uint32_t status_word);

/* Floats [sequence][query][q_head][dim] in scratch, where rotated queries and outputs are. */
kvant_tensor kvant_rotated_rows(const kvant_place *place, uint32_t queries, uint32_t dim);

/* Queries to the basis of the stored K; outputs from that of the stored V. */
kvant_status kvant_rotate_queries(const kvant_place *place, const kvant_tensor *source,
                                  uint32_t sequences, uint32_t queries, const kvant_tensor *target);
kvant_status kvant_rotate_latent_queries(const kvant_place *place, const kvant_tensor *source,
                                         uint32_t sequences, uint32_t queries,
                                         const kvant_tensor *target); /* absorbed channels */
kvant_status kvant_rotate_outputs(const kvant_place *place, const kvant_tensor *source,
                                  uint32_t sequences, uint32_t queries, const kvant_tensor *target);

/* Copies the newest queries that are probe rows of the running period into the store. */
kvant_status kvant_gather_probes(const kvant_place *place, const kvant_tensor *queries,
                                 uint32_t sequence, uint32_t count);

#endif
