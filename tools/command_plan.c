/* SPDX-License-Identifier: MIT
 *
 * kvant plan: what a cache will take, for a model shape, a length and recipes.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>

#include "kvant/cache.h"
#include "recipe_list.h"
#include "text_table.h"
#include "tool_commands.h"

typedef struct {
    uint32_t batch;
    uint32_t layers;
    uint32_t q_heads;
    uint32_t kv_heads;
    uint32_t head_dim;
    uint32_t value_dim;
    uint32_t tokens;
    uint32_t decode;
    const char *recipes;
    int json;
} plan_options;

#define MOST_COUNT 4294967295.0

static options_result parse(tool_globals *globals, int argc, char **argv, plan_options *o,
                            tool_error *error)
{
    const option_spec specs[] = {
        {"batch", OPTION_U32, &o->batch, 1, MOST_COUNT, NULL, "B", "sequences (1)"},
        {"layers", OPTION_U32, &o->layers, 1, MOST_COUNT, NULL, "N", "layers (1)"},
        {"q-heads", OPTION_U32, &o->q_heads, 1, MOST_COUNT, NULL, "H",
         "query heads (as many as KV heads)"},
        {"kv-heads", OPTION_U32, &o->kv_heads, 1, MOST_COUNT, NULL, "H", "KV heads"},
        {"head-dim", OPTION_U32, &o->head_dim, 1, MOST_COUNT, NULL, "D",
         "head dimension: a multiple of 8, 8 to 256"},
        {"value-dim", OPTION_U32, &o->value_dim, 1, MOST_COUNT, NULL, "D", "of V (as of K)"},
        {"tokens", OPTION_U32, &o->tokens, 1, MOST_COUNT, NULL, "L", "of the prompt, a sequence"},
        {"decode", OPTION_U32, &o->decode, 0, MOST_COUNT, NULL, "N", "appended after it (0)"},
        {"recipe", OPTION_TEXT, &o->recipes, 0, 0, NULL, "R[,R...]", "recipes"},
        {"json", OPTION_FLAG, &o->json, 0, 0, NULL, NULL,
         "an object on stdout; an array for several recipes"},
    };
    const command_description command = {
        "plan",
        "--kv-heads H --head-dim D --tokens L --recipe R [options]",
        "Bytes that a cache will take, every part counted, before anything is allocated. Needs no\n"
        "device. transient: taken and given back by each prefill, not in the sum.",
        specs,
        sizeof specs / sizeof specs[0],
        NULL};
    options_result result = options_parse(&command, globals, argc, argv, NULL, error);
    if (result == OPTIONS_GO &&
        (o->kv_heads == 0u || o->head_dim == 0u || o->tokens == 0u || o->recipes == NULL)) {
        tool_error_input(error, "--kv-heads, --head-dim, --tokens and --recipe are needed");
        return OPTIONS_BAD;
    }
    return result;
}

static int plan_one(const plan_options *o, const recipe_entry *entry, kvant_cache_bytes *out_bytes,
                    tool_error *error)
{
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    desc.recipe = entry->recipe;
    desc.layers = o->layers;
    desc.sequences = o->batch;
    desc.q_heads = o->q_heads != 0u ? o->q_heads : o->kv_heads;
    desc.kv_heads = o->kv_heads;
    desc.k_dim = o->head_dim;
    desc.v_dim = o->value_dim;
    desc.scale = desc.recipe.latent != 0 ? 1.0f : 0.0f; /* no bytes depend on it */
    desc.prefill_tokens = o->tokens;
    desc.decode_tokens = o->decode;
    *out_bytes = (kvant_cache_bytes)KVANT_CACHE_BYTES_INIT;
    kvant_status status = kvant_cache_plan(&desc, out_bytes);
    return status == KVANT_OK ? 0 : tool_error_library(error, status, NULL);
}

