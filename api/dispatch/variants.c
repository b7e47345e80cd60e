/* SPDX-License-Identifier: MIT
 *
 * Choosing variants of kernels from the table.
 */
#include "variants.h"

#include <stdio.h>
#include <string.h>

#include "params.h"

typedef struct {
    kvant_kernel kernel;
    kvant_variant variant;
    uint32_t capability;
    uint32_t least_rows;
    const char *kernel_name;
} tuned_row;

static const tuned_row table[] = {
#define KVANT_TUNED(kernel, variant, capability, least_rows, why)                                  \
    {KVANT_KERNEL_##kernel, KVANT_VARIANT_##variant, capability, least_rows, #kernel},
#include "variants.def"
};

enum { ROWS = sizeof table / sizeof table[0] };

static const char *const names[KVANT_VARIANT_COUNT] = {
    [KVANT_VARIANT_baseline] = "baseline", [KVANT_VARIANT_mma] = "mma",
    [KVANT_VARIANT_async] = "async",       [KVANT_VARIANT_bulk] = "bulk",
    [KVANT_VARIANT_dot] = "dot",           [KVANT_VARIANT_subgroup] = "subgroup",
    [KVANT_VARIANT_vnni] = "vnni",         [KVANT_VARIANT_matrix] = "matrix",
};

/* What a message says of a device that lacks a capability. */
static const struct {
    uint32_t capability;
    const char *text;
} capability_texts[] = {
    {KVANT_CAPABILITY_INT8_MMA, "matrix products of 8-bit integers (CUDA: compute capability 8.0)"},
    {KVANT_CAPABILITY_INT8_DOT, "dot products of four 8-bit integers"},
    {KVANT_CAPABILITY_SUBGROUP_OF_8, "work-groups of 8 lanes that are one subgroup with shuffles"},
    {KVANT_CAPABILITY_AVX512_VNNI, "a CPU with AVX-512 VNNI under PoCL"},
    {KVANT_CAPABILITY_CL_INT8_DOT, "dot products of four 8-bit integers"},
    {KVANT_CAPABILITY_CL_SHUFFLE, "sub-groups with shuffles"},
    {KVANT_CAPABILITY_VK_MATRIX, "matrix products of unsigned 8-bit integers (Vulkan: "
                                 "VK_KHR_cooperative_matrix, and a build with its shader)"},
    {KVANT_CAPABILITY_BULK_COPY, "bulk copies to shared memory (CUDA: compute capability 9.0)"},
};

static const char *capability_text(uint32_t capability)
{
    for (size_t i = 0; i < sizeof capability_texts / sizeof capability_texts[0]; i++) {
        if (capability_texts[i].capability == capability) {
            return capability_texts[i].text;
        }
    }
    return "a capability";
}

const char *kvant_variant_name(kvant_variant variant)
{
    return names[variant];
}

static int is_possible(const tuned_row *row, uint32_t capabilities)
{
    return (row->capability & capabilities) == row->capability;
}

int kvant_variant_is_possible(kvant_kernel kernel, kvant_variant variant, uint32_t capabilities)
{
    for (int i = 0; i < ROWS; i++) {
        if (table[i].kernel == kernel && table[i].variant == variant &&
            is_possible(&table[i], capabilities)) {
            return 1;
        }
    }
    return variant == KVANT_VARIANT_baseline;
}

/* Whether launches get the variant where none is forced. */
static int is_automatic(const tuned_row *row, uint32_t capabilities)
{
    return is_possible(row, capabilities) && row->least_rows != KVANT_ON_REQUEST &&
           (KVANT_CAPABILITY_SLOW(row->capability) & capabilities) == 0u;
}

static int find_name(const char *text, kvant_variant *out_variant)
{
    for (int i = 0; i < KVANT_VARIANT_COUNT; i++) {
        if (strcmp(names[i], text) == 0) {
            *out_variant = (kvant_variant)i;
            return 1;
        }
    }
    return 0;
}

int kvant_variant_read(const char *text, uint32_t capabilities, kvant_variant_choice *out_choice,
                       char *message, size_t size)
{
    *out_choice = (kvant_variant_choice){0, KVANT_VARIANT_baseline};
    if (text == NULL || text[0] == '\0') {
        return 1;
    }
    kvant_variant variant = KVANT_VARIANT_baseline;
    if (!find_name(text, &variant)) {
        size_t used = (size_t)snprintf(message, size, "unknown variant \"%.40s\"; there are", text);
        for (int i = 0; i < KVANT_VARIANT_COUNT && used < size; i++) {
            used += (size_t)snprintf(message + used, size - used, "%s%s", i == 0 ? " " : ", ",
                                     names[i]);
        }
        return 0;
    }
    uint32_t missing = 0;
    for (int i = 0; i < ROWS; i++) {
        if (table[i].variant == variant) {
            missing = table[i].capability & ~capabilities;
            if (missing == 0) {
                break;
            }
        }
    }
    if (missing != 0) {
        snprintf(message, size, "the variant %s needs %s, which this device does not have",
                 names[variant], capability_text(missing));
        return 0;
    }
    *out_choice = (kvant_variant_choice){1, variant};
    return 1;
}

uint32_t kvant_variant_set(kvant_kernel kernel, uint32_t capabilities, kvant_variant_choice choice)
{
    uint32_t set = 1u << KVANT_VARIANT_baseline;
    if (choice.is_forced) {
        return kvant_variant_is_possible(kernel, choice.variant, capabilities)
                   ? 1u << choice.variant
                   : set;
    }
    for (int i = 0; i < ROWS; i++) {
        if (table[i].kernel == kernel && is_automatic(&table[i], capabilities)) {
            uint32_t bit = 1u << table[i].variant;
            set = table[i].least_rows == 0u ? bit : set | bit; /* the last that suits is taken */
        }
    }
    return set;
}

/* Query rows that share a KV head. Kernels without query rows have none. */
static uint32_t query_rows(kvant_kernel kernel, const void *params)
{
    if (kernel != KVANT_KERNEL_attention) {
        return 0;
    }
    const kv_attention_params *p = params;
    return p->q_heads / p->kv_heads * p->queries;
}

kvant_variant kvant_variant_of_launch(kvant_kernel kernel, const void *params,
                                      uint32_t capabilities, kvant_variant_choice choice)
{
    kvant_variant best = KVANT_VARIANT_baseline;
    if (choice.is_forced) {
        return kvant_variant_is_possible(kernel, choice.variant, capabilities) ? choice.variant
                                                                               : best;
    }
    for (int i = 0; i < ROWS; i++) {
        if (table[i].kernel == kernel && is_automatic(&table[i], capabilities) &&
            query_rows(kernel, params) >= table[i].least_rows) {
            best = table[i].variant;
        }
    }
    return best;
}

void kvant_variant_describe(uint32_t capabilities, kvant_variant_choice choice, char *text,
                            size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < ROWS && used < size; i++) {
        const tuned_row *row = &table[i];
        uint32_t set = kvant_variant_set(row->kernel, capabilities, choice);
        int is_taken = choice.is_forced
                           ? is_possible(row, capabilities)
                           : is_automatic(row, capabilities); /* by this row's backend */
        if (!is_taken || (set & (1u << row->variant)) == 0u) {
            continue;
        }
        used += (size_t)snprintf(text + used, size - used, "%s%s=%s", used != 0 ? ", " : "",
                                 row->kernel_name, names[row->variant]);
        if (!choice.is_forced && row->least_rows != 0u && used < size) {
            used += (size_t)snprintf(text + used, size - used, " from %u rows", row->least_rows);
        }
    }
    if (used == 0) {
        snprintf(text, size, "baseline");
    }
}
