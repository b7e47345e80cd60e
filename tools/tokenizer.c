/* SPDX-License-Identifier: MIT
 *
 * Loads llama2.c tokenizers; encodes and decodes text.
 *
 * The file: the longest length (u32), then for each token its score (f32), length (u32) and bytes.
 */
#include "tokenizer.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "file_input.h"

#define MOST_FILE_BYTES (UINT64_C(1) << 28)
#define FIRST_BYTE_TOKEN 3u
#define NO_TOKEN UINT32_MAX

/* ---- loading ------------------------------------------------------------------------------- */

/* Walks the file; fills `entries` where it is not NULL. */
static int walk(const unsigned char *file, size_t bytes, uint32_t vocab_size,
                tokenizer_entry *entries, tool_error *error)
{
    if (bytes < 4u) {
        return tool_error_input(error, "the file has %zu bytes; its header alone takes 4", bytes);
    }
    uint32_t longest = input_u32(file);
    size_t at = 4;
    for (uint32_t i = 0; i < vocab_size; i++) {
        if (bytes - at < 8u) {
            return tool_error_input(error, "the file ends within token %u; the model has %u tokens",
                                    i, vocab_size);
        }
        float score = input_f32(file + at);
        uint32_t length = input_u32(file + at + 4u);
        at += 8u;
        if (length > longest || length > bytes - at) {
            return tool_error_input(error,
                                    "token %u claims %u bytes, %zu are left and the header "
                                    "allows %u",
                                    i, length, bytes - at, longest);
        }
        if (!isfinite(score)) {
            return tool_error_input(error, "the score of token %u is not a finite number", i);
        }
        if (entries != NULL) {
            entries[i] = (tokenizer_entry){(const char *)file + at, length, score};
        }
        at += length;
    }
    if (at != bytes) {
        return tool_error_input(error, "%zu bytes follow the last of the model's %u tokens",
                                bytes - at, vocab_size);
    }
    return 0;
}

static int compare_bytes(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t shorter = a_length < b_length ? a_length : b_length;
    int order = shorter != 0u ? memcmp(a, b, shorter) : 0;
    if (order != 0) {
        return order;
    }
    return a_length < b_length ? -1 : a_length > b_length;
}

static int before(const tokenizer *t, uint32_t a, uint32_t b)
{
    int order = compare_bytes(t->entries[a].bytes, t->entries[a].length, t->entries[b].bytes,
                              t->entries[b].length);
    return order != 0 ? order < 0 : a < b;
}

/* Merge sort, for the standard one takes no context. */
static void sort_range(const tokenizer *t, uint32_t *ids, uint32_t *spare, size_t count)
{
    if (count < 2u) {
        return;
    }
    size_t half = count / 2u;
    sort_range(t, ids, spare, half);
    sort_range(t, ids + half, spare, count - half);
    memcpy(spare, ids, count * sizeof *ids);
    size_t left = 0;
    size_t right = half;
    for (size_t i = 0; i < count; i++) {
        int take_left = right == count || (left < half && before(t, spare[left], spare[right]));
        ids[i] = take_left ? spare[left++] : spare[right++];
    }
}

static int build(tokenizer *t, size_t bytes, uint32_t vocab_size, tool_error *error)
{
    if (vocab_size < FIRST_BYTE_TOKEN + 256u) {
        return tool_error_input(error, "a vocabulary of %u tokens has no room for the 256 bytes",
                                vocab_size);
    }
    if (walk(t->file, bytes, vocab_size, NULL, error) != 0) {
        return -1;
    }
    t->size = vocab_size;
    t->entries = calloc(vocab_size, sizeof *t->entries);
    t->sorted = calloc(vocab_size, 2u * sizeof *t->sorted);
    if (t->entries == NULL || t->sorted == NULL) {
        return tool_error_memory(error);
    }
    if (walk(t->file, bytes, vocab_size, t->entries, error) != 0) {
        return -1;
    }
    for (uint32_t i = 0; i < vocab_size; i++) {
        t->sorted[i] = i;
    }
    sort_range(t, t->sorted, t->sorted + vocab_size, vocab_size);
    return 0;
}

int tokenizer_load(const char *path, uint32_t vocab_size, tokenizer *out_tokenizer,
                   tool_error *error)
{
    memset(out_tokenizer, 0, sizeof *out_tokenizer);
    size_t bytes = 0;
    out_tokenizer->file = input_read_all(path, MOST_FILE_BYTES, &bytes, error);
    if (out_tokenizer->file == NULL) {
        return -1;
    }
    if (build(out_tokenizer, bytes, vocab_size, error) != 0) {
        tokenizer_release(out_tokenizer);
        input_name_file(error, path);
        return -1;
    }
    return 0;
}

void tokenizer_release(tokenizer *t)
{
    free(t->entries);
    free(t->sorted);
    free(t->file);
    memset(t, 0, sizeof *t);
}

/* ---- encoding ------------------------------------------------------------------------------ */

/* The lowest id with these bytes. */
static uint32_t find(const tokenizer *t, const char *bytes, size_t length)
{
    uint32_t low = 0;
    uint32_t high = t->size;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2u;
        const tokenizer_entry *entry = &t->entries[t->sorted[middle]];
        if (compare_bytes(entry->bytes, entry->length, bytes, length) < 0) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    if (low == t->size) {
        return NO_TOKEN;
    }
    const tokenizer_entry *entry = &t->entries[t->sorted[low]];
    return compare_bytes(entry->bytes, entry->length, bytes, length) == 0 ? t->sorted[low]
                                                                          : NO_TOKEN;
}

