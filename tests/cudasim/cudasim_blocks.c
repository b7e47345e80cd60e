/* SPDX-License-Identifier: MIT
 *
 * The threads of a block as fibers. A thread runs until it ends or waits; the scheduler goes round
 * until all have ended. A round without progress means that threads wait for others which never
 * arrive, on a GPU undefined behaviour: here the launch fails and says so.
 */
#include "cudasim.h"
#include "cudasim_fiber.h"
#include "cudasim_watch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WARPS (CUDASIM_MAX_THREADS / CUDASIM_WARP)

/* A place where threads meet. */
typedef struct {
    unsigned int expected;
    unsigned int arrived;
    unsigned int meetings; /* that are over */
    int line;              /* where the first of them waits */
} gathering;

typedef enum { NOT_STARTED, READY, WAITING, ENDED } thread_state;

typedef struct {
    cudasim_fiber fiber;
    cudasim_index index;
    thread_state state;
    const unsigned int *awaited; /* a count that another thread changes */
    unsigned int seen;           /* what it was */
    int line;                    /* where the thread waits */
    unsigned int warp_meetings;  /* that it took part in */
} thread;

cudasim_place cudasim_here;

static struct {
    const cudasim_kernel *kernel;
    void *const *params;
    thread threads[CUDASIM_MAX_THREADS];
    unsigned int count;
    unsigned int current;
    int is_reversed; /* the last thread goes first */
    gathering block;
    gathering warps[WARPS];
    /* two meetings: a lane can be one ahead of another that has not read yet */
    unsigned int posted[2][CUDASIM_MAX_THREADS][CUDASIM_POSTED_WORDS];
    cudasim_fiber scheduler;
    int code; /* OK until the launch fails; the reason says why */
    char reason[256];
    char report[512];
    sigjmp_buf escape;
} machine;

static void fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(int code, const char *format, ...)
{
    if (machine.code == 0) { /* the first counts */
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(machine.reason, sizeof machine.reason, format, arguments);
        va_end(arguments);
        machine.code = code;
    }
}

const char *cudasim_last_reason(void)
{
    return machine.report;
}

/* ---- meeting ---- */

void cudasim_wait_for_change(const unsigned int *count, int line)
{
    thread *self = &machine.threads[machine.current];
    self->state = WAITING;
    self->awaited = count;
    self->seen = *count;
    self->line = line;
    cudasim_fiber_switch(&self->fiber, &machine.scheduler);
}

static void wait_at(gathering *g, int line)
{
    if (g->arrived == 0u) {
        g->line = line;
    } else if (g->line != line) {
        fail(CUDASIM_LAUNCH_FAILED, "threads meet at different places, lines %d and %d", g->line,
             line);
    }
    g->arrived++;
    if (g->arrived == g->expected) {
        g->arrived = 0u;
        g->meetings++;
        return;
    }
    cudasim_wait_for_change(&g->meetings, line);
}

void cudasim_meet_block(int line)
{
    wait_at(&machine.block, line);
}

void cudasim_meet_warp_with(const unsigned int *values, unsigned int count, int line)
{
    thread *self = &machine.threads[machine.current];
    self->warp_meetings++;
    memcpy(machine.posted[self->warp_meetings % 2u][machine.current], values,
           count * sizeof *values);
    wait_at(&machine.warps[machine.current / CUDASIM_WARP], line);
}

void cudasim_meet_warp(unsigned int value, int line)
{
    cudasim_meet_warp_with(&value, 1u, line);
}

unsigned int cudasim_posted_word(unsigned int lane, unsigned int i)
{
    const thread *self = &machine.threads[machine.current];
    unsigned int other = machine.current / CUDASIM_WARP * CUDASIM_WARP + lane;
    return other < machine.count ? machine.posted[self->warp_meetings % 2u][other][i] : 0u;
}

unsigned int cudasim_posted(unsigned int lane)
{
    return cudasim_posted_word(lane, 0u);
}

unsigned int cudasim_lane(void)
{
    return machine.current % CUDASIM_WARP;
}

unsigned int cudasim_thread(void)
{
    return machine.current;
}

/* ---- stopping ---- */

void cudasim_stop(int code, const char *format, ...)
{
    char text[sizeof machine.reason];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fail(code, "%s", text);
    siglongjmp(machine.escape, 1);
}

/* The number of the kernel's parameter that points into [first, first + bytes), or -1. */
static int parameter_of(uintptr_t first, size_t bytes)
{
    for (unsigned int i = 0; i < machine.kernel->param_count; i++) {
        uintptr_t pointer;
        if (machine.kernel->param_bytes[i] == sizeof pointer) {
            memcpy(&pointer, machine.params[i], sizeof pointer);
            if (pointer >= first && pointer - first < bytes) {
                return (int)i;
            }
        }
    }
    return -1;
}

void cudasim_stop_outside(uintptr_t address, size_t bytes, int is_write)
{
    const char *verb = is_write ? "writes" : "reads";
    size_t block_bytes = 0;
    const void *block = cudasim_find_nearest(address, &block_bytes);
    if (block == NULL) {
        cudasim_stop(CUDASIM_ILLEGAL_ADDRESS, "%s %zu bytes where nothing is allocated", verb,
                     bytes);
    }
    long long offset = (long long)(address - (uintptr_t)block);
    cudasim_stop(CUDASIM_ILLEGAL_ADDRESS,
                 "%s %zu bytes at byte %lld of parameter %d, an allocation of %zu bytes", verb,
                 bytes, offset, parameter_of((uintptr_t)block, block_bytes), block_bytes);
}

