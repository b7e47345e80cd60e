/* SPDX-License-Identifier: MIT
 *
 * Random 8-bit recipes, shapes and lengths. At 8 bits attention must stay near that of the uncompressed
 * cache: whatever places, aligns, lists or masks tokens wrongly shows at once. And the bytes and the
 * outputs are the same on every device.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "cache_scenario.h"

enum { ON_HOST = 60, ON_DEVICES = 12 };

static uint32_t draw(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % below;
}

static uint32_t least_common_multiple(uint32_t a, uint32_t b)
{
    uint32_t multiple = a;
    while (multiple % b != 0) {
        multiple += a;
    }
    return multiple;
}

/* A recipe of 8-bit codecs; both classes of a mixed one have 8 bits too. */
static void draw_recipe(uint32_t *state, char *text, size_t capacity)
{
    static const struct {
        const char *name;
        uint32_t block; /* tokens that a period must be a multiple of */
        int per_head;
    } groupings[] = {
        {"token", 4, 0}, {"head", 4, 1},      {"tok8", 4, 1},     {"tok32", 4, 1},
        {"tok64", 4, 1}, {"chan32", 32, 1},   {"chan64", 64, 1},  {"chan96", 96, 1},
        {"chan", 4, 1},  {"token/cst", 4, 0}, {"head/cst", 4, 1}, {"tok32/cst", 4, 1},
    };
    uint32_t k = draw(state, 12);
    uint32_t v = draw(state, 12);
    uint32_t block = least_common_multiple(groupings[k].block, groupings[v].block);
    uint32_t period = block * (1 + draw(state, 3));
    int mixed = draw(state, 3) == 0;
    int per_head = mixed && groupings[k].per_head && groupings[v].per_head && draw(state, 2) == 0;
    const char *codec = mixed ? "int8+int8s" : draw(state, 2) == 0 ? "int8" : "int8s";
    snprintf(text, capacity, "k=%s/%s,v=%s/%s,window=%u,period=%u,sinks=%u%s%s", codec,
             groupings[k].name, mixed ? "int8+int8" : "int8", groupings[v].name,
             draw(state, 3) != 0 ? draw(state, 60) : 0, period,
             draw(state, 3) == 0 ? draw(state, 9) : 0,
             mixed ? ",salient=0.5,random=0.1,recent=0.1,norm=probes" : "",
             per_head ? ",heads=group" : "");
}

static scenario draw_scenario(uint32_t *state, const char *recipe)
{
    static const uint32_t dims[] = {8, 16, 40, 64, 72};
    uint32_t kv_heads = 1 + draw(state, 2);
    uint32_t chunk = 1 + draw(state, 4);
    return (scenario){
        .recipe = recipe,
        .sequences = 1 + draw(state, 2),
        .q_heads = kv_heads * (1 + draw(state, 3)),
        .kv_heads = kv_heads,
        .k_dim = dims[draw(state, 5)],
        .v_dim = dims[draw(state, 5)],
        .prefill = draw(state, 4) != 0 ? draw(state, 330) : 0,
        .decode = (1 + draw(state, 40)) * chunk,
        .chunk = chunk,
        .dtype = (kvant_dtype)draw(state, 3),
        .outliers = draw(state, 2) == 0 ? 1.0f : 10.0f,
        .non_finite = KVANT_NON_FINITE_STRICT,
    };
}

static double distance(const scenario_result *a, const scenario_result *b)
{
    double error = 0.0;
    double power = 0.0;
    for (size_t i = 0; i < a->count; i++) {
        double difference = (double)a->outputs[i] - (double)b->outputs[i];
        error += difference * difference;
        power += (double)b->outputs[i] * (double)b->outputs[i];
    }
    return error / power;
}

static void eight_bits_stay_near_f16(void **state)
{
    (void)state;
    uint32_t random = 1;
    double worst = 0.0;
    kvant_context *host = scenario_open("host");
    for (int i = 0; i < ON_HOST; i++) {
        char recipe[192];
        draw_recipe(&random, recipe, sizeof recipe);
        scenario s = draw_scenario(&random, recipe);
        scenario plain = s;
        plain.recipe = "f16";
        scenario_result got = scenario_run(host, &s);
        scenario_result expected = scenario_run(host, &plain);
        double nmse = distance(&got, &expected);
        if (!(nmse < 3e-3)) {
            fail_msg("%s: prompt %u, decode %u by %u, heads %u/%u of %u and %u: NMSE %.2e", recipe,
                     s.prefill, s.decode, s.chunk, s.q_heads, s.kv_heads, s.k_dim, s.v_dim, nmse);
        }
        worst = nmse > worst ? nmse : worst;
        scenario_release(&got);
        scenario_release(&expected);
    }
    print_message("%d random recipes: worst NMSE against f16 %.2e\n", ON_HOST, worst);
    kvant_context_destroy(host);
}

static void devices_agree_on_random_recipes(void **state)
{
    (void)state;
    static const char *const devices[] = {"opencl", "vulkan", "cuda"};
    kvant_context *host = scenario_open("host");
    int found = 0;
    for (int d = 0; d < 3; d++) {
        kvant_context *context = scenario_open(devices[d]);
        uint32_t random = 7;
        for (int i = 0; context != NULL && i < ON_DEVICES; i++) {
            char recipe[192];
            draw_recipe(&random, recipe, sizeof recipe);
            scenario s = draw_scenario(&random, recipe);
            scenario_result got = scenario_run(context, &s);
            scenario_result expected = scenario_run(host, &s);
            if (got.digest != expected.digest ||
                memcmp(got.outputs, expected.outputs, got.count * sizeof(float)) != 0) {
                fail_msg("%s differs from the host: %s, prompt %u, decode %u by %u", devices[d],
                         recipe, s.prefill, s.decode, s.chunk);
            }
            scenario_release(&got);
            scenario_release(&expected);
        }
        found += context != NULL ? 1 : 0;
        kvant_context_destroy(context);
    }
    kvant_context_destroy(host);
    if (found == 0) {
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_bits_stay_near_f16),
        cmocka_unit_test(devices_agree_on_random_recipes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
