/* SPDX-License-Identifier: MIT
 *
 * What a case asks for, and why. A kind of case without a row here fails.
 */
#include "conformance_rules.h"

#include <stddef.h>
#include <string.h>

#define EQUAL_WORDS "every word of every buffer equals the scalar reference"

/* ---- kernels compared with the reference --------------------------------------------------- */

typedef struct {
    const char *kind; /* the first part of the name */
    kvant_case_group group;
    const char *reason;
} word_rule;

/* Kernels, and chains of them that are compared at their end. */
static const word_rule word_rules[] = {
    {"arithmetic", KVANT_CASES_ARITHMETIC,
     "only + - * of floats, each rounded to nearest even, and 32-bit integers are used"},
    {"finite", KVANT_CASES_CODES, "it counts elements, in integers"},
    {"append", KVANT_CASES_CODES, "conversion to f16 is an integer routine"},
    {"positions", KVANT_CASES_CODES, "it stores integers"},
    {"rotate", KVANT_CASES_CODES, "each sum of a butterfly has two terms, in one fixed order"},
    {"extrema", KVANT_CASES_CODES, "minimum and maximum of sortable integer keys have no order"},
    {"channel_scale", KVANT_CASES_CODES, "the square root of a half is an integer root"},
    {"parameters", KVANT_CASES_CODES,
     "one product by a constant, rounded to f16 by an integer routine"},
    {"encode", KVANT_CASES_CODES,
     "a code follows from the stored parameters through a correctly rounded reciprocal"},
    {"encode_codebook", KVANT_CASES_CODES,
     "a code is a count of thresholds, half-integers, that a rounded product is beyond"},
    {"encode_norm", KVANT_CASES_CODES,
     "squares are sums of integers, roots integer roots, codes counts of thresholds"},
    {"gather", KVANT_CASES_CODES, "conversion to f16 is an integer routine"},
    {"codebook_histogram", KVANT_CASES_CODES, "it counts codes, in integers"},
    {"codebook_levels", KVANT_CASES_CODES, "sums and means are integers"},
    {"dequantize", KVANT_CASES_CODES, "one product and one sum, each rounded once"},
    {"locate", KVANT_CASES_CODES, "it stores integers"},
    {"transcode", KVANT_CASES_CODES,
     "codes are shifted, and a minimum is the sum of two floats without a rounding before it"},
    {"quantize", KVANT_CASES_CODES, "each kernel of the chain is exact"},
    {"probe_rows", KVANT_CASES_SALIENCY, "Philox is integer arithmetic"},
    {"saliency_queries", KVANT_CASES_SALIENCY,
     "each element is rounded by itself; the largest is that of integer keys"},
    {"saliency_rows", KVANT_CASES_SALIENCY, "sums are integers, so their order does not matter"},
    {"saliency_merge", KVANT_CASES_SALIENCY, "splits are merged in index order"},
    {"saliency_columns", KVANT_CASES_SALIENCY, "sums are integers, so their order does not matter"},
    {"saliency_scores", KVANT_CASES_SALIENCY, "normalising is integer division"},
    {"saliency_pool", KVANT_CASES_SALIENCY, "means and maxima are those of integers"},
    {"saliency_magnitudes", KVANT_CASES_SALIENCY,
     "it counts halves by their bits; integer counts have no order"},
    {"saliency_percentile", KVANT_CASES_SALIENCY, "it adds counts, in integers"},
    {"saliency_range", KVANT_CASES_SALIENCY,
     "extrema have no order, and one subtraction is rounded once"},
    {"saliency_ranks", KVANT_CASES_SALIENCY,
     "it orders pairs of integers, score and position, which are never equal"},
    {"saliency", KVANT_CASES_SALIENCY, "each kernel of the chain is exact"},
    {"select", KVANT_CASES_SALIENCY,
     "it orders pairs of integers, score and position, which are never equal"},
    {"attention", KVANT_CASES_ATTENTION,
     "sums over codes are integers, float sums keep one fixed order"},
    {"attention_general", KVANT_CASES_ATTENTION,
     "levels are bytes, so sums over them are integers as those over codes"},
    {"attention_latent", KVANT_CASES_ATTENTION,
     "sums over codes are integers, float sums keep one fixed order"},
    {"attention_merge", KVANT_CASES_ATTENTION,
     "splits are merged in index order, with weights that are integers"},
    {"attention_chain", KVANT_CASES_ATTENTION, "each kernel of the chain is exact"},
    {"prefill", KVANT_CASES_ATTENTION,
     "the manifest allows a bound, but this version fixes every order and so gives the same bits; "
     "oracle/prefill holds the bound"},
};

