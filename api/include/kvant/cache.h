/* SPDX-License-Identifier: MIT
 *
 * kvant/cache.h: the KV cache of a model: layers x sequences, compressed by one recipe.
 *
 * A cache belongs to the context that it was made with and to the thread that uses it. All memory is
 * taken by kvant_cache_create, in the sizes that kvant_cache_plan gives; a prefill takes
 * transient_bytes more while it runs. A decode step (append, attend) allocates nothing and compiles
 * nothing once kvant_context_prepare was called, and does not wait for the device unless the cache
 * is strict about non-finite input.
 */
#ifndef KVANT_CACHE_H
#define KVANT_CACHE_H

#include "kvant/buffer.h"
#include "kvant/recipe.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kvant_cache kvant_cache;

typedef enum kvant_non_finite {
    KVANT_NON_FINITE_STRICT = 0,  /* NaN, infinity or |x| >= 65520 in K or V: the call fails with
                                     NOT_FINITE and changes nothing. Each call waits for the check. */
    KVANT_NON_FINITE_SANITISE = 1 /* NaN becomes 0, the rest is clamped to +-65504, and counted */
} kvant_non_finite;

typedef struct kvant_cache_desc {
    size_t struct_size;
    kvant_recipe recipe;
    uint32_t layers;
    uint32_t sequences;      /* B */
    uint32_t q_heads;        /* Hq, a multiple of kv_heads */
    uint32_t kv_heads;       /* Hk */
    uint32_t k_dim;          /* a multiple of 8, 8 .. 256; with latent=1 of the rotary key, up to 128 */
    uint32_t v_dim;          /* likewise; 0 means k_dim; with latent=1 of the latent: a multiple of 32 up
                                to 256, of 64 up to 512 */
    uint32_t prefill_tokens; /* longest prompt, a sequence */
    uint32_t decode_tokens;  /* most tokens appended after it (or without it), a sequence */
    uint32_t max_queries;    /* query rows an attend, a sequence; 0 means 1 */
    float scale;             /* of the softmax, 2^-20 .. 1024; 0 means 1/sqrt(k_dim), with latent=1
                                nothing */
    kvant_non_finite non_finite;
} kvant_cache_desc;

#define KVANT_CACHE_DESC_INIT                                                                      \
    {sizeof(kvant_cache_desc), KVANT_RECIPE_INIT, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0.0f,                 \
     KVANT_NON_FINITE_STRICT}

/* Every byte, by what it is for. bytes is the sum of the six parts; ratio is f16_bytes / bytes. */
typedef struct kvant_cache_bytes {
    size_t struct_size;
    uint64_t bytes;
    uint64_t codes;      /* quantized codes */
    uint64_t parameters; /* scales, minima, channel scales */
    uint64_t maps;       /* positions of the tokens of each class; segment and split tables */
    uint64_t window;     /* f16 tokens: window, sinks, classes, the whole cache; gathered probe queries */
    uint64_t padding;    /* alignment, tokens rounded up to 4 */
    uint64_t scratch;    /* of attention and of decode-time compression, shared by all layers */
    uint64_t f16_bytes;  /* the same tokens in f16, with nothing else */
    double ratio;
    double bits_per_value;
    uint64_t transient_bytes; /* taken and given back by each prefill, not in bytes */
    double salient_share;     /* the recipe's, or what its budget allows; of K, where V has its own, which
                                 a budget lowers alike */
} kvant_cache_bytes;

#define KVANT_CACHE_BYTES_INIT                                                                     \
    {sizeof(kvant_cache_bytes), 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0, 0.0}

/* What a cache will take, before anything is allocated; needs no device. Thread-safe.
 * Errors: INVALID_ARGUMENT (shape or recipe), LIMIT (sizes that overflow). */
KVANT_API kvant_status kvant_cache_plan(const kvant_cache_desc *desc,
                                        kvant_cache_bytes *out_bytes) KVANT_CHECK_RESULT;

/* Whether this device can hold and run such a cache: KVANT_OK, or what kvant_cache_create or a later
 * call would fail with. Builds the kernels to find out, allocates no device memory. */
KVANT_API kvant_status kvant_cache_supports(kvant_context *context,
                                            const kvant_cache_desc *desc) KVANT_CHECK_RESULT;

