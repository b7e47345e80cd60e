/* SPDX-License-Identifier: MIT
 *
 * What the driver functions of the simulator share: error codes, contexts, and what each function
 * begins and ends with.
 */
#ifndef KVANT_TESTS_CUDASIM_STATE_H
#define KVANT_TESTS_CUDASIM_STATE_H

#include "cudasim.h"

#define EXPORT __attribute__((visibility("default")))

enum {
    OK = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    NOT_READY = 600,
    CAPTURE_UNSUPPORTED = 900
};

typedef unsigned long long address;

typedef struct context_object {
    int retained;
    int fault; /* the code of the fault that ended everything, or OK */
    struct stream_object *streams;
} context_object;

/* The calling thread's current context, or NULL. */
context_object *cudasim_current(void);

/* A variable of the environment as a number within limits. */
int cudasim_number(const char *name, int otherwise, int least, int most);

/* Locks the simulator. Anything but OK is what the function returns, through cudasim_end. */
int cudasim_begin(const char *function, int needs_context);
int cudasim_end(int code);
void cudasim_lock(void);

#define BEGIN(needs_context)                                                                       \
    do {                                                                                           \
        int code_ = cudasim_begin(__func__, needs_context);                                        \
        if (code_ != OK) {                                                                         \
            return cudasim_end(code_);                                                             \
        }                                                                                          \
    } while (0)

#endif
