/* SPDX-License-Identifier: MIT
 *
 * A sequence of operations on a small cache of the host backend, beside a model that counts tokens
 * and the literal model, which says what each attend must come close to. The same operations must
 * give the same bytes and outputs on the same cache once it was emptied, and on a second one.
 *
 * The input: recipe, shape, prefill_tokens, decode_tokens; then 4 bytes an operation: what, where,
 * how many tokens, which numbers.
 */
#include <math.h>
#include <string.h>

#include "fuzz_cache_model.h"
#include "fuzz_check.h"
#include "kvant/cache.h"

enum { CONFIG = 4, STEP = 4, MOST_STEPS = 24, MOST_HEADS = 4, MOST_DIM = 32, MOST_TOKENS = 255 };
enum { MOST_FLOATS = MOST_TOKENS * MOST_HEADS * MOST_DIM, MOST_QUERIES = 5 };
enum { MOST_ROWS = 2 * MOST_QUERIES * MOST_HEADS };
enum { OUT = LITERAL_Q + 1, LSE, BUFFERS };

/* Bounds: about twice, or more, what random sequences came to in one call. */
static const fuzz_recipe recipes[] = {
    {"f16", 1e-9, 1e-4},
    {"int8-token,period=4", 1e-3, 0.1},
    {"int8-token,period=12,sinks=3,window=5", 1e-3, 0.1},
    {"int4,period=8", 0.05, 0.6},
    {"int4,period=4,window=1,sinks=6", 0.05, 0.6},
    {"kivi2,window=0", 0.9, 2.0},
    {"kivi2,window=9,sinks=2", 0.9, 2.0},
    {"kivi4,window=32", 0.02, 0.3},
    {"zipcache,period=12", 0.9, 2.0},
    {"zipcache,period=8,salient=0", 0.9, 2.0},
    {"zipcache,period=8,salient=1", 0.05, 0.6},
    {"zipcache,period=20,salient=0.05,sinks=1,window=3,norm=causal", 0.9, 2.0},
    {"zipcache,period=4,salient=0.5,random=0,recent=1,norm=none", 0.9, 2.0},
    {"k=int2+int4/chan,v=int2+int8/head/cst,salient=0.3,random=0.2,heads=group,period=16", 0.9,
     2.0},
    {"k=int8/chan96,v=int8/chan64,period=192", 1e-3, 0.05},
    {"k=int8/chan64,v=int8/chan96,period=192,window=10", 1e-3, 0.05},
    {"k=int8s/tok8/cst,v=int4/tok16,period=28,window=2", 0.02, 0.1},
};

typedef struct {
    kvant_cache_desc desc;
    const fuzz_recipe *recipe;
    kvant_context *context;
    kvant_buffer *buffers[BUFFERS];
    const uint8_t *steps;
    size_t count;
} plan;

typedef struct {
    const plan *plan;
    kvant_cache *cache;
    fuzz_stream streams[2][2]; /* [layer][sequence] */
    uint32_t appended[2][2];
    int is_compared; /* with the literal model; the other runs must give the same */
    uint64_t hash;   /* of statuses, digests and outputs */
} run;

