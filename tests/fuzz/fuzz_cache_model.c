/* SPDX-License-Identifier: MIT */
#include "fuzz_cache_model.h"

#include <math.h>

#include "fuzz_check.h"

enum { MOST_DIM = 32 };

/* What can be said of a stream's numbers, and so of the error. */
typedef enum {
    NOISE,   /* independent, of one size: errors average out as the numbers do */
    MIXED,   /* also constants and tiny ones: errors may all be alike, but not large */
    WILD,    /* up to the largest half: codes may turn any weight over, an average stays one */
    DAMAGED, /* replaced by the cache */
} trust;

static const double largest_tame = 4.0;
/* Of numbers near the least half, parameters are as coarse as the numbers: 1e-5 was seen. */
static const double tiny_numbers = 1e-4;

/* The low half of `kind` says which numbers, the high half varies them. */
float fuzz_value(uint32_t kind, literal_tensor tensor, uint32_t i)
{
    uint32_t x = (i + 1u) * 2654435761u + (kind >> 4) * 40503u + (uint32_t)tensor * 97u;
    x ^= x >> 15;
    float unit = (float)(int32_t)(x * 2246822519u) * (1.0f / 2147483648.0f);
    switch (kind & 15u) {
    case 0:
        return 0.0f;
    case 1:
        return tensor == LITERAL_Q ? -0.375f : -1.5f;
    case 2:
        return unit * 65504.0f;
    case 3:
        return unit * 1e-7f;
    case 4:
        return i % 7u == 3u ? unit * 3000.0f : unit;
    case 5:
        return x & 1u ? 65504.0f : -65504.0f;
    case 6:
        return i % 11u == 0 ? 65519.0f : unit; /* still rounds to a half */
    default: /* a half holds them exactly; queries that leave weight to every token */
        return rintf(unit * (tensor == LITERAL_Q ? 16.0f : 64.0f)) / 16.0f;
    }
}

int fuzz_is_damaged(uint32_t kind)
{
    return (kind & 15u) >= 13u;
}

static trust trust_of_kind(uint32_t kind)
{
    static const trust of[16] = {MIXED, MIXED, WILD,  MIXED, WILD,  WILD,    WILD,    NOISE,
                                 NOISE, NOISE, NOISE, NOISE, NOISE, DAMAGED, DAMAGED, DAMAGED};
    return of[kind & 15u];
}

static trust trust_of(const fuzz_attend *attend, const fuzz_stream *stream)
{
    trust worst = trust_of_kind(attend->query_kind) == WILD ? WILD : NOISE;
    for (uint32_t i = 0; i < stream->length; i++) {
        trust t = trust_of_kind(stream->kinds[i]);
        worst = t > worst ? t : worst;
    }
    return worst;
}

static double value_of(const void *self, literal_tensor tensor, uint32_t sequence, uint32_t token,
                       uint32_t head, uint32_t channel)
{
    const fuzz_attend *attend = self;
    const kvant_cache_desc *desc = attend->desc;
    const fuzz_stream *stream = &attend->streams[sequence];
    if (tensor == LITERAL_Q) { /* the last query is the last token's */
        uint32_t row = sequence * attend->queries + token + attend->queries - stream->length;
        uint32_t i = (row * desc->q_heads + head) * desc->k_dim + channel;
        return (double)fuzz_value(attend->query_kind, tensor, i);
    }
    uint32_t dim = tensor == LITERAL_K ? desc->k_dim : desc->v_dim;
    uint32_t kind = stream->kinds[token] ^ (tensor == LITERAL_V ? 16u : 0u);
    uint32_t i = (token * desc->kv_heads + head) * dim + channel;
    return (double)fuzz_value(kind, tensor, i);
}

static double largest_value(const fuzz_attend *attend, uint32_t sequence)
{
    const kvant_cache_desc *desc = attend->desc;
    double largest = 0.0;
    for (uint32_t token = 0; token < attend->streams[sequence].length; token++) {
        for (uint32_t head = 0; head < desc->kv_heads; head++) {
            for (uint32_t c = 0; c < desc->v_dim; c++) {
                double x = value_of(attend, LITERAL_V, sequence, token, head, c);
                largest = fmax(largest, fabs(x));
            }
        }
    }
    return largest;
}

/* The power of one output number that an error is measured by: of noise, what such an average has
 * (weights as literal_attend leaves them); of others, that of the largest number. */
static double floor_of(trust t, const double *weights, uint32_t tokens)
{
    double sum = 0.0;
    double squares = 0.0;
    for (uint32_t i = 0; i < tokens; i++) {
        sum += weights[i];
        squares += weights[i] * weights[i];
    }
    double noise = largest_tame * largest_tame / 3.0 * squares / (sum * sum);
    return t == NOISE ? noise : largest_tame * largest_tame;
}

static void compare_sequence(const fuzz_attend *attend, const literal_model *model,
                             uint32_t sequence, const float *outputs, const float *lse)
{
    const kvant_cache_desc *desc = attend->desc;
    const uint32_t length = attend->streams[sequence].length;
    const trust t = trust_of(attend, &attend->streams[sequence]);
    if (t == DAMAGED) {
        return;
    }
    double weights[FUZZ_MOST_LENGTH];
    double expected[MOST_DIM];
    double error = 0.0;
    double power = 0.0;
    double reach = t == WILD ? 2.01 * largest_value(attend, sequence) + tiny_numbers : 0.0;
    for (uint32_t row = 0; row < attend->queries; row++) {
        const uint32_t token = length - attend->queries + row;
        for (uint32_t head = 0; head < desc->q_heads; head++) {
            double log_sum = literal_attend(model, sequence, token, head, weights, expected);
            double least = floor_of(t, weights, token + 1u);
            for (uint32_t c = 0; c < desc->v_dim; c++) {
                double difference = (double)*outputs++ - expected[c];
                FUZZ_CHECK(t != WILD || fabs(difference) <= reach);
                error += difference * difference;
                power += expected[c] * expected[c] + least;
            }
            if (lse != NULL && t != WILD) {
                double got = (double)lse[head * attend->queries + row];
                FUZZ_CHECK(fabs(got - log_sum) <= attend->recipe->lse);
            }
        }
    }
    FUZZ_CHECK(t == WILD || error <= attend->recipe->nmse * power);
}

void fuzz_compare(const fuzz_attend *attend, const float *outputs, const float *lse)
{
    const kvant_cache_desc *desc = attend->desc;
    const literal_model model = {desc->q_heads, desc->kv_heads, desc->k_dim, desc->v_dim,
                                 value_of,      attend,         NULL};
    const size_t rows = (size_t)attend->queries * desc->q_heads;
    for (uint32_t i = 0; i < attend->sequences; i++) {
        compare_sequence(attend, &model, i, outputs + i * rows * desc->v_dim,
                         lse == NULL ? NULL : lse + i * rows);
    }
}
