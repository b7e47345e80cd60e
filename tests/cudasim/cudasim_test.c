/* SPDX-License-Identifier: MIT
 *
 * The simulator itself: kernels that are right give what a GPU gives, with threads in either order;
 * kernels that are wrong are stopped, and the message names kernel, block, thread and place.
 */
#include <stdlib.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "cudasim.h"
#include "cudasim_watch.h"

extern const cudasim_kernel cudasim_test_sums, cudasim_test_touch, cudasim_test_unwritten,
    cudasim_test_beyond_shared, cudasim_test_dynamic, cudasim_test_divergent,
    cudasim_test_two_places, cudasim_test_copies, cudasim_test_bulk_copies;

static const cudasim_index two_blocks = {2, 1, 1};

static int launch(const cudasim_kernel *kernel, unsigned int threads, void *const *params)
{
    return cudasim_run(kernel, two_blocks, (cudasim_index){threads, 1, 1}, 0, params);
}

/* The launch failed with that code, and its message says all of that. */
static void assert_stopped(int got, int code, const char *const *parts)
{
    assert_int_equal(got, code);
    for (; *parts != NULL; parts++) {
        if (strstr(cudasim_last_reason(), *parts) == NULL) {
            fail_msg("'%s' does not say '%s'", cudasim_last_reason(), *parts);
        }
    }
}

#define STOPPED(code, call, ...)                                                                   \
    assert_stopped(call, code, (const char *const[]){__VA_ARGS__, NULL})

static void check_sums(unsigned int threads)
{
    unsigned int *out = cudasim_allocate(2u * threads * 8u * 4u);
    assert_non_null(out);
    assert_int_equal(launch(&cudasim_test_sums, threads, (void *[]){&out}), 0);
    for (unsigned int i = 0; i < 2u * threads; i++) {
        unsigned int thread = i % threads;
        unsigned int first = thread / 32u * 32u;
        const unsigned int expected[8] = {
            threads * (threads - 1u) / 2u,          5u,    threads - 1u, first * 32u + 496u,
            thread == first ? thread : thread - 1u, first, 0xaaaaaaaau,  1u};
        assert_memory_equal(&out[8u * i], expected, sizeof expected);
    }
    assert_int_equal(cudasim_free(out), 1);
}

static void shuffles_votes_atomics_and_barriers(void **state)
{
    (void)state;
    for (int is_reversed = 0; is_reversed < 2; is_reversed++) {
        setenv("CUDASIM_ORDER", is_reversed ? "reverse" : "forward", 1);
        check_sums(32);
        check_sums(128);
    }
    unsetenv("CUDASIM_ORDER");
}

static void accesses_outside_of_a_buffer_are_named(void **state)
{
    (void)state;
    unsigned int *buffer = cudasim_allocate(40);
    unsigned int *out = cudasim_allocate(4);
    int index = 10;
    unsigned int is_write = 0;
    void *const params[] = {&buffer, &out, &index, &is_write};
    STOPPED(CUDASIM_ILLEGAL_ADDRESS, launch(&cudasim_test_touch, 32, params), "touch",
            "block (1, 0, 0)", "thread 7", "reads 4 bytes at byte 40 of parameter 0",
            "an allocation of 40 bytes");
    is_write = 1;
    STOPPED(CUDASIM_ILLEGAL_ADDRESS, launch(&cudasim_test_touch, 32, params), "touch",
            "block (1, 0, 0)", "thread 7", "writes 4 bytes at byte 40 of parameter 0");
    index = -1;
    STOPPED(CUDASIM_ILLEGAL_ADDRESS, launch(&cudasim_test_touch, 32, params),
            "writes 4 bytes at byte -4 of parameter 0");
    index = 1 << 20;
    STOPPED(CUDASIM_ILLEGAL_ADDRESS, launch(&cudasim_test_touch, 32, params), "writes 4 bytes");
    index = 9;
    assert_int_equal(launch(&cudasim_test_touch, 32, params), 0);
    assert_string_equal(cudasim_last_reason(), "");
    assert_int_equal(buffer[9], 1);
    assert_int_equal(cudasim_free(buffer), 1);
    assert_int_equal(cudasim_free(out), 1);
}

