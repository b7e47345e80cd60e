/* SPDX-License-Identifier: MIT
 *
 * Oracle cases of the quantizer: parameters, codes, channel scales and dequantized values of a whole
 * event, as the device computed them, against the formulas in double precision.
 *
 *   scale    |s - (max - min)/qmax| within its rounding to a half
 *   code     clamp(round((y - m)/s)) from the stored s and m, but for ties within fp32 rounding
 *   value    |y - (code s + m)| <= s/2 + what rounding s and m to halves can cut off at the ends
 *   level    no other level of a codebook is nearer to y/s, but for ties
 */
#include "cases.h"
#include "fixture_quantize.h"
#include "oracle.h"

typedef struct {
    const kvant_event *event;
    const kvant_event_plan *plan;
    oracle_tensor tensor;
    double *input;      /* [head][token][channel], as the quantizer sees it */
    double *low, *high; /* of each element's group */
} quantize_view;

static double *input_of(const quantize_view *v, unsigned head, unsigned token, unsigned channel)
{
    return &v->input[((size_t)head * v->event->tokens + token) * v->event->dim + channel];
}

/* The source through its strides, as finite halves. */
static void read_input(quantize_view *v)
{
    const kv_quantize_params *p = &v->plan->quantize;
    for (unsigned head = 0; head < p->heads; head++) {
        for (unsigned token = 0; token < p->tokens; token++) {
            unsigned row = token;
            if (p->indices_offset != KV_NO_OFFSET) {
                row = v->plan->store->words[p->indices_offset + head * p->indices_head + token] -
                      p->index_base;
            }
            row += p->source.first;
            row = row >= p->source.wrap ? row - p->source.wrap : row;
            for (unsigned channel = 0; channel < p->dim; channel++) {
                uint64_t at = p->source.offset + (uint64_t)row * p->source.token_stride +
                              head * p->source.head_stride + channel * p->source.channel_stride;
                *input_of(v, head, token, channel) =
                    oracle_cache_value(oracle_element(v->plan->source->words, at, p->source.dtype));
            }
        }
    }
}

/* c = half nearest to sqrt(largest magnitude) of each channel, 1 for a zero channel; x becomes x/c. */
static void check_channel_scales(kvant_trial *t, quantize_view *v)
{
    const kvant_event *e = v->event;
    for (unsigned head = 0; head < e->heads; head++) {
        for (unsigned channel = 0; channel < e->dim; channel++) {
            double largest = 0.0;
            for (unsigned token = 0; token < e->tokens; token++) {
                largest = fmax(largest, fabs(*input_of(v, head, token, channel)));
            }
            double root = oracle_half_value(oracle_half_bits(sqrt(largest)));
            double expected = largest > 0.0 ? root : 1.0;
            double got = oracle_element(v->tensor.channel_scale, head * e->dim + channel, 0u);
            if (got != expected) {
                kvant_trial_fail(t, "channel scale of head %u channel %u: expected %.9g, got %.9g",
                                 head, channel, expected, got);
            }
            for (unsigned token = 0; token < e->tokens; token++) {
                *input_of(v, head, token, channel) /= got;
            }
        }
    }
}

/* The extrema over all elements that share parameters with (head, token, channel). */
static void group_extrema(const quantize_view *v, const unsigned at[3], double *low, double *high)
{
    const kvant_event *e = v->event;
    const unsigned here[3] = {at[0], e->token + at[1], at[2]};
    *low = *high = *input_of(v, at[0], at[1], at[2]);
    int is_channelwise = v->tensor.grouping >= ORACLE_CHANNEL_TOKENS;
    for (unsigned head = 0; head < e->heads; head++) {
        for (unsigned i = 0; i < (is_channelwise ? e->tokens : e->dim); i++) {
            unsigned token = is_channelwise ? i : at[1];
            unsigned channel = is_channelwise ? at[2] : i;
            const unsigned other[3] = {head, e->token + token, channel};
            if (oracle_same_group(&v->tensor, here, other)) {
                double x = *input_of(v, head, token, channel);
                *low = fmin(*low, x);
                *high = fmax(*high, x);
            }
        }
    }
}

/* Half an ulp of a half of that size, and of an fp32 value where arithmetic came before. */
static double half_rounding(double x)
{
    return fabs(x) * (0x1p-11 + 0x1p-22) + 0x1p-25;
}

