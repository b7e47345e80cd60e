/* SPDX-License-Identifier: MIT
 *
 * The pipelines of one kernel, which differ in their specialization constant 1, and which of them a
 * launch takes: attention's by the query rows of a work-group, on CPUs those of the kernels that read
 * tensors by what shaders/forms.h says.
 */
#include "arith.h"
#include "forms.h"
#include "layout.h"
#include "params.h"
#include "vulkan_internal.h"

static int is_narrow(const kvant_backend_device *device)
{
    return device->lanes <= KVANT_VULKAN_NARROW_LANES;
}

int kvant_vulkan_has_choice(const kvant_backend_device *device, kvant_kernel kernel,
                            kvant_variant variant, uint32_t choice)
{
    const uint32_t most_rows = KVANT_VULKAN_CHOICES - 1u;
    switch (kernel) {
    case KVANT_KERNEL_attention:
    case KVANT_KERNEL_attention_general:
        /* the 8 lanes of a narrow work-group carry one row at a time, so one pipeline does for all,
         * or as one subgroup four where there are several */
        return !is_narrow(device) || choice == most_rows ||
               (variant == KVANT_VARIANT_subgroup && choice == 0u);
    case KVANT_KERNEL_encode:
        return choice == KV_FORM_ANY || is_narrow(device);
    case KVANT_KERNEL_append:
    case KVANT_KERNEL_extrema:
    case KVANT_KERNEL_finite:
        return choice == KV_FORM_ANY || (is_narrow(device) && choice == KV_FORM_PLAIN);
    default:
        return choice == 0u;
    }
}

uint32_t kvant_vulkan_constant(kvant_kernel kernel, uint32_t choice)
{
    return kernel == KVANT_KERNEL_attention || kernel == KVANT_KERNEL_attention_general
               ? 1u << choice
               : choice;
}

/* attention's least that has room for a work-group's rows. */
static uint32_t choice_of_rows(const kvant_backend_device *device, const kvant_launch *launch)
{
    const kv_attention_params *p = launch->params;
    uint32_t rows = p->q_heads / p->kv_heads * p->queries;
    uint32_t choice = 0;
    while (choice + 1u < KVANT_VULKAN_CHOICES &&
           ((1u << choice) < rows ||
            !kvant_vulkan_has_choice(device, launch->kernel, launch->variant, choice))) {
        choice++;
    }
    return choice;
}

/* Whether 8 channels are halves that lie side by side, in whole units of 16 bytes: kv_is_plain of
 * shaders/rows.glsl. */
static int is_plain(const kv_view *view)
{
    uint32_t places = view->offset | view->token_stride | view->head_stride;
    return view->dtype == KV_DTYPE_F16 && view->channel_stride == 1u && (places & 7u) == 0u;
}

static uint32_t form_of_quantize(kvant_kernel kernel, const kv_quantize_params *p)
{
    int is_scaled = p->channel_scale_offset != KV_NO_OFFSET;
    int is_along_channels = kernel == KVANT_KERNEL_extrema || kv_is_channelwise(p->grouping) != 0u;
    if (!is_plain(&p->source) || (is_along_channels && is_scaled)) {
        return KV_FORM_ANY;
    }
    if (is_along_channels) {
        return KV_FORM_PLAIN;
    }
    return is_scaled ? KV_FORM_SCALED : KV_FORM_TOKENS;
}

static uint32_t form_of_append(const kv_append_params *p)
{
    return is_plain(&p->k) && (p->v_dim == 0u || is_plain(&p->v)) ? KV_FORM_PLAIN : KV_FORM_ANY;
}

static uint32_t form_of_finite(const kv_finite_params *p)
{
    return is_plain(&p->source) ? KV_FORM_PLAIN : KV_FORM_ANY;
}

uint32_t kvant_vulkan_choice(const kvant_backend_device *device, const kvant_launch *launch)
{
    uint32_t form = KV_FORM_ANY;
    switch (launch->kernel) {
    case KVANT_KERNEL_attention:
    case KVANT_KERNEL_attention_general:
        return choice_of_rows(device, launch);
    case KVANT_KERNEL_encode:
    case KVANT_KERNEL_extrema:
        form = form_of_quantize(launch->kernel, launch->params);
        break;
    case KVANT_KERNEL_append:
        form = form_of_append(launch->params);
        break;
    case KVANT_KERNEL_finite:
        form = form_of_finite(launch->params);
        break;
    default:
        break;
    }
    return is_narrow(device) ? form : KV_FORM_ANY;
}
