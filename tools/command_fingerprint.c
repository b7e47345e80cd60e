/* SPDX-License-Identifier: MIT
 *
 * kvant fingerprint: what recipes leave on a model's outputs, and whether it tells them apart.
 */
#include "eval_input.h"
#include "fingerprint_report.h"
#include "output_file.h"
#include "tool_commands.h"
#include "tool_options.h"

enum { MOST_WINDOWS = 1 << 16, RESAMPLES = 1000 };

typedef struct {
    eval_source source;
    const char *html;
    uint64_t seed;
    int json;
} fingerprint_options;

static const char details[] =
    "Feeds the same windows to a model with its KV cache in f16 and in each recipe, as eval does, "
    "and\n"
    "takes statistics of what a recipe does to the outputs of each window: the slope of its logits "
    "on\n"
    "f16's, change of entropy, divergence, how the attention's errors hang together along tokens "
    "and\n"
    "channels, and the slope and error of each layer. A classifier learns them from the first half "
    "of\n"
    "the windows and tells from the outputs of the other half which recipe served them: from "
    "logits\n"
    "alone, from the attention's output alone, and from both. In brackets: 95 % intervals of a\n"
    "bootstrap over windows.\n"
    "--backend takes a list. Of every device but the first it is said whether its statistics are "
    "those\n"
    "of the first bit for bit, and whether a classifier can tell the two devices apart.";

static options_result parse(tool_globals *globals, int argc, char **argv, fingerprint_options *o,
                            tool_error *error)
{
    const option_spec specs[] = {
        {"model", OPTION_TEXT, &o->source.model, 0, 0, NULL, "FILE", "the checkpoint"},
        {"tokenizer", OPTION_TEXT, &o->source.tokenizer, 0, 0, NULL, "FILE", "its tokenizer"},
        {"recipe", OPTION_TEXT, &o->source.recipes, 0, 0, NULL, "R[,R...]",
         "recipes to tell apart, and f16 (all)"},
        {"text", OPTION_TEXT, &o->source.text, 0, 0, NULL, "FILE",
         "what the windows are cut from (the model writes them)"},
        {"windows", OPTION_U32, &o->source.windows, FINGERPRINT_LEAST_WINDOWS, MOST_WINDOWS, NULL,
         "N", "windows, at most (16)"},
        {"length", OPTION_U32, &o->source.length, 3, 1u << 24, NULL, "L",
         "tokens a window (512, or what the model takes)"},
        {"prompt", OPTION_U32, &o->source.prompt, 1, 1u << 24, NULL, "P",
         "of them, the prompt (half of the length)"},
        {"seed", OPTION_U64, &o->seed, 0, 0, NULL, "N", "of the text and of the bootstrap (1)"},
        {"json", OPTION_FLAG, &o->json, 0, 0, NULL, NULL, "one JSON object on stdout"},
        {"html", OPTION_TEXT, &o->html, 0, 0, NULL, "FILE", "a page with the confusion matrices"},
    };
    const command_description command = {"fingerprint",
                                         "--model FILE --tokenizer FILE [options]",
                                         details,
                                         specs,
                                         sizeof specs / sizeof specs[0],
                                         NULL};
    options_result result = options_parse(&command, globals, argc, argv, NULL, error);
    if (result == OPTIONS_GO && (o->source.model == NULL || o->source.tokenizer == NULL)) {
        tool_error_input(error, "--model and --tokenizer are needed");
        return OPTIONS_BAD;
    }
    return result;
}

static int read_input(const fingerprint_options *o, eval_input *in, tool_error *error)
{
    int result = eval_input_read(&o->source, in, error);
    if (result == 0 && in->text.windows < FINGERPRINT_LEAST_WINDOWS) {
        result = tool_error_input(error,
                                  "%.300s has %u windows of %u tokens; %d are needed, two to learn "
                                  "from and two to tell",
                                  o->source.text, in->text.windows, in->text.length,
                                  FINGERPRINT_LEAST_WINDOWS);
    }
    return result;
}

static int take(const fingerprint_options *o, eval_input *in, const tool_globals *globals,
                FILE *html, tool_error *error)
{
    const bootstrap_plan plan = {RESAMPLES, o->seed};
    const eval_request request = {
        .command = "fingerprint",
        .model = &in->model,
        .words = &in->words,
        .text_seed = o->seed,
        .backends = globals->backend,
        .quiet = globals->quiet,
    };
    fingerprint_results results;
    if (fingerprint_session(&request, &in->recipes, &in->text, &plan, &results, error) != 0) {
        return -1;
    }
    const fingerprint_report report = {&request, &in->recipes,    &in->text,     &results,
                                       &plan,    o->source.model, o->source.text};
    int result = 0;
    if (html != NULL && fingerprint_report_html(&report, html) != 0) {
        result = tool_error_input(error, "%.300s was not written", o->html);
    } else if (o->json) {
        result = fingerprint_report_json(&report, stdout) == 0 ? 0 : tool_error_memory(error);
    } else {
        fingerprint_report_table(&report, stdout);
    }
    fingerprint_results_release(&results);
    return result;
}

int command_fingerprint(tool_globals *globals, int argc, char **argv)
{
    tool_error error = {0, ""};
    fingerprint_options options = {.source = {.recipes = "all", .windows = 16}, .seed = 1};
    options_result parsed = parse(globals, argc, argv, &options, &error);
    if (parsed != OPTIONS_GO) {
        return parsed == OPTIONS_DONE ? TOOL_DONE : command_fail("fingerprint", &error);
    }
    FILE *html = NULL;
    eval_input input;
    int result = read_input(&options, &input, &error);
    if (result == 0) {
        result = output_open(options.html, &html, &error);
    }
    if (result == 0) {
        result = take(&options, &input, globals, html, &error);
    }
    result = output_close(options.html, html, result, &error);
    eval_input_release(&input);
    return result == 0 ? TOOL_DONE : command_fail("fingerprint", &error);
}
