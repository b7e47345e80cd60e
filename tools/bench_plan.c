/* SPDX-License-Identifier: MIT
 *
 * Lists of values become rows; what cannot be measured is refused before a device is opened.
 */
#include "bench_plan.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tool_options.h"

enum { MOST_VALUE = 1 << 24, MOST_ROWS = 4096, STEP_LAYERS = 4 };

int bench_list_parse(const char *option, const char *text, bench_list *list, tool_error *error)
{
    if (text == NULL) {
        return 0;
    }
    list->count = 0;
    for (const char *at = text; at != NULL;) {
        char item[24] = "";
        size_t length = strcspn(at, ",");
        uint64_t value = 0;
        if (length < sizeof item) {
            memcpy(item, at, length);
        }
        if (options_read_u64(item, &value) != 0 || value == 0u || value > MOST_VALUE) {
            return tool_error_input(error,
                                    "--%s takes whole numbers from 1 to %d with commas between "
                                    "them, not \"%.100s\"",
                                    option, MOST_VALUE, text);
        }
        if (list->count == BENCH_MOST_VALUES) {
            return tool_error_input(error, "--%s takes at most %d values", option,
                                    BENCH_MOST_VALUES);
        }
        list->values[list->count++] = (uint32_t)value;
        at = at[length] == ',' ? at + length + 1u : NULL;
    }
    return 0;
}

typedef struct {
    const bench_request *request;
    bench_entry *entries;
    size_t count;
    size_t capacity;
} plan_work;

/* A recipe with one class has no scores: asked for by name that is an error, else no row. */
static int applies(const bench_request *r, const bench_kind *kind, const recipe_entry *recipe,
                   tool_error *error)
{
    bool has_scores = recipe->recipe.salient_share > 0.0 &&
                      (!kind->needs_attention || recipe->recipe.score == KVANT_SCORE_ATTENTION ||
                       recipe->recipe.blend > 0.0);
    if (!kind->needs_classes || has_scores) {
        return 1;
    }
    if (r->kind == NULL) {
        return 0;
    }
    tool_error_input(
        error,
        "recipe \"%.100s\" has no salient tokens judged that way, so there is no %s to "
        "measure",
        recipe->text, kind->name);
    return -1;
}

static int check_entry(const bench_entry *entry, tool_error *error)
{
    const bench_shape *s = &entry->shape;
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    desc.recipe = *entry->recipe;
    desc.sequences = s->batch;
    desc.q_heads = s->q_heads;
    desc.kv_heads = s->kv_heads;
    desc.k_dim = s->k_dim;
    desc.v_dim = s->v_dim;
    desc.prefill_tokens = s->tokens;
    desc.layers = 1;
    kvant_cache_bytes bytes = KVANT_CACHE_BYTES_INIT;
    kvant_status status = kvant_cache_plan(&desc, &bytes);
    if (status != KVANT_OK) {
        return tool_error_library(error, status, NULL);
    }
    if (desc.recipe.salient_share_v > 0.0) {
        return tool_error_input(error,
                                "recipe \"%.100s\" has a salient share of K and one of V: measure "
                                "them one by one",
                                entry->recipe_text);
    }
    if (desc.recipe.stream[0].heads != 0) {
        return tool_error_input(error,
                                "recipe \"%.100s\" has heads that stream: measure it without them",
                                entry->recipe_text);
    }
    if (desc.recipe.budget > 0.0) { /* what moves is counted by the share */
        return tool_error_input(error,
                                "recipe \"%.100s\" has a budget: here it means salient=%.4g, which "
                                "can be measured",
                                entry->recipe_text, bytes.salient_share);
    }
    return 0;
}

static int add_entries(plan_work *work, const bench_kind *kind, const bench_shape *shape,
                       tool_error *error)
{
    const recipe_list *recipes = work->request->recipes;
    size_t count = kind->is_f16 && recipes->count != 0u ? 1u : recipes->count;
    for (size_t i = 0; i < count; i++) {
        int is_one = applies(work->request, kind, &recipes->entries[i], error);
        if (is_one < 0) {
            return -1;
        }
        if (is_one == 0) {
            continue;
        }
        bench_entry entry = {kind, *shape, kind->is_f16 ? "f16" : recipes->entries[i].text,
                             &recipes->entries[i].recipe};
        if (check_entry(&entry, error) != 0) {
            return -1;
        }
        if (work->count == MOST_ROWS) {
            return tool_error_input(error, "more than %d rows were asked for", MOST_ROWS);
        }
        if (work->count == work->capacity) {
            size_t capacity = work->capacity != 0u ? 2u * work->capacity : 64u;
            bench_entry *grown = realloc(work->entries, capacity * sizeof *grown);
            if (grown == NULL) {
                return tool_error_memory(error);
            }
            work->entries = grown;
            work->capacity = capacity;
        }
        work->entries[work->count++] = entry;
    }
    return 0;
}

/* The shape of combination `index`, the last axis fastest; 0 past the last. */
static int shape_at(const bench_request *r, const bench_kind *kind, size_t index,
                    bench_shape *out_shape)
{
    bench_list tokens = r->tokens;
    bench_list groups = r->groups;
    if (tokens.count == 0u) {
        tokens = (bench_list){{kind->is_prompt ? 512u : 4096u}, 1};
    }
    if (groups.count == 0u) {
        groups = (bench_list){{0}, 1};
    }
    const bench_list *axes[] = {&groups, &r->kv_heads, &r->dims, &r->batch, &tokens};
    uint32_t values[5];
    for (int i = 0; i < 5; i++) {
        values[i] = axes[i]->values[index % axes[i]->count];
        index /= axes[i]->count;
    }
    out_shape->q_heads = values[0] != 0u ? values[0] * values[1] : r->q_heads;
    out_shape->kv_heads = values[1];
    out_shape->k_dim = values[2];
    out_shape->v_dim = r->value_dim != 0u ? r->value_dim : values[2];
    out_shape->batch = values[3];
    out_shape->tokens = values[4];
    out_shape->layers = r->layers != 0u ? r->layers : kind->is_step ? (uint32_t)STEP_LAYERS : 0u;
    return index == 0u;
}

static int plan_kind(plan_work *work, const bench_kind *kind, tool_error *error)
{
    bench_shape shape;
    for (size_t index = 0; shape_at(work->request, kind, index, &shape); index++) {
        if (add_entries(work, kind, &shape, error) != 0) {
            return -1;
        }
    }
    return 0;
}

int bench_plan(const bench_request *request, bench_entry **out_entries, size_t *out_count,
               tool_error *error)
{
    plan_work work = {request, NULL, 0, 0};
    int result = 0;
    if (request->q_heads != 0u && request->groups.count != 0u) {
        result = tool_error_input(error, "--q-heads and --gqa exclude each other");
    }
    for (const bench_kind *kind = bench_kinds; kind->name != NULL && result == 0; kind++) {
        if (request->kind == NULL || request->kind == kind) {
            result = plan_kind(&work, kind, error);
        }
    }
    if (result != 0) {
        free(work.entries);
        return -1;
    }
    *out_entries = work.entries;
    *out_count = work.count;
    return 0;
}
