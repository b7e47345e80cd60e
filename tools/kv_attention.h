/* SPDX-License-Identifier: MIT
 *
 * The transformer's attention through kvant: every K, V and query goes to the device, into
 * compressed caches, and only the attention's output comes back.
 */
#ifndef KVANT_TOOLS_KV_ATTENTION_H
#define KVANT_TOOLS_KV_ATTENTION_H

#include "kvant/buffer.h"
#include "kvant/cache.h"
#include "kvant/ops.h"
#include "transformer.h"

/* Sees every cache's output of a decode step, [heads][head_dim], cache by cache of a layer. */
typedef struct {
    void (*take)(void *self, size_t cache, uint32_t layer, const float *out);
    void *self;
} attention_watch;

typedef struct {
    kvant_context *context;
    const checkpoint_shape *shape;
    int prompt_by_token; /* prompts go token by token, as decode steps */
    kvant_buffer *q;
    kvant_buffer *k;
    kvant_buffer *v;
    kvant_buffer *out;
    /* Where the next tokens go. A prompt may fill several caches at once: its own attention is over
     * uncompressed K and V, the same for all. In decode steps all get the same queries, keys and
     * values, and the transformer goes on with the last one's output. */
    kvant_cache **caches;
    size_t cache_count;
    attention_watch watch; /* take may be NULL */
    double seconds;        /* in the library, of all calls; the caller may empty it */
} kv_attention;

int kv_attention_create(kvant_context *context, const checkpoint_shape *shape, uint32_t max_tokens,
                        int prompt_by_token, kv_attention *out_attention, tool_error *error);
void kv_attention_release(kv_attention *a);

/* What such a cache is made of; needs no device. */
kvant_cache_desc kv_attention_cache_desc(const checkpoint_shape *shape, int prompt_by_token,
                                         const kvant_recipe *recipe, uint32_t prompt,
                                         uint32_t decode);

/* A cache for prompts of up to `prompt` tokens and `decode` tokens after them. */
int kv_attention_cache(const kv_attention *a, const kvant_recipe *recipe, uint32_t prompt,
                       uint32_t decode, kvant_cache **out_cache, tool_error *error);

attention_port kv_attention_port(kv_attention *a);

#endif
