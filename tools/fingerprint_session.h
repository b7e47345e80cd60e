/* SPDX-License-Identifier: MIT
 *
 * Fingerprints of every recipe on every device, and who can be told from whom by them.
 */
#ifndef KVANT_TOOLS_FINGERPRINT_SESSION_H
#define KVANT_TOOLS_FINGERPRINT_SESSION_H

#include "bootstrap.h"
#include "eval_devices.h"
#include "fingerprint_features.h"

/* Two to learn from, for a spread, and as many to tell. */
enum { FINGERPRINT_LEAST_WINDOWS = 4 };

typedef enum {
    FINGERPRINT_OF_LOGITS,
    FINGERPRINT_OF_OUTPUTS,
    FINGERPRINT_OF_BOTH,
    FINGERPRINT_KINDS
} fingerprint_kind;

const char *fingerprint_kind_name(fingerprint_kind kind);

typedef struct {
    estimate accuracy; /* of what was learnt on the first device; intervals over windows */
    size_t *confusion; /* [recipes that served][recipes that were told] */
} fingerprint_telling;

typedef struct {
    kvant_device_info info;
    double *features; /* [recipes][windows][features] */
    fingerprint_telling tellings[FINGERPRINT_KINDS];
    /* of each recipe, against the first device */
    unsigned char *is_equal; /* every feature of every window, bit for bit */
    double *told_apart; /* share of windows that were given to the right one of the two devices */
} fingerprint_device;

typedef struct {
    fingerprint_device *devices;
    size_t device_count;
    size_t recipes;
    size_t windows;
    size_t learnt; /* windows, the first half */
    size_t features;
} fingerprint_results;

int fingerprint_session(const eval_request *request, eval_recipes *recipes, eval_text *text,
                        const bootstrap_plan *plan, fingerprint_results *out_results,
                        tool_error *error);
void fingerprint_results_release(fingerprint_results *r);

/* Mean and standard deviation of a feature over all windows. */
typedef struct {
    double mean;
    double deviation;
} fingerprint_spread;
fingerprint_spread fingerprint_spread_of(const fingerprint_results *r, size_t device, size_t recipe,
                                         size_t feature);

/* What the classifiers say: fills all but the features, the sizes and the devices' names. */
int fingerprint_judge(fingerprint_results *r, const bootstrap_plan *plan, tool_error *error);

/* The sizes in `r` are there: makes room for `device_count` devices. */
int fingerprint_results_allocate(fingerprint_results *r, size_t device_count, tool_error *error);

#endif
