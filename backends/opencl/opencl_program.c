/* SPDX-License-Identifier: MIT
 *
 * Building the OpenCL kernels: one program a kernel and variant, from the embedded text with the embedded headers,
 * or from the caller's cache.
 *
 * A cached blob is the device's binary behind a header that tells whether it is whole. The key
 * covers everything that the binary depends on; any doubt means to build again. Drivers for CPUs have
 * no such binary to give (theirs still compiles when it is launched) and a cache of their own.
 */
#include <stdio.h>
#include <string.h>

#include "opencl_internal.h"

/* NAME of NAME.cl and of its entry point kvant_NAME. */
static const char *const program_names[KVANT_KERNEL_COUNT][KVANT_VARIANT_COUNT] = {
#define KVANT_KERNEL(name, params, count, names, shape, exactness)                                 \
    [KVANT_KERNEL_##name][KVANT_VARIANT_baseline] = #name,
#include "kernels.def"
#undef KVANT_KERNEL
#define KVANT_TUNED_OPENCL(kernel, variant, capability, least_rows, why)                           \
    [KVANT_KERNEL_##kernel][KVANT_VARIANT_##variant] = #kernel "_" #variant,
#include "variants.def"
};

typedef struct {
    char magic[8];
    uint64_t size;
    uint64_t hash;
} blob_header;

#define BLOB_MAGIC "kvantCL1"

/* FNV-1a, 64 bits. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

#define HASH_START UINT64_C(0xcbf29ce484222325)

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return hash_bytes(hash, text, strlen(text) + 1u);
}

static int is_header(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL && (strcmp(dot, ".h") == 0 || strcmp(dot, ".clh") == 0);
}

/* The name under which the caller caches this kernel for this device. */
static void make_key(const kvant_backend_device *device, const char *name,
                     const kvant_embedded *text, const char *options, char *key, size_t size)
{
    uint64_t source = HASH_START;
    for (const kvant_embedded *entry = kvant_opencl_texts; entry->name != NULL; entry++) {
        if (entry == text || is_header(entry->name)) {
            source = hash_text(source, entry->name);
            source = hash_bytes(source, entry->bytes, entry->size);
        }
    }
    source = hash_text(source, text->contract_hash);
    uint64_t target = hash_text(HASH_START, device->identity);
    target = hash_text(target, options);
    snprintf(key, size, "opencl-%s-%016llx-%016llx", name, (unsigned long long)source,
             (unsigned long long)target);
}

/* ---- from text ---- */

static kvant_status make_program(kvant_backend_device *device, const kvant_embedded *text,
                                 cl_program *out_program)
{
    const char *source = (const char *)text->bytes;
    cl_int error = CL_SUCCESS;
    *out_program =
        device->api.clCreateProgramWithSource(device->context, 1, &source, &text->size, &error);
    if (error != CL_SUCCESS) {
        *out_program = NULL;
        return kvant_opencl_fail(device, "clCreateProgramWithSource", error);
    }
    return KVANT_OK;
}

/* The headers as programs, once for all kernels. */
static kvant_status make_headers(kvant_backend_device *device)
{
    const kvant_services *services = device->services;
    size_t count = 0;
    for (const kvant_embedded *entry = kvant_opencl_texts; entry->name != NULL; entry++) {
        count += is_header(entry->name) ? 1u : 0u;
    }
    if (device->headers == NULL) {
        device->headers = services->allocate(services, count * sizeof(cl_program));
    }
    if (device->header_names == NULL) {
        device->header_names = services->allocate(services, count * sizeof(const char *));
    }
    if (device->headers == NULL || device->header_names == NULL) {
        return services->report(services, KVANT_ERROR_OUT_OF_HOST_MEMORY, "opencl",
                                "no memory for the kernels' headers");
    }
    cl_uint done = 0;
    for (const kvant_embedded *entry = kvant_opencl_texts; entry->name != NULL; entry++) {
        if (!is_header(entry->name)) {
            continue;
        }
        if (done == device->header_count) { /* what an earlier try left off */
            kvant_status status = make_program(device, entry, &device->headers[done]);
            if (status != KVANT_OK) {
                return status;
            }
            device->header_names[done] = entry->name;
            device->header_count++;
        }
        done++;
    }
    return KVANT_OK;
}

/* Reports a failed build with its log. */
static kvant_status report_build(kvant_backend_device *device, const char *name, const char *call,
                                 cl_int error, cl_program program)
{
    const kvant_services *services = device->services;
    if (error == CL_OUT_OF_HOST_MEMORY || error == CL_DEVICE_NOT_AVAILABLE) {
        return kvant_opencl_fail(device, call, error);
    }
    size_t size = 0;
    char *log = NULL;
    if (program != NULL &&
        device->api.clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL,
                                          &size) == CL_SUCCESS) {
        log = services->allocate(services, size + 1u);
    }
    if (log != NULL && device->api.clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG,
                                                         size, log, NULL) != CL_SUCCESS) {
        log[0] = '\0';
    }
    kvant_status status = services->report(
        services, KVANT_ERROR_KERNEL_BUILD, "opencl", "kernel %s: %s failed: %s (%d)\n%s", name,
        call, kvant_opencl_error_name(error), (int)error, log != NULL ? log : "");
    services->release(services, log);
    return status;
}

