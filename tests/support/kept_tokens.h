/* SPDX-License-Identifier: MIT
 *
 * Which tokens a cache still has, read from the positions that its segments say on the device.
 */
#ifndef KVANT_TESTS_KEPT_TOKENS_H
#define KVANT_TESTS_KEPT_TOKENS_H

#include "kvant/cache.h"

/* kept[head][token] = 1 where that KV head of the sequence has the token, else 0, for `tokens` tokens.
 * A token that two segments have is counted twice, one beyond `tokens` is INVALID_STATE. */
kvant_status kept_tokens(kvant_cache *cache, uint32_t layer, uint32_t sequence, uint32_t tokens,
                         unsigned char *kept);

#endif
