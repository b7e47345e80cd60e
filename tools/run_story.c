/* SPDX-License-Identifier: MIT
 *
 * Generates text with the first recipe, then replays the same tokens with every other one and
 * compares the logits with those of f16.
 */
#include <stdlib.h>
#include <string.h>

#include "model_run.h"

/* One pass over the tokens, with the logits that choose each token from `prompt` on. */
typedef struct {
    uint32_t *tokens; /* limit + 1; as many as `count` are fed */
    uint32_t prompt;
    uint32_t count; /* replayed: known. Generated: found out */
    uint32_t limit;
    float *logits; /* [limit - prompt + 1][vocab_size] */
    run_row row;
    step_times times;
} story_pass;

static float *logits_at(const model_run *run, const story_pass *pass, uint32_t position)
{
    return pass->logits + (size_t)(position - pass->prompt) * run->model->shape.vocab_size;
}

/* Chooses and shows the token for `position`. Returns 1 at the end of the text, -1 on failure. */
static int choose_token(model_run *run, story_pass *pass, uint32_t position, tool_error *error)
{
    uint32_t next = sampler_next(&run->chooser, logits_at(run, pass, position));
    if (next == TOKENIZER_BOS) {
        return 1;
    }
    char raw;
    size_t length = 0;
    const char *piece =
        tokenizer_piece(run->words, pass->tokens[position - 1u], next, &raw, &length);
    pass->tokens[position] = next;
    return model_run_add_text(run, piece, length, error);
}

/* Feeds the prompt, then token after token. */
static int feed(model_run *run, story_pass *pass, kvant_cache *cache, int is_generating,
                double *out_seconds, tool_error *error)
{
    if (model_run_prompt(run, &cache, 1, pass->tokens, pass->prompt, pass->logits, error) != 0) {
        return -1;
    }
    *out_seconds = 0.0;
    uint32_t position = pass->prompt;
    for (;; position++) {
        int is_end = 0;
        if (is_generating) {
            is_end = choose_token(run, pass, position, error);
            if (is_end < 0) {
                return -1;
            }
        } else {
            progress_show(&run->bar, pass->row.recipe, position, pass->count);
        }
        if (is_end || position == (is_generating ? pass->limit : pass->count)) {
            break;
        }
        double start = tool_seconds();
        if (model_run_timed_step(run, cache, pass->tokens[position], position,
                                 logits_at(run, pass, position + 1u), &pass->times, error) != 0) {
            return -1;
        }
        *out_seconds += tool_seconds() - start;
    }
    pass->count = position;
    return 0;
}

static int measure(story_pass *pass, kvant_cache *cache, tool_error *error)
{
    pass->row.bytes = (kvant_cache_bytes)KVANT_CACHE_BYTES_INIT;
    kvant_status status = kvant_cache_usage(cache, &pass->row.bytes);
    if (status == KVANT_OK) {
        status = kvant_cache_digest(cache, &pass->row.digest);
    }
    pass->row.tokens = kvant_cache_length(cache, 0, 0);
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "the cache was not measured");
}

static int run_pass(model_run *run, const kvant_recipe *recipe, story_pass *pass, int is_generating,
                    tool_error *error)
{
    kvant_cache *cache = NULL;
    double seconds = 0.0;
    double start = tool_seconds();
    if (kv_attention_cache(&run->attention, recipe, pass->prompt, pass->limit - pass->prompt,
                           &cache, error) != 0) {
        return -1;
    }
    int result = feed(run, pass, cache, is_generating, &seconds, error);
    if (result == 0) {
        pass->row.steps = step_times_summary(&pass->times);
        uint32_t decoded = pass->count - pass->prompt;
        double all = tool_seconds() - start;
        pass->row.tokens_per_s = decoded != 0u ? decoded / seconds : pass->count / all;
        result = measure(pass, cache, error);
    }
    step_times_release(&pass->times);
    kvant_cache_destroy(cache);
    return result;
}

