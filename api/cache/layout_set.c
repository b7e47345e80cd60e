/* SPDX-License-Identifier: MIT
 *
 * The layouts of a cache: one for each kind of layer, by its recipe and by the heads that stream.
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

/* ---- which layers are alike ---- */

static kvant_status check_layers(const kvant_cache_desc *desc)
{
    const kvant_recipe *recipe = &desc->recipe;
    uint32_t choices = kvant_recipe_layer_choices(recipe);
    uint32_t rest = desc->layers; /* layers that have the recipe itself */
    for (uint32_t i = 0; i < choices; i++) {
        const kvant_layer_choice *choice = &recipe->layers[i];
        if (choice->last >= desc->layers) {
            return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                              "recipe: layers %u-%u of a cache that has %u", choice->first,
                              choice->last, desc->layers);
        }
        rest -= choice->last - choice->first + 1u;
    }
    if (choices != 0 && rest == 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "recipe: layers leaves no layer to the recipe itself");
    }
    uint32_t streams = kvant_recipe_streams(recipe);
    for (uint32_t i = 0; i < streams; i++) {
        const kvant_stream_heads *s = &recipe->stream[i];
        if ((uint32_t)s->first_layer + s->layers > desc->layers) {
            return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                              "recipe: heads stream in layers %u-%u of a cache that has %u",
                              s->first_layer, s->first_layer + s->layers - 1u, desc->layers);
        }
    }
    return KVANT_OK;
}

static const kvant_recipe *recipe_of(const kvant_recipe *recipe, uint32_t choice)
{
    return choice == 0 ? recipe
                       : &kvant_named_recipe_at(recipe->layers[choice - 1u].recipe - 1u)->recipe;
}

static kvant_layer_kind kind_of(const kvant_recipe *recipe, uint32_t layer)
{
    kvant_layer_kind kind = {0, 0};
    uint32_t choices = kvant_recipe_layer_choices(recipe);
    for (uint32_t i = 0; i < choices; i++) {
        if (layer >= recipe->layers[i].first && layer <= recipe->layers[i].last) {
            kind.choice = i + 1u;
        }
    }
    const kvant_recipe *own = recipe_of(recipe, kind.choice);
    uint32_t streams = kvant_recipe_streams(own);
    for (uint32_t i = 0; i < streams; i++) {
        const kvant_stream_heads *s = &own->stream[i];
        if (s->layers == 0 ||
            (layer >= s->first_layer && layer < (uint32_t)s->first_layer + s->layers)) {
            kind.streams |= 1u << i;
        }
    }
    return kind;
}

/* The number of the layout of a kind, with one more layer. */
static uint32_t count_layer(kvant_layout_set *set, kvant_layer_kind kind)
{
    uint32_t i = 0;
    while (i < set->count &&
           (set->kinds[i].choice != kind.choice || set->kinds[i].streams != kind.streams)) {
        i++;
    }
    if (i == set->count) {
        set->kinds[i] = kind;
        set->count++;
    }
    set->layers[i]++;
    return i;
}

/* Divides the layers into runs that are alike; a kind of the recipe itself comes first. */
static void divide_layers(const kvant_cache_desc *desc, kvant_layout_set *set)
{
    const kvant_recipe *recipe = &desc->recipe;
    uint32_t own = 0;
    while (kind_of(recipe, own).choice != 0) {
        own++;
    }
    set->kinds[0] = kind_of(recipe, own);
    set->count = 1;
    for (uint32_t layer = 0; layer < desc->layers; layer++) {
        uint32_t layout = count_layer(set, kind_of(recipe, layer));
        if (set->runs == 0 || set->run_layouts[set->runs - 1u] != layout) {
            set->run_layouts[set->runs] = layout;
            set->runs++;
        }
        set->run_ends[set->runs - 1u] = layer;
    }
}

/* ---- their layouts ---- */

/* The recipe of a kind, for a layout by itself. What is f16 in every head keeps every token. */
static kvant_recipe recipe_of_kind(const kvant_recipe *recipe, kvant_layer_kind kind)
{
    kvant_recipe own = *recipe_of(recipe, kind.choice);
    const kvant_stream_heads none = {0, 0, 0, 0};
    uint32_t kept = 0;
    for (uint32_t i = 0; i < KVANT_RECIPE_STREAMS; i++) {
        kvant_stream_heads entry = own.stream[i];
        own.stream[i] = none;
        if ((kind.streams >> i & 1u) != 0u) {
            entry.first_layer = 0;
            entry.layers = 0;
            own.stream[kept++] = entry;
        }
    }
    for (uint32_t i = 0; i < KVANT_RECIPE_LAYERS; i++) {
        own.layers[i] = (kvant_layer_choice){0, 0, 0};
    }
    if (kvant_recipe_is_f16(&own)) {
        own.window = own.period = own.sinks = 0;
    }
    return own;
}

kvant_status kvant_layout_set_make(kvant_host *host, const kvant_cache_desc *desc,
                                   kvant_layout_set *set)
{
    *set = (kvant_layout_set){0};
    kvant_status status = kvant_layout_check_size(desc);
    if (status == KVANT_OK) {
        status = kvant_layout_check_shape(desc);
    }
    if (status == KVANT_OK) {
        status = check_layers(desc);
    }
    if (status != KVANT_OK) {
        return status;
    }
    divide_layers(desc, set);
    uint32_t made = 0;
    while (status == KVANT_OK && made < set->count) {
        kvant_cache_desc own = *desc;
        own.layers = set->layers[made];
        own.recipe = recipe_of_kind(&desc->recipe, set->kinds[made]);
        status = kvant_layout_make(host, &own, &set->layouts[made]);
        if (status == KVANT_OK) {
            set->layouts[made].desc.layers = desc->layers;
            made++;
        }
    }
    set->count = made;
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
    uint32_t run = 0;
    while (run + 1u < set->runs && layer > set->run_ends[run]) {
        run++;
    }
    return &set->layouts[set->run_layouts[run]];
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
