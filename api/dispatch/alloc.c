/* SPDX-License-Identifier: MIT
 *
 * Host memory, diagnostics and the kernel cache, as dispatch offers them to itself and to the
 * backends. Every host allocation of the library comes through here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "context_internal.h"

void *kvant_allocate(kvant_host *host, size_t bytes)
{
    void *memory = host->allocator.allocate != NULL
                       ? host->allocator.allocate(host->allocator.user, bytes)
                       : malloc(bytes);
    if (memory != NULL) {
        memset(memory, 0, bytes);
        host->allocations++;
    }
    return memory;
}

void kvant_release(kvant_host *host, void *memory)
{
    if (memory == NULL) {
        return;
    }
    if (host->allocator.allocate != NULL) {
        host->allocator.release(host->allocator.user, memory);
    } else {
        free(memory);
    }
}

void kvant_tell(kvant_host *host, kvant_severity severity, kvant_status status, const char *backend,
                const char *format, ...)
{
    if (host->diagnostic == NULL) {
        return;
    }
    char message[KVANT_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    host->diagnostic(host->diagnostic_user, severity, status, backend, message);
}

static void *service_allocate(const kvant_services *services, size_t bytes)
{
    return kvant_allocate(services->self, bytes);
}

static void service_release(const kvant_services *services, void *memory)
{
    kvant_release(services->self, memory);
}

static kvant_status service_report(const kvant_services *services, kvant_status status,
                                   const char *backend, const char *format, ...)
{
    kvant_host *host = services->self;
    va_list arguments;
    va_start(arguments, format);
    kvant_fail_v(status, format, arguments);
    va_end(arguments);
    if (!host->probing) {
        kvant_tell(host, KVANT_SEVERITY_ERROR, status, backend, "%s", kvant_last_message());
    }
    return status;
}

static size_t service_cache_load(const kvant_services *services, const char *key, void *bytes,
                                 size_t capacity)
{
    kvant_host *host = services->self;
    return host->kernel_cache.load(host->kernel_cache.user, key, bytes, capacity);
}

static void service_cache_store(const kvant_services *services, const char *key, const void *bytes,
                                size_t size)
{
    kvant_host *host = services->self;
    host->kernel_cache.store(host->kernel_cache.user, key, bytes, size);
}

void kvant_host_init(kvant_host *host, const kvant_context_desc *desc)
{
    *host = (kvant_host){
        .services =
            {
                .allocate = service_allocate,
                .release = service_release,
                .report = service_report,
                .cache_load = desc->kernel_cache.load != NULL ? service_cache_load : NULL,
                .cache_store = desc->kernel_cache.store != NULL ? service_cache_store : NULL,
            },
        .allocator = desc->allocator,
        .diagnostic = desc->diagnostic,
        .diagnostic_user = desc->diagnostic_user,
        .kernel_cache = desc->kernel_cache,
    };
    host->services.self = host;
}
