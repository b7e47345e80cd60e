/* SPDX-License-Identifier: MIT
 *
 * What a case asks for, and why that can be asked for: both follow from the kind of case, which is
 * the beginning of its name, and from what the manifest says about its kernel.
 */
#ifndef KVANT_TESTS_CONFORMANCE_RULES_H
#define KVANT_TESTS_CONFORMANCE_RULES_H

/* X(symbol, name): what the devices are compared in */
#define KVANT_CASE_GROUPS(X)                                                                       \
    X(ARITHMETIC, "arithmetic")                                                                    \
    X(CODES, "codes")         /* what the cache stores, and what is read back from it */           \
    X(SALIENCY, "saliency")   /* scores and the tokens that they select */                         \
    X(ATTENTION, "attention") /* outputs and log-sum-exps */                                       \
    X(SCENARIO, "whole caches")                                                                    \
    X(OTHER, "other") /* of a report that knows more kinds than this program */

typedef enum {
#define KVANT_GROUP_ENUM(symbol, name) KVANT_CASES_##symbol,
    KVANT_CASE_GROUPS(KVANT_GROUP_ENUM)
#undef KVANT_GROUP_ENUM
        KVANT_CASE_GROUP_COUNT
} kvant_case_group;

typedef struct {
    kvant_case_group group;
    const char *rule;
    const char *reason;
} kvant_case_rule;

/* The rule of a case. 0 where no kind of case is called like that. */
int kvant_case_rule_find(const char *name, kvant_case_rule *out_rule);

/* KVANT_CASES_OTHER where there is no rule. */
kvant_case_group kvant_case_group_of(const char *name);
const char *kvant_case_group_name(kvant_case_group group);

#endif