static void check_element(kvant_trial *t, const quantize_view *v, const unsigned at[3],
                          const oracle_stored *stored, double low, double high)
{
    const kvant_event *e = v->event;
    double x = *input_of(v, at[0], at[1], at[2]);
    int is_symmetric = e->codec == KV_CODEC_INT8_SYMMETRIC;
    double qmax = (double)((1u << kv_codec_bits(e->codec)) - 1u);
    double ideal = is_symmetric ? fmax(fabs(low), fabs(high)) / 127.0 : (high - low) / qmax;
    double minimum_error = is_symmetric ? 0.0 : half_rounding(low);
    double beyond =
        fmax(ideal - 65504.0, 0.0); /* of 1 bit: the step is the range, stored as a half */
    ideal -= beyond;
    if (fabs(stored->scale - ideal) > half_rounding(ideal) ||
        (!is_symmetric && fabs(stored->minimum - low) > minimum_error)) {
        kvant_trial_fail(t, "head %u token %u channel %u: range %.9g..%.9g stored as %.9g, %.9g",
                         at[0], at[1], at[2], low, high, stored->scale, stored->minimum);
    }
    double steps = is_symmetric ? 127.0 : qmax;
    double bound = stored->scale * 0.5 + steps * (half_rounding(ideal) + beyond) + minimum_error +
                   (fabs(x) + fabs(stored->minimum)) * 0x1p-21;
    double error = fabs(x - (stored->code * stored->scale + stored->minimum));
    if (!(error <= bound)) {
        kvant_trial_fail(t, "head %u token %u channel %u: %.9g stored as %.9g, error %.3g > %.3g",
                         at[0], at[1], at[2], x, stored->code * stored->scale + stored->minimum,
                         error, bound);
    }
    double exact = stored->scale > 0.0 ? (x - stored->minimum) / stored->scale : 0.0;
    if (stored->scale == 0.0) { /* degenerate: the code of 0 in the middle, or 0 */
        exact = is_symmetric ? 128.0 : 0.0;
    }
    double lowest = is_symmetric ? 1.0 : 0.0;
    double nearest = fmin(fmax(nearbyint(exact), lowest), is_symmetric ? 255.0 : qmax);
    double slack = (fabs(x) + fabs(stored->minimum)) / fmax(stored->scale, 0x1p-24) * 0x1p-21;
    int is_tie = fabs(fabs(exact - floor(exact)) - 0.5) <= slack;
    if (stored->code != (unsigned)nearest && !is_tie) {
        kvant_trial_fail(t, "head %u token %u channel %u: (%.9g - %.9g)/%.9g has code %.0f, got %u",
                         at[0], at[1], at[2], x, stored->minimum, stored->scale, nearest,
                         stored->code);
    }
}

/* The scale that a symmetric codebook's group should have, before it is rounded to a half. */
static double ideal_scale(kv_u32 codec, double largest)
{
    if (codec == KV_CODEC_MXFP4) { /* E8M0, of elements with exponents up to 2 */
        return largest > 0.0 ? ldexp(1.0, ilogb(largest) - 2 - 4) : 0.0;
    }
    double scale = largest / (codec >= KV_CODEC_FP4 && codec <= KV_CODEC_NVFP4 ? 96.0 : 127.0);
    if (codec == KV_CODEC_NVFP4 && scale > 0.0) { /* three bits after the leading one, as E4M3 */
        double unit = ldexp(1.0, ilogb(scale) - 3);
        scale = nearbyint(scale / unit) * unit;
    }
    return scale;
}

static void check_level(kvant_trial *t, const quantize_view *v, const unsigned at[3],
                        const oracle_stored *stored, double low, double high)
{
    double x = *input_of(v, at[0], at[1], at[2]);
    double ideal = ideal_scale(v->event->codec, fmax(fabs(low), fabs(high)));
    if (fabs(stored->scale - ideal) > half_rounding(ideal)) {
        kvant_trial_fail(t,
                         "head %u token %u channel %u: range %.9g..%.9g has scale %.9g, not %.9g",
                         at[0], at[1], at[2], low, high, stored->scale, ideal);
    }
    double y = stored->scale > 0.0 ? x / stored->scale : 0.0;
    double nearest = 256.0;
    for (unsigned i = 0; i < 1u << v->tensor.bits; i++) {
        nearest = fmin(nearest, fabs(y - (v->tensor.levels[i] - 128.0)));
    }
    double distance = fabs(y - (stored->code - 128.0));
    if (distance > nearest + fabs(y) * 0x1p-21) {
        kvant_trial_fail(t, "head %u token %u channel %u: %.9g/%.9g has level %g, %.3g from it",
                         at[0], at[1], at[2], x, stored->scale, stored->code - 128.0, distance);
    }
}

