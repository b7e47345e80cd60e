/* SPDX-License-Identifier: MIT
 *
 * encode: the codes of a compression event, packed into words, and the parameters of its groups unless
 * a group is a whole channel, whose parameters are in the store already. layout.h says which tokens
 * and channels a word of codes holds. Tokens past the event's end, up to the next multiple of 4, get
 * code 0 and parameters 0.
 */
#include "encode.h"

static kv_u32 code_of_value(const kv_quantize_params *p, const kv_u32 *store, kv_f32 x, kv_u32 word)
{
    (void)store;
    kv_f32 inverse = kv_inverse_scale(kv_param_scale(word));
    /* 3. Code */
    if (p->codec == KV_CODEC_INT8_SYMMETRIC) {
        return kv_symmetric_code(x, inverse);
    }
    return kv_asymmetric_code(x, kv_param_minimum(word, 0u), inverse,
                              kv_qmax(kv_codec_bits(p->codec)));
}

void kvant_ref_encode(const void *params_words, kv_u32 *const *bindings)
{
    const kv_quantize_params *p = params_words;
    const kv_u32 *source = bindings[0];
    kv_u32 *store = bindings[1];
    encode_event(p, source, store);
}
