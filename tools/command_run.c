/* SPDX-License-Identifier: MIT
 *
 * kvant run: a real model with its KV cache compressed.
 */
#include <stdlib.h>
#include <string.h>

#include "run_report.h"
#include "tool_commands.h"
#include "tool_device.h"

typedef struct {
    const char *model;
    const char *tokenizer;
    const char *prompt;
    const char *cases;
    const char *recipes;
    uint32_t steps;
    int greedy;
    double temperature;
    double top_p;
    uint64_t seed;
    int prefill; /* index into prefill_choices */
    int json;
} run_options;

static const char *const prefill_choices[] = {"batch", "token", NULL};

static const char details[] =
    "Loads a llama2.c checkpoint (version 0, fp32), runs the transformer on the CPU with every\n"
    "K, V and attention on the device, prints the prompt and what the first recipe generates\n"
    "after it, then one row a recipe, each replayed on the same tokens and compared with f16:\n"
    "  bytes, ratio   of the whole cache as allocated for the prompt and --steps; bits per value\n"
    "  KLD            of the next-token distributions, KL(f16 || recipe) in nats, over all\n"
    "                 generated positions; same top: share where both prefer the same token\n"
    "  tokens/s       decode steps, transformer included\n"
    "  library        microseconds that a decode step spends in the library: the mean and what it "
    "goes\n"
    "                 to on the device, by time stamps; submit+wait is the rest: handing over "
    "work,\n"
    "                 transfers, waiting for the device; then median, 90th percentile and worst\n"
    "  digest         of the compressed bytes: the same on every device\n"
    "With --cases every recipe answers the questions of a JSON file, [{\"prompt\", \"answer\"}], "
    "greedily;\n"
    "accuracy is the share of answers that start as they should. Divergences are then over the\n"
    "positions of the answers that had the same tokens before them as f16's.\n"
    "A list of recipes is split at names and at k=: "
    "f16,zipcache,salient=0.4,k=int2/chan32,v=int2/tok32\n"
    "are three.";

static int parse(tool_globals *globals, int argc, char **argv, run_options *o, tool_error *error)
{
    const option_spec specs[] = {
        {"model", OPTION_TEXT, &o->model, 0, 0, NULL, "FILE", "the checkpoint"},
        {"tokenizer", OPTION_TEXT, &o->tokenizer, 0, 0, NULL, "FILE", "its tokenizer"},
        {"prompt", OPTION_TEXT, &o->prompt, 0, 0, NULL, "TEXT", "what the text starts with"},
        {"steps", OPTION_U32, &o->steps, 1, 1u << 20, NULL, "N",
         "positions in all, prompt included (256)"},
        {"recipe", OPTION_TEXT, &o->recipes, 0, 0, NULL, "R[,R...]", "recipes to compare (f16)"},
        {"greedy", OPTION_FLAG, &o->greedy, 0, 0, NULL, NULL, "the most likely token each time"},
        {"temperature", OPTION_REAL, &o->temperature, 0, 100, NULL, "X", "of sampling (1.0)"},
        {"top-p", OPTION_REAL, &o->top_p, 0, 1, NULL, "X", "nucleus of sampling (0.9)"},
        {"seed", OPTION_U64, &o->seed, 0, 0, NULL, "N", "of sampling (0)"},
        {"prefill", OPTION_CHOICE, &o->prefill, 0, 0, prefill_choices, "HOW",
         "the prompt as one batch, or token by token"},
        {"cases", OPTION_TEXT, &o->cases, 0, 0, NULL, "FILE", "questions and answers"},
        {"json", OPTION_FLAG, &o->json, 0, 0, NULL, NULL, "one JSON object on stdout"},
    };
    const command_description command = {"run",
                                         "--model FILE --tokenizer FILE [options]",
                                         details,
                                         specs,
                                         sizeof specs / sizeof specs[0],
                                         NULL};
    options_result result = options_parse(&command, globals, argc, argv, NULL, error);
    if (result == OPTIONS_DONE) {
        error->code = TOOL_DONE;
        return -1;
    }
    if (result == OPTIONS_BAD) {
        return -1;
    }
    if (o->model == NULL || o->tokenizer == NULL) {
        return tool_error_input(error, "--model and --tokenizer are needed");
    }
    if (o->cases != NULL && (o->prompt[0] != '\0')) {
        return tool_error_input(error, "--cases and --prompt exclude each other");
    }
    return 0;
}

