/* SPDX-License-Identifier: MIT
 *
 * The backends of this build, by name.
 */
#include <string.h>

#include "conformance.h"

const kvant_backend *kvant_conformance_backend(const char *name, size_t length)
{
    static const kvant_backend *const backends[] = {
#define KVANT_BACKEND(backend) &kvant_backend_##backend,
#include "backends.def"
#undef KVANT_BACKEND
    };
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        if (strlen(backends[i]->name) == length && memcmp(backends[i]->name, name, length) == 0) {
            return backends[i];
        }
    }
    return NULL;
}
