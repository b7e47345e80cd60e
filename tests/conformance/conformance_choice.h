/* SPDX-License-Identifier: MIT
 *
 * Which cases of the list run: globs, filters and shards.
 */
#ifndef KVANT_TESTS_CONFORMANCE_CHOICE_H
#define KVANT_TESTS_CONFORMANCE_CHOICE_H

#include <stdint.h>

/* A glob with * and ?; * also crosses slashes. */
int kvant_glob_matches(const char *pattern, const char *text);

/* =name, a glob, or a part of the name; NULL and "" match all. */
int kvant_filter_matches(const char *filter, const char *name);

/* "2/5": the second of five shards. 0 for anything else; the outputs are then left alone. */
int kvant_shard_parse(const char *text, uint32_t *out_shard, uint32_t *out_shards);

#endif
