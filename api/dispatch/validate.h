/* SPDX-License-Identifier: MIT
 *
 * Checks of caller tensors. A failed check leaves its sentence and INVALID_ARGUMENT or LIMIT.
 */
#ifndef KVANT_DISPATCH_VALIDATE_H
#define KVANT_DISPATCH_VALIDATE_H

#include "context_internal.h"
#include "kvant/recipe.h"
#include "params.h"

/* The size that a tensor of an operation has. */
typedef struct {
    uint32_t sequences;
    uint32_t tokens;
    uint32_t heads;
    uint32_t dim;
} kvant_shape;

enum {
    KVANT_TENSOR_OUTPUT = 1,    /* not bf16; halves in pairs: even offset and strides */
    KVANT_TENSOR_CONTIGUOUS = 2 /* channel_stride must be 1 */
};

/* Checks that the tensor lies within its buffer and below 2^32 elements, and fills in default
 * strides. `name` is how the message calls it. */
kvant_status kvant_check_tensor(const kvant_context *context, const char *name,
                                const kvant_tensor *tensor, kvant_shape shape, unsigned flags,
                                kvant_tensor *out_resolved);

/* The view of one sequence of a resolved tensor, from token row `first` on. */
kv_view kvant_view_of(const kvant_tensor *resolved, uint32_t sequence, uint32_t first);

/* Head dimension: a multiple of 8, 8 .. 256. */
kvant_status kvant_check_dim(const char *name, uint32_t dim);

/* Softmax scale: 0 for the default, or 2^-20 .. 1024. */
kvant_status kvant_check_scale(float scale);

/* No pooling and no tokens, or an odd number of them from 3 to 63. */
kvant_status kvant_check_pooling(kvant_pooling pooling, uint32_t tokens);

bool kvant_is_quantized_codec(kvant_codec codec);

#define KVANT_MAX_TOKEN_GROUP 4096u

/* Whether a group length is possible for a grouping: 8, 16 or a multiple of 32 up to 256 channels, a
 * multiple of 32 up to 4096 tokens, or none. */
/* Whether its groups have norms that a codec can keep. */
bool kvant_keeps_norm_of(kvant_grouping grouping);

bool kvant_is_group_length(kvant_grouping grouping, uint32_t length);

/* Fails with INVALID_ARGUMENT unless the buffer exists, belongs to the context and has that many
 * 32-bit words from `offset` on. */
kvant_status kvant_check_words(const kvant_context *context, const char *name,
                               const kvant_buffer *buffer, uint64_t offset, uint64_t words);

#endif
