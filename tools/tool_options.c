/* SPDX-License-Identifier: MIT
 *
 * Parses options by getopt_long and prints help, both from a command's table.
 */
#include "tool_options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SPECS = 32, FIRST_CODE = 256 };

/* The command's own options, then these. */
static size_t gather(const command_description *command, tool_globals *globals,
                     option_spec *out_specs)
{
    size_t count = command->spec_count < MAX_SPECS - 2u ? command->spec_count : MAX_SPECS - 2u;
    memcpy(out_specs, command->specs, count * sizeof *out_specs);
    out_specs[count++] = (option_spec){"backend",
                                       OPTION_TEXT,
                                       &globals->backend,
                                       0,
                                       0,
                                       NULL,
                                       "SEL",
                                       "device, in the grammar of KVANT_BACKEND, which it beats"};
    out_specs[count++] = (option_spec){"quiet", OPTION_FLAG, &globals->quiet,           0, 0,
                                       NULL,    NULL,        "no warnings, no progress"};
    return count;
}

/* ---- help ---------------------------------------------------------------------------------- */

static void print_help(const command_description *command, const option_spec *specs, size_t count)
{
    printf("usage: kvant %s %s\n\n", command->name, command->synopsis);
    if (command->details != NULL) {
        printf("%s\n\n", command->details);
    }
    for (size_t i = 0; i < count; i++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", specs[i].name, specs[i].value != NULL ? " " : "",
                 specs[i].value != NULL ? specs[i].value : "");
        printf("  %-24s %s\n", left, specs[i].help);
    }
    printf("  %-24s %s\n", "--help", "this text");
}

/* "--a, --b, --c" */
static void list_names(const option_spec *specs, size_t count, char *out, size_t capacity)
{
    size_t used = 0;
    for (size_t i = 0; i < count && used < capacity; i++) {
        int length = snprintf(out + used, capacity - used, "--%s, ", specs[i].name);
        used += (size_t)length;
    }
    if (used < capacity) {
        snprintf(out + used, capacity - used, "--help");
    }
}

/* ---- values -------------------------------------------------------------------------------- */

int options_read_u64(const char *text, uint64_t *out_value)
{
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0') {
        return -1;
    }
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    *out_value = value;
    return errno == 0 ? 0 : -1;
}

int options_read_real(const char *text, double *out_value)
{
    if (text[0] == '\0' || text[strspn(text, "+-.0123456789eE")] != '\0') {
        return -1;
    }
    char *end = NULL;
    *out_value = strtod(text, &end);
    return *end == '\0' && isfinite(*out_value) ? 0 : -1;
}

static int take_choice(const option_spec *spec, const char *text, tool_error *error)
{
    char known[200] = "";
    for (int i = 0; spec->choices[i] != NULL; i++) {
        if (strcmp(spec->choices[i], text) == 0) {
            *(int *)spec->target = i;
            return 0;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i != 0 ? ", " : "", spec->choices[i]);
    }
    return tool_error_input(error, "--%s takes one of %s, not \"%.100s\"", spec->name, known, text);
}

static int take_value(const option_spec *spec, const char *text, tool_error *error)
{
    uint64_t whole = 0;
    double real = 0.0;
    switch (spec->kind) {
    case OPTION_FLAG:
        *(int *)spec->target = 1;
        return 0;
    case OPTION_TEXT:
        *(const char **)spec->target = text;
        return 0;
    case OPTION_CHOICE:
        return take_choice(spec, text, error);
    case OPTION_U64:
        if (options_read_u64(text, &whole) != 0) {
            return tool_error_input(error, "--%s takes a whole number, not \"%.100s\"", spec->name,
                                    text);
        }
        *(uint64_t *)spec->target = whole;
        return 0;
    case OPTION_U32:
        if (options_read_u64(text, &whole) != 0 || (double)whole < spec->least ||
            (double)whole > spec->most) {
            return tool_error_input(error,
                                    "--%s takes a whole number from %.0f to %.0f, not "
                                    "\"%.100s\"",
                                    spec->name, spec->least, spec->most, text);
        }
        *(uint32_t *)spec->target = (uint32_t)whole;
        return 0;
    case OPTION_REAL:
        if (options_read_real(text, &real) != 0 || real < spec->least || real > spec->most) {
            return tool_error_input(error, "--%s takes a number from %g to %g, not \"%.100s\"",
                                    spec->name, spec->least, spec->most, text);
        }
        *(double *)spec->target = real;
        return 0;
    }
    return -1;
}

