/* SPDX-License-Identifier: MIT
 *
 * The loader of llama2.c checkpoints: what it takes, and what it refuses before it allocates.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "checkpoint.h"
#include "tool_fixture.h"

static void refuse(fixture_file *file, size_t size, const char *part)
{
    checkpoint model;
    tool_error error = {0, ""};
    assert_int_equal(checkpoint_load(fixture_write(file, size), &model, &error), -1);
    assert_int_equal(error.code, TOOL_BAD_INPUT);
    assert_null(model.weights);
    if (strstr(error.text, part) == NULL || strstr(error.text, file->path) == NULL) {
        fail_msg("\"%s\" does not name \"%s\" and the file", error.text, part);
    }
}

static void loads_what_fits(void **state)
{
    (void)state;
    for (int own_classifier = 0; own_classifier < 2; own_classifier++) {
        fixture_shape shape = FIXTURE_SHAPE;
        shape.header[5] = own_classifier ? -shape.header[5] : shape.header[5];
        fixture_file file = fixture_model(&shape, 1);
        checkpoint model;
        tool_error error = {0, ""};
        assert_int_equal(checkpoint_load(fixture_write(&file, file.size), &model, &error), 0);
        assert_int_equal(model.shape.vocab_size, 262);
        assert_int_equal(model.shape.head_dim, 8);
        assert_ptr_equal(model.embedding, model.weights);
        if (own_classifier) {
            size_t floats = (file.size - CHECKPOINT_HEADER_BYTES) / 4;
            assert_ptr_equal(model.classifier, model.weights + floats - 262 * 32);
        } else {
            assert_ptr_equal(model.classifier, model.embedding);
        }
        checkpoint_release(&model);
        fixture_remove(&file);
    }
}

static void refuses_every_truncation(void **state)
{
    (void)state;
    fixture_shape shape = FIXTURE_SHAPE;
    fixture_file file = fixture_model(&shape, 2);
    for (size_t size = 0; size < 40; size++) {
        refuse(&file, size, "bytes");
    }
    for (size_t size = 40; size < file.size; size += 997) {
        refuse(&file, size, "bytes");
    }
    refuse(&file, file.size - 1, "bytes");
    file.bytes = realloc(file.bytes, file.size + 4);
    assert_non_null(file.bytes);
    fixture_put_u32(&file, file.size, 0);
    refuse(&file, file.size + 4, "bytes");
    fixture_remove(&file);
}

static void refuses_altered_headers(void **state)
{
    (void)state;
    static const int32_t values[] = {0,       -1,      1,         3,         5,
                                     1 << 20, 1 << 29, INT32_MAX, INT32_MIN, 0x616b3432};
    fixture_shape shape = FIXTURE_SHAPE;
    fixture_file file = fixture_model(&shape, 3);
    for (size_t field = 0; field < 7; field++) {
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            fixture_put_u32(&file, 4 * field, (uint32_t)values[i]);
            refuse(&file, file.size, "");
        }
        fixture_put_u32(&file, 4 * field, (uint32_t)shape.header[field]);
    }
    fixture_remove(&file);
}

static void names_what_is_wrong(void **state)
{
    (void)state;
    fixture_shape shape = FIXTURE_SHAPE;
    fixture_file file = fixture_model(&shape, 4);
    fixture_put_u32(&file, 0, 33);
    refuse(&file, file.size, "multiple of its n_heads");
    fixture_put_u32(&file, 0, 32);
    fixture_put_u32(&file, 16, 3);
    refuse(&file, file.size, "multiple of its n_kv_heads");
    fixture_put_u32(&file, 16, 2);
    fixture_put_u32(&file, 12, 32);
    refuse(&file, file.size, "odd");
    fixture_put_u32(&file, 12, 4);
    fixture_put_u32(&file, 0, 0x616b3432);
    fixture_put_u32(&file, 4, 2);
    refuse(&file, file.size, "version 2");
    fixture_remove(&file);
}

static void refuses_weights_that_are_not_finite(void **state)
{
    (void)state;
    static const float values[] = {NAN, INFINITY, -INFINITY};
    fixture_shape shape = FIXTURE_SHAPE;
    fixture_file file = fixture_model(&shape, 5);
    for (size_t i = 0; i < 3; i++) {
        size_t offset = 28 + 4 * (i * 1000);
        fixture_put_f32(&file, offset, values[i]);
        refuse(&file, file.size, "not a finite number");
        fixture_put_f32(&file, offset, 0.0f);
    }
    fixture_remove(&file);
}

static void refuses_what_is_no_file(void **state)
{
    (void)state;
    checkpoint model;
    tool_error error = {0, ""};
    assert_int_equal(checkpoint_load("no-such-file", &model, &error), -1);
    assert_non_null(strstr(error.text, "no-such-file"));
    assert_int_equal(checkpoint_load(".", &model, &error), -1);
    assert_non_null(strstr(error.text, "regular file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_what_fits),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(refuses_altered_headers),
        cmocka_unit_test(names_what_is_wrong),
        cmocka_unit_test(refuses_weights_that_are_not_finite),
        cmocka_unit_test(refuses_what_is_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
