/* SPDX-License-Identifier: MIT
 *
 * Steps 2 and 4 of attention over codes on matrix units, for words that lie in the store
 * (attention_mma.cu) or in stages of shared memory (attention_stream.cuh). A warp makes the inner products of a tile
 * of tokens (scores) or channels (output) with all query rows, a chunk of 32 at a time: the codes
 * are the rows of A, the query rows the columns of B.
 *
 * An operand is 256 high + low, high a signed and low an unsigned byte, so two products make a dot
 * product exactly, over all operands of 16 bits. A word of codes masked to one field is four
 * bytes of A as it is; int8 codes are bytes already. Which column of A is which channel (or token)
 * does not matter as long as B agrees: lane t of four takes words 2t and 2t + 1 of the chunk.
 *
 * A lane has `slots` rows of A: int2 four and int4 two, the fields of a word; int8 two words.
 * Query rows that do not exist repeat the last one, and what comes of them is not stored.
 */
#ifndef KVANT_CUDA_ATTENTION_MMA_CUH
#define KVANT_CUDA_ATTENTION_MMA_CUH

#include "attention_output.cuh"
#include "attention_scores.cuh"
#include "mma.cuh"

template <kv_u32 BITS> struct kv_tile {
    static const kv_u32 fields = 8u / BITS;
    static const kv_u32 words = BITS == 8 ? 2u : 1u;       /* rows of words that a lane reads */
    static const kv_u32 slots = BITS == 2 ? 4u : 2u;       /* tokens, or channels, of a lane */
    static const kv_u32 length = slots * (KV_WARP / 4u);   /* of a warp */
};

/* The lane's place in the products. */
KV_FN kv_u32 kv_tile_row()
{
    return kv_lane() / 4u;
}

KV_FN kv_u32 kv_tile_column()
{
    return kv_lane() % 4u;
}

/* The first token, or channel, of row `i` of the lane's words, and the one of a slot. */
template <kv_u32 BITS> KV_FN kv_u32 kv_tile_unit(kv_u32 i)
{
    return (kv_tile_row() + 8u * i) * kv_tile<BITS>::fields;
}

template <kv_u32 BITS> KV_FN kv_u32 kv_tile_slot(kv_u32 slot)
{
    return BITS == 8 ? kv_tile_unit<BITS>(slot) : kv_tile_unit<BITS>(0u) + slot;
}

/* Query row `r` (0 or 1) of the lane's sums, and the row that it reads in its place. */
KV_FN kv_u32 kv_tile_query(kv_u32 r)
{
    return 2u * kv_tile_column() + r;
}

KV_FN kv_u32 kv_existing_row(const kv_split &s, kv_u32 row)
{
    return kv_min_u32(row, s.rows - 1u);
}

/* The four codes of a slot in word i of the lane's two. */
template <kv_u32 BITS>
KV_FN kv_u32 kv_slot_codes(const kv_u32 words[kv_tile<BITS>::words][2], kv_u32 slot, kv_u32 i)
{
    if (BITS == 8) {
        return words[slot % kv_tile<BITS>::words][i];
    }
    return (words[0][i] >> (slot * BITS)) & (BITS == 2 ? 0x03030303u : 0x0f0f0f0fu);
}

/* dots[slot][r]: the inner products of a chunk. `operands` are those of the chunk's first element in
 * query row 0, `count` its words; words past them are 0. */
template <kv_u32 BITS>
KV_FN void kv_tile_dots(const kv_split &s, const kv_u32 words[kv_tile<BITS>::words][2],
                        kv_u32 count, const short *operands, kv_u32 stride,
                        kv_i32 dots[kv_tile<BITS>::slots][2])
{
    uint4 eight = {0u, 0u, 0u, 0u}; /* 16-bit operands of words 2t and 2t + 1 */
    if (2u * kv_tile_column() < count) {
        eight = *(const uint4 *)(operands + kv_existing_row(s, kv_tile_row()) * stride +
                                 8u * kv_tile_column());
    }
    const kv_u32 high[2] = {__byte_perm(eight.x, eight.y, 0x7531u),
                            __byte_perm(eight.z, eight.w, 0x7531u)};
    const kv_u32 low[2] = {__byte_perm(eight.x, eight.y, 0x6420u),
                           __byte_perm(eight.z, eight.w, 0x6420u)};
#pragma unroll
    for (kv_u32 slot = 0u; slot < kv_tile<BITS>::slots; slot += 2u) {
        const kv_u32 codes[4] = {
            kv_slot_codes<BITS>(words, slot, 0u), kv_slot_codes<BITS>(words, slot + 1u, 0u),
            kv_slot_codes<BITS>(words, slot, 1u), kv_slot_codes<BITS>(words, slot + 1u, 1u)};
        kv_i32 sums[4] = {};
        kv_mma_signed(sums, codes, high);
#pragma unroll
        for (kv_u32 i = 0u; i < 4u; i++) {
            sums[i] *= 256;
        }
        kv_mma_unsigned(sums, codes, low);
        dots[slot][0] = sums[0];
        dots[slot][1] = sums[1];
        dots[slot + 1u][0] = sums[2];
        dots[slot + 1u][1] = sums[3];
    }
}

