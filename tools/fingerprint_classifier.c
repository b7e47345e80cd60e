/* SPDX-License-Identifier: MIT
 *
 * Means, spreads, and the likelihoods that follow.
 */
#include "fingerprint_classifier.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The common spread counts as so many degrees of freedom. */
#define PRIOR_FREEDOM 4.0
/* Of the spread over all samples, so that a class without any spread has a likelihood too. */
#define LEAST_SHARE 1e-6
#define LEAST_VARIANCE 1e-30

typedef struct {
    const double *samples;
    size_t per_class;
} training;

static const double *sample_of(const training *t, const fingerprint_classifier *c, size_t class,
                               size_t sample)
{
    return t->samples + (class * t->per_class + sample) * c->features;
}

double fingerprint_squares(const double *first, size_t stride, size_t count, double *out_mean)
{
    double mean = 0.0;
    double squares = 0.0;
    for (size_t i = 0; i < count; i++) {
        mean += first[i * stride] / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        double distance = first[i * stride] - mean;
        squares += distance * distance;
    }
    *out_mean = mean;
    return squares;
}

static void learn_feature(const training *t, fingerprint_classifier *c, size_t feature)
{
    double freedom = (double)t->per_class - 1.0;
    double within = 0.0;
    double mean = 0.0;
    double between = 0.0;
    for (size_t class = 0; class < c->classes; class ++) {
        double squares =
            fingerprint_squares(&sample_of(t, c, class, 0)[feature], c->features, t->per_class,
                                &c->means[class * c->features + feature]);
        c->variances[class * c->features + feature] = squares;
        within += squares / (freedom * (double)c->classes);
        mean += c->means[class * c->features + feature] / (double)c->classes;
    }
    for (size_t class = 0; class < c->classes; class ++) {
        double distance = c->means[class * c->features + feature] - mean;
        between += distance * distance / (double)c->classes;
    }
    double least = LEAST_SHARE * (within + between) + LEAST_VARIANCE;
    for (size_t class = 0; class < c->classes; class ++) {
        double *variance = &c->variances[class * c->features + feature];
        *variance = (*variance + PRIOR_FREEDOM * within) / (freedom + PRIOR_FREEDOM) + least;
    }
}

int fingerprint_learn(const double *samples, size_t classes, size_t per_class, size_t features,
                      fingerprint_classifier *out_classifier, tool_error *error)
{
    fingerprint_classifier *c = out_classifier;
    *c = (fingerprint_classifier){classes, features, NULL, NULL};
    c->means = calloc(classes * features, sizeof *c->means);
    c->variances = calloc(classes * features, sizeof *c->variances);
    if (c->means == NULL || c->variances == NULL) {
        fingerprint_classifier_release(c);
        return tool_error_memory(error);
    }
    const training t = {samples, per_class};
    for (size_t feature = 0; feature < features; feature++) {
        learn_feature(&t, c, feature);
    }
    return 0;
}

void fingerprint_classifier_release(fingerprint_classifier *c)
{
    free(c->means);
    free(c->variances);
    memset(c, 0, sizeof *c);
}

size_t fingerprint_tell(const fingerprint_classifier *c, const double *sample, size_t first,
                        size_t count)
{
    size_t best = 0;
    double best_likelihood = -INFINITY;
    for (size_t class = 0; class < c->classes; class ++) {
        double likelihood = 0.0;
        for (size_t i = first; i < first + count; i++) {
            double distance = sample[i] - c->means[class * c->features + i];
            double variance = c->variances[class * c->features + i];
            likelihood -= 0.5 * (log(variance) + distance * distance / variance);
        }
        if (likelihood > best_likelihood) {
            best = class;
            best_likelihood = likelihood;
        }
    }
    return best;
}
