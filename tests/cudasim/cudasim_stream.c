/* SPDX-License-Identifier: MIT
 *
 * The simulator's streams, events, memory, modules and launches. Work on a stream is kept until
 * something waits for it, as a GPU may: what is freed or overwritten too early shows. A fault of a
 * kernel makes every later call on the context fail, as with a real driver.
 */
#include "cudasim_state.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "contract_hash.h"

typedef enum { LAUNCH, MEMSET, COPY, RECORD } command_kind;

typedef struct command {
    struct command *next;
    command_kind kind;
    /* LAUNCH */
    const cudasim_kernel *kernel;
    cudasim_index grid, block;
    size_t dynamic_bytes;
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
    context_object *context;
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
        return cudasim_run(c->kernel, c->grid, c->block, c->dynamic_bytes, params);
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

/* Does everything that the stream holds. Returns the context's fault. */
static int drain(stream_object *stream)
{
    while (stream->first != NULL) {
        command *c = stream->first;
        stream->first = c->next;
        if (stream->context->fault == OK) {
            stream->context->fault = execute(c);
        } else if (c->kind == RECORD) {
            c->event->stream = NULL;
        }
        cudasim_delete(c);
    }
    stream->last = &stream->first;
    return stream->context->fault;
}

static int drain_all(void)
{
    context_object *context = cudasim_current();
    if (context == NULL) {
        return INVALID_CONTEXT;
    }
    for (stream_object *s = context->streams; s != NULL; s = s->next) {
        (void)drain(s);
    }
    return context->fault;
}

static command *enqueue(stream_object *stream, command_kind kind)
{
    command *c = cudasim_new(sizeof *c);
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

/* ---- streams and events ---- */

EXPORT int cuStreamCreate(stream_object **stream, unsigned int flags);
EXPORT int cuStreamCreate(stream_object **stream, unsigned int flags)
{
    BEGIN(1);
    (void)flags;
    stream_object *s = cudasim_new(sizeof *s);
    if (s == NULL) {
        return cudasim_end(OUT_OF_MEMORY);
    }
    s->last = &s->first;
    s->context = cudasim_current();
    s->next = cudasim_current()->streams;
    cudasim_current()->streams = s;
    *stream = s;
    return cudasim_end(OK);
}

EXPORT int cuStreamDestroy_v2(stream_object *stream);
EXPORT int cuStreamDestroy_v2(stream_object *stream)
{
    cudasim_lock();
    context_object *context = stream->context;
    (void)drain(stream);
    for (stream_object **link = &context->streams; *link != NULL; link = &(*link)->next) {
        if (*link == stream) {
            *link = stream->next;
            break;
        }
    }
    cudasim_delete(stream);
    return cudasim_end(context->fault);
}

EXPORT int cuStreamSynchronize(stream_object *stream);
EXPORT int cuStreamSynchronize(stream_object *stream)
{
    BEGIN(1);
    return cudasim_end(drain(stream));
}

EXPORT int cuStreamQuery(stream_object *stream);
EXPORT int cuStreamQuery(stream_object *stream)
{
    BEGIN(1);
    return cudasim_end(stream->first != NULL ? NOT_READY : OK);
}

EXPORT int cuEventCreate(event_object **event, unsigned int flags);
EXPORT int cuEventCreate(event_object **event, unsigned int flags)
{
    BEGIN(1);
    (void)flags;
    *event = cudasim_new(sizeof **event);
    return cudasim_end(*event != NULL ? OK : OUT_OF_MEMORY);
}

EXPORT int cuEventDestroy_v2(event_object *event);
EXPORT int cuEventDestroy_v2(event_object *event)
{
    cudasim_lock();
    if (event->stream != NULL) {
        (void)drain(event->stream);
    }
    cudasim_delete(event);
    return cudasim_end(OK);
}

EXPORT int cuEventRecord(event_object *event, stream_object *stream);
EXPORT int cuEventRecord(event_object *event, stream_object *stream)
{
    BEGIN(1);
    command *c = enqueue(stream, RECORD);
    if (c == NULL) {
        return cudasim_end(OUT_OF_MEMORY);
    }
    c->event = event;
    event->stream = stream;
    event->is_recorded = 1;
    return cudasim_end(OK);
}

EXPORT int cuEventQuery(event_object *event);
EXPORT int cuEventQuery(event_object *event)
{
    BEGIN(1);
    return cudasim_end(event->stream != NULL ? NOT_READY : OK);
}

EXPORT int cuEventSynchronize(event_object *event);
EXPORT int cuEventSynchronize(event_object *event)
{
    BEGIN(1);
    return cudasim_end(event->stream != NULL ? drain(event->stream) : OK);
}

EXPORT int cuEventElapsedTime(float *milliseconds, event_object *start, event_object *stop);
EXPORT int cuEventElapsedTime(float *milliseconds, event_object *start, event_object *stop)
{
    BEGIN(1);
    if (!start->is_recorded || !stop->is_recorded) {
        return cudasim_end(INVALID_HANDLE);
    }
    if (start->stream != NULL || stop->stream != NULL) {
        return cudasim_end(NOT_READY);
    }
    *milliseconds = (float)(stop->milliseconds - start->milliseconds);
    return cudasim_end(OK);
}

/* ---- memory ---- */

EXPORT int cuMemAlloc_v2(address *out_address, size_t bytes);
EXPORT int cuMemAlloc_v2(address *out_address, size_t bytes)
{
    BEGIN(1);
    void *memory = cudasim_allocate(bytes);
    *out_address = (address)(uintptr_t)memory;
    return cudasim_end(memory != NULL ? OK : OUT_OF_MEMORY);
}

EXPORT int cuMemFree_v2(address device_address);
EXPORT int cuMemFree_v2(address device_address)
{
    BEGIN(1);
    int code = drain_all();
    return cudasim_end(cudasim_free(pointer_of(device_address)) ? code : INVALID_VALUE);
}

EXPORT int cuMemAllocHost_v2(void **memory, size_t bytes);
EXPORT int cuMemAllocHost_v2(void **memory, size_t bytes)
{
    BEGIN(1);
    *memory = cudasim_allocate_pinned(bytes);
    return cudasim_end(*memory != NULL ? OK : OUT_OF_MEMORY);
}

EXPORT int cuMemFreeHost(void *memory);
EXPORT int cuMemFreeHost(void *memory)
{
    cudasim_lock();
    int code = drain_all();
    return cudasim_end(cudasim_free_pinned(memory) ? code : INVALID_VALUE);
}

EXPORT int cuMemsetD32Async(address to, unsigned int word, size_t count, stream_object *stream);
EXPORT int cuMemsetD32Async(address to, unsigned int word, size_t count, stream_object *stream)
{
    BEGIN(1);
    if (count == 0 || to % 4u != 0 || !cudasim_contains(pointer_of(to), count * 4u)) {
        return cudasim_end(INVALID_VALUE);
    }
    command *c = enqueue(stream, MEMSET);
    if (c == NULL) {
        return cudasim_end(OUT_OF_MEMORY);
    }
    c->to = pointer_of(to);
    c->word = word;
    c->bytes = count * 4u;
    return cudasim_end(OK);
}

EXPORT int cuMemcpyHtoDAsync_v2(address to, const void *from, size_t bytes, stream_object *stream);
EXPORT int cuMemcpyHtoDAsync_v2(address to, const void *from, size_t bytes, stream_object *stream)
{
    BEGIN(1);
    if (!cudasim_contains(pointer_of(to), bytes)) {
        return cudasim_end(INVALID_VALUE);
    }
    int code = copy(stream, pointer_of(to), from, bytes);
    if (code == OK && !cudasim_is_pinned(from, bytes)) {
        code = drain(stream); /* pageable memory has been read when the call returns */
    }
    return cudasim_end(code);
}

EXPORT int cuMemcpyDtoHAsync_v2(void *to, address from, size_t bytes, stream_object *stream);
EXPORT int cuMemcpyDtoHAsync_v2(void *to, address from, size_t bytes, stream_object *stream)
{
    BEGIN(1);
    if (!cudasim_contains(pointer_of(from), bytes)) {
        return cudasim_end(INVALID_VALUE);
    }
    int code = copy(stream, to, pointer_of(from), bytes);
    if (code == OK && !cudasim_is_pinned(to, bytes)) {
        code = drain(stream);
    }
    return cudasim_end(code);
}

EXPORT int cuMemcpyDtoDAsync_v2(address to, address from, size_t bytes, stream_object *stream);
EXPORT int cuMemcpyDtoDAsync_v2(address to, address from, size_t bytes, stream_object *stream)
{
    BEGIN(1);
    if (!cudasim_contains(pointer_of(to), bytes) || !cudasim_contains(pointer_of(from), bytes)) {
        return cudasim_end(INVALID_VALUE);
    }
    return cudasim_end(copy(stream, pointer_of(to), pointer_of(from), bytes));
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
        return cudasim_end(INVALID_IMAGE);
    }
    module_object *m = cudasim_new(sizeof *m);
    void *hash = m != NULL ? cudasim_allocate(sizeof KVANT_CONTRACT_HASH) : NULL;
    if (hash == NULL) {
        cudasim_delete(m);
        return cudasim_end(OUT_OF_MEMORY);
    }
    m->hash = hash;
    memcpy(hash, KVANT_CONTRACT_HASH, sizeof KVANT_CONTRACT_HASH);
    if (getenv("CUDASIM_CONTRACT") != NULL) { /* as if compiled with another contract */
        memset(hash, '-', sizeof KVANT_CONTRACT_HASH - 1u);
    }
    *module = m;
    return cudasim_end(OK);
}

EXPORT int cuModuleUnload(module_object *module);
EXPORT int cuModuleUnload(module_object *module)
{
    cudasim_lock();
    int code = drain_all();
    (void)cudasim_free(module->hash);
    cudasim_delete(module);
    return cudasim_end(code);
}

EXPORT int cuModuleGetFunction(const cudasim_kernel **function, module_object *module,
                               const char *name);
EXPORT int cuModuleGetFunction(const cudasim_kernel **function, module_object *module,
                               const char *name)
{
    BEGIN(1);
    (void)module;
    *function = cudasim_find_kernel(name);
    return cudasim_end(*function != NULL ? OK : NOT_FOUND);
}

EXPORT int cuModuleGetGlobal_v2(address *out_address, size_t *bytes, module_object *module,
                                const char *name);
EXPORT int cuModuleGetGlobal_v2(address *out_address, size_t *bytes, module_object *module,
                                const char *name)
{
    BEGIN(1);
    if (strcmp(name, "kvant_contract_hash") != 0) {
        return cudasim_end(NOT_FOUND);
    }
    *out_address = (address)(uintptr_t)module->hash;
    *bytes = sizeof KVANT_CONTRACT_HASH;
    return cudasim_end(OK);
}

/* Copies the parameters, as a driver does before a launch returns. */
static int add_launch(stream_object *stream, const cudasim_kernel *kernel, cudasim_index grid,
                      cudasim_index block, size_t dynamic_bytes, void **params)
{
    command *c = enqueue(stream, LAUNCH);
    if (c == NULL) {
        return OUT_OF_MEMORY;
    }
    c->kernel = kernel;
    c->grid = grid;
    c->block = block;
    c->dynamic_bytes = dynamic_bytes;
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
        (unsigned int)cudasim_number("CUDASIM_THREADS", 32, 32, (int)CUDASIM_MAX_THREADS);
    if (kernel == NULL || extra != NULL || grid_x == 0 || grid_y == 0 || grid_z == 0 ||
        grid_y > 65535u || grid_z > 65535u || block_x == 0 || block_y == 0 || block_z == 0 ||
        (unsigned long long)block_x * block_y * block_z > threads ||
        shared_bytes + kernel->shared_bytes > CUDASIM_MAX_SHARED_BYTES) {
        return cudasim_end(INVALID_VALUE);
    }
    return cudasim_end(add_launch(stream, kernel, (cudasim_index){grid_x, grid_y, grid_z},
                                  (cudasim_index){block_x, block_y, block_z}, shared_bytes,
                                  params));
}
