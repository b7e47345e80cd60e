/* SPDX-License-Identifier: MIT
 *
 * The driver of the whole-cache cases and what it feeds.
 */
#include "fixture_scenario.h"

#include <math.h>
#include <stdlib.h>

#include "../support/kept_tokens.h"
#include "../support/literal_model.h"
#include "../support/noise.h"
#include "oracle.h"

/* ---- numbers ------------------------------------------------------------------------------- */

/* Which of the sequences' two lives, and which layer, the numbers are for. */
typedef struct {
    const kvant_scenario *scenario;
    const float *const *numbers; /* of K, V, Q */
    uint32_t layer;
    uint32_t life;
    const unsigned char *kept; /* of all sequences at this time; NULL: every token */
} stream;

static uint32_t heads_of(const kvant_scenario *s, int tensor)
{
    return tensor == LITERAL_Q ? s->q_heads : s->kv_heads;
}

static uint32_t dim_of(const kvant_scenario *s, int tensor)
{
    if (tensor == LITERAL_Q && s->is_latent) {
        return s->v_dim + s->k_dim;
    }
    return tensor == LITERAL_V ? s->v_dim : s->k_dim;
}

static uint32_t tokens_of(const kvant_scenario *s)
{
    return s->prompt + s->steps * s->chunk;
}

#define NOISE_START UINT64_C(0x2545f4914f6cdd1d)

/* Numbers that every input type holds exactly: so the model sees what the cache was given. */
static float draw(const kvant_scenario *s, uint32_t tensor, const uint32_t of_token[7])
{
    const uint32_t head = of_token[5];
    const uint32_t channel = of_token[6];
    const uint32_t of_channel[7] = {9, of_token[1], of_token[2], 0, 0, head, channel};
    double x = noise_at(NOISE_START, of_token, 7);
    if (tensor == LITERAL_K) {
        x += noise_at(NOISE_START, of_channel, 7);
    }
    x = fmax(-7.9375, fmin(7.9375, round(x * 16.0) / 16.0));
    int is_outlier = tensor == LITERAL_K && (channel == 3u || channel == 5u);
    return (float)x * (is_outlier ? s->outliers : 1.0f);
}

/* [life][layer][sequence][token][head][channel] */
static size_t index_of(const stream *at, int tensor, uint32_t sequence, uint32_t token,
                       uint32_t head, uint32_t channel)
{
    const kvant_scenario *s = at->scenario;
    size_t i = ((size_t)at->life * s->layers + at->layer) * s->sequences + sequence;
    i = (i * tokens_of(s) + token) * heads_of(s, tensor) + head;
    return i * dim_of(s, tensor) + channel;
}

static double value_of(const void *self, literal_tensor tensor, uint32_t sequence, uint32_t token,
                       uint32_t head, uint32_t channel)
{
    const stream *at = self;
    return (double)at->numbers[tensor][index_of(at, (int)tensor, sequence, token, head, channel)];
}

/* Keys of the model are latents with their rotary keys behind them. */
static double latent_value_of(const void *self, literal_tensor tensor, uint32_t sequence,
                              uint32_t token, uint32_t head, uint32_t channel)
{
    const kvant_scenario *s = ((const stream *)self)->scenario;
    if (tensor == LITERAL_K && channel < s->v_dim) {
        tensor = LITERAL_V;
    } else if (tensor == LITERAL_K) {
        channel -= s->v_dim;
    }
    return value_of(self, tensor, sequence, token, head, channel);
}

static int is_kept(const void *self, uint32_t sequence, uint32_t kv_head, uint32_t token)
{
    const stream *at = self;
    const kvant_scenario *s = at->scenario;
    return at->kept[((size_t)sequence * s->kv_heads + kv_head) * tokens_of(s) + token] != 0;
}

void kvant_scenario_draw(kvant_trial *trial, const kvant_scenario *s, const float *numbers[3])
{
    for (uint32_t tensor = 0; tensor < 3u; tensor++) {
        const uint32_t extents[6] = {2,
                                     s->layers,
                                     s->sequences,
                                     tokens_of(s),
                                     heads_of(s, (int)tensor),
                                     dim_of(s, (int)tensor)};
        size_t count = 1;
        for (int i = 0; i < 6; i++) {
            count *= extents[i];
        }
        float *at = kvant_trial_memory(trial, count, sizeof *at);
        for (size_t i = 0; i < count; i++) {
            uint32_t coordinates[7] = {tensor};
            size_t rest = i;
            for (int j = 5; j >= 0; j--) {
                /* life and layer come second and third, as `draw` reads them */
                coordinates[j == 0 ? 2 : j == 1 ? 1 : j + 1] = (uint32_t)(rest % extents[j]);
                rest /= extents[j];
            }
            at[i] = draw(s, tensor, coordinates);
        }
        numbers[tensor] = at;
    }
}