static int tell_story(model_run *run, const run_options *o, kvant_context *context,
                      tool_error *error)
{
    uint32_t *tokens = NULL;
    uint32_t count = 0;
    if (tokenizer_encode(run->words, o->prompt, &tokens, &count, error) != 0) {
        return -1;
    }
    uint32_t seq_len = run->model->shape.seq_len;
    uint32_t limit = o->steps < seq_len ? o->steps : seq_len;
    int result = 0;
    if (count > limit) {
        result = tool_error_input(error,
                                  "the prompt has %u tokens; --steps and the model leave "
                                  "room for %u",
                                  count, limit);
    } else {
        result = model_run_prepare(run, context, count, error);
    }
    if (result == 0) {
        result = sampler_create(run->model->shape.vocab_size, o->greedy ? 0.0 : o->temperature,
                                o->top_p, o->seed, &run->chooser, error);
    }
    if (result == 0) {
        run->stream = o->json ? NULL : stdout;
        result = run_story(run, tokens, count, limit, error);
    }
    sampler_release(&run->chooser);
    free(tokens);
    return result;
}

static int answer_cases(model_run *run, const run_options *o, kvant_context *context,
                        tool_error *error)
{
    case_list list;
    if (case_list_load(o->cases, run->words, run->model->shape.seq_len, &list, error) != 0) {
        return -1;
    }
    int result = model_run_prepare(run, context, list.longest_prompt, error);
    if (result == 0) {
        result = run_cases(run, &list, error);
    }
    case_list_release(&list);
    return result;
}

static int run_on_device(model_run *run, const run_options *o, tool_globals *globals,
                         tool_error *error)
{
    tool_device device;
    if (tool_device_open(&device, globals->quiet ? NULL : "run", globals->backend, 0, error) != 0) {
        return -1;
    }
    run->device = device.info;
    run->prompt_by_token = o->prefill == 1;
    progress_start(&run->bar, globals->quiet);
    int result = o->cases != NULL ? answer_cases(run, o, device.context, error)
                                  : tell_story(run, o, device.context, error);
    if (result == 0 && !o->json) {
        run_report_table(run, stdout);
    } else if (result == 0 && run_report_json(run, stdout) != 0) {
        result = tool_error_input(error, "the results could not be written");
    }
    model_run_release(run);
    tool_device_close(&device);
    return result;
}

int command_run(tool_globals *globals, int argc, char **argv)
{
    tool_error error = {0, ""};
    run_options options = {
        .prompt = "", .recipes = "f16", .steps = 256, .temperature = 1.0, .top_p = 0.9};
    if (parse(globals, argc, argv, &options, &error) != 0) {
        return error.code == TOOL_DONE ? TOOL_DONE : command_fail("run", &error);
    }
    checkpoint model = {.weights = NULL};
    tokenizer words = {.file = NULL};
    recipe_list recipes = {NULL, 0};
    model_run run;
    memset(&run, 0, sizeof run);
    run.model = &model;
    run.words = &words;
    run.recipes = &recipes;
    int result = recipe_list_parse(options.recipes, &recipes, &error);
    if (result == 0) {
        result = checkpoint_load(options.model, &model, &error);
    }
    if (result == 0) {
        result = tokenizer_load(options.tokenizer, model.shape.vocab_size, &words, &error);
    }
    if (result == 0) {
        result = run_on_device(&run, &options, globals, &error);
    }
    checkpoint_release(&model);
    tokenizer_release(&words);
    recipe_list_release(&recipes);
    return result == 0 ? TOOL_DONE : command_fail("run", &error);
}
