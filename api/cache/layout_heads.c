/* SPDX-License-Identifier: MIT
 *
 * Heads of a layer that stream, which keep sinks and window alone, and the runs of those between them,
 * which have segments of compressed tokens.
 */
#include "layout.h"
#include "layout_parts.h"
#include "recipe_internal.h"

uint32_t kvant_segment_heads(const kvant_layout *layout, const kvant_segment *segment)
{
    return segment->head_count != 0 ? segment->head_count : layout->desc.kv_heads;
}

/* The heads of an entry in a model that has `kv_heads`. */
static kvant_status heads_of(const kvant_stream_heads *entry, uint32_t kv_heads,
                             kvant_head_run *out_run)
{
    *out_run = (kvant_head_run){entry->first_head, entry->heads};
    if (entry->heads == KVANT_STREAM_HALF) {
        *out_run = (kvant_head_run){kv_heads - kv_heads / 2u, kv_heads / 2u};
        if (kv_heads < 2u) {
            return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                              "recipe: stream=half of a single KV head");
        }
    }
    if (out_run->first + out_run->count > kv_heads) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "recipe: KV heads %u-%u stream, of a cache that has %u", out_run->first,
                          out_run->first + out_run->count - 1u, kv_heads);
    }
    return KVANT_OK;
}

static bool streams(const kvant_head_run *runs, uint32_t count, uint32_t head)
{
    for (uint32_t i = 0; i < count; i++) {
        if (head >= runs[i].first && head < runs[i].first + runs[i].count) {
            return true;
        }
    }
    return false;
}

/* What is left of a rule where every head streams: rows of the window stay rotated. */
static void drop(kvant_tensor_rule *rule)
{
    bool is_rotated = rule->transform == KVANT_TRANSFORM_ROTATE;
    *rule = (kvant_tensor_rule){.regular = KVANT_CODEC_DROP};
    rule->transform = is_rotated ? KVANT_TRANSFORM_ROTATE : KVANT_TRANSFORM_NONE;
}

kvant_status kvant_layout_divide_heads(kvant_layout *layout)
{
    kvant_recipe *recipe = &layout->desc.recipe;
    uint32_t kv_heads = layout->desc.kv_heads;
    uint32_t count = kvant_recipe_streams(recipe);
    kvant_head_run streaming[KVANT_RECIPE_STREAMS];
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; status == KVANT_OK && i < count; i++) {
        status = heads_of(&recipe->stream[i], kv_heads, &streaming[i]);
    }
    if (status != KVANT_OK) {
        return status;
    }
    for (uint32_t head = 0; head < kv_heads; head++) {
        if (streams(streaming, count, head)) {
            continue;
        }
        if (head == 0 || streams(streaming, count, head - 1u)) {
            layout->full[layout->full_runs++] = (kvant_head_run){head, 0};
        }
        layout->full[layout->full_runs - 1u].count++;
    }
    if (layout->full_runs == 0) {
        drop(&recipe->k);
        drop(&recipe->v);
        recipe->salient_share = 0.0;
        recipe->salient_share_v = 0.0;
        layout->full[layout->full_runs++] = (kvant_head_run){0, kv_heads};
    } else if (count != 0) {
        layout->is_general = true;
    }
    return KVANT_OK;
}
