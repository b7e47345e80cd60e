/* SPDX-License-Identifier: MIT
 *
 * What exactness costs: cl/attention.cl, or its variant for VNNI, as it is against the same text with fp32 operands
 * (KV_PLAIN_FLOAT), on one segment of random codes and the first OpenCL CPU. The library never
 * builds the float variant. Built on request: ninja exactness_cost.
 *
 *   exactness_cost TOKENS HEADS_OF_A_GROUP ROUNDS [vnni]
 *
 * The two take turns; the fastest round of each counts. Both run on the device's own threads.
 */
#define _POSIX_C_SOURCE 200809L
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arith.h"
#include "layout.h"
#include "params.h"

enum { EXACT, PLAIN_FLOAT, VARIANTS };
enum { KV_HEADS = 8, HEAD_DIM = 128, ALIGNMENT = 16 };

typedef struct {
    const char *name;
    uint32_t codec, k_grouping, k_length, v_grouping, v_length;
} shape;

static const shape shapes[] = {
    {"f16", KV_CODEC_F16, KV_GROUP_TOKEN_HEAD, 1, KV_GROUP_TOKEN_HEAD, 1},
    {"int8s/token", KV_CODEC_INT8_SYMMETRIC, KV_GROUP_TOKEN, 1, KV_GROUP_TOKEN, 1},
    {"int4/head", KV_CODEC_INT4, KV_GROUP_TOKEN_HEAD, 1, KV_GROUP_TOKEN_HEAD, 1},
    {"int2/head", KV_CODEC_INT2, KV_GROUP_TOKEN_HEAD, 1, KV_GROUP_TOKEN_HEAD, 1},
    {"int4/chan32, tok32", KV_CODEC_INT4, KV_GROUP_CHANNEL_TOKENS, 32, KV_GROUP_TOKEN_CHANNELS, 32},
    {"int2/chan32, tok32", KV_CODEC_INT2, KV_GROUP_CHANNEL_TOKENS, 32, KV_GROUP_TOKEN_CHANNELS, 32},
    {"int4/chan, token", KV_CODEC_INT4, KV_GROUP_CHANNEL_SEGMENT, 1, KV_GROUP_TOKEN, 1},
    {"int2/chan, token", KV_CODEC_INT2, KV_GROUP_CHANNEL_SEGMENT, 1, KV_GROUP_TOKEN, 1},
};

/* Everything of OpenCL. */
typedef struct {
    cl_device_id device;
    cl_context context;
    cl_command_queue queue;
    cl_kernel kernels[VARIANTS];
} machine;

/* One launch: its buffers and its size. */
typedef struct {
    kv_attention_params params;
    cl_mem buffers[4];
    size_t groups[3];
    size_t partial_words;
} launch;

static void stop(const char *what, int code)
{
    fprintf(stderr, "exactness_cost: %s (%d)\n", what, code);
    exit(1);
}

static void check(cl_int error, const char *what)
{
    if (error != CL_SUCCESS) {
        stop(what, (int)error);
    }
}

static double microseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

/* xorshift32 */
static uint32_t random_word(void)
{
    static uint32_t state = 2463534242u;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static float random_float(float low, float high)
{
    return low + (high - low) * (float)(random_word() & 0xffffu) / 65536.0f;
}

static uint32_t random_halves(float low_from, float low_to, float high_from, float high_to)
{
    uint32_t low = kv_f32_to_f16(random_float(low_from, low_to));
    return low | (kv_f32_to_f16(random_float(high_from, high_to)) << 16);
}

/* ---- OpenCL ---------------------------------------------------------------------------------- */

/* `suffix`: "" or "_vnni" */
static cl_kernel build(const machine *m, const char *suffix, const char *options)
{
    char source[64];
    char name[64];
    const char *text = source;
    char all[1024];
    snprintf(source, sizeof source, "#include \"attention%s.cl\"\n", suffix);
    snprintf(name, sizeof name, "kvant_attention%s", suffix);
    cl_int error = CL_SUCCESS;
    snprintf(all, sizeof all, "-cl-std=CL1.2 -D KV_LANES=1 -I%s/cl -I%s/api/contract %s",
             KVANT_SOURCE_DIR, KVANT_SOURCE_DIR, options);
    cl_program program = clCreateProgramWithSource(m->context, 1, &text, NULL, &error);
    check(error, "clCreateProgramWithSource");
    check(clBuildProgram(program, 1, &m->device, all, NULL, NULL), "clBuildProgram");
    cl_kernel kernel = clCreateKernel(program, name, &error);
    check(error, "clCreateKernel");
    clReleaseProgram(program);
    return kernel;
}

static void open_machine(machine *m, const char *suffix)
{
    cl_platform_id platform;
    cl_int error = CL_SUCCESS;
    check(clGetPlatformIDs(1, &platform, NULL), "clGetPlatformIDs");
    check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_CPU, 1, &m->device, NULL), "clGetDeviceIDs");
    m->context = clCreateContext(NULL, 1, &m->device, NULL, NULL, &error);
    check(error, "clCreateContext");
    m->queue = clCreateCommandQueue(m->context, m->device, 0, &error);
    check(error, "clCreateCommandQueue");
    m->kernels[EXACT] = build(m, suffix, "");
    m->kernels[PLAIN_FLOAT] = build(m, suffix, "-D KV_PLAIN_FLOAT");
}

