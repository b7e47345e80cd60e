/* SPDX-License-Identifier: MIT
 *
 * The variant of attention on matrix units that copies code words to shared memory asynchronously
 * (cp.async), from compute capability 8.0 on. The sums of attention_mma.cu, so the same bits.
 */
#include "attention_stream.cuh"
#include "copy_async.cuh"

struct kv_async_copies {
    static const bool is_packed = false;

    struct state {};

    template <class RING> KV_FN void begin(RING &)
    {
    }

    /* A power of two of lanes a row, at least as many as it has units of 16 bytes. */
    template <class RING> KV_FN void copy(RING &ring, kv_u32 place, const kv_stage *stage)
    {
        if (stage != nullptr && kv_is_copied_by_fours(*stage)) {
            kv_u32 units = stage->words / 4u;
            kv_u32 shift = units > 16u ? 5u : units > 8u ? 4u : units > 4u ? 3u : 2u;
            kv_u32 unit = threadIdx.x & ((1u << shift) - 1u);
#pragma unroll 1
            for (kv_u32 row = threadIdx.x >> shift; unit < units && row < stage->rows;
                 row += blockDim.x >> shift) {
                kv_copy_four(&ring.words[place][row * stage->line + 4u * unit],
                             stage->from + row * stage->stride + 4u * unit);
            }
        } else if (stage != nullptr) {
            kv_copy_words(ring.words[place], *stage);
        }
        kv_copy_commit(); /* a group a place, empty or not, so that waiting can count */
    }

    template <class RING> KV_FN void wait(RING &, kv_u32, kv_u32)
    {
        kv_copy_wait<KV_STAGES - 2u>();
    }
};

/* Blocks that a multiprocessor has the shared memory for: no use in fewer registers than they need. */
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define KV_ASYNC_BLOCKS 5
#else
#define KV_ASYNC_BLOCKS 3
#endif

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES, KV_ASYNC_BLOCKS)
kvant_attention_async(const kv_attention_params p, const kv_u32 *__restrict__ store,
                      const kv_u32 *__restrict__ queries, const kv_u32 *__restrict__ positions,
                      kv_u32 *partials)
{
    __shared__ kv_attention_shared shared;
    __shared__ kv_ring<kv_async_copies> ring;
    kv_by_stages<kv_async_copies> how = {ring, 0u, 0u};
    kv_attention(p, store, queries, positions, partials, shared, how);
}