/* ---- parsing ------------------------------------------------------------------------------- */

static int refuse(const option_spec *specs, size_t count, int code, char **argv, tool_error *error)
{
    char letter[3] = {'-', (char)optopt, '\0'};
    int is_letter = optopt > 0 && optopt < FIRST_CODE;
    const char *argument = is_letter ? letter : argv[optind - 1];
    if (code == ':') {
        return tool_error_input(error, "%.100s needs a value", argument);
    }
    if (optopt >= FIRST_CODE) {
        return tool_error_input(error, "%.100s: the option takes no value", argument);
    }
    char known[400];
    list_names(specs, count, known, sizeof known);
    return tool_error_input(error, "unknown option %.100s; the options are %s", argument, known);
}

const char *const options_files[] = {NULL};

static int take_operand(const command_description *command, int argc, char **argv, int *out_operand,
                        tool_error *error)
{
    if (command->operands == options_files) {
        *out_operand = optind;
        return 0;
    }
    if (command->operands == NULL) {
        if (optind < argc) {
            return tool_error_input(error, "unexpected \"%.100s\"; the command takes options alone",
                                    argv[optind]);
        }
        return 0;
    }
    if (command->synopsis[0] == '[' && optind == argc) {
        return 0; /* left out */
    }
    int operand = 0;
    option_spec spec = {"", OPTION_CHOICE, &operand, 0, 0, command->operands, NULL, NULL};
    tool_error ignored;
    if (optind + 1 != argc || take_choice(&spec, argv[optind], &ignored) != 0) {
        char known[200] = "";
        for (int i = 0; command->operands[i] != NULL; i++) {
            size_t used = strlen(known);
            snprintf(known + used, sizeof known - used, "%s%s", i != 0 ? ", " : "",
                     command->operands[i]);
        }
        const char *extra = optind + 1 < argc ? argv[argc - 1] : optind < argc ? argv[optind] : "";
        return tool_error_input(error, "one of %s is needed%s%.100s", known,
                                extra[0] != '\0' ? ", not " : "", extra);
    }
    *out_operand = operand;
    return 0;
}

options_result options_parse(const command_description *command, tool_globals *globals, int argc,
                             char **argv, int *out_operand, tool_error *error)
{
    option_spec specs[MAX_SPECS];
    size_t count = gather(command, globals, specs);
    struct option table[MAX_SPECS + 2] = {{0}};
    for (size_t i = 0; i < count; i++) {
        table[i] = (struct option){specs[i].name,
                                   specs[i].kind == OPTION_FLAG ? no_argument : required_argument,
                                   NULL, FIRST_CODE + (int)i};
    }
    table[count] = (struct option){"help", no_argument, NULL, 'h'};

    optind = 0; /* glibc: start afresh */
    opterr = 0;
    for (;;) {
        int code = getopt_long(argc, argv, ":h", table, NULL);
        if (code == -1) {
            break;
        }
        if (code == 'h') {
            print_help(command, specs, count);
            return OPTIONS_DONE;
        }
        if (code < FIRST_CODE) {
            refuse(specs, count, code, argv, error);
            return OPTIONS_BAD;
        }
        if (take_value(&specs[code - FIRST_CODE], optarg, error) != 0) {
            return OPTIONS_BAD;
        }
    }
    return take_operand(command, argc, argv, out_operand, error) == 0 ? OPTIONS_GO : OPTIONS_BAD;
}
