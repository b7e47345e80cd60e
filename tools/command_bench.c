/* SPDX-License-Identifier: MIT
 *
 * kvant bench: device time of single operations, beside a device copy of the same run.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bench_work.h"
#include "progress.h"
#include "recipe_list.h"
#include "text_table.h"
#include "tool_commands.h"
#include "tool_device.h"

enum { MOST_SAMPLES = 101, LEAST_SAMPLES = 7, MOST_INNER = 1000 };

/* Above this, in seconds, one operation is not measured any longer. */
#define MOST_SECONDS 4.0
#define ENOUGH_SECONDS 0.5
/* A sample lasts at least so many microseconds. */
#define LEAST_SAMPLE 1000.0
/* What a run of `attention` must go through in turn on a GPU, to find nothing in its caches. */
#define BEYOND_CACHES (UINT64_C(192) << 20)

typedef struct {
    bench_shape shape;
    bench_kind kind;
    const char *recipes;
    uint64_t seed;
    int json;
} bench_options;

typedef struct {
    const char *recipe;
    double us;
    uint64_t bytes;
    double gb_s;
    double f16_us; /* negative: the operation does not exist for f16 */
} bench_row;

typedef struct {
    const bench_options *options;
    tool_device device;
    bench_data data;
    progress bar;
    double copy_gb_s;
    bench_row *rows;
    size_t row_count;
} bench_session;

static const char *const kind_names[] = {"quantize", "saliency", "attention", "prefill", NULL};

/* ---- measuring ----------------------------------------------------------------------------- */

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return a < b ? -1 : a > b;
}

/* Device time of `inner` runs in a row. */
static kvant_status time_runs(bench_operation *o, uint32_t inner, double *out_us)
{
    *out_us = 0.0;
    kvant_status status = o->reset != NULL ? o->reset(o) : KVANT_OK;
    if (status == KVANT_OK) {
        status = kvant_context_mark(o->context, 0);
    }
    for (uint32_t i = 0; i < inner && status == KVANT_OK; i++) {
        status = o->run(o);
    }
    if (status == KVANT_OK) {
        status = kvant_context_mark(o->context, 1);
    }
    if (status == KVANT_OK) {
        status = kvant_context_elapsed(o->context, out_us);
    }
    *out_us /= inner;
    return status;
}

/* The median, after a first run whose output is checked. */
static int measure(bench_operation *o, double *out_us, tool_error *error)
{
    double samples[MOST_SAMPLES];
    double once = 0.0;
    double start = tool_seconds();
    kvant_status status = time_runs(o, 1, &once);
    if (status == KVANT_OK && o->check != NULL && o->check(o, error) != 0) {
        return -1;
    }
    if (status == KVANT_OK && once < 1e6) { /* the first run also warms up */
        status = time_runs(o, 1, &once);
    }
    uint32_t inner = 1;
    if (o->reset == NULL && once > 0.0 && once < LEAST_SAMPLE) {
        double wanted = LEAST_SAMPLE / once + 1.0;
        inner = wanted < MOST_INNER ? (uint32_t)wanted : MOST_INNER;
    }
    size_t count = 0;
    while (status == KVANT_OK && count < MOST_SAMPLES) {
        status = time_runs(o, inner, &samples[count++]);
        double spent = tool_seconds() - start;
        if (spent > MOST_SECONDS || (count >= LEAST_SAMPLES && spent > ENOUGH_SECONDS)) {
            break;
        }
    }
    if (status != KVANT_OK) {
        return tool_error_library(error, status, "the operation failed");
    }
    qsort(samples, count, sizeof *samples, ascending);
    *out_us = (samples[(count - 1u) / 2u] + samples[count / 2u]) / 2.0;
    return 0;
}

static kvant_status run_copy(bench_operation *o)
{
    return kvant_buffer_copy(o->store, 0, o->scratch, 0, kvant_buffer_size(o->store));
}

