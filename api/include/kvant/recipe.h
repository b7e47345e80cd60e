/* SPDX-License-Identifier: MIT
 *
 * kvant/recipe.h: how a cache is compressed. A recipe is a plain struct of choices; a named recipe
 * is a constant of that type and nothing else. No device is needed for any of these calls, and all
 * are thread-safe.
 */
#ifndef KVANT_RECIPE_H
#define KVANT_RECIPE_H

#include "kvant/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a number becomes bits. Integer codecs are uniform; all but int8s are asymmetric: a scale and a
 * minimum per group, codes 0 .. 2^bits - 1. */
typedef enum kvant_codec {
    KVANT_CODEC_NONE = 0,
    KVANT_CODEC_F16 = 1,
    KVANT_CODEC_INT2 = 2,
    KVANT_CODEC_INT3 = 3,
    KVANT_CODEC_INT4 = 4,
    KVANT_CODEC_INT8 = 8,
    KVANT_CODEC_INT8_SYMMETRIC = 9, /* "int8s": a scale per group, codes -127 .. 127 */
    KVANT_CODEC_DROP = 10,         /* "drop": of a class, whose tokens are evicted. Never stored. */
    KVANT_CODEC_INT1 = 11,
    /* Codebooks, a scale per group; a value has the code of the level nearest to it */
    KVANT_CODEC_NF4 = 16,   /* "nf4": QLoRA's NormalFloat, in multiples of 1/127 */
    KVANT_CODEC_FP4 = 17,   /* "fp4": E2M1 */
    KVANT_CODEC_MXFP4 = 18, /* "mxfp4": E2M1, scales are powers of two (E8M0) */
    KVANT_CODEC_NVFP4 = 19, /* "nvfp4": E2M1, scales have the significand of E4M3 */
    /* Codebooks that are learned from the tokens compressed together; a scale and a minimum per group */
    KVANT_CODEC_NUQ4 = 20,              /* "nuq4": 16 levels by k-means */
    KVANT_CODEC_NUQ2 = 21,              /* "nuq2": 4 levels by k-means */
    KVANT_CODEC_INTRINSIC = 22,         /* "intrinsic": 4 levels, the extremes and two modes */
    KVANT_CODEC_INTRINSIC_LITERAL = 23, /* "literal": the same; a code is for what lies above it */
    KVANT_CODEC_NUQ3 = 28,              /* "nuq3": 8 levels by k-means */
    /* Codebooks, a scale per group, of 4, 8 and 16 levels */
    KVANT_CODEC_NF2 = 24, /* "nf2": NormalFloat */
    KVANT_CODEC_NF3 = 26, /* "nf3" */
    /* Lloyd-Max levels for a normal distribution, 4, 8 and 16 of them. A group's numbers are taken as
     * multiples of their root mean square, and its scale gives the decoded ones the norm that they
     * had: groups along a token of one head (head, tok<n>) */
    KVANT_CODEC_LLOYD2 = 25, /* "lloyd2" */
    KVANT_CODEC_LLOYD3 = 27, /* "lloyd3" */
    KVANT_CODEC_LLOYD4 = 29  /* "lloyd4" */
} kvant_codec;

/* Which numbers share a scale and a minimum. */
typedef enum kvant_grouping {
    KVANT_GROUPING_TOKEN = 0,           /* "token": a token, all its KV heads */
    KVANT_GROUPING_TOKEN_HEAD = 1,      /* "head": a token of one head */
    KVANT_GROUPING_TOKEN_CHANNELS = 2,  /* "tok32": a token of one head, 32 channels */
    KVANT_GROUPING_CHANNEL_TOKENS = 3,  /* "chan32": a channel, 32 consecutive tokens */
    KVANT_GROUPING_CHANNEL_SEGMENT = 4  /* "chan": a channel, all tokens compressed together */
} kvant_grouping;

/* What is done to the numbers before they are quantized, and undone on query or output. */
typedef enum kvant_transform {
    KVANT_TRANSFORM_NONE = 0,
    KVANT_TRANSFORM_CST = 1, /* "cst": each channel divided by the root of its largest magnitude
                                (ZipCache's channel-separable tokenwise quantization) */
    KVANT_TRANSFORM_ROTATE = 2, /* "rot": each head rotated by a Hadamard matrix with signs, before
                                   it enters the cache, window and sinks too */
    KVANT_TRANSFORM_SMOOTH = 3  /* "smooth", of K: as cst, and divided by the same of the prompt's
                                   queries; decided by a sequence's first compression for good */
} kvant_transform;

