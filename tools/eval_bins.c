/* SPDX-License-Identifier: MIT
 *
 * Cases by the lines of their prompts.
 */
#include "eval_summary.h"

size_t eval_bins_of(const case_list *cases, eval_bin out_bins[EVAL_MOST_BINS])
{
    uint32_t least = cases->cases[0].lines;
    uint32_t most = least;
    for (size_t i = 0; i < cases->count; i++) {
        uint32_t lines = cases->cases[i].lines;
        least = lines < least ? lines : least;
        most = lines > most ? lines : most;
    }
    uint32_t width = (most - least) / EVAL_MOST_BINS + 1u;
    size_t kept = 0;
    for (uint32_t bin = 0; bin < EVAL_MOST_BINS; bin++) {
        uint64_t first = (uint64_t)least + (uint64_t)bin * width;
        uint64_t last = first + width - 1u;
        eval_bin counted = {(uint32_t)first, (uint32_t)(last < most ? last : most), 0};
        for (size_t i = 0; i < cases->count; i++) {
            uint32_t lines = cases->cases[i].lines;
            counted.cases += lines >= first && lines <= last;
        }
        if (counted.cases != 0u) {
            out_bins[kept++] = counted;
        }
    }
    return kept;
}
