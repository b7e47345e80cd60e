/* SPDX-License-Identifier: MIT
 *
 * Which kernels a kind of case launches, and so in which variants it runs: each variant of a kernel
 * is a case of its own, whose name ends with it.
 */
#ifndef KVANT_TESTS_CONFORMANCE_VARIANTS_H
#define KVANT_TESTS_CONFORMANCE_VARIANTS_H

#include "variants.h"

/* The kernels, as bits 1 << kvant_kernel, that a case may launch on the device. */
uint64_t kvant_case_kernels(const char *name);

/* A case as it runs. */
typedef struct {
    char name[288];              /* that of the list, and "/variant=NAME" but for the baseline */
    kvant_variant_choice choice; /* what its launches get */
    int is_possible;             /* 0: the device lacks the variant */
} kvant_case_instance;

#define KVANT_CASE_INSTANCES ((size_t)KVANT_VARIANT_COUNT)

/* The instances of a case on a device of these capabilities; of those that it lacks, too, so that
 * shards are the same everywhere. The launches of a kernel's cases get the baseline, then each of
 * its other variants; with `asked` forced, that one alone where the kernel has it. Whole caches run
 * once: as dispatch plans them, or as asked. Returns their number. */
size_t kvant_case_instances(const char *name, kvant_variant_choice asked, uint32_t capabilities,
                            kvant_case_instance out_instances[KVANT_CASE_INSTANCES]);

/* The variant in the name of a case, or NULL. */
const char *kvant_case_variant(const char *name);

#endif