static kvant_status build_from_text(kvant_backend_device *device, const char *name,
                                    const kvant_embedded *text, const char *options,
                                    cl_program *out_program)
{
    kvant_status status = make_headers(device);
    if (status != KVANT_OK) {
        return status;
    }
    cl_program compiled = NULL;
    status = make_program(device, text, &compiled);
    if (status != KVANT_OK) {
        return status;
    }
    cl_int error =
        device->api.clCompileProgram(compiled, 1, &device->id, options, device->header_count,
                                     device->headers, device->header_names, NULL, NULL);
    if (error != CL_SUCCESS) {
        status = report_build(device, name, "clCompileProgram", error, compiled);
        device->api.clReleaseProgram(compiled);
        return status;
    }
    cl_program linked = device->api.clLinkProgram(device->context, 1, &device->id, NULL, 1,
                                                  &compiled, NULL, NULL, &error);
    device->api.clReleaseProgram(compiled);
    if (error != CL_SUCCESS || linked == NULL) {
        status = report_build(device, name, "clLinkProgram", error, linked);
        if (linked != NULL) {
            device->api.clReleaseProgram(linked);
        }
        return status;
    }
    *out_program = linked;
    return KVANT_OK;
}

/* ---- the caller's cache ---- */

/* NULL where there is no usable blob. Nothing here is an error: the text is always there. */
static cl_program load_cached(kvant_backend_device *device, const char *key)
{
    const kvant_services *services = device->services;
    if (services->cache_load == NULL || device->is_cpu) {
        return NULL;
    }
    size_t size = services->cache_load(services, key, NULL, 0);
    if (size <= sizeof(blob_header)) {
        return NULL;
    }
    unsigned char *blob = services->allocate(services, size);
    if (blob == NULL) {
        return NULL;
    }
    cl_program program = NULL;
    blob_header header;
    if (services->cache_load(services, key, blob, size) == size) {
        memcpy(&header, blob, sizeof header);
        const unsigned char *binary = blob + sizeof header;
        size_t binary_size = size - sizeof header;
        if (memcmp(header.magic, BLOB_MAGIC, sizeof header.magic) == 0 &&
            header.size == binary_size &&
            header.hash == hash_bytes(HASH_START, binary, binary_size)) {
            cl_int error = CL_SUCCESS;
            cl_int binary_status = CL_SUCCESS;
            program = device->api.clCreateProgramWithBinary(
                device->context, 1, &device->id, &binary_size, &binary, &binary_status, &error);
            if (error != CL_SUCCESS) {
                program = NULL;
            } else if (binary_status != CL_SUCCESS ||
                       device->api.clBuildProgram(program, 1, &device->id, NULL, NULL, NULL) !=
                           CL_SUCCESS) {
                device->api.clReleaseProgram(program);
                program = NULL;
            }
        }
    }
    services->release(services, blob);
    return program;
}

