/* SPDX-License-Identifier: MIT
 *
 * What the cases of a report add up to, by kernel, and how far two devices agree.
 */
#ifndef KVANT_TESTS_CONFORMANCE_TOTALS_H
#define KVANT_TESTS_CONFORMANCE_TOTALS_H

#include "conformance.h"
#include "conformance_rules.h"

enum { KVANT_MOST_KERNELS = 128 };

typedef struct {
    const char *name; /* not terminated */
    size_t length;
    size_t counts[KVANT_CASE_RESULT_COUNT];
    size_t cases;
    uint64_t words;
    kvant_measure worst;
} kvant_kernel_totals;

/* The length of the first part of a case's name: its kernel. For oracle/ and golden/ two parts. */
size_t kvant_kernel_name_length(const char *name);

/* Adds the kernels of a report to the `count` that there are, in order of appearance, with totals of
 * 0; returns their number. Those beyond KVANT_MOST_KERNELS are left out. */
size_t kvant_list_kernels(const kvant_conformance_report *report, kvant_kernel_totals *kernels,
                          size_t count);

/* The next case of that kernel from index *at on, which moves past it; NULL: there is none. */
const kvant_case_record *kvant_next_case(const kvant_conformance_report *report,
                                         const kvant_kernel_totals *kernel, size_t *at);

/* Sums the report's cases of that kernel. */
void kvant_sum_kernel(const kvant_conformance_report *report, kvant_kernel_totals *kernel);

/* Cases of one group that two devices both ran with the same seeds. */
typedef struct {
    size_t compared;
    size_t differing;    /* of these: what the devices computed is not the same */
    uint64_t words;      /* that differ from the reference in these cases, of both devices */
    kvant_measure worst; /* the worst measure with a bound, of both devices */
    const char *first;   /* the first case that differs, or NULL */
} kvant_agreement;

/* Compares two reports by the digests of their cases. Returns NULL, or why they cannot be compared.
 */
const char *kvant_agree(const kvant_conformance_report *a, const kvant_conformance_report *b,
                        kvant_agreement out_groups[KVANT_CASE_GROUP_COUNT]);

#endif
