/* SPDX-License-Identifier: MIT
 *
 * What a recipe leaves on the logits and on the attention's output of one window, as numbers: its
 * systematic bias and how its errors hang together. Nothing is looked at but f16's outputs and the
 * recipe's.
 */
#ifndef KVANT_TOOLS_FINGERPRINT_FEATURES_H
#define KVANT_TOOLS_FINGERPRINT_FEATURES_H

#include <stddef.h>
#include <stdint.h>

#include "tool_error.h"

/* The order of the features of a window; those of the attention's output are followed by two of
 * each layer. */
enum {
    FINGERPRINT_LOGIT_SLOPE, /* z.e / z.z of centred logits z and their error e: below 0, flatter */
    FINGERPRINT_LOGIT_RESIDUAL, /* log10 of the power of what the slope leaves, over that of z */
    FINGERPRINT_ENTROPY,        /* mean change of the distribution's entropy, in nats */
    FINGERPRINT_KLD,            /* log10 of the mean divergence */
    FINGERPRINT_FLIPS,          /* share of positions that prefer another token */
    FINGERPRINT_LOGIT_GROWTH,   /* log10 of the error's power in the second half over the first */
    FINGERPRINT_LOGIT_COUNT,
    FINGERPRINT_OFFSET = FINGERPRINT_LOGIT_COUNT, /* share of e's power in its mean over a head */
    FINGERPRINT_TOKENS,   /* e's correlation with that of the token before */
    FINGERPRINT_CHANNELS, /* and with the channel before, in a head */
    FINGERPRINT_OUTPUT_GROWTH,
    FINGERPRINT_PLAIN_COUNT
};

size_t fingerprint_feature_count(uint32_t layers);
/* Of a plain feature, or "layer N slope" and "layer N error". */
void fingerprint_feature_name(size_t feature, char *out_name, size_t size);

/* The sums of one window and one recipe. */
typedef struct fingerprint_sums fingerprint_sums;

fingerprint_sums *fingerprint_sums_create(uint32_t vocab_size, uint32_t layers, uint32_t heads,
                                          uint32_t head_dim, uint32_t steps, tool_error *error);
void fingerprint_sums_release(fingerprint_sums *s);
void fingerprint_sums_reset(fingerprint_sums *s);

/* After every step, in order. Logits that are not finite are refused. */
int fingerprint_add_logits(fingerprint_sums *s, const float *base, const float *logits,
                           tool_error *error);
/* Layer after layer, step after step: [heads][head_dim] */
void fingerprint_add_output(fingerprint_sums *s, uint32_t layer, const float *base,
                            const float *out);

/* As many as fingerprint_feature_count says. */
void fingerprint_features(const fingerprint_sums *s, double *out_features);

#endif
