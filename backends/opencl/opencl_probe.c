/* SPDX-License-Identifier: MIT
 *
 * What an OpenCL device can do for variants of kernels. A small kernel tries it, on the device itself:
 * a driver may list an extension that its compiler does not take. The text is built either way; a
 * compiler that refuses it says no.
 */
#include <stdio.h>
#include <string.h>

#include "opencl_internal.h"

/* cl_khr_integer_dot_product: which products of packed bytes are instructions */
#define INFO_PACKED_DOT_PRODUCTS_KHR 0x1075u

/* CPUs. CPUID may be asked without care, since a compiler that targets AVX-512 has found leaf 7 and the
 * system's consent to its registers. */
static const char vnni_probe[] =
    "__kernel void kvant_probe(__global uint *found)\n"
    "{\n"
    "    found[0] = 0u;\n"
    "#if defined(__clang__) && defined(__x86_64__) && defined(__AVX512BW__)\n"
    "    uint a = 7u, b, c = 0u, d;\n"
    "    __asm__ volatile(\"cpuid\" : \"+a\"(a), \"=b\"(b), \"+c\"(c), \"=d\"(d));\n"
    "    if ((c >> 11 & 1u) != 0u) {\n"
    "        int16 sums = 1;\n"
    "        uint16 codes = 0x00020003u;\n"
    "        uint16 operands = 0x0004fffbu;\n" /* 4 and -5 */
    "        __asm__ volatile(\"vpdpwssd %2, %1, %0\" : \"+v\"(sums) : \"v\"(codes), "
    "\"v\"(operands));\n"
    "        found[0] = all(sums == -6) ? 1u : 0u;\n"
    "    }\n"
    "#endif\n"
    "}\n";

/* GPUs. The codes depend on the lane's number, so that no compiler does the sum itself. */
static const char dot_probe[] = "#pragma OPENCL EXTENSION cl_khr_integer_dot_product : enable\n"
                                "__kernel __attribute__((reqd_work_group_size(KV_LANES, 1, 1)))\n"
                                "void kvant_probe(__global uint *found)\n"
                                "{\n"
                                "    if (get_local_id(0) == 0u) {\n"
                                "        uint codes = 0x07c003ffu + (uint)get_local_id(0);\n"
                                "        int mixed = dot_4x8packed_su_int(0x01ff7f80u, codes);\n"
                                "        uint plain = dot_4x8packed_uu_uint(0xff80017fu, codes);\n"
                                "        found[0] = mixed == -32444 && plain == 58749u ? 1u : 0u;\n"
                                "    }\n"
                                "}\n";

/* Sub-groups must be whole, of a multiple of 8 lanes, and shuffle. */
static const char shuffle_probe[] =
    "#pragma OPENCL EXTENSION cl_khr_subgroups : enable\n"
    "#pragma OPENCL EXTENSION cl_khr_subgroup_shuffle : enable\n"
    "__kernel __attribute__((reqd_work_group_size(KV_LANES, 1, 1)))\n"
    "void kvant_probe(__global uint *found)\n"
    "{\n"
    "    __local uint seen[KV_LANES];\n"
    "    uint size = (uint)get_max_sub_group_size();\n"
    "    uint lane = (uint)get_sub_group_local_id();\n"
    "    uint first = (uint)get_sub_group_id() * size;\n"
    "    uint other = (lane & ~7u) + (3u * lane + 1u) % 8u;\n"
    "    uint heard = sub_group_shuffle(first + lane, other);\n"
    "    seen[get_local_id(0)] = 0u;\n"
    "    barrier(CLK_LOCAL_MEM_FENCE);\n"
    "    if (size % 8u == 0u && KV_LANES % size == 0u && heard == first + other) {\n"
    "        seen[first + lane] = 1u;\n"
    "    }\n"
    "    barrier(CLK_LOCAL_MEM_FENCE);\n"
    "    if (get_local_id(0) == 0u) {\n"
    "        uint count = 0u;\n"
    "        for (uint i = 0u; i < KV_LANES; i++) {\n"
    "            count += seen[i];\n"
    "        }\n"
    "        found[0] = count == KV_LANES ? 1u : 0u;\n"
    "    }\n"
    "}\n";

/* The first word that one work-group of the kernel leaves. */
static kvant_status run(kvant_backend_device *device, cl_kernel kernel, uint32_t *out_word)
{
    const size_t lanes[3] = {device->lanes, 1, 1};
    kvant_backend_buffer *buffer = NULL;
    kvant_status status = kvant_opencl_buffer_create(device, sizeof *out_word, &buffer);
    if (status != KVANT_OK) {
        return status;
    }
    const char *call = "clSetKernelArg";
    cl_int error = device->api.clSetKernelArg(kernel, 0, sizeof(cl_mem), &buffer->memory);
    if (error == CL_SUCCESS) {
        call = "clEnqueueNDRangeKernel";
        error = device->api.clEnqueueNDRangeKernel(device->queue, kernel, 3, NULL, lanes, lanes, 0,
                                                   NULL, NULL);
    }
    status = error == CL_SUCCESS
                 ? kvant_opencl_download(device, buffer, 0, out_word, sizeof *out_word)
                 : kvant_opencl_fail(device, call, error);
    kvant_opencl_buffer_destroy(device, buffer);
    return status;
}

