/* SPDX-License-Identifier: MIT
 *
 * The independent oracle: formulas in double precision, shared with nothing.
 */
#include "oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ------------------------------------------------------------------------------- */

double oracle_half_value(uint32_t bits)
{
    int exponent = (int)((bits >> 10) & 31u);
    double fraction = (double)(bits & 1023u);
    double sign = (bits & 0x8000u) != 0u ? -1.0 : 1.0;
    if (exponent == 31) {
        return fraction != 0.0 ? (double)NAN : sign * (double)INFINITY;
    }
    if (exponent == 0) {
        return sign * ldexp(fraction, -24);
    }
    return sign * ldexp(1024.0 + fraction, exponent - 25);
}

uint32_t oracle_half_bits(double x)
{
    uint32_t sign = signbit(x) ? 0x8000u : 0u;
    double magnitude = fabs(x);
    if (isnan(x)) {
        return sign | 0x7e00u;
    }
    if (magnitude >= 65520.0) {
        return sign | 0x7c00u;
    }
    int exponent = -14;
    if (magnitude >= ldexp(1.0, -14)) {
        exponent = ilogb(magnitude);
    }
    /* units of the last place of that binade; nearbyint rounds ties to even */
    double units = nearbyint(ldexp(magnitude, 10 - exponent));
    uint32_t base = (uint32_t)(exponent + 14) << 10; /* a carry moves on by itself */
    return sign | (base + (uint32_t)units);
}

double oracle_cache_value(double x)
{
    if (isnan(x)) {
        return 0.0;
    }
    if (fabs(x) >= 65520.0) {
        return x < 0.0 ? -65504.0 : 65504.0;
    }
    return oracle_half_value(oracle_half_bits(x));
}

double oracle_query_value(double x)
{
    if (isnan(x) || fabs(x) < ldexp(1.0, -40)) {
        return 0.0;
    }
    double limit = ldexp(1.0, 30);
    return x > limit ? limit : x < -limit ? -limit : x;
}

double oracle_element(const uint32_t *words, uint64_t index, unsigned dtype)
{
    uint32_t bits;
    float value;
    if (dtype == 2u) {
        bits = words[index];
    } else {
        uint32_t half = (words[index / 2u] >> (index % 2u * 16u)) & 0xffffu;
        if (dtype == 0u) {
            return oracle_half_value(half);
        }
        bits = half << 16;
    }
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

double oracle_ulp(double x)
{
    int exponent = x != 0.0 ? ilogb(x) : -126;
    return ldexp(1.0, (exponent < -126 ? -126 : exponent) - 23);
}

uint32_t oracle_philox(const uint32_t key[2], const uint32_t counter[4])
{
    uint32_t k[2] = {key[0], key[1]};
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]};
    for (int round = 0; round < 10; round++) {
        uint64_t first = (uint64_t)c[0] * 0xD2511F53u;
        uint64_t second = (uint64_t)c[2] * 0xCD9E8D57u;
        uint32_t next[4] = {
            (uint32_t)(second >> 32) ^ c[1] ^ k[0],
            (uint32_t)second,
            (uint32_t)(first >> 32) ^ c[3] ^ k[1],
            (uint32_t)first,
        };
        memcpy(c, next, sizeof c);
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
    return c[0];
}

/* ---- stored tensors ------------------------------------------------------------------------ */

/* Number of the parameter group, as docs/format.md numbers them. */
static size_t group_number(const oracle_tensor *t, unsigned head, unsigned token, unsigned channel)
{
    size_t length = t->group_length;
    switch (t->grouping) {
    case ORACLE_TOKEN:
        return token;
    case ORACLE_TOKEN_HEAD:
        return (size_t)head * t->capacity + token;
    case ORACLE_TOKEN_CHANNELS: {
        size_t groups = (t->dim + length - 1u) / length;
        return ((size_t)head * t->capacity + token) * groups + channel / length;
    }
    case ORACLE_CHANNEL_TOKENS: {
        size_t blocks = (t->capacity + length - 1u) / length;
        return ((size_t)head * blocks + token / length) * t->dim + channel;
    }
    default:
        return (size_t)head * t->dim + channel;
    }
}