/* ---- one block ---- */

static void thread_main(void)
{
    machine.kernel->run(machine.params);
    thread *self = &machine.threads[machine.current];
    self->state = ENDED;
    cudasim_fiber_switch(&self->fiber, &machine.scheduler);
}

static int is_runnable(const thread *t)
{
    return t->state == NOT_STARTED || t->state == READY ||
           (t->state == WAITING && *t->awaited != t->seen);
}

static void start_block(cudasim_index size)
{
    unsigned int i = 0;
    for (unsigned int z = 0; z < size.z; z++) {
        for (unsigned int y = 0; y < size.y; y++) {
            for (unsigned int x = 0; x < size.x; x++) {
                thread *t = &machine.threads[i++];
                t->index = (cudasim_index){x, y, z};
                t->state = NOT_STARTED;
                t->warp_meetings = 0;
            }
        }
    }
    machine.count = i;
    machine.block = (gathering){.expected = i};
    for (unsigned int warp = 0; warp * CUDASIM_WARP < i; warp++) {
        unsigned int rest = i - warp * CUDASIM_WARP;
        machine.warps[warp] = (gathering){.expected = rest < CUDASIM_WARP ? rest : CUDASIM_WARP};
    }
    cudasim_watch_block();
    cudasim_copies_begin();
}

/* Where the first thread that waits has stopped. */
static int waiting_line(void)
{
    for (unsigned int i = 0; i < machine.count; i++) {
        if (machine.threads[i].state == WAITING) {
            machine.current = i;
            return machine.threads[i].line;
        }
    }
    return 0;
}

static void run_block(void)
{
    unsigned int ended = 0;
    while (ended < machine.count && machine.code == 0) {
        int progress = 0;
        for (unsigned int turn = 0; turn < machine.count && machine.code == 0; turn++) {
            unsigned int i = machine.is_reversed ? machine.count - 1u - turn : turn;
            thread *t = &machine.threads[i];
            if (!is_runnable(t)) {
                continue;
            }
            if (t->state == NOT_STARTED && !cudasim_fiber_start(&t->fiber, i, thread_main)) {
                fail(CUDASIM_LAUNCH_FAILED, "no memory for the stack of a thread");
                break;
            }
            t->state = READY;
            machine.current = i;
            cudasim_here.thread = t->index;
            cudasim_fiber_switch(&machine.scheduler, &t->fiber);
            ended += t->state == ENDED ? 1u : 0u;
            progress = 1;
        }
        if (!progress && machine.code == 0) {
            int line = waiting_line();
            fail(CUDASIM_LAUNCH_FAILED, "waits at line %d for what never arrives", line);
        }
    }
    if (machine.code == 0 && cudasim_copies_under_way() != 0u) {
        fail(CUDASIM_LAUNCH_FAILED, "the block ends while %u copies to its memory are under way",
             cudasim_copies_under_way());
    }
}

/* ---- one launch ---- */

static void on_fault(int signal_number)
{
    (void)signal_number;
    siglongjmp(machine.escape, 1);
}

static void run_blocks(cudasim_index grid, cudasim_index block)
{
    cudasim_here.block_size = block;
    cudasim_here.grid_size = grid;
    for (unsigned int z = 0; z < grid.z; z++) {
        for (unsigned int y = 0; y < grid.y; y++) {
            for (unsigned int x = 0; x < grid.x && machine.code == 0; x++) {
                cudasim_here.block = (cudasim_index){x, y, z};
                start_block(block);
                run_block();
            }
        }
    }
}

int cudasim_run(const cudasim_kernel *kernel, cudasim_index grid, cudasim_index block,
                size_t dynamic_bytes, void *const *params)
{
    struct sigaction action, old_segv, old_bus;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_fault;
    action.sa_flags = SA_NODEFER;
    sigemptyset(&action.sa_mask);
    machine.kernel = kernel;
    machine.params = params;
    machine.code = 0;
    machine.report[0] = '\0';
    const char *order = getenv("CUDASIM_ORDER");
    machine.is_reversed = order != NULL && strcmp(order, "reverse") == 0;
    sigaction(SIGSEGV, &action, &old_segv);
    sigaction(SIGBUS, &action, &old_bus);
    if (dynamic_bytes + kernel->shared_bytes > CUDASIM_MAX_SHARED_BYTES) {
        fail(CUDASIM_LAUNCH_FAILED, "asks for %zu bytes of shared memory, %zu of them dynamic",
             dynamic_bytes + kernel->shared_bytes, dynamic_bytes);
    } else if (sigsetjmp(machine.escape, 1) == 0) {
        cudasim_watch_launch(kernel, dynamic_bytes, params);
        run_blocks(grid, block);
    } else {
        fail(CUDASIM_ILLEGAL_ADDRESS, "touched memory outside of every allocation");
    }
    sigaction(SIGSEGV, &old_segv, NULL);
    sigaction(SIGBUS, &old_bus, NULL);
    if (machine.code != 0) {
        snprintf(machine.report, sizeof machine.report,
                 "cudasim: %s, block (%u, %u, %u), thread %u: %s", kernel->name,
                 cudasim_here.block.x, cudasim_here.block.y, cudasim_here.block.z, machine.current,
                 machine.reason);
        fprintf(stderr, "%s\n", machine.report);
    }
    return machine.code;
}
