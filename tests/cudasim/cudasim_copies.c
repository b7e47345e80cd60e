/* SPDX-License-Identifier: MIT
 *
 * Asynchronous copies to shared memory. A GPU brings the bytes at any time up to the wait; here they
 * come at the wait itself, and until then nothing may touch the place where they will be.
 */
#include "cudasim.h"
#include "cudasim_watch.h"

#include <stdint.h>
#include <string.h>

enum { UNIT = 16, MOST_COPIES = 256 /* of a thread at once */ };

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

static copy_list lists[CUDASIM_MAX_THREADS];
static unsigned int under_way;

void cudasim_copies_begin(void)
{
    for (unsigned int i = 0; i < CUDASIM_MAX_THREADS; i++) {
        lists[i].count = 0;
        lists[i].groups = 0;
    }
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
