/* SPDX-License-Identifier: MIT
 *
 * The operations that `kvant bench` measures: one row each.
 */
#include <string.h>

#include "bench_work.h"

const bench_kind bench_kinds[] = {
    {.name = "quantize",
     .summary = "parameters, codes and packing of K and V of every sequence, channel scales and\n"
                "both classes included; f16: K and V copied into the cache",
     .baseline = "quantize",
     .prepare = bench_prepare_quantize,
     .bytes = bench_quantize_bytes,
     .work = bench_elements},
    {.name = "dequantize",
     .summary = "K and V back to f16; f16: the same rows copied",
     .baseline = "dequantize",
     .prepare = bench_prepare_dequantize,
     .bytes = bench_quantize_bytes,
     .work = bench_elements},
    {.name = "saliency",
     .summary = "scores of one layer's tokens by probe rows (recipes with two classes that\n"
                "judge by them)",
     .needs_classes = 1,
     .needs_attention = 1,
     .prepare = bench_prepare_saliency,
     .bytes = bench_saliency_bytes,
     .work = bench_elements},
    {.name = "range",
     .summary =
         "scores of one layer's tokens by the value range of K, without queries (recipes with\n"
         "two classes)",
     .needs_classes = 1,
     .prepare = bench_prepare_range,
     .bytes = bench_range_bytes,
     .work = bench_elements},
    {.name = "select",
     .summary = "the most salient tokens by their scores (recipes with two classes)",
     .needs_classes = 1,
     .prepare = bench_prepare_select,
     .bytes = bench_select_bytes,
     .work = bench_tokens},
    {.name = "attention",
     .summary = "decode attention of one layer, one query a sequence, over prefilled caches",
     .baseline = "attention",
     .prepare = bench_prepare_attention,
     .bytes = bench_attention_bytes,
     .work = bench_attention_work},
    {.name = "compress",
     .summary = "a prompt into the cache: saliency, selection and quantization;\n"
                "f16: the attention of the same prompt (prompt-attention)",
     .baseline = "prompt-attention",
     .is_prompt = 1,
     .prepare = bench_prepare_compress,
     .bytes = bench_compress_bytes,
     .work = bench_elements},
    {.name = "prompt-attention",
     .summary = "causal attention of a prompt over its K and V in f16, nothing else",
     .is_prompt = 1,
     .is_f16 = 1,
     .prepare = bench_prepare_prompt_attention,
     .bytes = bench_prompt_attention_bytes,
     .work = bench_prompt_work},
    {.name = "prefill",
     .summary = "prompt-attention and compress, one after the other",
     .baseline = "prefill",
     .is_prompt = 1,
     .prepare = bench_prepare_prefill,
     .bytes = bench_prefill_bytes,
     .work = bench_prompt_work},
    {.name = "step",
     .summary = "a decode step: a token appended to every layer (4, --layers), with the\n"
                "compression that it causes, and attention; time in the library by the host's\n"
                "clock, its breakdown by time stamps on the device in a second pass",
     .baseline = "step",
     .is_step = 1,
     .prepare = bench_prepare_step,
     .bytes = bench_step_bytes,
     .work = bench_attention_work},
    {.name = NULL},
};

const bench_kind *bench_kind_named(const char *name)
{
    for (const bench_kind *kind = bench_kinds; kind->name != NULL; kind++) {
        if (strcmp(kind->name, name) == 0) {
            return kind;
        }
    }
    return NULL;
}

int bench_operation_prepare(bench_operation *o, tool_error *error)
{
    o->bytes = o->kind->bytes(&o->recipe, o->shape) * o->shape->batch;
    if (o->kind->is_step) {
        o->bytes *= o->shape->layers;
    }
    o->turns = 1;
    return o->kind->prepare(o, error);
}

void bench_operation_release(bench_operation *o)
{
    kvant_cache_destroy(o->cache);
    kvant_buffer_destroy(o->store);
    kvant_buffer_destroy(o->scratch);
    kvant_buffer_destroy(o->target);
    kvant_buffer_destroy(o->saliency.scores);
    kvant_buffer_destroy(o->range.scores);
    memset(o, 0, sizeof *o);
}

uint32_t bench_turns(const bench_operation *o, uint32_t most)
{
    uint64_t turns = o->bytes != 0u ? (o->beyond + o->bytes - 1u) / o->bytes : 1u;
    return turns < 1u ? 1u : turns > most ? most : (uint32_t)turns;
}

void bench_add_output(bench_operation *o, const char *what, kvant_buffer *buffer, uint64_t bytes,
                      int is_bounded)
{
    o->outputs[o->output_count++] = (bench_output){what, buffer, bytes, is_bounded};
}
