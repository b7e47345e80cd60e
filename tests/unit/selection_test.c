/* SPDX-License-Identifier: MIT
 *
 * Choosing a device: the grammar of KVANT_BACKEND, priorities, and what is reported.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "kvant/context.h"

typedef struct {
    char text[4096];
    int warnings;
} heard;

static void listen(void *user, kvant_severity severity, kvant_status status, const char *backend,
                   const char *message)
{
    (void)status;
    (void)backend;
    heard *h = user;
    size_t used = strlen(h->text);
    snprintf(h->text + used, sizeof h->text - used, "%s\n", message);
    h->warnings += severity == KVANT_SEVERITY_WARNING ? 1 : 0;
}

static kvant_status open_backend(const char *selection, uint32_t flags, heard *h,
                                 kvant_context **out_context)
{
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = selection;
    desc.flags = flags;
    desc.diagnostic = listen;
    desc.diagnostic_user = h;
    return kvant_context_create(&desc, out_context);
}

static void host_is_always_there(void **state)
{
    (void)state;
    heard h = {"", 0};
    kvant_context *context = NULL;
    assert_int_equal(open_backend("host", 0, &h, &context), KVANT_OK);
    kvant_device_info info = KVANT_DEVICE_INFO_INIT;
    assert_int_equal(kvant_context_device(context, &info), KVANT_OK);
    assert_string_equal(info.select, "host:0");
    assert_int_equal(info.kind, KVANT_DEVICE_REFERENCE);
    assert_int_equal(info.exact, 1);
    assert_non_null(strstr(h.text, "using host:0"));
    kvant_context_destroy(context);
    kvant_context_destroy(NULL);
}

static void bad_selections_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"metal", "position 1"},
        {"host,metal", "position 6"}, /* even though host would have worked */
        {"host:", "position 6"},
        {"host:first", "position 6"},
        {"host:uuid=", "position 11"},
        {"host,,cuda", "position 6"},
        {",host", "position 1"},
        {"Host", "auto, cuda, vulkan, opencl, host, null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        heard h = {"", 0};
        kvant_context *context = (kvant_context *)&h;
        assert_int_equal(open_backend(cases[i].text, 0, &h, &context), KVANT_ERROR_UNKNOWN_BACKEND);
        assert_null(context);
        if (strstr(kvant_last_message(), cases[i].says) == NULL) {
            fail_msg("\"%s\": %s", cases[i].text, kvant_last_message());
        }
    }
}

static void devices_are_matched(void **state)
{
    (void)state;
    heard h = {"", 0};
    kvant_context *context = NULL;
    assert_int_equal(open_backend("host:name=REFERENCE", 0, &h, &context), KVANT_OK);
    kvant_context_destroy(context);
    assert_int_equal(open_backend("host:0", 0, &h, &context), KVANT_OK);
    kvant_context_destroy(context);
    assert_int_equal(open_backend("host:1", 0, &h, &context), KVANT_ERROR_NO_DEVICE);
    assert_null(context);
    assert_int_equal(open_backend("host:uuid=00", 0, &h, &context), KVANT_ERROR_NO_DEVICE);
}

static void the_first_that_works_wins(void **state)
{
    (void)state;
    heard h = {"", 0};
    kvant_context *context = NULL;
    assert_int_equal(open_backend("host:7,host", 0, &h, &context), KVANT_OK);
    assert_true(h.warnings >= 1);
    assert_non_null(strstr(h.text, "passed over host"));
    kvant_context_destroy(context);
}

static void null_executes_nothing_and_is_not_exact(void **state)
{
    (void)state;
    heard h = {"", 0};
    kvant_context *context = NULL;
    assert_int_equal(open_backend("null", 0, &h, &context), KVANT_ERROR_NOT_EXACT);
    assert_int_equal(open_backend("null", KVANT_CONTEXT_ALLOW_INEXACT, &h, &context), KVANT_OK);
    kvant_device_info info = KVANT_DEVICE_INFO_INIT;
    assert_int_equal(kvant_context_device(context, &info), KVANT_OK);
    assert_int_equal(info.exact, 0);
    kvant_context_destroy(context);
}

static void the_variable_is_read_and_beaten(void **state)
{
    (void)state;
    heard h = {"", 0};
    kvant_context *context = NULL;
    assert_int_equal(setenv("KVANT_BACKEND", "nonsense", 1), 0);
    assert_int_equal(open_backend(NULL, 0, &h, &context), KVANT_ERROR_UNKNOWN_BACKEND);
    assert_int_equal(open_backend("host", 0, &h, &context), KVANT_OK);
    kvant_context_destroy(context);
    assert_int_equal(setenv("KVANT_BACKEND", "host", 1), 0);
    assert_int_equal(open_backend("", 0, &h, &context), KVANT_OK);
    kvant_context_destroy(context);
    assert_int_equal(unsetenv("KVANT_BACKEND"), 0);
}

static void auto_always_finds_something(void **state)
{
    (void)state;
    heard h = {"", 0};
    kvant_context *context = NULL;
    assert_int_equal(open_backend("auto", 0, &h, &context), KVANT_OK);
    kvant_device_info info = KVANT_DEVICE_INFO_INIT;
    assert_int_equal(kvant_context_device(context, &info), KVANT_OK);
    assert_non_null(strstr(h.text, info.select));
    if (info.kind != KVANT_DEVICE_GPU) {
        assert_non_null(strstr(h.text, "not a GPU"));
        assert_true(h.warnings >= 1);
    }
    kvant_context_destroy(context);
}

typedef struct {
    int devices;
    int absent;
} listed;

static int count_device(void *user, const kvant_device_info *info, const char *backend,
                        const char *reason)
{
    listed *l = user;
    assert_non_null(backend);
    if (info != NULL) {
        l->devices++;
        assert_int_equal(strncmp(info->select, backend, strlen(backend)), 0);
        assert_int_equal(info->exact, -1);
    } else {
        l->absent++;
        assert_true(strlen(reason) > 0);
    }
    return 0;
}

static void every_backend_is_listed_once(void **state)
{
    (void)state;
    listed l = {0, 0};
    assert_int_equal(kvant_devices(count_device, &l), KVANT_OK);
    assert_true(l.devices >= 1);
    assert_true(l.devices + l.absent >= 4);
    assert_int_equal(kvant_devices(NULL, NULL), KVANT_ERROR_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_is_always_there),
        cmocka_unit_test(bad_selections_are_refused),
        cmocka_unit_test(devices_are_matched),
        cmocka_unit_test(the_first_that_works_wins),
        cmocka_unit_test(null_executes_nothing_and_is_not_exact),
        cmocka_unit_test(the_variable_is_read_and_beaten),
        cmocka_unit_test(auto_always_finds_something),
        cmocka_unit_test(every_backend_is_listed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
