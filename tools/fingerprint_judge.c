/* SPDX-License-Identifier: MIT
 *
 * From features to what can be told by them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fingerprint_classifier.h"
#include "fingerprint_session.h"

const char *fingerprint_kind_name(fingerprint_kind kind)
{
    static const char *const names[FINGERPRINT_KINDS] = {"logits", "attention output", "both"};
    return names[kind];
}

/* ---- memory -------------------------------------------------------------------------------- */

int fingerprint_results_allocate(fingerprint_results *r, size_t device_count, tool_error *error)
{
    r->devices = calloc(device_count, sizeof *r->devices);
    if (r->devices == NULL) {
        return tool_error_memory(error);
    }
    r->device_count = device_count;
    int is_short = 0;
    for (size_t i = 0; i < device_count; i++) {
        fingerprint_device *d = &r->devices[i];
        d->features = calloc(r->recipes * r->windows * r->features, sizeof *d->features);
        d->is_equal = calloc(r->recipes, sizeof *d->is_equal);
        d->told_apart = calloc(r->recipes, sizeof *d->told_apart);
        is_short |= d->features == NULL || d->is_equal == NULL || d->told_apart == NULL;
        for (size_t kind = 0; kind < FINGERPRINT_KINDS; kind++) {
            d->tellings[kind].confusion = calloc(r->recipes * r->recipes, sizeof(size_t));
            is_short |= d->tellings[kind].confusion == NULL;
        }
    }
    return is_short ? tool_error_memory(error) : 0;
}

void fingerprint_results_release(fingerprint_results *r)
{
    for (size_t i = 0; i < r->device_count; i++) {
        fingerprint_device *d = &r->devices[i];
        free(d->features);
        free(d->is_equal);
        free(d->told_apart);
        for (size_t kind = 0; kind < FINGERPRINT_KINDS; kind++) {
            free(d->tellings[kind].confusion);
        }
    }
    free(r->devices);
    memset(r, 0, sizeof *r);
}

/* ---- features ------------------------------------------------------------------------------ */

static const double *features_of(const fingerprint_results *r, size_t device, size_t recipe,
                                 size_t window)
{
    return r->devices[device].features + (recipe * r->windows + window) * r->features;
}

fingerprint_spread fingerprint_spread_of(const fingerprint_results *r, size_t device, size_t recipe,
                                         size_t feature)
{
    double mean = 0.0;
    double squares = fingerprint_squares(&features_of(r, device, recipe, 0)[feature], r->features,
                                         r->windows, &mean);
    return (fingerprint_spread){mean, sqrt(squares / (double)(r->windows - 1u))};
}

/* The windows to learn from, class after class: a class is a recipe of a device. */
typedef struct {
    size_t device;
    size_t recipe;
} served;

static int learn(const fingerprint_results *r, const served *classes, size_t count,
                 fingerprint_classifier *out_classifier, tool_error *error)
{
    size_t size = r->learnt * r->features;
    double *samples = calloc(count * size, sizeof *samples);
    if (samples == NULL) {
        return tool_error_memory(error);
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(samples + i * size, features_of(r, classes[i].device, classes[i].recipe, 0),
               size * sizeof *samples);
    }
    int result = fingerprint_learn(samples, count, r->learnt, r->features, out_classifier, error);
    free(samples);
    return result;
}

/* ---- recipes ------------------------------------------------------------------------------- */

/* `right` and `asked` have room for the windows that are told. */
static int tell_recipes(fingerprint_results *r, size_t device, fingerprint_kind kind,
                        const fingerprint_classifier *c, double *right, double *asked,
                        const bootstrap_plan *plan, tool_error *error)
{
    fingerprint_telling *telling = &r->devices[device].tellings[kind];
    size_t first = kind == FINGERPRINT_OF_OUTPUTS ? FINGERPRINT_LOGIT_COUNT : 0u;
    size_t end = kind == FINGERPRINT_OF_LOGITS ? FINGERPRINT_LOGIT_COUNT : r->features;
    for (size_t window = r->learnt; window < r->windows; window++) {
        size_t hits = 0;
        for (size_t recipe = 0; recipe < r->recipes; recipe++) {
            const double *sample = features_of(r, device, recipe, window);
            size_t told = fingerprint_tell(c, sample, first, end - first);
            telling->confusion[recipe * r->recipes + told]++;
            hits += told == recipe;
        }
        right[window - r->learnt] = (double)hits;
        asked[window - r->learnt] = (double)r->recipes;
    }
    return bootstrap_ratio(right, asked, r->windows - r->learnt, plan, &telling->accuracy, error);
}

static int judge_recipes(fingerprint_results *r, const bootstrap_plan *plan, tool_error *error)
{
    served *classes = calloc(r->recipes, sizeof *classes);
    double *right = calloc(r->windows, sizeof *right);
    double *asked = calloc(r->windows, sizeof *asked);
    fingerprint_classifier classifier = {0, 0, NULL, NULL};
    int result = 0;
    if (classes == NULL || right == NULL || asked == NULL) {
        result = tool_error_memory(error);
    }
    for (size_t i = 0; result == 0 && i < r->recipes; i++) {
        classes[i] = (served){0, i};
    }
    if (result == 0) {
        result = learn(r, classes, r->recipes, &classifier, error);
    }
    for (size_t i = 0; i < r->device_count * FINGERPRINT_KINDS && result == 0; i++) {
        result = tell_recipes(r, i / FINGERPRINT_KINDS, (fingerprint_kind)(i % FINGERPRINT_KINDS),
                              &classifier, right, asked, plan, error);
    }
    fingerprint_classifier_release(&classifier);
    free(classes);
    free(right);
    free(asked);
    return result;
}

/* ---- devices ------------------------------------------------------------------------------- */

/* The same question about one recipe on two devices. Equal fingerprints are all given to the first,
 * so that half are right. */
static int judge_device(fingerprint_results *r, size_t device, size_t recipe, tool_error *error)
{
    fingerprint_device *d = &r->devices[device];
    const served classes[2] = {{0, recipe}, {device, recipe}};
    fingerprint_classifier classifier;
    if (learn(r, classes, 2, &classifier, error) != 0) {
        return -1;
    }
    size_t right = 0;
    for (size_t window = r->learnt; window < r->windows; window++) {
        for (size_t i = 0; i < 2u; i++) {
            const double *sample = features_of(r, classes[i].device, recipe, window);
            right += fingerprint_tell(&classifier, sample, 0, r->features) == i;
        }
    }
    fingerprint_classifier_release(&classifier);
    d->told_apart[recipe] = (double)right / (2.0 * (double)(r->windows - r->learnt));
    d->is_equal[recipe] = memcmp(features_of(r, 0, recipe, 0), features_of(r, device, recipe, 0),
                                 r->windows * r->features * sizeof(double)) == 0;
    return 0;
}

int fingerprint_judge(fingerprint_results *r, const bootstrap_plan *plan, tool_error *error)
{
    int result = judge_recipes(r, plan, error);
    for (size_t device = 1; device < r->device_count; device++) {
        for (size_t recipe = 0; recipe < r->recipes && result == 0; recipe++) {
            result = judge_device(r, device, recipe, error);
        }
    }
    return result;
}
