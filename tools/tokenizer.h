/* SPDX-License-Identifier: MIT
 *
 * The tokenizer that goes with a llama2.c model: byte-pair encoding over a scored vocabulary.
 */
#ifndef KVANT_TOOLS_TOKENIZER_H
#define KVANT_TOOLS_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "tool_error.h"

#define TOKENIZER_BOS 1u

typedef struct {
    const char *bytes; /* not terminated */
    uint32_t length;
    float score;
} tokenizer_entry;

typedef struct {
    uint32_t size;
    tokenizer_entry *entries;
    uint32_t *sorted;    /* token ids by their bytes, then by id */
    unsigned char *file; /* what the entries point into */
} tokenizer;

/* The file must hold exactly `vocab_size` tokens. */
int tokenizer_load(const char *path, uint32_t vocab_size, tokenizer *out_tokenizer,
                   tool_error *error);
void tokenizer_release(tokenizer *t);

/* BOS, then the tokens of `text` (with the leading space that the format adds). The caller frees
 * *out_tokens. */
int tokenizer_encode(const tokenizer *t, const char *text, uint32_t **out_tokens,
                     uint32_t *out_count, tool_error *error);

/* The bytes that `token` stands for after `previous`: at most *out_length bytes at the pointer. Raw
 * byte tokens ("<0x0A>") go through `raw`, which holds one byte. */
const char *tokenizer_piece(const tokenizer *t, uint32_t previous, uint32_t token, char *raw,
                            size_t *out_length);

/* Bytes of the text that a token of tokenizer_encode stands for, the format's leading space among
 * those of the first. */
size_t tokenizer_text_bytes(const tokenizer *t, uint32_t token);

#endif
