/* SPDX-License-Identifier: MIT
 *
 * Steps 2 and 4 of attention on matrix units over the stages of a split (attention_stages.cuh), which
 * COPIES brings into a ring in shared memory while earlier ones are used. V's first stages are
 * under way while step 3 makes the weights.
 *   COPIES::is_packed            whether the rows of a stage lie without gaps
 *   COPIES::state                what they keep in shared memory
 *   COPIES::begin(ring)          before the first copy; a barrier follows
 *   COPIES::copy(ring, i, stage) begins to fill place i; null: the stream is over
 *   COPIES::wait(ring, i, turn)  until what the lane has to wait for in place i is there, for the
 *                                (turn + 1)-th time; a barrier follows
 * All lanes call them.
 */
#ifndef KVANT_CUDA_ATTENTION_STREAM_CUH
#define KVANT_CUDA_ATTENTION_STREAM_CUH

#include "attention_stages.cuh"
#include "attention_steps.cuh"

/* Places of the ring. Three: two are under way while one is used. */
#define KV_STAGES 3u

template <class COPIES> struct kv_ring {
    __align__(16) kv_u32 words[KV_STAGES][KV_STAGE_WORDS];
    kv_cut cuts[2];               /* K's and V's; registers are scarcer */
    kv_cursor cursors[KV_STAGES]; /* the stage that fills the place next */
    typename COPIES::state copies;
};

