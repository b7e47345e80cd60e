/* SPDX-License-Identifier: MIT
 *
 * The single operations of kvant/ops.h: what they give back agrees with each other, and what they
 * cannot do is refused with a sentence.
 */
#include <math.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "kvant/kvant.h"
#include "kvant/ops.h"

enum { TOKENS = 40, DIM = 16, ELEMENTS = TOKENS * DIM, WORDS = 4096 };

static kvant_context *context;
static kvant_tensor tensors[4]; /* of f32, [TOKENS][1][DIM] */
static kvant_buffer *store, *scratch;
static float values[ELEMENTS];

static int open_all(void **state)
{
    (void)state;
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = "host";
    assert_int_equal(kvant_context_create(&desc, &context), KVANT_OK);
    for (int i = 0; i < ELEMENTS; i++) {
        values[i] = (float)((i * 37) % 101 - 50) / 32.0f;
    }
    for (int i = 0; i < 4; i++) {
        tensors[i] = (kvant_tensor){.dtype = KVANT_F32};
        assert_int_equal(kvant_buffer_create(context, sizeof values, &tensors[i].buffer), KVANT_OK);
        assert_int_equal(kvant_buffer_write(tensors[i].buffer, 0, values, sizeof values), KVANT_OK);
    }
    assert_int_equal(kvant_buffer_create(context, WORDS * 4, &store), KVANT_OK);
    assert_int_equal(kvant_buffer_create(context, WORDS * 4, &scratch), KVANT_OK);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        kvant_buffer_destroy(tensors[i].buffer);
    }
    kvant_buffer_destroy(store);
    kvant_buffer_destroy(scratch);
    kvant_context_destroy(context);
    return 0;
}

#define REFUSED(type, good, function, change)                                                      \
    do {                                                                                           \
        type desc = good;                                                                          \
        change;                                                                                    \
        kvant_status status = function(context, &desc);                                            \
        assert_true(status == KVANT_ERROR_INVALID_ARGUMENT || status == KVANT_ERROR_LIMIT);        \
        assert_true(strlen(kvant_last_message()) > 10);                                            \
    } while (0)

static void what_is_quantized_comes_back(void **state)
{
    (void)state;
    kvant_quantize_desc good = KVANT_QUANTIZE_DESC_INIT;
    good.source = tensors[0];
    good.tokens = TOKENS;
    good.heads = 1;
    good.dim = DIM;
    good.codec = KVANT_CODEC_INT8;
    good.capacity = TOKENS;
    good.store = store;
    good.codes = 256;
    good.scratch = scratch;
    assert_true(kvant_quantize_code_words(&good) == ELEMENTS / 4);
    assert_true(kvant_quantize_param_words(&good) <= 256);
    assert_int_equal(kvant_quantize(context, &good), KVANT_OK);
    good.source = tensors[3];
    assert_int_equal(kvant_dequantize(context, &good), KVANT_OK);
    float got[ELEMENTS];
    assert_int_equal(kvant_buffer_read(tensors[3].buffer, 0, got, sizeof got), KVANT_OK);
    for (int i = 0; i < ELEMENTS; i++) {
        assert_true(fabsf(got[i] - values[i]) < 3.2f / 255.0f);
    }
    REFUSED(kvant_quantize_desc, good, kvant_dequantize, desc.struct_size = 0);
    REFUSED(kvant_quantize_desc, good, kvant_dequantize, desc.tokens = TOKENS + 4);
    REFUSED(kvant_quantize_desc, good, kvant_dequantize, desc.store = NULL);
    REFUSED(kvant_quantize_desc, good, kvant_dequantize, desc.codes = WORDS - 8);
    REFUSED(kvant_quantize_desc, good, kvant_dequantize, desc.params = WORDS - 8);
    REFUSED(kvant_quantize_desc, good, kvant_dequantize, desc.source.dtype = KVANT_BF16);
    REFUSED(kvant_quantize_desc, good, kvant_dequantize, desc.source.offset = 1);
    REFUSED(kvant_quantize_desc, good, kvant_dequantize, desc.codec = (kvant_codec)99);
    REFUSED(kvant_quantize_desc, good, kvant_dequantize, desc.channel_scale = WORDS - 2);
    assert_int_equal(kvant_dequantize(NULL, &good), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_quantize(context, NULL), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_channel_scale(NULL, &good), KVANT_ERROR_INVALID_ARGUMENT);
    good.dim = 12;
    assert_true(kvant_quantize_scratch_bytes(&good) == 0);
    assert_true(kvant_quantize_code_words(NULL) == 0);
    assert_true(kvant_quantize_param_words(NULL) == 0);
}

