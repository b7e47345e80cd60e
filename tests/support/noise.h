/* SPDX-License-Identifier: MIT
 *
 * Numbers about N(0, 1) that depend on all of their coordinates and on nothing else.
 */
#ifndef KVANT_TESTS_NOISE_H
#define KVANT_TESTS_NOISE_H

#include <stddef.h>
#include <stdint.h>

static inline double noise_at(uint64_t start, const uint32_t *coordinates, size_t count)
{
    uint64_t x = start;
    double sum = 0.0;
    for (uint32_t round = 0; round < 6u; round++) {
        for (size_t i = 0; i < count; i++) {
            x = (x ^ coordinates[i]) * UINT64_C(0x9e3779b97f4a7c15) + round;
            x ^= x >> 29;
        }
        sum += (double)(x >> 40) / (double)(1 << 24) - 0.5;
    }
    return sum * 1.41421356;
}

#endif