/* Kernels that have no row above: what the manifest promises. */
static const struct {
    const char *kernel;
    const char *exactness;
} manifest[] = {
#define KVANT_KERNEL(name, params, count, names, shape, exactness) {#name, #exactness},
#include "kernels.def"
#undef KVANT_KERNEL
};

/* ---- everything else ----------------------------------------------------------------------- */

typedef struct {
    const char *prefix;
    kvant_case_rule rule;
} prefix_rule;

#define GOLDEN_RULE "every word equals the checked-in bytes"
#define GOLDEN_REASON "the format is frozen: a file that is saved today can be read for good"
#define ROUNDED_RULE "every result equals double precision, rounded once"
#define ROUNDED_REASON "doubles hold the exact result of these functions' arguments"

/* The first prefix that fits counts. */
static const prefix_rule prefix_rules[] = {
    {"golden/saliency/", {KVANT_CASES_SALIENCY, GOLDEN_RULE, GOLDEN_REASON}},
    {"golden/attention/", {KVANT_CASES_ATTENTION, GOLDEN_RULE, GOLDEN_REASON}},
    {"golden/", {KVANT_CASES_CODES, GOLDEN_RULE, GOLDEN_REASON}},
    {"oracle/arithmetic/exp/",
     {KVANT_CASES_ARITHMETIC, "within one ulp of double precision; 0 below -40",
      "0.98 ulp is the most over all floats of its domain, measured once"}},
    {"oracle/arithmetic/log/",
     {KVANT_CASES_ARITHMETIC, "within one ulp of double precision",
      "the polynomial's error and its roundings stay below an ulp"}},
    {"oracle/arithmetic/philox/",
     {KVANT_CASES_ARITHMETIC, "every draw equals the published generator",
      "the oracle is checked against Random123's known answers first"}},
    {"oracle/arithmetic/", {KVANT_CASES_ARITHMETIC, ROUNDED_RULE, ROUNDED_REASON}},
    {"oracle/append/",
     {KVANT_CASES_CODES, "every stored half is the nearest finite one, without negative zero",
      "a half is chosen by comparison in double precision"}},
    {"oracle/rotate/",
     {KVANT_CASES_CODES,
      "every element within the bound of its row of the signed Hadamard matrix in double "
      "precision; "
      "the inverse gives the row back",
      "each of log2(block) sums and one product rounds by 2^-24 of what it adds (docs/numerics.md, "
      "Rotation)"}},
    {"oracle/gather/",
     {KVANT_CASES_CODES,
      "every stored half is the nearest finite one to the row that its list names",
      "rows are looked up in the caller's tensor, a half is chosen by comparison in double "
      "precision"}},
    {"oracle/quantize/",
     {KVANT_CASES_CODES,
      "codes are the nearest ones; each value is within half a step of its input, and the "
      "roundings of its parameters",
      "nearest codes leave half a step; parameters are halves, 2^-11 relative (docs/numerics.md, "
      "Quantizer)"}},
    {"oracle/probe_rows/",
     {KVANT_CASES_SALIENCY, "rows are distinct, ascending, one in each stratum, then the last ones",
      "they are computed once more from the published generator"}},
    {"oracle/select/",
     {KVANT_CASES_SALIENCY, "the lists are those of a sort by score and position",
      "the choice is between integers, so nothing may differ"}},
    {"oracle/saliency/",
     {KVANT_CASES_SALIENCY,
      "the integer scores select at least 99 % of the tokens that double precision selects",
      "99.4 % is what a model of the integer form reaches with outlier channels (docs/numerics.md, "
      "Saliency in integers)"}},
    {"oracle/saliency_pool/",
     {KVANT_CASES_SALIENCY, "every score is the mean, rounded down, or the largest of those around",
      "doubles hold the sums exactly"}},
    {"oracle/saliency_ranks/",
     {KVANT_CASES_SALIENCY, "every blend is the sum of the weighted places in a sorted list",
      "ranks are integers"}},
    {"oracle/saliency_range/",
     {KVANT_CASES_SALIENCY,
      "every range and count of outliers is that of the stored halves; they select at least 99 % "
      "of "
      "the tokens that the given numbers select",
      "extrema and counts of halves are exact; rounding a number to a half moves few tokens"}},
    {"oracle/attention/",
     {KVANT_CASES_ATTENTION,
      "every output within the bound of its own operands, NMSE at most 1e-6 over the case",
      "16-bit operands leave 2e-7 in a double-precision model over the same codes "
      "(docs/numerics.md, "
      "Attention in integers)"}},
    {"oracle/attention_latent/",
     {KVANT_CASES_ATTENTION,
      "every log-sum-exp within 1e-3, NMSE of the outputs at most 1e-6 over the case",
      "16-bit operands leave 2e-7 in a double-precision model over the same codes "
      "(docs/numerics.md, "
      "Attention in integers)"}},
    {"oracle/prefill/",
     {KVANT_CASES_ATTENTION,
      "every output within the bound of its own operands, NMSE at most 1e-6 over the case",
      "fp32 sums of that many products round by less (docs/numerics.md, Prefill)"}},
    {"scenario/plan/",
     {KVANT_CASES_SCENARIO, "sizes that offsets or byte counts cannot hold are refused",
      "sizes go through checked arithmetic"}},
    {"scenario/",
     {KVANT_CASES_SCENARIO,
      "digests, outputs and log-sum-exps equal the host's; NMSE against a literal model within "
      "what "
      "the recipe's bits allow",
      "a chain of exact kernels is exact; rounding to b bits leaves about 3 / (2^b - 1)^2 of the "
      "power of a number"}},
};

