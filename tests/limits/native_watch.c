/* SPDX-License-Identifier: MIT
 *
 * What the wrappers of the three drivers share.
 */
#include "native_watch.h"

#include <stdio.h>
#include <string.h>

static native_limits forced;
static native_counts counts;

kvant_symbol native_real_symbol(void *library,
                                const char *name) __asm__("__real_kvant_dynlib_symbol");
kvant_symbol native_wrapped_symbol(void *library,
                                   const char *name) __asm__("__wrap_kvant_dynlib_symbol");

kvant_symbol native_wrapped_symbol(void *library, const char *name)
{
    kvant_symbol real = native_real_symbol(library, name);
#ifdef KVANT_HAVE_OPENCL
    if (strncmp(name, "cl", 2) == 0) {
        return native_opencl_symbol(name, real);
    }
#endif
#ifdef KVANT_HAVE_VULKAN
    if (strncmp(name, "vk", 2) == 0) {
        return native_vulkan_symbol(name, real);
    }
#endif
#ifdef KVANT_HAVE_CUDA
    if (strncmp(name, "cu", 2) == 0) {
        return native_cuda_symbol(name, real);
    }
#endif
    return real;
}

kvant_symbol native_find(const native_symbol *symbols, const char *name, kvant_symbol real)
{
    for (; symbols->name != NULL; symbols++) {
        if (strcmp(symbols->name, name) == 0 && real != NULL) {
            memcpy(symbols->real, &real, sizeof real);
            return symbols->wrapper;
        }
    }
    return real;
}

void native_force(const native_limits *limits)
{
    forced = limits != NULL ? *limits : (native_limits){0};
}

const native_limits *native_forced(void)
{
    return &forced;
}

const native_counts *native_counted(void)
{
    return &counts;
}

native_counts *native_counter(void)
{
    return &counts;
}

void native_forget(void)
{
    counts = (native_counts){0};
}

uint64_t native_least(uint64_t own, uint64_t limit)
{
    return limit != 0 && limit < own ? limit : own;
}

void native_check(const char *what, uint64_t value, uint64_t limit)
{
    if (limit == 0 || value <= limit) {
        return;
    }
    if (counts.violations++ == 0) {
        snprintf(counts.violation, sizeof counts.violation, "%s: %llu, the limit is %llu", what,
                 (unsigned long long)value, (unsigned long long)limit);
    }
}
