/* SPDX-License-Identifier: MIT
 *
 * The variant of attention on matrix units whose code words the copy unit brings to shared memory, from
 * compute capability 9.0 on. The sums of attention_mma.cu, so the same bits. Stages are packed: one
 * copy brings all rows of a head, at the price of banks that lanes read at the same time.
 */
#include "attention_stream.cuh"
#include "copy_bulk.cuh"

struct kv_bulk_copies {
    static const bool is_packed = true;

    struct state {
        kv_barrier arrived[KV_STAGES]; /* of each place */
    };

    template <class RING> KV_FN void begin(RING &ring)
    {
        if (threadIdx.x < KV_STAGES) {
            kv_barrier_begin(&ring.copies.arrived[threadIdx.x]);
        }
    }

    /* One lane copies: a stage whose rows follow each other in the store too at once. */
    template <class RING> KV_FN void copy(RING &ring, kv_u32 place, const kv_stage *next)
    {
        if (next == nullptr) {
            return;
        }
        kv_stage stage = *next;
        if (stage.stride == stage.words) {
            stage.words *= stage.rows;
            stage.stride = stage.words;
            stage.line = stage.words;
            stage.rows = 1u;
        }
        bool is_bulk = kv_is_copied_by_fours(stage);
        if (threadIdx.x == 0u) {
            kv_barrier_expect(&ring.copies.arrived[place],
                              is_bulk ? stage.rows * stage.words * 4u : 0u);
#pragma unroll 1
            for (kv_u32 row = 0u; is_bulk && row < stage.rows; row++) {
                kv_bulk_copy(&ring.words[place][row * stage.line], stage.from + row * stage.stride,
                             stage.words * 4u, &ring.copies.arrived[place]);
            }
        }
        if (!is_bulk) {
            kv_copy_words(ring.words[place], stage);
            kv_bulk_after_writes();
        }
    }

    template <class RING> KV_FN void wait(RING &ring, kv_u32 place, kv_u32 turn)
    {
        kv_barrier_wait(&ring.copies.arrived[place], turn % 2u);
    }
};

/* Shared memory leaves room for five blocks a multiprocessor. */
extern "C" __global__ void __launch_bounds__(KV_MAX_LANES, 5)
kvant_attention_bulk(const kv_attention_params p, const kv_u32 *__restrict__ store,
                     const kv_u32 *__restrict__ queries, const kv_u32 *__restrict__ positions,
                     kv_u32 *partials)
{
    __shared__ kv_attention_shared shared;
    __shared__ kv_ring<kv_bulk_copies> ring;
    kv_by_stages<kv_bulk_copies> how = {ring, 0u, 0u};
    kv_attention(p, store, queries, positions, partials, shared, how);
}
