/* SPDX-License-Identifier: MIT
 *
 * kvant bench: time of the operations, beside a device copy and f16 in the same run.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench_report.h"
#include "output_file.h"
#include "tool_commands.h"
#include "tool_device.h"
#include "tool_options.h"

enum { MOST_KINDS = 16, MOST_LAYERS = 1024, MOST_STEPS = 1 << 16, HELP_BYTES = 4096 };

typedef struct {
    bench_request request;
    bench_settings settings;
    const char *batch;
    const char *tokens;
    const char *dims;
    const char *kv_heads;
    const char *groups;
    const char *recipes;
    const char *csv;
    const char *html;
    double rotate_mb; /* negative: as the device's caches ask for */
    uint64_t seed;
    int is_sweep;
    int json;
} bench_options;

/* ---- options ------------------------------------------------------------------------------- */

static const char details_before[] =
    "Medians and spreads of device time on fresh random data, each operation beside a device copy\n"
    "and f16, repetitions in turn. Before it is timed, an operation's results are compared with "
    "the\n"
    "host reference's. Without an operation: all of them.\n";

static const char details_after[] =
    "B, L, D, heads: sequences, tokens, head dimension, query/KV heads. us: the median; MB: what\n"
    "must be read and written once, in f16 outside of the cache; copy: read plus written bytes of "
    "a\n"
    "device-to-device copy; of copy: the share of its bytes per second; f16 us, x f16: f16's time\n"
    "and how many times longer it is; rotated MB: what runs go through before anything is read\n"
    "again, on GPUs and CPUs more than the last cache holds, as far as memory and time allow.\n"
    "--batch, --tokens, --head-dim, --kv-heads and --gqa take lists, 1,4,16, and every "
    "combination\n"
    "is a row. --sweep gives lists to those that were not given.\n"
    "Saliency is that of probe rows.";

/* "  name       summary", continued lines under it */
static void describe_kinds(char *out, size_t capacity)
{
    size_t used = 0;
    for (const bench_kind *kind = bench_kinds; kind->name != NULL; kind++) {
        const char *text = kind->summary;
        for (int is_first = 1; text != NULL && used < capacity; is_first = 0) {
            int length = (int)strcspn(text, "\n");
            used += (size_t)snprintf(out + used, capacity - used, "  %-17s%.*s\n",
                                     is_first ? kind->name : "", length, text);
            text = text[length] == '\n' ? text + length + 1 : NULL;
        }
    }
}

static options_result parse(tool_globals *globals, int argc, char **argv, bench_options *o,
                            tool_error *error)
{
    static const double most = 16777216.0;
    const option_spec specs[] = {
        {"batch", OPTION_TEXT, &o->batch, 0, 0, NULL, "B,...", "sequences (1; sweep: 1,8)"},
        {"tokens", OPTION_TEXT, &o->tokens, 0, 0, NULL, "L,...",
         "a sequence (4096, of prompts 512; sweep: 1024,4096)"},
        {"head-dim", OPTION_TEXT, &o->dims, 0, 0, NULL, "D,...",
         "head dimension (128; sweep: 64,128)"},
        {"value-dim", OPTION_U32, &o->request.value_dim, 1, most, NULL, "D", "of V (as of K)"},
        {"kv-heads", OPTION_TEXT, &o->kv_heads, 0, 0, NULL, "H,...", "KV heads (8)"},
        {"gqa", OPTION_TEXT, &o->groups, 0, 0, NULL, "G,...",
         "query heads a KV head (from --q-heads; sweep: 1,4)"},
        {"q-heads", OPTION_U32, &o->request.q_heads, 1, most, NULL, "H", "query heads (32)"},
        {"layers", OPTION_U32, &o->request.layers, 1, MOST_LAYERS, NULL, "N",
         "caches that runs take in turn (enough); of a step (4)"},
        {"steps", OPTION_U32, &o->settings.steps, 1, MOST_STEPS, NULL, "N",
         "decode steps, as far as time allows (256)"},
        {"recipe", OPTION_TEXT, &o->recipes, 0, 0, NULL, "R[,R...]",
         "recipes (int4,zipcache; sweep: f16,int8-token,int4,kivi2)"},
        {"recipes", OPTION_TEXT, &o->recipes, 0, 0, NULL, "R[,R...]", "the same"},
        {"sweep", OPTION_FLAG, &o->is_sweep, 0, 0, NULL, NULL, "many shapes; attention alone"},
        {"seconds", OPTION_REAL, &o->settings.seconds, 0.001, 1e6, NULL, "S",
         "for all rows together, about (1 for each)"},
        {"rotate", OPTION_REAL, &o->rotate_mb, 0, 65536, NULL, "MB",
         "to go through in turn (by the device's caches)"},
        {"seed", OPTION_U64, &o->seed, 0, 0, NULL, "N", "of the data (another one each time)"},
        {"json", OPTION_FLAG, &o->json, 0, 0, NULL, NULL, "one JSON object on stdout"},
        {"csv", OPTION_TEXT, &o->csv, 0, 0, NULL, "FILE", "the rows as CSV"},
        {"html", OPTION_TEXT, &o->html, 0, 0, NULL, "FILE", "the rows as a page with a plot"},
    };
    const char *names[MOST_KINDS] = {NULL};
    char details[HELP_BYTES];
    size_t used = (size_t)snprintf(details, sizeof details, "%s", details_before);
    int operand = 0;
    for (const bench_kind *kind = bench_kinds; kind->name != NULL; kind++) {
        names[operand++] = kind->name;
    }
    names[operand] = "all";
    int all = operand;
    operand = -1;
    describe_kinds(details + used, sizeof details - used);
    used = strlen(details);
    snprintf(details + used, sizeof details - used, "%s", details_after);
    const command_description command = {"bench", "[OPERATION] [options]",        details,
                                         specs,   sizeof specs / sizeof specs[0], names};
    options_result result = options_parse(&command, globals, argc, argv, &operand, error);
    const char *name = operand < 0 ? (o->is_sweep ? "attention" : "all") : names[operand];
    o->request.kind = operand == all ? NULL : bench_kind_named(name);
    return result;
}

