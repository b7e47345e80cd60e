/* SPDX-License-Identifier: MIT
 *
 * Which variant of a kernel a launch gets: a pure function of the table variants.def, the
 * device's capabilities, the launch's parameters and what KVANT_VARIANT asks for.
 */
#ifndef KVANT_DISPATCH_VARIANTS_H
#define KVANT_DISPATCH_VARIANTS_H

#include "backend.h"

/* In the place of a least number of rows: a variant that only KVANT_VARIANT takes. */
#define KVANT_ON_REQUEST UINT32_MAX

/* What is asked for: each launch's best variant, or the same one for all kernels that have it. */
typedef struct {
    int is_forced;
    kvant_variant variant;
} kvant_variant_choice;

/* Reads a choice; NULL or "" is none. Returns 0 with a sentence in `message` where the name is
 * unknown, or where no kernel has such a variant on a device of these capabilities. */
int kvant_variant_read(const char *text, uint32_t capabilities, kvant_variant_choice *out_choice,
                       char *message, size_t size);

/* Whether a device of these capabilities runs the kernel in that variant. */
int kvant_variant_is_possible(kvant_kernel kernel, kvant_variant variant, uint32_t capabilities);

/* The variants that launches of the kernel may get, as bits 1 << kvant_variant. */
uint32_t kvant_variant_set(kvant_kernel kernel, uint32_t capabilities, kvant_variant_choice choice);

/* The variant of a launch. */
kvant_variant kvant_variant_of_launch(kvant_kernel kernel, const void *params,
                                      uint32_t capabilities, kvant_variant_choice choice);

/* "baseline", "mma" */
const char *kvant_variant_name(kvant_variant variant);

/* What launches get, in words: "attention=mma from 3 rows", or "baseline" where that is all. */
void kvant_variant_describe(uint32_t capabilities, kvant_variant_choice choice, char *text,
                            size_t size);

#endif
