/* SPDX-License-Identifier: MIT
 *
 * kvant eval: what each recipe costs in accuracy, against the bytes that it takes.
 */
#include <stdlib.h>

#include "eval_input.h"
#include "eval_report.h"
#include "output_file.h"
#include "tool_commands.h"
#include "tool_options.h"

enum { MOST_WINDOWS = 1 << 16, MOST_RESAMPLES = 1 << 20 };

typedef struct {
    eval_source source;
    const char *csv;
    const char *html;
    uint32_t head_windows;
    uint32_t resamples;
    uint64_t seed;
    int json;
} eval_options;

/* ---- options ------------------------------------------------------------------------------- */

static const char details[] =
    "Feeds the same tokens to a model with its KV cache in f16 and in each recipe, the prompt of "
    "a\n"
    "window at once and compressed, the rest token by token through the cache, and compares:\n"
    "  bits, ratio    of all bytes of the cache at the window's end, f16 window included\n"
    "  KLD            KL(f16 || recipe) of the next-token distributions, in nats: mean, median "
    "and\n"
    "                 99th percentile of all predicted tokens; same top: both prefer the same "
    "token\n"
    "  perplexity     of the text, and its change from f16's\n"
    "  heads          squared error of the attention's output over f16's power, with f16's "
    "queries,\n"
    "                 keys and values; worst: of one head, at LAYER/HEAD\n"
    "  accuracy       with --cases: share of answers that start as they should; points: change "
    "from\n"
    "                 f16's; bits, cases: at the longest case\n"
    "In brackets: 95 % intervals of a bootstrap over windows and over cases, differences taken\n"
    "window by window and case by case. Without --text the model writes the windows itself, on "
    "the\n"
    "first device, with f16. --backend takes a list, host,opencl,vulkan: every one of them is "
    "run,\n"
    "and a column says what is the same bit for bit as on the first. A recipe \"all\" stands for\n"
    "every named one; what the model cannot take of these is left out and listed.";

static options_result parse(tool_globals *globals, int argc, char **argv, eval_options *o,
                            tool_error *error)
{
    const option_spec specs[] = {
        {"model", OPTION_TEXT, &o->source.model, 0, 0, NULL, "FILE", "the checkpoint"},
        {"tokenizer", OPTION_TEXT, &o->source.tokenizer, 0, 0, NULL, "FILE", "its tokenizer"},
        {"recipe", OPTION_TEXT, &o->source.recipes, 0, 0, NULL, "R[,R...]",
         "recipes to compare (all)"},
        {"text", OPTION_TEXT, &o->source.text, 0, 0, NULL, "FILE", "what the windows are cut from"},
        {"windows", OPTION_U32, &o->source.windows, 1, MOST_WINDOWS, NULL, "N",
         "windows, at most (8)"},
        {"length", OPTION_U32, &o->source.length, 2, 1u << 24, NULL, "L",
         "tokens a window (512, or what the model takes)"},
        {"prompt", OPTION_U32, &o->source.prompt, 1, 1u << 24, NULL, "P",
         "of them, the prompt (half of the length)"},
        {"cases", OPTION_TEXT, &o->source.cases, 0, 0, NULL, "FILE", "questions and answers"},
        {"head-windows", OPTION_U32, &o->head_windows, 0, MOST_WINDOWS, NULL, "N",
         "windows for the errors by head (1)"},
        {"resamples", OPTION_U32, &o->resamples, 0, MOST_RESAMPLES, NULL, "N",
         "of the bootstrap (1000; 0: no intervals)"},
        {"seed", OPTION_U64, &o->seed, 0, 0, NULL, "N", "of the text and of the bootstrap (1)"},
        {"json", OPTION_FLAG, &o->json, 0, 0, NULL, NULL, "one JSON object on stdout"},
        {"csv", OPTION_TEXT, &o->csv, 0, 0, NULL, "FILE", "the rows as CSV"},
        {"html", OPTION_TEXT, &o->html, 0, 0, NULL, "FILE", "a page with plots"},
    };
    const command_description command = {"eval",
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

/* ---- the run ------------------------------------------------------------------------------- */

static int write_reports(const eval_options *o, const eval_report *report, FILE *csv, FILE *html,
                         tool_error *error)
{
    if (csv != NULL && eval_report_csv(report, csv) != 0) {
        return tool_error_input(error, "%.300s was not written", o->csv);
    }
    if (html != NULL && eval_report_html(report, html) != 0) {
        return tool_error_input(error, "%.300s was not written", o->html);
    }
    if (o->json) {
        return eval_report_json(report, stdout) == 0 ? 0 : tool_error_memory(error);
    }
    eval_report_table(report, stdout);
    return 0;
}

static int evaluate(const eval_options *o, eval_input *in, const tool_globals *globals, FILE *csv,
                    FILE *html, tool_error *error)
{
    const bootstrap_plan plan = {o->resamples, o->seed};
    const eval_request request = {
        .command = "eval",
        .model = &in->model,
        .words = &in->words,
        .cases = o->source.cases != NULL ? &in->cases : NULL,
        .text_seed = o->seed,
        .head_windows = o->head_windows,
        .backends = globals->backend,
        .quiet = globals->quiet,
    };
    eval_results results;
    if (eval_session(&request, &in->recipes, &in->text, &results, error) != 0) {
        return -1;
    }
    eval_summary summary;
    int result =
        eval_summarise(&request, &in->recipes, &in->text, &results, &plan, &summary, error);
    if (result == 0) {
        const eval_report report = {&request, &in->recipes,    &in->text,      &summary,
                                    &plan,    o->source.model, o->source.text, o->source.cases};
        result = write_reports(o, &report, csv, html, error);
        eval_summary_release(&summary);
    }
    eval_results_release(&results);
    return result;
}

int command_eval(tool_globals *globals, int argc, char **argv)
{
    tool_error error = {0, ""};
    eval_options options = {.source = {.recipes = "all", .windows = 8},
                            .head_windows = 1,
                            .resamples = 1000,
                            .seed = 1};
    options_result parsed = parse(globals, argc, argv, &options, &error);
    if (parsed != OPTIONS_GO) {
        return parsed == OPTIONS_DONE ? TOOL_DONE : command_fail("eval", &error);
    }
    FILE *csv = NULL;
    FILE *html = NULL;
    eval_input input;
    int result = eval_input_read(&options.source, &input, &error);
    if (result == 0) {
        result = output_open(options.csv, &csv, &error);
    }
    if (result == 0) {
        result = output_open(options.html, &html, &error);
    }
    if (result == 0) {
        result = evaluate(&options, &input, globals, csv, html, &error);
    }
    result = output_close(options.csv, csv, result, &error);
    result = output_close(options.html, html, result, &error);
    eval_input_release(&input);
    return result == 0 ? TOOL_DONE : command_fail("eval", &error);
}
