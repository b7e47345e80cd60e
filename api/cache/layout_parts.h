/* SPDX-License-Identifier: MIT
 *
 * The steps that make a layout, in their order, and what they share.
 */
#ifndef KVANT_CACHE_LAYOUT_PARTS_H
#define KVANT_CACHE_LAYOUT_PARTS_H

#include "layout_plan.h"

enum { KVANT_ALIGN_WORDS = 16 };

/* Tokens rounded up to those that are stored together. */
uint32_t kvant_quad(uint32_t tokens);

/* Takes words from a region; counts them, and the gap to the next line of 64 bytes. */
typedef struct {
    uint64_t next;
    uint64_t padding;
} kvant_placer;

uint32_t kvant_take_words(kvant_placer *p, uint64_t words, uint64_t *count);

/* 1. Which heads have compressed tokens (layout_heads.c); where none has, all of them go */
kvant_status kvant_layout_divide_heads(kvant_layout *layout);
/* 2. What the recipe decides (layout_policy.c) */
void kvant_layout_decide(kvant_layout *layout);
/* 3. The list of segments; kvant_layout_free releases it */
kvant_status kvant_layout_list(kvant_host *host, kvant_layout *layout);
/* 4. Where everything lies in a region (layout_place.c) */
kvant_status kvant_layout_place(kvant_layout *layout);
/* 5. What is needed beside the regions (layout_scratch.c) */
kvant_status kvant_layout_size_scratch(kvant_layout *layout);
kvant_status kvant_layout_check_scores(const kvant_layout *layout);
kvant_status kvant_layout_count_bytes(kvant_layout *layout);

#endif
