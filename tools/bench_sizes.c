/* SPDX-License-Identifier: MIT
 *
 * The bytes that an operation must move when everything is read and written once.
 */
#include <math.h>

#include "bench_work.h"

static uint32_t lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static int is_plain(const kvant_recipe *recipe)
{
    return recipe->k.regular == KVANT_CODEC_F16 && recipe->salient_share == 0.0;
}

bench_classes bench_classes_of(const kvant_recipe *recipe, uint32_t tokens)
{
    bench_classes c = {tokens, 0, 0, 0, 0};
    if (is_plain(recipe)) {
        return c;
    }
    uint32_t most_plain = recipe->sinks + recipe->window;
    c.plain = lesser(tokens, most_plain);
    uint32_t compressed = tokens - c.plain;
    /* groups of tokens are whole: what is left stays f16 */
    uint32_t step = 1;
    if (recipe->k.grouping == KVANT_GROUPING_CHANNEL_TOKENS) {
        step = recipe->k.group_length;
    }
    if (recipe->v.grouping == KVANT_GROUPING_CHANNEL_TOKENS && recipe->v.group_length > step) {
        step = recipe->v.group_length;
    }
    c.plain += compressed % step;
    compressed -= compressed % step;
    c.regular = (uint32_t)floor((1.0 - recipe->salient_share) * (double)compressed + 1e-6);
    c.salient = compressed - c.regular;
    if (recipe->salient_share == 0.0 && recipe->k.regular == KVANT_CODEC_DROP) {
        c.regular = 0; /* there is nothing to do for what is evicted */
    }
    if (recipe->salient_share > 0.0 &&
        (recipe->score == KVANT_SCORE_ATTENTION || recipe->blend > 0.0)) {
        uint32_t rows = tokens - lesser(tokens, recipe->sinks);
        c.probes_recent = (uint32_t)(recipe->probes_recent * (double)rows + 1e-6);
        if (c.probes_recent < recipe->probes_newest) {
            c.probes_recent = recipe->probes_newest;
        }
        c.probes_recent = lesser(rows, c.probes_recent);
        c.probes_random =
            lesser(rows - c.probes_recent, (uint32_t)(recipe->probes_random * (double)rows + 1e-6));
        if (c.probes_recent + c.probes_random == 0u) {
            c.probes_recent = 1;
        }
    }
    return c;
}

static uint64_t bits_of(kvant_codec codec)
{
    return codec == KVANT_CODEC_INT8_SYMMETRIC                      ? 8u
           : codec == KVANT_CODEC_F16                               ? 16u
           : codec == KVANT_CODEC_NONE || codec == KVANT_CODEC_DROP ? 0u
           : codec >= KVANT_CODEC_NUQ2                              ? 2u
           : codec >= KVANT_CODEC_NF4                               ? 4u
                                                                    : (uint64_t)codec;
}

/* Codes and parameters (4 bytes a group) of `tokens` tokens of one tensor in one class. */
static uint64_t class_bytes(const kvant_tensor_rule *rule, kvant_codec codec, uint64_t tokens,
                            uint64_t heads, uint64_t dim)
{
    if (tokens == 0u || codec == KVANT_CODEC_DROP) {
        return 0;
    }
    uint64_t bytes = tokens * heads * dim * bits_of(codec) / 8u;
    uint64_t length = rule->group_length != 0u ? rule->group_length : 1u;
    if (codec == KVANT_CODEC_F16) {
        return bytes;
    }
    switch (rule->grouping) {
    case KVANT_GROUPING_TOKEN:
        return bytes + 4u * tokens;
    case KVANT_GROUPING_TOKEN_HEAD:
        return bytes + 4u * tokens * heads;
    case KVANT_GROUPING_TOKEN_CHANNELS:
        return bytes + 4u * tokens * heads * ((dim + length - 1u) / length);
    case KVANT_GROUPING_CHANNEL_TOKENS:
        return bytes + 4u * heads * dim * ((tokens + length - 1u) / length);
    default:
        return bytes + 4u * heads * dim;
    }
}

static uint64_t tensor_bytes(const kvant_tensor_rule *rule, const bench_classes *c, uint64_t heads,
                             uint64_t dim)
{
    uint64_t bytes = 2u * (uint64_t)c->plain * heads * dim;
    bytes += class_bytes(rule, rule->salient, c->salient, heads, dim);
    bytes += class_bytes(rule, rule->regular, c->regular, heads, dim);
    int is_scaled =
        rule->transform == KVANT_TRANSFORM_CST || rule->transform == KVANT_TRANSFORM_SMOOTH;
    if (is_scaled && c->salient + c->regular != 0u) {
        bytes += 2u * heads * dim;
    }
    return bytes;
}

