/* SPDX-License-Identifier: MIT
 *
 * What a recipe for caches of latents must keep: V holds latents, of which keys and values are both
 * made, and K one f16 rotary key a token.
 */
#include "diag.h"
#include "layout.h"
#include "recipe_internal.h"
#include "validate.h"

static kvant_status bad(const char *reason)
{
    return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "recipe: latent=1 %s", reason);
}

static kvant_status check_layers(const kvant_recipe *recipe)
{
    uint32_t count = kvant_recipe_layer_choices(recipe);
    for (uint32_t i = 0; i < count; i++) {
        const kvant_recipe *other = &kvant_named_recipe_at(recipe->layers[i].recipe - 1u)->recipe;
        if (other->latent != recipe->latent) {
            return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                              "recipe: latent=1 is for all layers or for none, and layers has %s",
                              kvant_recipe_name(recipe->layers[i].recipe - 1u));
        }
    }
    return KVANT_OK;
}

kvant_status kvant_recipe_check_latent(const kvant_recipe *recipe)
{
    if (recipe->latent > 1) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "recipe: latent is neither 0 nor 1");
    }
    kvant_status status = check_layers(recipe);
    if (status != KVANT_OK || recipe->latent == 0) {
        return status;
    }
    if (recipe->k.regular != KVANT_CODEC_F16) {
        return bad("takes k=f16: K is the rotary key, small and sensitive");
    }
    if (recipe->v.regular == KVANT_CODEC_DROP) {
        return bad("keeps every token: v cannot be dropped");
    }
    if (recipe->salient_share != 0.0 || recipe->budget != 0.0) {
        return bad("has no salient tokens");
    }
    if (kvant_recipe_streams(recipe) != 0) {
        return bad("has one KV head: no heads can stream beside others");
    }
    if (recipe->v.regular == KVANT_CODEC_F16) {
        return KVANT_OK;
    }
    if (kv_has_planes(kv_codec_bits((uint32_t)recipe->v.regular)) != 0u) {
        return bad("has no codes in planes: v takes codecs of 2, 4 and 8 bits");
    }
    /* a channel's parameters would have to fold into queries and into outputs */
    if (recipe->v.grouping != KVANT_GROUPING_TOKEN &&
        (recipe->v.grouping != KVANT_GROUPING_TOKEN_CHANNELS ||
         recipe->v.group_length % KV_CHUNK != 0)) {
        return bad("takes v's groupings token and tok<n>, n a multiple of 32");
    }
    return KVANT_OK;
}
