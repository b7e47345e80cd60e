/* SPDX-License-Identifier: MIT
 *
 * encode: the codes of a compression event, from the stored parameters, packed into words;
 * layout.h says which tokens and channels a word holds. Tokens past the event's end, up to the next
 * multiple of 4, get code 0. One item is KV_COLUMNS columns of KV_BLOCK tokens of one head, in
 * tiles of 4 tokens, which are whole words in every layout.
 */
#include "quantize.clh"

#define TILE 4u

/* What is known of an item before its values are read. */
typedef struct {
    kv_u32 tokens;         /* of the event, from the item's first token on */
    kv_u32 rows[KV_BLOCK]; /* where they begin in the view; the last one again past the end */
    kv_floats factors[KV_COLUMNS][KV_PIECES];
    /* of channels */
    kv_floats minima[KV_COLUMNS][KV_PIECES];
    kv_floats inverses[KV_COLUMNS][KV_PIECES];
    /* of tokens, for each group along their channels */
    kv_f32 token_minima[KV_COLUMNS][KV_BLOCK];
    kv_f32 token_inverses[KV_COLUMNS][KV_BLOCK];
} kv_block;

/* The part of an event that an item encodes. */
typedef struct {
    kv_u32 head;
    kv_u32 first; /* token */
    kv_u32 channel;
    kv_u32 columns;
} kv_part;

KV_INLINE void find_rows(const kv_quantize_params *p, __global const kv_u32 *store,
                         const kv_part *part, kv_block *block)
{
    block->tokens = kv_min_u32(p->tokens - part->first, KV_BLOCK);
    for (kv_u32 t = 0u; t < KV_BLOCK; t++) {
        kv_u32 token = part->first + kv_min_u32(t, block->tokens - 1u);
        block->rows[t] = kv_event_row(p, store, token, part->head);
    }
}

/* Channels that share the parameters of a token. */
KV_INLINE kv_u32 group_channels(const kv_quantize_params *p)
{
    return p->grouping == KV_GROUP_TOKEN_CHANNELS ? p->group_length : KV_MAX_HEAD_DIM;
}

/* 2. Parameters that belong to tokens */
KV_INLINE void load_token_parameters(const kv_quantize_params *p, __global const kv_u32 *store,
                                     const kv_part *part, kv_block *block)
{
    kv_u32 length = group_channels(p);
    kv_u32 step = kv_groups_along(p->dim, length);
    kv_u32 is_symmetric = p->codec == KV_CODEC_INT8_SYMMETRIC;
    for (kv_u32 i = 0u; i * length < part->columns * KV_COLUMN; i++) {
        kv_u32 group = kv_group_index(p->grouping, p->group_length, p->capacity, p->dim, part->head,
                                      p->token + part->first, part->channel + i * length);
        /* to the end of the last tile: the last one again past the event's end */
        for (kv_u32 t = 0u; t < ((block->tokens + TILE - 1u) & ~(TILE - 1u)); t += KV_WIDTH) {
            kv_u32 from = kv_min_u32(t, block->tokens - 1u);
            kv_words words = kv_load_strided(&store[p->params_offset + group + from * step], step,
                                             block->tokens - from);
            kv_floats minima = is_symmetric != 0u ? (kv_floats)(0.0f) : kv_minima(words, 0u);
            KV_STORE(minima, &block->token_minima[i][t]);
            KV_STORE(kv_operand_inverses(kv_scales(words), 1.0f), &block->token_inverses[i][t]);
        }
    }
}

/* 2. Parameters that belong to channels */
KV_INLINE void load_channel_parameters(const kv_quantize_params *p, __global const kv_u32 *store,
                                       const kv_part *part, kv_block *block)
{
    kv_u32 group = kv_group_index(p->grouping, p->group_length, p->capacity, p->dim, part->head,
                                  p->token + part->first, part->channel);
    kv_u32 is_symmetric = p->codec == KV_CODEC_INT8_SYMMETRIC;
    for (kv_u32 i = 0u; i < part->columns; i++) {
        KV_FOR_PIECES(piece) {
            kv_words words = KV_LOAD(
                &store[p->params_offset + group + i * KV_COLUMN + piece * KV_WIDTH]);
            block->minima[i][piece] =
                is_symmetric != 0u ? (kv_floats)(0.0f) : kv_minima(words, 0u);
            block->inverses[i][piece] = kv_operand_inverses(kv_scales(words), 1.0f);
        }
    }
}

