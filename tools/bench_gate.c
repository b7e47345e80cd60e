/* SPDX-License-Identifier: MIT
 *
 * Before anything is timed: the operation leaves on the device what it leaves on the scalar
 * reference, for random data that no run has seen before.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_work.h"

/* Of outputs that are not exact; half-precision rounding alone makes 6e-8. */
#define MOST_NMSE 1e-6
/* Of one number, against it and the root mean square of all. */
#define MOST_DEVIATION 0x1p-9

typedef struct {
    bench_data data;
    bench_operation operation;
} gate_side;

static uint32_t lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Every class has tokens, and no more than that. */
static bench_shape small_shape(const kvant_recipe *recipe, const bench_shape *shape)
{
    bench_shape small = *shape;
    uint32_t group = recipe->k.group_length > recipe->v.group_length ? recipe->k.group_length
                                                                     : recipe->v.group_length;
    small.batch = lesser(shape->batch, 2);
    small.kv_heads = lesser(shape->kv_heads, 2);
    small.q_heads = shape->q_heads / shape->kv_heads * small.kv_heads;
    small.tokens = lesser(shape->tokens, recipe->sinks + recipe->window + 2u * group + 72u);
    small.layers = 1;
    return small;
}

static int fail(tool_error *error, const bench_kind *kind, const char *what, const char *how)
{
    snprintf(error->text, sizeof error->text,
             "%s is wrong, so it is not timed: %s of fresh random data %s the host reference's",
             kind->name, what, how);
    error->code = TOOL_CHECK_FAILED;
    return -1;
}

static int run_side(gate_side *side, kvant_context *context, const bench_kind *kind,
                    const kvant_recipe *recipe, const bench_shape *shape, uint64_t seed,
                    tool_error *error)
{
    bench_operation *o = &side->operation;
    if (bench_data_create(context, shape, 0, seed, &side->data, error) != 0) {
        return -1;
    }
    o->context = context;
    o->kind = kind;
    o->shape = shape;
    o->data = &side->data;
    o->recipe = *recipe;
    uint32_t runs = kind->is_step ? recipe->period + 2u : 1u;
    o->steps = runs;
    int result = bench_operation_prepare(o, error);
    kvant_status status = result == 0 && o->reset != NULL ? o->reset(o) : KVANT_OK;
    for (uint32_t i = 0; i < runs && result == 0 && status == KVANT_OK; i++) {
        status = o->run(o);
    }
    return status == KVANT_OK ? result : tool_error_library(error, status, kind->name);
}

static double from_half(uint16_t half)
{
    int exponent = half >> 10 & 31;
    double mantissa = half & 1023;
    double x = exponent == 31  ? NAN
               : exponent == 0 ? ldexp(mantissa, -24)
                               : ldexp(mantissa + 1024.0, exponent - 25);
    return (half & 0x8000u) != 0u ? -x : x;
}

static int is_near(const uint16_t *a, const uint16_t *b, uint64_t count)
{
    double error = 0.0;
    double power = 0.0;
    for (uint64_t i = 0; i < count; i++) {
        double x = from_half(a[i]);
        double y = from_half(b[i]);
        error += (x - y) * (x - y);
        power += y * y;
    }
    int is_within = error <= MOST_NMSE * power; /* false where a number is none */
    double typical = sqrt(power / (double)count);
    for (uint64_t i = 0; i < count && is_within; i++) {
        double y = from_half(b[i]);
        is_within = fabs(from_half(a[i]) - y) <= MOST_DEVIATION * (fabs(y) + typical);
    }
    return is_within;
}

static int compare_output(const bench_output *a, const bench_output *b, const bench_kind *kind,
                          tool_error *error)
{
    uint16_t *halves[2] = {malloc((size_t)a->bytes), malloc((size_t)a->bytes)};
    if (halves[0] == NULL || halves[1] == NULL) {
        free(halves[0]);
        free(halves[1]);
        return tool_error_memory(error);
    }
    int result = 0;
    kvant_status status = kvant_buffer_read(a->buffer, 0, halves[0], a->bytes);
    if (status == KVANT_OK) {
        status = kvant_buffer_read(b->buffer, 0, halves[1], a->bytes);
    }
    if (status != KVANT_OK) {
        result = tool_error_library(error, status, kind->name);
    } else if (a->is_bounded && !is_near(halves[0], halves[1], a->bytes / 2u)) {
        result = fail(error, kind, a->what, "differ by more than the bound from");
    } else if (!a->is_bounded && memcmp(halves[0], halves[1], a->bytes) != 0) {
        result = fail(error, kind, a->what, "are not, bit for bit,");
    }
    free(halves[0]);
    free(halves[1]);
    return result;
}

static int compare_caches(kvant_cache *a, kvant_cache *b, const bench_kind *kind, tool_error *error)
{
    uint64_t digests[2] = {0, 0};
    kvant_status status = kvant_cache_digest(a, &digests[0]);
    if (status == KVANT_OK) {
        status = kvant_cache_digest(b, &digests[1]);
    }
    if (status != KVANT_OK) {
        return tool_error_library(error, status, kind->name);
    }
    return digests[0] == digests[1] ? 0 : fail(error, kind, "the bytes of the cache", "are not");
}

int bench_gate(kvant_context *device, kvant_context *reference, const bench_kind *kind,
               const kvant_recipe *recipe, const bench_shape *shape, uint64_t seed,
               tool_error *error)
{
    bench_shape small = small_shape(recipe, shape);
    gate_side sides[2];
    memset(sides, 0, sizeof sides);
    int result = run_side(&sides[0], device, kind, recipe, &small, seed, error);
    if (result == 0) {
        result = run_side(&sides[1], reference, kind, recipe, &small, seed, error);
    }
    const bench_operation *a = &sides[0].operation;
    const bench_operation *b = &sides[1].operation;
    if (result == 0 && a->cache != NULL) {
        result = compare_caches(a->cache, b->cache, kind, error);
    }
    for (size_t i = 0; i < a->output_count && result == 0; i++) {
        result = compare_output(&a->outputs[i], &b->outputs[i], kind, error);
    }
    for (int i = 0; i < 2; i++) {
        bench_operation_release(&sides[i].operation);
        bench_data_release(&sides[i].data);
    }
    return result;
}