static void close_machine(machine *m)
{
    for (int i = 0; i < VARIANTS; i++) {
        clReleaseKernel(m->kernels[i]);
    }
    clReleaseCommandQueue(m->queue);
    clReleaseContext(m->context);
}

static cl_mem buffer_of(const machine *m, void *words, size_t bytes)
{
    cl_int error = CL_SUCCESS;
    cl_mem_flags flags = words != NULL ? CL_MEM_COPY_HOST_PTR : 0;
    cl_mem buffer = clCreateBuffer(m->context, flags, bytes, words, &error);
    check(error, "clCreateBuffer");
    return buffer;
}

/* ---- a store of one segment ------------------------------------------------------------------ */

/* Takes `words` words from the store's end, on a multiple of 64 bytes. */
static uint32_t take(uint32_t *end, uint32_t words)
{
    uint32_t at = *end;
    *end = (at + words + ALIGNMENT - 1u) / ALIGNMENT * ALIGNMENT;
    return at;
}

static void fill(uint32_t *words, uint32_t count, const shape *s, int is_parameters)
{
    for (uint32_t i = 0; i < count; i++) {
        words[i] = is_parameters              ? random_halves(0.01f, 1.0f, -3.0f, 0.5f)
                   : s->codec == KV_CODEC_F16 ? random_halves(-1.0f, 1.0f, -1.0f, 1.0f)
                                              : random_word();
    }
}

static uint32_t code_words(const shape *s, uint32_t tokens)
{
    return s->codec == KV_CODEC_F16
               ? KV_HEADS * tokens * HEAD_DIM / 2u
               : KV_HEADS * kv_code_words(tokens, HEAD_DIM, kv_codec_bits(s->codec));
}

static cl_mem make_store(const machine *m, const shape *s, uint32_t tokens, kv_attention_params *p)
{
    uint32_t k_groups = kv_group_count(s->k_grouping, s->k_length, tokens, HEAD_DIM, KV_HEADS);
    uint32_t v_groups = kv_group_count(s->v_grouping, s->v_length, tokens, HEAD_DIM, KV_HEADS);
    uint32_t codes = code_words(s, tokens);
    uint32_t end = 0;
    take(&end, KV_HEADER_WORDS);
    p->splits_offset = take(&end, p->max_splits * KV_SPLIT_WORDS);
    p->segments_offset = take(&end, KV_SEGMENT_WORDS);
    uint32_t positions = take(&end, tokens);
    uint32_t k_params = take(&end, k_groups);
    uint32_t v_params = take(&end, v_groups);
    uint32_t k_codes = take(&end, codes);
    uint32_t v_codes = take(&end, codes);
    uint32_t *words = calloc(end, sizeof *words);
    if (words == NULL) {
        stop("no memory", 0);
    }
    words[KV_HEADER_SPLITS] = p->max_splits;
    for (uint32_t i = 0; i < p->max_splits; i++) {
        words[p->splits_offset + i * KV_SPLIT_WORDS + KV_SPLIT_FIRST_TOKEN] = i * KV_SPLIT_TOKENS;
    }
    for (uint32_t i = 0; i < tokens; i++) {
        words[positions + i] = i;
    }
    const uint32_t segment[KV_SEGMENT_WORDS] = {
        tokens,      s->codec,     s->codec,    s->k_grouping, s->k_length, s->v_grouping,
        s->v_length, positions,    0,           k_codes,       v_codes,     k_params,
        v_params,    KV_NO_OFFSET, KV_NO_OFFSET};
    memcpy(&words[p->segments_offset], segment, sizeof segment);
    fill(&words[k_params], k_groups, s, 1);
    fill(&words[v_params], v_groups, s, 1);
    fill(&words[k_codes], codes, s, 0);
    fill(&words[v_codes], codes, s, 0);
    cl_mem store = buffer_of(m, words, end * sizeof *words);
    free(words);
    return store;
}

