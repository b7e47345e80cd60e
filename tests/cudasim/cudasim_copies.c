/* SPDX-License-Identifier: MIT
 *
 * Asynchronous copies to shared memory. A GPU brings the bytes at any time up to the wait; here they
 * come at the wait itself, and until then nothing may touch the place where they will be.
 */
#include "cudasim.h"
#include "cudasim_watch.h"

#include <stdint.h>
#include <string.h>

enum { UNIT = 16, MOST_COPIES = 256 /* of a thread, of a barrier at once */, MOST_BARRIERS = 8 };

typedef struct {
    void *to;
    const void *from;
    size_t bytes;
    unsigned int group;
} copy;

/* The copies of a thread, oldest first. */
typedef struct {
    copy copies[MOST_COPIES];
    unsigned int count;
    unsigned int groups; /* that were committed */
} copy_list;

typedef struct {
    const void *address;
    copy copies[MOST_COPIES];
    unsigned int count;
    unsigned int phases;  /* that are over */
    int is_expecting;     /* in the present one */
    long long bytes_left; /* of it; below 0 where copies come first */
    unsigned int waiting; /* threads */
} barrier;

static copy_list lists[CUDASIM_MAX_THREADS];
static barrier barriers[MOST_BARRIERS];
static unsigned int barrier_count;
static unsigned int under_way;

void cudasim_copies_begin(void)
{
    for (unsigned int i = 0; i < CUDASIM_MAX_THREADS; i++) {
        lists[i].count = 0;
        lists[i].groups = 0;
    }
    barrier_count = 0;
    under_way = 0;
}

unsigned int cudasim_copies_under_way(void)
{
    return under_way;
}

static void check_addresses(const void *to, const void *from, size_t bytes)
{
    if ((uintptr_t)to % UNIT != 0 || (uintptr_t)from % UNIT != 0 || bytes % UNIT != 0) {
        cudasim_stop(CUDASIM_LAUNCH_FAILED,
                     "begins a copy of %zu bytes from %p to %p: all have to be multiples of %d",
                     bytes, from, to, UNIT);
    }
}

static void finish(const copy *c)
{
    cudasim_watch_arrival(c->to, c->bytes);
    memcpy(c->to, c->from, c->bytes);
    under_way--;
}

/* ---- in groups ---- */

void cudasim_copy(void *to, const void *from, size_t bytes)
{
    copy_list *list = &lists[cudasim_thread()];
    check_addresses(to, from, bytes);
    if (list->count == MOST_COPIES) {
        cudasim_stop(CUDASIM_LAUNCH_FAILED, "has more than %d copies under way", MOST_COPIES);
    }
    cudasim_watch_copy(to, from, bytes);
    list->copies[list->count++] = (copy){to, from, bytes, list->groups};
    under_way++;
}

void cudasim_copy_commit(void)
{
    lists[cudasim_thread()].groups++;
}

void cudasim_copy_wait(unsigned int pending)
{
    copy_list *list = &lists[cudasim_thread()];
    unsigned int kept = 0;
    for (unsigned int i = 0; i < list->count; i++) {
        if (list->copies[i].group + pending < list->groups) {
            finish(&list->copies[i]);
        } else {
            list->copies[kept++] = list->copies[i];
        }
    }
    list->count = kept;
}

/* ---- by barriers ---- */

void cudasim_barrier_begin(const void *address)
{
    if (barrier_count == MOST_BARRIERS) {
        cudasim_stop(CUDASIM_LAUNCH_FAILED, "has more than %d barriers", MOST_BARRIERS);
    }
    barrier *b = &barriers[barrier_count++];
    memset(b, 0, sizeof *b);
    b->address = address;
}

static barrier *find_barrier(const void *address)
{
    for (unsigned int i = 0; i < barrier_count; i++) {
        if (barriers[i].address == address) {
            return &barriers[i];
        }
    }
    cudasim_stop(CUDASIM_LAUNCH_FAILED, "uses a barrier that was not begun");
    return NULL;
}

/* What is under way comes, and the phase ends where all has come. */
static void settle(barrier *b)
{
    for (unsigned int i = 0; i < b->count; i++) {
        b->bytes_left -= (long long)b->copies[i].bytes;
        finish(&b->copies[i]);
    }
    b->count = 0;
    if (b->is_expecting && b->bytes_left == 0) {
        b->is_expecting = 0;
        b->phases++;
    }
}

void cudasim_barrier_expect(const void *address, unsigned int bytes)
{
    barrier *b = find_barrier(address);
    if (b->is_expecting) {
        cudasim_stop(CUDASIM_LAUNCH_FAILED, "expects bytes at a barrier that still waits for %lld",
                     b->bytes_left);
    }
    b->is_expecting = 1;
    b->bytes_left += bytes;
    if (b->waiting != 0u) {
        settle(b);
    }
}

void cudasim_bulk_copy(void *to, const void *from, size_t bytes, const void *address)
{
    barrier *b = find_barrier(address);
    check_addresses(to, from, bytes);
    if (b->count == MOST_COPIES) {
        cudasim_stop(CUDASIM_LAUNCH_FAILED, "has more than %d copies under way", MOST_COPIES);
    }
    cudasim_watch_copy(to, from, bytes);
    b->copies[b->count++] = (copy){to, from, bytes, 0u};
    under_way++;
    if (b->waiting != 0u) {
        settle(b);
    }
}

void cudasim_barrier_wait(const void *address, unsigned int parity, int line)
{
    barrier *b = find_barrier(address);
    if (b->phases % 2u == parity) {
        settle(b);
    }
    b->waiting++;
    while (b->phases % 2u == parity) {
        cudasim_wait_for_change(&b->phases, line);
    }
    b->waiting--;
}