static int means_no(cl_int error)
{
    return error == CL_BUILD_PROGRAM_FAILURE || error == CL_COMPILE_PROGRAM_FAILURE ||
           error == CL_LINK_PROGRAM_FAILURE || error == CL_INVALID_BUILD_OPTIONS ||
           error == CL_INVALID_COMPILER_OPTIONS;
}

static kvant_status ask(kvant_backend_device *device, cl_program program, const char *standard,
                        uint32_t *out_word)
{
    char options[64];
    snprintf(options, sizeof options, KVANT_OPENCL_OPTIONS, standard, (unsigned)device->lanes);
    cl_int error = device->api.clBuildProgram(program, 1, &device->id, options, NULL, NULL);
    if (error != CL_SUCCESS) {
        return means_no(error) ? KVANT_OK : kvant_opencl_fail(device, "clBuildProgram", error);
    }
    cl_kernel kernel = device->api.clCreateKernel(program, "kvant_probe", &error);
    if (error != CL_SUCCESS) {
        return kvant_opencl_fail(device, "clCreateKernel", error);
    }
    kvant_status status = run(device, kernel, out_word);
    device->api.clReleaseKernel(kernel);
    return status;
}

/* Whether the probe finds what it looks for, compiled for a standard of OpenCL C. */
static kvant_status try_probe(kvant_backend_device *device, const char *text, const char *standard,
                              int *out_found)
{
    cl_int error = CL_SUCCESS;
    cl_program program =
        device->api.clCreateProgramWithSource(device->context, 1, &text, NULL, &error);
    if (error != CL_SUCCESS) {
        return kvant_opencl_fail(device, "clCreateProgramWithSource", error);
    }
    uint32_t found = 0;
    kvant_status status = ask(device, program, standard, &found);
    device->api.clReleaseProgram(program);
    *out_found = found == 1u;
    return status;
}

/* The same for an extension, which some compilers give in version 3.0 alone and others in 2.0. */
static kvant_status try_extension(kvant_backend_device *device, const char *text,
                                  kvant_variant variant, int *out_found)
{
    static const char *const standards[] = {"CL3.0", "CL2.0"};
    kvant_status status = KVANT_OK;
    *out_found = 0;
    for (size_t i = 0; status == KVANT_OK && !*out_found && i < 2u; i++) {
        device->standards[variant] = standards[i];
        status = try_probe(device, text, standards[i], out_found);
    }
    return status;
}

/* Other compilers for CPUs were not tried: what they do with assembly is not known. */
static int is_pocl(kvant_backend_device *device, cl_platform_id platform)
{
    char name[128] = "";
    return device->api.clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof name - 1u, name,
                                         NULL) == CL_SUCCESS &&
           strcmp(name, "Portable Computing Language") == 0;
}

static int has_extension(const kvant_backend_device *device, const char *name)
{
    return kvant_opencl_has_extension(device->services, &device->api, device->id, name);
}

/* Whether the driver says that the products which the variant uses are instructions. */
static int is_dot_fast(const kvant_backend_device *device)
{
    /* signed, unsigned, mixed; then the same with sums that saturate */
    cl_bool is_fast[6] = {0};
    return device->api.clGetDeviceInfo(device->id, INFO_PACKED_DOT_PRODUCTS_KHR, sizeof is_fast,
                                       is_fast, NULL) == CL_SUCCESS &&
           is_fast[1] && is_fast[2];
}

static kvant_status probe_cpu(kvant_backend_device *device, cl_platform_id platform,
                              uint32_t *out_capabilities)
{
    int found = 0;
    kvant_status status = KVANT_OK;
    if (is_pocl(device, platform)) {
        status = try_probe(device, vnni_probe, "CL1.2", &found);
    }
    *out_capabilities = found ? KVANT_CAPABILITY_AVX512_VNNI : 0u;
    return status;
}

static kvant_status probe_gpu(kvant_backend_device *device, uint32_t *out_capabilities)
{
    kvant_status status = KVANT_OK;
    int has_dot = 0;
    int has_shuffle = 0;
    if (has_extension(device, "cl_khr_integer_dot_product")) {
        status = try_extension(device, dot_probe, KVANT_VARIANT_dot, &has_dot);
    }
    if (status == KVANT_OK && has_extension(device, "cl_khr_subgroups") &&
        has_extension(device, "cl_khr_subgroup_shuffle")) {
        status = try_extension(device, shuffle_probe, KVANT_VARIANT_subgroup, &has_shuffle);
    }
    *out_capabilities = (has_dot ? KVANT_CAPABILITY_CL_INT8_DOT : 0u) |
                        (has_shuffle ? KVANT_CAPABILITY_CL_SHUFFLE : 0u);
    if (has_dot && !is_dot_fast(device)) {
        *out_capabilities |= KVANT_CAPABILITY_SLOW(KVANT_CAPABILITY_CL_INT8_DOT);
    }
    return status;
}

kvant_status kvant_opencl_probe(kvant_backend_device *device, cl_platform_id platform,
                                uint32_t *out_capabilities)
{
    return device->is_cpu ? probe_cpu(device, platform, out_capabilities)
                          : probe_gpu(device, out_capabilities);
}
