/* SPDX-License-Identifier: MIT
 *
 * kvant devices: what there is, in the syntax that KVANT_BACKEND takes.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "text_table.h"
#include "tool_commands.h"
#include "tool_device.h"
#include "tool_variant.h"

enum { MOST_DEVICES = 64, MOST_ABSENT = 16 };

typedef struct {
    kvant_device_info info;
    char failure[300]; /* why it could not be opened, or "" */
} found_device;

typedef struct {
    found_device devices[MOST_DEVICES];
    size_t device_count;
    struct {
        char backend[16];
        char reason[400];
    } absent[MOST_ABSENT];
    size_t absent_count;
    char chosen[160];   /* by auto, or "" */
    char selected[160]; /* by --backend, or "" */
} listing;

static int collect(void *user, const kvant_device_info *info, const char *backend,
                   const char *reason)
{
    listing *list = user;
    if (info != NULL && list->device_count < MOST_DEVICES) {
        list->devices[list->device_count++].info = *info;
    } else if (info == NULL && list->absent_count < MOST_ABSENT) {
        snprintf(list->absent[list->absent_count].backend, sizeof list->absent[0].backend, "%s",
                 backend);
        snprintf(list->absent[list->absent_count++].reason, sizeof list->absent[0].reason, "%s",
                 reason);
    }
    return 0;
}

/* Only an opened device knows whether its arithmetic is exact. */
static void open_each(listing *list)
{
    tool_error error;
    tool_device chosen;
    if (tool_device_open(&chosen, NULL, "auto", 0, &error) == 0) {
        snprintf(list->chosen, sizeof list->chosen, "%s", chosen.info.select);
        tool_device_close(&chosen);
    }
    for (size_t i = 0; i < list->device_count; i++) {
        found_device *device = &list->devices[i];
        if (strcmp(device->info.select, list->chosen) == 0) {
            device->info = chosen.info;
            continue;
        }
        tool_device opened;
        if (tool_device_open(&opened, NULL, device->info.select, KVANT_CONTEXT_ALLOW_INEXACT,
                             &error) == 0) {
            device->info = opened.info;
            tool_device_close(&opened);
        } else {
            snprintf(device->failure, sizeof device->failure, "%.299s", error.text);
        }
    }
}

static const char *exactness(const found_device *device)
{
    return device->failure[0] != '\0' ? "not opened" : device->info.exact > 0 ? "yes" : "no";
}

static void print_text(const listing *list, int verbose)
{
    text_table table;
    static const char *const headers[] = {"select", "kind", "exact", "name", "driver", "kernels"};
    size_t columns = verbose ? 6u : 5u;
    text_table_init(&table, columns, columns);
    for (size_t i = 0; i < columns; i++) {
        text_table_cell(&table, "%s", headers[i]);
    }
    for (size_t i = 0; i < list->device_count; i++) {
        const kvant_device_info *info = &list->devices[i].info;
        text_table_cell(&table, "%s", info->select);
        text_table_cell(&table, "%s", tool_kind_name(info->kind));
        text_table_cell(&table, "%s", exactness(&list->devices[i]));
        text_table_cell(&table, "%s", info->name);
        text_table_cell(&table, "%s", info->driver);
        if (verbose) {
            text_table_cell(&table, "%s", info->variants);
        }
    }
    text_table_print(&table, stdout);
    text_table_release(&table);
    for (size_t i = 0; i < list->device_count; i++) {
        if (list->devices[i].failure[0] != '\0') {
            printf("%s: not opened: %s\n", list->devices[i].info.select, list->devices[i].failure);
        }
    }
    for (size_t i = 0; i < list->absent_count; i++) {
        printf("no %s: %s\n", list->absent[i].backend, list->absent[i].reason);
    }
    printf("auto chooses %s\n", list->chosen[0] != '\0' ? list->chosen : "nothing");
    if (list->selected[0] != '\0') {
        printf("--backend chooses %s\n", list->selected);
    }
}

static int print_json(const listing *list)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *devices = cJSON_AddArrayToObject(root, "devices");
    for (size_t i = 0; i < list->device_count; i++) {
        const kvant_device_info *info = &list->devices[i].info;
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "select", info->select);
        cJSON_AddStringToObject(object, "backend", info->backend);
        json_add_text(object, "name", info->name, strlen(info->name));
        cJSON_AddStringToObject(object, "kind", tool_kind_name(info->kind));
        json_add_text(object, "driver", info->driver, strlen(info->driver));
        cJSON_AddBoolToObject(object, "exact", info->exact > 0);
        cJSON_AddStringToObject(object, "variants", info->variants);
        if (list->devices[i].failure[0] != '\0') {
            json_add_text(object, "failure", list->devices[i].failure,
                          strlen(list->devices[i].failure));
        }
        cJSON_AddItemToArray(devices, object);
    }
    cJSON *absent = cJSON_AddArrayToObject(root, "absent");
    for (size_t i = 0; i < list->absent_count; i++) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "backend", list->absent[i].backend);
        json_add_text(object, "reason", list->absent[i].reason, strlen(list->absent[i].reason));
        cJSON_AddItemToArray(absent, object);
    }
    cJSON_AddStringToObject(root, "auto", list->chosen);
    if (list->selected[0] != '\0') {
        cJSON_AddStringToObject(root, "selected", list->selected);
    }
    return json_print(root, stdout);
}

static int list_devices(listing *list, const tool_globals *globals, int json, int verbose,
                        tool_error *error)
{
    if (tool_check_variant(error) != 0) {
        return -1;
    }
    if (globals->backend != NULL) {
        tool_device device;
        if (tool_device_open(&device, globals->quiet ? NULL : "devices", globals->backend, 0,
                             error) != 0) {
            return -1;
        }
        tool_device_close(&device);
        snprintf(list->selected, sizeof list->selected, "%s", device.info.select);
    }
    kvant_status status = kvant_devices(collect, list);
    if (status != KVANT_OK) {
        return tool_error_library(error, status, NULL);
    }
    open_each(list);
    if (!json) {
        print_text(list, verbose);
    } else if (print_json(list) != 0) {
        return tool_error_memory(error);
    }
    if (list->device_count == 0u) {
        *error = (tool_error){TOOL_NO_DEVICE, "there is no device at all"};
        return -1;
    }
    return 0;
}

int command_devices(tool_globals *globals, int argc, char **argv)
{
    tool_error error = {0, ""};
    int json = 0;
    int verbose = 0;
    const option_spec specs[] = {
        {"json", OPTION_FLAG, &json, 0, 0, NULL, NULL, "one JSON object on stdout"},
        {"verbose", OPTION_FLAG, &verbose, 0, 0, NULL, NULL, "also the variants of kernels"},
    };
    const command_description command = {
        "devices",
        "[--json] [--verbose]",
        "Lists every device in the syntax that KVANT_BACKEND and --backend take, in the order in "
        "which\n"
        "auto prefers them, says whether its arithmetic passed the exactness test, what auto "
        "chooses\n"
        "and why other backends are absent. With --backend, says what that chooses, too.",
        specs,
        2,
        NULL};
    options_result parsed = options_parse(&command, globals, argc, argv, NULL, &error);
    if (parsed != OPTIONS_GO) {
        return parsed == OPTIONS_DONE ? TOOL_DONE : command_fail("devices", &error);
    }
    listing *list = calloc(1, sizeof *list);
    if (list == NULL) {
        tool_error_memory(&error);
        return command_fail("devices", &error);
    }
    int result = list_devices(list, globals, json, verbose, &error) == 0
                     ? TOOL_DONE
                     : command_fail("devices", &error);
    free(list);
    return result;
}