/* ---- step 2 ---- */

/* The rows of code words of a lane, in the store or in a stage: its first row at channel `origin`, the
 * distance in words of its second row where it has one, alignment to 8 bytes, and how many chunks to
 * load side by side. */
struct kv_stored_rows {
    static const kv_u32 chunks = 2u;
    static const kv_u32 origin = 0u;
    const kv_u32 *words;
    kv_u32 next;
    bool are_aligned;
};

struct kv_staged_rows {
    static const kv_u32 chunks = 1u;
    static const bool are_aligned = true;
    const kv_u32 *words;
    kv_u32 next;
    kv_u32 origin;
};

/* sums[slot][r] += the dot products of channels [channel, end), chunk by chunk, for a tile of
 * `tokens` tokens. */
template <kv_u32 BITS, class ROWS>
KV_FN void kv_tile_add_chunks(const kv_split &s, const kv_attention_shared &shared,
                              const kv_scoring &scoring, const ROWS &rows, kv_u32 tokens,
                              kv_u32 line, kv_u32 channel, kv_u32 end,
                              kv_f32 sums[kv_tile<BITS>::slots][2])
{
    kv_u32 first = 2u * kv_tile_column();
    const kv_u32 *words = rows.words + (channel - rows.origin) / 4u + first;
    const kv_f32 *steps = &shared.steps[channel / scoring.chunk];
#pragma unroll ROWS::chunks
    for (kv_u32 chunk = channel; chunk < end; chunk += scoring.chunk) {
        kv_u32 count = kv_min_u32(scoring.chunk, end - chunk) / 4u;
        kv_u32 loaded[kv_tile<BITS>::words][2];
        kv_i32 dots[kv_tile<BITS>::slots][2];
#pragma unroll
        for (kv_u32 i = 0u; i < kv_tile<BITS>::words; i++) {
            kv_load_pair(words + i * rows.next, rows.are_aligned,
                         kv_tile_unit<BITS>(i) < tokens && first < count, loaded[i]);
        }
        kv_tile_dots<BITS>(s, loaded, count, &shared.operands[line * s.k_dim + chunk], s.k_dim,
                           dots);
#pragma unroll
        for (kv_u32 r = 0u; r < 2u; r++) {
            kv_u32 row = line + kv_existing_row(s, kv_tile_query(r));
            kv_f32 step = steps[row * scoring.line];
#pragma unroll
            for (kv_u32 slot = 0u; slot < kv_tile<BITS>::slots; slot++) {
                KV_EXACT kv_f32 part = kv_int_to_float(dots[slot][r]) * step;
                sums[slot][r] = sums[slot][r] + part;
            }
        }
        words += scoring.chunk / 4u;
        steps++;
    }
}

/* One group's part of the scores; `parameters` are those of the tile's first token. */
template <kv_u32 BITS>
KV_FN void kv_tile_add_group(const kv_split &s, const kv_attention_shared &shared,
                             const kv_scoring &scoring, const kv_u32 *parameters, kv_u32 tokens,
                             kv_u32 group, const kv_f32 dots[kv_tile<BITS>::slots][2],
                             kv_f32 scores[kv_tile<BITS>::slots][2])
{
#pragma unroll
    for (kv_u32 slot = 0u; slot < kv_tile<BITS>::slots; slot++) {
        kv_u32 token = kv_tile_slot<BITS>(slot);
        kv_u32 word = token < tokens ? parameters[token * scoring.stride + group] : 0u;
        kv_f32 scale = kv_param_scale(word);
        kv_f32 minimum = kv_param_minimum(word, scoring.is_symmetric);
#pragma unroll
        for (kv_u32 r = 0u; r < 2u; r++) {
            kv_u32 row = kv_existing_row(s, kv_tile_query(r));
            KV_EXACT kv_f32 scaled = scale * dots[slot][r];
            KV_EXACT kv_f32 shifted = minimum * shared.offsets[row * scoring.line + group];
            KV_EXACT kv_f32 part = scaled + shifted;
            scores[slot][r] = scores[slot][r] + part;
        }
    }
}

