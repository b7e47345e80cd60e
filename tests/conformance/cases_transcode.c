/* SPDX-License-Identifier: MIT
 *
 * Cases of locate, transcode and scattered dequantize: tokens of three classes, with holes between
 * them, move to other classes; their values are then those of before, or of the demoted codes as they
 * are computed here in double precision.
 */
#include "cases.h"
#include "inputs.h"

#include <math.h>

typedef struct {
    kv_u32 bits[KV_CLASSES]; /* codecs */
    kv_u32 is_value, grouping, group_length, heads, dim, tokens, maps;
} transcode_case;

enum { BASE = 7000, MOST_TOKENS = 80, MOST_MAPS = 3 };

typedef struct {
    const transcode_case *c;
    kvant_trial_buffer *source, *store, *target;
    kv_transcode_params p;
    kv_u32 classes[MOST_MAPS][MOST_TOKENS]; /* that the tokens were in */
    kv_u32 lowest[MOST_MAPS][MOST_TOKENS];
    kv_u32 lists[KV_CLASSES]; /* offsets */
    kv_u32 lists_head[KV_CLASSES];
} fixture;

static kv_u32 segment_groups(const transcode_case *c, kv_u32 capacity)
{
    return kv_group_count(c->grouping, c->group_length, capacity, c->dim, c->heads);
}

/* Segments of any codes, with parameters of many sizes. */
static void add_segments(kvant_trial *t, fixture *f)
{
    const transcode_case *c = f->c;
    for (kv_u32 i = 0; i < KV_CLASSES; i++) {
        kv_u32 capacity = (c->tokens + 3u) / 4u * 4u + 8u + 4u * i;
        kv_u32 words = c->heads * kv_code_words(capacity, c->dim, c->bits[i]);
        kv_u32 groups = segment_groups(c, capacity);
        f->p.capacities[i] = capacity;
        f->p.codecs[i] = c->bits[i];
        f->p.codes_offsets[i] = kvant_trial_region(t, f->store, words);
        f->p.params_offsets[i] = kvant_trial_region(t, f->store, groups);
        f->lists_head[i] = c->maps > 1u ? capacity : 0u;
        f->lists[i] = kvant_trial_region(t, f->store, capacity * c->maps);
        kvant_trial_fill(f->store, f->lists[i], capacity * c->maps, KV_POSITION_INVALID);
        for (kv_u32 j = 0; j < words; j++) {
            f->store->words[f->p.codes_offsets[i] + j] = (kv_u32)kvant_random(&t->random);
        }
        for (kv_u32 j = 0; j < groups; j++) {
            float scale = ldexpf(1.0f + kvant_random_unit(&t->random),
                                 (int)kvant_random_below(&t->random, 16u) - 12);
            float minimum = kvant_random_normal(&t->random) * 50.0f * scale;
            f->store->words[f->p.params_offsets[i] + j] =
                kv_cache_half(scale) | (kv_cache_half(minimum) << 16);
        }
    }
}

/* What the codes of a token were cut to when it was in a lower class: they have no more bits. */
static void cut_codes(fixture *f, kv_u32 map, kv_u32 token, kv_u32 slot)
{
    const transcode_case *c = f->c;
    kv_u32 from = f->classes[map][token];
    kv_u32 bits = c->bits[from];
    kv_u32 most = 1u << c->bits[f->lowest[map][token]];
    for (kv_u32 head = c->maps > 1u ? map : 0u; head < (c->maps > 1u ? map + 1u : c->heads);
         head++) {
        for (kv_u32 channel = 0; channel < c->dim; channel++) {
            kv_u32 at = f->p.codes_offsets[from] +
                        head * kv_code_words(f->p.capacities[from], c->dim, bits) +
                        kv_code_word(c->is_value, slot, channel, c->dim, bits);
            kv_u32 shift = kv_code_shift(c->is_value, slot, channel, bits);
            kv_u32 code = (f->store->words[at] >> shift) & ((1u << bits) - 1u);
            f->store->words[at] &= ~(((1u << bits) - 1u) << shift);
            f->store->words[at] |= code % most << shift;
        }
    }
}

