/* SPDX-License-Identifier: MIT
 *
 * Reads KVANT_BACKEND and KVANT_VARIANT, at the creation of a context and nowhere else.
 */
#include "env.h"

#include <stdlib.h>

static const char *value_of(const char *name)
{
    const char *text = secure_getenv(name);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

const char *kvant_env_backend(void)
{
    return value_of("KVANT_BACKEND");
}

const char *kvant_env_variant(void)
{
    return value_of("KVANT_VARIANT");
}
