/* SPDX-License-Identifier: MIT
 *
 * quickstart: one layer's KV cache, compressed by the recipe `zipcache`, on the device that
 * KVANT_BACKEND names (or the best one there is). Random numbers stand in for a model.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kvant/kvant.h"

enum { Q_HEADS = 8, KV_HEADS = 2, HEAD_DIM = 64, PROMPT = 512, STEPS = 16 };

#define CHECK(call)                                                                                \
    do {                                                                                           \
        if ((call) != KVANT_OK) {                                                                  \
            fprintf(stderr, "%s\n", kvant_last_message());                                         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* A tensor [tokens][heads][HEAD_DIM] of numbers from -1 to 1, in a device buffer of its own. */
static kvant_tensor random_tensor(kvant_context *context, int tokens, int heads)
{
    static unsigned state = 1;
    size_t count = (size_t)tokens * (size_t)heads * HEAD_DIM;
    float *values = malloc(count * sizeof *values);
    if (values == NULL) {
        exit(1);
    }
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        values[i] = (float)(state >> 8) / 8388608.0f - 1.0f;
    }
    kvant_tensor tensor = {.dtype = KVANT_F32};
    CHECK(kvant_buffer_create(context, count * sizeof *values, &tensor.buffer));
    CHECK(kvant_buffer_write(tensor.buffer, 0, values, count * sizeof *values));
    free(values);
    return tensor;
}

int main(void)
{
    /* --- the quick start of README.md begins here --- */
    kvant_context_desc device = KVANT_CONTEXT_DESC_INIT; /* KVANT_BACKEND, or the best device */
    kvant_context *context = NULL;
    CHECK(kvant_context_create(&device, &context));

    kvant_cache_desc shape = KVANT_CACHE_DESC_INIT;
    shape.layers = 1;
    shape.q_heads = Q_HEADS;
    shape.kv_heads = KV_HEADS;
    shape.k_dim = HEAD_DIM;
    shape.prefill_tokens = PROMPT;
    shape.decode_tokens = STEPS;
    CHECK(kvant_recipe_parse("zipcache", &shape.recipe));
    kvant_cache *cache = NULL;
    CHECK(kvant_cache_create(context, &shape, &cache));

    kvant_tensor k = random_tensor(context, PROMPT, KV_HEADS);
    kvant_tensor v = random_tensor(context, PROMPT, KV_HEADS);
    kvant_tensor q = random_tensor(context, PROMPT, Q_HEADS);
    kvant_tensor out = random_tensor(context, 1, Q_HEADS);
    CHECK(kvant_cache_prefill(cache, 0, 0, PROMPT, &k, &v, &q));      /* compressed at once */
    for (int step = 0; step < STEPS; step++) {                        /* one token at a time: */
        CHECK(kvant_cache_append(cache, 0, 0, 1, &k, &v));            /* its K and V, and */
        CHECK(kvant_cache_attend(cache, 0, 0, 1, 1, &q, &out, NULL)); /* attention over all */
    }
    /* --- and ends here --- */

    kvant_device_info info = KVANT_DEVICE_INFO_INIT;
    kvant_cache_bytes bytes = KVANT_CACHE_BYTES_INIT;
    float result[HEAD_DIM];
    CHECK(kvant_context_device(context, &info));
    CHECK(kvant_cache_usage(cache, &bytes));
    CHECK(kvant_buffer_read(out.buffer, 0, result, sizeof result));
    printf("%s (%s): %u tokens in %llu bytes instead of %llu, first output %f\n", info.select,
           info.name, kvant_cache_length(cache, 0, 0), (unsigned long long)bytes.bytes,
           (unsigned long long)bytes.f16_bytes, (double)result[0]);

    kvant_cache_destroy(cache);
    kvant_buffer_destroy(out.buffer);
    kvant_buffer_destroy(q.buffer);
    kvant_buffer_destroy(v.buffer);
    kvant_buffer_destroy(k.buffer);
    kvant_context_destroy(context);
    return 0;
}