/* Tokens in random classes, in ascending lists with holes; some were in a lower class before. */
static void list_before(kvant_trial *t, fixture *f)
{
    const transcode_case *c = f->c;
    for (kv_u32 map = 0; map < c->maps; map++) {
        kv_u32 next[KV_CLASSES] = {0, 0, 0};
        for (kv_u32 token = 0; token < c->tokens; token++) {
            kv_u32 in = kvant_random_below(&t->random, KV_CLASSES);
            kv_u32 lowest = in + kvant_random_below(&t->random, KV_CLASSES - in);
            if (next[in] == 4u) { /* a hole, of an event that did not fill its four */
                next[in] = 7u;
            }
            f->classes[map][token] = in;
            f->lowest[map][token] = lowest;
            f->store->words[f->p.places_offset + map * f->p.places_head + token] = lowest << 30;
            f->store->words[f->lists[in] + map * f->lists_head[in] + next[in]] = BASE + token;
            cut_codes(f, map, token, next[in]++);
        }
    }
}

static double value_of(const fixture *f, const kv_u32 *words, kv_u32 in, kv_u32 slot, kv_u32 head,
                       kv_u32 channel, double *out_scale)
{
    const transcode_case *c = f->c;
    kv_u32 bits = c->bits[in];
    kv_u32 capacity = f->p.capacities[in];
    kv_u32 at = f->p.codes_offsets[in] + head * kv_code_words(capacity, c->dim, bits) +
                kv_code_word(c->is_value, slot, channel, c->dim, bits);
    kv_u32 code = (words[at] >> kv_code_shift(c->is_value, slot, channel, bits)) % (1u << bits);
    kv_u32 word =
        words[f->p.params_offsets[in] +
              kv_group_index(c->grouping, c->group_length, capacity, c->dim, head, slot, channel)];
    *out_scale = (double)kv_f16_to_f32(word & 0xffffu);
    return (double)code * *out_scale + (double)kv_f16_to_f32(word >> 16);
}

/* A token's values in its new class against those that it had. */
static void check_token(kvant_trial *t, const fixture *f, const kv_u32 *before, kv_u32 map,
                        kv_u32 place, kv_u32 token, kv_u32 in, kv_u32 slot)
{
    const transcode_case *c = f->c;
    kv_u32 content = c->bits[f->lowest[map][token]];
    kv_u32 dropped = content > c->bits[in] ? content - c->bits[in] : 0u;
    for (kv_u32 head = c->maps > 1u ? map : 0u; head < (c->maps > 1u ? map + 1u : c->heads);
         head++) {
        for (kv_u32 channel = 0; channel < c->dim; channel++) {
            double scale;
            double wider;
            double was = value_of(f, before, KV_PLACE_CLASS(place), KV_PLACE_SLOT(place), head,
                                  channel, &scale);
            double is = value_of(f, f->store->words, in, slot, head, channel, &wider);
            /* half of what shares a code, and a minimum rounded to a half */
            double most = dropped == 0u ? 0.0
                                        : scale * (ldexp(1.0, (int)dropped) - 1.0) / 2.0 +
                                              ldexp(scale * 400.0, -11);
            if (wider != ldexp(scale, (int)dropped) || fabs(is - was) > most) {
                kvant_trial_fail(t, "token %u, head %u, channel %u: %.9g became %.9g, %u bits lost",
                                 token, head, channel, was, is, dropped);
            }
        }
    }
}

/* Tokens in segments of their classes. */
static fixture *begin(kvant_trial *t, const transcode_case *c)
{
    fixture *f = kvant_trial_memory(t, 1, sizeof *f);
    *f = (fixture){.c = c,
                   .source = kvant_trial_add_buffer(t),
                   .store = kvant_trial_add_buffer(t),
                   .target = kvant_trial_add_buffer(t),
                   .p = {.heads = c->heads,
                         .dim = c->dim,
                         .grouping = c->grouping,
                         .group_length = c->group_length,
                         .is_value = c->is_value,
                         .base = BASE,
                         .places_head = c->tokens}};
    f->p.places_offset = kvant_trial_region(t, f->store, c->maps * c->tokens);
    add_segments(t, f);
    list_before(t, f);
    return f;
}

