/* SPDX-License-Identifier: MIT
 *
 * FNV-1a over bytes in the machine's order.
 */
#include "eval_hash.h"

uint64_t eval_hash(uint64_t hash, const void *bytes, size_t count)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}
