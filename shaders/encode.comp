#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * encode: the codes of a compression event, packed into words, and the parameters of its groups unless
 * a group is a whole channel, whose parameters are in the store already. layout.h says which tokens
 * and channels a word of codes holds. Tokens past the event's end, up to the next multiple of 4, get
 * code 0 and parameters 0.
 */
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
