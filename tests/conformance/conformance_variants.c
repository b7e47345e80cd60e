/* SPDX-License-Identifier: MIT
 *
 * Which kernels a kind of case launches, and in which variants it runs.
 */
#include "conformance_variants.h"

#include <stdio.h>
#include <string.h>

#define VARIANT_PART "/variant="

#define BIT(kernel) (UINT64_C(1) << KVANT_KERNEL_##kernel)
#define QUANTIZE (BIT(extrema) | BIT(channel_scale) | BIT(parameters) | BIT(encode))
#define SALIENCY                                                                                   \
    (BIT(probe_rows) | BIT(saliency_queries) | BIT(saliency_rows) | BIT(saliency_merge) |          \
     BIT(saliency_columns) | BIT(saliency_scores) | QUANTIZE | BIT(select)) /* with its keys */
#define RANGES (BIT(saliency_magnitudes) | BIT(saliency_percentile) | BIT(saliency_range))
#define CODES                                                                                      \
    (BIT(encode_codebook) | BIT(encode_norm) | BIT(codebook_histogram) | BIT(codebook_levels) |    \
     BIT(dequantize))
#define ATTENTION (BIT(attention) | BIT(attention_merge))
#define ATTENTION_GENERAL (BIT(attention_general) | BIT(attention_merge))

/* Cases that launch other kernels than the one they are named after; the first that fits counts. */
static const struct {
    const char *prefix;
    uint64_t kernels;
} chains[] = {
    {"quantize/", QUANTIZE | CODES},
    {"transcode/", BIT(locate) | BIT(transcode) | BIT(dequantize)},
    {"saliency/", SALIENCY},
    {"attention_chain/codebook/", ATTENTION_GENERAL},
    {"attention_chain/heads/", ATTENTION_GENERAL},
    {"attention_chain/latent/", BIT(attention_latent) | BIT(attention_merge)},
    {"attention_chain/", ATTENTION},
    {"attention_merge/fading/", ATTENTION},
    {"golden/encode/", QUANTIZE | CODES},
    {"golden/saliency/", SALIENCY},
    {"golden/attention/nf4", ATTENTION_GENERAL},
    {"golden/attention/int3", ATTENTION_GENERAL},
    {"golden/attention/", ATTENTION},
    {"oracle/quantize/", QUANTIZE | CODES},
    {"oracle/saliency/", SALIENCY},
    {"oracle/saliency_range/", RANGES},
    {"oracle/attention_latent/", BIT(attention_latent) | BIT(attention_merge)},
    {"oracle/attention/codebook/", ATTENTION_GENERAL},
    {"oracle/attention/heads/", ATTENTION_GENERAL},
    {"oracle/attention/", ATTENTION},
};

static const char *const kernel_names[] = {
#define KVANT_KERNEL(name, params, count, names, shape, exactness) #name,
#include "kernels.def"
#undef KVANT_KERNEL
};

/* Whole caches, whose launches dispatch plans. */
static int is_planned(const char *name)
{
    return strncmp(name, "scenario/", 9u) == 0 && strncmp(name, "scenario/plan/", 14u) != 0;
}

uint64_t kvant_case_kernels(const char *name)
{
    for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++) {
        if (strncmp(name, chains[i].prefix, strlen(chains[i].prefix)) == 0) {
            return chains[i].kernels;
        }
    }
    if (strncmp(name, "oracle/", 7u) == 0 || strncmp(name, "golden/", 7u) == 0) {
        name += 7u;
    }
    for (uint32_t i = 0; i < KVANT_KERNEL_COUNT; i++) {
        size_t length = strlen(kernel_names[i]);
        if (strncmp(name, kernel_names[i], length) == 0 && name[length] == '/') {
            return UINT64_C(1) << i;
        }
    }
    return 0;
}

/* Whether one of the kernels has the variant on a device of these capabilities. */
static int is_among(uint64_t kernels, kvant_variant variant, uint32_t capabilities)
{
    for (uint32_t i = 0; i < KVANT_KERNEL_COUNT; i++) {
        if ((kernels >> i & 1u) != 0u &&
            kvant_variant_is_possible((kvant_kernel)i, variant, capabilities)) {
            return 1;
        }
    }
    return 0;
}

static int has_variants(uint32_t capabilities)
{
    for (int i = KVANT_VARIANT_baseline + 1; i < KVANT_VARIANT_COUNT; i++) {
        if (is_among(UINT64_MAX, (kvant_variant)i, capabilities)) {
            return 1;
        }
    }
    return 0;
}

static kvant_case_instance plain_instance(const char *name, kvant_variant_choice choice)
{
    kvant_case_instance instance = {.choice = choice, .is_possible = 1};
    snprintf(instance.name, sizeof instance.name, "%s", name);
    return instance;
}

static kvant_case_instance instance_of(const char *name, kvant_variant variant, int is_possible)
{
    kvant_case_instance instance = {.choice = {1, variant}, .is_possible = is_possible};
    snprintf(instance.name, sizeof instance.name, "%s" VARIANT_PART "%s", name,
             kvant_variant_name(variant));
    return instance;
}

size_t kvant_case_instances(const char *name, kvant_variant_choice asked, uint32_t capabilities,
                            kvant_case_instance out_instances[KVANT_CASE_INSTANCES])
{
    const kvant_variant_choice baseline = {1, KVANT_VARIANT_baseline};
    uint64_t kernels = kvant_case_kernels(name);
    size_t count = 0;
    if (is_planned(name)) {
        out_instances[0] = asked.is_forced && has_variants(capabilities)
                               ? instance_of(name, asked.variant, 1)
                               : plain_instance(name, asked);
        return 1;
    }
    if (asked.is_forced && asked.variant != KVANT_VARIANT_baseline &&
        is_among(kernels, asked.variant, capabilities)) {
        out_instances[0] = instance_of(name, asked.variant, 1);
        return 1;
    }
    out_instances[count++] = plain_instance(name, baseline);
    for (int i = KVANT_VARIANT_baseline + 1; i < KVANT_VARIANT_COUNT && !asked.is_forced; i++) {
        kvant_variant variant = (kvant_variant)i;
        if (is_among(kernels, variant, UINT32_MAX)) {
            out_instances[count++] =
                instance_of(name, variant, is_among(kernels, variant, capabilities));
        }
    }
    return count;
}

const char *kvant_case_variant(const char *name)
{
    const char *part = strstr(name, VARIANT_PART);
    return part != NULL ? part + strlen(VARIANT_PART) : NULL;
}