static int is_kind(const char *name, const char *kind)
{
    size_t length = strlen(kind);
    return strncmp(name, kind, length) == 0 && name[length] == '/';
}

static int find_kernel(const char *name, kvant_case_rule *out_rule)
{
    for (size_t i = 0; i < sizeof manifest / sizeof manifest[0]; i++) {
        if (is_kind(name, manifest[i].kernel)) {
            out_rule->group = KVANT_CASES_ARITHMETIC; /* of micro-kernels; others have a row */
            out_rule->rule = EQUAL_WORDS;
            out_rule->reason = strcmp(manifest[i].exactness, "EXACT") == 0
                                   ? "the manifest says EXACT"
                                   : "this version promises more than the manifest's bound";
            return 1;
        }
    }
    return 0;
}

int kvant_case_rule_find(const char *name, kvant_case_rule *out_rule)
{
    for (size_t i = 0; i < sizeof prefix_rules / sizeof prefix_rules[0]; i++) {
        if (strncmp(name, prefix_rules[i].prefix, strlen(prefix_rules[i].prefix)) == 0) {
            *out_rule = prefix_rules[i].rule;
            return 1;
        }
    }
    for (size_t i = 0; i < sizeof word_rules / sizeof word_rules[0]; i++) {
        if (is_kind(name, word_rules[i].kind)) {
            *out_rule = (kvant_case_rule){word_rules[i].group, EQUAL_WORDS, word_rules[i].reason};
            return 1;
        }
    }
    return find_kernel(name, out_rule);
}

kvant_case_group kvant_case_group_of(const char *name)
{
    kvant_case_rule rule;
    return kvant_case_rule_find(name, &rule) ? rule.group : KVANT_CASES_OTHER;
}

const char *kvant_case_group_name(kvant_case_group group)
{
    static const char *const names[] = {
#define KVANT_GROUP_NAME(symbol, name) name,
        KVANT_CASE_GROUPS(KVANT_GROUP_NAME)
#undef KVANT_GROUP_NAME
    };
    return names[group];
}
