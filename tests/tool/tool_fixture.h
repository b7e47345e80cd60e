/* SPDX-License-Identifier: MIT
 *
 * Small models and tokenizers, made in memory and written to files, for the tests of the tool.
 */
#ifndef KVANT_TESTS_TOOL_FIXTURE_H
#define KVANT_TESTS_TOOL_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    unsigned char *bytes;
    size_t size;
    char path[32]; /* of the file that fixture_write made, or "" */
} fixture_file;

/* dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size (negative: a classifier of its own),
 * seq_len */
typedef struct {
    int32_t header[7];
} fixture_shape;

#define FIXTURE_SHAPE                                                                              \
    {                                                                                              \
        {                                                                                          \
            32, 40, 2, 4, 2, 262, 24                                                               \
        }                                                                                          \
    }

/* A model with random weights that fits its header. */
fixture_file fixture_model(const fixture_shape *shape, uint64_t seed);

/* The three special tokens, the 256 bytes, then `words`, scored by their order: the first
 * is best. */
fixture_file fixture_tokenizer(const char *const *words, size_t count);

void fixture_put_u32(fixture_file *file, size_t offset, uint32_t word);
void fixture_put_f32(fixture_file *file, size_t offset, float value);

/* Writes the first `size` bytes; the path stays the same from then on. */
const char *fixture_write(fixture_file *file, size_t size);
void fixture_remove(fixture_file *file);

#endif