/* Bytes of the UTF-8 character at `text`: at most 4, continuation bytes only. */
static size_t character_length(const char *text)
{
    size_t length = 1;
    /* cppcheck-suppress arrayIndexOutOfBoundsCond ; the terminator of a text is no continuation */
    while (length < 4u && ((unsigned char)text[length] & 0xc0u) == 0x80u) {
        length++;
    }
    return length;
}

static uint32_t encode_characters(const tokenizer *t, const char *text, uint32_t *tokens)
{
    uint32_t count = 0;
    while (*text != '\0') {
        size_t length = character_length(text);
        uint32_t token = find(t, text, length);
        if (token != NO_TOKEN) {
            tokens[count++] = token;
        } else {
            for (size_t i = 0; i < length; i++) {
                tokens[count++] = FIRST_BYTE_TOKEN + (unsigned char)text[i];
            }
        }
        text += length;
    }
    return count;
}

/* The token that two adjacent ones make, or NO_TOKEN. `joined` has room for both. */
static uint32_t merged_pair(const tokenizer *t, uint32_t left, uint32_t right, char *joined)
{
    const tokenizer_entry *a = &t->entries[left];
    const tokenizer_entry *b = &t->entries[right];
    memcpy(joined, a->bytes, a->length);
    memcpy(joined + a->length, b->bytes, b->length);
    return find(t, joined, (size_t)a->length + b->length);
}

/* Merges the best-scoring adjacent pair, the first of equals, until none is left. merges[i] is what
 * tokens i and i + 1 make. */
static uint32_t merge_all(const tokenizer *t, uint32_t *tokens, uint32_t count, uint32_t *merges,
                          char *joined)
{
    for (uint32_t i = 0; i + 1u < count; i++) {
        merges[i] = merged_pair(t, tokens[i], tokens[i + 1u], joined);
    }
    for (;;) {
        uint32_t best = NO_TOKEN;
        for (uint32_t i = 0; i + 1u < count; i++) {
            if (merges[i] != NO_TOKEN && (best == NO_TOKEN || t->entries[merges[i]].score >
                                                                  t->entries[merges[best]].score)) {
                best = i;
            }
        }
        if (best == NO_TOKEN) {
            return count;
        }
        tokens[best] = merges[best];
        count--;
        memmove(tokens + best + 1u, tokens + best + 2u, (count - best - 1u) * sizeof *tokens);
        memmove(merges + best, merges + best + 1u, (count - best) * sizeof *merges);
        if (best > 0u) {
            merges[best - 1u] = merged_pair(t, tokens[best - 1u], tokens[best], joined);
        }
        if (best + 1u < count) {
            merges[best] = merged_pair(t, tokens[best], tokens[best + 1u], joined);
        }
    }
}

int tokenizer_encode(const tokenizer *t, const char *text, uint32_t **out_tokens,
                     uint32_t *out_count, tool_error *error)
{
    *out_tokens = NULL;
    *out_count = 0;
    size_t length = strlen(text);
    if (length > (1u << 24)) {
        return tool_error_input(error, "the prompt has %zu bytes; 16 MiB are possible", length);
    }
    uint32_t longest = 0;
    for (uint32_t i = 0; i < t->size; i++) {
        longest = t->entries[i].length > longest ? t->entries[i].length : longest;
    }
    uint32_t *tokens = calloc(length + 3u, sizeof *tokens);
    uint32_t *merges = calloc(length + 3u, sizeof *merges);
    char *joined = malloc(2u * (size_t)longest + 1u);
    if (tokens == NULL || merges == NULL || joined == NULL) {
        free(tokens);
        free(merges);
        free(joined);
        return tool_error_memory(error);
    }
    tokens[0] = TOKENIZER_BOS;
    uint32_t count = 0;
    if (length != 0u) {
        count = encode_characters(t, " ", tokens + 1);
        count += encode_characters(t, text, tokens + 1 + count);
        count = merge_all(t, tokens + 1, count, merges, joined);
    }
    free(merges);
    free(joined);
    *out_tokens = tokens;
    *out_count = count + 1u;
    return 0;
}

/* ---- decoding ------------------------------------------------------------------------------ */

/* The value of "<0xNN>", or -1. */
static int raw_byte(const tokenizer_entry *entry)
{
    if (entry->length != 6u || memcmp(entry->bytes, "<0x", 3) != 0 || entry->bytes[5] != '>' ||
        !isxdigit((unsigned char)entry->bytes[3]) || !isxdigit((unsigned char)entry->bytes[4])) {
        return -1;
    }
    char digits[3] = {entry->bytes[3], entry->bytes[4], '\0'};
    return (int)strtol(digits, NULL, 16);
}

const char *tokenizer_piece(const tokenizer *t, uint32_t previous, uint32_t token, char *raw,
                            size_t *out_length)
{
    const tokenizer_entry *entry = &t->entries[token];
    int byte = raw_byte(entry);
    if (byte >= 0) {
        /* Control characters that are no white space would upset a terminal. */
        int is_shown = byte >= 0x80 || isprint(byte) || isspace(byte);
        *raw = (char)byte;
        *out_length = is_shown ? 1u : 0u;
        return raw;
    }
    size_t skip = previous == TOKENIZER_BOS && entry->length > 0u && entry->bytes[0] == ' ';
    *out_length = entry->length - skip;
    return entry->bytes + skip;
}

size_t tokenizer_text_bytes(const tokenizer *t, uint32_t token)
{
    int is_byte = token >= FIRST_BYTE_TOKEN && token < FIRST_BYTE_TOKEN + 256u;
    return is_byte ? 1u : t->entries[token].length;
}