KVANT_API kvant_status kvant_cache_create(kvant_context *context, const kvant_cache_desc *desc,
                                          kvant_cache **out_cache) KVANT_CHECK_RESULT;
KVANT_API void kvant_cache_destroy(kvant_cache *cache);

/* What the cache has really allocated on the device: equal to the plan. */
KVANT_API kvant_status kvant_cache_usage(const kvant_cache *cache,
                                         kvant_cache_bytes *out_bytes) KVANT_CHECK_RESULT;

/*
 * A prompt into an empty sequence of a layer, compressed at once. The newest tokens stay f16 as the
 * recipe says; sinks stay f16.
 *   k [tokens][kv_heads][k_dim], v [tokens][kv_heads][v_dim], q [tokens][q_heads][k_dim]
 *   q or q->buffer may be NULL when the recipe neither judges by attention nor smooths K
 * The prompt's own attention is the engine's, or kvant_prefill_attention.
 * Errors: INVALID_STATE (not empty), CAPACITY, NOT_FINITE, INVALID_ARGUMENT.
 */
KVANT_API kvant_status kvant_cache_prefill(kvant_cache *cache, uint32_t layer, uint32_t sequence,
                                           uint32_t tokens, const kvant_tensor *k,
                                           const kvant_tensor *v,
                                           const kvant_tensor *q) KVANT_CHECK_RESULT;

/* Tokens after those that the sequence has, into its f16 window; whatever leaves the window is
 * compressed, in runs of the recipe's period. Old tokens are never quantized again;
 * a recipe that re-evaluates cuts their codes, or moves them to wider ones as they are.
 * A recipe that judges by attention judges a period by the queries that kvant_cache_attend saw during it;
 * where there were none (several periods appended in one call), the newest tokens are salient.
 * Errors: CAPACITY, NOT_FINITE, INVALID_ARGUMENT. */
KVANT_API kvant_status kvant_cache_append(kvant_cache *cache, uint32_t layer, uint32_t sequence,
                                          uint32_t tokens, const kvant_tensor *k,
                                          const kvant_tensor *v) KVANT_CHECK_RESULT;

/*
 * Attention of the newest `queries` tokens of each of `sequences` sequences from `first_sequence` on,
 * over everything that the layer holds of them. Row r is the query of the token that is
 * queries - 1 - r before the newest, and sees the tokens up to itself.
 *   q, out  [sequence][query][q_head][dim], channel_stride 1; out f16 or f32. With latent=1 a query has
 *           v_dim absorbed channels, then k_dim rotary ones
 *   lse     floats [sequence][q_head][query], or NULL
 * Errors: INVALID_STATE (a sequence has fewer tokens than queries), INVALID_ARGUMENT.
 */
KVANT_API kvant_status kvant_cache_attend(kvant_cache *cache, uint32_t layer,
                                          uint32_t first_sequence, uint32_t sequences,
                                          uint32_t queries, const kvant_tensor *q,
                                          const kvant_tensor *out,
                                          kvant_buffer *lse) KVANT_CHECK_RESULT;

/* Compresses now what the window holds beyond the recipe's window length, as far as whole periods
 * allow; append does this by itself when the window is full. */
KVANT_API kvant_status kvant_cache_compress(kvant_cache *cache, uint32_t layer,
                                            uint32_t sequence) KVANT_CHECK_RESULT;

/* Empties a sequence in all layers. */
KVANT_API kvant_status kvant_cache_reset(kvant_cache *cache, uint32_t sequence) KVANT_CHECK_RESULT;

/* Tokens that a layer holds of a sequence; 0 for indices out of range. */
KVANT_API uint32_t kvant_cache_length(const kvant_cache *cache, uint32_t layer, uint32_t sequence);

/* Elements that sanitise mode had to change so far. Waits. */
KVANT_API kvant_status kvant_cache_sanitised(kvant_cache *cache,
                                             uint64_t *out_count) KVANT_CHECK_RESULT;

/* A 64-bit FNV-1a hash over every word of every sequence's region: codes, parameters, maps, tables
 * and window. The same tokens and recipe give the same digest on every backend. Waits. */
KVANT_API kvant_status kvant_cache_digest(kvant_cache *cache,
                                          uint64_t *out_digest) KVANT_CHECK_RESULT;

#ifdef __cplusplus
}
#endif

#endif
