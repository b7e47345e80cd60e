/* SPDX-License-Identifier: MIT
 *
 * Part of attention_subgroup.comp: quantized segments. The width of the codes is resolved here,
 * outside of all loops over tokens.
 */

void score_tokens(kv_u32 start, kv_u32 end, kv_u32 first_block, kv_u32 block, kv_u32 group_length,
                  kv_u32 chunk_length, bool is_tokenwise)
{
    kv_u32 bits = kv_codec_bits(k.codec);
    if (bits == 2u) {
        score_tokens_2(start, end, first_block, block, group_length, chunk_length, is_tokenwise);
    } else if (bits == 4u) {
        score_tokens_4(start, end, first_block, block, group_length, chunk_length, is_tokenwise);
    } else {
        score_tokens_8(start, end, first_block, block, group_length, chunk_length, is_tokenwise);
    }
}

/* Parameters per channel fold into the query, once for each block of tokens that shares them. */
void channelwise_scores()
{
    kv_u32 block = k.grouping == KV_GROUP_CHANNEL_TOKENS ? k.group_length : capacity;
    kv_u32 chunks = (k.dim + KV_CHUNK - 1u) / KV_CHUNK;
    kv_u32 at_once = kv_min_u32(OPERANDS / (ROWS * (k.dim / 4u)), SLOTS / chunks);
    kv_u32 start = 0u;
    while (start < count) {
        kv_u32 first_block = (first + start) / block;
        kv_u32 blocks = kv_min_u32(at_once, (first + count - 1u) / block - first_block + 1u);
        for (kv_u32 n = 0u; n < blocks; n++) {
            fold_block(n, (first_block + n) * block);
        }
        kv_u32 end = kv_min_u32(count, (first_block + blocks) * block - first);
        score_tokens(start, end, first_block, block, k.dim, KV_CHUNK, false);
        meet();
        start = end;
    }
}

/* Parameters per token fold into the score. */
void tokenwise_scores()
{
    kv_u32 length = group_channels(k);
    kv_u32 chunk_length = kv_min_u32(KV_CHUNK, length);
    fold_rows(length, chunk_length);
    score_tokens(0u, count, 0u, 0xffffffffu, length, chunk_length, true);
}

void sum_channels(kv_u32 start, kv_u32 end, bool is_tokenwise)
{
    kv_u32 bits = kv_codec_bits(v.codec);
    if (bits == 2u) {
        sum_channels_2(start, end, is_tokenwise);
    } else if (bits == 4u) {
        sum_channels_4(start, end, is_tokenwise);
    } else {
        sum_channels_8(start, end, is_tokenwise);
    }
}

void quantized_output()
{
    bool is_tokenwise = kv_is_channelwise(v.grouping) == 0u;
    kv_u32 length = group_channels(v);
    for (kv_u32 group = 0u; group * length < v.dim; group++) {
        meet();
        fold_weights(group, is_tokenwise);
        sum_channels(group * length, kv_min_u32((group + 1u) * length, v.dim), is_tokenwise);
    }
}