/* What a token's summed attention is divided by, to make a score. */
typedef enum kvant_normaliser {
    KVANT_NORMALISER_NONE = 0,   /* "none": accumulated attention */
    KVANT_NORMALISER_CAUSAL = 1, /* "causal": rows of the full matrix that see the token */
    KVANT_NORMALISER_PROBES = 2  /* "probes": probe rows that see the token (ZipCache's intent) */
} kvant_normaliser;

/* Which heads decide together. */
typedef enum kvant_head_reduction {
    KVANT_HEADS_ALL = 0,  /* "all": one class map for all heads */
    KVANT_HEADS_GROUP = 1 /* "group": one class map a KV head; needs per-head parameters */
} kvant_head_reduction;

/* How summed attention is pooled along the tokens before it is a score (SnapKV). */
typedef enum kvant_pooling {
    KVANT_POOLING_NONE = 0,
    KVANT_POOLING_MEAN = 1, /* "avg7": the mean of 7 tokens around each one */
    KVANT_POOLING_MAX = 2   /* "max7": the largest of them */
} kvant_pooling;

/* What tells salient tokens from regular ones. */
typedef enum kvant_score {
    KVANT_SCORE_ATTENTION = 0, /* "attention": what probe rows give them */
    KVANT_SCORE_RANGE = 1,     /* "range": the largest less the smallest of their numbers */
    KVANT_SCORE_OUTLIERS = 2,  /* "outliers": how many of their numbers are beyond a percentile */
    KVANT_SCORE_LOCALITY = 3   /* "locality": the newest are salient */
} kvant_score;

/* Whose numbers, for range and outliers. */
typedef enum kvant_score_source {
    KVANT_SCORE_OF_K = 0,   /* "k" */
    KVANT_SCORE_OF_V = 1,   /* "v" */
    KVANT_SCORE_OF_BOTH = 2 /* "kv": by both ranks in equal parts */
} kvant_score_source;

typedef struct kvant_tensor_rule {
    kvant_codec regular; /* codec of regular tokens (of all compressed tokens where
                            salient_share is 0) */
    kvant_codec salient; /* codec of salient tokens; NONE where salient_share is 0 */
    kvant_grouping grouping; /* of the integer codec or codecs; TOKEN where there is none */
    uint32_t group_length; /* of tok (8, 16 or a multiple of 32) and chan (a multiple of 32); else 0 */
    kvant_transform transform;
} kvant_tensor_rule;

#define KVANT_RECIPE_LAYERS 4u

/* Layers first .. last, from 0 on, that have the named recipe of index `recipe` - 1; 0: none. */
typedef struct kvant_layer_choice {
    uint32_t first;
    uint32_t last;
    uint32_t recipe;
} kvant_layer_choice;

#define KVANT_RECIPE_STREAMS 8u
#define KVANT_STREAM_HALF 65535u /* as `heads`: the upper half of a model's KV heads */

/* KV heads that stream (DuoAttention): of what is compressed they keep nothing. */
typedef struct kvant_stream_heads {
    uint16_t first_layer; /* from 0 on */
    uint16_t layers;      /* from there; 0: all layers, whatever a model has */
    uint16_t first_head;
    uint16_t heads; /* 0: no entry */
} kvant_stream_heads;

typedef struct kvant_recipe {
    size_t struct_size;
    /* 1.-3. codec, grouping and pre-transform, of K and of V, per class */
    kvant_tensor_rule k;
    kvant_tensor_rule v;
    /* 5. class policy */
    uint32_t window; /* newest tokens that always stay f16 */
    uint32_t period; /* tokens that leave the window together, a multiple of 4 (and of chan);
                        0: none ever does, prompts alone are compressed */
    uint32_t sinks;  /* first tokens, which stay f16 for ever */
    double salient_share;  /* 0 .. 1 of the tokens that are compressed together */
    double probes_random;  /* share of rows probed at random */
    double probes_recent;  /* share of rows probed because they are the newest */
    kvant_normaliser normaliser;
    kvant_head_reduction heads;
    uint64_t seed; /* of the random probes, and of the signs of a rotation */
    kvant_pooling pooling;
    uint32_t pool_tokens; /* odd, 3 .. 63; 0 without pooling */
    kvant_score score;
    kvant_score_source score_of; /* of range and outliers; else K */
    double percentile; /* of all magnitudes, beyond which a number is an outlier; else 0 */
    double blend;      /* weight of attention beside range or outliers, by ranks; 0: none */
    double budget; /* bits a value that a cache may take: salient_share is lowered until it does; 0:
                      no budget */
    uint32_t probes_newest; /* newest rows that are probed, where they are more than probes_recent */
    kvant_layer_choice layers[KVANT_RECIPE_LAYERS]; /* ascending, without overlap */
    double salient_share_v; /* of V, where it is not K's salient_share: tokens in the smaller share are
                               salient in both, those in the larger alone in one of them. 0: the same */
    kvant_stream_heads stream[KVANT_RECIPE_STREAMS]; /* all of them count */
    uint32_t latent; /* 1: V holds latents, of which keys are a view too, and K the rotary keys (MLA) */
    double top_share;     /* of the tokens, the most salient: they have the next two codecs; 0: none */
    kvant_codec top_k;    /* NONE where top_share is 0 */
    kvant_codec top_v;
    uint32_t reevaluate;  /* decoded tokens, a multiple of period, after which all compressed tokens
                             are judged again, and demoted or promoted; 0: never */
} kvant_recipe;

