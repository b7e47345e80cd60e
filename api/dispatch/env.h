/* SPDX-License-Identifier: MIT
 *
 * The environment. Nothing else in the library reads it.
 */
#ifndef KVANT_DISPATCH_ENV_H
#define KVANT_DISPATCH_ENV_H

/* KVANT_BACKEND, or NULL where it is unset, empty, or the process runs with raised privileges. */
const char *kvant_env_backend(void);

/* KVANT_VARIANT, likewise. */
const char *kvant_env_variant(void);

#endif