static void shared_memory_that_was_not_written_is_named(void **state)
{
    (void)state;
    unsigned int *out = cudasim_allocate(64 * 4);
    unsigned int count = 64;
    void *const params[] = {&out, &count};
    assert_int_equal(launch(&cudasim_test_unwritten, 64, params), 0);
    count = 63;
    STOPPED(CUDASIM_LAUNCH_FAILED, launch(&cudasim_test_unwritten, 64, params), "unwritten",
            "block (0, 0, 0)", "thread 63", "reads 4 bytes at byte ", "of shared memory",
            "not written");
    assert_int_equal(cudasim_free(out), 1);
}

static void shared_memory_has_an_end(void **state)
{
    (void)state;
    unsigned int *out = cudasim_allocate(32 * 4);
    unsigned int index = 1 << 22;
    void *const params[] = {&out, &index};
    STOPPED(CUDASIM_ILLEGAL_ADDRESS, launch(&cudasim_test_beyond_shared, 32, params),
            "beyond_shared", "block (0, 0, 0)", "thread 31", "reads 4 bytes");
    index = 15;
    assert_int_equal(launch(&cudasim_test_beyond_shared, 32, params), 0);
    assert_int_equal(cudasim_free(out), 1);
}

static int launch_dynamic(size_t bytes, unsigned int *out, int last, unsigned int is_write)
{
    return cudasim_run(&cudasim_test_dynamic, two_blocks, (cudasim_index){32, 1, 1}, bytes,
                       (void *[]){&out, &last, &is_write});
}

static void dynamic_shared_memory_is_the_blocks_and_has_ends(void **state)
{
    (void)state;
    unsigned int *out = cudasim_allocate(2 * 32 * 4);
    assert_int_equal(launch_dynamic(32 * 4, out, 0, 0), 0);
    for (unsigned int i = 0; i < 64; i++) {
        assert_int_equal(out[i], (i + 1) % 32 + 100 * (i / 32));
    }
    STOPPED(CUDASIM_LAUNCH_FAILED, launch_dynamic(33 * 4, out, 32, 0), "block (0, 0, 0)",
            "thread 31", "reads 4 bytes at byte 128 of 132 of dynamic shared memory",
            "not written");
    assert_int_equal(launch_dynamic(33 * 4, out, 32, 1), 0);
    STOPPED(CUDASIM_LAUNCH_FAILED, launch_dynamic(33 * 4, out, 32, 0), "not written");
    STOPPED(CUDASIM_ILLEGAL_ADDRESS, launch_dynamic(32 * 4, out, 32, 0), "thread 31",
            "reads 4 bytes at byte 128 of 128 of dynamic shared memory");
    STOPPED(CUDASIM_ILLEGAL_ADDRESS, launch_dynamic(32 * 4, out, 32, 1), "thread 31",
            "writes 4 bytes at byte 128 of 128 of dynamic shared memory");
    STOPPED(CUDASIM_ILLEGAL_ADDRESS, launch_dynamic(32 * 4, out, -1, 1), "thread 31",
            "writes 4 bytes at byte -4 of 128 of dynamic shared memory");
    STOPPED(CUDASIM_ILLEGAL_ADDRESS, launch_dynamic(0, out, 0, 0), "thread 0",
            "writes 4 bytes at byte 0 of 0 of dynamic shared memory");
    STOPPED(CUDASIM_LAUNCH_FAILED, launch_dynamic(48 << 10, out, 0, 0), "of shared memory",
            "49152 of them dynamic");
    assert_int_equal(cudasim_free(out), 1);
}

static void barriers_that_not_all_reach_are_named(void **state)
{
    (void)state;
    unsigned int *out = cudasim_allocate(32 * 4);
    void *const params[] = {&out};
    STOPPED(CUDASIM_LAUNCH_FAILED, launch(&cudasim_test_divergent, 32, params), "divergent",
            "block (0, 0, 0)", "thread 0", "waits at line", "never arrive");
    STOPPED(CUDASIM_LAUNCH_FAILED, launch(&cudasim_test_two_places, 32, params), "two_places",
            "block (0, 0, 0)", "thread 3", "different places");
    assert_int_equal(cudasim_free(out), 1);
}

typedef struct {
    unsigned int shift, pending, read_second, write_early;
} copying;

static int launch_copies(unsigned int *out, const unsigned int *in, copying c)
{
    return launch(&cudasim_test_copies, 32,
                  (void *[]){&out, &in, &c.shift, &c.pending, &c.read_second, &c.write_early});
}

