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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