/* Read plus written bytes of a copy that is larger than any cache. */
static int measure_copy(bench_session *s, tool_error *error)
{
    uint64_t size = (uint64_t)(s->device.info.kind == KVANT_DEVICE_GPU ? 512 : 64) << 20;
    if (s->device.info.max_buffer_bytes != 0u && size > s->device.info.max_buffer_bytes) {
        size = s->device.info.max_buffer_bytes / 4u * 4u;
    }
    bench_operation copy;
    memset(&copy, 0, sizeof copy);
    copy.context = s->device.context;
    copy.run = run_copy;
    int result = 0;
    double us = 0.0;
    kvant_status status = kvant_buffer_create(s->device.context, size, &copy.store);
    if (status == KVANT_OK) {
        status = kvant_buffer_create(s->device.context, size, &copy.scratch);
    }
    if (status == KVANT_OK) {
        status = kvant_buffer_fill(copy.store, 0, 0x3c00bc01u, size);
    }
    if (status != KVANT_OK) {
        result = tool_error_library(error, status, "no memory for the copy");
    } else {
        result = measure(&copy, &us, error);
    }
    if (result == 0) {
        s->copy_gb_s = 2.0 * (double)size / (us * 1e3);
    }
    bench_operation_release(&copy);
    return result;
}

/* Enough layers that attention finds none of its input on the chip. */
static uint32_t layers_for(const bench_session *s, const kvant_recipe *recipe)
{
    if (s->options->shape.layers != 0u) {
        return s->options->shape.layers;
    }
    if (s->device.info.kind != KVANT_DEVICE_GPU) {
        return 1;
    }
    uint64_t one = bench_stored_bytes(recipe, &s->options->shape) * s->options->shape.batch;
    uint64_t layers = (BEYOND_CACHES + one - 1u) / (one != 0u ? one : 1u);
    return layers < 1u ? 1u : layers > 64u ? 64u : (uint32_t)layers;
}

static int measure_recipe(bench_session *s, const kvant_recipe *recipe, double *out_us,
                          uint64_t *out_bytes, tool_error *error)
{
    bench_shape shape = s->options->shape;
    shape.layers = layers_for(s, recipe);
    bench_operation o;
    memset(&o, 0, sizeof o);
    o.context = s->device.context;
    o.shape = &shape;
    o.data = &s->data;
    o.recipe = *recipe;
    int result = bench_operation_prepare(&o, s->options->kind, error);
    if (result == 0) {
        result = measure(&o, out_us, error);
    }
    *out_bytes = o.bytes;
    bench_operation_release(&o);
    return result;
}

/* ---- the run ------------------------------------------------------------------------------- */

static int bench_recipes(bench_session *s, const recipe_list *recipes, tool_error *error)
{
    double f16_us = -1.0;
    uint64_t f16_bytes = 0;
    if (s->options->kind != BENCH_SALIENCY) {
        kvant_recipe f16;
        progress_show(&s->bar, "recipe", 0, recipes->count + 1u);
        if (recipe_f16(&f16, error) != 0 ||
            measure_recipe(s, &f16, &f16_us, &f16_bytes, error) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < recipes->count; i++) {
        progress_show(&s->bar, "recipe", i + 1u, recipes->count + 1u);
        bench_row row = {recipes->entries[i].text, 0.0, 0, 0.0, f16_us};
        if (f16_us >= 0.0 && recipe_is_f16(&recipes->entries[i].recipe)) {
            row.us = f16_us;
            row.bytes = f16_bytes;
        } else if (measure_recipe(s, &recipes->entries[i].recipe, &row.us, &row.bytes, error) !=
                   0) {
            return -1;
        }
        row.gb_s = (double)row.bytes / (row.us * 1e3);
        s->rows[s->row_count++] = row;
    }
    return 0;
}

static int bench_on_device(bench_session *s, const recipe_list *recipes, tool_error *error)
{
    kvant_status status = kvant_context_prepare(s->device.context);
    if (status != KVANT_OK) {
        return tool_error_library(error, status, "the kernels were not built");
    }
    s->rows = calloc(recipes->count, sizeof *s->rows);
    if (s->rows == NULL) {
        return tool_error_memory(error);
    }
    int result =
        bench_data_create(s->device.context, &s->options->shape, s->options->seed, &s->data, error);
    if (result == 0) {
        result = measure_copy(s, error);
    }
    if (result == 0) {
        result = bench_recipes(s, recipes, error);
    }
    progress_end(&s->bar);
    bench_data_release(&s->data);
    return result;
}

/* ---- output -------------------------------------------------------------------------------- */

static int print_json(const bench_session *s)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *rows = cJSON_AddArrayToObject(root, "rows");
    for (size_t i = 0; i < s->row_count; i++) {
        const bench_row *row = &s->rows[i];
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "op", kind_names[s->options->kind]);
        cJSON_AddStringToObject(object, "recipe", row->recipe);
        cJSON_AddStringToObject(object, "backend", s->device.info.backend);
        cJSON_AddStringToObject(object, "device", s->device.info.name);
        cJSON_AddNumberToObject(object, "us", row->us);
        cJSON_AddNumberToObject(object, "bytes", (double)row->bytes);
        cJSON_AddNumberToObject(object, "gb_s", row->gb_s);
        cJSON_AddNumberToObject(object, "copy_gb_s", s->copy_gb_s);
        cJSON_AddNumberToObject(object, "fraction", row->gb_s / s->copy_gb_s);
        if (row->f16_us >= 0.0) {
            cJSON_AddNumberToObject(object, "f16_us", row->f16_us);
        } else {
            cJSON_AddNullToObject(object, "f16_us");
        }
        cJSON_AddItemToArray(rows, object);
    }
    return json_print(root, stdout);
}

