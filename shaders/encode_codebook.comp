#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * encode_codebook: encode for codecs whose codes are numbers of levels: the code of a value is that of
 * the level nearest to it, as a multiple of the group's scale.
 */
#define KV_CODEBOOKS
#include "kernel.glsl"

KV_BINDING(0, readonly, source);
KV_OCTETS(0, source);
KV_BINDING(1, , store);
KV_PARAMS_TO_TAKE(kv_quantize_params);

#include "encode_event.glsl"

void main()
{
    encode_event();
}
