/* SPDX-License-Identifier: MIT
 *
 * Random tensors for the bench: Gaussian, never zeros.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_work.h"
#include "tool_random.h"

enum { TABLE_SIZE = 4096, PIECE_WORDS = 65536 };

/* A number of moderate size as half-precision bits, rounded towards zero. */
static uint16_t half_bits(double x)
{
    int exponent = 0;
    double fraction = frexp(fabs(x), &exponent); /* 0.5 .. 1 */
    if (fraction == 0.0 || exponent < -13) {
        return 0;
    }
    unsigned mantissa = (unsigned)(fraction * 2048.0) - 1024u;
    return (uint16_t)((x < 0.0 ? 0x8000u : 0u) | (unsigned)(exponent + 14) << 10 | mantissa);
}

/* Draws from a normal distribution, to choose among. */
static void fill_table(uint16_t *table, uint64_t *state)
{
    for (int i = 0; i < TABLE_SIZE; i++) {
        double u = ((double)(tool_random_next(state) >> 11) + 1.0) * 0x1p-53;
        double angle = (double)(tool_random_next(state) >> 11) * 0x1p-53 * 6.283185307179586;
        table[i] = half_bits(sqrt(-2.0 * log(u)) * cos(angle));
    }
}

static int fill_random(kvant_buffer *buffer, const uint16_t *table, uint64_t *state,
                       tool_error *error)
{
    uint32_t *words = malloc(PIECE_WORDS * sizeof *words);
    if (words == NULL) {
        return tool_error_memory(error);
    }
    uint64_t size = kvant_buffer_size(buffer);
    kvant_status status = KVANT_OK;
    for (uint64_t at = 0; at < size && status == KVANT_OK;) {
        uint64_t bytes = size - at < PIECE_WORDS * 4u ? size - at : PIECE_WORDS * 4u;
        for (uint64_t i = 0; i < bytes / 4u; i++) {
            uint64_t random = tool_random_next(state);
            words[i] = (uint32_t)table[random % TABLE_SIZE] |
                       (uint32_t)table[(random >> 32) % TABLE_SIZE] << 16;
        }
        status = kvant_buffer_write(buffer, at, words, bytes);
        at += bytes;
    }
    free(words);
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "random data");
}

static int create(kvant_context *context, uint64_t elements, const uint16_t *table, uint64_t *state,
                  kvant_tensor *out_tensor, tool_error *error)
{
    *out_tensor = (kvant_tensor){NULL, KVANT_F16, 0, 0, 0, 0, 0};
    kvant_status status = kvant_buffer_create(context, elements * 2u, &out_tensor->buffer);
    if (status != KVANT_OK) {
        return tool_error_library(error, status, "no memory for the inputs");
    }
    return table != NULL ? fill_random(out_tensor->buffer, table, state, error) : 0;
}

/* The first turn is random, the others are copies of it. */
static int create_turns(kvant_context *context, uint64_t elements, uint32_t turns,
                        const uint16_t *table, uint64_t *state, kvant_tensor *out_tensor,
                        tool_error *error)
{
    kvant_tensor first;
    if (create(context, elements, table, state, &first, error) != 0) {
        kvant_buffer_destroy(first.buffer);
        return -1;
    }
    if (turns == 1u) {
        *out_tensor = first;
        return 0;
    }
    int result = create(context, elements * turns, NULL, state, out_tensor, error);
    kvant_status status = KVANT_OK;
    for (uint32_t turn = 0; turn < turns && result == 0 && status == KVANT_OK; turn++) {
        status = kvant_buffer_copy(first.buffer, 0, out_tensor->buffer, turn * elements * 2u,
                                   elements * 2u);
    }
    kvant_buffer_destroy(first.buffer);
    return status == KVANT_OK ? result : tool_error_library(error, status, "random data");
}

