/* SPDX-License-Identifier: MIT
 *
 * Fibers: a switch of a few instructions on x86-64, ucontext elsewhere. Stacks are kept and used
 * again; each ends at a page that cannot be touched.
 */
#include "cudasim_fiber.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cudasim.h"

#define STACK_BYTES ((size_t)64 << 10)

static unsigned char *stacks; /* one after the other, a page that cannot be touched before each */
static size_t page;
static unsigned char is_mapped[CUDASIM_MAX_THREADS];

/* The lowest byte of a stack. */
static unsigned char *stack_of(unsigned int number)
{
    if (stacks == NULL) {
        page = (size_t)sysconf(_SC_PAGESIZE);
        void *mapping = mmap(NULL, (STACK_BYTES + page) * CUDASIM_MAX_THREADS, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapping == MAP_FAILED) {
            return NULL;
        }
        stacks = mapping;
    }
    unsigned char *low = stacks + (STACK_BYTES + page) * number + page;
    if (!is_mapped[number]) {
        if (mprotect(low, STACK_BYTES, PROT_READ | PROT_WRITE) != 0) {
            return NULL;
        }
        is_mapped[number] = 1;
    }
    return low;
}

int cudasim_is_stack(const void *address)
{
    uintptr_t offset = (uintptr_t)address - (uintptr_t)stacks;
    return stacks != NULL && offset < (STACK_BYTES + page) * CUDASIM_MAX_THREADS;
}

#if defined(__x86_64__) && !defined(CUDASIM_UCONTEXT)

/* Saves what a function must preserve and the stack pointer, takes over those of the other. */
void cudasim_swap_stacks(void **save, void *load);
__asm__(".text\n"
        ".hidden cudasim_swap_stacks\n"
        ".globl cudasim_swap_stacks\n"
        ".type cudasim_swap_stacks, @function\n"
        "cudasim_swap_stacks:\n"
        "    push %rbp\n"
        "    push %rbx\n"
        "    push %r12\n"
        "    push %r13\n"
        "    push %r14\n"
        "    push %r15\n"
        "    mov %rsp, (%rdi)\n"
        "    mov %rsi, %rsp\n"
        "    pop %r15\n"
        "    pop %r14\n"
        "    pop %r13\n"
        "    pop %r12\n"
        "    pop %rbx\n"
        "    pop %rbp\n"
        "    ret\n"
        ".size cudasim_swap_stacks, . - cudasim_swap_stacks\n");

int cudasim_fiber_start(cudasim_fiber *fiber, unsigned int stack, void (*entry)(void))
{
    unsigned char *low = stack_of(stack);
    if (low == NULL) {
        return 0;
    }
    /* as if entry had been called: its return address (none) at a multiple of 16 plus 8 */
    void **top = (void **)(void *)(low + STACK_BYTES);
    top[-3] = NULL;
    __builtin_memcpy(&top[-4], &entry, sizeof entry);
    for (int i = 5; i <= 10; i++) { /* the saved registers */
        top[-i] = NULL;
    }
    fiber->stack_pointer = &top[-10];
    return 1;
}

void cudasim_fiber_switch(cudasim_fiber *from, cudasim_fiber *to)
{
    cudasim_swap_stacks(&from->stack_pointer, to->stack_pointer);
}

#else

int cudasim_fiber_start(cudasim_fiber *fiber, unsigned int stack, void (*entry)(void))
{
    unsigned char *low = stack_of(stack);
    if (low == NULL || getcontext(&fiber->context) != 0) {
        return 0;
    }
    fiber->context.uc_stack.ss_sp = low;
    fiber->context.uc_stack.ss_size = STACK_BYTES;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, entry, 0);
    return 1;
}

void cudasim_fiber_switch(cudasim_fiber *from, cudasim_fiber *to)
{
    swapcontext(&from->context, &to->context);
}

#endif
