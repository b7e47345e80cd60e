/* SPDX-License-Identifier: MIT
 *
 * The simulator's library, devices and contexts, and failures planned by CUDASIM_FAIL.
 */
#include "cudasim_state.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEVICES 8
#define MAX_DEPTH 16
#define UUID_BYTES 16

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int is_initialised;
static context_object contexts[MAX_DEVICES];
static __thread context_object *current[MAX_DEPTH];
static __thread int depth;

context_object *cudasim_current(void)
{
    return depth > 0 ? current[depth - 1] : NULL;
}

void cudasim_lock(void)
{
    pthread_mutex_lock(&mutex);
}

int cudasim_end(int code)
{
    pthread_mutex_unlock(&mutex);
    return code;
}

/* ---- variables and planned failures ---- */

int cudasim_number(const char *name, int otherwise, int least, int most)
{
    const char *text = getenv(name);
    int number = text != NULL ? atoi(text) : otherwise;
    return number < least ? least : number > most ? most : number;
}

static int device_count(void)
{
    return cudasim_number("CUDASIM_DEVICES", 1, 0, MAX_DEVICES);
}

/* The code with which this call has to fail, or OK. */
static int planned_failure(const char *function)
{
    static char plan[128];
    static int calls;
    const char *text = getenv("CUDASIM_FAIL");
    if (text == NULL || strlen(text) >= sizeof plan) {
        plan[0] = '\0';
        return OK;
    }
    if (strcmp(plan, text) != 0) { /* a new plan: count from here */
        strcpy(plan, text);
        calls = 0;
    }
    char name[64];
    int nth, code;
    if (sscanf(plan, "%63[^:]:%d:%d", name, &nth, &code) != 3 ||
        (strcmp(name, "*") != 0 && strcmp(name, function) != 0)) {
        return OK;
    }
    return ++calls == nth ? code : OK;
}

/* What a stream under capture refuses: calls that wait for it or ask how far it is, and all that
 * allocates or loads. */
static int is_refused_by_capture(const char *function)
{
    static const char *const capturable[] = {
        "cuCtxPushCurrent_v2",  "cuEventRecord",        "cuGetErrorName",       "cuLaunchKernel",
        "cuMemcpyDtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuMemcpyHtoDAsync_v2", "cuMemsetD32Async",
    };
    for (size_t i = 0; i < sizeof capturable / sizeof capturable[0]; i++) {
        if (strcmp(function, capturable[i]) == 0) {
            return 0;
        }
    }
    return getenv("CUDASIM_CAPTURE") != NULL;
}

static int is_fault(int code)
{
    return code == 214 || code == 700 || code == 702 || (code >= 714 && code <= 719);
}

int cudasim_begin(const char *function, int needs_context)
{
    cudasim_lock();
    int code = planned_failure(function);
    context_object *context = cudasim_current();
    if (code != OK) {
        if (context != NULL && is_fault(code)) {
            context->fault = code;
        }
        return code;
    }
    if (!is_initialised && strcmp(function, "cuInit") != 0) {
        return NOT_INITIALIZED;
    }
    if (is_refused_by_capture(function)) {
        return CAPTURE_UNSUPPORTED;
    }
    if (!needs_context) {
        return OK;
    }
    return context == NULL ? INVALID_CONTEXT : context->fault;
}

/* ---- the library and its devices ---- */

EXPORT int cuInit(unsigned int flags);
EXPORT int cuInit(unsigned int flags)
{
    BEGIN(0);
    is_initialised = 1;
    return cudasim_end(flags != 0 ? INVALID_VALUE : device_count() == 0 ? NO_DEVICE : OK);
}

EXPORT int cuDriverGetVersion(int *version);
EXPORT int cuDriverGetVersion(int *version)
{
    BEGIN(0);
    *version = 12040;
    return cudasim_end(OK);
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
    return cudasim_end(OK);
}

EXPORT int cuDeviceGet(int *device, int index);
EXPORT int cuDeviceGet(int *device, int index)
{
    BEGIN(0);
    *device = index;
    return cudasim_end(index >= 0 && index < device_count() ? OK : INVALID_DEVICE);
}