static void copies_arrive_at_the_wait_and_not_before(void **state)
{
    (void)state;
    unsigned int *in = cudasim_allocate(256 * 4);
    unsigned int *out = cudasim_allocate(32 * 4);
    for (unsigned int i = 0; i < 256; i++) {
        in[i] = i * i;
    }
    for (int is_reversed = 0; is_reversed < 2; is_reversed++) {
        setenv("CUDASIM_ORDER", is_reversed ? "reverse" : "forward", 1);
        assert_int_equal(launch_copies(out, in, (copying){0, 0, 1, 0}), 0);
        for (unsigned int i = 0; i < 32; i++) {
            unsigned int first = (i + 1) % 32 * 4;
            assert_int_equal(out[i], in[first] + in[128 + first + 3]);
        }
        STOPPED(CUDASIM_LAUNCH_FAILED, launch_copies(out, in, (copying){0, 2, 0, 0}), "copies",
                "block (0, 0, 0)", "reads 4 bytes at byte ", "of shared memory",
                "a copy is under way");
        STOPPED(CUDASIM_LAUNCH_FAILED, launch_copies(out, in, (copying){0, 1, 1, 0}),
                "a copy is under way");
        STOPPED(CUDASIM_LAUNCH_FAILED, launch_copies(out, in, (copying){0, 0, 1, 1}),
                "writes 4 bytes at byte ", "a copy is under way");
        STOPPED(CUDASIM_LAUNCH_FAILED, launch_copies(out, in, (copying){0, 1, 0, 0}),
                "the block ends while 32 copies to its memory are under way");
    }
    unsetenv("CUDASIM_ORDER");
    STOPPED(CUDASIM_LAUNCH_FAILED, launch_copies(out, in, (copying){1, 0, 1, 0}),
            "begins a copy of 16 bytes from ", "multiples of 16");
    STOPPED(CUDASIM_ILLEGAL_ADDRESS, launch_copies(out, in, (copying){4, 0, 1, 0}),
            "thread 31: reads 16 bytes at byte 1024 of parameter 1, an allocation of 1024 bytes");
    assert_int_equal(cudasim_free(in), 1);
    assert_int_equal(cudasim_free(out), 1);
}

static int launch_bulk(unsigned int *out, const unsigned int *in, unsigned int shift,
                       unsigned int expected, unsigned int parity)
{
    return launch(&cudasim_test_bulk_copies, 32, (void *[]){&out, &in, &shift, &expected, &parity});
}

static void a_barrier_waits_for_the_bytes_that_it_expects(void **state)
{
    (void)state;
    unsigned int *in = cudasim_allocate(256 * 4);
    unsigned int *out = cudasim_allocate(32 * 4);
    for (unsigned int i = 0; i < 256; i++) {
        in[i] = i * i;
    }
    for (int is_reversed = 0; is_reversed < 2; is_reversed++) {
        setenv("CUDASIM_ORDER", is_reversed ? "reverse" : "forward", 1);
        assert_int_equal(launch_bulk(out, in, 0, 512, 0), 0);
        for (unsigned int i = 0; i < 32; i++) {
            unsigned int first = (31 - i) * 4;
            assert_int_equal(out[i], in[first] + in[128 + first + 1]);
        }
        STOPPED(CUDASIM_LAUNCH_FAILED, launch_bulk(out, in, 0, 528, 0), "bulk_copies",
                "block (0, 0, 0)", "waits at line", "never arrive");
        STOPPED(CUDASIM_LAUNCH_FAILED, launch_bulk(out, in, 0, 496, 0), "waits at line");
    }
    unsetenv("CUDASIM_ORDER");
    STOPPED(CUDASIM_LAUNCH_FAILED, launch_bulk(out, in, 0, 512, 1), "reads 4 bytes at byte ",
            "of shared memory");
    STOPPED(CUDASIM_LAUNCH_FAILED, launch_bulk(out, in, 2, 512, 0), "multiples of 16");
    assert_int_equal(cudasim_free(in), 1);
    assert_int_equal(cudasim_free(out), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shuffles_votes_atomics_and_barriers),
        cmocka_unit_test(accesses_outside_of_a_buffer_are_named),
        cmocka_unit_test(shared_memory_that_was_not_written_is_named),
        cmocka_unit_test(shared_memory_has_an_end),
        cmocka_unit_test(dynamic_shared_memory_is_the_blocks_and_has_ends),
        cmocka_unit_test(barriers_that_not_all_reach_are_named),
        cmocka_unit_test(copies_arrive_at_the_wait_and_not_before),
        cmocka_unit_test(a_barrier_waits_for_the_bytes_that_it_expects),
    };
    return cmocka_run_group_tests_name("the simulated CUDA driver", tests, NULL, NULL);
}