static int read_lists(bench_options *o, tool_error *error)
{
    bench_request *r = &o->request;
    r->batch = o->is_sweep ? (bench_list){{1, 8}, 2} : (bench_list){{1}, 1};
    r->dims = o->is_sweep ? (bench_list){{64, 128}, 2} : (bench_list){{128}, 1};
    r->kv_heads = (bench_list){{8}, 1};
    if (o->is_sweep) {
        r->tokens = (bench_list){{1024, 4096}, 2};
    }
    if (o->is_sweep && r->q_heads == 0u) {
        r->groups = (bench_list){{1, 4}, 2};
    }
    if (bench_list_parse("batch", o->batch, &r->batch, error) != 0 ||
        bench_list_parse("tokens", o->tokens, &r->tokens, error) != 0 ||
        bench_list_parse("head-dim", o->dims, &r->dims, error) != 0 ||
        bench_list_parse("kv-heads", o->kv_heads, &r->kv_heads, error) != 0 ||
        bench_list_parse("gqa", o->groups, &r->groups, error) != 0) {
        return -1;
    }
    if (o->recipes == NULL) {
        int is_judged = r->kind != NULL && r->kind->needs_classes;
        o->recipes = is_judged     ? "zipcache"
                     : o->is_sweep ? "f16,int8-token,int4,kivi2"
                                   : "int4,zipcache";
    }
    if (r->q_heads == 0u && r->groups.count == 0u) {
        r->q_heads = 32;
    }
    if (o->rotate_mb >= 0.0) {
        o->settings.has_rotate = 1;
        o->settings.rotate = (uint64_t)(o->rotate_mb * 1e6);
    }
    o->settings.has_roof = o->html != NULL;
    o->settings.seed = o->seed;
    if (o->seed == UINT64_MAX) { /* not given */
        struct timespec now;
        timespec_get(&now, TIME_UTC);
        o->settings.seed = ((uint64_t)now.tv_sec * 1000003u + (uint64_t)now.tv_nsec) & 0xffffffffu;
    }
    return 0;
}

/* ---- the run ------------------------------------------------------------------------------- */

static int report(const bench_options *o, const bench_results *results, FILE *csv, FILE *html,
                  tool_error *error)
{
    if (csv != NULL && bench_report_csv(results, csv) != 0) {
        return tool_error_input(error, "%.300s was not written", o->csv);
    }
    if (html != NULL && bench_report_html(results, html) != 0) {
        return tool_error_input(error, "%.300s was not written", o->html);
    }
    if (o->json) {
        return bench_report_json(results, stdout) == 0 ? 0 : tool_error_memory(error);
    }
    bench_report_table(results, stdout);
    return 0;
}

static int bench_on_device(const bench_options *o, const bench_entry *entries, size_t count,
                           tool_globals *globals, FILE *csv, FILE *html, tool_error *error)
{
    tool_device device;
    tool_device reference;
    if (tool_device_open(&device, globals->quiet ? NULL : "bench", globals->backend, 0, error) !=
        0) {
        return -1;
    }
    int result = tool_device_open(&reference, NULL, "host", 0, error);
    if (result == 0) {
        progress bar;
        bench_results results;
        progress_start(&bar, globals->quiet);
        result = bench_session_run(device.context, reference.context, entries, count, &o->settings,
                                   &bar, &results, error);
        if (result == 0) {
            result = report(o, &results, csv, html, error);
        }
        bench_results_release(&results);
        tool_device_close(&reference);
    }
    tool_device_close(&device);
    return result;
}

/* Files are opened before anything is measured, so that no result is lost to a wrong path. */
static int bench_to_files(const bench_options *o, const bench_entry *entries, size_t count,
                          tool_globals *globals, tool_error *error)
{
    FILE *csv = NULL;
    FILE *html = NULL;
    int result = output_open(o->csv, &csv, error);
    if (result == 0) {
        result = output_open(o->html, &html, error);
    }
    if (result == 0) {
        result = bench_on_device(o, entries, count, globals, csv, html, error);
    }
    result = output_close(o->csv, csv, result, error);
    return output_close(o->html, html, result, error);
}

int command_bench(tool_globals *globals, int argc, char **argv)
{
    tool_error error = {0, ""};
    bench_options options = {.settings = {.steps = 256}, .rotate_mb = -1.0, .seed = UINT64_MAX};
    options_result parsed = parse(globals, argc, argv, &options, &error);
    if (parsed != OPTIONS_GO) {
        return parsed == OPTIONS_DONE ? TOOL_DONE : command_fail("bench", &error);
    }
    recipe_list recipes = {NULL, 0};
    bench_entry *entries = NULL;
    size_t count = 0;
    int result = read_lists(&options, &error);
    if (result == 0) {
        result = recipe_list_parse(options.recipes, &recipes, &error);
    }
    if (result == 0) {
        options.request.recipes = &recipes;
        result = bench_plan(&options.request, &entries, &count, &error);
    }
    if (result == 0) {
        result = bench_to_files(&options, entries, count, globals, &error);
    }
    free(entries);
    recipe_list_release(&recipes);
    return result == 0 ? TOOL_DONE : command_fail("bench", &error);
}
