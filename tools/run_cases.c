/* SPDX-License-Identifier: MIT
 *
 * Questions with known answers: how many each recipe answers greedily. A prompt is run once and
 * fills the caches of all recipes; the answers are then decoded recipe by recipe.
 */
#include <stdlib.h>
#include <string.h>

#include "model_run.h"

/* What is gathered about a recipe over all cases. */
typedef struct {
    kvant_cache *cache;
    divergence kld;
    unsigned char *right; /* of each case */
    uint64_t tokens;
    uint64_t digest; /* of the digests after each case, in order */
    uint64_t steps;
    double seconds;
    step_times times;
} case_results;

/* results[0] is f16, results[i + 1] recipe i. */
typedef struct {
    case_results *results;
    kvant_cache **caches;
    size_t count;
    uint32_t most;        /* tokens of an answer */
    float *prompt_logits; /* [count][vocab_size] */
    float *logits;
    float *base_logits; /* [most][vocab_size]: f16's, and the tokens that it chose */
    uint32_t *base_tokens;
    uint32_t base_count;
    unsigned char *base_right;
} case_work;

typedef struct {
    size_t matched; /* bytes of the answer so far */
    int is_right;
    int is_wrong;
} answer_state;

static void judge(const model_run *run, const run_case *c, answer_state *state, uint32_t previous,
                  uint32_t token)
{
    char raw;
    size_t length = 0;
    const char *piece = tokenizer_piece(run->words, previous, token, &raw, &length);
    size_t left = c->answer_length - state->matched;
    size_t compared = length < left ? length : left;
    if (token == TOKENIZER_BOS || memcmp(piece, c->answer + state->matched, compared) != 0) {
        state->is_wrong = 1;
        return;
    }
    state->matched += compared;
    state->is_right = state->matched == c->answer_length;
}

static int add_first_answer(model_run *run, uint32_t previous, uint32_t token, tool_error *error)
{
    char raw;
    size_t length = 0;
    const char *piece = tokenizer_piece(run->words, previous, token, &raw, &length);
    return model_run_add_text(run, piece, length, error);
}

/*
 * Decodes one answer. f16 goes first, until its answer is right or wrong, and leaves its tokens and
 * logits. Any other recipe goes by its own tokens until it is judged; after that it is fed f16's,
 * so that it is compared with f16 on all positions that had the same tokens before them.
 */
static int answer(model_run *run, case_work *w, size_t index, const case_list *list,
                  size_t case_index, tool_error *error)
{
    const run_case *c = &list->cases[case_index];
    int is_first = case_index == 0u && index == 1u; /* its text is shown */
    uint32_t vocab_size = run->model->shape.vocab_size;
    case_results *r = &w->results[index];
    answer_state state = {0, 0, 0};
    int is_same = 1;
    uint32_t previous = c->tokens[c->count - 1u];
    memcpy(w->logits, w->prompt_logits + index * (size_t)vocab_size, vocab_size * sizeof(float));
    for (uint32_t step = 0;; step++) {
        float *base = w->base_logits + step * (size_t)vocab_size;
        uint32_t own = sampler_most_likely(w->logits, vocab_size);
        if (index == 0u) {
            memcpy(base, w->logits, vocab_size * sizeof(float));
            w->base_tokens[step] = own;
            w->base_count = step + 1u;
        }
        is_same = is_same && step < w->base_count;
        if (is_same && divergence_add(&r->kld, base, w->logits, vocab_size, error) != 0) {
            return -1;
        }
        uint32_t next = own;
        if (!state.is_right && !state.is_wrong) {
            judge(run, c, &state, previous, own);
            if (is_first && add_first_answer(run, previous, own, error) != 0) {
                return -1;
            }
        }
        if (state.is_right || state.is_wrong) {
            next = w->base_tokens[step];
            is_same = is_same && step + 1u < w->base_count;
            if (!is_same) {
                break;
            }
        }
        if (step + 1u == w->most) {
            break;
        }
        is_same = is_same && next == w->base_tokens[step];
        double start = tool_seconds();
        if (model_run_timed_step(run, r->cache, next, c->count + step, w->logits, &r->times,
                                 error) != 0) {
            return -1;
        }
        r->seconds += tool_seconds() - start;
        r->steps++;
        previous = next;
    }
    r->right[case_index] = (unsigned char)state.is_right;
    return 0;
}

/* Counts what the cache holds, then empties it. */
static int close_case(case_results *r, tool_error *error)
{
    uint64_t digest = 0;
    kvant_status status = kvant_cache_digest(r->cache, &digest);
    r->tokens += kvant_cache_length(r->cache, 0, 0);
    r->digest = (r->digest ^ digest) * UINT64_C(0x100000001b3);
    if (status == KVANT_OK) {
        status = kvant_cache_reset(r->cache, 0);
    }
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "the cache was not emptied");
}

