/* SPDX-License-Identifier: MIT
 *
 * Which cases of the list run: globs, filters and shards.
 */
#include "conformance_choice.h"

#include <stddef.h>
#include <string.h>

int kvant_glob_matches(const char *pattern, const char *text)
{
    const char *star = NULL;
    const char *resume = NULL;
    while (*text != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            resume = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star + 1;
            text = ++resume;
        } else {
            return 0;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

int kvant_filter_matches(const char *filter, const char *name)
{
    if (filter == NULL || filter[0] == '\0') {
        return 1;
    }
    if (filter[0] == '=') {
        return strcmp(filter + 1, name) == 0;
    }
    if (strpbrk(filter, "*?") != NULL) {
        return kvant_glob_matches(filter, name);
    }
    return strstr(name, filter) != NULL;
}

/* At most six digits; moves past them. 0: there is no such number, or it is 0. */
static uint32_t take_number(const char **text)
{
    uint32_t value = 0;
    const char *start = *text;
    while (**text >= '0' && **text <= '9' && *text - start < 6) {
        value = value * 10u + (uint32_t)(*(*text)++ - '0');
    }
    return value;
}

int kvant_shard_parse(const char *text, uint32_t *out_shard, uint32_t *out_shards)
{
    uint32_t shard = take_number(&text);
    if (*text != '/') {
        return 0;
    }
    text++;
    uint32_t shards = take_number(&text);
    if (*text != '\0' || shard == 0u || shard > shards) {
        return 0;
    }
    *out_shard = shard;
    *out_shards = shards;
    return 1;
}
