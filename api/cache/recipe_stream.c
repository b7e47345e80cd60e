/* SPDX-License-Identifier: MIT
 *
 * KV heads that stream: "stream=0:1-2;3:0" of layers, "stream=1-2" or "stream=half" of all of them.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "recipe_internal.h"

#define MOST_NUMBER 65534u

uint32_t kvant_recipe_streams(const kvant_recipe *recipe)
{
    uint32_t count = 0;
    while (count < KVANT_RECIPE_STREAMS && recipe->stream[count].heads != 0) {
        count++;
    }
    return count;
}

kvant_status kvant_recipe_check_stream(const kvant_recipe *recipe)
{
    uint32_t count = kvant_recipe_streams(recipe);
    for (uint32_t i = 0; i < KVANT_RECIPE_STREAMS; i++) {
        const kvant_stream_heads *s = &recipe->stream[i];
        bool has_layer = s->first_layer != 0 || s->layers != 0;
        bool has_head = s->first_head != 0 || s->heads != 0;
        if ((i >= count && (has_layer || has_head)) || (s->layers == 0 && s->first_layer != 0) ||
            (s->heads == KVANT_STREAM_HALF && s->first_head != 0)) {
            return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                              "recipe: stream has an entry without heads or layers");
        }
    }
    if (count == 0) {
        return KVANT_OK;
    }
    if (recipe->window == 0 && recipe->sinks == 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "recipe: stream needs a window or sinks, which is all that a head that "
                          "streams keeps");
    }
    if (recipe->budget != 0.0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "recipe: budget and stream do not go together");
    }
    return KVANT_OK;
}

/* "3" or "3-5", and where it ends. */
static bool read_run(const char **text, uint16_t *out_first, uint16_t *out_count)
{
    unsigned long ends[2];
    for (int i = 0; i < 2; i++) {
        char *end;
        if (**text < '0' || **text > '9') {
            return false;
        }
        ends[i] = strtoul(*text, &end, 10);
        *text = end;
        if (**text != '-' || i == 1) {
            ends[1] = ends[i];
            break;
        }
        ++*text;
    }
    if (ends[0] > ends[1] || ends[1] >= MOST_NUMBER) {
        return false;
    }
    *out_first = (uint16_t)ends[0];
    *out_count = (uint16_t)(ends[1] - ends[0] + 1u);
    return true;
}

/* "0-3:1-2", "0:half", "1", up to the end of the text or to a ";" */
static bool read_entry(const char **text, kvant_stream_heads *out)
{
    static const char half[] = "half";
    size_t length = strcspn(*text, ";");
    if (memchr(*text, ':', length) != NULL) {
        if (!read_run(text, &out->first_layer, &out->layers) || **text != ':') {
            return false;
        }
        ++*text;
    }
    if (strncmp(*text, half, sizeof half - 1u) == 0) {
        out->heads = KVANT_STREAM_HALF;
        *text += sizeof half - 1u;
    } else if (!read_run(text, &out->first_head, &out->heads)) {
        return false;
    }
    return **text == '\0' || **text == ';';
}

bool kvant_recipe_parse_stream(const char *value, kvant_recipe *recipe)
{
    kvant_stream_heads entries[KVANT_RECIPE_STREAMS] = {{0, 0, 0, 0}};
    for (uint32_t i = 0; i < KVANT_RECIPE_STREAMS; i++) {
        if (!read_entry(&value, &entries[i])) {
            return false;
        }
        if (*value == '\0') {
            memcpy(recipe->stream, entries, sizeof entries);
            return true;
        }
        value++;
    }
    return false;
}

static void write_run(kvant_recipe_printer *p, uint32_t first, uint32_t count)
{
    kvant_recipe_write(p, "%" PRIu32, first);
    if (count > 1u) {
        kvant_recipe_write(p, "-%" PRIu32, first + count - 1u);
    }
}

void kvant_recipe_write_stream(kvant_recipe_printer *p, const kvant_recipe *recipe)
{
    uint32_t count = kvant_recipe_streams(recipe);
    for (uint32_t i = 0; i < count; i++) {
        const kvant_stream_heads *s = &recipe->stream[i];
        kvant_recipe_write(p, i == 0 ? ",stream=" : ";");
        if (s->layers != 0) {
            write_run(p, s->first_layer, s->layers);
            kvant_recipe_write(p, ":");
        }
        if (s->heads == KVANT_STREAM_HALF) {
            kvant_recipe_write(p, "half");
        } else {
            write_run(p, s->first_head, s->heads);
        }
    }
}

bool kvant_recipe_same_stream(const kvant_recipe *a, const kvant_recipe *b)
{
    for (uint32_t i = 0; i < KVANT_RECIPE_STREAMS; i++) {
        const kvant_stream_heads *x = &a->stream[i];
        const kvant_stream_heads *y = &b->stream[i];
        if (x->first_layer != y->first_layer || x->layers != y->layers ||
            x->first_head != y->first_head || x->heads != y->heads) {
            return false;
        }
    }
    return true;
}
