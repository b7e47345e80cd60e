/* SPDX-License-Identifier: MIT
 *
 * Part of attention_latent.comp, which has the bindings: what a work-group works on, and how it reads
 * latents: their codes, four tokens of a channel at a time, and rows of halves.
 */

#define LATENT_CHUNKS (KV_MAX_LATENT_DIM / KV_CHUNK)
#define MOST_FIELDS 8u /* of a word of codes */

/* [row][channel]: folded queries as bits, or their operands; then [row][token] the operands of a group
 * of the output */
shared kv_u32 latent[KV_LATENT_ROWS * KV_MAX_LATENT_DIM];
shared kv_f32 rotary_query[KV_LATENT_ROWS * KV_MAX_ROTARY_DIM];
shared kv_f32 scores[KV_LATENT_ROWS * KV_SPLIT_TOKENS]; /* then the weights */
shared kv_f32 steps[KV_LATENT_ROWS * LATENT_CHUNKS];    /* the value of one unit of a chunk's operands */
shared kv_f32 sums[KV_LATENT_ROWS * LATENT_CHUNKS]; /* of a group's operands; of a chunk's minima */
shared kv_u32 query_positions[KV_LATENT_ROWS];

/* What all lanes of the work-group agree on. */
kv_u32 region;    /* the sequence's words */
kv_u32 segment;   /* its entry in the segment table */
kv_u32 row_count; /* at most KV_LATENT_ROWS */
kv_u32 capacity;
kv_u32 part;   /* channels of a part of a latent */
kv_u32 length; /* channels that share parameters */
kv_u32 first;  /* token of the segment where the split starts */
kv_u32 count;  /* tokens of the split */
kv_u32 codec;
kv_u32 bits;
kv_u32 own_partials; /* word of the first row's */
uvec4 levels;

void load_split(kv_u32 sequence, kv_u32 split, kv_u32 first_row)
{
    kv_u32 all_rows = p.q_heads * p.queries;
    kv_u32 entry = region + p.splits_offset + split * KV_SPLIT_WORDS;
    segment =
        region + p.segments_offset + store[entry + KV_SPLIT_SEGMENT] * KV_SEGMENT_WORDS;
    row_count = kv_min_u32(KV_LATENT_ROWS, all_rows - first_row);
    capacity = store[segment + KV_SEGMENT_CAPACITY];
    part = p.v_dim / kv_latent_parts(p.v_dim);
    length = store[segment + KV_SEGMENT_V_GROUPING] == KV_GROUP_TOKEN_CHANNELS
                 ? store[segment + KV_SEGMENT_V_GROUP_LENGTH]
                 : p.v_dim;
    first = store[entry + KV_SPLIT_FIRST_TOKEN];
    count = kv_min_u32(KV_SPLIT_TOKENS, capacity - first);
    codec = store[segment + KV_SEGMENT_V_CODEC];
    bits = kv_codec_bits(codec);
    own_partials = p.partials_offset + ((sequence * p.max_splits + split) * all_rows + first_row) *
                                           (p.v_dim + 2u);
    kv_u32 learned = region + store[segment + KV_SEGMENT_LEVELS] + KV_CODEBOOK_WORDS;
    for (kv_u32 i = 0u; i < KV_CODEBOOK_WORDS; i++) {
        levels[i] =
            kv_codec_is_learned(codec) != 0u ? store[learned + i] : kv_codebook_word(codec, i);
    }
}

/* Where the group that begins at a channel ends: with its part at the latest, unless a token is one. */
kv_u32 group_end(kv_u32 channel)
{
    kv_u32 part_end = (channel / part + 1u) * part;
    return length == p.v_dim ? p.v_dim : kv_min_u32(channel + length, part_end);
}

/* The parameters of the group of a channel. */
kv_u32 parameter_word(kv_u32 token, kv_u32 channel)
{
    return store[region + store[segment + KV_SEGMENT_V_PARAMS] +
                 kv_group_index(store[segment + KV_SEGMENT_V_GROUPING],
                                store[segment + KV_SEGMENT_V_GROUP_LENGTH], capacity, part,
                                channel / part, token, channel % part)];
}

/* The word with the codes of tokens token .. token + 3 in the channels from `channel` on that one word
 * has. */
kv_u32 code_word(kv_u32 token, kv_u32 channel)
{
    return store[region + store[segment + KV_SEGMENT_V_CODES] +
                 channel / part * kv_code_words(capacity, part, bits) +
                 kv_v_word(token, channel % part, part, bits)];
}

/* The codes of one channel of it, or their levels: one a token. */
ivec4 codes_of(kv_u32 word, kv_u32 field)
{
    kv_u32 codes = word >> (field * bits);
    codes &= bits == 8u ? 0xffffffffu : ((1u << bits) - 1u) * 0x01010101u;
    if (kv_codec_has_codebook(codec) != 0u) {
        codes = kv_levels(levels.x, levels.y, levels.z, levels.w, codes);
    }
    return ivec4((uvec4(codes) >> uvec4(0u, 8u, 16u, 24u)) & 255u);
}

/* The word of an f16 row of a part, from which its halves are counted; `codes` is the word of the
 * segment's entry. */
kv_u32 row_word(kv_u32 codes, kv_u32 part_number, kv_u32 token, kv_u32 dim)
{
    return region + store[segment + codes] + kv_f16_word(part_number, token, 0u, capacity, dim);
}

bool is_visible(kv_u32 row, kv_u32 i)
{
    kv_u32 position = store[region + store[segment + KV_SEGMENT_POSITIONS] + first + i];
    return position != KV_POSITION_INVALID && position <= query_positions[row];
}
