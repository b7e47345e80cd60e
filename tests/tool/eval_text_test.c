/* SPDX-License-Identifier: MIT
 *
 * Windows cut from a text: with a vocabulary of bytes alone, every token is a letter.
 */
#include <stdlib.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "eval_text.h"
#include "tool_fixture.h"

enum { VOCABULARY = 259, BYTE = 3 }; /* <unk>, BOS, EOS, then the bytes */

typedef struct {
    fixture_file words_file;
    fixture_file text_file;
    tokenizer words;
    eval_text text;
} trial_text;

static int cut(trial_text *b, const char *text, uint32_t windows, uint32_t length,
               tool_error *error)
{
    memset(b, 0, sizeof *b);
    b->words_file = fixture_tokenizer(NULL, 0);
    assert_int_equal(tokenizer_load(fixture_write(&b->words_file, b->words_file.size), VOCABULARY,
                                    &b->words, error),
                     0);
    b->text_file.size = strlen(text);
    b->text_file.bytes = malloc(b->text_file.size + 1u);
    assert_non_null(b->text_file.bytes);
    memcpy(b->text_file.bytes, text, b->text_file.size);
    b->text = (eval_text){.windows = windows, .length = length, .prompt = 1};
    return eval_text_read(fixture_write(&b->text_file, b->text_file.size), &b->words, &b->text,
                          error);
}

static void discard(trial_text *b)
{
    fixture_remove(&b->text_file);
    fixture_remove(&b->words_file);
    tokenizer_release(&b->words);
    eval_text_release(&b->text);
}

/* A window is BOS, then the bytes of `expected`. */
static void check_window(const trial_text *b, uint32_t window, const char *expected)
{
    const uint32_t *tokens = eval_text_window(&b->text, window);
    assert_int_equal(tokens[0], TOKENIZER_BOS);
    assert_int_equal(strlen(expected), b->text.length);
    for (uint32_t i = 0; i < b->text.length; i++) {
        assert_int_equal(tokens[i + 1u], BYTE + (unsigned char)expected[i]);
    }
}

static void windows_begin_with_words(void **state)
{
    (void)state;
    trial_text b;
    tool_error error = {0, ""};
    assert_int_equal(cut(&b, "abcdef ghijkl\n mnop qr", 9, 4, &error), 0);
    assert_int_equal(b.text.windows, 3);
    check_window(&b, 0, " abc");
    check_window(&b, 1, " ghi");
    check_window(&b, 2, " mno"); /* "qr" is too short */
    assert_int_equal(eval_text_predicted(&b.text), 3);
    uint64_t digest = eval_text_digest(&b.text);
    discard(&b);
    assert_int_equal(cut(&b, "abcdef ghijkl\n mnop qr", 2, 4, &error), 0);
    assert_int_equal(b.text.windows, 2); /* no more than were asked for */
    assert_true(digest != eval_text_digest(&b.text));
    discard(&b);
}

static void text_without_blanks_is_cut_anywhere(void **state)
{
    (void)state;
    char text[200];
    trial_text b;
    tool_error error = {0, ""};
    for (size_t i = 0; i + 1u < sizeof text; i++) {
        text[i] = (char)('a' + i % 26u);
    }
    text[sizeof text - 1u] = '\0';
    assert_int_equal(cut(&b, text, 2, 5, &error), 0);
    check_window(&b, 0, " abcd");
    check_window(&b, 1, " efgh");
    discard(&b);
}

static void short_text_is_refused(void **state)
{
    (void)state;
    trial_text b;
    tool_error error = {0, ""};
    assert_int_equal(cut(&b, "abc", 1, 4, &error), 0); /* the leading space is the fourth */
    discard(&b);
    assert_int_not_equal(cut(&b, "ab", 1, 4, &error), 0);
    assert_int_equal(error.code, TOOL_BAD_INPUT);
    assert_non_null(strstr(error.text, b.text_file.path));
    assert_null(b.text.tokens);
    discard(&b);
    assert_int_not_equal(cut(&b, "", 1, 4, &error), 0);
    discard(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_begin_with_words),
        cmocka_unit_test(text_without_blanks_is_cut_anywhere),
        cmocka_unit_test(short_text_is_refused),
    };
    return cmocka_run_group_tests_name("eval-text", tests, NULL, NULL);
}