static uint32_t count_turns(kvant_context *context, uint64_t k_bytes, uint64_t v_bytes,
                            uint64_t beyond)
{
    kvant_device_info info = KVANT_DEVICE_INFO_INIT;
    if (kvant_context_device(context, &info) != KVANT_OK) {
        return 1;
    }
    uint64_t larger = k_bytes > v_bytes ? k_bytes : v_bytes;
    uint64_t turns = (beyond + k_bytes + v_bytes - 1u) / (k_bytes + v_bytes);
    if (info.max_buffer_bytes != 0u && turns > info.max_buffer_bytes / larger) {
        turns = info.max_buffer_bytes / larger;
    }
    return turns < 1u ? 1u : turns > 1024u ? 1024u : (uint32_t)turns;
}

int bench_data_create(kvant_context *context, const bench_shape *shape, uint64_t beyond,
                      uint64_t seed, bench_data *out_data, tool_error *error)
{
    memset(out_data, 0, sizeof *out_data);
    uint64_t state = seed;
    uint16_t *table = malloc(TABLE_SIZE * sizeof *table);
    if (table == NULL) {
        return tool_error_memory(error);
    }
    fill_table(table, &state);
    uint64_t tokens = shape->tokens;
    uint64_t q_tokens = tokens > shape->batch ? tokens : shape->batch;
    uint64_t k = tokens * shape->kv_heads * shape->k_dim;
    uint64_t v = tokens * shape->kv_heads * shape->v_dim;
    out_data->turns = count_turns(context, 2u * k, 2u * v, beyond);
    int result = create_turns(context, k, out_data->turns, table, &state, &out_data->k, error);
    if (result == 0) {
        result = create_turns(context, v, out_data->turns, table, &state, &out_data->v, error);
    }
    if (result == 0) {
        result = create(context, q_tokens * shape->q_heads * shape->k_dim, table, &state,
                        &out_data->q, error);
    }
    if (result == 0) {
        result = create(context, q_tokens * shape->q_heads * shape->v_dim, NULL, &state,
                        &out_data->out, error);
    }
    free(table);
    if (result != 0) {
        bench_data_release(out_data);
    }
    return result;
}

kvant_tensor bench_data_turn(const kvant_tensor *tensor, const bench_shape *shape, uint32_t dim,
                             uint32_t turn)
{
    kvant_tensor one = *tensor;
    one.offset += (uint64_t)turn * shape->tokens * shape->kv_heads * dim;
    return one;
}

void bench_data_release(bench_data *data)
{
    kvant_buffer_destroy(data->k.buffer);
    kvant_buffer_destroy(data->v.buffer);
    kvant_buffer_destroy(data->q.buffer);
    kvant_buffer_destroy(data->out.buffer);
    memset(data, 0, sizeof *data);
}

int bench_data_check_out(const bench_data *data, const bench_shape *shape, uint32_t rows,
                         tool_error *error)
{
    uint64_t count = (uint64_t)rows * shape->q_heads * shape->v_dim;
    uint16_t *halves = malloc((size_t)count * sizeof *halves);
    if (halves == NULL) {
        return tool_error_memory(error);
    }
    kvant_status status = kvant_buffer_read(data->out.buffer, 0, halves, count * sizeof *halves);
    uint64_t bad = 0;
    uint64_t zeros = 0;
    for (uint64_t i = 0; i < count && status == KVANT_OK; i++) {
        bad += (halves[i] & 0x7c00u) == 0x7c00u;
        zeros += (halves[i] & 0x7fffu) == 0u;
    }
    free(halves);
    if (status != KVANT_OK) {
        return tool_error_library(error, status, "the output cannot be read");
    }
    if (bad != 0u || zeros == count) {
        snprintf(error->text, sizeof error->text,
                 "the output is wrong: %llu of %llu numbers are not finite, %llu are zero",
                 (unsigned long long)bad, (unsigned long long)count, (unsigned long long)zeros);
        error->code = TOOL_CHECK_FAILED;
        return -1;
    }
    return 0;
}
