/* SPDX-License-Identifier: MIT
 *
 * What is done with a device while its calls fail, and what must hold afterwards. A point is one
 * counted call, one kind of error, and whether it fails once or from then on. Points of opening and
 * preparing get a device each; points of using a cache share one for as long as it is not lost.
 */
#include "cmocka_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "context_internal.h"
#include "fault_points.h"
#include "fault_supervisor.h"

enum {
    PROMPT = 40,
    STEPS = 12, /* the window of 8 + 8 is full before the last of them */
    TOKENS = PROMPT + STEPS,
    HEADS = 2,
    DIM = 16,
    ROW = HEADS * DIM,
    WRONGS = 3
};

/* Points are thinned out so that a part takes about this long. */
static const double part_seconds = 8.0;

static const fault_subject *subject;

/* Every point, or every step-th from `first` on; step 0: as many as part_seconds allow. */
static long first_point;
static long point_step;
static fault_progress *progress; /* NULL: nobody watches */

typedef struct {
    kvant_cache *cache;
    kvant_buffer *tensors[3]; /* K, V, Q of all tokens, f32 */
    kvant_buffer *out;
    float outputs[STEPS][ROW];
    uint64_t digest;
    int done; /* stages that succeeded: creation, prompt, then append and attend in turn */
} session;

static float expected_outputs[STEPS][ROW];
static uint64_t expected_digest;

typedef struct {
    long calls;  /* what an undisturbed run makes */
    long points; /* tried */
    long failed; /* of them, reported by a call */
    long resumed;
    long reset;
    long lost;
    long wrong[WRONGS];
} tally;

static const char *const wrong_texts[WRONGS] = {
    "a device lost in one of these calls is reported as something else at first",
    "after a failed prompt the sequence is neither empty nor refused",
    "the failed call can be repeated, but the results are others until a reset",
};

