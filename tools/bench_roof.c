/* SPDX-License-Identifier: MIT
 *
 * The arithmetic roof: the multiply-adds that a device makes in attention where bytes cost next to
 * nothing. Codes of 2 bits take the least besides their products; a few megabytes of them stay in the
 * caches, and each word that is read serves 8 query rows, as many as a work-group carries.
 */
#include <string.h>

#include "bench_session.h"

#define ROOF_SECONDS 0.5

/* Work-groups for every part of the device, and no more bytes than its caches hold. */
static bench_shape roof_shape(kvant_device_kind kind)
{
    int is_fast = kind == KVANT_DEVICE_GPU || kind == KVANT_DEVICE_CPU;
    return (bench_shape){.batch = kind == KVANT_DEVICE_GPU ? 8u : 1u,
                         .q_heads = 64,
                         .kv_heads = 8,
                         .k_dim = 128,
                         .v_dim = 128,
                         .tokens = is_fast ? 4096u : 256u,
                         .layers = 1};
}

int bench_measure_roof(kvant_context *context, kvant_context *reference, kvant_device_kind kind,
                       uint64_t seed, double *out_per_ns, tool_error *error)
{
    const bench_shape shape = roof_shape(kind);
    bench_data data;
    memset(&data, 0, sizeof data);
    bench_operation o = {.context = context,
                         .kind = bench_kind_named("attention"),
                         .shape = &shape,
                         .data = &data,
                         .recipe = KVANT_RECIPE_INIT,
                         .patience = ROOF_SECONDS};
    bench_lane lane = {.operation = &o};
    kvant_status status = kvant_recipe_parse("k=int2/head,v=int2/head", &o.recipe);
    int result = status == KVANT_OK ? 0 : tool_error_library(error, status, NULL);
    if (result == 0) {
        result = bench_gate(context, reference, o.kind, &o.recipe, &shape, seed, error);
    }
    if (result == 0) {
        result = bench_data_create(context, &shape, 0, seed, &data, error);
    }
    if (result == 0) {
        result = bench_operation_prepare(&o, error);
    }
    if (result == 0) {
        result = bench_measure(&lane, 1, ROOF_SECONDS, error);
    }
    if (result == 0) {
        *out_per_ns = o.kind->work(&shape) * shape.batch / (lane.us.median * 1e3);
    }
    bench_operation_release(&o);
    bench_data_release(&data);
    return result;
}
