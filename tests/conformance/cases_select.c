/* SPDX-License-Identifier: MIT
 *
 * Cases of select: ties, saturated and constant scores, forced tokens, none and all salient.
 */
#include "cases.h"
#include "fixture_scores.h"

typedef struct {
    kvant_score_kind kind;
    kv_u32 tokens, salient, forced_first, forced_last, maps;
    int has_classes;
    int lists; /* bit 0: of the salient ones, bit 1: of the regular ones */
    int is_taking;
} select_case;

static void run_select(kvant_trial *t, const void *data)
{
    const select_case *c = data;
    kvant_trial_buffer *scratch = kvant_trial_add_buffer(t);
    kvant_trial_buffer *store = kvant_trial_add_buffer(t);
    kv_u32 regular = c->tokens - c->salient;
    kv_select_params p = {
        .tokens = c->tokens,
        .salient = c->salient,
        .forced_first = c->forced_first,
        .forced_last = c->forced_last,
        .maps = c->maps,
        .first_position = 40000u,
        .salient_stride = c->salient + 3u,
        .regular_stride = regular + 1u,
        .classes_offset = KV_NO_OFFSET,
        .is_taking = c->is_taking != 0 ? 1u : 0u,
    };
    p.scores_offset = kvant_add_scores(t, scratch, c->kind, c->maps, c->tokens);
    if (c->has_classes) {
        p.classes_offset = kvant_trial_region(t, scratch, c->maps * ((c->tokens + 31u) / 32u));
    }
    p.salient_offset = kvant_trial_region(t, store, c->maps * p.salient_stride);
    p.regular_offset = kvant_trial_region(t, store, c->maps * p.regular_stride);
    p.salient_offset = (c->lists & 1) != 0 ? p.salient_offset : KV_NO_OFFSET;
    p.regular_offset = (c->lists & 2) != 0 ? p.regular_offset : KV_NO_OFFSET;
    kv_u32 next = c->is_taking != 0 ? regular / 2u : 0u;
    kv_u32 next_offset = next != 0u ? kvant_trial_region(t, store, c->maps * p.salient_stride) : 0u;
    kvant_trial_launch(t, KVANT_KERNEL_select, &p, (kvant_trial_buffer *[]){scratch, store});
    if (next != 0u) { /* another class, of what is left */
        p.salient = next;
        p.salient_offset = next_offset;
        p.regular_offset = KV_NO_OFFSET;
        p.forced_first = 0;
        p.forced_last = 0;
        kvant_trial_launch(t, KVANT_KERNEL_select, &p, (kvant_trial_buffer *[]){scratch, store});
    }
}

void kvant_cases_select(kvant_case_sink *sink)
{
    static const kv_u32 tokens[] = {1, 3, 31, 32, 33, 100, 255, 256, 257, 700, 1025, 4001};
    static const kv_u32 forced[][2] = {{0, 0}, {4, 32}, {0, 1}, {4, 0}, {300, 300}};
    uint32_t i = 0;
    for (int kind = 0; kind < KVANT_SCORE_KIND_COUNT; kind++) {
        for (size_t n = 0; n < sizeof tokens / sizeof tokens[0]; n++) {
            /* none, all, all but one, 60 %, one */
            const kv_u32 shares[] = {0u, tokens[n], tokens[n] - 1u, tokens[n] * 3u / 5u, 1u};
            for (int share = 0; share < 5; share++, i++) {
                if (share != 3 && (i + (uint32_t)n) % 2u != 0u) {
                    continue;
                }
                select_case c = {.kind = (kvant_score_kind)kind,
                                 .tokens = tokens[n],
                                 .salient = shares[share],
                                 .forced_first = forced[i % 5u][0],
                                 .forced_last = forced[i % 5u][1],
                                 .maps = 1u + i % 3u,
                                 .has_classes = i % 4u != 1u,
                                 .lists = 3};
                kvant_emit(sink, n == 5u || (n >= 8u && share == 3), run_select, &c,
                           "select/%s/tokens%u/salient%u/forced%u-%u/maps%u%s",
                           kvant_score_kind_name(c.kind), c.tokens, c.salient, c.forced_first,
                           c.forced_last, c.maps, c.has_classes ? "/classes" : "");
            }
        }
    }
    /* a class that is evicted has no list */
    for (int lists = 0; lists < 3; lists++) {
        for (size_t n = 3; n < sizeof tokens / sizeof tokens[0]; n += 4) {
            select_case c = {.kind = KVANT_SCORES_TIES,
                             .tokens = tokens[n],
                             .salient = tokens[n] / 3u,
                             .maps = 1u + (uint32_t)n % 3u,
                             .has_classes = lists == 0,
                             .lists = lists};
            kvant_emit(sink, n == 7u, run_select, &c, "select/ties/tokens%u/salient%u/maps%u/%s%s",
                       c.tokens, c.salient, c.maps,
                       lists == 0   ? "no-lists"
                       : lists == 1 ? "no-regular"
                                    : "no-salient",
                       c.has_classes ? "/classes" : "");
        }
    }
    /* three classes: one after the other is taken */
    for (int kind = 0; kind < KVANT_SCORE_KIND_COUNT; kind++) {
        for (size_t n = 1; n < sizeof tokens / sizeof tokens[0]; n += 3) {
            select_case c = {.kind = (kvant_score_kind)kind,
                             .tokens = tokens[n],
                             .salient = tokens[n] / 2u + 1u,
                             .forced_last = n == 4u ? 5u : 0u,
                             .maps = 1u + (uint32_t)n % 3u,
                             .lists = 3,
                             .is_taking = 1};
            kvant_emit(sink, n == 4u, run_select, &c, "select/%s/tokens%u/salient%u/maps%u/taking",
                       kvant_score_kind_name(c.kind), c.tokens, c.salient, c.maps);
        }
    }
}
