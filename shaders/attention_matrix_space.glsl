/* SPDX-License-Identifier: MIT
 *
 * Part of attention_matrix.comp: the shape of matrices, and the shared memory that they are loaded
 * from and stored to.
 *
 * Operands are stored in vectors of 32 bytes, in units of 16. The vectors of a set belong to the same 32
 * channels (or tokens): for up to ROWS_OF_MATRIX rows one of ones, then the high and the low bytes of
 * each row; and so on until there are ROWS. A matrix is as wide as the device has it, so its last
 * columns may be another's; what comes of them is not read.
 */
#include "kernel.glsl"

layout(constant_id = 1) const kv_u32 ROWS = KV_ROWS;
layout(constant_id = 2) const kv_u32 MATRIX_ROWS = 16u;    /* of codes: tokens or channels; 8 or 16 */
layout(constant_id = 3) const kv_u32 MATRIX_COLUMNS = 16u; /* of operands; 8 or 16 */
layout(constant_id = 4) const kv_u32 MATRIX_DEPTH = 16u;   /* products of a sum; 16 or 32 */

const bool is_wide = KV_LANES > 8u; /* or the vector of a CPU */

const kv_u32 ROWS_OF_MATRIX = ROWS < MATRIX_COLUMNS / 4u ? ROWS : MATRIX_COLUMNS / 4u;
const kv_u32 VECTORS_OF_MATRIX = 2u * ROWS_OF_MATRIX + 1u;
const kv_u32 VECTORS_OF_SET = ROWS / ROWS_OF_MATRIX * VECTORS_OF_MATRIX;

/* Sets at once. K: blocks of tokens with each 8 times 32 channels; V: (chunk, group) pairs. */
#define VECTORS 160u
const kv_u32 K_SETS =
    8u / ROWS < VECTORS / 8u / VECTORS_OF_SET ? 8u / ROWS : VECTORS / 8u / VECTORS_OF_SET;
const kv_u32 V_SETS = 64u / ROWS < VECTORS / VECTORS_OF_SET ? 64u / ROWS : VECTORS / VECTORS_OF_SET;
#define SLOTS (K_SETS * ROWS)
#define WEIGHT_SLOTS (V_SETS * ROWS)

/* Behind the vectors, and those that the last matrix reaches beyond them, the codes: MATRIX_ROWS times
 * 32 bytes for each subgroup at work. `stage` has their sums, column by column. Segments of halves
 * use both in another way (attention_f16.glsl). */
#define CODES_AT 352u
#define CODES_BYTES 2048u
#define SUMS_WORDS 1024u

shared ivec4 operands[KV_MAX_HEAD_DIM / 4u * 8u + 8u];
shared kv_u32 stage[is_wide ? KV_LANES * 9u : 256u];

const kv_u32 PLACES_OF_CODES = CODES_BYTES / (MATRIX_ROWS * 32u);
const kv_u32 PLACES_OF_SUMS = (is_wide ? SUMS_WORDS : 256u) / (MATRIX_ROWS * MATRIX_COLUMNS);
const kv_u32 PLACES = PLACES_OF_CODES < PLACES_OF_SUMS ? PLACES_OF_CODES : PLACES_OF_SUMS;