/* ---- a run --------------------------------------------------------------------------------- */

typedef struct {
    kvant_trial *trial;
    kvant_context *context;
    kvant_cache *cache;
    const char *who;
    const kvant_scenario *scenario;
    const float *const *numbers;
    kvant_scenario_result *result;
    kvant_buffer *buffers[5]; /* K, V, Q, output, LSE: of the largest size that is needed */
    unsigned char *host;
} run;

static void end_run(run *r)
{
    kvant_cache_destroy(r->cache);
    for (int i = 0; i < 5; i++) {
        kvant_buffer_destroy(r->buffers[i]);
    }
    free(r->host);
}

static void expect(run *r, kvant_status status, const char *call)
{
    if (status != KVANT_OK) {
        char message[256];
        snprintf(message, sizeof message, "%s", kvant_last_message());
        end_run(r);
        kvant_trial_fail(r->trial, "%s: %s returned %s: %s", r->who, call,
                         kvant_status_name(status), message);
    }
}

static kvant_tensor send(run *r, const stream *at, literal_tensor tensor, uint32_t first_sequence,
                         uint32_t sequences, uint32_t first, uint32_t tokens)
{
    const kvant_scenario *s = r->scenario;
    size_t i = 0;
    for (uint32_t sequence = first_sequence; sequence < first_sequence + sequences; sequence++) {
        for (uint32_t token = first; token < first + tokens; token++) {
            for (uint32_t head = 0; head < heads_of(s, (int)tensor); head++) {
                for (uint32_t channel = 0; channel < dim_of(s, (int)tensor); channel++, i++) {
                    double x = value_of(at, tensor, sequence, token, head, channel);
                    float single = (float)x;
                    uint32_t bits;
                    memcpy(&bits, &single, 4);
                    uint16_t half =
                        (uint16_t)(s->dtype == KVANT_BF16 ? bits >> 16 : oracle_half_bits(x));
                    if (s->dtype == KVANT_F32) {
                        memcpy(&r->host[4u * i], &bits, 4);
                    } else {
                        memcpy(&r->host[2u * i], &half, 2);
                    }
                }
            }
        }
    }
    size_t bytes = (i * (s->dtype == KVANT_F32 ? 4u : 2u) + 3u) / 4u * 4u;
    expect(r, kvant_buffer_write(r->buffers[tensor], 0, r->host, bytes), "buffer_write");
    return (kvant_tensor){.buffer = r->buffers[tensor], .dtype = s->dtype};
}

static void begin_run(run *r)
{
    const kvant_scenario *s = r->scenario;
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    expect(r, kvant_recipe_parse(s->recipe, &desc.recipe), "recipe_parse");
    desc.layers = s->layers;
    desc.sequences = s->sequences;
    desc.q_heads = s->q_heads;
    desc.kv_heads = s->kv_heads;
    desc.k_dim = s->k_dim;
    desc.v_dim = s->v_dim;
    desc.prefill_tokens = s->prompt;
    desc.decode_tokens = s->steps * s->chunk;
    desc.max_queries = s->chunk;
    desc.scale = s->is_latent ? 1.0f / sqrtf((float)dim_of(s, LITERAL_Q)) : 0.0f; /* the model's */
    kvant_cache_bytes plan = KVANT_CACHE_BYTES_INIT;
    kvant_cache_bytes usage = KVANT_CACHE_BYTES_INIT;
    expect(r, kvant_cache_plan(&desc, &plan), "cache_plan");
    expect(r, kvant_cache_supports(r->context, &desc), "cache_supports");
    expect(r, kvant_cache_create(r->context, &desc, &r->cache), "cache_create");
    expect(r, kvant_cache_usage(r->cache, &usage), "cache_usage");
    if (plan.bytes != usage.bytes) {
        end_run(r);
        kvant_trial_fail(r->trial, "%s: planned %llu bytes, used %llu", r->who,
                         (unsigned long long)plan.bytes, (unsigned long long)usage.bytes);
    }

    size_t tokens = s->prompt > s->sequences * s->chunk ? s->prompt : s->sequences * s->chunk;
    uint32_t q_dim = dim_of(s, LITERAL_Q);
    size_t row = (size_t)s->q_heads * (q_dim > s->v_dim ? q_dim : s->v_dim);
    r->host = calloc(tokens * row + 1u, 4u);
    expect(r, r->host != NULL ? KVANT_OK : KVANT_ERROR_OUT_OF_HOST_MEMORY, "calloc");
    for (int i = 0; i < 5; i++) {
        expect(r, kvant_buffer_create(r->context, tokens * row * 4u, &r->buffers[i]),
               "buffer_create");
    }
}