/* Four tokens have dim / 4 words of the low two bits, if there are three, and then dim / 8 words of single
 * bits: of K a byte is 4 tokens of a channel and the same of the channel 4 later; of V 8 channels of a token. */
static unsigned plane_code_of(const oracle_tensor *t, const uint32_t *head, unsigned token,
                              unsigned channel)
{
    const uint32_t *row = head + (size_t)(token / 4u) * t->dim * t->bits / 8u;
    unsigned code = 0u;
    unsigned byte = t->is_value ? token % 4u : channel % 4u;
    if (t->bits == 3u) {
        unsigned field = t->is_value ? channel % 4u : token % 4u;
        code = (row[channel / 4u] >> (8u * byte + 2u * field)) % 4u;
        row += t->dim / 4u;
    }
    unsigned bit = t->is_value ? channel % 8u : token % 4u + (channel % 8u >= 4u ? 4u : 0u);
    return code + ((row[channel / 8u] >> (8u * byte + bit)) % 2u << (t->bits - 1u));
}

/* A word holds, for K, 8/bits tokens x 4 channels, for V, 4 tokens x 8/bits channels. */
static unsigned code_of(const oracle_tensor *t, unsigned head, unsigned token, unsigned channel)
{
    size_t head_words = (size_t)t->capacity * t->dim * t->bits / 32u;
    if (t->bits % 2u != 0u) {
        return plane_code_of(t, t->codes + head * head_words, token, channel);
    }
    unsigned per_byte = 8u / t->bits;
    size_t word;
    unsigned byte;
    unsigned field;
    if (t->is_value) {
        word = (size_t)(token / 4u) * (t->dim / per_byte) + channel / per_byte;
        byte = token % 4u;
        field = channel % per_byte;
    } else {
        word = (size_t)(token / per_byte) * (t->dim / 4u) + channel / 4u;
        byte = channel % 4u;
        field = token % per_byte;
    }
    uint32_t bits = t->codes[head * head_words + word];
    return (bits >> (8u * byte + t->bits * field)) % (1u << t->bits);
}

/* NormalFloat as QLoRA publishes it and its quantiles for fewer levels, and E2M1. */
void oracle_codebook(unsigned codec, const uint32_t *learned, oracle_tensor *t)
{
    static const double nf4[16] = {
        -1.0,      -0.6961928, -0.525073, -0.3949174, -0.2844413, -0.1847734, -0.09105,  0.0,
        0.0795803, 0.1609301,  0.2461123, 0.3379151,  0.4407097,  0.5626169,  0.7229566, 1.0};
    static const double nf3[8] = {-1.0,      -0.4786291, -0.2171418, 0.0,
                                  0.1609301, 0.3379151,  0.5626169,  1.0};
    static const double nf2[4] = {-1.0, 0.0, 0.3379151, 1.0};
    static const double e2m1[8] = {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0};
    /* Lloyd-Max centroids above 0 for a normal distribution (Max, 1960) */
    static const double lloyd[3][8] = {
        {0.452780, 1.510418},
        {0.245094, 0.756005, 1.343909, 2.151946},
        {0.128395, 0.388048, 0.656759, 0.942340, 1.256231, 1.618046, 2.069017, 2.732590}};
    t->has_codebook = 1;
    if (codec == 25u || codec == 27u || codec == 29u) {
        t->bits = (codec - 21u) / 2u;
        t->is_symmetric = 1;
        int half = 1 << (t->bits - 1u);
        const double *centroids = lloyd[t->bits - 2u];
        for (int i = 0; i < half; i++) {
            double level = nearbyint(127.0 * centroids[i] / centroids[half - 1]);
            t->levels[half + i] = (unsigned)(128.0 + level);
            t->levels[half - 1 - i] = (unsigned)(128.0 - level);
        }
        return;
    }
    t->bits = codec <= 20u ? 4u : codec == 26u || codec == 28u ? 3u : 2u;
    t->is_symmetric = codec < 20u || codec == 24u || codec == 26u;
    for (int i = 0; i < 8 && codec == 26u; i++) {
        t->levels[i] = (unsigned)(128.0 + nearbyint(127.0 * nf3[i]));
    }
    for (int i = 0; i < 4 && codec == 24u; i++) {
        t->levels[i] = (unsigned)(128.0 + nearbyint(127.0 * nf2[i]));
    }
    for (int i = 0; !t->is_symmetric && i < 16; i++) {
        t->levels[i] = learned[i / 4] >> (8 * (i % 4)) & 255u;
    }
    if (codec >= 20u) {
        return;
    }
    for (int i = 0; i < 16; i++) {
        double level = codec == 16u ? nearbyint(127.0 * nf4[i])
                       : i >= 8     ? 16.0 * e2m1[i - 8]
                                    : -16.0 * e2m1[i == 0 ? 7 : 8 - i];
        t->levels[i] = (unsigned)(128.0 + level);
    }
}