static void print_table(const bench_session *s)
{
    static const char *const headers[] = {"op",   "recipe", "us",       "bytes",
                                          "GB/s", "copy",   "fraction", "f16 us"};
    text_table table;
    text_table_init(&table, sizeof headers / sizeof headers[0], 2);
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        text_table_cell(&table, "%s", headers[i]);
    }
    for (size_t i = 0; i < s->row_count; i++) {
        const bench_row *row = &s->rows[i];
        text_table_cell(&table, "%s", kind_names[s->options->kind]);
        text_table_cell(&table, "%s", row->recipe);
        text_table_cell(&table, "%.1f", row->us);
        text_table_cell(&table, "%" PRIu64, row->bytes);
        text_table_cell(&table, "%.3g", row->gb_s);
        text_table_cell(&table, "%.3g", s->copy_gb_s);
        text_table_cell(&table, "%.3g %%", 100.0 * row->gb_s / s->copy_gb_s);
        if (row->f16_us >= 0.0) {
            text_table_cell(&table, "%.1f", row->f16_us);
        } else {
            text_table_cell(&table, "-");
        }
    }
    printf("%s, %s (%s)\n", s->device.info.select, s->device.info.name,
           tool_kind_name(s->device.info.kind));
    text_table_print(&table, stdout);
    text_table_release(&table);
}

/* ---- the command --------------------------------------------------------------------------- */

static const char details[] =
    "Medians of device time on random data. What is timed:\n"
    "  quantize   parameters, codes and packing of K and V of every sequence, channel scales and\n"
    "             both classes included; for f16 the copy of K and V into the cache\n"
    "  saliency   the probe scores of one layer and the choice of the salient tokens, every\n"
    "             sequence; the recipes must have two classes, so there is no f16_us\n"
    "  attention  one decode step of one layer over the prefilled caches of all sequences\n"
    "  prefill    causal attention of the prompt and its compression, one layer, all sequences\n"
    "bytes: what must be read and written once, in f16 outside of the cache. copy: a "
    "device-to-device\n"
    "copy of the same run, read plus written bytes. f16 us: the same operation with f16. On a GPU\n"
    "attention takes several layers in turn, so that no cache helps.";

#define MOST_COUNT 16777216.0

