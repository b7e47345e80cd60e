/* SPDX-License-Identifier: MIT
 *
 * Inputs of the conformance cases: random numbers, kinds of data, tensors in all layouts.
 */
#include "inputs.h"

const char *kvant_input_name(kvant_input_kind kind)
{
    static const char *const names[] = {
#define KVANT_INPUT_TEXT(symbol, name) name,
        KVANT_INPUT_KINDS(KVANT_INPUT_TEXT)
#undef KVANT_INPUT_TEXT
    };
    return names[kind];
}

const char *kvant_view_name(kvant_view_kind kind)
{
    static const char *const names[] = {
#define KVANT_VIEW_TEXT(symbol, name) name,
        KVANT_VIEW_KINDS(KVANT_VIEW_TEXT)
#undef KVANT_VIEW_TEXT
    };
    return names[kind];
}

const char *kvant_dtype_name(kv_u32 dtype)
{
    return dtype == KV_DTYPE_F32 ? "f32" : dtype == KV_DTYPE_BF16 ? "bf16" : "f16";
}

/* ---- random numbers ------------------------------------------------------------------------ */

/* splitmix64 */
uint64_t kvant_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t kvant_random_below(uint64_t *state, uint32_t bound)
{
    return (uint32_t)(((kvant_random(state) >> 32) * bound) >> 32);
}

float kvant_random_unit(uint64_t *state)
{
    return (float)(kvant_random(state) >> 40) * 0x1p-24f;
}

/* The sum of twelve uniform numbers: no library function, so the same everywhere. */
float kvant_random_normal(uint64_t *state)
{
    uint32_t sum = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t r = kvant_random(state);
        for (int j = 0; j < 4; j++) {
            sum += (uint32_t)(r >> (16 * j)) & 0xffffu;
        }
    }
    return (float)((int32_t)sum - 6 * 65536) * 0x1p-16f;
}

/* ---- values -------------------------------------------------------------------------------- */

static float special_value(uint64_t *state)
{
    static const uint32_t bits[] = {
        0x7fc00000u,              /* NaN */
        0xffc00001u, 0x7f800000u, /* infinity */
        0xff800000u, 0x477fe000u, /* 65504 */
        0xc77fe000u, 0x477fefffu, /* just below 65520 */
        0x477ff000u,              /* 65520: rounds to infinity */
        0xc77ff000u, 0x47800000u, 0x7f7fffffu, 0xff7fffffu, 0x00000001u, 0x80000000u,
    };
    uint32_t i = kvant_random_below(state, 4u * sizeof bits / sizeof bits[0]);
    if (i < sizeof bits / sizeof bits[0]) {
        return kv_float(bits[i]);
    }
    return kvant_random_normal(state);
}

static float small_value(uint64_t *state, kvant_input_kind kind)
{
    switch (kind) {
    case KVANT_INPUT_TINY_SCALE:
        return kvant_random_normal(state) * 1e-7f;
    case KVANT_INPUT_SUBNORMAL:
        if (kvant_random_below(state, 4u) == 0u) {
            return kv_float((uint32_t)(kvant_random(state) >> 32) & 0x807fffffu);
        }
        return (float)((int32_t)kvant_random_below(state, 2047u) - 1023) * 0x1p-24f;
    default: { /* zeros of both signs */
        static const float values[] = {-0.0f, 0.0f, -1e-9f, 1e-9f, -0x1p-25f, 0x1p-25f, 1.0f};
        return values[kvant_random_below(state, 7u)];
    }
    }
}

float kvant_input_value(uint64_t *state, kvant_input_kind kind, uint32_t token, uint32_t channel)
{
    switch (kind) {
    case KVANT_INPUT_OUTLIERS:
        return kvant_random_normal(state) * (channel % 16u == 5u ? 30.0f : 1.0f) +
               (channel % 16u == 5u ? 20.0f : 0.0f);
    case KVANT_INPUT_CONSTANT:
        return 0.37f * (float)((int32_t)(channel % 7u) - 3);
    case KVANT_INPUT_LEVEL:
        return 0.41f * (float)((int32_t)(token % 5u) - 2);
    case KVANT_INPUT_ZERO:
        return 0.0f;
    case KVANT_INPUT_ONE_SIDED:
        return 5.0f + kvant_random_unit(state);
    case KVANT_INPUT_HUGE_SCALE:
        return (kvant_random_unit(state) * 2.0f - 1.0f) * 6e4f;
    case KVANT_INPUT_TINY_SCALE:
    case KVANT_INPUT_SUBNORMAL:
    case KVANT_INPUT_NEGATIVE_ZERO:
        return small_value(state, kind);
    case KVANT_INPUT_SPECIAL:
        return special_value(state);
    default:
        return kvant_random_normal(state);
    }
}