static int run_one(model_run *run, case_work *w, const case_list *list, size_t index,
                   tool_error *error)
{
    const run_case *c = &list->cases[index];
    if (model_run_prompt(run, w->caches, w->count, c->tokens, c->count, w->prompt_logits, error) !=
        0) {
        return -1;
    }
    for (size_t i = 0; i < w->count; i++) {
        if (answer(run, w, i, list, index, error) != 0 || close_case(&w->results[i], error) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Of f16 and of every recipe. */
static int allocate_right(model_run *run, case_work *w, size_t case_count, tool_error *error)
{
    w->base_right = calloc(case_count, 1);
    run->case_right = calloc(run->recipes->count, case_count);
    if (w->base_right == NULL || run->case_right == NULL) {
        return tool_error_memory(error);
    }
    w->results[0].right = w->base_right;
    for (size_t i = 1; i < w->count; i++) {
        w->results[i].right = run->case_right + (i - 1u) * case_count;
    }
    return 0;
}

static int prepare(model_run *run, case_work *w, const case_list *list, tool_error *error)
{
    size_t vocab_size = run->model->shape.vocab_size;
    w->count = run->recipes->count + 1u;
    w->most = list->longest_answer;
    w->results = calloc(w->count, sizeof *w->results);
    w->caches = calloc(w->count, sizeof(kvant_cache *));
    w->prompt_logits = calloc(w->count * vocab_size, sizeof(float));
    w->logits = calloc(vocab_size, sizeof(float));
    w->base_logits = calloc(w->most * vocab_size, sizeof(float));
    w->base_tokens = calloc(w->most, sizeof *w->base_tokens);
    if (w->results == NULL || w->caches == NULL || w->prompt_logits == NULL || w->logits == NULL ||
        w->base_logits == NULL || w->base_tokens == NULL) {
        return tool_error_memory(error);
    }
    kvant_recipe f16;
    if (allocate_right(run, w, list->count, error) != 0 || recipe_f16(&f16, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < w->count; i++) {
        const kvant_recipe *recipe = i == 0u ? &f16 : &run->recipes->entries[i - 1u].recipe;
        w->results[i].digest = UINT64_C(0xcbf29ce484222325);
        if (kv_attention_cache(&run->attention, recipe, list->longest_prompt, w->most,
                               &w->caches[i], error) != 0) {
            return -1;
        }
        w->results[i].cache = w->caches[i];
    }
    return 0;
}

static double share_of(const unsigned char *right, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += right[i];
    }
    return (double)sum / (double)count;
}

static int report(model_run *run, case_work *w, size_t case_count, tool_error *error)
{
    for (size_t i = 1; i < w->count; i++) {
        case_results *r = &w->results[i];
        run_row *row = &run->rows[i - 1u];
        kvant_status status = kvant_cache_usage(r->cache, &row->bytes);
        if (status != KVANT_OK) {
            return tool_error_library(error, status, "the cache was not measured");
        }
        row->tokens = r->tokens;
        row->digest = r->digest;
        row->kld_mean = divergence_mean(&r->kld);
        row->kld_p99 = divergence_percentile(&r->kld, 99);
        row->same_top = divergence_same_top(&r->kld);
        row->tokens_per_s = r->steps != 0u ? (double)r->steps / r->seconds : 0.0;
        row->steps = step_times_summary(&r->times);
        row->accuracy = share_of(r->right, case_count);
    }
    return 0;
}

static void release(case_work *w)
{
    for (size_t i = 0; i < w->count; i++) {
        if (w->results != NULL) {
            divergence_release(&w->results[i].kld);
            step_times_release(&w->results[i].times);
        }
        if (w->caches != NULL) {
            kvant_cache_destroy(w->caches[i]);
        }
    }
    free(w->results);
    free(w->caches);
    free(w->prompt_logits);
    free(w->logits);
    free(w->base_logits);
    free(w->base_tokens);
    free(w->base_right);
}

int run_cases(model_run *run, const case_list *list, tool_error *error)
{
    case_work w;
    memset(&w, 0, sizeof w);
    int result = prepare(run, &w, list, error);
    for (size_t i = 0; i < list->count && result == 0; i++) {
        progress_show(&run->bar, "case", i, list->count);
        result = run_one(run, &w, list, i, error);
    }
    progress_end(&run->bar);
    if (result == 0) {
        run->case_count = list->count;
        result = report(run, &w, list->count, error);
    }
    release(&w);
    return result;
}
