/* SPDX-License-Identifier: MIT
 *
 * Options of a command as one table that feeds the parser and the help text.
 */
#ifndef KVANT_TOOLS_TOOL_OPTIONS_H
#define KVANT_TOOLS_TOOL_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tool_error.h"

typedef enum {
    OPTION_FLAG,  /* int: becomes 1 */
    OPTION_TEXT,  /* const char * */
    OPTION_U32,   /* uint32_t, least .. most */
    OPTION_U64,   /* uint64_t */
    OPTION_REAL,  /* double, least .. most */
    OPTION_CHOICE /* int: index into choices, a list that ends with NULL */
} option_kind;

typedef struct {
    const char *name;
    option_kind kind;
    void *target;
    double least;
    double most;
    const char *const *choices;
    const char *value; /* how the help calls it */
    const char *help;
} option_spec;

/* What every command has. */
typedef struct {
    const char *backend; /* NULL: KVANT_BACKEND, else auto */
    int quiet;
} tool_globals;

typedef struct {
    const char *name;
    const char *synopsis; /* what follows the name; an operand in brackets may be left out */
    const char *details;  /* paragraphs for the help, or NULL */
    const option_spec *specs;
    size_t spec_count;
    const char *const *operands; /* what the single operand may be, or NULL: takes none */
} command_description;

/* As `operands`: any number of them, of any text. */
extern const char *const options_files[];

typedef enum { OPTIONS_GO, OPTIONS_DONE, OPTIONS_BAD } options_result;

/* Parses argv[1] ...: GO, DONE when help was asked for and printed, or BAD with the reason. The
 * operand's index goes to *out_operand where the command has one and it was given; where it takes
 * files, that of the first one in argv (argc: there is none). */
options_result options_parse(const command_description *command, tool_globals *globals, int argc,
                             char **argv, int *out_operand, tool_error *error);

/* Numbers as the options take them: the whole text, digits only. Both return 0 or -1. */
int options_read_u64(const char *text, uint64_t *out_value);
int options_read_real(const char *text, double *out_value);

#endif
