/* SPDX-License-Identifier: MIT
 *
 * What an OpenCL device can do beyond what it says: instructions of the CPU that PoCL compiles for. A
 * small kernel asks the processor that runs it, so a device on another machine answers for itself,
 * and tries the instruction where the answer is yes.
 */
#include <string.h>

#include "opencl_internal.h"

/* The instruction is in the text either way: a compiler that cannot take it fails to build. CPUID may
 * be asked without care, since a compiler that targets AVX-512 has found leaf 7 and the system's
 * consent to its registers. */
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

/* The kernel's only word. */
static kvant_status run(kvant_backend_device *device, cl_kernel kernel, uint32_t *out_word)
{
    static const size_t one[3] = {1, 1, 1};
    kvant_backend_buffer *buffer = NULL;
    kvant_status status = kvant_opencl_buffer_create(device, sizeof *out_word, &buffer);
    if (status != KVANT_OK) {
        return status;
    }
    const char *call = "clSetKernelArg";
    cl_int error = device->api.clSetKernelArg(kernel, 0, sizeof(cl_mem), &buffer->memory);
    if (error == CL_SUCCESS) {
        call = "clEnqueueNDRangeKernel";
        error = device->api.clEnqueueNDRangeKernel(device->queue, kernel, 3, NULL, one, one, 0,
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
           error == CL_LINK_PROGRAM_FAILURE;
}

static kvant_status ask(kvant_backend_device *device, cl_program program, uint32_t *out_word)
{
    cl_int error = device->api.clBuildProgram(program, 1, &device->id, "-cl-std=CL1.2", NULL, NULL);
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

/* Other compilers for CPUs were not tried: what they do with assembly is not known. */
static int is_pocl(kvant_backend_device *device, cl_platform_id platform)
{
    char name[128] = "";
    return device->api.clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof name - 1u, name,
                                         NULL) == CL_SUCCESS &&
           strcmp(name, "Portable Computing Language") == 0;
}

kvant_status kvant_opencl_probe(kvant_backend_device *device, cl_platform_id platform,
                                uint32_t *out_capabilities)
{
    *out_capabilities = 0;
    if (!device->is_cpu || !is_pocl(device, platform)) {
        return KVANT_OK;
    }
    const char *text = vnni_probe;
    cl_int error = CL_SUCCESS;
    cl_program program =
        device->api.clCreateProgramWithSource(device->context, 1, &text, NULL, &error);
    if (error != CL_SUCCESS) {
        return kvant_opencl_fail(device, "clCreateProgramWithSource", error);
    }
    uint32_t found = 0;
    kvant_status status = ask(device, program, &found);
    device->api.clReleaseProgram(program);
    *out_capabilities = found == 1u ? KVANT_CAPABILITY_AVX512_VNNI : 0u;
    return status;
}
