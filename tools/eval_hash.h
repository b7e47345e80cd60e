/* SPDX-License-Identifier: MIT
 *
 * FNV-1a, to tell whether two devices gave the same bits.
 */
#ifndef KVANT_TOOLS_EVAL_HASH_H
#define KVANT_TOOLS_EVAL_HASH_H

#include <stddef.h>
#include <stdint.h>

#define EVAL_HASH_START UINT64_C(0xcbf29ce484222325)

uint64_t eval_hash(uint64_t hash, const void *bytes, size_t count);

#endif
