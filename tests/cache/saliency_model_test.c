/* SPDX-License-Identifier: MIT
 *
 * Does the integer saliency choose the tokens that double precision chooses? On the K and Q of real
 * models: the one of models/, and stories260K where KVANT_MODELS names its folder. The figure is
 * printed; less than 99 % fails.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "kvant/kvant.h"
#include "model_run.h"
#include "reference.h"

#define SHARE 0.6

/* What the transformer's layers ask of attention, kept for later. */
typedef struct {
    const checkpoint_shape *shape;
    uint32_t tokens;
    float *q; /* [layer][token][head][dim] */
    float *k;
    float *v;
} recording;

/* Plain causal attention; the prompt comes as one batch. */
static int attend(void *self, uint32_t layer, uint32_t first, uint32_t tokens, const float *q,
                  const float *k, const float *v, float *out, tool_error *error)
{
    (void)first;
    (void)error;
    recording *r = self;
    const checkpoint_shape *s = r->shape;
    size_t q_row = (size_t)s->heads * s->head_dim;
    size_t k_row = (size_t)s->kv_heads * s->head_dim;
    memcpy(r->q + layer * tokens * q_row, q, tokens * q_row * sizeof *q);
    memcpy(r->k + layer * tokens * k_row, k, tokens * k_row * sizeof *k);
    double *weights = calloc(tokens, sizeof *weights);
    assert_non_null(weights);
    for (uint32_t t = 0; t < tokens; t++) {
        for (uint32_t head = 0; head < s->heads; head++) {
            const float *query = q + t * q_row + head * s->head_dim;
            size_t kv = head / (s->heads / s->kv_heads) * s->head_dim;
            double sum = 0.0;
            for (uint32_t j = 0; j <= t; j++) {
                double dot = 0.0;
                for (uint32_t c = 0; c < s->head_dim; c++) {
                    dot += (double)query[c] * (double)k[j * k_row + kv + c];
                }
                weights[j] = exp(dot / sqrt((double)s->head_dim));
                sum += weights[j];
            }
            for (uint32_t c = 0; c < s->head_dim; c++) {
                double value = 0.0;
                for (uint32_t j = 0; j <= t; j++) {
                    value += weights[j] * (double)v[j * k_row + kv + c];
                }
                out[t * q_row + head * s->head_dim + c] = (float)(value / sum);
            }
        }
    }
    free(weights);
    return 0;
}

/* Scores of one layer in double precision: mean probability over the probe rows that see a token, summed
 * over the heads. */
static void scores_in_double(const recording *r, uint32_t layer, const uint32_t *probes,
                             uint32_t probe_count, double *scores)
{
    const checkpoint_shape *s = r->shape;
    size_t q_row = (size_t)s->heads * s->head_dim;
    size_t k_row = (size_t)s->kv_heads * s->head_dim;
    const float *q = r->q + layer * r->tokens * q_row;
    const float *k = r->k + layer * r->tokens * k_row;
    double *row = calloc(r->tokens, sizeof *row);
    uint32_t *seen = calloc(r->tokens, sizeof *seen);
    assert_non_null(row);
    assert_non_null(seen);
    memset(scores, 0, r->tokens * sizeof *scores);
    for (uint32_t p = 0; p < probe_count; p++) {
        for (uint32_t head = 0; head < s->heads; head++) {
            size_t kv = head / (s->heads / s->kv_heads) * s->head_dim;
            double largest = -1e300;
            double sum = 0.0;
            for (uint32_t j = 0; j <= probes[p]; j++) {
                row[j] = 0.0;
                for (uint32_t c = 0; c < s->head_dim; c++) {
                    row[j] += (double)q[probes[p] * q_row + head * s->head_dim + c] *
                              (double)k[j * k_row + kv + c];
                }
                row[j] /= sqrt((double)s->head_dim);
                largest = fmax(largest, row[j]);
            }
            for (uint32_t j = 0; j <= probes[p]; j++) {
                row[j] = exp(row[j] - largest);
                sum += row[j];
            }
            for (uint32_t j = 0; j <= probes[p]; j++) {
                scores[j] += row[j] / sum;
            }
        }
        for (uint32_t j = 0; j <= probes[p]; j++) {
            seen[j]++;
        }
    }
    for (uint32_t j = 0; j < r->tokens; j++) {
        scores[j] /= seen[j];
    }
    free(row);
    free(seen);
}

