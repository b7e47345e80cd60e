/* SPDX-License-Identifier: MIT
 *
 * Opening a GPU library at run time, by dlopen.
 */
#include "dynlib.h"

#include <dlfcn.h>
#include <string.h>

void *kvant_dynlib_open(const char *name, const char **out_reason)
{
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    *out_reason = NULL;
    if (library == NULL) {
        const char *reason = dlerror();
        *out_reason = reason != NULL ? reason : "unknown reason";
    }
    return library;
}

void kvant_dynlib_close(void *library)
{
    if (library != NULL) {
        dlclose(library);
    }
}

kvant_symbol kvant_dynlib_symbol(void *library, const char *name)
{
    /* POSIX lets a data pointer from dlsym become a function pointer; C asks for a copy. */
    void *address = dlsym(library, name);
    kvant_symbol symbol = NULL;
    memcpy(&symbol, &address, sizeof symbol);
    return symbol;
}