/* An element of a codebook that keeps norms: the level nearest to it in standard deviations, and the scale
 * that gives the levels of the group the norm of its numbers. Norms are rounded to 12 bits of the
 * largest number, roots to 16. */
static void check_norm_level(kvant_trial *t, const quantize_view *v, const unsigned at[3],
                             const oracle_stored *stored, double low, double high)
{
    const kvant_event *e = v->event;
    unsigned length = e->grouping == KV_GROUP_TOKEN_CHANNELS ? e->group_length : e->dim;
    unsigned begin = at[2] / length * length;
    unsigned count = begin + length < e->dim ? length : e->dim - begin;
    double squares = 0.0;
    double levels = 0.0;
    for (unsigned i = begin; i < begin + count; i++) {
        double x = *input_of(v, at[0], at[1], i);
        double level = oracle_read(&v->tensor, at[0], e->token + at[1], i).code - 128.0;
        squares += x * x;
        levels += level * level;
    }
    double ideal = sqrt(squares / levels);
    double largest = fmax(fabs(low), fabs(high));
    double rounding = ideal * 4e-4 + half_rounding(ideal);
    if (fabs(stored->scale - ideal) > rounding) {
        kvant_trial_fail(t, "head %u token %u channel %u: norm %.9g has scale %.9g, not %.9g",
                         at[0], at[1], at[2], sqrt(squares), stored->scale, ideal);
    }
    static const double largest_centroid[3] = {1.510418, 2.151946, 2.732590};
    double deviation = sqrt(squares / count);
    double x = *input_of(v, at[0], at[1], at[2]);
    double y = largest > 0.0 ? x / deviation * 127.0 / largest_centroid[v->tensor.bits - 2u] : 0.0;
    double nearest = 1e9;
    for (unsigned i = 0; i < 1u << v->tensor.bits; i++) {
        nearest = fmin(nearest, fabs(y - (v->tensor.levels[i] - 128.0)));
    }
    double distance = fabs(y - (stored->code - 128.0));
    if (distance > nearest + fabs(y) * 1e-3) {
        kvant_trial_fail(t, "head %u token %u channel %u: %.9g has level %g, %.3g from it", at[0],
                         at[1], at[2], y, stored->code - 128.0, distance);
    }
}

/* An element of a learned codebook: parameters as int8's, and the nearest level, or in the literal form
 * the highest that is not above the value. */
static void check_learned_level(kvant_trial *t, const quantize_view *v, const unsigned at[3],
                                const oracle_stored *stored, double low, double high)
{
    double x = *input_of(v, at[0], at[1], at[2]);
    double ideal = (high - low) / 255.0;
    if (fabs(stored->scale - ideal) > half_rounding(ideal) ||
        fabs(stored->minimum - low) > half_rounding(low)) {
        kvant_trial_fail(t, "head %u token %u channel %u: range %.9g..%.9g stored as %.9g, %.9g",
                         at[0], at[1], at[2], low, high, stored->scale, stored->minimum);
    }
    double y = stored->scale > 0.0 ? (x - stored->minimum) / stored->scale : 0.0;
    double slack = (fabs(x) + fabs(stored->minimum)) / fmax(stored->scale, 0x1p-24) * 0x1p-21;
    unsigned count = 1u << v->tensor.bits;
    double nearest = 1e9;
    for (unsigned i = 0; i < count; i++) {
        double level = v->tensor.levels[i];
        int is_below = i == 0u || level <= y - slack;
        if (v->event->codec != KV_CODEC_INTRINSIC_LITERAL) {
            nearest = fmin(nearest, fabs(y - level));
        } else if (is_below && i < 3u) {
            nearest = fabs(y - level);
        }
    }
    double distance = fabs(y - stored->code);
    int is_boundary = 0; /* of the literal form, within rounding */
    for (unsigned i = 0; i < count; i++) {
        is_boundary |= fabs(y - v->tensor.levels[i]) <= slack;
    }
    if (distance > nearest + slack && !is_boundary) {
        kvant_trial_fail(t, "head %u token %u channel %u: (%.9g - %.9g)/%.9g has level %u", at[0],
                         at[1], at[2], x, stored->minimum, stored->scale, stored->code);
    }
}

/* What a learned codebook is for: its squared error is below that of as many levels evenly apart. Modes
 * promise no such thing; their ends are the extremes. */