typedef struct {
    double score;
    uint32_t token;
} judged;

static int by_score(const void *a, const void *b)
{
    const judged *x = a;
    const judged *y = b;
    if (x->score != y->score) {
        return x->score > y->score ? -1 : 1;
    }
    return x->token > y->token ? -1 : 1; /* ties go to the later token */
}

static kvant_tensor upload(kvant_context *context, const float *values, size_t count)
{
    kvant_tensor t = {.dtype = KVANT_F32};
    assert_int_equal(kvant_buffer_create(context, count * 4, &t.buffer), KVANT_OK);
    assert_int_equal(kvant_buffer_write(t.buffer, 0, values, count * 4), KVANT_OK);
    return t;
}

/* The largest less the smallest number of K of each token, over all KV heads. */
static void ranges_in_double(const recording *r, uint32_t layer, double *scores)
{
    size_t row = (size_t)r->shape->kv_heads * r->shape->head_dim;
    for (uint32_t j = 0; j < r->tokens; j++) {
        const float *k = r->k + ((size_t)layer * r->tokens + j) * row;
        double low = (double)k[0];
        double high = low;
        for (size_t i = 1; i < row; i++) {
            low = fmin(low, (double)k[i]);
            high = fmax(high, (double)k[i]);
        }
        scores[j] = high - low;
    }
}

/* The tokens that the library selects by the scores at the start of a buffer; a list, ascending. */
static uint32_t *select_by(kvant_context *context, kvant_buffer *scores, uint32_t tokens,
                           uint32_t salient)
{
    kvant_select_desc select = KVANT_SELECT_DESC_INIT;
    select.scores = scores;
    select.tokens = tokens;
    select.salient = salient;
    select.regular_list = salient;
    assert_int_equal(kvant_buffer_create(context, tokens * 4, &select.lists), KVANT_OK);
    assert_int_equal(kvant_select(context, &select), KVANT_OK);
    uint32_t *list = calloc(salient, sizeof *list);
    assert_non_null(list);
    assert_int_equal(kvant_buffer_read(select.lists, 0, list, salient * 4), KVANT_OK);
    kvant_buffer_destroy(select.lists);
    return list;
}

static uint32_t *select_by_range(kvant_context *context, const recording *r, uint32_t layer,
                                 uint32_t salient)
{
    const checkpoint_shape *s = r->shape;
    size_t k_count = (size_t)r->tokens * s->kv_heads * s->head_dim;
    kvant_range_desc desc = KVANT_RANGE_DESC_INIT;
    desc.source = upload(context, r->k + layer * k_count, k_count);
    desc.tokens = r->tokens;
    desc.kv_heads = s->kv_heads;
    desc.dim = s->head_dim;
    assert_int_equal(kvant_buffer_create(context, kvant_range_scratch_bytes(&desc), &desc.scratch),
                     KVANT_OK);
    assert_int_equal(kvant_buffer_create(context, r->tokens * 4, &desc.scores), KVANT_OK);
    assert_int_equal(kvant_range(context, &desc), KVANT_OK);
    uint32_t *list = select_by(context, desc.scores, r->tokens, salient);
    kvant_buffer_destroy(desc.source.buffer);
    kvant_buffer_destroy(desc.scratch);
    kvant_buffer_destroy(desc.scores);
    return list;
}

