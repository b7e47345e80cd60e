/* SPDX-License-Identifier: MIT
 *
 * kvant conform: the suite on each of the devices.
 */
#include <string.h>

#include "conform_work.h"
#include "env.h"
#include "tool_commands.h"

int conform_read_profile(conform_work *w, tool_error *error)
{
    const struct {
        const char *path;
        kvant_list_kind kind;
    } files[] = {{w->exclusions, KVANT_LIST_EXCLUSIONS},
                 {w->expected_failures, KVANT_LIST_EXPECTED_FAILURES}};
    char message[500];
    if (!kvant_profile_add_built_in(&w->profile, message, sizeof message)) {
        return tool_error_input(error, "%s", message);
    }
    for (size_t i = 0; i < 2u; i++) {
        if (files[i].path != NULL &&
            !kvant_profile_add_file(&w->profile, files[i].kind, files[i].path, message,
                                    sizeof message)) {
            return tool_error_input(error, "%s", message);
        }
    }
    w->suite.profile = &w->profile;
    return 0;
}

/* Selects the backend and the index of device `index` of the list. */
static int select_device(conform_work *w, size_t index, tool_error *error)
{
    const char *select = w->selects[index];
    size_t name_length = strcspn(select, ":");
    uint64_t device_index = 0;
    w->suite.backend = kvant_conformance_backend(select, name_length);
    if (w->suite.backend == NULL || select[name_length] == '\0' ||
        options_read_u64(select + name_length + 1u, &device_index) != 0) {
        return tool_error_input(error, "the suite does not know the device \"%s\"", select);
    }
    w->suite.device_index = (uint32_t)device_index;
    return 0;
}

/* How a device ended: its report is complete, it lacks the variant that is asked for, or it could not
 * be tested. */
typedef enum { DEVICE_TESTED, DEVICE_LEFT_OUT, DEVICE_FAILED } device_end;

/* Runs the suite on device `index` of the list and prints its totals. */
static device_end run_device(conform_work *w, size_t index, kvant_conformance_report *out_report,
                             tool_error *error)
{
    if (select_device(w, index, error) != 0) {
        return DEVICE_FAILED;
    }
    kvant_status status = kvant_conformance_run(&w->suite, out_report);
    if (status != KVANT_OK && out_report->lacks_variant && !w->is_selected) {
        printf("%s is left out: %s\n", w->selects[index], out_report->error);
        return DEVICE_LEFT_OUT;
    }
    if (status != KVANT_OK) {
        snprintf(error->text, sizeof error->text, "%s: %.380s (%s)", w->selects[index],
                 out_report->error[0] != '\0' ? out_report->error : "the suite did not run",
                 kvant_status_name(status));
        error->code = TOOL_NO_DEVICE;
        return DEVICE_FAILED;
    }
    kvant_conformance_write_text(out_report, stdout);
    fflush(stdout);
    return DEVICE_TESTED;
}

/* A list of the user that is for none of the devices is probably a mistake. */
static void warn_of_idle_lists(const conform_work *w, const conform_list *list)
{
    for (size_t i = 0; i < w->profile.list_count; i++) {
        const kvant_profile_list *given = &w->profile.lists[i];
        int is_used = given->is_built_in;
        for (size_t j = 0; j < list->count; j++) {
            const kvant_conformance_report *report = &list->reports[j];
            const kvant_profile_device device = {report->backend, report->device, report->driver};
            is_used = is_used || kvant_profile_list_is_for(given, &device);
        }
        if (!is_used) {
            printf("warning: %s is for %s | %s | %s, which no device here is\n", given->file,
                   given->backend, given->device, given->driver);
        }
    }
}

/* Runs on every device; counts the ends of each kind. The last failure's code is in *error. */
static int run_devices(conform_work *w, conform_list *list, size_t counts[DEVICE_FAILED + 1],
                       tool_error *error)
{
    for (size_t i = 0; i < w->device_count; i++) {
        kvant_conformance_report *report = conform_list_add(list);
        if (report == NULL) {
            return tool_error_memory(error);
        }
        device_end end = run_device(w, i, report, error);
        counts[end]++;
        if (end == DEVICE_FAILED) {
            command_fail("conform", error);
        }
        if (end != DEVICE_TESTED) {
            kvant_conformance_release(report);
            list->count--;
        }
    }
    return 0;
}

static void print_passed(const conform_list *list, size_t left_out)
{
    uint64_t passed = 0;
    for (size_t i = 0; i < list->count; i++) {
        passed += list->reports[i].counts[KVANT_CASE_PASSED];
    }
    printf("conformance: %zu of %zu devices passed, %llu case%s", list->count, list->count,
           (unsigned long long)passed, passed != 1u ? "s" : "");
    if (left_out != 0u) {
        printf("; %zu without the variant %s left out", left_out, kvant_env_variant());
    }
    putchar('\n');
}

int conform_run(conform_work *w, tool_error *error)
{
    conform_list list = {NULL, 0};
    size_t counts[DEVICE_FAILED + 1] = {0};
    int result = run_devices(w, &list, counts, error);
    if (result == 0 && counts[DEVICE_LEFT_OUT] == w->device_count && w->device_count != 0u) {
        snprintf(error->text, sizeof error->text, "no device has the variant %s",
                 kvant_env_variant());
        error->code = TOOL_NO_DEVICE;
        result = -1;
    } else if (result == 0) {
        warn_of_idle_lists(w, &list);
        tool_error failure = {0, ""};
        int concluded = conform_conclude(w, &list, &failure);
        if (counts[DEVICE_FAILED] != 0u &&
            (list.count == 0u || concluded == 0 || failure.code == TOOL_CHECK_FAILED)) {
            snprintf(error->text, sizeof error->text, "%zu of %zu devices could not be tested",
                     counts[DEVICE_FAILED], w->device_count);
            result = -1;
        } else if (concluded != 0) {
            *error = failure;
            result = -1;
        } else {
            print_passed(&list, counts[DEVICE_LEFT_OUT]);
        }
    }
    conform_list_release(&list);
    return result;
}
