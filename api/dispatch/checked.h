/* SPDX-License-Identifier: MIT
 *
 * Sizes that cannot overflow: a sum or product that does not fit becomes KVANT_OVERFLOW and stays it.
 */
#ifndef KVANT_DISPATCH_CHECKED_H
#define KVANT_DISPATCH_CHECKED_H

#include <stdint.h>

#define KVANT_OVERFLOW UINT64_MAX

uint64_t kvant_add(uint64_t a, uint64_t b);
uint64_t kvant_multiply(uint64_t a, uint64_t b);
/* a rounded up to a multiple of `step`, which is not 0. */
uint64_t kvant_round_up(uint64_t a, uint64_t step);

#endif