/* 3. Code: kv_asymmetric_code, or with `lowest` -127 kv_symmetric_code. The last addition rounds to
 * an integer, half to even. */
KV_INLINE kv_words codes_of(kv_floats x, kv_floats minima, kv_floats inverses, kv_f32 lowest,
                            kv_f32 highest)
{
    KV_EXACT kv_floats y = x - minima;
    y = y * inverses;
    y = y > lowest ? y : (kv_floats)(lowest);
    y = y < highest ? y : (kv_floats)(highest);
    KV_EXACT kv_floats shifted = y + (lowest < 0.0f ? 8388736.0f : 8388608.0f); /* 2^23 + bias */
    return KV_WORDS_OF(shifted) - 0x4b000000u;
}

#if KV_LANES == 1

/* 4. Store a tile of K: the byte of a channel holds `fields` tokens */
KV_INLINE void store_k_tile(const kv_words (*codes)[KV_PIECES], kv_u32 bits, kv_u32 row_words,
                            __global kv_u32 *at)
{
    if (bits == 2u) {
        kv_words bytes = codes[0][0] | codes[1][0] << 2 | codes[2][0] << 4 | codes[3][0] << 6;
        vstore2(as_uint2(convert_uchar8(bytes)), 0, at);
    } else if (bits == 4u) {
        vstore2(as_uint2(convert_uchar8(codes[0][0] | codes[1][0] << 4)), 0, at);
        vstore2(as_uint2(convert_uchar8(codes[2][0] | codes[3][0] << 4)), 0, at + row_words);
    } else {
        KV_UNROLL for (kv_u32 t = 0u; t < TILE; t++) {
            vstore2(as_uint2(convert_uchar8(codes[t][0])), 0, at + t * row_words);
        }
    }
}

/* 4. Store a tile of V: the byte of a token holds `fields` channels */
KV_INLINE void store_v_tile(const kv_words (*codes)[KV_PIECES], kv_u32 bits, __global kv_u32 *at)
{
    kv_words words = codes[0][0] | codes[1][0] << 8 | codes[2][0] << 16 | codes[3][0] << 24;
    if (bits == 8u) {
        vstore8(words, 0, at);
        return;
    }
    ulong4 pairs = as_ulong4(words);
    uint4 halves = convert_uint4((pairs | pairs >> (32u - bits)) & 0xffffffffu);
    if (bits == 4u) {
        vstore4(halves, 0, at);
        return;
    }
    ulong2 quads = as_ulong2(halves);
    vstore2(convert_uint2((quads | quads >> 28) & 0xffffffffu), 0, at);
}

#else

/* 4. Store a tile of K: the byte of a channel holds `fields` tokens */
KV_INLINE void store_k_tile(const kv_words (*codes)[KV_PIECES], kv_u32 bits, kv_u32 row_words,
                            __global kv_u32 *at)
{
    kv_u32 fields = kv_fields(bits);
    for (kv_u32 t = 0u; t < TILE; t += fields) {
        kv_u32 word = 0u;
        for (kv_u32 field = 0u; field < fields; field++) {
            KV_FOR_PIECES(piece) {
                word |= codes[t + field][piece] << (piece * 8u + field * bits);
            }
        }
        at[t / fields * row_words] = word;
    }
}

/* 4. Store a tile of V: the byte of a token holds `fields` channels */
KV_INLINE void store_v_tile(const kv_words (*codes)[KV_PIECES], kv_u32 bits, __global kv_u32 *at)
{
    kv_u32 fields = kv_fields(bits);
    for (kv_u32 piece = 0u; piece < KV_PIECES; piece += fields) {
        kv_u32 word = 0u;
        for (kv_u32 field = 0u; field < fields; field++) {
            KV_UNROLL for (kv_u32 t = 0u; t < TILE; t++) {
                word |= codes[t][piece + field] << (t * 8u + field * bits);
            }
        }
        at[piece / fields] = word;
    }
}

#endif

