/* SPDX-License-Identifier: MIT
 *
 * Sums over a window, in double precision, and the features made of them.
 */
#include "fingerprint_features.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler.h"

/* So far below 1 that nothing measured comes near it: what no error gives instead of minus
 * infinity. */
#define NOTHING 1e-18

typedef struct {
    double power; /* b.b */
    double along; /* b.e */
    double error; /* e.e */
} products;

struct fingerprint_sums {
    uint32_t vocab_size;
    uint32_t layers;
    uint32_t heads;
    uint32_t head_dim;
    uint32_t steps;
    uint32_t logit_steps;
    uint32_t output_steps;
    products logits;
    double entropy;
    double divergence;
    uint32_t flips;
    double logit_halves[2]; /* error's power over f16's, of each half of the window */
    double offset;
    double token_pairs;
    double channel_pairs;
    double output_halves[2];
    products *outputs; /* [layers] */
    double *before;    /* [layers][heads][head_dim]: the last token's error */
};

size_t fingerprint_feature_count(uint32_t layers)
{
    return FINGERPRINT_PLAIN_COUNT + 2u * (size_t)layers;
}

void fingerprint_feature_name(size_t feature, char *out_name, size_t size)
{
    static const char *const plain[FINGERPRINT_PLAIN_COUNT] = {
        "logit slope",  "logit residual", "entropy",        "divergence",       "flips",
        "logit growth", "output offset",  "output, tokens", "output, channels", "output growth"};
    if (feature < FINGERPRINT_PLAIN_COUNT) {
        snprintf(out_name, size, "%s", plain[feature]);
    } else {
        size_t at = feature - FINGERPRINT_PLAIN_COUNT;
        snprintf(out_name, size, "layer %zu %s", at / 2u, at % 2u == 0u ? "slope" : "error");
    }
}

fingerprint_sums *fingerprint_sums_create(uint32_t vocab_size, uint32_t layers, uint32_t heads,
                                          uint32_t head_dim, uint32_t steps, tool_error *error)
{
    fingerprint_sums *s = calloc(1, sizeof *s);
    if (s == NULL) {
        tool_error_memory(error);
        return NULL;
    }
    s->vocab_size = vocab_size;
    s->layers = layers;
    s->heads = heads;
    s->head_dim = head_dim;
    s->steps = steps;
    s->outputs = calloc(layers, sizeof *s->outputs);
    s->before = calloc((size_t)layers * heads * head_dim, sizeof *s->before);
    if (s->outputs == NULL || s->before == NULL) {
        fingerprint_sums_release(s);
        tool_error_memory(error);
        return NULL;
    }
    return s;
}

void fingerprint_sums_release(fingerprint_sums *s)
{
    if (s != NULL) {
        free(s->outputs);
        free(s->before);
        free(s);
    }
}

void fingerprint_sums_reset(fingerprint_sums *s)
{
    fingerprint_sums kept = *s;
    memset(s, 0, sizeof *s);
    s->vocab_size = kept.vocab_size;
    s->layers = kept.layers;
    s->heads = kept.heads;
    s->head_dim = kept.head_dim;
    s->steps = kept.steps;
    s->outputs = kept.outputs;
    s->before = kept.before;
    memset(s->outputs, 0, s->layers * sizeof *s->outputs);
    memset(s->before, 0, (size_t)s->layers * s->heads * s->head_dim * sizeof *s->before);
}

/* ---- logits -------------------------------------------------------------------------------- */

typedef struct {
    double mean;
    double log_sum;
    double entropy;
} distribution;

static distribution distribution_of(const float *logits, uint32_t count)
{
    distribution d = {0.0, 0.0, 0.0};
    double largest = (double)logits[sampler_most_likely(logits, count)];
    double sum = 0.0;
    double weighted = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        double above = (double)logits[i] - largest;
        double weight = exp(above);
        d.mean += (double)logits[i];
        sum += weight;
        weighted += weight * above;
    }
    d.mean /= (double)count;
    /* cppcheck-suppress invalidFunctionArg ; the largest logit alone makes the sum 1 or more */
    d.log_sum = largest + log(sum);
    d.entropy = d.log_sum - largest - weighted / sum;
    return d;
}