static double now(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- the scenario ---- */

static kvant_status open_context(kvant_context **out_context)
{
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = subject->backend;
    desc.allocator = fault_allocator();
    *out_context = (kvant_context *)&desc; /* must become NULL */
    kvant_status status = kvant_context_create(&desc, out_context);
    assert_true((*out_context != NULL) == (status == KVANT_OK));
    return status;
}

static kvant_status create_buffer(kvant_context *context, uint64_t bytes, kvant_buffer **out_buffer)
{
    kvant_status status = kvant_buffer_create(context, bytes, out_buffer);
    assert_true((*out_buffer != NULL) == (status == KVANT_OK));
    return status;
}

static kvant_status create(session *s, kvant_context *context)
{
    static float values[TOKENS * ROW];
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    kvant_status status = kvant_recipe_parse("zipcache,window=8,period=8", &desc.recipe);
    assert_int_equal(status, KVANT_OK);
    desc.layers = 1;
    desc.q_heads = HEADS;
    desc.kv_heads = HEADS;
    desc.k_dim = DIM;
    desc.prefill_tokens = PROMPT;
    desc.decode_tokens = STEPS;
    for (int i = 0; i < 3 && status == KVANT_OK; i++) {
        for (int j = 0; j < TOKENS * ROW; j++) {
            values[j] = (float)((j * 37 + i * 11) % 101 - 50) / 16.0f;
        }
        status = create_buffer(context, sizeof values, &s->tensors[i]);
        if (status == KVANT_OK) {
            status = kvant_buffer_write(s->tensors[i], 0, values, sizeof values);
        }
    }
    if (status == KVANT_OK) {
        status = create_buffer(context, sizeof s->outputs[0], &s->out);
    }
    if (status == KVANT_OK) {
        s->cache = (kvant_cache *)&desc; /* must become NULL */
        status = kvant_cache_create(context, &desc, &s->cache);
        assert_true((s->cache != NULL) == (status == KVANT_OK));
    }
    return status;
}

static void destroy(session *s)
{
    kvant_cache_destroy(s->cache);
    for (int i = 0; i < 3; i++) {
        kvant_buffer_destroy(s->tensors[i]);
    }
    kvant_buffer_destroy(s->out);
    *s = (session){0};
}

static kvant_tensor rows_of(const session *s, int which, int first)
{
    return (kvant_tensor){
        .buffer = s->tensors[which], .dtype = KVANT_F32, .offset = (uint64_t)first * ROW};
}

static kvant_status attend(session *s, int step)
{
    kvant_tensor q = rows_of(s, 2, PROMPT + step);
    kvant_tensor out = {.buffer = s->out, .dtype = KVANT_F32};
    kvant_status status = kvant_cache_attend(s->cache, 0, 0, 1, 1, &q, &out, NULL);
    if (status == KVANT_OK) {
        status = kvant_buffer_read(s->out, 0, s->outputs[step], sizeof s->outputs[step]);
    }
    return status;
}

/* The stage that is next. */
static kvant_status advance(session *s)
{
    kvant_tensor k = rows_of(s, 0, s->done < 1 ? 0 : PROMPT + (s->done - 1) / 2);
    kvant_tensor v = rows_of(s, 1, s->done < 1 ? 0 : PROMPT + (s->done - 1) / 2);
    kvant_tensor q = rows_of(s, 2, 0);
    kvant_status status;
    if (s->done == 0) {
        status = kvant_cache_prefill(s->cache, 0, 0, PROMPT, &k, &v, &q);
    } else if (s->done <= 2 * STEPS) {
        status = (s->done - 1) % 2 == 0 ? kvant_cache_append(s->cache, 0, 0, 1, &k, &v)
                                        : attend(s, (s->done - 1) / 2);
    } else {
        status = kvant_cache_digest(s->cache, &s->digest);
    }
    s->done += status == KVANT_OK ? 1 : 0;
    return status;
}

static kvant_status go_on(session *s)
{
    kvant_status status = KVANT_OK;
    while (status == KVANT_OK && s->done <= 2 * STEPS + 1) {
        status = advance(s);
    }
    return status;
}

static bool has_results(const session *s)
{
    return s->digest == expected_digest &&
           memcmp(s->outputs, expected_outputs, sizeof expected_outputs) == 0;
}

static void assert_results(const session *s)
{
    if (!has_results(s)) {
        fail_msg("other results after a failure of %s at stage %d", fault_where(), s->done);
    }
}

/* ---- what must hold ---- */

static bool is_memory(kvant_status status)
{
    return status == KVANT_ERROR_OUT_OF_HOST_MEMORY || status == KVANT_ERROR_OUT_OF_DEVICE_MEMORY;
}

/* Statuses that tell the caller something true. */
static void assert_sensible(kvant_status status, bool opening)
{
    bool is_sensible = status == KVANT_ERROR_DEVICE_LOST || status == KVANT_ERROR_KERNEL_BUILD ||
                       is_memory(status);
    if (opening) {
        is_sensible = is_sensible || status == KVANT_ERROR_NO_DEVICE ||
                      status == KVANT_ERROR_BACKEND_UNAVAILABLE;
    }
    if (fault_which() == FAULT_OTHER) {
        is_sensible = is_sensible || status == KVANT_ERROR_INTERNAL;
    }
    if (!is_sensible || kvant_last_message()[0] == '\0') {
        fail_msg("%s failed with kind %d, the call says %s: %s", fault_where(), (int)fault_which(),
                 kvant_status_name(status), kvant_last_message());
    }
}

/* The device is lost for every call, and everything can still be destroyed. */
static void assert_lost(kvant_context *context, session *s)
{
    kvant_buffer *buffer = s->out;
    assert_int_equal(kvant_buffer_create(context, 64, &buffer), KVANT_ERROR_DEVICE_LOST);
    assert_null(buffer);
    assert_int_equal(kvant_context_is_lost(context), 1);
    assert_int_equal(kvant_context_synchronize(context), KVANT_ERROR_DEVICE_LOST);
    assert_int_equal(kvant_context_prepare(context), KVANT_ERROR_DEVICE_LOST);
    if (s->cache != NULL) {
        assert_int_equal(kvant_cache_reset(s->cache, 0), KVANT_ERROR_DEVICE_LOST);
        assert_int_equal(attend(s, 0), KVANT_ERROR_DEVICE_LOST);
        assert_int_equal(kvant_cache_digest(s->cache, &s->digest), KVANT_ERROR_DEVICE_LOST);
    }
}

/* Some calls lose the device without saying so: the next one to reach it tells. */
static bool finds_loss(kvant_context *context)
{
    kvant_buffer *buffer = NULL;
    kvant_status status = kvant_buffer_create(context, 64, &buffer);
    kvant_buffer_destroy(buffer);
    if (status == KVANT_OK) {
        status = kvant_context_synchronize(context);
    }
    if (status != KVANT_OK && status != KVANT_ERROR_DEVICE_LOST) {
        fail_msg("after a failure of %s: %s", fault_where(), kvant_last_message());
    }
    return status == KVANT_ERROR_DEVICE_LOST;
}

/* A call on the cache failed, and nothing fails any more: it goes on from there, or wants a reset. */
static void recover(kvant_context *context, session *s, tally *t)
{
    kvant_status status = KVANT_ERROR_INVALID_STATE;
    if (s->cache == NULL) {
        destroy(s);
        assert_int_equal(create(s, context), KVANT_OK);
        status = go_on(s);
        assert_int_equal(status, KVANT_OK);
    } else {
        if (s->done == 0 && kvant_cache_length(s->cache, 0, 0) != 0 &&
            attend(s, 0) != KVANT_ERROR_INVALID_STATE) {
            t->wrong[1]++;
        }
        int failed = s->done;
        status = go_on(s);
        if (status == KVANT_OK && !has_results(s)) {
            print_message("other results: %s failed at stage %d (%s)\n", fault_where(), failed,
                          failed == 0       ? "prompt"
                          : failed % 2 != 0 ? "append"
                                            : "attend");
            t->wrong[2]++;
            status = KVANT_ERROR_INVALID_STATE;
        }
    }
    if (status == KVANT_OK) {
        t->resumed++;
    } else {
        assert_int_equal(status, KVANT_ERROR_INVALID_STATE);
        assert_int_equal(kvant_cache_reset(s->cache, 0), KVANT_OK);
        s->done = 0;
        status = go_on(s);
        if (status != KVANT_OK) {
            fail_msg("after %s and a reset: %s", fault_where(), kvant_last_message());
        }
        t->reset++;
    }
    assert_results(s);
}

/* ---- points ---- */

/* A way is twice the kind of error, plus 1 where it goes on. */
typedef struct {
    int count;
    int way[2 * FAULT_KINDS];
} way_set;

static const way_set all_ways = {6, {0, 1, 2, 3, 4, 5}};
static const way_set errors = {4, {0, 1, 4, 5}};
static const way_set losses = {2, {2, 3}};
static const way_set no_memory = {2, {0, 1}};

/* A kernel that the self-test does not need. */
static kvant_status build_a_kernel(kvant_context *context)
{
    return kvant_prepare_kernel(context, KVANT_KERNEL_append);
}

typedef void (*arm_fn)(long n, int way);

static void arm_call(long n, int way)
{
    fault_arm_calls(subject, n, (fault_kind)(way / 2), way % 2 != 0);
}

static void arm_allocation(long n, int way)
{
    fault_arm_allocations(subject, n, way % 2 != 0);
}

static bool is_loss(arm_fn arm)
{
    return arm == arm_call && fault_which() == FAULT_LOSS;
}

static void close_context(kvant_context **context)
{
    kvant_context_destroy(*context);
    *context = NULL;
    long left = fault_live_allocations() + fault_live_objects();
    if (left != 0) {
        if (progress != NULL) {
            progress->leaks += left;
        }
        fail_msg("%ld allocations and %ld native objects are left after a failure of %s",
                 fault_live_allocations(), fault_live_objects(), fault_where());
    }
    const char *objection = subject->objection != NULL ? subject->objection() : NULL;
    if (objection != NULL) {
        fail_msg("after a failure of %s %s", fault_where(), objection);
    }
}

/* Tells who watches which point comes now. */
static void begin_point(long i, tally *t)
{
    t->points++;
    if (progress != NULL) {
        progress->at = i;
        progress->points++;
    }
}

static void end_part(void)
{
    if (progress != NULL) {
        progress->is_finished = true;
    }
}

/* Opening and preparing, with one point. Failures go on while it is closed. */
static void try_opening(arm_fn arm, long n, int way, tally *t)
{
    kvant_context *context = NULL;
    arm(n, way);
    kvant_status status = open_context(&context);
    bool is_open = status == KVANT_OK;
    if (is_open) {
        status = build_a_kernel(context);
    }
    if (status != KVANT_OK) {
        t->failed++;
        assert_true(fault_injected() > 0);
        assert_sensible(status, !is_open);
    }
    if (is_open && status == KVANT_ERROR_DEVICE_LOST) {
        session none = {0};
        assert_lost(context, &none);
        t->lost++;
    } else if (is_open && status != KVANT_OK && way % 2 == 0 && !finds_loss(context)) {
        kvant_status again = build_a_kernel(context);
        if (again != KVANT_OK) {
            fail_msg("prepare, after %s failed once: %s", fault_where(), kvant_last_message());
        }
        t->resumed++;
    } else if (is_open && is_loss(arm) && status != KVANT_OK) {
        t->wrong[0]++;
    }
    close_context(&context);
    fault_disarm();
}

static void reopen(kvant_context **context)
{
    fault_disarm();
    if (*context == NULL) {
        assert_int_equal(open_context(context), KVANT_OK);
    }
}

/* Using a cache, with one point; kernels that were not built yet get built on the way. */
static void try_using(kvant_context **context, arm_fn arm, long n, int way, tally *t)
{
    session s = {0};
    reopen(context);
    arm(n, way);
    kvant_status status = create(&s, *context);
    if (status == KVANT_OK) {
        status = go_on(&s);
    }
    bool was_injected = fault_injected() > 0;
    if (status == KVANT_OK) {
        assert_results(&s);
    } else {
        t->failed++;
        assert_true(was_injected);
        assert_sensible(status, false);
        if (is_loss(arm) && status != KVANT_ERROR_DEVICE_LOST) {
            t->wrong[0]++;
        }
    }
    if (status == KVANT_ERROR_DEVICE_LOST) {
        assert_lost(*context, &s);
    }
    /* destroyed while calls fail, or after */
    bool in_failure = way % 2 != 0 && is_loss(arm) && n % 2 == 0;
    if (!in_failure) {
        fault_disarm();
    }
    if (kvant_context_is_lost(*context) || in_failure || finds_loss(*context)) {
        t->lost += kvant_context_is_lost(*context) ? 1 : 0;
        destroy(&s);
        if (subject->revive != NULL && t->points % 128 != 127) {
            subject->revive((*context)->device);
            (*context)->lost = false;
        } else {
            close_context(context);
        }
    } else if (status != KVANT_OK) {
        recover(*context, &s, t);
    }
    fault_disarm();
    destroy(&s);
}

/* Every call in every way; where that takes too long, every stride-th pair of them. The ways
 * rotate, so that a stride of up to 6 still meets every call. */
static long stride_for(long calls, int ways, double seconds)
{
    if (point_step != 0) {
        return point_step;
    }
    static const long strides[] = {1, 5, 7, 11, 13, 17, 23, 29, 37, 47, 59, 73, 97, 131, 173, 227};
    size_t i = 0;
    double budget = part_seconds;
    while (i + 1 < sizeof strides / sizeof strides[0] &&
           (double)(calls * ways) / (double)strides[i] * seconds > budget) {
        i++;
    }
    return strides[i];
}

static void report(const char *what, const tally *t, long stride, double seconds)
{
    print_message("%s, %s: %ld calls, %ld points tried (stride %ld), %ld reported by a call, %ld "
                  "lost the device, %ld went on, %ld after a reset; %.1f s\n",
                  subject->backend, what, t->calls, t->points, stride, t->failed, t->lost,
                  t->resumed, t->reset, seconds);
    for (int i = 0; i < WRONGS; i++) {
        if (t->wrong[i] != 0) {
            fail_msg("%ld points: %s", t->wrong[i], wrong_texts[i]);
        }
    }
}

static void all_of_opening(const char *what, arm_fn arm, const way_set *ways)
{
    tally t = {0};
    double start = now();
    kvant_context *context = NULL;
    arm(0, 0);
    assert_int_equal(open_context(&context), KVANT_OK);
    assert_int_equal(build_a_kernel(context), KVANT_OK);
    t.calls = fault_counted();
    close_context(&context);
    /* a point ends where its call fails: half of an undisturbed run, on average */
    long stride = stride_for(t.calls, ways->count, 0.5 * (now() - start));
    start = now();
    for (long i = first_point, step; i < t.calls * ways->count; i += step) {
        double point = now();
        begin_point(i, &t);
        try_opening(arm, i / ways->count + 1, ways->way[i % ways->count], &t);
        /* before kernels are built points cost little */
        step = point_step == 0 && now() - point < 0.01 ? 1 : stride;
    }
    report(what, &t, stride, now() - start);
    end_part();
}

static void all_of_using(const char *what, arm_fn arm, const way_set *ways)
{
    tally t = {0};
    kvant_context *context = NULL;
    session s = {0};
    double start = now();
    reopen(&context);
    double opening = now() - start;
    start = now();
    assert_int_equal(create(&s, context), KVANT_OK);
    assert_int_equal(go_on(&s), KVANT_OK);
    double first = now() - start; /* builds kernels */
    destroy(&s);
    start = now();
    arm(0, 0);
    assert_int_equal(create(&s, context), KVANT_OK);
    assert_int_equal(go_on(&s), KVANT_OK);
    assert_results(&s);
    destroy(&s);
    t.calls = fault_counted();
    double using = now() - start;
    double a_point = 2.5 * using;
    if (arm == arm_call) {
        double share = subject->revive != NULL ? 1.0 / 64.0 : ways == &losses ? 1.0 : 0.25;
        a_point +=
            (opening + 0.5 * first) * (subject->revive != NULL && ways != &losses ? 0.0 : share);
    }
    long stride = stride_for(t.calls, ways->count, a_point);
    start = now();
    for (long i = first_point; i < t.calls * ways->count; i += stride) {
        begin_point(i, &t);
        try_using(&context, arm, i / ways->count + 1, ways->way[i % ways->count], &t);
    }
    reopen(&context);
    close_context(&context);
    report(what, &t, stride, now() - start);
    end_part();
}

/* ---- the tests ---- */

static void native_calls_of_opening(void **state)
{
    (void)state;
    all_of_opening("opening", arm_call, &all_ways);
    assert_int_equal(fault_unknown_symbols(), 0);
}

static void native_calls_of_using(void **state)
{
    (void)state;
    all_of_using("using", arm_call, &errors);
}

static void losses_while_using(void **state)
{
    (void)state;
    all_of_using("using, device loss", arm_call, &losses);
}

static void allocations_of_opening(void **state)
{
    (void)state;
    all_of_opening("opening, allocations", arm_allocation, &no_memory);
}

static void allocations_of_using(void **state)
{
    (void)state;
    all_of_using("using, allocations", arm_allocation, &no_memory);
}

/* An undisturbed run: the results that every other one must have. False: there is no device. */
static bool learn_results(void)
{
    kvant_context *context = NULL;
    fault_arm_calls(subject, 0, FAULT_MEMORY, false);
    if (open_context(&context) != KVANT_OK) {
        return false;
    }
    session s = {0};
    assert_int_equal(create(&s, context), KVANT_OK);
    assert_int_equal(go_on(&s), KVANT_OK);
    expected_digest = s.digest;
    memcpy(expected_outputs, s.outputs, sizeof expected_outputs);
    destroy(&s);
    close_context(&context);
    return true;
}

static const struct CMUnitTest parts[] = {
    cmocka_unit_test(allocations_of_opening),  cmocka_unit_test(allocations_of_using),
    cmocka_unit_test(native_calls_of_opening), cmocka_unit_test(native_calls_of_using),
    cmocka_unit_test(losses_while_using),
};
enum { PARTS = sizeof parts / sizeof parts[0], PARTS_WITHOUT_DRIVER = 2 };

static int skip_all(void)
{
    fprintf(stderr, "skipped: %s\n", kvant_last_message());
    return 77;
}

/* A process of fault_supervise. */
static int try_part(int part, fault_progress *shared)
{
    progress = shared;
    first_point = shared->first;
    if (!learn_results()) {
        return skip_all();
    }
    const struct CMUnitTest one[] = {parts[part]};
    return cmocka_run_group_tests_name(subject->backend, one, NULL, NULL);
}

/* Every point of all parts, or of those from first_point on that point_step leaves. */
static int try_all(int count)
{
    fault_totals totals = {0};
    int result = 0;
    for (int part = 0; part < count && result == 0; part++) {
        long begin = first_point;
        result = fault_supervise(try_part, part, begin, point_step, &totals);
    }
    printf("%s points %ld crashes %ld leaks %ld hangs %ld wrong %ld\n", subject->backend,
           totals.points, totals.crashes, totals.leaks, totals.hangs, totals.wrong);
    return result != 0 ? result : totals.crashes + totals.leaks + totals.hangs + totals.wrong != 0;
}

/* "2/4": the second of four shares. */
static bool read_share(const char *text)
{
    char *end = NULL;
    long share = strtol(text, &end, 10);
    point_step = *end == '/' ? strtol(end + 1, &end, 10) : 0;
    first_point = share - 1;
    return *end == '\0' && share >= 1 && share <= point_step;
}

int fault_main(const fault_subject *tested, int argc, char **argv)
{
    subject = tested;
    int count = tested->symbols != NULL ? PARTS : PARTS_WITHOUT_DRIVER;
    if (argc > 1 && strcmp(argv[1], "--all") == 0 && argc < 4) {
        if (!read_share(argc > 2 ? argv[2] : "1/1")) {
            fprintf(stderr, "usage: %s [--all [SHARE/SHARES]]\n", argv[0]);
            return 2;
        }
        return try_all(count);
    }
    if (!learn_results()) {
        return skip_all();
    }
    return _cmocka_run_group_tests(tested->backend, parts, (size_t)count, NULL, NULL);
}
