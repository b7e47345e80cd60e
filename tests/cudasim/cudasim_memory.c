/* SPDX-License-Identifier: MIT
 *
 * Device memory of the simulator: each allocation in a mapping of its own, ending at a page that
 * cannot be touched, so that a kernel which goes too far is caught.
 */
#include "cudasim.h"
#include "cudasim_watch.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALIGNMENT 16u
#define PATTERN 0xcd

typedef struct block {
    struct block *next;
    unsigned char *mapping;
    size_t mapping_bytes;
    unsigned char *memory;
    size_t bytes;
    int is_pinned;
} block;

static block *blocks;

/* What comes before an object. */
typedef struct object {
    _Alignas(16) struct object *next;
    struct object *previous;
} object;

static object *objects;

static size_t round_up(size_t bytes, size_t to)
{
    return (bytes + to - 1u) / to * to;
}

static block *add(size_t bytes, int is_pinned)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    block *b = calloc(1, sizeof *b);
    if (b == NULL || bytes == 0u || bytes > SIZE_MAX - 3u * page) {
        free(b);
        return NULL;
    }
    size_t usable = round_up(bytes, page);
    b->mapping_bytes = usable + 2u * page;
    void *mapping = mmap(NULL, b->mapping_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) {
        free(b);
        return NULL;
    }
    b->mapping = mapping;
    if (mprotect(b->mapping + page, usable, PROT_READ | PROT_WRITE) != 0) {
        munmap(mapping, b->mapping_bytes);
        free(b);
        return NULL;
    }
    b->memory = b->mapping + page + usable - round_up(bytes, ALIGNMENT);
    b->bytes = bytes;
    b->is_pinned = is_pinned;
    memset(b->mapping + page, PATTERN, usable);
    b->next = blocks;
    blocks = b;
    return b;
}

/* Whether nothing was written between the end of the allocation and the next page. */
static int end_is_intact(const block *b)
{
    for (size_t i = b->bytes; i < round_up(b->bytes, ALIGNMENT); i++) {
        if (b->memory[i] != PATTERN) {
            return 0;
        }
    }
    return 1;
}

static int release(const void *memory, int is_pinned)
{
    for (block **link = &blocks; *link != NULL; link = &(*link)->next) {
        block *b = *link;
        if (b->memory == memory && b->is_pinned == is_pinned) {
            int is_intact = end_is_intact(b);
            if (!is_intact) {
                fprintf(stderr, "cudasim: an allocation of %zu bytes was written beyond its end\n",
                        b->bytes);
            }
            *link = b->next;
            munmap(b->mapping, b->mapping_bytes);
            free(b);
            return is_intact;
        }
    }
    return 0;
}

static int contains(const void *memory, size_t bytes, int is_pinned)
{
    uintptr_t first = (uintptr_t)memory;
    for (const block *b = blocks; b != NULL; b = b->next) {
        uintptr_t start = (uintptr_t)b->memory;
        if (b->is_pinned == is_pinned && first >= start && first - start <= b->bytes &&
            bytes <= b->bytes - (first - start)) {
            return 1;
        }
    }
    return 0;
}

void *cudasim_allocate(size_t bytes)
{
    block *b = add(bytes, 0);
    return b != NULL ? b->memory : NULL;
}

int cudasim_free(void *memory)
{
    return release(memory, 0);
}

int cudasim_contains(const void *memory, size_t bytes)
{
    return contains(memory, bytes, 0);
}

const void *cudasim_find(uintptr_t address, size_t *out_bytes)
{
    for (const block *b = blocks; b != NULL; b = b->next) {
        if (!b->is_pinned && address - (uintptr_t)b->memory < b->bytes) {
            *out_bytes = b->bytes;
            return b->memory;
        }
    }
    return NULL;
}

const void *cudasim_find_nearest(uintptr_t address, size_t *out_bytes)
{
    const block *nearest = NULL;
    uintptr_t least = UINTPTR_MAX;
    for (const block *b = blocks; b != NULL; b = b->next) {
        uintptr_t first = (uintptr_t)b->memory;
        uintptr_t distance = address < first              ? first - address
                             : address < first + b->bytes ? 0
                                                          : address - first - b->bytes;
        if (!b->is_pinned && distance <= least) {
            least = distance;
            nearest = b;
        }
    }
    if (nearest == NULL) {
        return NULL;
    }
    *out_bytes = nearest->bytes;
    return nearest->memory;
}

/* ---- objects: events, streams and the like ---- */

void *cudasim_new(size_t bytes)
{
    object *o = calloc(1, sizeof *o + bytes);
    if (o == NULL) {
        return NULL;
    }
    o->next = objects;
    if (objects != NULL) {
        objects->previous = o;
    }
    objects = o;
    return o + 1;
}

void cudasim_delete(void *memory)
{
    if (memory == NULL) {
        return;
    }
    object *o = (object *)memory - 1;
    if (o->previous != NULL) {
        o->previous->next = o->next;
    } else {
        objects = o->next;
    }
    if (o->next != NULL) {
        o->next->previous = o->previous;
    }
    free(o);
}

void cudasim_free_all(void)
{
    while (objects != NULL) {
        cudasim_delete(objects + 1);
    }
    while (blocks != NULL) {
        (void)release(blocks->memory, blocks->is_pinned);
    }
}

unsigned int cudasim_live_allocations(void)
{
    unsigned int count = 0;
    for (const block *b = blocks; b != NULL; b = b->next) {
        count++;
    }
    return count;
}

void *cudasim_allocate_pinned(size_t bytes)
{
    block *b = add(bytes, 1);
    return b != NULL ? b->memory : NULL;
}

int cudasim_free_pinned(void *memory)
{
    return release(memory, 1);
}

int cudasim_is_pinned(const void *memory, size_t bytes)
{
    return contains(memory, bytes, 1);
}
