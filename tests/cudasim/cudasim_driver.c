/* SPDX-License-Identifier: MIT
 *
 * The driver functions of the simulator. Work on a stream is kept until something waits for it, as a
 * GPU may: what is freed or overwritten too early shows. A fault of a kernel makes every later call
 * fail, as with a real driver.
 */
#include "cudasim.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "contract_hash.h"

#define EXPORT __attribute__((visibility("default")))
#define UUID_BYTES 16

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
    NOT_READY = 600
};

typedef unsigned long long address;

/* ---- objects ---- */

typedef struct context_object {
    int retained;
    struct stream_object *streams;
} context_object;

typedef enum { LAUNCH, MEMSET, COPY, RECORD } command_kind;

typedef struct command {
    struct command *next;
    command_kind kind;
    /* LAUNCH */
    const cudasim_kernel *kernel;
    cudasim_index grid, block;
    unsigned char params[CUDASIM_MAX_PARAMS][CUDASIM_MAX_PARAM_BYTES];
    /* MEMSET, COPY */
    void *to;
    const void *from;
    size_t bytes;
    unsigned int word;
    struct event_object *event; /* RECORD */
} command;

typedef struct stream_object {
    struct stream_object *next;
    command *first;
    command **last;
} stream_object;

typedef struct event_object {
    stream_object *stream; /* of a record that has not come by */
    double milliseconds;
    int is_recorded;
} event_object;

typedef struct {
    void *hash; /* the module's variable kvant_contract_hash, in device memory */
} module_object;

#define MAX_DEVICES 8

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int is_initialised;
static int sticky; /* the code of the fault that ended everything */
static context_object contexts[MAX_DEVICES];
static __thread context_object *current[16];
static __thread int depth;

/* ---- variables and planned failures ---- */

static int number_of(const char *name, int otherwise, int least, int most)
{
    const char *text = getenv(name);
    int number = text != NULL ? atoi(text) : otherwise;
    return number < least ? least : number > most ? most : number;
}

static int device_count(void)
{
    return number_of("CUDASIM_DEVICES", 1, 0, MAX_DEVICES);
}

/* The code with which this call has to fail, or 0. */
static int planned_failure(const char *function)
{
    static char plan[128];
    static int calls;
    const char *text = getenv("CUDASIM_FAIL");
    if (text == NULL || strlen(text) >= sizeof plan) {
        return 0;
    }
    if (strcmp(plan, text) != 0) { /* a new plan: count from here */
        strcpy(plan, text);
        calls = 0;
    }
    char name[64];
    int nth, code;
    if (sscanf(plan, "%63[^:]:%d:%d", name, &nth, &code) != 3 ||
        (strcmp(name, "*") != 0 && strcmp(name, function) != 0)) {
        return 0;
    }
    return ++calls == nth ? code : 0;
}

static int is_fault(int code)
{
    return code == 214 || code == 700 || code == 702 || (code >= 714 && code <= 719);
}

/* What every function begins with. */
static int begin(const char *function, int needs_context)
{
    pthread_mutex_lock(&lock);
    int code = planned_failure(function);
    if (code != OK) {
        sticky = is_fault(code) ? code : sticky;
        return code;
    }
    if (!is_initialised && strcmp(function, "cuInit") != 0) {
        return NOT_INITIALIZED;
    }
    if (needs_context && depth == 0) {
        return INVALID_CONTEXT;
    }
    return needs_context ? sticky : OK;
}

static int end(int code)
{
    pthread_mutex_unlock(&lock);
    return code;
}

#define BEGIN(needs_context)                                                                       \
    do {                                                                                           \
        int code_ = begin(__func__, needs_context);                                                \
        if (code_ != OK) {                                                                         \
            return end(code_);                                                                     \
        }                                                                                          \
    } while (0)

/* ---- streams ---- */

static double now_milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static int execute(command *c)
{
    void *params[CUDASIM_MAX_PARAMS];
    switch (c->kind) {
    case LAUNCH:
        for (unsigned int i = 0; i < c->kernel->param_count; i++) {
            params[i] = c->params[i];
        }
        return cudasim_run(c->kernel, c->grid, c->block, params);
    case MEMSET:
        for (size_t i = 0; i < c->bytes; i += sizeof c->word) {
            memcpy((unsigned char *)c->to + i, &c->word, sizeof c->word);
        }
        return OK;
    case COPY:
        memmove(c->to, c->from, c->bytes);
        return OK;
    default:
        c->event->milliseconds = now_milliseconds();
        c->event->stream = NULL;
        return OK;
    }
}

