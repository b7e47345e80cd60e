/* SPDX-License-Identifier: MIT
 *
 * What the fuzz targets share: the entry point that libFuzzer and the replay program call, and a
 * check that ends the process, so that either of them notices.
 */
#ifndef KVANT_TESTS_FUZZ_CHECK_H
#define KVANT_TESTS_FUZZ_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input as a terminated text. Returns 0 where it is too long. */
static inline int fuzz_text(const uint8_t *data, size_t size, char *out_text, size_t capacity)
{
    if (size >= capacity) {
        return 0;
    }
    if (size != 0) {
        memcpy(out_text, data, size);
    }
    out_text[size] = '\0';
    return 1;
}

#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