static void locate_all(kvant_trial *t, fixture *f, kv_u32 is_new)
{
    const transcode_case *c = f->c;
    kvant_trial_buffer *store[] = {f->store};
    for (kv_u32 i = 0; i < KV_CLASSES; i++) {
        kv_locate_params p = {
            .tokens = f->p.capacities[i] - 4u,
            .maps = c->maps,
            .positions_offset = f->lists[i],
            .positions_head = f->lists_head[i],
            .base = BASE,
            .places_offset = f->p.places_offset,
            .places_head = c->tokens,
            .token_class = i,
            .is_new = is_new,
        };
        kvant_trial_launch(t, KVANT_KERNEL_locate, &p, store);
    }
}

/* Places are those of the lists that they were made from. */
static void run_locate(kvant_trial *t, const void *data)
{
    const transcode_case *c = data;
    for (kv_u32 is_new = 0; is_new < 2u; is_new++) {
        fixture *f = begin(t, c);
        locate_all(t, f, is_new);
        for (kv_u32 map = 0; map < c->maps; map++) {
            for (kv_u32 token = 0; token < c->tokens; token++) {
                kv_u32 in = f->classes[map][token];
                kv_u32 lowest = is_new != 0u ? in : f->lowest[map][token];
                kv_u32 place = f->store->words[f->p.places_offset + map * c->tokens + token];
                kv_u32 at = f->lists[in] + map * f->lists_head[in] + KV_PLACE_SLOT(place);
                if (KV_PLACE_CLASS(place) != in || KV_PLACE_LOWEST(place) != lowest ||
                    f->store->words[at] != BASE + token) {
                    kvant_trial_fail(t, "token %u of class %u, lowest %u, has the place %08x",
                                     token, in, lowest, place);
                }
            }
        }
    }
}

