/* SPDX-License-Identifier: MIT
 *
 * The attention's error as a map: a row a recipe, a cell a head, a group of cells a layer.
 */
#include <math.h>
#include <string.h>

#include "eval_plots.h"
#include "html_page.h"

enum { LEFT = 190, TOP = 26, ROW = 22, GAP = 6, WIDEST = 26, NARROWEST = 3, ROOM = 760, STEPS = 6 };

typedef struct {
    FILE *file;
    const eval_summary *summary;
    double cell; /* width */
    double least;
    double most; /* of all errors above 0 */
} heat_map;

static void find_range(heat_map *m)
{
    const eval_summary *s = m->summary;
    size_t cells = s->layers * s->heads;
    for (size_t recipe = 0; recipe < s->recipes; recipe++) {
        for (size_t i = 0; i < cells; i++) {
            double error = s->rows[recipe].heads[i];
            if (error > 0.0) {
                m->least = m->least == 0.0 || error < m->least ? error : m->least;
                m->most = error > m->most ? error : m->most;
            }
        }
    }
    m->cell = ((double)ROOM - GAP * (double)s->layers) / (double)cells;
    m->cell = m->cell < NARROWEST ? NARROWEST : m->cell > WIDEST ? WIDEST : m->cell;
}

/* By the logarithm, from faint to full; no error has no colour. */
static double opacity_of(const heat_map *m, double error)
{
    if (error <= 0.0) {
        return 0.0;
    }
    double share = m->most > m->least ? log(error / m->least) / log(m->most / m->least) : 1.0;
    return 0.06 + 0.94 * share;
}

static double left_of(const heat_map *m, size_t layer, size_t head)
{
    double layer_width = m->cell * (double)m->summary->heads + GAP;
    return LEFT + (double)layer * layer_width + (double)head * m->cell;
}

static void put_name(const heat_map *m, size_t recipe)
{
    enum { SHOWN = 24 };
    const char *name = m->summary->rows[recipe].recipe;
    char shown[SHOWN + 1];
    snprintf(shown, sizeof shown, "%s", name);
    fprintf(m->file, "<text class=\"name\" x=\"%d\" y=\"%zu\" text-anchor=\"end\">", LEFT - 10,
            TOP + ROW * recipe + ROW - 7u);
    html_text(m->file, shown);
    fputs(strlen(name) > SHOWN ? "…</text>\n" : "</text>\n", m->file);
}

static void put_row(const heat_map *m, size_t recipe)
{
    const eval_summary *s = m->summary;
    put_name(m, recipe);
    for (size_t i = 0; i < s->layers * s->heads; i++) {
        double error = s->rows[recipe].heads[i];
        fprintf(m->file,
                "<rect class=\"cell\" x=\"%.1f\" y=\"%zu\" width=\"%.1f\" height=\"%d\" "
                "fill-opacity=\"%.3f\"><title>",
                left_of(m, i / s->heads, i % s->heads), TOP + ROW * recipe, m->cell, ROW - 2,
                opacity_of(m, error));
        html_text(m->file, s->rows[recipe].recipe);
        fprintf(m->file, ", layer %zu, head %zu: %.3g</title></rect>\n", i / s->heads, i % s->heads,
                error);
    }
}

static void put_scale(const heat_map *m, size_t top)
{
    for (int i = 0; i < STEPS && m->most > 0.0; i++) {
        double error = m->least * pow(m->most / m->least, (double)i / (STEPS - 1));
        int left = LEFT + 110 * i;
        fprintf(m->file,
                "<rect class=\"cell\" x=\"%d\" y=\"%zu\" width=\"20\" height=\"14\" "
                "fill-opacity=\"%.3f\"/><text x=\"%d\" y=\"%zu\">%.1e</text>\n",
                left, top, opacity_of(m, error), left + 26, top + 12u, error);
    }
}

void eval_put_heads(const eval_report *report, FILE *file)
{
    const eval_summary *s = report->summary;
    heat_map m = {file, s, 0.0, 0.0, 0.0};
    find_range(&m);
    double width = left_of(&m, s->layers, 0) + 10.0;
    width = width < LEFT + 110.0 * STEPS ? LEFT + 110.0 * STEPS : width;
    size_t scale = TOP + ROW * s->recipes + 14u;
    fputs("<h2>Error by layer and head</h2>\n<p>Squared error of the attention's output over the "
          "power of f16's, with f16's queries, keys and values, so that each layer shows what it "
          "adds itself. Colours by the logarithm; a cell without colour has no error.</p>\n"
          "<div class=\"wide\">",
          file);
    fprintf(file,
            "<svg viewBox=\"0 0 %.0f %zu\" role=\"img\" aria-label=\"error by layer and head\">\n",
            width, scale + 24u);
    for (size_t layer = 0; layer < s->layers; layer++) {
        fprintf(file, "<text x=\"%.1f\" y=\"%d\">%s%zu</text>\n", left_of(&m, layer, 0), TOP - 8,
                layer == 0u ? "layer " : "", layer);
    }
    for (size_t recipe = 0; recipe < s->recipes; recipe++) {
        put_row(&m, recipe);
    }
    put_scale(&m, scale);
    fputs("</svg></div>\n", file);
}
