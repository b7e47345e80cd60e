/* SPDX-License-Identifier: MIT
 *
 * The steps that generating, replaying and answering share.
 */
#include "model_run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int model_run_prepare(model_run *run, kvant_context *context, uint32_t prompt, tool_error *error)
{
    run->rows = calloc(run->recipes->count, sizeof *run->rows);
    if (run->rows == NULL) {
        return tool_error_memory(error);
    }
    for (size_t i = 0; i < run->recipes->count; i++) {
        run->rows[i].recipe = run->recipes->entries[i].text;
        run->rows[i].accuracy = -1.0;
        run->rows[i].bytes = (kvant_cache_bytes)KVANT_CACHE_BYTES_INIT;
    }
    if (transformer_create(run->model, prompt, &run->engine, error) != 0 ||
        kv_attention_create(context, &run->model->shape, prompt, run->prompt_by_token,
                            &run->attention, error) != 0) {
        return -1;
    }
    kvant_status status = kvant_context_prepare(context);
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "the kernels were not built");
}

void model_run_release(model_run *run)
{
    transformer_release(&run->engine);
    kv_attention_release(&run->attention);
    free(run->rows);
    free(run->text);
    free(run->case_right);
    run->rows = NULL;
    run->text = NULL;
    run->case_right = NULL;
}

int model_run_step(model_run *run, kvant_cache *cache, uint32_t token, uint32_t position,
                   float *out_logits, tool_error *error)
{
    run->attention.caches = &cache;
    run->attention.cache_count = 1;
    attention_port port = kv_attention_port(&run->attention);
    return transformer_forward(&run->engine, &port, &token, position, 1, out_logits, error);
}

int model_run_timed_step(model_run *run, kvant_cache *cache, uint32_t token, uint32_t position,
                         float *out_logits, step_times *times, tool_error *error)
{
    run->attention.seconds = 0.0;
    if (step_times_resume(times, run->attention.context, 1, error) != 0 ||
        model_run_step(run, cache, token, position, out_logits, error) != 0 ||
        step_times_pause(times, error) != 0) {
        return -1;
    }
    return step_times_add(times, 1e6 * run->attention.seconds, error);
}

int model_run_prompt(model_run *run, kvant_cache **caches, size_t cache_count,
                     const uint32_t *tokens, uint32_t count, float *out_logits, tool_error *error)
{
    size_t vocab_size = run->model->shape.vocab_size;
    if (run->prompt_by_token) {
        for (size_t i = 0; i < cache_count; i++) {
            for (uint32_t at = 0; at < count; at++) {
                if (model_run_step(run, caches[i], tokens[at], at, out_logits + i * vocab_size,
                                   error) != 0) {
                    return -1;
                }
            }
        }
        return 0;
    }
    run->attention.caches = caches;
    run->attention.cache_count = cache_count;
    attention_port port = kv_attention_port(&run->attention);
    if (transformer_forward(&run->engine, &port, tokens, 0, count, out_logits, error) != 0) {
        return -1;
    }
    for (size_t i = 1; i < cache_count; i++) {
        memcpy(out_logits + i * vocab_size, out_logits, vocab_size * sizeof(float));
    }
    return 0;
}

/* A terminal gets no control characters but line breaks and tabs: a vocabulary may hold any bytes. */
static void show(FILE *stream, const char *bytes, size_t length)
{
    int to_terminal = isatty(fileno(stream));
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        int is_control = (c < 32u && c != '\n' && c != '\t') || c == 127u;
        putc(to_terminal && is_control ? '?' : c, stream);
    }
    fflush(stream);
}

int model_run_add_text(model_run *run, const char *bytes, size_t length, tool_error *error)
{
    char *text = realloc(run->text, run->text_length + length + 1u);
    if (text == NULL) {
        return tool_error_memory(error);
    }
    memcpy(text + run->text_length, bytes, length);
    run->text = text;
    run->text_length += length;
    run->text[run->text_length] = '\0';
    if (run->stream != NULL) {
        show(run->stream, bytes, length);
    }
    return 0;
}