static void make_launch(const machine *m, const shape *s, uint32_t tokens, uint32_t group,
                        launch *l)
{
    memset(l, 0, sizeof *l);
    kv_attention_params *p = &l->params;
    p->sequences = 1;
    p->max_splits = (tokens + KV_SPLIT_TOKENS - 1u) / KV_SPLIT_TOKENS;
    p->queries = 1;
    p->q_heads = group * KV_HEADS;
    p->kv_heads = KV_HEADS;
    p->k_dim = HEAD_DIM;
    p->v_dim = HEAD_DIM;
    p->scale = 0.0883883461f;
    p->q_head_stride = HEAD_DIM;
    p->q_dtype = KV_DTYPE_F32;
    p->positions_offset = KV_NO_OFFSET;
    size_t elements = (size_t)p->q_heads * HEAD_DIM;
    float *queries = malloc(elements * sizeof *queries);
    if (queries == NULL) {
        stop("no memory", 0);
    }
    for (size_t i = 0; i < elements; i++) {
        queries[i] = random_float(-2.0f, 2.0f);
    }
    l->partial_words = (size_t)p->max_splits * p->q_heads * (HEAD_DIM + 2u);
    l->buffers[0] = make_store(m, s, tokens, p);
    l->buffers[1] = buffer_of(m, queries, elements * sizeof *queries);
    l->buffers[2] = buffer_of(m, NULL, 64);
    l->buffers[3] = buffer_of(m, NULL, l->partial_words * 4u);
    l->groups[0] = p->max_splits;
    l->groups[1] = (size_t)KV_HEADS * ((group + KV_ROWS - 1u) / KV_ROWS);
    l->groups[2] = 1;
    free(queries);
}

static double run(const machine *m, int variant, const launch *l)
{
    static const size_t lanes[3] = {1, 1, 1};
    cl_kernel kernel = m->kernels[variant];
    check(clSetKernelArg(kernel, 0, sizeof l->params, &l->params), "clSetKernelArg");
    for (cl_uint i = 0; i < 4u; i++) {
        check(clSetKernelArg(kernel, i + 1u, sizeof(cl_mem), &l->buffers[i]), "clSetKernelArg");
    }
    double start = microseconds();
    check(clEnqueueNDRangeKernel(m->queue, kernel, 3, NULL, l->groups, lanes, 0, NULL, NULL),
          "clEnqueueNDRangeKernel");
    check(clFinish(m->queue), "clFinish");
    return microseconds() - start;
}

/* ---- the comparison -------------------------------------------------------------------------- */

/* Normalised square error of the outputs of the splits; their sums are integers and left out. */
static double difference(const float *exact, const float *other, size_t words)
{
    double error = 0.0;
    double all = 0.0;
    for (size_t i = 0; i < words; i++) {
        if (i % (HEAD_DIM + 2u) >= 2u) {
            double d = (double)exact[i] - (double)other[i];
            error += d * d;
            all += (double)exact[i] * (double)exact[i];
        }
    }
    return all > 0.0 ? error / all : 0.0;
}

static void compare(const machine *m, const shape *s, uint32_t tokens, uint32_t group, int rounds)
{
    launch l;
    make_launch(m, s, tokens, group, &l);
    size_t bytes = l.partial_words * sizeof(float);
    float *results[VARIANTS];
    double best[VARIANTS];
    for (int v = 0; v < VARIANTS; v++) {
        results[v] = malloc(bytes);
        if (results[v] == NULL) {
            stop("no memory", 0);
        }
        best[v] = run(m, v, &l);
        check(clEnqueueReadBuffer(m->queue, l.buffers[3], CL_TRUE, 0, bytes, results[v], 0, NULL,
                                  NULL),
              "clEnqueueReadBuffer");
    }
    for (int round = 0; round < rounds; round++) {
        for (int v = 0; v < VARIANTS; v++) {
            double us = run(m, v, &l);
            best[v] = us < best[v] ? us : best[v];
        }
    }
    printf("%-20s %12.0f %12.0f %14.2f %12.1e\n", s->name, best[EXACT], best[PLAIN_FLOAT],
           best[PLAIN_FLOAT] / best[EXACT],
           difference(results[EXACT], results[PLAIN_FLOAT], l.partial_words));
    for (int i = 0; i < 4; i++) {
        clReleaseMemObject(l.buffers[i]);
    }
    for (int v = 0; v < VARIANTS; v++) {
        free(results[v]);
    }
}

int main(int argc, char **argv)
{
    unsigned long tokens = argc > 1 ? strtoul(argv[1], NULL, 10) : 4096u;
    unsigned long group = argc > 2 ? strtoul(argv[2], NULL, 10) : 4u;
    unsigned long rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 30u;
    int is_vnni = argc > 4 && strcmp(argv[4], "vnni") == 0;
    if (argc > (is_vnni ? 5 : 4) || tokens < 256u || tokens > 131072u || tokens % 256u != 0u ||
        group < 1u || group > 8u || rounds < 1u || rounds > 10000u) {
        fprintf(stderr, "usage: exactness_cost TOKENS HEADS_OF_A_GROUP ROUNDS [vnni]\n"
                        "TOKENS: a multiple of 256, to 131072; HEADS_OF_A_GROUP: 1 to 8\n");
        return 2;
    }
    machine m;
    open_machine(&m, is_vnni ? "_vnni" : "");
    printf("%-20s %12s %12s %14s %12s\n", "K and V", "exact us", "float us", "exact faster",
           "difference");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        compare(&m, &shapes[i], (uint32_t)tokens, (uint32_t)group, (int)rounds);
    }
    close_machine(&m);
    return 0;
}
