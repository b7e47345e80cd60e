/* SPDX-License-Identifier: MIT
 *
 * The independent oracle: the published formulas in double precision, and the storage format read
 * from its description. It shares no code with api/contract/arith.h, layout.h or host_ref: shared
 * arithmetic makes all backends agree even where it is wrong.
 */
#ifndef KVANT_TESTS_ORACLE_H
#define KVANT_TESTS_ORACLE_H

#include <stddef.h>
#include <stdint.h>

/* ---- numbers ---- */

/* The value of 16 bits as an IEEE half (NaN and infinity included), and the half nearest to x (ties
 * to even, infinity from 65520 on). */
double oracle_half_value(uint32_t bits);
uint32_t oracle_half_bits(double x);

/* The half nearest to x as the cache keeps it: NaN is 0, what is too large is +-65504. */
double oracle_cache_value(double x);

/* A query as attention takes it: NaN is 0, below 2^-40 is 0, at most 2^30. */
double oracle_query_value(double x);

/* Element `index` of a tensor; dtype 0 half, 1 bfloat16, 2 float. */
double oracle_element(const uint32_t *words, uint64_t index, unsigned dtype);

/* One unit in the last place of a float of that magnitude. */
double oracle_ulp(double x);

/* The first word of Philox4x32-10. */
uint32_t oracle_philox(const uint32_t key[2], const uint32_t counter[4]);

/* ---- stored tensors ---- */

typedef enum {
    ORACLE_TOKEN = 0,
    ORACLE_TOKEN_HEAD = 1,
    ORACLE_TOKEN_CHANNELS = 2,
    ORACLE_CHANNEL_TOKENS = 3,
    ORACLE_CHANNEL_SEGMENT = 4
} oracle_grouping;

typedef struct {
    const uint32_t *codes;
    const uint32_t *params;        /* a scale (low) and a minimum (high half) a group */
    const uint32_t *channel_scale; /* halves [head][channel], or NULL */
    unsigned bits;                 /* 2, 4, 8; 16: halves */
    int is_symmetric;
    int is_value;
    oracle_grouping grouping;
    unsigned group_length;
    unsigned capacity, heads, dim;
    int has_codebook;
    unsigned levels[16]; /* that codes stand for */
} oracle_tensor;

/* Levels, as format.md has them, of a codec with a codebook, and the bits of its codes. Learned levels
 * are bytes from `learned` on. */
void oracle_codebook(unsigned codec, const uint32_t *learned, oracle_tensor *tensor);

typedef struct {
    double scale, minimum, channel_scale;
    unsigned code; /* or its level */
    double value;
} oracle_stored;

/* Everything that is stored of one element. For halves only `value` is set. */
oracle_stored oracle_read(const oracle_tensor *tensor, unsigned head, unsigned token,
                          unsigned channel);

/* Whether two elements share their parameters, by the meaning of the grouping alone. */
int oracle_same_group(const oracle_tensor *tensor, const unsigned a[3], const unsigned b[3]);

/* The lengths of a chunk: channels of a K sum, or tokens of a V sum, with one operand scale. */
#define ORACLE_CHUNK 32u

/* How far the integer form may be from the exact score scale * q . k of one token. `query` has the
 * softmax scale and K's channel scales folded in. */
double oracle_score_bound(const oracle_tensor *k, unsigned head, unsigned token,
                          const double *query);

/* ---- attention ---- */

/* softmax(scores) V over `count` tokens; values [token][dim]. Returns the log-sum-exp and in *total
 * the sum of the weights relative to the largest score. count is at least 1. */
double oracle_attend(const double *scores, const double *values, size_t count, unsigned dim,
                     double *out, double *weights, double *total);

/* ---- saliency ---- */

/* Adds to sums[token] the softmax probabilities of one probe row; token j is visible while
 * j < visible. */
void oracle_add_probabilities(const double *scores, unsigned visible, double *sums);

/* The indices of the `wanted` largest scores, ties to the later; chosen[i] is 1 or 0. */
void oracle_select(const double *scores, unsigned count, unsigned wanted, unsigned char *chosen,
                   unsigned *order);

#endif