static void check_codebook(kvant_trial *t, const quantize_view *v)
{
    const kvant_event *e = v->event;
    unsigned count = 1u << v->tensor.bits;
    double own = 0.0;
    double even = 0.0;
    for (unsigned i = 1; i < count; i++) {
        if (v->tensor.levels[i] < v->tensor.levels[i - 1u]) {
            kvant_trial_fail(t, "level %u is below level %u", i, i - 1u);
        }
    }
    if (e->codec == KV_CODEC_INTRINSIC || e->codec == KV_CODEC_INTRINSIC_LITERAL) {
        if (v->tensor.levels[0] != 0u || v->tensor.levels[3] != 255u) {
            kvant_trial_fail(t, "the outer levels are not the extremes");
        }
        return;
    }
    for (unsigned i = 0; i < e->heads * e->tokens * e->dim; i++) {
        unsigned head = i / e->dim / e->tokens, token = i / e->dim % e->tokens;
        oracle_stored s = oracle_read(&v->tensor, head, e->token + token, i % e->dim);
        double x = *input_of(v, head, token, i % e->dim);
        double y = s.scale > 0.0 ? (x - s.minimum) / s.scale : 0.0;
        double step = 255.0 / (count - 1u);
        own += (y - s.code) * (y - s.code);
        even += (y - nearbyint(y / step) * step) * (y - nearbyint(y / step) * step);
    }
    if (e->kind == KVANT_INPUT_GAUSSIAN && own > even) {
        kvant_trial_fail(t, "learned levels leave %.4g, even ones %.4g", own, even);
    }
}

static void check_dequantized(kvant_trial *t, const quantize_view *v, const kv_u32 *target,
                              const kv_view *view)
{
    const kvant_event *e = v->event;
    double error = 0.0;
    double power = 0.0;
    for (unsigned i = 0; i < e->heads * e->tokens * e->dim; i++) {
        unsigned channel = i % e->dim, token = i / e->dim % e->tokens,
                 head = i / e->dim / e->tokens;
        uint64_t at = view->offset + (uint64_t)token * view->token_stride +
                      head * view->head_stride + channel;
        double got = oracle_element(target, at, 2u);
        oracle_stored s = oracle_read(&v->tensor, head, e->token + token, channel);
        double slack = (s.code * s.scale + fabs(s.minimum)) * s.channel_scale * 0x1p-22;
        if (!(fabs(got - s.value) <= slack)) {
            kvant_trial_fail(t, "head %u token %u channel %u: dequantized to %.9g, should be %.9g",
                             head, token, channel, got, s.value);
        }
        double x = *input_of(v, head, token, channel) * s.channel_scale;
        error += (got - x) * (got - x);
        power += x * x;
    }
    kvant_trial_measure(t, "quantization NMSE", power > 0.0 ? error / power : 0.0, KVANT_UNBOUNDED,
                        0.0);
}

static void run_oracle_quantize(kvant_trial *t, const void *data)
{
    const kvant_event *e = data;
    kvant_event_plan plan;
    kvant_trial_buffer *source = kvant_trial_add_buffer(t);
    kvant_trial_buffer *store = kvant_trial_add_buffer(t);
    kvant_trial_buffer *scratch = kvant_trial_add_buffer(t);
    kvant_trial_buffer *target = kvant_trial_add_buffer(t);
    kvant_event_build(t, e, NULL, &plan, source, store, scratch);
    kvant_event_run(t, &plan, KVANT_KERNEL_COUNT, NULL, kvant_trial_device_only);
    plan.dequantize.target =
        kvant_add_target(t, target, KVANT_VIEW_PACKED, KV_DTYPE_F32, e->tokens, e->heads, e->dim);
    kvant_trial_device_only(t, KVANT_KERNEL_dequantize, &plan.dequantize,
                            (kvant_trial_buffer *[]){store, target});

    quantize_view v = {.event = e, .plan = &plan};
    v.tensor = (oracle_tensor){
        .codes = &store->words[plan.quantize.codes_offset],
        .params = &store->words[plan.quantize.params_offset],
        .channel_scale =
            e->has_channel_scale ? &store->words[plan.quantize.channel_scale_offset] : NULL,
        .bits = kv_codec_bits(e->codec),
        .is_symmetric = e->codec == KV_CODEC_INT8_SYMMETRIC,
        .is_value = (int)e->is_value,
        .grouping = (oracle_grouping)e->grouping,
        .group_length = e->group_length,
        .capacity = e->capacity,
        .heads = e->heads,
        .dim = e->dim,
    };
    if (e->codec >= KV_CODEC_NF4) {
        oracle_codebook(e->codec, &store->words[plan.quantize.levels_offset], &v.tensor);
    }
    v.input = kvant_trial_memory(t, (size_t)e->heads * e->tokens * e->dim, sizeof *v.input);
    read_input(&v);
    if (e->has_channel_scale) {
        check_channel_scales(t, &v);
    }
    for (unsigned head = 0; head < e->heads; head++) {
        for (unsigned token = 0; token < e->tokens; token++) {
            for (unsigned channel = 0; channel < e->dim; channel++) {
                const unsigned at[3] = {head, token, channel};
                double low;
                double high;
                group_extrema(&v, at, &low, &high);
                oracle_stored stored = oracle_read(&v.tensor, head, e->token + token, channel);
                (kv_codec_is_learned(e->codec) != 0u   ? check_learned_level
                 : kv_codec_keeps_norm(e->codec) != 0u ? check_norm_level
                 : v.tensor.has_codebook               ? check_level
                                         : check_element)(t, &v, at, &stored, low, high);
            }
        }
    }
    if (kv_codec_is_learned(e->codec) != 0u) {
        check_codebook(t, &v);
    }
    check_dequantized(t, &v, target->words, &plan.dequantize.target);
    t->words += (uint64_t)e->heads * e->tokens * e->dim;
}