int fingerprint_add_logits(fingerprint_sums *s, const float *base, const float *logits,
                           tool_error *error)
{
    distribution p = distribution_of(base, s->vocab_size);
    distribution q = distribution_of(logits, s->vocab_size);
    products sums = {0.0, 0.0, 0.0};
    double divergence = 0.0;
    for (uint32_t i = 0; i < s->vocab_size; i++) {
        double z = (double)base[i] - p.mean;
        double e = (double)logits[i] - q.mean - z;
        sums.power += z * z;
        sums.along += z * e;
        sums.error += e * e;
        double log_p = (double)base[i] - p.log_sum;
        divergence += exp(log_p) * (log_p - ((double)logits[i] - q.log_sum));
    }
    if (!isfinite(divergence)) {
        return tool_error_input(error,
                                "the model's logits are not finite: its weights are too large");
    }
    s->logits.power += sums.power;
    s->logits.along += sums.along;
    s->logits.error += sums.error;
    s->logit_halves[2u * s->logit_steps >= s->steps] += sums.error;
    s->logit_steps++;
    s->entropy += q.entropy - p.entropy;
    s->divergence += divergence > 0.0 ? divergence : 0.0; /* below 0 is rounding alone */
    s->flips +=
        sampler_most_likely(base, s->vocab_size) != sampler_most_likely(logits, s->vocab_size);
    return 0;
}

/* ---- the attention's output ---------------------------------------------------------------- */

static void add_head(fingerprint_sums *s, products *sums, double *before, const float *base,
                     const float *out)
{
    double sum = 0.0;
    double last = 0.0;
    for (uint32_t i = 0; i < s->head_dim; i++) {
        double b = (double)base[i];
        double e = (double)out[i] - b;
        sums->power += b * b;
        sums->along += b * e;
        sums->error += e * e;
        s->token_pairs += e * before[i];
        s->channel_pairs += e * last;
        before[i] = e;
        last = e;
        sum += e;
    }
    s->offset += sum * sum / (double)s->head_dim;
}

void fingerprint_add_output(fingerprint_sums *s, uint32_t layer, const float *base,
                            const float *out)
{
    products *sums = &s->outputs[layer];
    double error_before = sums->error;
    for (uint32_t head = 0; head < s->heads; head++) {
        size_t at = (size_t)head * s->head_dim;
        double *before = s->before + (size_t)layer * s->heads * s->head_dim + at;
        add_head(s, sums, before, base + at, out + at);
    }
    s->output_halves[2u * s->output_steps >= s->steps] += sums->error - error_before;
    s->output_steps += layer + 1u == s->layers;
}

/* ---- features ------------------------------------------------------------------------------ */

static double share(double part, double whole)
{
    return whole > 0.0 ? part / whole : 0.0;
}

static double log_share(double part, double whole)
{
    return log10(fmax(share(part, whole), NOTHING));
}

/* What is left of e when the best multiple of b is taken out. */
static double residual(const products *p)
{
    return p->error - share(p->along * p->along, p->power);
}

static double growth(const double halves[2])
{
    return halves[0] > 0.0 && halves[1] > 0.0 ? log10(halves[1] / halves[0]) : 0.0;
}

void fingerprint_features(const fingerprint_sums *s, double *out_features)
{
    double *f = out_features;
    double error = 0.0;
    for (uint32_t layer = 0; layer < s->layers; layer++) {
        const products *p = &s->outputs[layer];
        f[FINGERPRINT_PLAIN_COUNT + 2u * layer] = share(p->along, p->power);
        f[FINGERPRINT_PLAIN_COUNT + 2u * layer + 1u] = log_share(p->error, p->power);
        error += p->error;
    }
    f[FINGERPRINT_LOGIT_SLOPE] = share(s->logits.along, s->logits.power);
    f[FINGERPRINT_LOGIT_RESIDUAL] = log_share(residual(&s->logits), s->logits.power);
    f[FINGERPRINT_ENTROPY] = share(s->entropy, s->logit_steps);
    f[FINGERPRINT_KLD] = log_share(s->divergence, s->logit_steps);
    f[FINGERPRINT_FLIPS] = share(s->flips, s->logit_steps);
    f[FINGERPRINT_LOGIT_GROWTH] = growth(s->logit_halves);
    f[FINGERPRINT_OFFSET] = share(s->offset, error);
    f[FINGERPRINT_TOKENS] = share(s->token_pairs, error);
    f[FINGERPRINT_CHANNELS] = share(s->channel_pairs, error);
    f[FINGERPRINT_OUTPUT_GROWTH] = growth(s->output_halves);
}