/* The codes of column `i` of the tile of tokens first .. first + 3 of a block. */
KV_INLINE void encode_tile(const kv_quantize_params *p, __global const kv_u32 *source,
                           kv_u32 is_plain, const kv_part *part, const kv_block *block,
                           kv_u32 first, kv_u32 i, kv_words (*codes)[KV_PIECES])
{
    kv_u32 is_symmetric = p->codec == KV_CODEC_INT8_SYMMETRIC;
    kv_u32 is_channelwise = kv_is_channelwise(p->grouping);
    kv_f32 lowest = is_symmetric != 0u ? -127.0f : 0.0f;
    kv_f32 highest = is_symmetric != 0u ? 127.0f : kv_qmax(kv_codec_bits(p->codec));
    kv_u32 group = i * KV_COLUMN / group_channels(p);
    KV_UNROLL for (kv_u32 j = 0u; j < TILE; j++) {
        kv_u32 t = first + j;
        kv_floats x[KV_PIECES];
        /* 1. Load */
        kv_event_values(p, source, is_plain, block->rows[t], part->channel + i * KV_COLUMN,
                        block->factors[i], x);
        KV_FOR_PIECES(piece) {
            kv_floats minima = is_channelwise != 0u ? block->minima[i][piece]
                                                    : (kv_floats)(block->token_minima[group][t]);
            kv_floats inverses = is_channelwise != 0u
                                     ? block->inverses[i][piece]
                                     : (kv_floats)(block->token_inverses[group][t]);
            codes[j][piece] = codes_of(x[piece], minima, inverses, lowest, highest);
        }
    }
    if (first + TILE > block->tokens) {
        KV_UNROLL for (kv_u32 j = 0u; j < TILE; j++) {
            KV_FOR_PIECES(piece) {
                codes[j][piece] = first + j < block->tokens ? codes[j][piece] : (kv_words)(0u);
            }
        }
    }
}

/* Prepares an item and encodes it, tile by tile. */
KV_INLINE void encode_part(const kv_quantize_params *p, __global const kv_u32 *source,
                           kv_u32 is_plain, const kv_part *part, __global kv_u32 *store)
{
    kv_u32 bits = kv_codec_bits(p->codec);
    __global kv_u32 *head_codes =
        &store[p->codes_offset + part->head * kv_code_words(p->capacity, p->dim, bits)];
    kv_block block;
    find_rows(p, store, part, &block);
    for (kv_u32 i = 0u; i < part->columns; i++) {
        kv_load_factors(p, store, part->head, part->channel + i * KV_COLUMN, block.factors[i]);
    }
    if (kv_is_channelwise(p->grouping) != 0u) {
        load_channel_parameters(p, store, part, &block);
    } else {
        load_token_parameters(p, store, part, &block);
    }
    for (kv_u32 t = 0u; t < block.tokens; t += TILE) {
        kv_u32 token = p->token + part->first + t;
        for (kv_u32 i = 0u; i < part->columns; i++) {
            kv_u32 channel = part->channel + i * KV_COLUMN;
            kv_words codes[TILE][KV_PIECES];
            encode_tile(p, source, is_plain, part, &block, t, i, codes);
            if (p->is_value != 0u) {
                store_v_tile(codes, bits, head_codes + kv_v_word(token, channel, p->dim, bits));
            } else {
                store_k_tile(codes, bits, p->dim / 4u,
                             head_codes + kv_k_word(token, channel, p->dim, bits));
            }
        }
    }
}

KV_KERNEL void kvant_encode(const kv_quantize_params p, __global const kv_u32 *source,
                            __global kv_u32 *store)
{
    kv_u32 is_plain = kv_is_plain(&p.source);
    kv_u32 columns = p.dim / KV_COLUMN;
    kv_u32 parts = (columns + KV_COLUMNS - 1u) / KV_COLUMNS;
    kv_u32 blocks = (p.tokens + KV_BLOCK - 1u) / KV_BLOCK;
    const kv_items items = kv_my_items(blocks * p.heads * parts);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        kv_part part;
        part.head = item / parts % p.heads;
        part.first = item / parts / p.heads * KV_BLOCK;
        part.channel = item % parts * KV_COLUMNS * KV_COLUMN;
        part.columns = kv_min_u32(columns, KV_COLUMNS);
        encode_part(&p, source, is_plain, &part, store);
    }
}
