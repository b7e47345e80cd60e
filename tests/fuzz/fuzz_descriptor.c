/* SPDX-License-Identifier: MIT
 *
 * Descriptors of any struct_size and any contents. One whose size is not this library's is refused,
 * with a message, and nothing is read beyond the size that it claims; one of the right size is read
 * without harm, whatever is in it.
 *
 * The input: which call, two bytes of struct_size, then the bytes of the descriptor.
 */
#include "fuzz_check.h"
#include "kvant/kvant.h"

enum { HEADER = 3, MOST = 1024 };

typedef enum {
    CONTEXT,
    INFO,
    STATS,
    RECIPE,
    PLAN,
    PLAN_BYTES,
    CREATE,
    QUANTIZE,
    SALIENCY,
    SELECT,
    ATTENTION,
    PREFILL,
    WORK_TIMES,
    RANGE,
    RANKS,
    CALLS
} call;

static kvant_context *open_host(void)
{
    static kvant_context *context; /* one for all inputs, as a program has */
    if (context == NULL) {
        kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
        desc.backend = "host";
        FUZZ_CHECK(kvant_context_create(&desc, &context) == KVANT_OK);
    }
    return context;
}

static size_t right_size(call which)
{
    static const size_t sizes[CALLS] = {
        sizeof(kvant_context_desc),   sizeof(kvant_device_info),
        sizeof(kvant_context_stats),  sizeof(kvant_recipe),
        sizeof(kvant_cache_desc),     sizeof(kvant_cache_bytes),
        sizeof(kvant_cache_desc),     sizeof(kvant_quantize_desc),
        sizeof(kvant_saliency_desc),  sizeof(kvant_select_desc),
        sizeof(kvant_attention_desc), sizeof(kvant_prefill_attention_desc),
        sizeof(kvant_work_times),     sizeof(kvant_range_desc),
        sizeof(kvant_ranks_desc),
    };
    return sizes[which];
}

static kvant_status plan_into(kvant_cache_bytes *bytes)
{
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    desc.layers = 1;
    desc.q_heads = desc.kv_heads = 1;
    desc.k_dim = 8;
    desc.prefill_tokens = 4;
    return kvant_cache_plan(&desc, bytes);
}

/* Calls with the descriptor at `memory`. Pointers inside it are whatever the input says, so a call that
 * would follow them is made with another size only. */
static kvant_status make_call(call which, void *memory)
{
    kvant_context *context = NULL;
    kvant_cache *cache = NULL;
    kvant_cache_bytes bytes = KVANT_CACHE_BYTES_INIT;
    kvant_status status = KVANT_OK;
    switch (which) {
    case CONTEXT:
        status = kvant_context_create(memory, &context);
        FUZZ_CHECK(context == NULL);
        return status;
    case INFO:
        return kvant_context_device(open_host(), memory);
    case STATS:
        return kvant_context_get_stats(open_host(), memory);
    case RECIPE:
        return kvant_recipe_check(memory);
    case PLAN:
        return kvant_cache_plan(memory, &bytes);
    case PLAN_BYTES:
        return plan_into(memory);
    case CREATE:
        status = kvant_cache_create(open_host(), memory, &cache);
        FUZZ_CHECK((status == KVANT_OK) == (cache != NULL));
        kvant_cache_destroy(cache);
        return status;
    case QUANTIZE:
        return kvant_quantize(open_host(), memory);
    case SALIENCY:
        return kvant_saliency(open_host(), memory);
    case SELECT:
        return kvant_select(open_host(), memory);
    case ATTENTION:
        return kvant_attention(open_host(), memory);
    case WORK_TIMES:
        return kvant_context_work_times(open_host(), memory);
    case RANGE:
        return kvant_range(open_host(), memory);
    case RANKS:
        return kvant_add_ranks(open_host(), memory);
    default:
        return kvant_prefill_attention(open_host(), memory);
    }
}

/* Without pointers, and without much to allocate. */
static int is_harmless(call which, const void *memory)
{
    if (which == CREATE) {
        kvant_cache_bytes bytes = KVANT_CACHE_BYTES_INIT;
        return kvant_cache_plan(memory, &bytes) != KVANT_OK || bytes.bytes < 1u << 20;
    }
    return which == INFO || which == STATS || which == RECIPE || which == PLAN ||
           which == PLAN_BYTES || which == WORK_TIMES;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEADER) {
        return 0;
    }
    call which = (call)(data[0] % CALLS);
    size_t claimed = ((size_t)data[1] | (size_t)data[2] << 8) % MOST;
    size_t right = right_size(which);
    /* Exactly as many bytes as it claims, and its struct_size: a read past them is seen. */
    size_t held = claimed > sizeof(size_t) ? claimed : sizeof(size_t);
    uint8_t *memory = calloc(1, held);
    FUZZ_CHECK(memory != NULL);
    size_t copied = size - HEADER < held ? size - HEADER : held;
    memcpy(memory, data + HEADER, copied);
    memcpy(memory, &claimed, sizeof claimed);
    if (claimed != right) {
        FUZZ_CHECK(make_call(which, memory) == KVANT_ERROR_INVALID_ARGUMENT);
        FUZZ_CHECK(strstr(kvant_last_message(), "struct_size") != NULL);
    } else if (is_harmless(which, memory)) {
        kvant_status status = make_call(which, memory);
        FUZZ_CHECK(status == KVANT_OK || kvant_last_message()[0] != '\0');
    }
    free(memory);
    return 0;
}
