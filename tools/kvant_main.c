/* SPDX-License-Identifier: MIT
 *
 * kvant: the command line tool. Finds the sub-command and what stands before it.
 */
#include <stdio.h>
#include <string.h>

#include "kvant/context.h"
#include "tool_commands.h"

static const struct {
    const char *name;
    int (*run)(tool_globals *globals, int argc, char **argv);
    const char *summary;
} commands[] = {
    {"devices", command_devices, "list devices, and what auto would choose"},
    {"run", command_run, "generate text with a compressed KV cache and compare recipes"},
    {"eval", command_eval, "measure what recipes cost in accuracy, against their bytes"},
    {"fingerprint", command_fingerprint, "tell from a model's outputs which recipe served them"},
    {"plan", command_plan, "bytes of a cache, before anything is allocated"},
    {"conform", command_conform, "check a device against the scalar reference"},
    {"bench", command_bench, "measure every operation, and a whole decode step"},
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static const char exit_codes[] = "exit codes: 0 done, 1 a check failed, 2 bad usage or input, "
                                 "3 no device";

int command_fail(const char *name, const tool_error *error)
{
    fprintf(stderr, "kvant %s: %s\n", name, error->text);
    return error->code;
}

static void print_usage(void)
{
    printf("usage: kvant [--backend SEL] [--quiet] COMMAND [options]\n\n");
    for (int i = 0; i < COMMAND_COUNT; i++) {
        printf("  %-11s %s\n", commands[i].name, commands[i].summary);
    }
    printf("\n  kvant COMMAND --help    the options of a command\n"
           "  kvant --version         the version\n\n"
           "SEL chooses the device as the environment variable KVANT_BACKEND does, and beats it:\n"
           "  item(,item)*, item = name(:device), in order of preference\n"
           "  name = auto, cuda, vulkan, opencl, host or null\n"
           "  device = index, uuid=HEX, pci=DDDD:BB:DD.F or name=SUBSTRING\n\n%s\n",
           exit_codes);
}

static int unknown_command(const char *text)
{
    fprintf(stderr, "kvant: unknown command \"%.100s\"; the commands are", text);
    for (int i = 0; i < COMMAND_COUNT; i++) {
        fprintf(stderr, "%s %s", i != 0 ? "," : "", commands[i].name);
    }
    fputs(" (see kvant --help)\n", stderr);
    return TOOL_BAD_INPUT;
}

static int run_command(tool_globals *globals, int argc, char **argv)
{
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, argv[0]) == 0) {
            int code = commands[i].run(globals, argc, argv);
            if ((fflush(stdout) != 0 || ferror(stdout)) && code == TOOL_DONE) {
                fprintf(stderr, "kvant %s: the output could not be written\n", argv[0]);
                code = TOOL_CHECK_FAILED;
            }
            return code;
        }
    }
    return unknown_command(argv[0]);
}

int main(int argc, char **argv)
{
    tool_globals globals = {NULL, 0};
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
            print_usage();
            return TOOL_DONE;
        }
        if (strcmp(argv[at], "--version") == 0) {
            printf("kvant %s\n", kvant_version());
            return TOOL_DONE;
        }
        if (strcmp(argv[at], "--quiet") == 0) {
            globals.quiet = 1;
        } else if (strcmp(argv[at], "--backend") == 0 && at + 1 < argc) {
            globals.backend = argv[++at];
        } else if (strncmp(argv[at], "--backend=", 10) == 0) {
            globals.backend = argv[at] + 10;
        } else {
            fprintf(stderr,
                    "kvant: unknown option \"%.100s\"; before the command stand --backend SEL, "
                    "--quiet, --help and --version\n",
                    argv[at]);
            return TOOL_BAD_INPUT;
        }
    }
    if (at == argc) {
        fprintf(stderr, "kvant: a command is needed (see kvant --help)\n");
        return TOOL_BAD_INPUT;
    }
    return run_command(&globals, argc - at, argv + at);
}
