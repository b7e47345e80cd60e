/* SPDX-License-Identifier: MIT
 *
 * Reading files that may be anything: sizes first, then bytes.
 */
#ifndef KVANT_TOOLS_FILE_INPUT_H
#define KVANT_TOOLS_FILE_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tool_error.h"

/* Opens a regular file and says how long it is; NULL with the reason, which names the path. */
FILE *input_open(const char *path, uint64_t *out_bytes, tool_error *error);

/* The whole of a file of at most `most` bytes, with a 0 after it; the caller frees it. NULL with
 * the reason, which names the path. */
unsigned char *input_read_all(const char *path, uint64_t most, size_t *out_bytes,
                              tool_error *error);

/* Puts "path: " in front of the sentence. */
void input_name_file(tool_error *error, const char *path);

/* Little-endian. */
uint32_t input_u32(const unsigned char *bytes);
float input_f32(const unsigned char *bytes);

#endif
