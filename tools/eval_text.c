/* SPDX-License-Identifier: MIT
 *
 * Windows of tokens.
 */
#include "eval_text.h"

#include <stdlib.h>
#include <string.h>

#include "eval_hash.h"
#include "file_input.h"

#define MOST_FILE_BYTES (UINT64_C(1) << 30)

enum {
    SURE_TOKENS = 32,  /* so far from a cut, tokens are those of the whole text */
    FIRST_BYTES = 6,   /* a token, as a first guess */
    LONGEST_WORD = 64, /* text without blanks is cut anywhere */
    MOST_BYTES = 1 << 20
};

uint32_t eval_text_predicted(const eval_text *text)
{
    return text->length - text->prompt;
}

const uint32_t *eval_text_window(const eval_text *text, uint32_t window)
{
    return text->tokens + (size_t)window * (text->length + 1u);
}

uint64_t eval_text_digest(const eval_text *text)
{
    size_t count = (size_t)text->windows * (text->length + 1u);
    return eval_hash(EVAL_HASH_START, text->tokens, count * sizeof *text->tokens);
}

static int allocate(eval_text *text, tool_error *error)
{
    text->tokens = calloc((size_t)text->windows * (text->length + 1u), sizeof *text->tokens);
    return text->tokens != NULL ? 0 : tool_error_memory(error);
}

void eval_text_release(eval_text *text)
{
    free(text->tokens);
    text->tokens = NULL;
}

/* ---- a file -------------------------------------------------------------------------------- */

/* The tokens of what `text` begins with, at least `wanted` of them or all that there are. Encoding
 * takes time that grows with the square of the length, so pieces are encoded. */
static int encode_some(const tokenizer *words, const char *text, uint32_t wanted,
                       uint32_t **out_tokens, uint32_t *out_count, tool_error *error)
{
    size_t left = strlen(text);
    size_t bytes = (size_t)FIRST_BYTES * (wanted + SURE_TOKENS);
    for (;; bytes *= 2u) {
        size_t length = bytes < left ? bytes : left;
        char *piece = malloc(length + 1u);
        if (piece == NULL) {
            tool_error_memory(error);
            return -1;
        }
        memcpy(piece, text, length);
        piece[length] = '\0';
        int result = tokenizer_encode(words, piece, out_tokens, out_count, error);
        free(piece);
        if (result != 0 || length == left || *out_count >= wanted + SURE_TOKENS ||
            bytes > MOST_BYTES) {
            return result;
        }
        free(*out_tokens);
        *out_tokens = NULL;
    }
}

/* Bytes to the beginning of a word after `text`. */
static size_t to_next_word(const char *text)
{
    size_t length = strcspn(text, " \t\r\n");
    if (length > LONGEST_WORD) {
        return 0;
    }
    return length + strspn(text + length, " \t\r\n");
}

/* Fills the next window from *at on, and moves *at behind it; 1 where the text ends before. */
static int fill_window(const tokenizer *words, const char **at, uint32_t *window, uint32_t length,
                       tool_error *error)
{
    uint32_t *tokens = NULL;
    uint32_t count = 0;
    if (encode_some(words, *at, length + 1u, &tokens, &count, error) != 0) {
        return -1;
    }
    int is_short = count < length + 1u;
    if (!is_short) {
        size_t bytes = 0;
        for (uint32_t i = 1; i <= length; i++) {
            bytes += tokenizer_text_bytes(words, tokens[i]);
        }
        memcpy(window, tokens, (length + 1u) * sizeof *window);
        *at += bytes - 1u; /* without the leading space */
        *at += to_next_word(*at);
    }
    free(tokens);
    return is_short;
}

static int cut(const char *path, const char *bytes, const tokenizer *words, eval_text *text,
               tool_error *error)
{
    const char *at = bytes;
    uint32_t filled = 0;
    while (filled < text->windows) {
        uint32_t *window = text->tokens + (size_t)filled * (text->length + 1u);
        int result = fill_window(words, &at, window, text->length, error);
        if (result < 0) {
            return -1;
        }
        if (result > 0) {
            break;
        }
        filled++;
    }
    if (filled == 0u) {
        return tool_error_input(error,
                                "%.300s: the text is shorter than one window of %u tokens; "
                                "--length makes windows shorter",
                                path, text->length);
    }
    text->windows = filled;
    return 0;
}

int eval_text_read(const char *path, const tokenizer *words, eval_text *text, tool_error *error)
{
    size_t bytes = 0;
    unsigned char *file = input_read_all(path, MOST_FILE_BYTES, &bytes, error);
    if (file == NULL) {
        return -1;
    }
    int result = 0;
    if (memchr(file, '\0', bytes) != NULL) {
        result = tool_error_input(error, "%.300s: has zero bytes, so it is not text", path);
    } else if (allocate(text, error) != 0 ||
               cut(path, (const char *)file, words, text, error) != 0) {
        result = -1;
    }
    free(file);
    if (result != 0) {
        eval_text_release(text);
    }
    return result;
}

/* ---- the model's own ----------------------------------------------------------------------- */

static int write_window(model_run *run, kvant_cache *cache, float *logits, uint32_t *window,
                        uint32_t length, tool_error *error)
{
    window[0] = TOKENIZER_BOS;
    if (model_run_prompt(run, &cache, 1, window, 1, logits, error) != 0) {
        return -1;
    }
    for (uint32_t i = 1;; i++) {
        window[i] = sampler_next(&run->chooser, logits);
        if (i == length) {
            break;
        }
        if (model_run_step(run, cache, window[i], i, logits, error) != 0) {
            return -1;
        }
    }
    kvant_status status = kvant_cache_reset(cache, 0);
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "the cache was not emptied");
}

int eval_text_write(model_run *run, uint64_t seed, eval_text *text, tool_error *error)
{
    uint32_t vocab_size = run->model->shape.vocab_size;
    float *logits = calloc(vocab_size, sizeof *logits);
    kvant_cache *cache = NULL;
    kvant_recipe f16;
    int result = -1;
    if (logits == NULL) {
        tool_error_memory(error);
    } else if (allocate(text, error) == 0 && recipe_f16(&f16, error) == 0 &&
               kv_attention_cache(&run->attention, &f16, 1, text->length - 1u, &cache, error) ==
                   0) {
        result = sampler_create(vocab_size, 1.0, 1.0, seed, &run->chooser, error);
    }
    for (uint32_t i = 0; i < text->windows && result == 0; i++) {
        progress_show(&run->bar, "the model writes window", i, text->windows);
        result = write_window(run, cache, logits, text->tokens + (size_t)i * (text->length + 1u),
                              text->length, error);
    }
    progress_end(&run->bar);
    sampler_release(&run->chooser);
    kvant_cache_destroy(cache);
    free(logits);
    if (result != 0) {
        eval_text_release(text);
    }
    return result;
}