/* Every codebook over each grouping, half of them in the quick subset. */
static void emit_codebooks(kvant_case_sink *sink)
{
    static const kvant_input_kind kinds[] = {KVANT_INPUT_GAUSSIAN,   KVANT_INPUT_OUTLIERS,
                                             KVANT_INPUT_TINY_SCALE, KVANT_INPUT_SUBNORMAL,
                                             KVANT_INPUT_CONSTANT,   KVANT_INPUT_HUGE_SCALE};
    static const kv_u32 narrow[] = {KV_CODEC_INT3, KV_CODEC_NF3, KV_CODEC_NUQ3, KV_CODEC_INT1,
                                    KV_CODEC_NF2};
    static const kv_u32 of_norms[] = {KV_CODEC_LLOYD4, KV_CODEC_LLOYD3, KV_CODEC_LLOYD2};
    for (uint32_t i = 0; i < 60u; i++) {
        kv_u32 grouping = i < 28u ? i % 5u : (i + i / 5u) % 5u;
        kv_u32 codec =
            i >= 28u ? narrow[i % 5u] : (i >= 20u ? KV_CODEC_NUQ4 : KV_CODEC_NF4) + i % 4u;
        if (i >= 48u) {
            codec = of_norms[i % 3u];
            grouping = i / 2u % 2u != 0u ? KV_GROUP_TOKEN_HEAD : KV_GROUP_TOKEN_CHANNELS;
        }
        int is_learned = kv_codec_is_learned(codec) != 0u;
        kvant_event e = {
            .is_value = i / 2u % 2u,
            .codec = codec,
            .grouping = grouping,
            .group_length = grouping == KV_GROUP_TOKEN_CHANNELS   ? 16u
                            : grouping == KV_GROUP_CHANNEL_TOKENS ? 32u
                                                                  : 0u,
            .heads = 2u,
            .dim = i % 3u != 0u ? 40u : 64u,
            .tokens = 35u,
            .token = grouping == KV_GROUP_CHANNEL_SEGMENT || is_learned ? 0u : 64u,
            .capacity = 128u,
            .dtype = i % 3u,
            .kind = i >= 20u && i < 26u ? KVANT_INPUT_GAUSSIAN : kinds[i / 3u % 6u],
            .has_channel_scale = i % 3u == 1u && kv_is_channelwise(grouping) == 0u,
        };
        char name[200];
        kvant_event_name(&e, name, sizeof name);
        kvant_emit(sink, i % 2u == 0u || i == 23u, run_oracle_quantize, &e, "oracle/quantize/%s",
                   name);
    }
}

/* ---- channel scales over those of queries -------------------------------------------------- */

/* Keys order as their floats do: those of negative ones are all their bits turned over. */
static double number_of_key(kv_u32 key)
{
    kv_u32 bits = key >> 31 != 0u ? key & 0x7fffffffu : ~key;
    return oracle_element(&bits, 0u, 2u);
}

static double magnitude_of(const kv_u32 *keys, uint32_t channels, uint32_t channel)
{
    kv_u32 low = keys[channel];
    kv_u32 high = keys[channels + channel];
    return low > high ? 0.0 : fmax(fabs(number_of_key(low)), fabs(number_of_key(high)));
}

