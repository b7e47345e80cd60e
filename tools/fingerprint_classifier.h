/* SPDX-License-Identifier: MIT
 *
 * Gaussian naive Bayes: each feature of each class is a normal distribution of its own, and the most
 * likely class wins. Few samples tell little about a spread, so that of a class is drawn towards
 * the spread that all classes have in common.
 */
#ifndef KVANT_TOOLS_FINGERPRINT_CLASSIFIER_H
#define KVANT_TOOLS_FINGERPRINT_CLASSIFIER_H

#include <stddef.h>

#include "tool_error.h"

typedef struct {
    size_t classes;
    size_t features;
    double *means;     /* [classes][features] */
    double *variances; /* [classes][features] */
} fingerprint_classifier;

/* Samples are [classes][per_class][features]; at least two a class. */
int fingerprint_learn(const double *samples, size_t classes, size_t per_class, size_t features,
                      fingerprint_classifier *out_classifier, tool_error *error);
void fingerprint_classifier_release(fingerprint_classifier *c);

/* Mean of count values, one in `stride`; returns the sum of squares around it. */
double fingerprint_squares(const double *first, size_t stride, size_t count, double *out_mean);

/* The class that features first ... first + count - 1 of a sample speak for; of equal ones the
 * first. */
size_t fingerprint_tell(const fingerprint_classifier *c, const double *sample, size_t first,
                        size_t count);

#endif
