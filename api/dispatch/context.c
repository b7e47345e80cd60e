/* SPDX-License-Identifier: MIT
 *
 * The life of a context.
 */

#include "context_internal.h"
#include "env.h"

static kvant_status check_desc(const kvant_context_desc *desc)
{
    if (desc->struct_size != sizeof *desc) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "kvant_context_desc.struct_size is %zu, this library has %zu",
                          desc->struct_size, sizeof *desc);
    }
    if ((desc->allocator.allocate == NULL) != (desc->allocator.release == NULL)) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "an allocator needs both allocate and release");
    }
    if ((desc->flags & ~KVANT_CONTEXT_ALLOW_INEXACT) != 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "unknown context flags 0x%x", desc->flags);
    }
    return KVANT_OK;
}

/* A name that no device could have is refused before any is opened. */
static kvant_status check_variant(void)
{
    kvant_variant_choice choice;
    char reason[KVANT_MESSAGE_BYTES];
    if (!kvant_variant_read(kvant_env_variant(), UINT32_MAX, &choice, reason, sizeof reason)) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "KVANT_VARIANT: %s", reason);
    }
    return KVANT_OK;
}

static void close_device(kvant_context *context)
{
    if (context->device != NULL) {
        kvant_buffer_destroy(context->unused);
        context->unused = NULL;
        context->backend->close(context->device);
        context->device = NULL;
    }
}

kvant_status kvant_open_candidate(kvant_context *context, const kvant_candidate *candidate,
                                  uint32_t flags)
{
    context->backend = candidate->backend;
    context->record = candidate->record;
    context->device_index = candidate->index;
    context->lost = false;
    for (int i = 0; i < KVANT_KERNEL_COUNT; i++) {
        context->prepared[i] = false;
    }
    kvant_status status = candidate->backend->open(&context->host.services, candidate->index,
                                                   &context->device, &context->limits);
    if (status != KVANT_OK) {
        context->device = NULL;
        return status;
    }
    char reason[KVANT_MESSAGE_BYTES];
    if (!kvant_variant_read(kvant_env_variant(), context->limits.capabilities, &context->variant,
                            reason, sizeof reason)) {
        status =
            kvant_fail(KVANT_ERROR_UNSUPPORTED, "%s:%u (%s) with KVANT_VARIANT: %s",
                       candidate->backend->name, candidate->index, candidate->record.name, reason);
    }
    if (status == KVANT_OK) {
        status = kvant_buffer_create(context, 256, &context->unused);
    }
    if (status == KVANT_OK) {
        status = kvant_self_test(context);
    }
    if (status == KVANT_OK && !context->exact && (flags & KVANT_CONTEXT_ALLOW_INEXACT) == 0) {
        status = kvant_fail(KVANT_ERROR_NOT_EXACT,
                            "%s:%u (%s) failed the exactness self-test: its arithmetic differs "
                            "from the host reference",
                            candidate->backend->name, candidate->index, candidate->record.name);
    }
    if (status != KVANT_OK) {
        close_device(context);
    }
    return status;
}

kvant_status kvant_context_create(const kvant_context_desc *desc, kvant_context **out_context)
{
    if (out_context == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "out_context is NULL");
    }
    *out_context = NULL;
    kvant_context_desc defaults = KVANT_CONTEXT_DESC_INIT;
    if (desc == NULL) {
        desc = &defaults;
    }
    kvant_status status = check_desc(desc);
    if (status == KVANT_OK) {
        status = check_variant();
    }
    if (status != KVANT_OK) {
        return status;
    }

    kvant_host host;
    kvant_host_init(&host, desc);
    kvant_context *context = kvant_allocate(&host, sizeof *context);
    if (context == NULL) {
        return kvant_fail(KVANT_ERROR_OUT_OF_HOST_MEMORY, "no memory for a context");
    }
    context->host = host;
    context->host.services.self = &context->host;

    const char *selection = desc->backend;
    if (selection == NULL || selection[0] == '\0') {
        selection = kvant_env_backend();
    }
    status = kvant_select_device(context, selection != NULL ? selection : "auto", desc->flags);
    if (status != KVANT_OK) {
        kvant_release(&host, context);
        return status;
    }
    *out_context = context;
    return KVANT_OK;
}

void kvant_context_destroy(kvant_context *context)
{
    if (context == NULL) {
        return;
    }
    close_device(context);
    kvant_host host = context->host;
    kvant_release(&host, context);
}

kvant_status kvant_context_device(const kvant_context *context, kvant_device_info *out_info)
{
    if (context == NULL || out_info == NULL || out_info->struct_size != sizeof *out_info) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "a context and a kvant_device_info with its struct_size are needed");
    }
    kvant_candidate candidate = {
        .backend = context->backend, .index = context->device_index, .record = context->record};
    kvant_fill_info(out_info, &candidate);
    out_info->exact = context->exact ? 1 : 0;
    out_info->max_buffer_bytes = context->limits.max_buffer_bytes;
    out_info->memory_bytes = context->limits.total_memory_bytes;
    out_info->lanes = context->limits.lanes;
    kvant_variant_describe(context->limits.capabilities, context->variant, out_info->variants,
                           sizeof out_info->variants);
    return KVANT_OK;
}

static kvant_status check_context(const kvant_context *context)
{
    if (context == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "context is NULL");
    }
    return kvant_require_alive(context);
}

kvant_status kvant_context_synchronize(kvant_context *context)
{
    kvant_status status = check_context(context);
    if (status != KVANT_OK) {
        return status;
    }
    context->stats.synchronizations++;
    return kvant_finish(context, context->backend->synchronize(context->device));
}

kvant_status kvant_context_prepare(kvant_context *context)
{
    kvant_status status = check_context(context);
    for (int i = 0; status == KVANT_OK && i < KVANT_KERNEL_COUNT; i++) {
        status = kvant_prepare_kernel(context, (kvant_kernel)i);
    }
    return status;
}

int kvant_context_is_lost(const kvant_context *context)
{
    return context != NULL && context->lost ? 1 : 0;
}

kvant_status kvant_context_get_stats(const kvant_context *context, kvant_context_stats *out_stats)
{
    if (context == NULL || out_stats == NULL || out_stats->struct_size != sizeof *out_stats) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "a context and a kvant_context_stats with its struct_size are needed");
    }
    *out_stats = context->stats;
    out_stats->struct_size = sizeof *out_stats;
    out_stats->host_allocations = context->host.allocations;
    out_stats->submissions = context->backend->submissions != NULL
                                 ? context->backend->submissions(context->device)
                                 : context->stats.commands;
    return KVANT_OK;
}

kvant_status kvant_context_mark(kvant_context *context, uint32_t slot)
{
    kvant_status status = check_context(context);
    if (status != KVANT_OK) {
        return status;
    }
    if (slot > 1) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "slot is %u, not 0 or 1", slot);
    }
    status = kvant_finish(context, context->backend->mark(context->device, slot));
    context->marked[slot] = context->marked[slot] || status == KVANT_OK;
    return status;
}

kvant_status kvant_context_elapsed(kvant_context *context, double *out_microseconds)
{
    kvant_status status = check_context(context);
    if (status != KVANT_OK) {
        return status;
    }
    if (out_microseconds == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "out_microseconds is NULL");
    }
    if (!context->marked[0] || !context->marked[1]) {
        return kvant_fail(KVANT_ERROR_INVALID_STATE, "both time stamps must be set before");
    }
    context->stats.synchronizations++;
    return kvant_finish(context,
                        context->backend->elapsed(context->device, 0, 1, out_microseconds));
}
