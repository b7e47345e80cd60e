/* SPDX-License-Identifier: MIT
 *
 * Parts of the conformance page.
 */
#ifndef KVANT_TESTS_CONFORMANCE_HTML_H
#define KVANT_TESTS_CONFORMANCE_HTML_H

#include "conformance.h"

/* A number with separators, "14,396". */
void kvant_html_count(FILE *file, uint64_t count);

/* "NMSE 1.1e-07 <= 1e-06" */
void kvant_html_measure(FILE *file, const kvant_measure *measure);

/* "opencl:0" */
void kvant_html_select(FILE *file, const kvant_conformance_report *report);

/* Sections: a card for each device, kernels by devices, and pairs of devices by groups of cases. */
void kvant_html_devices(const kvant_conformance_report *reports, size_t count, FILE *file);
void kvant_html_matrix(const kvant_conformance_report *reports, size_t count, FILE *file);
void kvant_html_agreement(const kvant_conformance_report *reports, size_t count, FILE *file);

#endif
