/* SPDX-License-Identifier: MIT
 *
 * Opening and closing output files with sentences about what went wrong.
 */
#include "output_file.h"

int output_open(const char *path, FILE **out_file, tool_error *error)
{
    *out_file = NULL;
    if (path == NULL) {
        return 0;
    }
    *out_file = fopen(path, "w");
    return *out_file != NULL ? 0 : tool_error_input(error, "%.300s cannot be written", path);
}

int output_close(const char *path, FILE *file, int result, tool_error *error)
{
    if (file == NULL) {
        return result;
    }
    int is_closed = fclose(file) == 0;
    return result != 0 || is_closed ? result
                                    : tool_error_input(error, "%.300s was not written", path);
}
