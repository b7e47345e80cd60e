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
#include "conformance_profile.h"

typedef enum {
    KVANT_CASE_PASSED,
    KVANT_CASE_FAILED,
    KVANT_CASE_SKIPPED,  /* it cannot run on that device; the message says why */
    KVANT_CASE_EXCLUDED, /* not run: a list of exclusions names it */
    KVANT_CASE_EXPECTED, /* it failed, as a list of expected failures says */
    KVANT_CASE_RESULT_COUNT
} kvant_case_result;

/* The first word that differs from the expected one; differing is 0 where no words were compared. */
typedef struct {
    char buffer[96]; /* "encode, store" */
    uint32_t word;
    uint32_t expected;
    uint32_t got;
    uint32_t differing;
    uint32_t compared;
} kvant_mismatch;

typedef enum { KVANT_AT_MOST, KVANT_AT_LEAST, KVANT_UNBOUNDED } kvant_bound_kind;

/* A measured number of a case: an error, an overlap. */
typedef struct {
    char name[24]; /* "": none */
    double value;
    kvant_bound_kind kind;
    double bound;
} kvant_measure;

/* Whether `a` uses more of its bound than `b`; where neither has one, whether it is larger. */
int kvant_measure_is_worse(const kvant_measure *a, const kvant_measure *b);

/* With --full, a case whose inputs are random is run with that many seeds. */
#define KVANT_FULL_DRAWS 4u

typedef struct {
    const kvant_backend *backend; /* NULL with list_only */
    uint32_t device_index;
    const char *filter;           /* a glob (* and ?), a part of the name, or =name; NULL: all */
    int quick;                    /* the cases of the quick subset alone */
    int full;                     /* also the cases of the full tier, and KVANT_FULL_DRAWS */
    int list_only;                /* print the names to `log`, run nothing */
    uint32_t shard;               /* 1 .. shards: every shards-th of the chosen cases */
    uint32_t shards;              /* 0: all of them */
    uint32_t repeat;              /* repetition r has the seed `seed` + r; 0: as the tier says */
    uint64_t seed;                /* mixed into the seed that each case derives from its name */
    const kvant_profile *profile; /* exclusions and expected failures; NULL: the built-in lists */
    FILE *log;                    /* may be NULL */
    int verbose;                  /* 1: a line a case; 0: a line a failure */
    const char *program;          /* how to start the suite, for the line that repeats a case */
    uint32_t max_failures;        /* stop after that many; 0: never */
} kvant_conformance_options;

#define KVANT_CONFORMANCE_OPTIONS_INIT                                                             \
    {                                                                                              \
        .program = "kvant conform"                                                                 \
    }

typedef struct {
    char *name;
    char *rule;    /* what must hold */
    char *reason;  /* why that can be asked for */
    char *message; /* NULL: nothing to say */
    kvant_case_result result;
    int is_full;                 /* a case of the full tier */
    uint32_t repetitions;        /* how often it ran */
    uint32_t failed_repetitions; /* of these */
    uint64_t seed;               /* of the first repetition that failed, else of the first one */
    uint64_t words;              /* compared with the expected ones */
    uint64_t digest;             /* of all that was read back from the device */
    kvant_mismatch mismatch;
    kvant_measure measure; /* the worst of the repetitions */
    double milliseconds;
} kvant_case_record;

/* All that a report says about one device. Text is owned, so that a report may also come from a
 * file. */
typedef struct {
    char version[16];
    char contract_hash[65]; /* SHA-256 over api/contract/ */
    char started[24];       /* UTC */
    char program[256];
    char backend[16];
    char device[128];
    char driver[64];
    char kind[12]; /* gpu, cpu, reference, simulated */
    char uuid[33];
    char pci[16];
    char variants[64]; /* what launches get: "attention=mma from 3 rows", "baseline" */
    uint32_t device_index;
    kvant_backend_limits limits;
    char tier[8]; /* quick, default, full */
    char filter[256];
    uint32_t shard;  /* 0 with shards: several of them, joined */
    uint32_t shards; /* 0: the whole list */
    uint32_t repeat;
    uint64_t seed;
    kvant_case_record *cases;
    size_t case_count;
    size_t counts[KVANT_CASE_RESULT_COUNT];
    uint64_t words;
    double seconds;
    char **warnings;
    size_t warning_count;
    size_t listed;     /* names that list_only printed */
    char error[512];   /* why the device could not be opened, or "" */
    int lacks_variant; /* that is why: KVANT_VARIANT asks for one that it is not capable of */
} kvant_conformance_report;

/* The backend of this build with that name of `length` bytes, or NULL. */
const kvant_backend *kvant_conformance_backend(const char *name, size_t length);

/* Runs the list. Returns KVANT_OK when the suite could run, whatever the results of the cases:
 * `out_report->counts` tells. Release the report in every case. */
kvant_status kvant_conformance_run(const kvant_conformance_options *options,
                                   kvant_conformance_report *out_report);

/* Appends a record, whose text then belongs to the report, and counts it; a warning is copied.
 * 0 without memory: the record is then still the caller's. */
int kvant_conformance_add(kvant_conformance_report *report, const kvant_case_record *record);
int kvant_conformance_warn(kvant_conformance_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void kvant_conformance_release(kvant_conformance_report *report);
void kvant_case_record_release(kvant_case_record *record);

/* The command that repeats a case just as it failed. */
void kvant_conformance_command(const kvant_conformance_report *report,
                               const kvant_case_record *record, char *command, size_t size);

/* "pass", "fail", "skip", "excluded", "expected-failure" */
const char *kvant_case_result_name(kvant_case_result result);

/* Schema of the JSON reports. */
#define KVANT_CONFORMANCE_SCHEMA 2

/* One device as text: totals by kernel. Devices as JSON (one: an object; several: an array of them),
 * as JUnit XML, and as a page of HTML that loads nothing. */
void kvant_conformance_write_text(const kvant_conformance_report *report, FILE *file);
void kvant_conformance_write_json(const kvant_conformance_report *reports, size_t count,
                                  FILE *file);
void kvant_conformance_write_junit(const kvant_conformance_report *reports, size_t count,
                                   FILE *file);
void kvant_conformance_write_html(const kvant_conformance_report *reports, size_t count,
                                  FILE *file);

#endif
