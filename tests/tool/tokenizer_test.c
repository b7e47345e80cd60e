/* SPDX-License-Identifier: MIT
 *
 * The tokenizer: encoding, decoding, and files that are refused.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tokenizer.h"
#include "tool_fixture.h"

#define WORDS_FROM 259u

static const char *const words[] = {" t", "he", " the", "\xc3\xa9", " ", "a",
                                    "c",  "e",  "h",    "n",        "t", "at"};
enum { WORD_COUNT = sizeof words / sizeof words[0] };

static tokenizer load(fixture_file *file)
{
    *file = fixture_tokenizer(words, WORD_COUNT);
    tokenizer t;
    tool_error error = {0, ""};
    if (tokenizer_load(fixture_write(file, file->size), WORDS_FROM + WORD_COUNT, &t, &error) != 0) {
        fail_msg("%s", error.text);
    }
    return t;
}

static uint32_t word(const char *text)
{
    for (uint32_t i = 0; i < WORD_COUNT; i++) {
        if (strcmp(words[i], text) == 0) {
            return WORDS_FROM + i;
        }
    }
    fail_msg("no word \"%s\"", text);
    return 0;
}

static void check_encoding(const tokenizer *t, const char *text, const uint32_t *expected,
                           uint32_t count)
{
    uint32_t *tokens = NULL;
    uint32_t found = 0;
    tool_error error = {0, ""};
    assert_int_equal(tokenizer_encode(t, text, &tokens, &found, &error), 0);
    assert_int_equal(found, count);
    assert_memory_equal(tokens, expected, count * sizeof *tokens);
    free(tokens);
}

static void encodes_by_merging_the_best_pair(void **state)
{
    (void)state;
    fixture_file file;
    tokenizer t = load(&file);
    const uint32_t empty[] = {TOKENIZER_BOS};
    check_encoding(&t, "", empty, 1);
    /* " t" is better than "he", and " t" + "he" is a word as well */
    const uint32_t the_cat[] = {TOKENIZER_BOS, word(" the"), word(" "), word("c"), word("at")};
    check_encoding(&t, "the cat", the_cat, 5);
    /* one character of two bytes, then one that is not in the vocabulary: its bytes */
    const uint32_t bytes[] = {TOKENIZER_BOS, word(" "), word("\xc3\xa9"),
                              3 + 0xe2,      3 + 0x82,  3 + 0xac};
    check_encoding(&t, "\xc3\xa9\xe2\x82\xac", bytes, 6);
    tokenizer_release(&t);
    fixture_remove(&file);
}

static void decodes_what_it_encoded(void **state)
{
    (void)state;
    static const char *const texts[] = {"the cat", "a\n\xe2\x82\xac than the", "\xc3\xa9\xc3\xa9",
                                        "z\t!~ the"};
    fixture_file file;
    tokenizer t = load(&file);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint32_t *tokens = NULL;
        uint32_t count = 0;
        tool_error error = {0, ""};
        assert_int_equal(tokenizer_encode(&t, texts[i], &tokens, &count, &error), 0);
        char text[64] = "";
        size_t used = 0;
        for (uint32_t at = 1; at < count; at++) {
            char raw;
            size_t length = 0;
            const char *piece = tokenizer_piece(&t, tokens[at - 1], tokens[at], &raw, &length);
            memcpy(text + used, piece, length);
            used += length;
        }
        text[used] = '\0';
        assert_string_equal(text, texts[i]);
        free(tokens);
    }
    tokenizer_release(&t);
    fixture_remove(&file);
}

static void hides_control_characters(void **state)
{
    (void)state;
    fixture_file file;
    tokenizer t = load(&file);
    char raw;
    size_t length = 9;
    tokenizer_piece(&t, 0, 3 + 0x1b, &raw, &length);
    assert_int_equal(length, 0);
    tokenizer_piece(&t, 0, 3 + '\n', &raw, &length);
    assert_int_equal(length, 1);
    assert_int_equal(raw, '\n');
    tokenizer_release(&t);
    fixture_remove(&file);
}

static void refuse(fixture_file *file, size_t size, uint32_t vocab_size)
{
    tokenizer t;
    tool_error error = {0, ""};
    assert_int_equal(tokenizer_load(fixture_write(file, size), vocab_size, &t, &error), -1);
    assert_int_equal(error.code, TOOL_BAD_INPUT);
    assert_null(t.file);
    assert_non_null(strstr(error.text, file->path));
}

static void refuses_bad_files(void **state)
{
    (void)state;
    const uint32_t vocab_size = WORDS_FROM + WORD_COUNT;
    fixture_file file = fixture_tokenizer(words, WORD_COUNT);
    for (size_t size = 0; size < file.size; size += size < 60 ? 1 : 53) {
        refuse(&file, size, vocab_size);
    }
    refuse(&file, file.size - 1, vocab_size);
    refuse(&file, file.size, vocab_size - 1); /* bytes are left over */
    refuse(&file, file.size, vocab_size + 1);
    refuse(&file, file.size, 100); /* no room for the bytes */
    static const uint32_t lengths[] = {17, 1000000, 0x7fffffff, 0x80000000u, 0xffffffffu};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        fixture_put_u32(&file, 8, lengths[i]); /* of token 0 */
        refuse(&file, file.size, vocab_size);
    }
    fixture_put_u32(&file, 8, 5);
    fixture_put_f32(&file, 4, NAN);
    refuse(&file, file.size, vocab_size);
    fixture_put_f32(&file, 4, 0.0f);
    fixture_put_u32(&file, 0, 5); /* the longest, which is longer */
    refuse(&file, file.size, vocab_size);
    fixture_remove(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_by_merging_the_best_pair),
        cmocka_unit_test(decodes_what_it_encoded),
        cmocka_unit_test(hides_control_characters),
        cmocka_unit_test(refuses_bad_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