/* ---- tensors ------------------------------------------------------------------------------- */

static kv_u32 to_bf16(float x)
{
    kv_u32 bits = kv_bits(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        return (bits >> 16) | 0x40u;
    }
    return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}

void kvant_store_element(kv_u32 *words, kv_u32 i, kv_u32 dtype, float x)
{
    if (dtype == KV_DTYPE_F32) {
        words[i] = kv_bits(x);
        return;
    }
    kv_store_half(words, 0, i, dtype == KV_DTYPE_BF16 ? to_bf16(x) : kv_f32_to_f16(x));
}

/* The strides of the layout, and in *elements the length of the whole tensor. */
static kv_view describe(kvant_view_kind layout, kv_u32 dtype, uint32_t rows, uint32_t heads,
                        uint32_t dim, uint32_t padding, uint32_t *elements)
{
    kv_view view = {.dtype = dtype, .wrap = KV_NO_OFFSET, .channel_stride = 1u};
    uint32_t tokens = rows;
    switch (layout) {
    case KVANT_VIEW_HEAD_MAJOR:
        view.token_stride = dim;
        view.head_stride = rows * dim;
        break;
    case KVANT_VIEW_TRANSPOSED:
        view.token_stride = 1u;
        view.channel_stride = rows;
        view.head_stride = rows * dim;
        break;
    case KVANT_VIEW_PADDED:
        view.first = 2u;
        tokens = rows + 2u;
        view.head_stride = dim + 6u + padding;
        view.token_stride = heads * view.head_stride + 4u + padding;
        break;
    case KVANT_VIEW_RING:
        tokens = rows + 3u;
        view.wrap = tokens;
        view.first = tokens - (rows + 1u) / 2u;
        view.head_stride = dim;
        view.token_stride = heads * dim;
        break;
    default:
        view.head_stride = dim;
        view.token_stride = heads * dim;
        break;
    }
    *elements = (tokens - 1u) * view.token_stride + (heads - 1u) * view.head_stride +
                (dim - 1u) * view.channel_stride + 1u;
    return view;
}

#define OCTET                                                                                      \
    8u /* elements that kernels may read at once where all rows begin at multiples of it */

static kv_view add_view(kvant_trial *trial, kvant_trial_buffer *buffer, kvant_view_kind layout,
                        kv_u32 dtype, uint32_t rows, uint32_t heads, uint32_t dim, uint32_t padding)
{
    uint32_t elements = 0;
    kv_view view = describe(layout, dtype, rows, heads, dim, padding, &elements);
    uint32_t words = dtype == KV_DTYPE_F32 ? elements + padding : (elements + padding + 1u) / 2u;
    uint32_t base = kvant_trial_region(trial, buffer, words);
    view.offset = dtype == KV_DTYPE_F32 ? base : base * 2u;
    if (padding == OCTET) {
        view.offset = (view.offset + OCTET - 1u) / OCTET * OCTET;
    } else if (layout == KVANT_VIEW_PADDED) {
        view.offset += padding;
    }
    return view;
}

kv_view kvant_add_tensor(kvant_trial *trial, kvant_trial_buffer *buffer, kvant_view_kind layout,
                         kv_u32 dtype, uint32_t rows, uint32_t heads, uint32_t dim,
                         kvant_input_kind kind)
{
    /* not at an even element; not at 16 bytes; in octets */
    static const uint32_t paddings[] = {1u, 4u, OCTET};
    uint32_t padding = paddings[(rows + dim / 8u) % 3u];
    kv_view view = add_view(trial, buffer, layout, dtype, rows, heads, dim, padding);
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t head = 0; head < heads; head++) {
            for (uint32_t channel = 0; channel < dim; channel++) {
                kvant_store_element(buffer->words, kv_view_index(&view, row, head, channel), dtype,
                                    kvant_input_value(&trial->random, kind, row, channel + head));
            }
        }
    }
    buffer->is_dirty = 1;
    return view;
}

kv_view kvant_add_target(kvant_trial *trial, kvant_trial_buffer *buffer, kvant_view_kind layout,
                         kv_u32 dtype, uint32_t rows, uint32_t heads, uint32_t dim)
{
    return add_view(trial, buffer, layout, dtype, rows, heads, dim, 0u);
}