static void prompt(run *r, const stream *at, uint32_t sequence)
{
    const kvant_scenario *s = r->scenario;
    if (s->prompt == 0u) {
        return;
    }
    kvant_tensor t[3];
    for (int i = 0; i < 3; i++) {
        t[i] = send(r, at, (literal_tensor)i, sequence, 1u, 0u, s->prompt);
    }
    expect(r, kvant_cache_prefill(r->cache, at->layer, sequence, s->prompt, &t[0], &t[1], &t[2]),
           "cache_prefill");
}

/* One step of one layer: append to each sequence, then attend to all of them at once. */
static void step(run *r, const stream *at, uint32_t sequences, uint32_t first)
{
    const kvant_scenario *s = r->scenario;
    for (uint32_t sequence = 0; sequence < sequences; sequence++) {
        kvant_tensor k = send(r, at, LITERAL_K, sequence, 1u, first, s->chunk);
        kvant_tensor v = send(r, at, LITERAL_V, sequence, 1u, first, s->chunk);
        expect(r, kvant_cache_append(r->cache, at->layer, sequence, s->chunk, &k, &v),
               "cache_append");
    }
    /* on request what append would do a token later, or nothing */
    expect(r, kvant_cache_compress(r->cache, at->layer, 0u), "cache_compress");
    kvant_tensor q = send(r, at, LITERAL_Q, 0u, sequences, first, s->chunk);
    kvant_tensor out = {.buffer = r->buffers[3], .dtype = KVANT_F32};
    expect(
        r,
        kvant_cache_attend(r->cache, at->layer, 0u, sequences, s->chunk, &q, &out, r->buffers[4]),
        "cache_attend");
    size_t rows = (size_t)sequences * s->chunk * s->q_heads;
    kvant_scenario_result *result = r->result;
    expect(
        r,
        kvant_buffer_read(r->buffers[3], 0, &result->outputs[result->count], rows * s->v_dim * 4u),
        "buffer_read");
    expect(r, kvant_buffer_read(r->buffers[4], 0, &result->lse[result->lse_count], rows * 4u),
           "buffer_read");
    result->count += rows * s->v_dim;
    result->lse_count += rows;
    size_t bits = (size_t)s->kv_heads * tokens_of(s);
    for (uint32_t sequence = 0; result->kept != NULL && sequence < sequences; sequence++) {
        expect(r,
               kept_tokens(r->cache, at->layer, sequence, tokens_of(s),
                           &result->kept[result->kept_count]),
               "kept_tokens");
        result->kept_count += bits;
    }
}

/* A life of the first `sequences` sequences in all layers. */
static void live(run *r, uint32_t life, uint32_t sequences)
{
    const kvant_scenario *s = r->scenario;
    for (uint32_t layer = 0; layer < s->layers; layer++) {
        stream at = {s, r->numbers, layer, life, NULL};
        for (uint32_t sequence = 0; sequence < sequences; sequence++) {
            prompt(r, &at, sequence);
        }
    }
    for (uint32_t i = 0; i < s->steps; i++) {
        for (uint32_t layer = 0; layer < s->layers; layer++) {
            stream at = {s, r->numbers, layer, life, NULL};
            step(r, &at, sequences, s->prompt + i * s->chunk);
        }
    }
}

/* Whether the recipe has a class whose tokens go. */
static int evicts(const kvant_scenario *s)
{
    kvant_recipe recipe;
    return kvant_recipe_parse(s->recipe, &recipe) == KVANT_OK &&
           (recipe.k.regular == KVANT_CODEC_DROP || recipe.k.salient == KVANT_CODEC_DROP ||
            recipe.layers[0].recipe != 0 || recipe.stream[0].heads != 0); /* some may */
}