static cJSON *plan_object(const recipe_entry *entry, const kvant_cache_bytes *b)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "recipe", entry->text);
    cJSON_AddNumberToObject(object, "bytes", (double)b->bytes);
    cJSON_AddNumberToObject(object, "f16_bytes", (double)b->f16_bytes);
    cJSON_AddNumberToObject(object, "ratio", b->ratio);
    cJSON_AddNumberToObject(object, "bits_per_value", b->bits_per_value);
    cJSON_AddNumberToObject(object, "salient", b->salient_share);
    cJSON *parts = cJSON_AddObjectToObject(object, "parts");
    cJSON_AddNumberToObject(parts, "codes", (double)b->codes);
    cJSON_AddNumberToObject(parts, "parameters", (double)b->parameters);
    cJSON_AddNumberToObject(parts, "maps", (double)b->maps);
    cJSON_AddNumberToObject(parts, "window", (double)b->window);
    cJSON_AddNumberToObject(parts, "padding", (double)b->padding);
    cJSON_AddNumberToObject(parts, "scratch", (double)b->scratch);
    cJSON_AddNumberToObject(object, "transient_bytes", (double)b->transient_bytes);
    return object;
}

static int print_json(const plan_options *o, const recipe_list *recipes, tool_error *error)
{
    cJSON *root = recipes->count > 1u ? cJSON_CreateArray() : NULL;
    for (size_t i = 0; i < recipes->count; i++) {
        kvant_cache_bytes bytes;
        if (plan_one(o, &recipes->entries[i], &bytes, error) != 0) {
            cJSON_Delete(root);
            return -1;
        }
        cJSON *object = plan_object(&recipes->entries[i], &bytes);
        if (root != NULL) {
            cJSON_AddItemToArray(root, object);
        } else {
            root = object;
            break;
        }
    }
    return json_print(root, stdout) == 0 ? 0 : tool_error_memory(error);
}

static int print_table(const plan_options *o, const recipe_list *recipes, tool_error *error)
{
    static const char *const headers[] = {"recipe",  "bytes",   "f16 bytes",  "ratio", "bits/value",
                                          "salient", "codes",   "parameters", "maps",  "window",
                                          "padding", "scratch", "transient"};
    text_table table;
    text_table_init(&table, sizeof headers / sizeof headers[0], 1);
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        text_table_cell(&table, "%s", headers[i]);
    }
    for (size_t i = 0; i < recipes->count; i++) {
        kvant_cache_bytes b;
        if (plan_one(o, &recipes->entries[i], &b, error) != 0) {
            text_table_release(&table);
            return -1;
        }
        const uint64_t parts[] = {b.codes,   b.parameters, b.maps,           b.window,
                                  b.padding, b.scratch,    b.transient_bytes};
        text_table_cell(&table, "%s", recipes->entries[i].text);
        text_table_cell(&table, "%" PRIu64, b.bytes);
        text_table_cell(&table, "%" PRIu64, b.f16_bytes);
        text_table_cell(&table, "%.3f", b.ratio);
        text_table_cell(&table, "%.3f", b.bits_per_value);
        text_table_cell(&table, "%.3f", b.salient_share);
        for (size_t part = 0; part < sizeof parts / sizeof parts[0]; part++) {
            text_table_cell(&table, "%" PRIu64, parts[part]);
        }
    }
    text_table_print(&table, stdout);
    text_table_release(&table);
    return 0;
}

int command_plan(tool_globals *globals, int argc, char **argv)
{
    tool_error error = {0, ""};
    plan_options options = {.batch = 1, .layers = 1};
    options_result parsed = parse(globals, argc, argv, &options, &error);
    if (parsed != OPTIONS_GO) {
        return parsed == OPTIONS_DONE ? TOOL_DONE : command_fail("plan", &error);
    }
    recipe_list recipes;
    int result = recipe_list_parse(options.recipes, &recipes, &error);
    if (result == 0) {
        result = options.json ? print_json(&options, &recipes, &error)
                              : print_table(&options, &recipes, &error);
        recipe_list_release(&recipes);
    }
    return result == 0 ? TOOL_DONE : command_fail("plan", &error);
}
