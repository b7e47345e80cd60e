/* SPDX-License-Identifier: MIT
 *
 * Makes the files that the tests of the tool read.
 */
#include "tool_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

void fixture_put_u32(fixture_file *file, size_t offset, uint32_t word)
{
    for (size_t i = 0; i < 4; i++) {
        file->bytes[offset + i] = (unsigned char)(word >> (8u * i));
    }
}

void fixture_put_f32(fixture_file *file, size_t offset, float value)
{
    uint32_t word;
    memcpy(&word, &value, sizeof word);
    fixture_put_u32(file, offset, word);
}

fixture_file fixture_model(const fixture_shape *shape, uint64_t seed)
{
    const int32_t *h = shape->header;
    size_t dim = (size_t)h[0];
    size_t hidden = (size_t)h[1];
    size_t layers = (size_t)h[2];
    size_t head_dim = dim / (size_t)h[3];
    size_t kv_dim = head_dim * (size_t)h[4];
    size_t vocab = (size_t)(h[5] < 0 ? -h[5] : h[5]);
    size_t layer = 2 * dim + 2 * dim * dim + 2 * dim * kv_dim + 3 * dim * hidden;
    size_t floats =
        vocab * dim + layers * layer + dim + (size_t)h[6] * head_dim + (h[5] < 0 ? vocab * dim : 0);
    fixture_file file = {must(malloc(28 + 4 * floats)), 28 + 4 * floats, ""};
    for (size_t i = 0; i < 7; i++) {
        fixture_put_u32(&file, 4 * i, (uint32_t)h[i]);
    }
    for (size_t i = 0; i < floats; i++) {
        float value = (float)next_random(&seed) / 2147483648.0f - 0.5f;
        fixture_put_f32(&file, 28 + 4 * i, value);
    }
    return file;
}

static void add_token(fixture_file *file, float score, const char *text)
{
    size_t length = strlen(text);
    file->bytes = must(realloc(file->bytes, file->size + 8 + length));
    fixture_put_f32(file, file->size, score);
    fixture_put_u32(file, file->size + 4, (uint32_t)length);
    memcpy(file->bytes + file->size + 8, text, length);
    file->size += 8 + length;
}

fixture_file fixture_tokenizer(const char *const *words, size_t count)
{
    fixture_file file = {must(malloc(4)), 4, ""};
    fixture_put_u32(&file, 0, 16);
    add_token(&file, 0.0f, "<unk>");
    add_token(&file, 0.0f, "\n<s>\n");
    add_token(&file, 0.0f, "\n</s>\n");
    for (unsigned i = 0; i < 256; i++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", i);
        add_token(&file, 0.0f, text);
    }
    for (size_t i = 0; i < count; i++) {
        add_token(&file, -(float)i, words[i]);
    }
    return file;
}

const char *fixture_write(fixture_file *file, size_t size)
{
    if (file->path[0] == '\0') {
        strcpy(file->path, "kvant_fixture_XXXXXX");
        int descriptor = mkstemp(file->path);
        if (descriptor < 0 || close(descriptor) != 0) {
            abort();
        }
    }
    FILE *out = must(fopen(file->path, "wb"));
    if (fwrite(file->bytes, 1, size, out) != size || fclose(out) != 0) {
        abort();
    }
    return file->path;
}

void fixture_remove(fixture_file *file)
{
    if (file->path[0] != '\0') {
        remove(file->path);
    }
    free(file->bytes);
    file->bytes = NULL;
}
