/* SPDX-License-Identifier: MIT
 *
 * Fault points: native calls and host allocations are counted, and the n-th of them fails, once or
 * from then on. The linker option --wrap sends the backends' uses of kvant_dynlib_symbol here, so
 * that their symbol tables hold wrappers: every call that can fail passes fault_is_due.
 */
#ifndef KVANT_TESTS_FAULT_POINTS_H
#define KVANT_TESTS_FAULT_POINTS_H

#include <stdbool.h>
#include <stddef.h>

#include "backend.h"
#include "dynlib.h"
#include "kvant/kvant.h"

typedef enum { FAULT_MEMORY, FAULT_LOSS, FAULT_OTHER, FAULT_KINDS } fault_kind;

/* A function of the driver: what stands in for it, and where the wrapper finds the real one. */
typedef struct {
    const char *name;
    kvant_symbol wrapper;
    void *real; /* place of a function pointer */
} fault_symbol;

typedef struct {
    const char *backend;         /* as KVANT_BACKEND has it */
    const fault_symbol *symbols; /* NULL: no driver */
    size_t count;
    const char *const *harmless; /* beginnings of names that cannot fail, then NULL */
    void (*quiesce)(void);       /* waits for the driver: a lost device executes nothing any more */
    /* Takes a device that is not really lost back into use; NULL: it is closed and opened again. */
    void (*revive)(kvant_backend_device *device);
    /* NULL, or what was wrong with the way in which the last device was closed. NULL: all is well. */
    const char *(*objection)(void);
} fault_subject;

/* The wrapper for a symbol of the driver; the driver's own where the call cannot fail. */
kvant_symbol fault_symbol_of(const char *name, kvant_symbol real);

/* From now on calls are counted, and the n-th (from 1; 0: none) fails. */
void fault_arm_calls(const fault_subject *subject, long n, fault_kind kind, bool persistent);
void fault_arm_allocations(const fault_subject *subject, long n, bool persistent);
void fault_disarm(void);

long fault_counted(void);      /* since it was armed */
long fault_injected(void);     /* likewise */
const char *fault_where(void); /* the first call that failed */
long fault_live_allocations(void);
long fault_live_objects(void);            /* of the driver */
unsigned int fault_unknown_symbols(void); /* neither wrapped nor harmless */

/* For wrappers. A call that waits lets the driver finish before it fails. */
bool fault_is_due(const char *call, bool waits);
fault_kind fault_which(void);

/* For wrappers: an object of the driver came into being (1), or was given back (-1). */
void fault_count_object(int change);

/* The allocator whose allocations are counted. */
kvant_allocator fault_allocator(void);

/* The body of a main program: points of a backend, thinned out to some seconds a part. Arguments
 * "--all [SHARE/SHARES]": every point, or a share of them, in processes of their own, and a line of
 * totals. Returns the exit status. */
int fault_main(const fault_subject *subject, int argc, char **argv);

#endif
