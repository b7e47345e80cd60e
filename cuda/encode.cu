/* SPDX-License-Identifier: MIT
 *
 * encode: the codes of a compression event, packed into words, and the parameters of its groups unless
 * a group is a whole channel, whose parameters are in the store already. layout.h says which tokens
 * and channels a word of codes holds. Tokens past the event's end, up to the next multiple of 4, get
 * code 0 and parameters 0.
 */
#include "encode.cuh"

struct kv_range_codes {
    static constexpr bool HAS_PLANES = false;
    /* 3. Code */
    KV_FN kv_u32 code_of(const kv_range_codes &, const kv_quantize_params &p, kv_f32 x,
                         const kv_known_parameters &known)
    {
        if (p.codec == KV_CODEC_INT8_SYMMETRIC) {
            return kv_symmetric_code(x, known.inverse);
        }
        return kv_asymmetric_code(x, known.minimum, known.inverse, kv_qmax(kv_codec_bits(p.codec)));
    }
};

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_encode(const kv_quantize_params p, const kv_u32 *__restrict__ source, kv_u32 *store)
{
    __shared__ kv_encode_shared shared;
    const kv_range_codes how{};
    kv_encode_event(how, p, source, store, shared);
}
