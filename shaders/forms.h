/* SPDX-License-Identifier: MIT
 *
 * What a pipeline of append, finite, extrema or encode is made for: its specialization constant 1.
 * Read by the shaders and by the backend, which chooses (vulkan_choice.c).
 *
 * A work-group of 8 lanes is one vector of a CPU. There both sides of a branch are executed, and a
 * loop that has no rounds runs its body once, masked: whoever finds out at run time what a launch is
 * pays for all that it might be. Wide work-groups have KV_FORM_ANY alone.
 */
#ifndef KVANT_SHADERS_FORMS_H
#define KVANT_SHADERS_FORMS_H

#define KV_FORM_ANY 0u    /* the parameters say at run time */
#define KV_FORM_PLAIN 1u  /* plain tensors, no channel scales; of encode: groups along a channel */
#define KV_FORM_TOKENS 2u /* encode: plain tensors, no channel scales, groups along a token */
#define KV_FORM_SCALED 3u /* encode: KV_FORM_TOKENS, but with channel scales */

#endif