/* A cache that cannot be written costs time, not more. */
static void store_cached(kvant_backend_device *device, const char *key, cl_program program)
{
    const kvant_services *services = device->services;
    size_t size = 0;
    if (services->cache_store == NULL || device->is_cpu ||
        device->api.clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL) !=
            CL_SUCCESS ||
        size == 0) {
        return;
    }
    unsigned char *blob = services->allocate(services, sizeof(blob_header) + size);
    if (blob == NULL) {
        return;
    }
    unsigned char *binary = blob + sizeof(blob_header);
    if (device->api.clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) ==
        CL_SUCCESS) {
        blob_header header = {.size = size, .hash = hash_bytes(HASH_START, binary, size)};
        memcpy(header.magic, BLOB_MAGIC, sizeof header.magic);
        memcpy(blob, &header, sizeof header);
        services->cache_store(services, key, blob, sizeof header + size);
    }
    services->release(services, blob);
}

/* ---- kernels ---- */

static kvant_status make_kernel(kvant_backend_device *device, const char *name, cl_program program,
                                cl_kernel *out_kernel)
{
    const kvant_services *services = device->services;
    char entry[64];
    snprintf(entry, sizeof entry, "kvant_%s", name);
    cl_int error = CL_SUCCESS;
    cl_kernel kernel = device->api.clCreateKernel(program, entry, &error);
    if (error != CL_SUCCESS) {
        return report_build(device, name, "clCreateKernel", error, program);
    }
    size_t lanes = 0;
    error = device->api.clGetKernelWorkGroupInfo(kernel, device->id, CL_KERNEL_WORK_GROUP_SIZE,
                                                 sizeof lanes, &lanes, NULL);
    if (error == CL_SUCCESS && lanes < device->lanes) {
        device->api.clReleaseKernel(kernel);
        return services->report(services, KVANT_ERROR_KERNEL_BUILD, "opencl",
                                "kernel %s needs work-groups of %u lanes, the device gives it %zu",
                                name, (unsigned)device->lanes, lanes);
    }
    *out_kernel = kernel;
    return KVANT_OK;
}

static kvant_status build(kvant_backend_device *device, kvant_kernel kernel, kvant_variant variant)
{
    const kvant_services *services = device->services;
    kvant_status status = KVANT_OK;
    const char *name = program_names[kernel][variant];
    char file[64];
    snprintf(file, sizeof file, "%s.cl", name);
    const kvant_embedded *text = kvant_embedded_find(kvant_opencl_texts, file);
    if (text == NULL) {
        return services->report(services, KVANT_ERROR_INTERNAL, "opencl",
                                "the library was built without %s", file);
    }
    const char *standard = device->standards[variant];
    char options[64];
    snprintf(options, sizeof options, KVANT_OPENCL_OPTIONS, standard != NULL ? standard : "CL1.2",
             (unsigned)device->lanes);
    char key[128];
    make_key(device, name, text, options, key, sizeof key);
    cl_program program = load_cached(device, key);
    int is_cached = program != NULL;
    if (!is_cached) {
        status = build_from_text(device, name, text, options, &program);
    }
    if (status == KVANT_OK) {
        status = make_kernel(device, name, program, &device->kernels[kernel][variant]);
    }
    if (status != KVANT_OK) {
        if (program != NULL) {
            device->api.clReleaseProgram(program);
        }
        return status;
    }
    device->programs[kernel][variant] = program;
    if (!is_cached) {
        store_cached(device, key, program);
    }
    return device->is_cpu ? kvant_opencl_warm_up(device, kernel, variant) : KVANT_OK;
}

kvant_status kvant_opencl_prepare(kvant_backend_device *device, kvant_kernel kernel,
                                  uint32_t variants)
{
    kvant_status status = kvant_opencl_check(device);
    for (int i = 0; status == KVANT_OK && i < KVANT_VARIANT_COUNT; i++) {
        if ((variants >> i & 1u) != 0u && device->kernels[kernel][i] == NULL) {
            status = build(device, kernel, (kvant_variant)i);
        }
    }
    return status;
}

void kvant_opencl_release_programs(kvant_backend_device *device)
{
    for (int i = 0; i < KVANT_KERNEL_COUNT; i++) {
        for (int j = 0; j < KVANT_VARIANT_COUNT; j++) {
            if (device->kernels[i][j] != NULL) {
                device->api.clReleaseKernel(device->kernels[i][j]);
            }
            if (device->programs[i][j] != NULL) {
                device->api.clReleaseProgram(device->programs[i][j]);
            }
        }
    }
    for (cl_uint i = 0; i < device->header_count; i++) {
        device->api.clReleaseProgram(device->headers[i]);
    }
    device->services->release(device->services, device->headers);
    device->services->release(device->services, device->header_names);
}
