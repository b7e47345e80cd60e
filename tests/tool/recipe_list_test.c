/* SPDX-License-Identifier: MIT
 *
 * Lists of recipes on the command line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "recipe_list.h"

static void check(const char *list, const char *const *expected, size_t count)
{
    char **texts = NULL;
    size_t found = 0;
    tool_error error = {0, ""};
    assert_int_equal(recipe_list_split(list, &texts, &found, &error), 0);
    assert_int_equal(found, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(texts[i], expected[i]);
    }
    recipe_list_free_texts(texts, found);
}

#define CHECK(list, ...)                                                                           \
    do {                                                                                           \
        const char *const expected[] = {__VA_ARGS__};                                              \
        check(list, expected, sizeof expected / sizeof expected[0]);                               \
    } while (0)

static void splits_lists(void **state)
{
    (void)state;
    CHECK("f16", "f16");
    CHECK("f16,int4,kivi2", "f16", "int4", "kivi2");
    CHECK("f16,zipcache,salient=0.4,k=int2/chan32,v=int2/tok32,window=128", "f16",
          "zipcache,salient=0.4", "k=int2/chan32,v=int2/tok32,window=128");
    CHECK("k=int4/head,v=int4/head,k=int2/head,v=int2/head", "k=int4/head,v=int4/head",
          "k=int2/head,v=int2/head");
    CHECK("v=int4/head,k=int4/head,window=3,f16", "v=int4/head,k=int4/head,window=3", "f16");
    CHECK("v=int4/head,k=int4/head,k=int2/head,v=int2/head", "v=int4/head,k=int4/head",
          "k=int2/head,v=int2/head");
    CHECK("kivi2,v=int4/tok32,window=64,int4", "kivi2,v=int4/tok32,window=64", "int4");
    CHECK("window=3,int4", "window=3", "int4");
}

static void refuses_empty_items(void **state)
{
    (void)state;
    static const char *const lists[] = {"", ",", "f16,", ",f16", "f16,,int4"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        char **texts = NULL;
        size_t count = 0;
        tool_error error = {0, ""};
        assert_int_equal(recipe_list_split(lists[i], &texts, &count, &error), -1);
        assert_int_equal(error.code, TOOL_BAD_INPUT);
        assert_non_null(strstr(error.text, "position"));
    }
}

static void parses_each(void **state)
{
    (void)state;
    recipe_list list;
    tool_error error = {0, ""};
    assert_int_equal(recipe_list_parse("f16,zipcache,salient=0.4", &list, &error), 0);
    assert_int_equal(list.count, 2);
    assert_true(recipe_is_f16(&list.entries[0].recipe));
    assert_false(recipe_is_f16(&list.entries[1].recipe));
    assert_true(list.entries[1].recipe.salient_share == 0.4);
    recipe_list_release(&list);
    assert_int_equal(recipe_list_parse("f16,frob", &list, &error), -1);
    assert_int_equal(error.code, TOOL_BAD_INPUT);
    assert_non_null(strstr(error.text, "frob"));
    assert_int_equal(list.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_lists),
        cmocka_unit_test(refuses_empty_items),
        cmocka_unit_test(parses_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
