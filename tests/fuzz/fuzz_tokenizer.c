/* SPDX-License-Identifier: MIT
 *
 * A tokenizer: the size of the vocabulary in 2 bytes, little-endian, then the file. One that loads
 * encodes a text to tokens that all exist, each of which has a piece.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz_check.h"
#include "tokenizer.h"

static const char text[] =
    "Once upon a time, a b\xc3\xa9zier caf\xe2\x82\xac <s>\n\x01 the the\xff";

/* A path to the bytes, in one file that every call uses anew. */
static const char *file_of(const uint8_t *data, size_t size)
{
    static char path[64];
    static int file = -1;
    if (file < 0) {
        file = memfd_create("tokenizer", 0);
        FUZZ_CHECK(file >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    FUZZ_CHECK(ftruncate(file, 0) == 0);
    FUZZ_CHECK(size == 0 || pwrite(file, data, size, 0) == (ssize_t)size);
    return path;
}

static void encode(const tokenizer *t)
{
    tool_error error = {0, ""};
    uint32_t *tokens = NULL;
    uint32_t count = 0;
    FUZZ_CHECK(tokenizer_encode(t, text, &tokens, &count, &error) == 0);
    FUZZ_CHECK(count >= 1 && count <= sizeof text + 1 && tokens[0] == TOKENIZER_BOS);
    volatile unsigned sum = 0; /* so that every byte is read */
    for (uint32_t i = 1; i < count; i++) {
        FUZZ_CHECK(tokens[i] < t->size);
        char raw;
        size_t length = 0;
        const char *piece = tokenizer_piece(t, tokens[i - 1], tokens[i], &raw, &length);
        for (size_t j = 0; j < length; j++) {
            sum = sum + (unsigned char)piece[j];
        }
    }
    free(tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    uint32_t vocabulary = (uint32_t)data[0] | (uint32_t)data[1] << 8;
    tokenizer t;
    tool_error error = {0, ""};
    if (tokenizer_load(file_of(data + 2, size - 2), vocabulary, &t, &error) != 0) {
        FUZZ_CHECK(error.code == TOOL_BAD_INPUT && error.text[0] != '\0');
        return 0;
    }
    FUZZ_CHECK(t.size == vocabulary);
    encode(&t);
    tokenizer_release(&t);
    return 0;
}
