/* SPDX-License-Identifier: MIT
 *
 * The layouts of a cache: one for its recipe, and one for each run of layers that has another.
 */
#include "layout_set.h"

#include "checked.h"
#include "diag.h"
#include "recipe_internal.h"

/* Every layout counts its own layers; the scratch, and what a prompt takes, is shared. */
static kvant_status add_up(kvant_layout_set *set)
{
    kvant_cache_bytes *sum = &set->bytes;
    *sum = set->layouts[0].bytes;
    for (uint32_t i = 1; i < set->count; i++) {
        const kvant_cache_bytes *own = &set->layouts[i].bytes;
        uint64_t *parts[] = {&sum->codes,  &sum->parameters, &sum->maps,
                             &sum->window, &sum->padding,    &sum->f16_bytes};
        const uint64_t more[] = {own->codes,  own->parameters, own->maps,
                                 own->window, own->padding,    own->f16_bytes};
        for (int part = 0; part < 6; part++) {
            *parts[part] = kvant_add(*parts[part], more[part]);
        }
        sum->scratch = own->scratch > sum->scratch ? own->scratch : sum->scratch;
        sum->transient_bytes = own->transient_bytes > sum->transient_bytes ? own->transient_bytes
                                                                           : sum->transient_bytes;
    }
    const uint64_t parts[] = {sum->codes,  sum->parameters, sum->maps,
                              sum->window, sum->padding,    sum->scratch};
    sum->bytes = 0;
    for (int part = 0; part < 6; part++) {
        sum->bytes = kvant_add(sum->bytes, parts[part]);
    }
    if (sum->bytes == KVANT_OVERFLOW || sum->f16_bytes == KVANT_OVERFLOW) {
        return kvant_fail(KVANT_ERROR_LIMIT, "the cache exceeds 2^64 bytes");
    }
    sum->ratio = (double)sum->f16_bytes / (double)sum->bytes;
    sum->bits_per_value = 16.0 / sum->ratio;
    return KVANT_OK;
}

static kvant_status add_layout(kvant_host *host, kvant_layout_set *set, kvant_cache_desc own,
                               uint32_t layers)
{
    uint32_t all = own.layers;
    own.layers = layers;
    kvant_status status = kvant_layout_make(host, &own, &set->layouts[set->count]);
    if (status == KVANT_OK) {
        set->layouts[set->count].desc.layers = all;
        set->count++;
    }
    return status;
}

kvant_status kvant_layout_set_make(kvant_host *host, const kvant_cache_desc *desc,
                                   kvant_layout_set *set)
{
    *set = (kvant_layout_set){0};
    kvant_status status = kvant_layout_check_size(desc);
    if (status != KVANT_OK) {
        return status;
    }
    const kvant_recipe *recipe = &desc->recipe;
    uint32_t choices = kvant_recipe_layer_choices(recipe);
    uint32_t rest = desc->layers; /* layers that have the recipe itself */
    status = choices != 0 ? kvant_recipe_check(recipe) : KVANT_OK;
    for (uint32_t i = 0; status == KVANT_OK && i < choices; i++) {
        const kvant_layer_choice *choice = &recipe->layers[i];
        if (choice->last >= desc->layers) {
            status = kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                                "recipe: layers %u-%u of a cache that has %u", choice->first,
                                choice->last, desc->layers);
        } else {
            rest -= choice->last - choice->first + 1u;
        }
    }
    if (status == KVANT_OK && choices != 0 && rest == 0) {
        status = kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                            "recipe: layers leaves no layer to the recipe itself");
    }
    if (status == KVANT_OK) {
        kvant_cache_desc own = *desc;
        for (uint32_t i = 0; i < choices; i++) {
            own.recipe.layers[i] = (kvant_layer_choice){0, 0, 0};
        }
        status = add_layout(host, set, own, rest);
    }
    for (uint32_t i = 0; status == KVANT_OK && i < choices; i++) {
        const kvant_layer_choice *choice = &recipe->layers[i];
        kvant_cache_desc own = *desc;
        own.recipe = kvant_named_recipe_at(choice->recipe - 1u)->recipe;
        status = add_layout(host, set, own, choice->last - choice->first + 1u);
        set->firsts[i] = choice->first;
        set->lasts[i] = choice->last;
    }
    if (status == KVANT_OK) {
        status = add_up(set);
    }
    if (status != KVANT_OK) {
        kvant_layout_set_free(host, set);
    }
    return status;
}

void kvant_layout_set_free(kvant_host *host, kvant_layout_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        kvant_layout_free(host, &set->layouts[i]);
    }
    set->count = 0;
}

const kvant_layout *kvant_layout_of(const kvant_layout_set *set, uint32_t layer)
{
    for (uint32_t i = 1; i < set->count; i++) {
        if (layer >= set->firsts[i - 1u] && layer <= set->lasts[i - 1u]) {
            return &set->layouts[i];
        }
    }
    return &set->layouts[0];
}

kvant_status kvant_cache_plan(const kvant_cache_desc *desc, kvant_cache_bytes *out_bytes)
{
    if (desc == NULL || out_bytes == NULL || out_bytes->struct_size != sizeof *out_bytes) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "a kvant_cache_desc and a kvant_cache_bytes with its struct_size are "
                          "needed");
    }
    kvant_context_desc defaults = KVANT_CONTEXT_DESC_INIT;
    kvant_host host;
    kvant_host_init(&host, &defaults);
    kvant_layout_set set;
    kvant_status status = kvant_layout_set_make(&host, desc, &set);
    if (status == KVANT_OK) {
        *out_bytes = set.bytes;
        kvant_layout_set_free(&host, &set);
    }
    return status;
}
