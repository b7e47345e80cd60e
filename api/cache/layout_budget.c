/* SPDX-License-Identifier: MIT
 *
 * Layouts of recipes with a byte budget: the budget becomes a share of salient tokens, by planning
 * with one share after another.
 */
#include "layout_plan.h"
#include "recipe_internal.h"

/* Shares that a budget chooses from. */
#define BUDGET_STEPS 1024u

/* The layout with `steps` of BUDGET_STEPS of the recipe's salient share. */
static kvant_status make_with_share(kvant_host *host, const kvant_cache_desc *desc, uint32_t steps,
                                    kvant_layout *out_layout)
{
    kvant_cache_desc within = *desc;
    kvant_recipe *recipe = &within.recipe;
    recipe->budget = 0.0;
    recipe->salient_share = recipe->salient_share * (double)steps / BUDGET_STEPS;
    recipe->salient_share_v = recipe->salient_share_v * (double)steps / BUDGET_STEPS;
    recipe->top_share = recipe->top_share * (double)steps / BUDGET_STEPS;
    if (steps == 0u) {
        recipe->top_k = KVANT_CODEC_NONE;
        recipe->top_v = KVANT_CODEC_NONE;
        kvant_rule_forget_salient(&recipe->k);
        kvant_rule_forget_salient(&recipe->v);
    }
    return kvant_layout_plan(host, &within, out_layout);
}

/* The largest share of salient tokens, up to the recipe's, with which the cache keeps to the budget. */
static kvant_status make_within_budget(kvant_host *host, const kvant_cache_desc *desc,
                                       kvant_layout *out_layout)
{
    *out_layout = (kvant_layout){0};
    kvant_status status = kvant_recipe_check(&desc->recipe);
    if (status != KVANT_OK) {
        return status;
    }
    const double budget = desc->recipe.budget;
    uint32_t fits = 0;
    uint32_t exceeds = BUDGET_STEPS + 1u;
    status = make_with_share(host, desc, fits, out_layout);
    if (status == KVANT_OK && out_layout->bytes.bits_per_value > budget) {
        status = kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                            "budget: %.4g bits a value; with no salient token the cache takes %.4g",
                            budget, out_layout->bytes.bits_per_value);
        kvant_layout_free(host, out_layout);
    }
    while (status == KVANT_OK && exceeds - fits > 1u) {
        uint32_t middle = exceeds == BUDGET_STEPS + 1u ? BUDGET_STEPS : (fits + exceeds) / 2u;
        kvant_layout trial;
        status = make_with_share(host, desc, middle, &trial);
        if (status != KVANT_OK) {
            kvant_layout_free(host, out_layout);
        } else if (trial.bytes.bits_per_value <= budget) {
            kvant_layout_free(host, out_layout);
            *out_layout = trial;
            fits = middle;
        } else {
            kvant_layout_free(host, &trial);
            exceeds = middle;
        }
    }
    return status;
}

kvant_status kvant_layout_make(kvant_host *host, const kvant_cache_desc *desc,
                               kvant_layout *out_layout)
{
    bool has_budget = desc->recipe.budget != 0.0;
    return has_budget ? make_within_budget(host, desc, out_layout)
                      : kvant_layout_plan(host, desc, out_layout);
}