/* Channels [channel, end) of a tile: whole chunks, and whole groups or a part of one. `sums` are
 * those of a group, kept from one part to the next; `scores` get what a group comes to. */
template <kv_u32 BITS, class ROWS>
KV_FN void kv_tile_add_channels(const kv_split &s, const kv_attention_shared &shared,
                                const kv_scoring &scoring, const ROWS &rows,
                                const kv_u32 *parameters, kv_u32 tokens, kv_u32 line,
                                kv_u32 channel, kv_u32 end,
                                kv_f32 sums[kv_tile<BITS>::slots][2],
                                kv_f32 scores[kv_tile<BITS>::slots][2])
{
#pragma unroll 1
    for (kv_u32 group = channel / scoring.length; channel < end; group++) {
        kv_u32 group_end = kv_min_u32((group + 1u) * scoring.length, s.k_dim);
        kv_u32 stop = kv_min_u32(group_end, end);
#pragma unroll
        for (kv_u32 i = 0u; i < kv_tile<BITS>::slots * 2u; i++) {
            if (channel == group * scoring.length) {
                kv_u32 row = line + kv_existing_row(s, kv_tile_query(i % 2u));
                sums[i / 2u][i % 2u] =
                    scoring.is_channelwise != 0u ? shared.offsets[row * scoring.line] : 0.0f;
            }
        }
        kv_tile_add_chunks<BITS>(s, shared, scoring, rows, tokens, line, channel, stop, sums);
        channel = stop;
        if (stop == group_end && scoring.is_channelwise == 0u) {
            kv_tile_add_group<BITS>(s, shared, scoring, parameters, tokens, group, sums, scores);
            continue;
        }
#pragma unroll
        for (kv_u32 i = 0u; i < kv_tile<BITS>::slots * 2u; i++) {
            if (scoring.is_channelwise != 0u) {
                scores[i / 2u][i % 2u] = sums[i / 2u][i % 2u];
            }
        }
    }
}

/* Stores the scores of a tile of `tokens` tokens from `token` on (of the segment). */
template <kv_u32 BITS>
KV_FN void kv_store_tile(const kv_split &s, kv_attention_shared &shared, kv_u32 token,
                         kv_u32 tokens, const kv_f32 scores[kv_tile<BITS>::slots][2])
{
#pragma unroll
    for (kv_u32 i = 0u; i < kv_tile<BITS>::slots * 2u; i++) {
        kv_u32 of_tile = kv_tile_slot<BITS>(i / 2u);
        kv_u32 row = kv_tile_query(i % 2u);
        if (of_tile < tokens && row < s.rows) {
            shared.scores[row][token - s.first + of_tile] = scores[i / 2u][i % 2u];
        }
    }
}

/* ---- step 4 ---- */

/* parts[slot][r]: what chunk `chunk` adds to the tile of `channels` channels from `channel` on.
 * `words` are the tile's, those of the next 4 tokens `line` words on. */
