/* SPDX-License-Identifier: MIT
 *
 * The conformance suite: one list of cases with names that carry their parameters, run on one
 * device of one backend through its function table. Exact kernels are compared word by word with
 * host_ref; the `oracle/` cases compare with double precision under a bound that the case derives.
 *
 * The library prints nothing by itself: lines go to `log`, reports to the files of the caller.
 */
#ifndef KVANT_TESTS_CONFORMANCE_H
#define KVANT_TESTS_CONFORMANCE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "backend.h"

typedef enum { KVANT_CASE_PASSED, KVANT_CASE_FAILED, KVANT_CASE_SKIPPED } kvant_case_result;

typedef struct {
    const kvant_backend *backend; /* NULL with list_only */
    uint32_t device_index;
    const char *filter;    /* a glob (* and ?), a part of the name, or =name; NULL: all */
    int quick;             /* the cases of the quick subset alone */
    int full;              /* also the cases of the full tier */
    int list_only;         /* print the names to `log`, run nothing */
    uint64_t seed;         /* mixed into the seed that each case derives from its name */
    FILE *log;             /* may be NULL */
    int verbose;           /* 1: a line a case; 0: a line a failure */
    const char *program;   /* how to start the suite, for the line that repeats a case */
    uint32_t max_failures; /* stop after that many; 0: never */
} kvant_conformance_options;

#define KVANT_CONFORMANCE_OPTIONS_INIT                                                             \
    {                                                                                              \
        .program = "kvant conform"                                                                 \
    }

typedef struct {
    char *name;
    char *message; /* NULL unless failed or skipped */
    kvant_case_result result;
    uint64_t words;          /* compared with the reference */
    double metric;           /* NMSE, overlap, ...; metric_name says which */
    const char *metric_name; /* NULL: none */
    double milliseconds;
} kvant_case_record;

typedef struct {
    char backend[16];
    char device[128];
    char driver[64];
    uint32_t device_index;
    uint32_t lanes;
    uint64_t seed;
    uint64_t contract_hash; /* of the manifest and the sizes of the parameter structs */
    kvant_case_record *cases;
    size_t case_count;
    size_t passed;
    size_t failed;
    size_t skipped;
    uint64_t words;
    double seconds;
    char error[512]; /* why the device could not be opened, or "" */
} kvant_conformance_report;

/* Runs the list. Returns KVANT_OK when the suite could run, whatever the results of the cases:
 * `out_report->failed` tells. Release the report in every case. */
kvant_status kvant_conformance_run(const kvant_conformance_options *options,
                                   kvant_conformance_report *out_report);

void kvant_conformance_release(kvant_conformance_report *report);

/* The report as text (totals by kernel), JSON (schema 1) and JUnit XML. */
void kvant_conformance_write_text(const kvant_conformance_report *report, FILE *file);
void kvant_conformance_write_json(const kvant_conformance_report *report, FILE *file);
void kvant_conformance_write_junit(const kvant_conformance_report *report, FILE *file);

#endif