static void hash_bytes(run *r, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < size; i++) {
        r->hash = (r->hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
}

static uint64_t digest_of(const run *r)
{
    uint64_t digest = 0;
    FUZZ_CHECK(kvant_cache_digest(r->cache, &digest) == KVANT_OK);
    return digest;
}

/* ---- numbers ---- */

/* Numbers from `first` on; damaged ones get one that is not finite. */
static kvant_tensor fill(const plan *p, literal_tensor which, uint32_t first, uint32_t count,
                         uint32_t kind)
{
    static float values[MOST_FLOATS];
    static const float bad[3] = {NAN, INFINITY, -65520.0f};
    for (uint32_t i = 0; i < count; i++) {
        values[i] = fuzz_value(kind, which, first + i);
    }
    if (which != LITERAL_Q && count != 0 && fuzz_is_damaged(kind)) {
        values[(kind >> 4) * 37u % count] = bad[(kind & 15u) - 13u];
    }
    if (count != 0) {
        FUZZ_CHECK(kvant_buffer_write(p->buffers[which], 0, values, count * 4u) == KVANT_OK);
    }
    kvant_tensor tensor = {.buffer = p->buffers[which], .dtype = KVANT_F32};
    return tensor;
}

/* ---- operations, each with the status that it must give ---- */

static kvant_status put(run *r, const uint8_t *step, int is_prompt)
{
    const kvant_cache_desc *desc = &r->plan->desc;
    uint32_t layer = step[1] & 3u;
    uint32_t sequence = step[1] >> 2 & 3u;
    uint32_t tokens = step[2];
    int is_inside = layer < desc->layers && sequence < desc->sequences;
    fuzz_stream *stream = is_inside ? &r->streams[layer][sequence] : NULL;
    uint32_t heads = desc->kv_heads;
    uint32_t first = is_inside ? stream->length * heads : 0;
    kvant_tensor k =
        fill(r->plan, LITERAL_K, first * desc->k_dim, tokens * heads * desc->k_dim, step[3]);
    kvant_tensor v =
        fill(r->plan, LITERAL_V, first * desc->v_dim, tokens * heads * desc->v_dim, step[3] ^ 16u);
    kvant_tensor q =
        fill(r->plan, LITERAL_Q, 0, tokens * desc->q_heads * desc->k_dim, step[3] ^ 32u);

    kvant_status status = is_prompt
                              ? kvant_cache_prefill(r->cache, layer, sequence, tokens, &k, &v, &q)
                              : kvant_cache_append(r->cache, layer, sequence, tokens, &k, &v);
    kvant_status expected = KVANT_OK;
    if (!is_inside || tokens == 0) {
        expected = KVANT_ERROR_INVALID_ARGUMENT;
    } else if (is_prompt && stream->length != 0) {
        expected = KVANT_ERROR_INVALID_STATE;
    } else if (tokens > (is_prompt ? desc->prefill_tokens
                                   : desc->decode_tokens - r->appended[layer][sequence])) {
        expected = KVANT_ERROR_CAPACITY;
    } else if (desc->non_finite == KVANT_NON_FINITE_STRICT && fuzz_is_damaged(step[3])) {
        expected = KVANT_ERROR_NOT_FINITE;
    }
    FUZZ_CHECK(status == expected);
    if (status == KVANT_OK) {
        memset(stream->kinds + stream->length, step[3], tokens);
        stream->length += tokens;
        r->appended[layer][sequence] += is_prompt ? 0 : tokens;
    }
    return status;
}

static void read_finite(run *r, uint32_t which, float *values, uint32_t count)
{
    FUZZ_CHECK(kvant_buffer_read(r->plan->buffers[which], 0, values, count * 4u) == KVANT_OK);
    for (uint32_t i = 0; i < count; i++) {
        FUZZ_CHECK(isfinite(values[i]));
    }
    hash_bytes(r, values, count * 4u);
}

static kvant_status attend(run *r, const uint8_t *step)
{
    static float outputs[MOST_ROWS * MOST_DIM];
    static float log_sums[MOST_ROWS];
    const kvant_cache_desc *desc = &r->plan->desc;
    uint32_t layer = step[1] & 3u;
    uint32_t first = step[1] >> 2 & 3u;
    uint32_t sequences = step[1] >> 4 & 3u;
    uint32_t queries = step[2] & 7u;
    int is_inside = first + sequences <= desc->sequences && queries <= desc->max_queries;
    uint32_t rows = is_inside ? sequences * queries * desc->q_heads : 0;
    kvant_tensor q = fill(r->plan, LITERAL_Q, 0, rows * desc->k_dim, step[3]);
    kvant_tensor out = {.buffer = r->plan->buffers[OUT], .dtype = KVANT_F32};
    kvant_buffer *lse = step[1] & 128u ? r->plan->buffers[LSE] : NULL;

    kvant_status status =
        kvant_cache_attend(r->cache, layer, first, sequences, queries, &q, &out, lse);
    kvant_status expected = KVANT_OK;
    if (!is_inside || rows == 0 || layer >= desc->layers) {
        expected = KVANT_ERROR_INVALID_ARGUMENT;
    }
    for (uint32_t i = 0; expected == KVANT_OK && i < sequences; i++) {
        if (r->streams[layer][first + i].length < queries) {
            expected = KVANT_ERROR_INVALID_STATE;
        }
    }
    FUZZ_CHECK(status == expected);
    if (status == KVANT_OK) {
        read_finite(r, OUT, outputs, rows * desc->v_dim);
        if (lse != NULL) {
            read_finite(r, LSE, log_sums, rows);
        }
        fuzz_attend call = {.desc = desc,
                            .recipe = r->plan->recipe,
                            .streams = &r->streams[layer][first],
                            .sequences = sequences,
                            .queries = queries,
                            .query_kind = step[3]};
        if (r->is_compared) {
            fuzz_compare(&call, outputs, lse == NULL ? NULL : log_sums);
        }
    }
    return status;
}

static kvant_status compress_or_reset(run *r, const uint8_t *step, int is_reset)
{
    const kvant_cache_desc *desc = &r->plan->desc;
    uint32_t layer = is_reset ? 0 : step[1] & 3u;
    uint32_t sequence = step[1] >> 2 & 3u;
    kvant_status status = is_reset ? kvant_cache_reset(r->cache, sequence)
                                   : kvant_cache_compress(r->cache, layer, sequence);
    int is_inside = layer < desc->layers && sequence < desc->sequences;
    FUZZ_CHECK(status == (is_inside ? KVANT_OK : KVANT_ERROR_INVALID_ARGUMENT));
    for (uint32_t i = 0; is_reset && is_inside && i < desc->layers; i++) {
        r->streams[i][sequence].length = 0;
        r->appended[i][sequence] = 0;
    }
    return status;
}

static void do_step(run *r, const uint8_t *step)
{
    uint64_t before = digest_of(r);
    kvant_status status;
    switch (step[0] % 8u) {
    case 0:
        status = put(r, step, 1);
        break;
    case 6:
        status = compress_or_reset(r, step, 0);
        break;
    case 7:
        status = compress_or_reset(r, step, 1);
        break;
    case 3:
    case 4:
    case 5:
        status = attend(r, step);
        break;
    default:
        status = put(r, step, 0);
        break;
    }
    uint64_t after = digest_of(r);
    FUZZ_CHECK(status == KVANT_OK || after == before); /* what is refused changes nothing */
    hash_bytes(r, &status, sizeof status);
    hash_bytes(r, &after, sizeof after);
    for (uint32_t layer = 0; layer < 2; layer++) {
        for (uint32_t sequence = 0; sequence < 2; sequence++) {
            FUZZ_CHECK(kvant_cache_length(r->cache, layer, sequence) ==
                       r->streams[layer][sequence].length);
        }
    }
}

/* ---- the whole ---- */

/* Every step on the cache, which is empty before and after. Returns a hash of all that was seen. */
static uint64_t run_steps(const plan *p, kvant_cache *cache, int is_compared)
{
    run r = {.plan = p,
             .cache = cache,
             .is_compared = is_compared,
             .hash = UINT64_C(0xcbf29ce484222325)};
    uint64_t empty = digest_of(&r);
    for (size_t i = 0; i < p->count; i++) {
        do_step(&r, p->steps + i * STEP);
    }
    for (uint32_t i = 0; i < p->desc.sequences; i++) {
        FUZZ_CHECK(kvant_cache_reset(cache, i) == KVANT_OK);
    }
    FUZZ_CHECK(digest_of(&r) == empty);
    return r.hash;
}

/* On two caches, the first of them twice. */
static void run_all(const plan *p)
{
    kvant_cache_bytes planned = KVANT_CACHE_BYTES_INIT;
    kvant_cache_bytes used = KVANT_CACHE_BYTES_INIT;
    kvant_status status = kvant_cache_plan(&p->desc, &planned);
    FUZZ_CHECK(status == KVANT_OK || status == KVANT_ERROR_INVALID_ARGUMENT);
    kvant_cache *first = NULL;
    kvant_cache *second = NULL;
    FUZZ_CHECK(kvant_cache_create(p->context, &p->desc, &first) == status);
    if (status != KVANT_OK) {
        FUZZ_CHECK(first == NULL);
        return;
    }
    FUZZ_CHECK(kvant_cache_usage(first, &used) == KVANT_OK && used.bytes == planned.bytes);
    uint64_t hash = run_steps(p, first, 1);
    FUZZ_CHECK(run_steps(p, first, 0) == hash); /* an emptied cache is a new one */
    kvant_cache_destroy(first);

    FUZZ_CHECK(kvant_cache_create(p->context, &p->desc, &second) == KVANT_OK);
    FUZZ_CHECK(run_steps(p, second, 0) == hash);
    kvant_cache_destroy(second);
}

static kvant_cache_desc desc_of(const uint8_t *config, const fuzz_recipe *recipe)
{
    static const uint32_t dims[4] = {8, 16, 24, 32};
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    FUZZ_CHECK(kvant_recipe_parse(recipe->text, &desc.recipe) == KVANT_OK);
    desc.layers = 1u + (config[1] & 1u);
    desc.sequences = 1u + (config[1] >> 1 & 1u);
    desc.kv_heads = 1u + (config[1] >> 2 & 1u);
    desc.q_heads = desc.kv_heads << (config[1] >> 3 & 1u);
    desc.k_dim = dims[config[1] >> 4 & 3u];
    desc.v_dim = dims[config[1] >> 6 & 3u];
    desc.prefill_tokens = config[2];
    desc.decode_tokens = config[3];
    desc.max_queries = MOST_QUERIES;
    desc.non_finite = config[0] & 128u ? KVANT_NON_FINITE_SANITISE : KVANT_NON_FINITE_STRICT;
    return desc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < CONFIG) {
        return 0;
    }
    const fuzz_recipe *recipe = &recipes[data[0] % (sizeof recipes / sizeof recipes[0])];
    plan p = {.desc = desc_of(data, recipe),
              .recipe = recipe,
              .steps = data + CONFIG,
              .count = (size - CONFIG) / STEP};
    if (p.count > MOST_STEPS) {
        p.count = MOST_STEPS;
    }
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = "host";
    FUZZ_CHECK(kvant_context_create(&desc, &p.context) == KVANT_OK);
    for (int i = 0; i < BUFFERS; i++) {
        FUZZ_CHECK(kvant_buffer_create(p.context, MOST_FLOATS * 4u, &p.buffers[i]) == KVANT_OK);
    }
    run_all(&p);
    for (int i = 0; i < BUFFERS; i++) {
        kvant_buffer_destroy(p.buffers[i]);
    }
    kvant_context_destroy(p.context);
    return 0;
}
