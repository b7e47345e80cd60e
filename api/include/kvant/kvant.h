/* SPDX-License-Identifier: MIT
 *
 * kvant: compressed key-value caches of language models, and attention on the compressed bytes.
 *
 * Ownership: what a *_create function returns belongs to the caller, who hands it to the matching
 * *_destroy (NULL is fine). Nothing else transfers ownership. Descriptors and strings are read
 * during the call only. Outputs come last, are named out_*, and are NULL or untouched on failure.
 * Every descriptor starts with struct_size, which its _INIT macro sets.
 *
 * Words: B sequences, Hq query heads, Hk KV heads, G = Hq / Hk, L cached tokens, D head dimension.
 */
#ifndef KVANT_KVANT_H
#define KVANT_KVANT_H

#include "kvant/status.h"
#include "kvant/context.h"
#include "kvant/buffer.h"
#include "kvant/recipe.h"
#include "kvant/ops.h"
#include "kvant/cache.h"

#endif