EXPORT int cuDeviceGetName(char *name, int length, int device);
EXPORT int cuDeviceGetName(char *name, int length, int device)
{
    BEGIN(0);
    (void)device;
    const char *other = getenv("CUDASIM_NAME");
    snprintf(name, (size_t)length, "%s", other != NULL ? other : "simulated CUDA device");
    return cudasim_end(OK);
}

EXPORT int cuDeviceGetUuid_v2(unsigned char *uuid, int device);
EXPORT int cuDeviceGetUuid_v2(unsigned char *uuid, int device)
{
    BEGIN(0);
    memset(uuid, 0, UUID_BYTES);
    uuid[UUID_BYTES - 1] = (unsigned char)(device + 1);
    return cudasim_end(OK);
}

EXPORT int cuDeviceGetPCIBusId(char *id, int length, int device);
EXPORT int cuDeviceGetPCIBusId(char *id, int length, int device)
{
    BEGIN(0);
    snprintf(id, (size_t)length, "ffff:%02x:00.0", (unsigned int)device & 255u);
    return cudasim_end(OK);
}

EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device);
EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    BEGIN(0);
    (void)device;
    switch (attribute) {
    case 1: /* most threads of a block */
        *value = cudasim_number("CUDASIM_THREADS", 32, 32, (int)CUDASIM_MAX_THREADS);
        break;
    case 5: /* grid, x */
        *value = INT32_MAX;
        break;
    case 6: /* grid, y and z */
    case 7:
        *value = 65535;
        break;
    case 8: /* bytes of shared memory of a block */
        *value = (int)CUDASIM_MAX_SHARED_BYTES;
        break;
    case 10: /* threads of a warp */
        *value = (int)CUDASIM_WARP;
        break;
    case 16: /* multiprocessors */
        *value = 1;
        break;
    case 75: /* compute capability */
        *value = cudasim_number("CUDASIM_CAPABILITY", 75, 10, 999) / 10;
        break;
    case 76:
        *value = cudasim_number("CUDASIM_CAPABILITY", 75, 10, 999) % 10;
        break;
    default:
        return cudasim_end(INVALID_VALUE);
    }
    return cudasim_end(OK);
}

EXPORT int cuDeviceTotalMem_v2(size_t *bytes, int device);
EXPORT int cuDeviceTotalMem_v2(size_t *bytes, int device)
{
    BEGIN(0);
    (void)device;
    *bytes = (size_t)4 << 30;
    return cudasim_end(OK);
}

/* ---- contexts ---- */

EXPORT int cuDevicePrimaryCtxRetain(context_object **context, int device);
EXPORT int cuDevicePrimaryCtxRetain(context_object **context, int device)
{
    BEGIN(0);
    contexts[device].retained++;
    *context = &contexts[device];
    return cudasim_end(OK);
}

EXPORT int cuDevicePrimaryCtxRelease_v2(int device);
EXPORT int cuDevicePrimaryCtxRelease_v2(int device)
{
    cudasim_lock(); /* what gives back does not fail by plan */
    if (contexts[device].retained == 0) {
        return cudasim_end(INVALID_CONTEXT);
    }
    if (--contexts[device].retained == 0) {
        contexts[device].fault = OK; /* the next use starts afresh */
        contexts[device].streams = NULL;
    }
    int retained = 0;
    for (int i = 0; i < MAX_DEVICES; i++) {
        retained += contexts[i].retained;
    }
    if (retained == 0) {
        cudasim_free_all();
    }
    return cudasim_end(OK);
}

EXPORT int cuCtxPushCurrent_v2(context_object *context);
EXPORT int cuCtxPushCurrent_v2(context_object *context)
{
    BEGIN(0);
    if (context == NULL || context->retained == 0 || depth == MAX_DEPTH) {
        return cudasim_end(INVALID_CONTEXT);
    }
    current[depth++] = context;
    return cudasim_end(OK);
}

EXPORT int cuCtxPopCurrent_v2(context_object **context);
EXPORT int cuCtxPopCurrent_v2(context_object **context)
{
    cudasim_lock();
    if (depth == 0) {
        return cudasim_end(INVALID_CONTEXT);
    }
    *context = current[--depth];
    return cudasim_end(OK);
}

int cudasim_context_depth(void)
{
    return depth;
}