uint64_t bench_stored_bytes(const kvant_recipe *recipe, const bench_shape *shape)
{
    bench_classes c = bench_classes_of(recipe, shape->tokens);
    uint64_t bytes = tensor_bytes(&recipe->k, &c, shape->kv_heads, shape->k_dim) +
                     tensor_bytes(&recipe->v, &c, shape->kv_heads, shape->v_dim);
    if (c.salient != 0u) { /* classes are stored apart: each token's position */
        bytes += recipe->k.salient != KVANT_CODEC_DROP ? 4u * (uint64_t)c.salient : 0u;
        bytes += recipe->k.regular != KVANT_CODEC_DROP ? 4u * (uint64_t)c.regular : 0u;
    }
    return bytes;
}

/* ---- per operation, one sequence ----------------------------------------------------------- */

static uint64_t kv_bytes(const bench_shape *s)
{
    return 2u * (uint64_t)s->tokens * s->kv_heads * ((uint64_t)s->k_dim + s->v_dim);
}

static uint64_t k_bytes(const bench_shape *s)
{
    return 2u * (uint64_t)s->tokens * s->kv_heads * s->k_dim;
}

static uint64_t row_bytes(const bench_shape *s) /* a query and its output */
{
    return 2u * (uint64_t)s->q_heads * ((uint64_t)s->k_dim + s->v_dim);
}

static uint64_t map_count(const kvant_recipe *recipe, const bench_shape *s)
{
    return recipe->heads == KVANT_HEADS_GROUP ? s->kv_heads : 1u;
}

uint64_t bench_quantize_bytes(const kvant_recipe *recipe, const bench_shape *s)
{
    bench_classes c = bench_classes_of(recipe, s->tokens);
    uint64_t bytes = kv_bytes(s) + bench_stored_bytes(recipe, s);
    if (c.plain != s->tokens) { /* tokens that stay f16 are not touched */
        bytes -= 4u * (uint64_t)c.plain * s->kv_heads * ((uint64_t)s->k_dim + s->v_dim);
    }
    return bytes;
}

uint64_t bench_saliency_bytes(const kvant_recipe *recipe, const bench_shape *s)
{
    bench_classes c = bench_classes_of(recipe, s->tokens);
    uint64_t probes = (uint64_t)c.probes_random + c.probes_recent;
    return k_bytes(s) + probes * 2u * s->q_heads * s->k_dim + 4u * map_count(recipe, s) * s->tokens;
}

uint64_t bench_range_bytes(const kvant_recipe *recipe, const bench_shape *s)
{
    return k_bytes(s) + 4u * map_count(recipe, s) * s->tokens;
}

/* Scores are read, positions are written. */
uint64_t bench_select_bytes(const kvant_recipe *recipe, const bench_shape *s)
{
    return 8u * map_count(recipe, s) * s->tokens;
}

uint64_t bench_attention_bytes(const kvant_recipe *recipe, const bench_shape *s)
{
    return bench_stored_bytes(recipe, s) + row_bytes(s);
}

uint64_t bench_prompt_attention_bytes(const kvant_recipe *recipe, const bench_shape *s)
{
    (void)recipe;
    return kv_bytes(s) + s->tokens * row_bytes(s);
}

/* K and V are read once more, and the probe rows of a recipe that judges. */
uint64_t bench_compress_bytes(const kvant_recipe *recipe, const bench_shape *s)
{
    bench_classes c = bench_classes_of(recipe, s->tokens);
    uint64_t probes = (uint64_t)c.probes_random + c.probes_recent;
    return kv_bytes(s) + probes * 2u * s->q_heads * s->k_dim + bench_stored_bytes(recipe, s);
}

uint64_t bench_prefill_bytes(const kvant_recipe *recipe, const bench_shape *s)
{
    return bench_prompt_attention_bytes(recipe, s) + kv_bytes(s) + bench_stored_bytes(recipe, s);
}

/* Attention with half a period more in the window than must be there, the new token, and the
 * compression of one token as a mean. */
uint64_t bench_step_bytes(const kvant_recipe *recipe, const bench_shape *s)
{
    kvant_recipe mean = *recipe;
    bench_shape one = *s;
    one.tokens = 1;
    uint64_t token = kv_bytes(&one);
    uint64_t bytes = 2u * token;
    if (!is_plain(recipe)) {
        uint64_t codes = (bench_stored_bytes(recipe, s) + s->tokens - 1u) / s->tokens;
        bytes += token + codes;
        mean.window += recipe->period / 2u;
    }
    return bytes + bench_attention_bytes(&mean, s);
}

double bench_elements(const bench_shape *s)
{
    return (double)kv_bytes(s) / 2.0;
}

double bench_tokens(const bench_shape *s)
{
    return (double)s->tokens;
}

double bench_attention_work(const bench_shape *s)
{
    return (double)s->tokens * (double)row_bytes(s) / 2.0;
}

double bench_prompt_work(const bench_shape *s)
{
    return ((double)s->tokens + 1.0) / 2.0 * bench_attention_work(s); /* each row sees its past */
}