/* The tokens that the library selects by attention; a list, ascending. */
static uint32_t *select_on(kvant_context *context, const recording *r, uint32_t layer,
                           uint32_t random, uint32_t recent, uint32_t salient)
{
    const checkpoint_shape *s = r->shape;
    size_t q_count = (size_t)r->tokens * s->heads * s->head_dim;
    size_t k_count = (size_t)r->tokens * s->kv_heads * s->head_dim;
    kvant_saliency_desc desc = KVANT_SALIENCY_DESC_INIT;
    desc.queries = upload(context, r->q + layer * q_count, q_count);
    desc.keys = upload(context, r->k + layer * k_count, k_count);
    desc.tokens = r->tokens;
    desc.q_heads = s->heads;
    desc.kv_heads = s->kv_heads;
    desc.dim = s->head_dim;
    desc.probes_random = random;
    desc.probes_recent = recent;
    desc.layer = layer;
    assert_int_equal(
        kvant_buffer_create(context, kvant_saliency_scratch_bytes(&desc), &desc.scratch), KVANT_OK);
    assert_int_equal(kvant_buffer_create(context, r->tokens * 4, &desc.scores), KVANT_OK);
    assert_int_equal(kvant_saliency(context, &desc), KVANT_OK);
    uint32_t *list = select_by(context, desc.scores, r->tokens, salient);
    kvant_buffer_destroy(desc.queries.buffer);
    kvant_buffer_destroy(desc.keys.buffer);
    kvant_buffer_destroy(desc.scratch);
    kvant_buffer_destroy(desc.scores);
    return list;
}

/* Of the listed tokens, those among the `salient` largest scores. */
static uint32_t common(const double *scores, uint32_t tokens, const uint32_t *list,
                       uint32_t salient)
{
    judged *order = calloc(tokens, sizeof *order);
    char *chosen = calloc(tokens, 1);
    assert_true(order != NULL && chosen != NULL);
    for (uint32_t j = 0; j < tokens; j++) {
        order[j] = (judged){scores[j], j};
    }
    qsort(order, tokens, sizeof *order, by_score);
    for (uint32_t j = 0; j < salient; j++) {
        chosen[order[j].token] = 1;
    }
    uint32_t both = 0;
    for (uint32_t j = 0; j < salient; j++) {
        both += chosen[list[j]] != 0 ? 1u : 0u;
    }
    free(order);
    free(chosen);
    return both;
}

/* Selected tokens that double precision selects too, by attention and by range. */
typedef struct {
    uint64_t attention;
    uint64_t range;
    uint64_t all;
} agreement;

static void judge_layer(kvant_context *context, const recording *r, uint32_t layer,
                        uint32_t salient, agreement *total)
{
    uint32_t recent = r->tokens / 20;
    uint32_t random = r->tokens / 20;
    kv_probe_rows_params rows = {
        .rows = r->tokens, .random = random, .recent = recent, .layer = layer};
    uint32_t *probes = calloc(random + recent, sizeof *probes);
    double *scores = calloc(r->tokens, sizeof *scores);
    assert_true(probes != NULL && scores != NULL);
    kv_u32 *bindings[1] = {probes};
    kvant_ref_probe_rows(&rows, bindings);
    scores_in_double(r, layer, probes, random + recent, scores);
    uint32_t *list = select_on(context, r, layer, random, recent, salient);
    total->attention += common(scores, r->tokens, list, salient);
    free(list);
    ranges_in_double(r, layer, scores);
    list = select_by_range(context, r, layer, salient);
    total->range += common(scores, r->tokens, list, salient);
    total->all += salient;
    free(list);
    free(probes);
    free(scores);
}

static void record(const checkpoint *model, const uint32_t *tokens, uint32_t count, recording *r)
{
    tool_error error = {0};
    transformer engine;
    const checkpoint_shape *s = &model->shape;
    *r = (recording){.shape = s, .tokens = count};
    r->q = calloc((size_t)s->layers * count * s->heads * s->head_dim, sizeof(float));
    r->k = calloc((size_t)s->layers * count * s->kv_heads * s->head_dim, sizeof(float));
    float *logits = calloc(s->vocab_size, sizeof *logits);
    assert_true(r->q != NULL && r->k != NULL && logits != NULL);
    attention_port port = {attend, r};
    assert_int_equal(transformer_create(model, count, &engine, &error), 0);
    assert_int_equal(transformer_forward(&engine, &port, tokens, 0, count, logits, &error), 0);
    transformer_release(&engine);
    free(logits);
}