/* sqrt(K) / sqrt(Q), 1 for the root of 0; each root and the quotient rounded to a half. */
static void run_smooth(kvant_trial *t, const void *data)
{
    (void)data;
    enum { HEADS = 3, GROUP = 4, DIM = 64, CHANNELS = HEADS * DIM };
    kvant_trial_buffer *scratch = kvant_trial_add_buffer(t);
    kvant_trial_buffer *store = kvant_trial_add_buffer(t);
    kv_channel_scale_params p = {.channels = CHANNELS, .dim = DIM, .group = GROUP};
    p.keys_offset = kvant_add_random_keys(t, scratch, CHANNELS);
    p.query_keys_offset = kvant_add_random_keys(t, scratch, CHANNELS * GROUP);
    p.scale_offset = kvant_trial_region(t, store, CHANNELS / 2u);
    kvant_trial_device_only(t, KVANT_KERNEL_channel_scale, &p,
                            (kvant_trial_buffer *[]){scratch, store});
    for (uint32_t channel = 0; channel < CHANNELS; channel++) {
        double k = magnitude_of(&scratch->words[p.keys_offset], CHANNELS, channel);
        double q = 0.0;
        for (uint32_t head = 0; head < GROUP; head++) {
            uint32_t at = (channel / DIM * GROUP + head) * DIM + channel % DIM;
            q = fmax(q, magnitude_of(&scratch->words[p.query_keys_offset], CHANNELS * GROUP, at));
        }
        double root = (k > 0.0 ? sqrt(k) : 1.0) / (q > 0.0 ? sqrt(q) : 1.0);
        double got = oracle_element(&store->words[p.scale_offset], channel, 0u);
        if (!(fabs(got - root) <= root * 3.0 * 0x1.01p-11 + 0x1p-25)) {
            kvant_trial_fail(t, "channel %u: K %.9g, Q %.9g, scale %.9g instead of %.9g", channel,
                             k, q, got, root);
        }
    }
    t->words += CHANNELS;
}

void kvant_cases_oracle_quantize(kvant_case_sink *sink)
{
    emit_codebooks(sink);
    static const kv_u32 codecs[] = {KV_CODEC_INT2, KV_CODEC_INT4, KV_CODEC_INT8,
                                    KV_CODEC_INT8_SYMMETRIC};
    static const kvant_input_kind kinds[] = {KVANT_INPUT_GAUSSIAN,   KVANT_INPUT_OUTLIERS,
                                             KVANT_INPUT_ONE_SIDED,  KVANT_INPUT_HUGE_SCALE,
                                             KVANT_INPUT_TINY_SCALE, KVANT_INPUT_SUBNORMAL,
                                             KVANT_INPUT_CONSTANT,   KVANT_INPUT_SPECIAL};
    uint32_t i = 0;
    for (kv_u32 is_value = 0; is_value < 2u; is_value++) {
        for (size_t codec = 0; codec < 4u; codec++) {
            for (kv_u32 grouping = 0; grouping < 5u; grouping++) {
                for (uint32_t turn = 0; turn < 4u; turn++, i++) {
                    kvant_event e = {
                        .is_value = is_value,
                        .codec = codecs[codec],
                        .grouping = grouping,
                        .group_length = grouping == KV_GROUP_TOKEN_CHANNELS   ? 16u
                                        : grouping == KV_GROUP_CHANNEL_TOKENS ? 32u
                                                                              : 0u,
                        .heads = 2u,
                        .dim = i % 2u != 0u ? 40u : 64u,
                        .tokens = i % 3u != 0u ? 50u : 35u,
                        .token = grouping == KV_GROUP_CHANNEL_SEGMENT ? 0u : 64u,
                        .capacity = 128u,
                        .dtype = i % 3u,
                        .layout = (kvant_view_kind)(i % KVANT_VIEW_KIND_COUNT),
                        .kind = turn < 2u ? kinds[turn] : kinds[2u + (i / 2u) % 6u],
                        .gather = (kvant_gather)(i % 3u),
                        .has_channel_scale = turn % 2u != 0u && kv_is_channelwise(grouping) == 0u,
                    };
                    char name[200];
                    kvant_event_name(&e, name, sizeof name);
                    kvant_emit(sink, i % 16u == 0u, run_oracle_quantize, &e, "oracle/quantize/%s",
                               name);
                }
            }
        }
    }
    kvant_emit(sink, 1, run_smooth, NULL, "oracle/quantize/channel_scale/smooth");
}