/* Does everything that the stream holds. Returns the sticky error, if there is one now. */
static int drain(stream_object *stream)
{
    while (stream->first != NULL) {
        command *c = stream->first;
        stream->first = c->next;
        if (sticky == OK) {
            sticky = execute(c);
        } else if (c->kind == RECORD) {
            c->event->stream = NULL;
        }
        free(c);
    }
    stream->last = &stream->first;
    return sticky;
}

static int drain_all(void)
{
    for (stream_object *s = current[depth - 1]->streams; s != NULL; s = s->next) {
        (void)drain(s);
    }
    return sticky;
}

static command *enqueue(stream_object *stream, command_kind kind)
{
    command *c = calloc(1, sizeof *c);
    if (c != NULL) {
        c->kind = kind;
        *stream->last = c;
        stream->last = &c->next;
    }
    return c;
}

static void *pointer_of(address device_address)
{
    return (void *)(uintptr_t)device_address;
}

/* Adds a copy; both ranges are checked. */
static int copy(stream_object *stream, void *to, const void *from, size_t bytes)
{
    command *c = enqueue(stream, COPY);
    if (c == NULL) {
        return OUT_OF_MEMORY;
    }
    c->to = to;
    c->from = from;
    c->bytes = bytes;
    return OK;
}

/* ---- the library and its devices ---- */

EXPORT int cuInit(unsigned int flags);
EXPORT int cuInit(unsigned int flags)
{
    BEGIN(0);
    is_initialised = 1;
    return end(flags != 0 ? INVALID_VALUE : device_count() == 0 ? NO_DEVICE : OK);
}

EXPORT int cuDriverGetVersion(int *version);
EXPORT int cuDriverGetVersion(int *version)
{
    BEGIN(0);
    *version = 12040;
    return end(OK);
}