template <kv_u32 BITS>
KV_FN void kv_output_tile(const kv_split &s, const kv_attention_shared &shared, kv_u32 chunk,
                          kv_u32 channel, kv_u32 channels, const kv_u32 *words, kv_u32 line,
                          kv_f32 parts[kv_tile<BITS>::slots][2])
{
    const kv_u32 *segment = s.segment;
    kv_u32 token = s.first + chunk * KV_CHUNK;
    kv_u32 count = kv_min_u32(KV_CHUNK, s.count - chunk * KV_CHUNK) / 4u;
    kv_u32 loaded[kv_tile<BITS>::words][2];
#pragma unroll
    for (kv_u32 i = 0u; i < kv_tile<BITS>::words * 2u; i++) {
        kv_u32 unit = kv_tile_unit<BITS>(i / 2u);
        kv_u32 four = 2u * kv_tile_column() + i % 2u;
        loaded[i / 2u][i % 2u] = unit < channels && four < count
                                     ? words[four * line + unit / kv_tile<BITS>::fields]
                                     : 0u;
    }
    kv_i32 dots[kv_tile<BITS>::slots][2];
    kv_tile_dots<BITS>(s, loaded, count, &shared.operands[chunk * KV_CHUNK], KV_SPLIT_TOKENS,
                       dots);

    const kv_u32 *parameters = kv_v_parameters(s, token, channel);
    kv_u32 is_channelwise = kv_is_channelwise(segment[KV_SEGMENT_V_GROUPING]);
    kv_u32 is_symmetric = kv_codec_is_symmetric(segment[KV_SEGMENT_V_CODEC]);
#pragma unroll
    for (kv_u32 slot = 0u; slot < kv_tile<BITS>::slots; slot++) {
        kv_u32 of_tile = kv_tile_slot<BITS>(slot);
        kv_u32 word = is_channelwise != 0u && of_tile < channels ? parameters[of_tile] : 0u;
        kv_f32 scale = kv_param_scale(word);
        kv_f32 minimum = kv_param_minimum(word, is_symmetric);
#pragma unroll
        for (kv_u32 r = 0u; r < 2u; r++) {
            kv_u32 at = kv_existing_row(s, kv_tile_query(r)) * KV_ROW_CHUNKS + chunk;
            KV_EXACT kv_f32 product = kv_int_to_float(dots[slot][r]) * shared.steps[at];
            KV_EXACT kv_f32 shifted = shared.offsets[at];
            if (is_channelwise != 0u) {
                product = scale * product;
                shifted = minimum * shifted;
            }
            KV_EXACT kv_f32 part = product + shifted;
            parts[slot][r] = part;
        }
    }
}

/* Adds the lane's parts to the output of the tile. */
template <kv_u32 BITS>
KV_FN void kv_add_tile(const kv_split &s, kv_attention_shared &shared, kv_u32 channel,
                       kv_u32 channels, const kv_f32 parts[kv_tile<BITS>::slots][2])
{
#pragma unroll
    for (kv_u32 i = 0u; i < kv_tile<BITS>::slots * 2u; i++) {
        kv_u32 of_tile = kv_tile_slot<BITS>(i / 2u);
        kv_u32 row = kv_tile_query(i % 2u);
        if (of_tile < channels && row < s.rows) {
            kv_f32 *output = &shared.rows[row][channel + of_tile];
            KV_EXACT kv_f32 total = *output + parts[i / 2u][i % 2u];
            *output = total;
        }
    }
}

/* Adds chunks [first_chunk, end_chunk) to channels [first_channel, first_channel + channels), whose
 * operands are in shared memory. `words` are those of the first chunk and channel. Where tiles leave
 * warps over, sets of warps take chunks side by side and add them in their order. */
template <kv_u32 BITS>
KV_FN void kv_output_chunks(const kv_split &s, kv_attention_shared &shared, kv_u32 first_chunk,
                            kv_u32 end_chunk, kv_u32 first_channel, kv_u32 channels,
                            const kv_u32 *words, kv_u32 line)
{
    const kv_u32 length = kv_tile<BITS>::length;
    kv_u32 tiles = (channels + length - 1u) / length;
    kv_u32 sets =
        tiles < kv_warps() ? kv_min_u32(kv_warps() / tiles, end_chunk - first_chunk) : 1u;
    kv_u32 warps = sets > 1u ? tiles : kv_warps(); /* of a set */
    kv_u32 set = kv_warp() / warps;
#pragma unroll 1
    for (kv_u32 round = first_chunk; round < end_chunk; round += sets) {
#pragma unroll 1
        for (kv_u32 first = 0u; first < tiles; first += warps) {
            kv_u32 tile = first + kv_warp() % warps;
            kv_u32 chunk = round + set;
            kv_u32 is_active = set < sets && chunk < end_chunk && tile < tiles ? 1u : 0u;
            kv_u32 channel = first_channel + tile * length;
            kv_u32 of_tile = is_active != 0u ? kv_min_u32(length, channels - tile * length) : 0u;
            kv_f32 parts[kv_tile<BITS>::slots][2] = {};
            if (is_active != 0u) {
                kv_output_tile<BITS>(s, shared, chunk, channel, of_tile,
                                     words + (chunk - first_chunk) * (KV_CHUNK / 4u) * line +
                                         tile * (length / kv_tile<BITS>::fields),
                                     line, parts);
            }
#pragma unroll 1
            for (kv_u32 turn = 0u; turn < sets; turn++) {
                if (is_active != 0u && set == turn) {
                    kv_add_tile<BITS>(s, shared, channel, of_tile, parts);
                }
                if (sets > 1u) {
                    __syncthreads();
                }
            }
        }
    }
}

#endif
