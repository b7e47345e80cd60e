/* SPDX-License-Identifier: MIT
 *
 * plan_memory: what the KV cache of a model of 32 layers, 8 KV heads of 128 channels, 32 query heads and
 * 8192 tokens takes under each named recipe. Needs no device and allocates nothing.
 */
#include <stdio.h>

#include "kvant/cache.h"

int main(void)
{
    printf("%-12s %10s %8s %12s\n", "recipe", "MiB", "ratio", "bits/value");
    for (uint32_t i = 0; kvant_recipe_name(i) != NULL; i++) {
        kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
        kvant_cache_bytes bytes = KVANT_CACHE_BYTES_INIT;
        desc.layers = 32;
        desc.q_heads = 32;
        desc.kv_heads = 8;
        desc.k_dim = 128;
        desc.prefill_tokens = 8192;
        kvant_status status = kvant_recipe_parse(kvant_recipe_name(i), &desc.recipe);
        if (status == KVANT_OK && desc.recipe.latent != 0) {
            continue; /* for models whose cache is a latent */
        }
        if (status != KVANT_OK || kvant_cache_plan(&desc, &bytes) != KVANT_OK) {
            fprintf(stderr, "%s: %s\n", kvant_recipe_name(i), kvant_last_message());
            return 1;
        }
        printf("%-12s %10.1f %8.2f %12.2f\n", kvant_recipe_name(i), (double)bytes.bytes / 1048576.0,
               bytes.ratio, bytes.bits_per_value);
    }
    return 0;
}
