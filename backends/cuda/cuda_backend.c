/* SPDX-License-Identifier: MIT
 *
 * The CUDA backend: the function table. It uses the driver library alone, opened at run time.
 */
#include "cuda_internal.h"

const kvant_backend kvant_backend_cuda = {
    .version = KVANT_BACKEND_VERSION,
    .name = "cuda",
    .enumerate = kvant_cuda_enumerate,
    .open = kvant_cuda_open,
    .close = kvant_cuda_close,
    .buffer_create = kvant_cuda_buffer_create,
    .buffer_destroy = kvant_cuda_buffer_destroy,
    .upload = kvant_cuda_upload,
    .download = kvant_cuda_download,
    .copy = kvant_cuda_copy,
    .fill = kvant_cuda_fill,
    .prepare = kvant_cuda_prepare,
    .launch = kvant_cuda_launch,
    .flush = kvant_cuda_flush,
    .synchronize = kvant_cuda_synchronize,
    .mark = kvant_cuda_mark,
    .elapsed = kvant_cuda_elapsed,
};