/* Adds one text's agreement to the totals. */
static void judge_text(kvant_context *context, const checkpoint *model, const uint32_t *tokens,
                       uint32_t count, agreement *total)
{
    recording r;
    record(model, tokens, count, &r);
    uint32_t salient = count - (uint32_t)(count * (1.0 - SHARE));
    for (uint32_t layer = 0; layer < model->shape.layers; layer++) {
        judge_layer(context, &r, layer, salient, total);
    }
    free(r.q);
    free(r.k);
}

static kvant_context *open_host(void)
{
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = "host";
    kvant_context *context = NULL;
    assert_int_equal(kvant_context_create(&desc, &context), KVANT_OK);
    return context;
}

static void report(const char *name, const agreement *total)
{
    double all = (double)total->all;
    print_message(
        "%s: of %llu selected tokens agree with double precision: by attention %.3f %%, by "
        "range %.3f %%\n",
        name, (unsigned long long)total->all, 100.0 * (double)total->attention / all,
        100.0 * (double)total->range / all);
    assert_true((double)total->attention >= 0.99 * all);
    assert_true((double)total->range >= 0.99 * all);
}

static void retrieval_model(void **state)
{
    (void)state;
    checkpoint model;
    tokenizer words;
    case_list cases;
    tool_error error = {0};
    assert_int_equal(checkpoint_load(KVANT_SOURCE_DIR "/models/retrieval.bin", &model, &error), 0);
    assert_int_equal(tokenizer_load(KVANT_SOURCE_DIR "/models/retrieval_tok.bin",
                                    model.shape.vocab_size, &words, &error),
                     0);
    assert_int_equal(case_list_load(KVANT_SOURCE_DIR "/models/retrieval_cases.json", &words,
                                    model.shape.seq_len, &cases, &error),
                     0);
    kvant_context *context = open_host();
    agreement total = {0, 0, 0};
    for (size_t i = 0; i < cases.count && i < 8; i++) {
        judge_text(context, &model, cases.cases[i].tokens, cases.cases[i].count, &total);
    }
    report("models/retrieval.bin", &total);
    kvant_context_destroy(context);
    case_list_release(&cases);
    tokenizer_release(&words);
    checkpoint_release(&model);
}

static const char story[] =
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. "
    "One day, she saw a big, red ball. She wanted to play with it, but it was too high.\n"
    "Lily's mom said, \"Lily, let's go to the park.\" Lily was sad and didn't know what to do. She "
    "said, \"I want to play with your ball, but I can't find it.\"\n"
    "Lily was sad and didn't know what to do. She said, \"I'm sorry, Lily. I didn't know what to "
    "do.\"\nLily didn't want to help her mom, so she said, \"I'm sorry, mom. I didn't know what to "
    "do.\" Her mom said, \"Don't worry, Lily. We can help you.";

static void stories_model(void **state)
{
    (void)state;
    const char *folder = getenv("KVANT_MODELS");
    char path[2][512];
    snprintf(path[0], sizeof path[0], "%s/stories260K.bin",
             folder != NULL ? folder : KVANT_SOURCE_DIR "/../shared/models");
    snprintf(path[1], sizeof path[1], "%s/tok512.bin",
             folder != NULL ? folder : KVANT_SOURCE_DIR "/../shared/models");
    checkpoint model;
    tokenizer words;
    tool_error error = {0};
    if (checkpoint_load(path[0], &model, &error) != 0) {
        print_message("skipped stories260K: it is not there (set KVANT_MODELS to its folder)\n");
        skip();
    }
    assert_int_equal(tokenizer_load(path[1], model.shape.vocab_size, &words, &error), 0);
    uint32_t *tokens = NULL;
    uint32_t count = 0;
    assert_int_equal(tokenizer_encode(&words, story, &tokens, &count, &error), 0);
    kvant_context *context = open_host();
    agreement total = {0, 0, 0};
    judge_text(context, &model, tokens, count, &total);
    report("stories260K", &total);
    kvant_context_destroy(context);
    free(tokens);
    tokenizer_release(&words);
    checkpoint_release(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retrieval_model),
        cmocka_unit_test(stories_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
