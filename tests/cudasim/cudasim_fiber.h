/* SPDX-License-Identifier: MIT
 *
 * Fibers: functions with stacks of their own that hand over to each other.
 */
#ifndef KVANT_TESTS_CUDASIM_FIBER_H
#define KVANT_TESTS_CUDASIM_FIBER_H

#if !defined(__x86_64__) || defined(CUDASIM_UCONTEXT)
#include <ucontext.h>
#endif

typedef struct {
#if defined(__x86_64__) && !defined(CUDASIM_UCONTEXT)
    void *stack_pointer;
#else
    ucontext_t context;
#endif
} cudasim_fiber;

/* Prepares a fiber to run `entry`, which never returns, on stack number `stack`. 0: no memory. */
int cudasim_fiber_start(cudasim_fiber *fiber, unsigned int stack, void (*entry)(void));

/* Keeps where the caller is in `from` and goes on in `to`. */
void cudasim_fiber_switch(cudasim_fiber *from, cudasim_fiber *to);

/* Whether the address lies in a stack of a fiber. */
int cudasim_is_stack(const void *address);

#endif