oracle_stored oracle_read(const oracle_tensor *t, unsigned head, unsigned token, unsigned channel)
{
    oracle_stored s = {0.0, 0.0, 1.0, 0u, 0.0};
    if (t->bits == 16u) {
        s.value =
            oracle_element(t->codes, ((uint64_t)head * t->capacity + token) * t->dim + channel, 0u);
        return s;
    }
    uint32_t word = t->params[group_number(t, head, token, channel)];
    s.scale = oracle_half_value(word & 0xffffu);
    s.minimum = t->is_symmetric ? -128.0 * s.scale : oracle_half_value(word >> 16);
    s.code = code_of(t, head, token, channel);
    s.code = t->has_codebook ? t->levels[s.code] : s.code;
    if (t->channel_scale != NULL) {
        s.channel_scale = oracle_element(t->channel_scale, (uint64_t)head * t->dim + channel, 0u);
    }
    s.value = (s.code * s.scale + s.minimum) * s.channel_scale;
    return s;
}

int oracle_same_group(const oracle_tensor *t, const unsigned a[3], const unsigned b[3])
{
    int same_head = a[0] == b[0];
    int same_token = a[1] == b[1];
    int same_channel = a[2] == b[2];
    switch (t->grouping) {
    case ORACLE_TOKEN:
        return same_token;
    case ORACLE_TOKEN_HEAD:
        return same_token && same_head;
    case ORACLE_TOKEN_CHANNELS:
        return same_token && same_head && a[2] / t->group_length == b[2] / t->group_length;
    case ORACLE_CHANNEL_TOKENS:
        return same_channel && same_head && a[1] / t->group_length == b[1] / t->group_length;
    default:
        return same_channel && same_head;
    }
}

/* Operands are rounded to 16 bits of the largest of their chunk: half a unit, and a little for the
 * fp32 product that is rounded. Float terms are rounded to 22 bits, float sums to 24. */
#define OPERAND_ERROR (0.51 / 32767.0)
#define TERM_ERROR (0.51 / 4194304.0)
#define FLOAT_ERROR 5.9604644775390625e-8

