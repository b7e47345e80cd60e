/* SPDX-License-Identifier: MIT
 *
 * Opens and reads input files of the tool.
 */
#include "file_input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

FILE *input_open(const char *path, uint64_t *out_bytes, tool_error *error)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        tool_error_input(error, "%s: cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    struct stat info;
    if (fstat(fileno(file), &info) != 0 || !S_ISREG(info.st_mode)) {
        tool_error_input(error, "%s: is not a regular file", path);
        fclose(file);
        return NULL;
    }
    *out_bytes = (uint64_t)info.st_size;
    return file;
}

unsigned char *input_read_all(const char *path, uint64_t most, size_t *out_bytes, tool_error *error)
{
    uint64_t size = 0;
    FILE *file = input_open(path, &size, error);
    if (file == NULL) {
        return NULL;
    }
    unsigned char *bytes = NULL;
    if (size > most) {
        tool_error_input(error, "%s: has more than the %llu bytes that are possible", path,
                         (unsigned long long)most);
    } else if ((bytes = malloc((size_t)size + 1u)) == NULL) {
        tool_error_memory(error);
    } else if (fread(bytes, 1, (size_t)size, file) != (size_t)size) {
        tool_error_input(error, "%s: could not be read to its end", path);
        free(bytes);
        bytes = NULL;
    } else {
        bytes[size] = 0;
        *out_bytes = (size_t)size;
    }
    fclose(file);
    return bytes;
}

void input_name_file(tool_error *error, const char *path)
{
    tool_error named = *error;
    snprintf(named.text, sizeof named.text, "%.200s: %.390s", path, error->text);
    *error = named;
}

uint32_t input_u32(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

float input_f32(const unsigned char *bytes)
{
    uint32_t word = input_u32(bytes);
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}