static int compare(model_run *run, const story_pass *base, story_pass *other, tool_error *error)
{
    divergence d;
    divergence_init(&d);
    int result = 0;
    for (uint32_t at = base->prompt; at <= base->count && result == 0; at++) {
        result = divergence_add(&d, logits_at(run, base, at), logits_at(run, other, at),
                                run->model->shape.vocab_size, error);
    }
    other->row.kld_mean = divergence_mean(&d);
    other->row.kld_p99 = divergence_percentile(&d, 99);
    other->row.same_top = divergence_same_top(&d);
    divergence_release(&d);
    return result;
}

static void store_row(model_run *run, size_t index, const story_pass *pass)
{
    const char *name = run->rows[index].recipe;
    run->rows[index] = pass->row;
    run->rows[index].recipe = name;
    run->rows[index].accuracy = -1.0;
}

/* The replay of the text must leave the very bytes that generating it left. */
static int check_digest(const story_pass *pass, uint64_t generated, tool_error *error)
{
    if (pass->row.digest == generated) {
        return 0;
    }
    snprintf(error->text, sizeof error->text,
             "recipe %.100s left other bytes when its own text was replayed: %016llx, not %016llx",
             pass->row.recipe, (unsigned long long)pass->row.digest, (unsigned long long)generated);
    error->code = TOOL_CHECK_FAILED;
    return -1;
}

/* Generates by the first recipe, then replays: f16 into `base`, all others into `other`. */
static int run_all(model_run *run, story_pass *base, story_pass *other, tool_error *error)
{
    const recipe_list *recipes = run->recipes;
    other->row.recipe = recipes->entries[0].text;
    if (run_pass(run, &recipes->entries[0].recipe, other, 1, error) != 0) {
        return -1;
    }
    if (run->stream != NULL) {
        fputs("\n\n", run->stream);
        fflush(run->stream);
    }
    uint64_t generated = other->row.digest;
    base->count = other->count;
    base->row.recipe = "f16";
    kvant_recipe f16;
    if (recipe_f16(&f16, error) != 0 || run_pass(run, &f16, base, 0, error) != 0 ||
        compare(run, base, base, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < recipes->count; i++) {
        story_pass *pass = base;
        if (!recipe_is_f16(&recipes->entries[i].recipe)) {
            pass = other;
            pass->row.recipe = recipes->entries[i].text;
            if (run_pass(run, &recipes->entries[i].recipe, pass, 0, error) != 0 ||
                compare(run, base, pass, error) != 0) {
                return -1;
            }
        }
        if (i == 0u && check_digest(pass, generated, error) != 0) {
            return -1;
        }
        store_row(run, i, pass);
    }
    return 0;
}

int run_story(model_run *run, const uint32_t *prompt, uint32_t prompt_count, uint32_t limit,
              tool_error *error)
{
    size_t vocab_size = run->model->shape.vocab_size;
    size_t floats = (size_t)(limit - prompt_count + 1u) * vocab_size;
    uint32_t *tokens = calloc((size_t)limit + 1u, sizeof *tokens);
    float *logits = calloc(floats, 2u * sizeof(float));
    int result = -1;
    if (tokens == NULL || logits == NULL) {
        tool_error_memory(error);
    } else {
        memcpy(tokens, prompt, prompt_count * sizeof *tokens);
        story_pass passes[2];
        for (size_t i = 0; i < 2u; i++) {
            passes[i] = (story_pass){.tokens = tokens,
                                     .prompt = prompt_count,
                                     .limit = limit,
                                     .logits = logits + i * floats};
        }
        result = 0;
        for (uint32_t i = 1; i < prompt_count && result == 0; i++) {
            char raw;
            size_t length = 0;
            const char *piece =
                tokenizer_piece(run->words, prompt[i - 1u], prompt[i], &raw, &length);
            result = model_run_add_text(run, piece, length, error);
        }
        if (result == 0) {
            result = run_all(run, &passes[0], &passes[1], error);
        }
        progress_end(&run->bar);
    }
    free(tokens);
    free(logits);
    return result;
}