static kvant_segment f16_segment(void)
{
    return (kvant_segment){.capacity = TOKENS,
                           .k_codec = KVANT_CODEC_F16,
                           .v_codec = KVANT_CODEC_F16,
                           .positions = 64,
                           .k_codes = 128,
                           .v_codes = 512,
                           .k_channel_scale = KVANT_NO_OFFSET,
                           .v_channel_scale = KVANT_NO_OFFSET};
}

static void tables_are_checked(void **state)
{
    (void)state;
    const kvant_segment good = f16_segment();
    uint32_t table[64];
    uint32_t words = kvant_attention_table_words(&good, 1);
    assert_int_equal(kvant_attention_splits(&good, 1), 1);
    assert_int_equal(kvant_attention_splits(NULL, 1), 0);
    assert_true(words <= 64);
    assert_int_equal(kvant_attention_table(&good, 1, 1, table, words), KVANT_OK);
    assert_int_equal(table[0], 1); /* one split */
    assert_int_equal(kvant_attention_table(&good, 1, 0, table, words),
                     KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_attention_table(&good, 1, 1, table, words - 1),
                     KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_attention_table(&good, 0, 1, table, words),
                     KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_attention_table(NULL, 1, 1, table, words), KVANT_ERROR_INVALID_ARGUMENT);
    kvant_segment bad[6] = {good, good, good, good, good, good};
    bad[0].capacity = 0;
    bad[1].capacity = 6;
    bad[2].v_codec = KVANT_CODEC_INT4; /* one of the two alone */
    bad[3].k_codec = bad[3].v_codec = (kvant_codec)77;
    bad[4].k_codec = bad[4].v_codec = KVANT_CODEC_INT2;
    bad[4].k_grouping = (kvant_grouping)9;
    bad[5].head_first = 1; /* of no heads */
    for (int i = 0; i < 6; i++) {
        assert_int_equal(kvant_attention_table(&bad[i], 1, 1, table, words),
                         KVANT_ERROR_INVALID_ARGUMENT);
    }
}

static void attention_checks_its_descriptor(void **state)
{
    (void)state;
    kvant_attention_desc good = KVANT_ATTENTION_DESC_INIT;
    good.store = store;
    good.max_segments = good.max_splits = 1;
    good.q_heads = good.kv_heads = 1;
    good.k_dim = good.v_dim = DIM;
    good.queries = tensors[0];
    good.out = tensors[3];
    good.scratch = scratch;
    assert_true(kvant_attention_scratch_bytes(&good) == (DIM + 2) * 4);
    assert_int_equal(kvant_buffer_fill(store, 0, 0, WORDS * 4),
                     KVANT_OK); /* a table of no splits */
    assert_int_equal(kvant_attention(context, &good), KVANT_OK);
    REFUSED(kvant_attention_desc, good, kvant_attention, desc.struct_size = 1);
    REFUSED(kvant_attention_desc, good, kvant_attention, desc.max_splits = 0);
    REFUSED(kvant_attention_desc, good, kvant_attention, desc.queries_per_sequence = 2000);
    REFUSED(kvant_attention_desc, good, kvant_attention, desc.q_heads = 0);
    REFUSED(kvant_attention_desc, good, kvant_attention, desc.q_heads = 5000);
    REFUSED(kvant_attention_desc, good, kvant_attention, desc.scale = NAN);
    REFUSED(kvant_attention_desc, good, kvant_attention, desc.v_dim = 7);
    REFUSED(kvant_attention_desc, good, kvant_attention, desc.store = NULL);
    REFUSED(kvant_attention_desc, good, kvant_attention, desc.first_region = WORDS);
    REFUSED(kvant_attention_desc, good, kvant_attention,
            (desc.sequences = 2, desc.region_stride = 0xfffffff0u));
    REFUSED(kvant_attention_desc, good, kvant_attention, desc.scratch = NULL);
    REFUSED(kvant_attention_desc, good, kvant_attention,
            (desc.positions = tensors[1].buffer, desc.queries.buffer = NULL));
    kvant_buffer *small = NULL;
    assert_int_equal(kvant_buffer_create(context, 4, &small), KVANT_OK);
    REFUSED(kvant_attention_desc, good, kvant_attention,
            (desc.lse = small, desc.queries_per_sequence = 2));
    REFUSED(kvant_attention_desc, good, kvant_attention, desc.scratch = small);
    kvant_buffer_destroy(small);
    assert_int_equal(kvant_attention(NULL, &good), KVANT_ERROR_INVALID_ARGUMENT);
    assert_true(kvant_attention_scratch_bytes(NULL) == 0);
}

