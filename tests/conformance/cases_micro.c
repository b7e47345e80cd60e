/* SPDX-License-Identifier: MIT
 *
 * Micro-tests below the kernels: every element of the 16-bit types as the kernels read it, codes of
 * every width at every place of a word, and what the lanes of a work-group tell each other through
 * shared memory, barriers, atomics and, where a backend uses them, the operations of a warp.
 */
#include "cases.h"
#include "oracle.h"

static const kv_u32 *launch(kvant_trial *t, kv_u32 operation, kvant_trial_buffer *input,
                            uint32_t count)
{
    kvant_trial_buffer *output = kvant_trial_add_buffer_without_guard(t);
    kvant_trial_region(t, output, count);
    kv_arithmetic_params p = {.operation = operation, .count = count};
    kvant_trial_launch(t, KVANT_KERNEL_arithmetic, &p, (kvant_trial_buffer *[]){input, output});
    return output->words;
}

/* ---- elements ------------------------------------------------------------------------------ */

typedef struct {
    kv_u32 operation;
    kv_u32 dtype;
} element_case;

/* Whether moving the bits through a float may change them on a device. */
static int is_fragile(kv_u32 half, kv_u32 dtype)
{
    if (dtype == KV_DTYPE_F16) {
        return (half & 0x7fffu) > 0x7c00u;
    }
    return (half & 0x7fffu) > 0x7f80u || ((half & 0x7f80u) == 0u && (half & 0x7fu) != 0u);
}

/* All 65,536 patterns, in the low and in the high half of a word. What a device may do with a NaN
 * or a subnormal float shows as a number in ELEMENT, so there 1 stands for them; CACHE_HALF has one
 * result for these too. */
static void run_elements(kvant_trial *t, const void *data)
{
    const element_case *c = data;
    const uint32_t count = 2u * 65536u;
    kvant_trial_buffer *input = kvant_trial_add_buffer_without_guard(t);
    kvant_trial_region(t, input, 4u * count);
    for (uint32_t i = 0; i < count; i++) {
        kv_u32 half = i / 2u;
        if (c->operation == KV_ARITHMETIC_ELEMENT && is_fragile(half, c->dtype)) {
            half = c->dtype == KV_DTYPE_F16 ? 0x3c00u : 0x3f80u;
        }
        input->words[4u * i] = i % 2u != 0u ? half << 16 | 0x5555u : half | 0xaaaa0000u;
        input->words[4u * i + 1u] = i;
        input->words[4u * i + 2u] = c->dtype;
        input->words[4u * i + 3u] = 0u;
    }
    const kv_u32 *got = launch(t, c->operation, input, count);
    for (uint32_t i = 0; i < count; i++) {
        double x = oracle_element(&input->words[4u * i], i % 2u, c->dtype);
        float value = (float)x;
        kv_u32 expected = c->operation == KV_ARITHMETIC_ELEMENT
                              ? kv_bits(value)
                              : oracle_half_bits(oracle_cache_value(x));
        if (c->operation == KV_ARITHMETIC_CACHE_HALF && expected == 0x8000u) {
            expected = 0u; /* the cache has no negative zero */
        }
        if (got[i] != expected) {
            kvant_trial_fail(t, "%s element 0x%04x: expected 0x%08x, got 0x%08x",
                             kvant_dtype_name(c->dtype), i / 2u, expected, got[i]);
        }
    }
}

static void emit_elements(kvant_case_sink *sink)
{
    for (kv_u32 dtype = KV_DTYPE_F16; dtype <= KV_DTYPE_BF16; dtype++) {
        element_case c = {KV_ARITHMETIC_ELEMENT, dtype};
        kvant_emit(sink, 1, run_elements, &c, "arithmetic/element/%s/all", kvant_dtype_name(dtype));
        c.operation = KV_ARITHMETIC_CACHE_HALF;
        kvant_emit(sink, 1, run_elements, &c, "arithmetic/cache-half/%s/all",
                   kvant_dtype_name(dtype));
    }
}

/* ---- codes --------------------------------------------------------------------------------- */