#define KVANT_RECIPE_INIT                                                                          \
    {sizeof(kvant_recipe),                                                                         \
     {KVANT_CODEC_F16, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN, 0, KVANT_TRANSFORM_NONE},           \
     {KVANT_CODEC_F16, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN, 0, KVANT_TRANSFORM_NONE},           \
     0, 0, 0, 0.0, 0.0, 0.0, KVANT_NORMALISER_NONE, KVANT_HEADS_ALL, 0, KVANT_POOLING_NONE, 0,     \
     KVANT_SCORE_ATTENTION, KVANT_SCORE_OF_K, 0.0, 0.0, 0.0, 0, {{0, 0, 0}}, 0.0, {{0, 0, 0, 0}}, 0, \
     0.0, KVANT_CODEC_NONE, KVANT_CODEC_NONE, 0}

/* Name and one line on recipe `index`; NULL past the last. */
KVANT_API const char *kvant_recipe_name(uint32_t index);
KVANT_API const char *kvant_recipe_summary(uint32_t index);

/*
 * Reads a recipe: a name, or "k=...,v=...", followed by ",key=value" overrides.
 *
 *   k, v      CODEC[+SALIENT][/GROUPING[/TRANSFORM]]  e.g. int2/chan32, int2+int4/token/cst, f16
 *             codecs f16 int1 int2 int3 int4 int8 int8s nf2 nf3 nf4 fp4 mxfp4 nvfp4 nuq2 nuq3 nuq4
 *             intrinsic literal lloyd2 lloyd3 lloyd4 drop;
 *             groupings token head tok<n> chan<n> chan, where a codec has codes;
 *             transforms cst rot smooth. Of each class K and V are
 *             both f16, both dropped, or neither; with latent=1 K is f16 and V anything but dropped.
 *   window, period, sinks   tokens            salient   share, 0 .. 1, or K's/V's
 *   random, recent          shares of probe rows      newest    probe rows, at least
 *   norm      none causal probes              heads     all group
 *   seed      number                            pool      none avg<n> max<n>
 *   score     attention range outliers locality of        k v kv
 *   percentile, blend       shares            budget    bits a value, at most 16
 *   top       CODEC/SHARE, of K and V: of the most salient tokens; CODEC is int8 int4 int2
 *   reevaluate              tokens
 *   stream    up to 8 of [LAYER[-LAYER]:]HEAD[-HEAD] or [LAYER[-LAYER]:]half, with ";" between
 *   latent    0 or 1
 *
 * Numbers have a point whatever the locale. Without period= the full form takes 32. Where salient is 0,
 * a codec for salient tokens is dropped.
 *
 * Errors: UNKNOWN_RECIPE, with the position in the text and what was expected there;
 * INVALID_ARGUMENT where the choices do not fit together.
 */
KVANT_API kvant_status kvant_recipe_parse(const char *text,
                                          kvant_recipe *out_recipe) KVANT_CHECK_RESULT;

/* Writes the recipe as text that kvant_recipe_parse reads back to the same recipe: its name where it
 * is a named one, else the full form. At most `capacity` bytes with the final 0; returns the
 * length that the whole text has. */
KVANT_API size_t kvant_recipe_print(const kvant_recipe *recipe, char *out_text, size_t capacity);

/* Whether the choices fit together. Errors: INVALID_ARGUMENT with the reason. */
KVANT_API kvant_status kvant_recipe_check(const kvant_recipe *recipe) KVANT_CHECK_RESULT;

#ifdef __cplusplus
}
#endif

#endif
