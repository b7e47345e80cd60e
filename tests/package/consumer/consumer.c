/* SPDX-License-Identifier: MIT
 *
 * A program of somebody else's, built against an installed kvant.
 */
#include <kvant/kvant.h>
#include <stdio.h>

int main(void)
{
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    kvant_context *context = NULL;
    kvant_device_info info = KVANT_DEVICE_INFO_INIT;
    if (kvant_context_create(&desc, &context) != KVANT_OK ||
        kvant_context_device(context, &info) != KVANT_OK) {
        fprintf(stderr, "%s\n", kvant_last_message());
        return 1;
    }
    printf("kvant %s on %s\n", kvant_version(), info.select);
    kvant_context_destroy(context);
    return 0;
}
