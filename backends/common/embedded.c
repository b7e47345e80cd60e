/* SPDX-License-Identifier: MIT
 *
 * Looking up an embedded file by name.
 */
#include "embedded.h"

#include <string.h>

const kvant_embedded *kvant_embedded_find(const kvant_embedded *table, const char *name)
{
    for (; table->name != NULL; table++) {
        if (strcmp(table->name, name) == 0) {
            return table;
        }
    }
    return NULL;
}