void kvant_scenario_run(kvant_trial *trial, kvant_context *context, const char *who,
                        const kvant_scenario *s, const float *const numbers[3],
                        kvant_scenario_result *result)
{
    run r = {.trial = trial,
             .context = context,
             .who = who,
             .scenario = s,
             .numbers = numbers,
             .result = result};
    size_t rows = (size_t)s->steps * s->layers * (s->sequences + 1u) * s->chunk * s->q_heads;
    *result = (kvant_scenario_result){
        .outputs = kvant_trial_memory(trial, rows * s->v_dim, sizeof(float)),
        .lse = kvant_trial_memory(trial, rows, sizeof(float)),
    };
    begin_run(&r);
    if (evicts(s)) {
        size_t bits = (size_t)s->kv_heads * tokens_of(s);
        result->kept = kvant_trial_memory(
            trial, (size_t)s->steps * s->layers * (s->sequences + 1u) * bits, 1u);
    }
    live(&r, 0u, s->sequences);
    expect(&r, kvant_cache_digest(r.cache, &result->digests[0]), "cache_digest");
    uint32_t expected = tokens_of(s);
    uint32_t length = kvant_cache_length(r.cache, s->layers - 1u, s->sequences - 1u);
    /* the first sequence is emptied and lives again; the others stay as they are */
    expect(&r, kvant_cache_reset(r.cache, 0u), "cache_reset");
    uint32_t emptied = kvant_cache_length(r.cache, 0u, 0u);
    live(&r, 1u, 1u);
    expect(&r, kvant_cache_digest(r.cache, &result->digests[1]), "cache_digest");
    end_run(&r);
    if (length != expected || emptied != 0u) {
        kvant_trial_fail(trial, "%s: %u tokens instead of %u, %u after a reset", who, length,
                         expected, emptied);
    }
}

/* ---- the literal model --------------------------------------------------------------------- */

typedef struct {
    double error, power, lse;
    size_t output_at, lse_at;
} comparison;

/* One attend call of one layer. */
static void compare_step(const kvant_scenario *s, const stream *at, uint32_t sequences,
                         uint32_t first, const kvant_scenario_result *result, double *weights,
                         comparison *c)
{
    const literal_model model = {s->q_heads,
                                 s->kv_heads,
                                 dim_of(s, LITERAL_Q),
                                 s->v_dim,
                                 s->is_latent ? latent_value_of : value_of,
                                 at,
                                 at->kept != NULL ? is_kept : NULL};
    double expected[512];
    for (uint32_t sequence = 0; sequence < sequences; sequence++) {
        for (uint32_t row = 0; row < s->chunk; row++) {
            for (uint32_t head = 0; head < s->q_heads; head++) {
                double lse = literal_attend(&model, sequence, first + row, head, weights, expected);
                for (uint32_t channel = 0; channel < s->v_dim; channel++) {
                    double got = (double)result->outputs[c->output_at++];
                    c->error += (got - expected[channel]) * (got - expected[channel]);
                    c->power += expected[channel] * expected[channel];
                }
                size_t i = c->lse_at + ((size_t)sequence * s->q_heads + head) * s->chunk + row;
                c->lse = fmax(c->lse, fabs((double)result->lse[i] - lse));
            }
        }
    }
    c->lse_at += (size_t)sequences * s->q_heads * s->chunk;
}

double kvant_scenario_distance(kvant_trial *trial, const kvant_scenario *s,
                               const float *const numbers[3], const kvant_scenario_result *result,
                               double *out_lse)
{
    double *weights = kvant_trial_memory(trial, tokens_of(s), sizeof *weights);
    comparison c = {0};
    const unsigned char *kept = result->kept;
    for (uint32_t life = 0; life < 2u; life++) {
        for (uint32_t i = 0; i < s->steps; i++) {
            for (uint32_t layer = 0; layer < s->layers; layer++) {
                uint32_t sequences = life == 0u ? s->sequences : 1u;
                stream at = {s, numbers, layer, life, kept};
                compare_step(s, &at, sequences, s->prompt + i * s->chunk, result, weights, &c);
                kept += kept != NULL ? (size_t)sequences * s->kv_heads * tokens_of(s) : 0u;
            }
        }
    }
    *out_lse = c.lse;
    return c.error / c.power;
}
