/* SPDX-License-Identifier: MIT
 *
 * Opening a GPU library at run time.
 */
#ifndef KVANT_BACKENDS_DYNLIB_H
#define KVANT_BACKENDS_DYNLIB_H

typedef void (*kvant_symbol)(void);

/* NULL when it cannot be opened; *out_reason then says why, until the thread's next call. */
void *kvant_dynlib_open(const char *name, const char **out_reason);
void kvant_dynlib_close(void *library);                            /* NULL is fine */
kvant_symbol kvant_dynlib_symbol(void *library, const char *name); /* NULL when absent */

#endif