double oracle_score_bound(const oracle_tensor *k, unsigned head, unsigned token,
                          const double *query)
{
    double magnitude = 0.0; /* sum of what is added, without cancellation */
    double bound = 0.0;
    double largest_term = 0.0;
    int is_channelwise = k->grouping >= ORACLE_CHANNEL_TOKENS;
    if (k->bits == 16u) {
        for (unsigned c = 0; c < k->dim; c++) {
            magnitude += fabs(query[c] * oracle_read(k, head, token, c).value);
        }
        return (k->dim + 4.0) * FLOAT_ERROR * magnitude;
    }
    for (unsigned chunk = 0; chunk < k->dim; chunk += ORACLE_CHUNK) {
        double largest = 0.0;
        double error = 0.0;
        for (unsigned c = chunk; c < k->dim && c < chunk + ORACLE_CHUNK; c++) {
            oracle_stored s = oracle_read(k, head, token, c);
            double operand = fabs(query[c]) * (is_channelwise ? s.scale : 1.0);
            largest = operand > largest ? operand : largest;
            error += is_channelwise ? s.code : s.code * s.scale + fabs(s.minimum);
            magnitude += fabs(query[c]) * (s.code * s.scale + fabs(s.minimum));
            largest_term = fmax(largest_term, fabs(query[c] * s.minimum));
        }
        bound += OPERAND_ERROR * largest * error;
    }
    if (is_channelwise) {
        bound += TERM_ERROR * largest_term * k->dim;
    }
    return bound + 48.0 * FLOAT_ERROR * magnitude;
}

/* ---- attention ----------------------------------------------------------------------------- */

double oracle_attend(const double *scores, const double *values, size_t count, unsigned dim,
                     double *out, double *weights, double *total)
{
    double largest = scores[0];
    for (size_t i = 1; i < count; i++) {
        largest = scores[i] > largest ? scores[i] : largest;
    }
    *total = 0.0;
    for (unsigned c = 0; c < dim; c++) {
        out[c] = 0.0;
    }
    for (size_t i = 0; i < count; i++) {
        weights[i] = exp(scores[i] - largest);
        *total += weights[i];
        for (unsigned c = 0; c < dim; c++) {
            out[c] += weights[i] * values[i * dim + c];
        }
    }
    for (unsigned c = 0; c < dim; c++) {
        out[c] /= *total;
    }
    return largest + log(*total);
}

/* ---- saliency ------------------------------------------------------------------------------ */

void oracle_add_probabilities(const double *scores, unsigned visible, double *sums)
{
    if (visible == 0u) {
        return;
    }
    double largest = scores[0];
    for (unsigned i = 1; i < visible; i++) {
        largest = scores[i] > largest ? scores[i] : largest;
    }
    double total = 0.0;
    for (unsigned i = 0; i < visible; i++) {
        total += exp(scores[i] - largest);
    }
    for (unsigned i = 0; i < visible; i++) {
        sums[i] += exp(scores[i] - largest) / total;
    }
}

/* Whether a sinks below b in the heap of those that are to be kept last. */
static int is_before(const double *scores, unsigned a, unsigned b)
{
    return scores[a] > scores[b] || (scores[a] == scores[b] && a > b);
}

static void sift(const double *scores, unsigned *heap, unsigned root, unsigned count)
{
    for (;;) {
        unsigned child = 2u * root + 1u;
        if (child >= count) {
            return;
        }
        if (child + 1u < count && is_before(scores, heap[child], heap[child + 1u])) {
            child++;
        }
        if (!is_before(scores, heap[root], heap[child])) {
            return;
        }
        unsigned moved = heap[root];
        heap[root] = heap[child];
        heap[child] = moved;
        root = child;
    }
}

/* Heap sort by (score, index), largest first: an obviously different way from a radix select. */
void oracle_select(const double *scores, unsigned count, unsigned wanted, unsigned char *chosen,
                   unsigned *order)
{
    for (unsigned i = 0; i < count; i++) {
        order[i] = i;
        chosen[i] = 0u;
    }
    for (unsigned i = count / 2u; i-- > 0u;) {
        sift(scores, order, i, count);
    }
    for (unsigned end = count; end > 1u; end--) {
        unsigned moved = order[0];
        order[0] = order[end - 1u];
        order[end - 1u] = moved;
        sift(scores, order, 0u, end - 1u);
    }
    for (unsigned i = 0; i < wanted; i++) {
        chosen[order[i]] = 1u;
    }
}