static options_result parse(tool_globals *globals, int argc, char **argv, bench_options *o,
                            tool_error *error)
{
    uint32_t tokens = 0;
    int operand = 0;
    const option_spec specs[] = {
        {"batch", OPTION_U32, &o->shape.batch, 1, MOST_COUNT, NULL, "B", "sequences (1)"},
        {"q-heads", OPTION_U32, &o->shape.q_heads, 1, MOST_COUNT, NULL, "H", "query heads (32)"},
        {"kv-heads", OPTION_U32, &o->shape.kv_heads, 1, MOST_COUNT, NULL, "H", "KV heads (8)"},
        {"head-dim", OPTION_U32, &o->shape.k_dim, 1, MOST_COUNT, NULL, "D", "head dimension (128)"},
        {"value-dim", OPTION_U32, &o->shape.v_dim, 1, MOST_COUNT, NULL, "D", "of V (as of K)"},
        {"tokens", OPTION_U32, &tokens, 1, MOST_COUNT, NULL, "L",
         "a sequence (4096; for prefill 512)"},
        {"layers", OPTION_U32, &o->shape.layers, 1, 1024, NULL, "N",
         "caches that attention takes in turn (enough)"},
        {"recipe", OPTION_TEXT, &o->recipes, 0, 0, NULL, "R[,R...]",
         "recipes (int4; for saliency zipcache)"},
        {"seed", OPTION_U64, &o->seed, 0, 0, NULL, "N", "of the data (0)"},
        {"json", OPTION_FLAG, &o->json, 0, 0, NULL, NULL, "one JSON object on stdout"},
    };
    const command_description command = {"bench",
                                         "quantize|saliency|attention|prefill [options]",
                                         details,
                                         specs,
                                         sizeof specs / sizeof specs[0],
                                         kind_names};
    options_result result = options_parse(&command, globals, argc, argv, &operand, error);
    o->kind = (bench_kind)operand;
    o->shape.tokens = tokens != 0u ? tokens : o->kind == BENCH_PREFILL ? 512u : 4096u;
    o->shape.v_dim = o->shape.v_dim != 0u ? o->shape.v_dim : o->shape.k_dim;
    return result;
}

/* Refuses before anything is allocated. */
static int check(const bench_options *o, const recipe_list *recipes, tool_error *error)
{
    for (size_t i = 0; i < recipes->count; i++) {
        const kvant_recipe *recipe = &recipes->entries[i].recipe;
        kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
        desc.recipe = *recipe;
        desc.sequences = o->shape.batch;
        desc.q_heads = o->shape.q_heads;
        desc.kv_heads = o->shape.kv_heads;
        desc.k_dim = o->shape.k_dim;
        desc.v_dim = o->shape.v_dim;
        desc.prefill_tokens = o->shape.tokens;
        desc.layers = 1;
        kvant_cache_bytes bytes = KVANT_CACHE_BYTES_INIT;
        kvant_status status = kvant_cache_plan(&desc, &bytes);
        if (status != KVANT_OK) {
            return tool_error_library(error, status, NULL);
        }
        if (o->kind == BENCH_SALIENCY && recipe->salient_share <= 0.0) {
            return tool_error_input(error,
                                    "recipe \"%.100s\" has no salient tokens, so there is "
                                    "no saliency to measure",
                                    recipes->entries[i].text);
        }
    }
    return 0;
}

int command_bench(tool_globals *globals, int argc, char **argv)
{
    tool_error error = {0, ""};
    bench_options options = {.shape = {1, 32, 8, 128, 0, 0, 0}, .recipes = NULL};
    options_result parsed = parse(globals, argc, argv, &options, &error);
    if (parsed != OPTIONS_GO) {
        return parsed == OPTIONS_DONE ? TOOL_DONE : command_fail("bench", &error);
    }
    if (options.recipes == NULL) {
        options.recipes = options.kind == BENCH_SALIENCY ? "zipcache" : "int4";
    }
    bench_session session;
    memset(&session, 0, sizeof session);
    session.options = &options;
    progress_start(&session.bar, globals->quiet);
    recipe_list recipes = {NULL, 0};
    int result = recipe_list_parse(options.recipes, &recipes, &error);
    if (result == 0) {
        result = check(&options, &recipes, &error);
    }
    if (result == 0) {
        result = tool_device_open(&session.device, globals->quiet ? NULL : "bench",
                                  globals->backend, 0, &error);
    }
    if (result == 0) {
        result = bench_on_device(&session, &recipes, &error);
        if (result == 0 && !options.json) {
            print_table(&session);
        } else if (result == 0 && print_json(&session) != 0) {
            result = tool_error_memory(&error);
        }
        tool_device_close(&session.device);
    }
    free(session.rows);
    recipe_list_release(&recipes);
    return result == 0 ? TOOL_DONE : command_fail("bench", &error);
}