/* Causal attention of a prompt, against the formula in double precision. */
static void prompts_attend_causally(void **state)
{
    (void)state;
    kvant_prefill_attention_desc good = KVANT_PREFILL_ATTENTION_DESC_INIT;
    good.queries = tensors[0];
    good.keys = tensors[1];
    good.values = tensors[2];
    good.out = tensors[3];
    good.query_tokens = good.key_tokens = TOKENS;
    good.q_heads = good.kv_heads = 1;
    good.k_dim = good.v_dim = DIM;
    good.lse = scratch;
    assert_int_equal(kvant_prefill_attention(context, &good), KVANT_OK);
    float got[ELEMENTS];
    float lse[TOKENS];
    assert_int_equal(kvant_buffer_read(tensors[3].buffer, 0, got, sizeof got), KVANT_OK);
    assert_int_equal(kvant_buffer_read(scratch, 0, lse, sizeof lse), KVANT_OK);
    for (int row = 0; row < TOKENS; row++) {
        double weights[TOKENS];
        double sum = 0.0;
        for (int key = 0; key <= row; key++) {
            double dot = 0.0;
            for (int c = 0; c < DIM; c++) {
                dot += (double)values[row * DIM + c] * (double)values[key * DIM + c];
            }
            weights[key] = exp(dot / 4.0);
            sum += weights[key];
        }
        assert_true(fabs((double)lse[row] - log(sum)) < 1e-3);
        for (int c = 0; c < DIM; c++) {
            double expected = 0.0;
            for (int key = 0; key <= row; key++) {
                expected += weights[key] / sum * (double)values[key * DIM + c];
            }
            assert_true(fabs((double)got[row * DIM + c] - expected) < 2e-3);
        }
    }
    REFUSED(kvant_prefill_attention_desc, good, kvant_prefill_attention, desc.struct_size = 1);
    REFUSED(kvant_prefill_attention_desc, good, kvant_prefill_attention, desc.query_tokens = 0);
    REFUSED(kvant_prefill_attention_desc, good, kvant_prefill_attention, desc.key_tokens = 41);
    REFUSED(kvant_prefill_attention_desc, good, kvant_prefill_attention, desc.kv_heads = 3);
    REFUSED(kvant_prefill_attention_desc, good, kvant_prefill_attention, desc.k_dim = 20);
    REFUSED(kvant_prefill_attention_desc, good, kvant_prefill_attention, desc.scale = -2.0f);
    REFUSED(kvant_prefill_attention_desc, good, kvant_prefill_attention, desc.out.buffer = NULL);
    REFUSED(kvant_prefill_attention_desc, good, kvant_prefill_attention,
            desc.first_query = 0x20000000u);
    assert_int_equal(kvant_prefill_attention(NULL, &good), KVANT_ERROR_INVALID_ARGUMENT);
}

static void contexts_check_what_they_are_given(void **state)
{
    (void)state;
    kvant_context_desc good = KVANT_CONTEXT_DESC_INIT;
    good.backend = "host";
    kvant_context_desc bad[3] = {good, good, good};
    bad[0].struct_size = 8;
    bad[1].flags = 0x80;
    bad[2].allocator.user = &good;
    bad[2].allocator.release = (void (*)(void *, void *))0;
    bad[2].backend = "host:5";
    kvant_context *made = NULL;
    assert_int_equal(kvant_context_create(&bad[0], &made), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_context_create(&bad[1], &made), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_context_create(&bad[2], &made), KVANT_ERROR_NO_DEVICE);
    assert_int_equal(kvant_context_create(&good, NULL), KVANT_ERROR_INVALID_ARGUMENT);
    assert_null(made);
    kvant_context_destroy(NULL);
    kvant_device_info info = KVANT_DEVICE_INFO_INIT;
    kvant_context_stats stats = KVANT_CONTEXT_STATS_INIT;
    info.struct_size = stats.struct_size = 3;
    assert_int_equal(kvant_context_device(context, &info), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_context_get_stats(context, &stats), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_context_synchronize(NULL), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_context_is_lost(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_quantized_comes_back),
        cmocka_unit_test(tables_are_checked),
        cmocka_unit_test(attention_checks_its_descriptor),
        cmocka_unit_test(prompts_attend_causally),
        cmocka_unit_test(contexts_check_what_they_are_given),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
