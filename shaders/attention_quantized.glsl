/* SPDX-License-Identifier: MIT
 *
 * Part of attention_lanes.glsl and attention_matrix_lanes.glsl: the loops over chunks of quantized
 * segments. The width of the codes is resolved here, outside the inner loops.
 */

/* Tokens [start, end) of the split, one chunk of channels; see score_chunk of attention_codes. */
void score_chunk(kv_u32 start, kv_u32 end, kv_u32 channel, kv_u32 length, kv_u32 first_block,
                 kv_u32 block, kv_u32 step, kv_u32 step_stride, bool is_first, bool has_base)
{
    kv_u32 bits = kv_codec_bits(k.codec);
    if (bits == 2u) {
        score_chunk_2(start / 4u, end / 4u, channel / 4u, length / 4u, first_block, block, step,
                      step_stride, is_first, has_base);
    } else if (bits < 8u) {
        score_chunk_4(start / 2u, end / 2u, channel / 4u, length / 4u, first_block, block, step,
                      step_stride, is_first, has_base);
    } else {
        score_chunk_8(start, end, channel / 4u, length / 4u, first_block, block, step, step_stride,
                      is_first, has_base);
    }
}

/* Parameters per channel fold into the query, once for each block of tokens that shares them. */
void channelwise_scores()
{
#ifdef KV_CODEBOOKS
    load_levels(k, 0u);
#endif
    kv_u32 block = k.grouping == KV_GROUP_CHANNEL_TOKENS ? k.group_length : capacity;
    kv_u32 start = 0u;
    while (start < count) {
        kv_u32 first_block = (first + start) / block;
        kv_u32 last_block = (first + count - 1u) / block;
        kv_u32 blocks = kv_min_u32(is_wide ? SLOTS / ROWS : 1u, last_block - first_block + 1u);
        kv_u32 end = kv_min_u32(count, (first_block + blocks) * block - first);
        fold_blocks(first_block, block, blocks);
        for (kv_u32 chunk = 0u; chunk < k.dim; chunk += KV_CHUNK) {
            score_chunk(start, end, chunk, kv_min_u32(KV_CHUNK, k.dim - chunk), first_block, block,
                        chunk / KV_CHUNK, 8u, chunk == 0u, true);
        }
        start = end;
    }
}

/* Adds a finished group of channels, from `channel` on, to the scores: the dots are in scores[],
 * the scores in query[]. `n` is the group's first chunk. The last group leaves them in scores[]. */
void finish_group(kv_u32 channel, kv_u32 end, kv_u32 length, kv_u32 chunk_length, kv_u32 n)
{
    kv_u32 base = group_address(k, 0u);
    kv_u32 stride = group_address(k, 1u) - base;
    barrier();
    for (kv_u32 row = 0u; row < rows; row++) {
        KV_EXACT kv_f32 sum = 0.0f; /* of the group's operands */
        for (kv_u32 i = 0u; channel + i * chunk_length < end; i++) {
            KV_EXACT kv_f32 part = kv_int_to_float(int_sums[row * 32u + n + i]) *
                                   steps[row * 32u + channel / chunk_length + i];
            sum = sum + part;
        }
        KV_FOR_LANES(i, count)
        {
            kv_u32 word = store[base + (first + i) * stride + channel / length];
            kv_u32 at = row * KV_SPLIT_TOKENS + i;
            KV_EXACT kv_f32 scaled = kv_param_scale(word) * scores[at];
            KV_EXACT kv_f32 shifted = kv_param_minimum(word, is_symmetric(k)) * sum;
            KV_EXACT kv_f32 part = scaled + shifted;
            KV_EXACT kv_f32 score = channel == 0u ? 0.0f : query[at];
            score = score + part;
            query[at] = score;
            scores[at] = score;
        }
    }
    barrier();
}

/* Parameters per token fold into the score. */
void tokenwise_scores()
{
#ifdef KV_CODEBOOKS
    load_levels(k, 0u);
#endif
    kv_u32 length = group_channels(k);
    kv_u32 chunk_length = kv_min_u32(KV_CHUNK, length);
    fold_rows(length, chunk_length);
    kv_u32 n = 0u; /* chunks so far, counted group by group */
    for (kv_u32 channel = 0u; channel < k.dim; channel += length) {
        kv_u32 end = kv_min_u32(channel + length, k.dim);
        kv_u32 first_chunk = n;
        for (kv_u32 chunk = channel; chunk < end; chunk += chunk_length) {
            score_chunk(0u, count, chunk, kv_min_u32(chunk_length, end - chunk), 0u, 0xffffffffu,
                        chunk / chunk_length, 32u, chunk == channel, false);
            n++;
        }
        finish_group(channel, end, length, chunk_length, first_chunk);
    }
}

/* One chunk of V; see sum_chunk of attention_codes. */
void sum_chunk(kv_u32 chunk, kv_u32 channel, kv_u32 end, kv_u32 length, kv_u32 slot, kv_u32 params,
               bool is_tokenwise)
{
    kv_u32 bits = kv_codec_bits(v.codec);
    kv_u32 quads = kv_min_u32(KV_CHUNK, count - chunk) / 4u;
    if (bits == 2u) {
        sum_chunk_2(chunk, quads, channel / 4u, end / 4u, length / 4u, slot, params, is_tokenwise);
    } else if (bits < 8u) {
        sum_chunk_4(chunk, quads, channel / 2u, end / 2u, length / 2u, slot, params, is_tokenwise);
    } else {
        sum_chunk_8(chunk, quads, channel, end, length, slot, params, is_tokenwise);
    }
}

void quantized_output()
{
#ifdef KV_CODEBOOKS
    load_levels(v, KV_CODEBOOK_WORDS);
#endif
    bool is_tokenwise = kv_is_channelwise(v.grouping) == 0u;
    kv_u32 length = group_channels(v);
    kv_u32 groups = kv_groups_along(v.dim, length);
    /* how many groups and then chunks have their operands at hand at once */
    kv_u32 groups_at_once = is_wide ? kv_min_u32(groups, WEIGHT_SLOTS / ROWS) : 1u;
    kv_u32 chunks_at_once = WEIGHT_SLOTS / (ROWS * groups_at_once);
    chunks_at_once = kv_min_u32(chunks_at_once, KV_SPLIT_TOKENS / KV_CHUNK);

    KV_FOR_LANES(i, ROWS * KV_MAX_HEAD_DIM)
    {
        query[i] = 0.0f;
    }
    for (kv_u32 group = 0u; group < groups; group += groups_at_once) {
        kv_u32 end = kv_min_u32((group + groups_at_once) * length, v.dim);
        for (kv_u32 start = 0u; start < count; start += chunks_at_once * KV_CHUNK) {
            fold_weights(start, chunks_at_once, group, groups_at_once, length);
            for (kv_u32 n = 0u; n < chunks_at_once && start + n * KV_CHUNK < count; n++) {
                kv_u32 chunk = start + n * KV_CHUNK;
                sum_chunk(chunk, group * length, end, length, n * groups_at_once * ROWS,
                          group_address(v, first + chunk), is_tokenwise);
            }
        }
    }
}
