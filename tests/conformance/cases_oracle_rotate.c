/* SPDX-License-Identifier: MIT
 *
 * Oracle cases of rotate: every element against its row of the matrix in double precision,
 *   y[i] = sum over j of the block of (-1)^(bits that i and j share) sign[j] x[j] / sqrt(block),
 * and back again. Signs come from the published generator.
 */
#include "cases.h"
#include "oracle.h"

/* Each of log2(block) sums and the product by a rounded constant round by 2^-24 of at most what they
 * add up to, which is below the sum of the magnitudes over the root of the block. */
#define STEP_BOUND 0x1p-24

typedef struct {
    uint32_t dim;
    kv_u32 dtype;
    kvant_input_kind kind;
} rotate_oracle_case;

enum { TOKENS = 9, HEADS = 3 };

static int parity(unsigned x)
{
    int odd = 0;
    for (; x != 0u; x >>= 1) {
        odd ^= (int)(x & 1u);
    }
    return odd;
}

static double sign_of(const kv_u32 signs[8], unsigned channel)
{
    return (signs[channel / 32u] >> channel % 32u & 1u) != 0u ? -1.0 : 1.0;
}

/* One element of a row's rotation, and the bound on its error. */
static double rotated(const double *x, const kv_u32 signs[8], int is_inverse, unsigned block,
                      unsigned channel, double *bound)
{
    unsigned first = channel - channel % block;
    double sum = 0.0;
    double magnitudes = 0.0;
    for (unsigned j = 0; j < block; j++) {
        double term = x[first + j] * (is_inverse ? 1.0 : sign_of(signs, first + j));
        sum += parity(channel % block & j) ? -term : term;
        magnitudes += fabs(term);
    }
    double stages = 1.0 + log2((double)block);
    *bound = (stages + 1.0) * STEP_BOUND * magnitudes / sqrt((double)block);
    return sum / sqrt((double)block) * (is_inverse ? sign_of(signs, channel) : 1.0);
}

static kvant_trial_buffer *launch(kvant_trial *t, const kv_rotate_params *p,
                                  kvant_trial_buffer *source, kvant_trial_buffer *target)
{
    kvant_trial_device_only(t, KVANT_KERNEL_rotate, p,
                            (kvant_trial_buffer *[]){source, source, target, source});
    return target;
}

static void run_rotate(kvant_trial *t, const void *data)
{
    const rotate_oracle_case *c = data;
    kvant_trial_buffer *source = kvant_trial_add_buffer(t);
    kvant_trial_buffer *there = kvant_trial_add_buffer(t);
    kvant_trial_buffer *back = kvant_trial_add_buffer(t);
    uint32_t elements = TOKENS * HEADS * c->dim;
    unsigned block = 8u;
    while (c->dim % (2u * block) == 0u) {
        block *= 2u;
    }
    kv_rotate_params p = {
        .tokens = TOKENS,
        .heads = HEADS,
        .dim = c->dim,
        .target_token_stride = HEADS * c->dim,
        .target_head_stride = c->dim,
        .target_dtype = KV_DTYPE_F32,
        .status_offset = KV_NO_OFFSET,
    };
    for (uint32_t i = 0; i < 8u; i++) {
        p.signs[i] = oracle_philox((const uint32_t[2]){7u, 0u}, (const uint32_t[4]){i, 0u, 0u, 1u});
    }
    p.source =
        kvant_add_tensor(t, source, KVANT_VIEW_PADDED, c->dtype, TOKENS, HEADS, c->dim, c->kind);
    p.target_offset = kvant_trial_region(t, there, elements);
    launch(t, &p, source, there);

    kv_rotate_params inverse = p;
    inverse.form = KV_ROTATE_INVERSE;
    inverse.source = (kv_view){.offset = p.target_offset,
                               .token_stride = HEADS * c->dim,
                               .head_stride = c->dim,
                               .channel_stride = 1u,
                               .dtype = KV_DTYPE_F32,
                               .wrap = KV_NO_OFFSET};
    inverse.target_offset = kvant_trial_region(t, back, elements);
    launch(t, &inverse, there, back);

    double worst = 0.0;
    for (uint32_t row = 0; row < TOKENS * HEADS; row++) {
        double x[256];
        double y[256];
        double y_in[256]; /* as the way back takes it */
        for (uint32_t i = 0; i < c->dim; i++) {
            uint32_t at = kv_view_index(&p.source, row / HEADS, row % HEADS, i);
            x[i] = oracle_query_value(oracle_element(source->words, at, c->dtype));
            y[i] = oracle_element(&there->words[p.target_offset], row * c->dim + i, 2u);
            y_in[i] = oracle_query_value(y[i]);
        }
        for (uint32_t i = 0; i < c->dim; i++) {
            double forth_bound;
            double back_bound;
            double forth = rotated(x, p.signs, 0, block, i, &forth_bound);
            double home = rotated(y_in, p.signs, 1, block, i, &back_bound);
            double z = oracle_element(&back->words[inverse.target_offset], row * c->dim + i, 2u);
            if (fabs(y[i] - forth) > forth_bound || fabs(z - home) > back_bound) {
                kvant_trial_fail(t,
                                 "row %u, channel %u: %.9g became %.9g (not %.9g), then %.9g "
                                 "(not %.9g)",
                                 row, i, x[i], y[i], forth, z, home);
            }
            worst = fmax(worst, forth_bound > 0.0 ? fabs(y[i] - forth) / forth_bound : 0.0);
        }
    }
    kvant_trial_measure(t, "of its bound", worst, KVANT_AT_MOST, 1.0);
    t->words += 2u * elements;
}

void kvant_cases_oracle_rotate(kvant_case_sink *sink)
{
    static const rotate_oracle_case cases[] = {
        {8u, 0u, KVANT_INPUT_GAUSSIAN},   {16u, 2u, KVANT_INPUT_GAUSSIAN},
        {32u, 1u, KVANT_INPUT_GAUSSIAN},  {64u, 0u, KVANT_INPUT_OUTLIERS},
        {96u, 2u, KVANT_INPUT_OUTLIERS},  {128u, 2u, KVANT_INPUT_HUGE_SCALE},
        {128u, 0u, KVANT_INPUT_SPECIAL},  {248u, 0u, KVANT_INPUT_TINY_SCALE},
        {256u, 2u, KVANT_INPUT_GAUSSIAN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kvant_emit(sink, i % 3u == 2u, run_rotate, &cases[i], "oracle/rotate/%s/%s/dim%u",
                   kvant_dtype_name(cases[i].dtype), kvant_input_name(cases[i].kind), cases[i].dim);
    }
}
