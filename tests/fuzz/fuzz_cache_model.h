/* SPDX-License-Identifier: MIT
 *
 * The numbers that the cache target feeds, and the comparison of one attend call with the literal
 * model on the same numbers. A token's numbers follow from its kind and place, so that only its kind
 * is kept.
 */
#ifndef KVANT_TESTS_FUZZ_CACHE_MODEL_H
#define KVANT_TESTS_FUZZ_CACHE_MODEL_H

#include "../support/literal_model.h"
#include "kvant/cache.h"

enum { FUZZ_MOST_LENGTH = 2 * 255 };

/* A recipe, and how far from uncompressed attention its bits may lead in one call and sequence. */
typedef struct {
    const char *text;
    double nmse; /* squared error of the outputs, against their power and that of such averages */
    double lse;  /* absolute error of a log-sum-exp */
} fuzz_recipe;

typedef struct {
    uint32_t length;
    uint8_t kinds[FUZZ_MOST_LENGTH]; /* of each token */
} fuzz_stream;

typedef struct {
    const kvant_cache_desc *desc;
    const fuzz_recipe *recipe;
    const fuzz_stream *streams; /* of the sequences attended to */
    uint32_t sequences;
    uint32_t queries;
    uint8_t query_kind;
} fuzz_attend;

/* Number i of all that a stream, or a batch of queries, has of one tensor. */
float fuzz_value(uint32_t kind, literal_tensor tensor, uint32_t i);

/* Whether K and V of this kind have a number that is not finite. */
int fuzz_is_damaged(uint32_t kind);

/* Ends the process unless the outputs, and the log-sum-exps where there are any, are as close to the
 * literal model as the recipe lets them be. */
void fuzz_compare(const fuzz_attend *attend, const float *outputs, const float *lse);

#endif
