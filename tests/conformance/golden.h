/* SPDX-License-Identifier: MIT
 *
 * Golden bytes: fixed tiny inputs and what every codec and layout makes of them, so that the format
 * cannot change unnoticed. tests/golden/format.def holds the bytes, golden_print.c writes it.
 */
#ifndef KVANT_TESTS_GOLDEN_H
#define KVANT_TESTS_GOLDEN_H

#include "cases.h"

/* A case as cases_golden.c lists it. */
typedef struct {
    const char *name;
    void (*produce)(kvant_trial *trial, uint32_t variant, char *text, size_t size);
    uint32_t variant;
} kvant_golden;

#define KVANT_GOLDEN_TEXT 4096u

/* Calls `each` with every golden case. */
void kvant_golden_each(void (*each)(void *user, const kvant_golden *golden), void *user);

#endif
