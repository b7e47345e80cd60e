/* SPDX-License-Identifier: MIT
 *
 * A backend selection of any text. Texts that could open the library of a GPU are left out; the
 * names of backends that the build does not contain are not.
 */
#include <string.h>

#include "fuzz_check.h"
#include "kvant/context.h"

static const char *const opening[] = {
#if defined(KVANT_HAVE_CUDA) || defined(KVANT_HAVE_VULKAN) || defined(KVANT_HAVE_OPENCL)
    "auto",
#endif
#ifdef KVANT_HAVE_CUDA
    "cuda",
#endif
#ifdef KVANT_HAVE_VULKAN
    "vulkan",
#endif
#ifdef KVANT_HAVE_OPENCL
    "opencl",
#endif
    "",
};

static int opens_a_library(const char *text)
{
    if (text[0] == '\0') {
        return 1; /* the environment would decide */
    }
    while (text != NULL) {
        text += *text == ',';
        size_t length = strcspn(text, ":,");
        for (size_t i = 0; i < sizeof opening / sizeof opening[0]; i++) {
            if (opening[i][0] != '\0' && strlen(opening[i]) == length &&
                memcmp(opening[i], text, length) == 0) {
                return 1;
            }
        }
        text = strchr(text, ',');
    }
    return 0;
}

/* The name that a device gives itself opens that device. */
static void reopen(const kvant_context *context)
{
    kvant_device_info info = KVANT_DEVICE_INFO_INIT;
    kvant_device_info second = KVANT_DEVICE_INFO_INIT;
    FUZZ_CHECK(kvant_context_device(context, &info) == KVANT_OK);
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = info.select;
    desc.flags = KVANT_CONTEXT_ALLOW_INEXACT;
    kvant_context *again = NULL;
    FUZZ_CHECK(kvant_context_create(&desc, &again) == KVANT_OK);
    FUZZ_CHECK(kvant_context_device(again, &second) == KVANT_OK);
    FUZZ_CHECK(strcmp(info.select, second.select) == 0);
    kvant_context_destroy(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[1024];
    if (!fuzz_text(data, size, text, sizeof text)) {
        return 0;
    }
    if (opens_a_library(text)) {
        return 0;
    }
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = text;
    kvant_context *context = NULL;
    kvant_status status = kvant_context_create(&desc, &context);
    FUZZ_CHECK((status == KVANT_OK) == (context != NULL));
    if (status == KVANT_OK) {
        reopen(context);
        kvant_context_destroy(context);
    } else {
        FUZZ_CHECK(status == KVANT_ERROR_UNKNOWN_BACKEND || status == KVANT_ERROR_NO_DEVICE ||
                   status == KVANT_ERROR_NOT_EXACT);
        FUZZ_CHECK(kvant_last_message()[0] != '\0');
    }
    return 0;
}