static void run_transcode(kvant_trial *t, const void *data)
{
    const transcode_case *c = data;
    fixture *f = begin(t, c);
    locate_all(t, f, 0u);

    /* the whole store is the source; then other lists */
    kv_u32 words = f->store->count;
    kv_u32 *before = kvant_trial_memory(t, words, sizeof *before);
    kv_u32 moved = kvant_trial_region(t, f->source, words);
    for (kv_u32 i = 0; i < words; i++) {
        before[i] = f->store->words[i];
        f->source->words[moved + i] = before[i];
    }
    f->p.moved = moved;
    kv_u32 counts[KV_CLASSES] = {c->tokens / 3u, c->tokens / 2u - c->tokens / 3u, 0u};
    counts[2] = c->tokens - counts[0] - counts[1];
    kv_u32 turn = kvant_random_below(&t->random, c->tokens);
    for (kv_u32 map = 0; map < c->maps; map++) {
        kv_u32 next[KV_CLASSES] = {0, 0, 0};
        for (kv_u32 i = 0; i < KV_CLASSES; i++) {
            kvant_trial_fill(f->store, f->lists[i] + map * f->lists_head[i], f->p.capacities[i],
                             KV_POSITION_INVALID);
        }
        for (kv_u32 token = 0; token < c->tokens; token++) {
            kv_u32 i = (token * 7u + turn + map) % c->tokens;
            kv_u32 in = i < counts[0] ? 0u : i < counts[0] + counts[1] ? 1u : 2u;
            if (c->tokens % 7u == 0u) { /* 7 is no generator then */
                in = token < counts[0] ? 0u : token < counts[0] + counts[1] ? 1u : 2u;
            }
            f->store->words[f->lists[in] + map * f->lists_head[in] + next[in]++] = BASE + token;
        }
    }
    f->store->is_dirty = 1;
    kvant_trial_buffer *both[] = {f->source, f->store};
    for (kv_u32 in = 0; in < KV_CLASSES; in++) {
        f->p.tokens = counts[in];
        f->p.token_class = in;
        f->p.positions_offset = f->lists[in];
        f->p.positions_head = f->lists_head[in];
        kvant_trial_launch(t, KVANT_KERNEL_transcode, &f->p, both);
        for (kv_u32 map = 0; map < c->maps; map++) {
            for (kv_u32 slot = 0; slot < counts[in]; slot++) {
                kv_u32 token =
                    f->store->words[f->lists[in] + map * f->lists_head[in] + slot] - BASE;
                kv_u32 place = before[f->p.places_offset + map * c->tokens + token];
                check_token(t, f, before, map, place, token, in, slot);
            }
        }
    }

    /* back to rows in order of position, slots without a token left out */
    kv_u32 rows = kvant_trial_region(t, f->target, c->tokens * c->heads * c->dim / 2u);
    for (kv_u32 in = 0; in < KV_CLASSES; in++) {
        kv_dequantize_params p = {
            .target = {.offset = rows * 2u,
                       .token_stride = c->heads * c->dim,
                       .head_stride = c->dim,
                       .channel_stride = 1u,
                       .dtype = KV_DTYPE_F16,
                       .wrap = KV_NO_OFFSET},
            .tokens = (counts[in] + 3u) / 4u * 4u,
            .capacity = f->p.capacities[in],
            .heads = c->heads,
            .dim = c->dim,
            .codec = c->bits[in],
            .grouping = c->grouping,
            .group_length = c->group_length,
            .is_value = c->is_value,
            .channel_scale_offset = KV_NO_OFFSET,
            .params_offset = f->p.params_offsets[in],
            .codes_offset = f->p.codes_offsets[in],
            .is_scattered = 1u,
            .positions_offset = f->lists[in],
            .positions_head = f->lists_head[in],
            .position_base = BASE,
        };
        kvant_trial_launch(t, KVANT_KERNEL_dequantize, &p,
                           (kvant_trial_buffer *[]){f->store, f->target});
    }
}

void kvant_cases_transcode(kvant_case_sink *sink)
{
    static const struct {
        const char *name;
        kv_u32 grouping, length;
    } groupings[] = {{"token", KV_GROUP_TOKEN, 0u},
                     {"head", KV_GROUP_TOKEN_HEAD, 0u},
                     {"tok16", KV_GROUP_TOKEN_CHANNELS, 16u}};
    /* bits of the classes, heads, dimension, tokens */
    static const kv_u32 shapes[][6] = {{8, 4, 2, 2, 40, 23}, {8, 8, 2, 1, 8, 5},
                                       {4, 2, 2, 3, 64, 66}, {8, 4, 4, 2, 128, 80},
                                       {8, 2, 2, 2, 72, 42}, {4, 4, 2, 2, 256, 9}};
    for (kv_u32 i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (kv_u32 g = 0; g < 3u; g++) {
            const kv_u32 *s = shapes[i];
            transcode_case c = {.bits = {s[0], s[1], s[2]},
                                .is_value = (i + g) % 2u,
                                .grouping = groupings[g].grouping,
                                .group_length = groupings[g].length,
                                .heads = s[3],
                                .dim = s[4],
                                .tokens = s[5],
                                .maps = g != 0u && i % 2u == 0u ? s[3] : 1u};
            kvant_emit(sink, i < 2u, run_transcode, &c,
                       "transcode/%s/%u-%u-%u/%s/heads%u/dim%u/tokens%u/maps%u",
                       c.is_value != 0u ? "v" : "k", s[0], s[1], s[2], groupings[g].name, c.heads,
                       c.dim, c.tokens, c.maps);
            if (g < 2u) {
                kvant_emit(sink, i < 2u, run_locate, &c,
                           "locate/%u-%u-%u/%s/heads%u/tokens%u/maps%u", s[0], s[1], s[2],
                           groupings[g].name, c.heads, c.tokens, c.maps);
            }
        }
    }
}