EXPORT int cuGetErrorName(int error, const char **name);
EXPORT int cuGetErrorName(int error, const char **name)
{
    static const struct {
        int code;
        const char *name;
    } names[] = {
        {OK, "CUDA_SUCCESS"},
        {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE"},
        {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY"},
        {NO_DEVICE, "CUDA_ERROR_NO_DEVICE"},
        {INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE"},
        {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT"},
        {NOT_FOUND, "CUDA_ERROR_NOT_FOUND"},
        {CUDASIM_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS"},
        {CUDASIM_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].code == error) {
            *name = names[i].name;
            return OK;
        }
    }
    return INVALID_VALUE;
}

EXPORT int cuDeviceGetCount(int *count);
EXPORT int cuDeviceGetCount(int *count)
{
    BEGIN(0);
    *count = device_count();
    return end(OK);
}

EXPORT int cuDeviceGet(int *device, int index);
EXPORT int cuDeviceGet(int *device, int index)
{
    BEGIN(0);
    *device = index;
    return end(index >= 0 && index < device_count() ? OK : INVALID_DEVICE);
}

EXPORT int cuDeviceGetName(char *name, int length, int device);
EXPORT int cuDeviceGetName(char *name, int length, int device)
{
    BEGIN(0);
    (void)device;
    const char *other = getenv("CUDASIM_NAME");
    snprintf(name, (size_t)length, "%s", other != NULL ? other : "simulated CUDA device");
    return end(OK);
}

EXPORT int cuDeviceGetUuid_v2(unsigned char *uuid, int device);
EXPORT int cuDeviceGetUuid_v2(unsigned char *uuid, int device)
{
    BEGIN(0);
    memset(uuid, 0, UUID_BYTES);
    uuid[UUID_BYTES - 1] = (unsigned char)(device + 1);
    return end(OK);
}

EXPORT int cuDeviceGetPCIBusId(char *id, int length, int device);
EXPORT int cuDeviceGetPCIBusId(char *id, int length, int device)
{
    BEGIN(0);
    snprintf(id, (size_t)length, "ffff:%02x:00.0", (unsigned int)device & 255u);
    return end(OK);
}

EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device);
EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    BEGIN(0);
    (void)device;
    switch (attribute) {
    case 1: /* most threads of a block */
        *value = number_of("CUDASIM_THREADS", 32, 32, (int)CUDASIM_MAX_THREADS);
        break;
    case 5: /* grid, x */
        *value = INT32_MAX;
        break;
    case 6: /* grid, y and z */
    case 7:
        *value = 65535;
        break;
    case 10: /* threads of a warp */
        *value = (int)CUDASIM_WARP;
        break;
    case 16: /* multiprocessors */
        *value = 1;
        break;
    case 75: /* compute capability */
        *value = 7;
        break;
    case 76:
        *value = 5;
        break;
    default:
        return end(INVALID_VALUE);
    }
    return end(OK);
}

EXPORT int cuDeviceTotalMem_v2(size_t *bytes, int device);
EXPORT int cuDeviceTotalMem_v2(size_t *bytes, int device)
{
    BEGIN(0);
    (void)device;
    *bytes = (size_t)4 << 30;
    return end(OK);
}

/* ---- contexts ---- */

EXPORT int cuDevicePrimaryCtxRetain(context_object **context, int device);
EXPORT int cuDevicePrimaryCtxRetain(context_object **context, int device)
{
    BEGIN(0);
    contexts[device].retained++;
    *context = &contexts[device];
    return end(OK);
}

EXPORT int cuDevicePrimaryCtxRelease_v2(int device);
EXPORT int cuDevicePrimaryCtxRelease_v2(int device)
{
    BEGIN(0);
    if (contexts[device].retained == 0) {
        return end(INVALID_CONTEXT);
    }
    if (--contexts[device].retained == 0) {
        sticky = OK; /* the next use starts afresh */
    }
    return end(OK);
}

EXPORT int cuCtxPushCurrent_v2(context_object *context);
EXPORT int cuCtxPushCurrent_v2(context_object *context)
{
    BEGIN(0);
    if (context == NULL || context->retained == 0 || depth == 16) {
        return end(INVALID_CONTEXT);
    }
    current[depth++] = context;
    return end(OK);
}

EXPORT int cuCtxPopCurrent_v2(context_object **context);
EXPORT int cuCtxPopCurrent_v2(context_object **context)
{
    pthread_mutex_lock(&lock);
    if (depth == 0) {
        return end(INVALID_CONTEXT);
    }
    *context = current[--depth];
    return end(OK);
}

/* How many contexts the caller has on its stack: a test looks whether calls leave it as it was. */
EXPORT int cudasim_context_depth(void);
EXPORT int cudasim_context_depth(void)
{
    return depth;
}

/* ---- streams and events ---- */

EXPORT int cuStreamCreate(stream_object **stream, unsigned int flags);
EXPORT int cuStreamCreate(stream_object **stream, unsigned int flags)
{
    BEGIN(1);
    (void)flags;
    stream_object *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return end(OUT_OF_MEMORY);
    }
    s->last = &s->first;
    s->next = current[depth - 1]->streams;
    current[depth - 1]->streams = s;
    *stream = s;
    return end(OK);
}

EXPORT int cuStreamDestroy_v2(stream_object *stream);
EXPORT int cuStreamDestroy_v2(stream_object *stream)
{
    pthread_mutex_lock(&lock);
    (void)drain(stream);
    for (stream_object **link = &current[depth - 1]->streams; *link != NULL;
         link = &(*link)->next) {
        if (*link == stream) {
            *link = stream->next;
            break;
        }
    }
    free(stream);
    return end(sticky);
}

EXPORT int cuStreamSynchronize(stream_object *stream);
EXPORT int cuStreamSynchronize(stream_object *stream)
{
    BEGIN(1);
    return end(drain(stream));
}

EXPORT int cuStreamQuery(stream_object *stream);
EXPORT int cuStreamQuery(stream_object *stream)
{
    BEGIN(1);
    return end(stream->first != NULL ? NOT_READY : OK);
}

EXPORT int cuEventCreate(event_object **event, unsigned int flags);
EXPORT int cuEventCreate(event_object **event, unsigned int flags)
{
    BEGIN(1);
    (void)flags;
    *event = calloc(1, sizeof **event);
    return end(*event != NULL ? OK : OUT_OF_MEMORY);
}

EXPORT int cuEventDestroy_v2(event_object *event);
EXPORT int cuEventDestroy_v2(event_object *event)
{
    pthread_mutex_lock(&lock);
    if (event->stream != NULL) {
        (void)drain(event->stream);
    }
    free(event);
    return end(sticky);
}

EXPORT int cuEventRecord(event_object *event, stream_object *stream);
EXPORT int cuEventRecord(event_object *event, stream_object *stream)
{
    BEGIN(1);
    command *c = enqueue(stream, RECORD);
    if (c == NULL) {
        return end(OUT_OF_MEMORY);
    }
    c->event = event;
    event->stream = stream;
    event->is_recorded = 1;
    return end(OK);
}

EXPORT int cuEventSynchronize(event_object *event);
EXPORT int cuEventSynchronize(event_object *event)
{
    BEGIN(1);
    return end(event->stream != NULL ? drain(event->stream) : OK);
}

EXPORT int cuEventElapsedTime(float *milliseconds, event_object *start, event_object *stop);
EXPORT int cuEventElapsedTime(float *milliseconds, event_object *start, event_object *stop)
{
    BEGIN(1);
    if (!start->is_recorded || !stop->is_recorded) {
        return end(INVALID_HANDLE);
    }
    if (start->stream != NULL || stop->stream != NULL) {
        return end(NOT_READY);
    }
    *milliseconds = (float)(stop->milliseconds - start->milliseconds);
    return end(OK);
}

/* ---- memory ---- */

EXPORT int cuMemAlloc_v2(address *out_address, size_t bytes);
EXPORT int cuMemAlloc_v2(address *out_address, size_t bytes)
{
    BEGIN(1);
    void *memory = cudasim_allocate(bytes);
    *out_address = (address)(uintptr_t)memory;
    return end(memory != NULL ? OK : OUT_OF_MEMORY);
}

EXPORT int cuMemFree_v2(address device_address);
EXPORT int cuMemFree_v2(address device_address)
{
    BEGIN(1);
    int code = drain_all();
    if (code == OK && !cudasim_free(pointer_of(device_address))) {
        code = INVALID_VALUE;
    }
    return end(code);
}

EXPORT int cuMemAllocHost_v2(void **memory, size_t bytes);
EXPORT int cuMemAllocHost_v2(void **memory, size_t bytes)
{
    BEGIN(1);
    *memory = cudasim_allocate_pinned(bytes);
    return end(*memory != NULL ? OK : OUT_OF_MEMORY);
}

EXPORT int cuMemFreeHost(void *memory);
EXPORT int cuMemFreeHost(void *memory)
{
    pthread_mutex_lock(&lock);
    (void)drain_all();
    return end(cudasim_free_pinned(memory) ? sticky : INVALID_VALUE);
}

EXPORT int cuMemsetD32Async(address to, unsigned int word, size_t count, stream_object *stream);
EXPORT int cuMemsetD32Async(address to, unsigned int word, size_t count, stream_object *stream)
{
    BEGIN(1);
    if (count == 0 || to % 4u != 0 || !cudasim_contains(pointer_of(to), count * 4u)) {
        return end(INVALID_VALUE);
    }
    command *c = enqueue(stream, MEMSET);
    if (c == NULL) {
        return end(OUT_OF_MEMORY);
    }
    c->to = pointer_of(to);
    c->word = word;
    c->bytes = count * 4u;
    return end(OK);
}

EXPORT int cuMemcpyHtoDAsync_v2(address to, const void *from, size_t bytes, stream_object *stream);
EXPORT int cuMemcpyHtoDAsync_v2(address to, const void *from, size_t bytes, stream_object *stream)
{
    BEGIN(1);
    if (!cudasim_contains(pointer_of(to), bytes)) {
        return end(INVALID_VALUE);
    }
    int code = copy(stream, pointer_of(to), from, bytes);
    if (code == OK && !cudasim_is_pinned(from, bytes)) {
        code = drain(stream); /* pageable memory has been read when the call returns */
    }
    return end(code);
}

EXPORT int cuMemcpyDtoHAsync_v2(void *to, address from, size_t bytes, stream_object *stream);
EXPORT int cuMemcpyDtoHAsync_v2(void *to, address from, size_t bytes, stream_object *stream)
{
    BEGIN(1);
    if (!cudasim_contains(pointer_of(from), bytes)) {
        return end(INVALID_VALUE);
    }
    int code = copy(stream, to, pointer_of(from), bytes);
    if (code == OK && !cudasim_is_pinned(to, bytes)) {
        code = drain(stream);
    }
    return end(code);
}

EXPORT int cuMemcpyDtoDAsync_v2(address to, address from, size_t bytes, stream_object *stream);
EXPORT int cuMemcpyDtoDAsync_v2(address to, address from, size_t bytes, stream_object *stream)
{
    BEGIN(1);
    if (!cudasim_contains(pointer_of(to), bytes) || !cudasim_contains(pointer_of(from), bytes)) {
        return end(INVALID_VALUE);
    }
    return end(copy(stream, pointer_of(to), pointer_of(from), bytes));
}

/* ---- modules and launches ---- */

/* A fat binary, or what a build without nvcc embeds instead. */
static int is_image(const void *image)
{
    static const unsigned char fatbin[4] = {0x50, 0xed, 0x55, 0xba};
    static const char text[] = "kvant: built without nvcc";
    return memcmp(image, fatbin, sizeof fatbin) == 0 || memcmp(image, text, sizeof text - 1u) == 0;
}

EXPORT int cuModuleLoadData(module_object **module, const void *image);
EXPORT int cuModuleLoadData(module_object **module, const void *image)
{
    BEGIN(1);
    if (!is_image(image)) {
        return end(INVALID_IMAGE);
    }
    module_object *m = calloc(1, sizeof *m);
    void *hash = m != NULL ? cudasim_allocate(sizeof KVANT_CONTRACT_HASH) : NULL;
    if (hash == NULL) {
        free(m);
        return end(OUT_OF_MEMORY);
    }
    m->hash = hash;
    memcpy(hash, KVANT_CONTRACT_HASH, sizeof KVANT_CONTRACT_HASH);
    *module = m;
    return end(OK);
}

EXPORT int cuModuleUnload(module_object *module);
EXPORT int cuModuleUnload(module_object *module)
{
    pthread_mutex_lock(&lock);
    (void)drain_all();
    (void)cudasim_free(module->hash);
    free(module);
    return end(sticky);
}

EXPORT int cuModuleGetFunction(const cudasim_kernel **function, module_object *module,
                               const char *name);
EXPORT int cuModuleGetFunction(const cudasim_kernel **function, module_object *module,
                               const char *name)
{
    BEGIN(1);
    (void)module;
    *function = cudasim_find_kernel(name);
    return end(*function != NULL ? OK : NOT_FOUND);
}

EXPORT int cuModuleGetGlobal_v2(address *out_address, size_t *bytes, module_object *module,
                                const char *name);
EXPORT int cuModuleGetGlobal_v2(address *out_address, size_t *bytes, module_object *module,
                                const char *name)
{
    BEGIN(1);
    if (strcmp(name, "kvant_contract_hash") != 0) {
        return end(NOT_FOUND);
    }
    *out_address = (address)(uintptr_t)module->hash;
    *bytes = sizeof KVANT_CONTRACT_HASH;
    return end(OK);
}

/* Copies the parameters, as a driver does before a launch returns. */
static int add_launch(stream_object *stream, const cudasim_kernel *kernel, cudasim_index grid,
                      cudasim_index block, void **params)
{
    command *c = enqueue(stream, LAUNCH);
    if (c == NULL) {
        return OUT_OF_MEMORY;
    }
    c->kernel = kernel;
    c->grid = grid;
    c->block = block;
    for (unsigned int i = 0; i < kernel->param_count; i++) {
        memcpy(c->params[i], params[i], kernel->param_bytes[i]);
    }
    return OK;
}

EXPORT int cuLaunchKernel(const cudasim_kernel *kernel, unsigned int grid_x, unsigned int grid_y,
                          unsigned int grid_z, unsigned int block_x, unsigned int block_y,
                          unsigned int block_z, unsigned int shared_bytes, stream_object *stream,
                          void **params, void **extra);
EXPORT int cuLaunchKernel(const cudasim_kernel *kernel, unsigned int grid_x, unsigned int grid_y,
                          unsigned int grid_z, unsigned int block_x, unsigned int block_y,
                          unsigned int block_z, unsigned int shared_bytes, stream_object *stream,
                          void **params, void **extra)
{
    BEGIN(1);
    unsigned int threads =
        (unsigned int)number_of("CUDASIM_THREADS", 32, 32, (int)CUDASIM_MAX_THREADS);
    if (kernel == NULL || extra != NULL || shared_bytes != 0 || grid_x == 0 || grid_y == 0 ||
        grid_z == 0 || grid_y > 65535u || grid_z > 65535u || block_x == 0 || block_y == 0 ||
        block_z == 0 || (unsigned long long)block_x * block_y * block_z > threads) {
        return end(INVALID_VALUE);
    }
    return end(add_launch(stream, kernel, (cudasim_index){grid_x, grid_y, grid_z},
                          (cudasim_index){block_x, block_y, block_z}, params));
}