typedef struct {
    kv_u32 width;    /* 2 << width bits */
    kv_u32 is_value; /* 0 or 1 */
} code_case;

/* Every code at every place of a word: packed into a word that holds others, then taken out. */
static void run_codes(kvant_trial *t, const void *data)
{
    const code_case *c = data;
    const uint32_t bits = 2u << c->width;
    const uint32_t places = 8u * 8u; /* tokens x channels, at least one whole word of each width */
    const uint32_t count = places << bits;
    kvant_trial_buffer *input = kvant_trial_add_buffer_without_guard(t);
    kvant_trial_region(t, input, 4u * count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = i % places;
        uint32_t token = place / 8u + 8u * kvant_random_below(&t->random, 1000u);
        uint32_t channel = place % 8u + 8u * kvant_random_below(&t->random, 32u);
        input->words[4u * i] = i / places;
        input->words[4u * i + 1u] = token | channel << 16;
        input->words[4u * i + 2u] = c->width | c->is_value << 8;
        input->words[4u * i + 3u] = (kv_u32)(kvant_random(&t->random) >> 32);
    }
    const kv_u32 *packed = launch(t, KV_ARITHMETIC_PACK, input, count);
    for (uint32_t i = 0; i < count; i++) {
        input->words[4u * i + 3u] = packed[i];
    }
    input->is_dirty = 1;
    const kv_u32 *codes = launch(t, KV_ARITHMETIC_UNPACK, input, count);
    for (uint32_t i = 0; i < count; i++) {
        if (codes[i] != i / places) {
            kvant_trial_fail(t, "code %u of %u bits at token %u, channel %u comes back as %u",
                             i / places, bits, input->words[4u * i + 1u] & 0xffffu,
                             input->words[4u * i + 1u] >> 16, codes[i]);
        }
        input->words[4u * i + 3u] = 8u * (1u + i % 32u); /* the dimension */
    }
    input->is_dirty = 1;
    launch(t, KV_ARITHMETIC_CODE_WORD, input, count);
}

static void emit_codes(kvant_case_sink *sink)
{
    for (kv_u32 width = 0; width < 3u; width++) {
        for (kv_u32 is_value = 0; is_value < 2u; is_value++) {
            code_case c = {width, is_value};
            kvant_emit(sink, 1, run_codes, &c, "arithmetic/codes/%s/int%u/all",
                       is_value != 0u ? "v" : "k", 2u << width);
        }
    }
}

/* ---- lanes --------------------------------------------------------------------------------- */

static void run_exchange(kvant_trial *t, const void *data)
{
    kv_exchange_params p = *(const kv_exchange_params *)data;
    kvant_trial_buffer *input = kvant_trial_add_buffer(t);
    kvant_trial_buffer *output = kvant_trial_add_buffer(t);
    p.input_offset = kvant_trial_region(t, input, p.groups * KV_EXCHANGE_SLOTS);
    p.output_offset = kvant_trial_region(t, output, p.groups * KV_EXCHANGE_WORDS);
    p.totals_offset = kvant_trial_region(t, output, 3u);
    for (uint32_t i = 0; i < p.groups * KV_EXCHANGE_SLOTS; i++) {
        input->words[p.input_offset + i] = (kv_u32)(kvant_random(&t->random) >> 32);
    }
    kvant_trial_fill(output, p.totals_offset, 1u, 0xffffffffu);
    kvant_trial_fill(output, p.totals_offset + 1u, 2u, 0u);
    kvant_trial_launch(t, KVANT_KERNEL_exchange, &p, (kvant_trial_buffer *[]){input, output});
}

static void emit_exchange(kvant_case_sink *sink)
{
    static const kv_u32 shapes[][2] = {{1, 0}, {1, 1}, {3, 2}, {64, 7}, {5, 40}, {700, 3}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        kv_exchange_params p = {.groups = shapes[i][0], .rounds = shapes[i][1]};
        kvant_emit(sink, 1, run_exchange, &p, "exchange/groups%u/rounds%u", p.groups, p.rounds);
    }
}

void kvant_cases_micro(kvant_case_sink *sink)
{
    emit_elements(sink);
    emit_codes(sink);
    emit_exchange(sink);
}