template <class COPIES> struct kv_by_stages {
    typedef kv_by_stages<COPIES> self;

    kv_ring<COPIES> &ring;
    kv_u32 place; /* of the next stage that is used */
    kv_u32 turn;  /* round the ring */

    /* After a barrier, and before the one that the next call comes after. */
    KV_FN void fill(self &how, const kv_split &s, kv_u32 place)
    {
        kv_cursor cursor = how.ring.cursors[place];
        if (cursor.phase != KV_PHASE_OVER) {
            const kv_stage stage =
                kv_next_stage<COPIES::is_packed>(s, how.ring.cuts[cursor.phase], cursor);
            COPIES::copy(how.ring, place, &stage);
        } else {
            COPIES::copy(how.ring, place, nullptr);
        }
        if (threadIdx.x == 0u) {
            how.ring.cursors[place + 1u == KV_STAGES ? 0u : place + 1u] = cursor;
        }
    }

    KV_FN void begin(self &how, const kv_split &s)
    {
        how.place = 0u;
        how.turn = 0u;
        COPIES::begin(how.ring);
        if (threadIdx.x < 2u && kv_is_in_stages(s, threadIdx.x != 0u)) {
            how.ring.cuts[threadIdx.x] = kv_cut_of<COPIES::is_packed>(s, threadIdx.x != 0u);
        }
        if (threadIdx.x < KV_STAGES) { /* only the first place's counts */
            how.ring.cursors[threadIdx.x] = kv_begin_stream(s);
        }
#pragma unroll 1
        for (kv_u32 i = 0u; i < KV_STAGES - 1u; i++) {
            __syncthreads();
            fill(how, s, i);
        }
    }

    /* The words of the next stage. The one before it is no longer used: its place is filled anew. */
    KV_FN const kv_u32 *next(self &how, const kv_split &s)
    {
        kv_u32 place = how.place;
        COPIES::wait(how.ring, place, how.turn);
        __syncthreads();
        fill(how, s, place == 0u ? KV_STAGES - 1u : place - 1u);
        how.place = place + 1u == KV_STAGES ? 0u : place + 1u;
        how.turn += how.place == 0u ? 1u : 0u;
        return how.ring.words[place];
    }

    /* One tile a warp: tokens [token, end) of the segment, in a round that begins at `round`. */
    template <kv_u32 BITS>
    KV_FN void score_tiles(self &how, const kv_split &s, kv_attention_shared &shared,
                           const kv_scoring &scoring, const kv_teams &teams, kv_u32 round,
                           kv_u32 token, kv_u32 end)
    {
        token += kv_warp() * kv_tile<BITS>::length;
        kv_u32 tokens = token < end ? kv_min_u32(kv_tile<BITS>::length, end - token) : 0u;
        kv_u32 team = scoring.is_channelwise != 0u && tokens != 0u
                          ? token / teams.block_length - teams.first_block - round
                          : 0u;
        const kv_u32 *parameters = kv_k_parameters(s, token, 0u);
        kv_u32 row = kv_warp() * (kv_tile<BITS>::length / kv_tile<BITS>::fields) + kv_tile_row();
        KV_EXACT kv_f32 sums[kv_tile<BITS>::slots][2] = {};
        KV_EXACT kv_f32 scores[kv_tile<BITS>::slots][2] = {};
#pragma unroll 1
        for (kv_u32 channel = 0u; channel < s.k_dim;) {
            kv_u32 channels = kv_min_u32(kv_k_stage_channels(BITS), s.k_dim - channel);
            kv_u32 line = kv_k_stage_line<COPIES::is_packed>(BITS == 8u, channels / 4u);
            const kv_u32 *words = next(how, s);
            if (tokens != 0u) {
                const kv_staged_rows rows = {words + row * line, 8u * line, channel};
                kv_tile_add_channels<BITS>(s, shared, scoring, rows, parameters, tokens,
                                           team * KV_ROWS, channel, channel + channels, sums,
                                           scores);
            }
            channel += channels;
        }
        kv_store_tile<BITS>(s, shared, token, tokens, scores);
    }

    /* As kv_score_quantized, but tiles are dealt out to all warps in the order of tokens. */
    KV_FN void scores(self &how, const kv_split &s, kv_attention_shared &shared)
    {
        const kv_scoring scoring = kv_make_scoring(s);
        const kv_teams teams = kv_make_teams(s);
        kv_u32 bits = kv_codec_bits(s.segment[KV_SEGMENT_K_CODEC]);
        if (scoring.is_channelwise == 0u) {
            kv_fold_tokenwise(s, shared, scoring);
        }
#pragma unroll 1
        for (kv_u32 round = 0u; round < teams.blocks; round += teams.count) {
            kv_u32 active = kv_min_u32(teams.count, teams.blocks - round);
            kv_u32 first = (teams.first_block + round) * teams.block_length;
            kv_u32 end = kv_min_u32(first + active * teams.block_length, s.first + s.count);
            first = first < s.first ? s.first : first;
            kv_fold_round(s, shared, scoring, teams, round, active);
#pragma unroll 1
            for (; first < end; first += kv_k_stage_tokens(bits)) { /* a stage begins with a barrier */
                if (bits == 2u) {
                    score_tiles<2u>(how, s, shared, scoring, teams, round, first, end);
                } else if (bits == 4u) {
                    score_tiles<4u>(how, s, shared, scoring, teams, round, first, end);
                } else {
                    score_tiles<8u>(how, s, shared, scoring, teams, round, first, end);
                }
            }
            __syncthreads();
        }
    }

    template <kv_u32 BITS>
    KV_FN void output(self &how, const kv_split &s, kv_attention_shared &shared,
                      kv_u32 first_channel, kv_u32 channels)
    {
        kv_u32 chunks = (s.count + KV_CHUNK - 1u) / KV_CHUNK;
        kv_u32 step = how.ring.cuts[1].tokens / KV_CHUNK; /* steps 2 and 3 had barriers */
#pragma unroll 1
        for (kv_u32 channel = 0u; channel < channels; channel += kv_v_stage_channels(BITS)) {
            kv_u32 part = kv_min_u32(kv_v_stage_channels(BITS), channels - channel);
            kv_u32 line = kv_v_stage_line<COPIES::is_packed>(part / kv_tile<BITS>::fields);
#pragma unroll 1
            for (kv_u32 chunk = 0u; chunk < chunks; chunk += step) {
                const kv_u32 *words = next(how, s);
                kv_output_chunks<BITS>(s, shared, chunk, kv_min_u32(chunk + step, chunks),
                                       first_channel + channel, part, words, line);
            }
        }
    }

    KV_FN kv_u32 operand_rows(kv_u32 rows)
    {
        return rows;
    }
};

#endif
