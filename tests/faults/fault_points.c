/* SPDX-License-Identifier: MIT
 *
 * Counting and failing native calls and host allocations.
 */
#include "fault_points.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { OFF, CALLS, ALLOCATIONS } what_counts;

static const fault_subject *subject_now;
static what_counts counts;
static long counted;
static long fail_at;
static long injected;
static bool is_persistent;
static fault_kind kind_now;
static const char *first_failure = "";
static long live;
static long live_objects;
static unsigned int unknown_symbols;

/* What kvant_dynlib_symbol is called by here and there, once the linker has wrapped it. */
kvant_symbol fault_real_symbol(void *library,
                               const char *name) __asm__("__real_kvant_dynlib_symbol");
kvant_symbol fault_wrapped_symbol(void *library,
                                  const char *name) __asm__("__wrap_kvant_dynlib_symbol");

kvant_symbol fault_wrapped_symbol(void *library, const char *name)
{
    return fault_symbol_of(name, fault_real_symbol(library, name));
}

kvant_symbol fault_symbol_of(const char *name, kvant_symbol real)
{
    for (size_t i = 0; subject_now != NULL && i < subject_now->count; i++) {
        const fault_symbol *symbol = &subject_now->symbols[i];
        if (strcmp(symbol->name, name) == 0 && real != NULL) {
            memcpy(symbol->real, &real, sizeof real);
            return symbol->wrapper;
        }
    }
    bool is_harmless = false;
    for (size_t i = 0; subject_now != NULL && subject_now->harmless[i] != NULL; i++) {
        const char *start = subject_now->harmless[i];
        is_harmless = is_harmless || strncmp(name, start, strlen(start)) == 0;
    }
    if (!is_harmless) {
        fprintf(stderr, "%s has no wrapper\n", name);
        unknown_symbols++;
    }
    return real;
}

unsigned int fault_unknown_symbols(void)
{
    return unknown_symbols;
}

static void arm(const fault_subject *subject, what_counts what, long n, bool persistent)
{
    subject_now = subject;
    counts = what;
    counted = 0;
    injected = 0;
    fail_at = n;
    is_persistent = persistent;
    first_failure = "";
}

void fault_arm_calls(const fault_subject *subject, long n, fault_kind kind, bool persistent)
{
    arm(subject, CALLS, n, persistent);
    kind_now = kind;
}

void fault_arm_allocations(const fault_subject *subject, long n, bool persistent)
{
    arm(subject, ALLOCATIONS, n, persistent);
    kind_now = FAULT_MEMORY;
}

void fault_disarm(void)
{
    counts = OFF;
}

long fault_counted(void)
{
    return counted;
}

long fault_injected(void)
{
    return injected;
}

const char *fault_where(void)
{
    return first_failure;
}

fault_kind fault_which(void)
{
    return kind_now;
}

static bool count_one(what_counts what, const char *call)
{
    if (counts != what) {
        return false;
    }
    counted++;
    if (fail_at == 0 || counted < fail_at || (counted > fail_at && !is_persistent)) {
        return false;
    }
    if (injected++ == 0) {
        first_failure = call;
    }
    return true;
}

bool fault_is_due(const char *call, bool waits)
{
    bool is_due = count_one(CALLS, call);
    if (is_due && (waits || kind_now == FAULT_LOSS)) {
        subject_now->quiesce();
    }
    return is_due;
}

static void *allocate(void *user, size_t bytes)
{
    (void)user;
    void *memory = count_one(ALLOCATIONS, "an allocation") ? NULL : malloc(bytes);
    live += memory != NULL ? 1 : 0;
    return memory;
}

static void release(void *user, void *memory)
{
    (void)user;
    live -= memory != NULL ? 1 : 0;
    free(memory);
}

kvant_allocator fault_allocator(void)
{
    return (kvant_allocator){.allocate = allocate, .release = release};
}

long fault_live_allocations(void)
{
    return live;
}

void fault_count_object(int change)
{
    live_objects += change;
}

long fault_live_objects(void)
{
    return live_objects;
}
