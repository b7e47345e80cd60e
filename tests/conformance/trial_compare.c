/* SPDX-License-Identifier: MIT
 *
 * What a trial finds out: words that differ from the expected ones, a digest of what the device
 * computed, and how far a measure stays from its bound.
 */
#include <math.h>

#include "trial.h"

kv_u32 kvant_trial_poison(uint32_t index)
{
    return (index * 0x9e3779b1u) ^ 0x7fc17fc1u;
}

void kvant_trial_digest(kvant_trial *trial, const kv_u32 *words, uint32_t count)
{
    uint64_t digest = (trial->digest ^ count) * KVANT_HASH_FACTOR;
    for (uint32_t i = 0; i < count; i++) {
        digest = (digest ^ words[i]) * KVANT_HASH_FACTOR;
        digest ^= digest >> 32;
    }
    trial->digest = digest;
}

void kvant_trial_compare(kvant_trial *trial, const char *what, const kv_u32 *expected,
                         const kv_u32 *got, uint32_t count)
{
    kvant_trial_digest(trial, got, count);
    trial->words += count;
    uint32_t first = count;
    uint32_t differing = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (expected[i] != got[i]) {
            first = first == count ? i : first;
            differing++;
        }
    }
    if (differing == 0u) {
        return;
    }
    trial->mismatch = (kvant_mismatch){.word = first,
                                       .expected = expected[first],
                                       .got = got[first],
                                       .differing = differing,
                                       .compared = count};
    snprintf(trial->mismatch.buffer, sizeof trial->mismatch.buffer, "%s", what);
    kvant_trial_fail(trial,
                     "%s word %u: expected 0x%08x, got 0x%08x (as floats %.9g, %.9g; poison here "
                     "is 0x%08x); %u of %u words differ",
                     what, first, expected[first], got[first], (double)kv_float(expected[first]),
                     (double)kv_float(got[first]), kvant_trial_poison(first), differing, count);
}

void kvant_trial_measure(kvant_trial *trial, const char *name, double value, kvant_bound_kind kind,
                         double bound)
{
    kvant_measure measure = {.value = value, .kind = kind, .bound = bound};
    snprintf(measure.name, sizeof measure.name, "%s", name);
    if (kvant_measure_is_worse(&measure, &trial->measure)) {
        trial->measure = measure;
    }
}

/* How much of its bound a measure uses; more than 1 is beyond it. */
static double share(const kvant_measure *measure)
{
    return measure->kind == KVANT_AT_MOST    ? measure->value / measure->bound
           : measure->kind == KVANT_AT_LEAST ? measure->bound / measure->value
                                             : measure->value;
}

int kvant_measure_is_worse(const kvant_measure *a, const kvant_measure *b)
{
    if (b->name[0] == '\0' || isnan(a->value)) {
        return 1;
    }
    if ((a->kind == KVANT_UNBOUNDED) != (b->kind == KVANT_UNBOUNDED)) {
        return b->kind == KVANT_UNBOUNDED;
    }
    return share(a) > share(b);
}
