/* SPDX-License-Identifier: MIT
 *
 * The header of a model: 28 bytes, then the size that the file claims, 8 bytes little-endian.
 */
#include <string.h>

#include "checkpoint.h"
#include "fuzz_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t input[CHECKPOINT_HEADER_BYTES + 8u] = {0};
    if (size != 0) {
        memcpy(input, data, size < sizeof input ? size : sizeof input);
    }
    uint64_t claimed = 0;
    for (uint32_t i = 0; i < 8u; i++) {
        claimed |= (uint64_t)input[CHECKPOINT_HEADER_BYTES + i] << 8u * i;
    }
    checkpoint_shape shape;
    tool_error error = {0, ""};
    if (checkpoint_read_shape(input, claimed, &shape, &error) != 0) {
        FUZZ_CHECK(error.code == TOOL_BAD_INPUT && error.text[0] != '\0');
        return 0;
    }
    FUZZ_CHECK(shape.dim != 0 && shape.hidden_dim != 0 && shape.layers != 0);
    FUZZ_CHECK(shape.vocab_size != 0 && shape.seq_len != 0 && shape.kv_heads != 0);
    FUZZ_CHECK(shape.head_dim * shape.heads == shape.dim && shape.head_dim % 2u == 0);
    FUZZ_CHECK(shape.heads % shape.kv_heads == 0);
    FUZZ_CHECK(claimed / 4u > (uint64_t)shape.vocab_size * shape.dim);
    return 0;
}
