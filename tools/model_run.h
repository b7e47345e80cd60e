/* SPDX-License-Identifier: MIT
 *
 * What `kvant run` works on: a model, a device and recipes, and what it finds out about each.
 */
#ifndef KVANT_TOOLS_MODEL_RUN_H
#define KVANT_TOOLS_MODEL_RUN_H

#include <stdio.h>

#include "divergence.h"
#include "kv_attention.h"
#include "progress.h"
#include "recipe_list.h"
#include "sampler.h"
#include "step_times.h"
#include "tokenizer.h"

/* One recipe's results. */
typedef struct {
    const char *recipe;
    uint64_t tokens;
    kvant_cache_bytes bytes;
    double kld_mean;
    double kld_p99;
    double same_top;
    double tokens_per_s;
    uint64_t digest;
    double accuracy;    /* of the cases; negative: none were run */
    step_summary steps; /* time in the library of decode steps */
} run_row;

typedef struct {
    const checkpoint *model;
    const tokenizer *words;
    const recipe_list *recipes;
    kvant_device_info device;
    transformer engine;
    kv_attention attention;
    sampler chooser;
    progress bar;
    int prompt_by_token;
    FILE *stream; /* where generated text goes at once, or NULL */
    /* results */
    run_row *rows; /* one a recipe */
    char *text;    /* what the first recipe generated */
    size_t text_length;
    uint64_t case_count;
    unsigned char *case_right; /* [recipes][case_count]: whether the answer was right */
} model_run;

/* Sizes everything that one pass needs: prompts of up to `prompt` tokens. */
int model_run_prepare(model_run *run, kvant_context *context, uint32_t prompt, tool_error *error);
void model_run_release(model_run *run);

/* Feeds a prompt to the caches at position 0; logits [caches][vocab_size] of its last token. Where
 * prompts go as one batch, all caches see the same logits. */
int model_run_prompt(model_run *run, kvant_cache **caches, size_t cache_count,
                     const uint32_t *tokens, uint32_t count, float *out_logits, tool_error *error);

/* Feeds one token to one cache. */
int model_run_step(model_run *run, kvant_cache *cache, uint32_t token, uint32_t position,
                   float *out_logits, tool_error *error);

/* The same as a decode step, timed. */
int model_run_timed_step(model_run *run, kvant_cache *cache, uint32_t token, uint32_t position,
                         float *out_logits, step_times *times, tool_error *error);

/* Adds a piece of text to run->text. */
int model_run_add_text(model_run *run, const char *bytes, size_t length, tool_error *error);

/* Generates up to `limit` tokens with the first recipe, then replays them with the others. */
int run_story(model_run *run, const uint32_t *prompt, uint32_t prompt_count, uint32_t limit,
              tool_error *error);

/* A question and its answer, as tokens and text. */
typedef struct {
    uint32_t *tokens;
    uint32_t count;
    char *answer;
    size_t answer_length;
    uint32_t lines; /* of the prompt: as the file says, or line breaks */
} run_case;

typedef struct {
    run_case *cases;
    size_t count;
    uint32_t longest_prompt; /* tokens */
    uint32_t longest_answer; /* bytes, and so the most tokens */
} case_list;

/* A JSON array of {"prompt", "answer"}, with "lines" where the prompt's line breaks do not tell. */
int case_list_load(const char *path, const tokenizer *words, uint32_t seq_len, case_list *out_list,
                   tool_error *error);
void case_list_release(case_list *list);

/* Share of cases that each recipe answers. */
int run_cases(model_run *run, const case_list *list, tool_error *error);

#endif
