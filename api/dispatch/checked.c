/* SPDX-License-Identifier: MIT
 *
 * Saturating sizes.
 */
#include "checked.h"

uint64_t kvant_add(uint64_t a, uint64_t b)
{
    return a > KVANT_OVERFLOW - b ? KVANT_OVERFLOW : a + b;
}

uint64_t kvant_multiply(uint64_t a, uint64_t b)
{
    return a != 0 && b > KVANT_OVERFLOW / a ? KVANT_OVERFLOW : a * b;
}

uint64_t kvant_round_up(uint64_t a, uint64_t step)
{
    uint64_t rest = a % step;
    return rest == 0 ? a : kvant_add(a, step - rest);
}
