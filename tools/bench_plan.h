/* SPDX-License-Identifier: MIT
 *
 * The rows of a bench: every combination of operation, shape and recipe that was asked for.
 */
#ifndef KVANT_TOOLS_BENCH_PLAN_H
#define KVANT_TOOLS_BENCH_PLAN_H

#include "bench_work.h"
#include "recipe_list.h"

enum { BENCH_MOST_VALUES = 16 };

typedef struct {
    uint32_t values[BENCH_MOST_VALUES];
    size_t count;
} bench_list;

/* "1,4,16": numbers from 1 to 2^24. NULL leaves the list as it is. */
int bench_list_parse(const char *option, const char *text, bench_list *list, tool_error *error);

typedef struct {
    const bench_kind *kind; /* NULL: all */
    bench_list batch;
    bench_list tokens; /* empty: what suits the operation */
    bench_list dims;
    bench_list kv_heads;
    bench_list groups;  /* query heads a KV head; empty: from q_heads */
    uint32_t q_heads;   /* 0: 32, or what the groups make */
    uint32_t value_dim; /* 0: as of K */
    uint32_t layers;    /* 0: enough, of a step 4 */
    const recipe_list *recipes;
} bench_request;

typedef struct {
    const bench_kind *kind;
    bench_shape shape;
    const char *recipe_text;
    const kvant_recipe *recipe;
} bench_entry;

/* Refuses what no cache could be made for. free() the entries. */
int bench_plan(const bench_request *request, bench_entry **out_entries, size_t *out_count,
               tool_error *error);

#endif
