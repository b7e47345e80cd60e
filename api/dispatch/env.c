/* SPDX-License-Identifier: MIT
 *
 * Reads KVANT_BACKEND, at the creation of a context and nowhere else.
 */
#include "env.h"

#include <stdlib.h>

const char *kvant_env_backend(void)
{
    const char *text = secure_getenv("KVANT_BACKEND");
    return text != NULL && text[0] != '\0' ? text : NULL;
}
