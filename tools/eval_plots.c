/* SPDX-License-Identifier: MIT
 *
 * What recipes lose against what they take.
 */
#include "eval_plots.h"

#include <stdlib.h>
#include <string.h>

#include "html_page.h"
#include "pareto.h"
#include "svg_plot.h"

enum { LABEL_CHARACTERS = 28, LABEL_HEIGHT = 14, MARK = 7, PLACES = 4 };

/* ---- recipes ------------------------------------------------------------------------------- */

static void put_recipe_mark(FILE *file, size_t recipe, double x, double y)
{
    svg_mark(file, recipe / SVG_COLOURS, recipe, x, y);
}

void eval_put_key(const eval_report *report, FILE *file)
{
    fputs("<div class=\"key\">", file);
    for (size_t i = 0; i < report->summary->recipes; i++) {
        fputs("<span>", file);
        svg_key_mark(file, i / SVG_COLOURS, i);
        html_text(file, report->summary->rows[i].recipe);
        fputs("</span>", file);
    }
    fputs("</div>\n", file);
}

/* ---- names beside marks -------------------------------------------------------------------- */

typedef struct {
    double left;
    double top;
    double right;
    double bottom;
} box;

typedef struct {
    box *boxes; /* what is taken: marks, then names */
    size_t count;
} layout;

static int is_free(const layout *l, const box *b)
{
    int is_inside = b->left > SVG_PLOT_LEFT && b->right < SVG_PLOT_WIDTH && b->top > 0.0 &&
                    b->bottom < SVG_PLOT_HEIGHT - SVG_PLOT_BOTTOM;
    for (size_t i = 0; i < l->count && is_inside; i++) {
        const box *other = &l->boxes[i];
        is_inside = b->right <= other->left || b->left >= other->right || b->bottom <= other->top ||
                    b->top >= other->bottom;
    }
    return is_inside;
}

/* The name right, left, above or below of the mark; the key has it where there is no room. */
static void put_name(FILE *file, layout *l, const char *name, double x, double y)
{
    double width = 6.5 * (double)strlen(name);
    const double lefts[PLACES] = {x + MARK + 1, x - MARK - 1 - width, x - width / 2, x - width / 2};
    const double tops[PLACES] = {y - MARK, y - MARK, y - MARK - LABEL_HEIGHT, y + MARK};
    for (size_t i = 0; i < PLACES && strlen(name) <= LABEL_CHARACTERS; i++) {
        box b = {lefts[i], tops[i], lefts[i] + width, tops[i] + LABEL_HEIGHT};
        if (is_free(l, &b)) {
            fprintf(file, "<text class=\"name\" x=\"%.1f\" y=\"%.1f\">", b.left, b.bottom - 3.0);
            html_text(file, name);
            fputs("</text>\n", file);
            l->boxes[l->count++] = b;
            return;
        }
    }
}

/* ---- figures against bytes ----------------------------------------------------------------- */

/* One recipe's place; loss is what the line keeps low. */
typedef struct {
    size_t recipe;
    double bytes; /* a token */
    estimate figure;
    double loss;
} place;

static double bytes_of_token(const eval_report *report, const kvant_cache_bytes *b)
{
    const checkpoint_shape *s = &report->request->model->shape;
    double f16 = 4.0 * s->layers * s->kv_heads * s->head_dim;
    return f16 / b->ratio;
}

static void put_spread(const svg_plot *p, const place *at)
{
    double low = at->figure.low;
    if (at->figure.has_interval && at->figure.high > low) {
        low = p->y.is_log && low < p->y.first ? p->y.first : low;
        double x = svg_plot_x(p, at->bytes);
        fprintf(p->file, "<line class=\"spread\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
                x, svg_plot_y(p, low), x, svg_plot_y(p, at->figure.high));
    }
}

static void put_line(const svg_plot *p, const place *places, const pareto_point *line, size_t count)
{
    fputs("<path class=\"roof\" d=\"", p->file);
    for (size_t i = 0; i < count; i++) {
        const place *at = &places[line[i].index];
        fprintf(p->file, "%c%.1f %.1f", i == 0u ? 'M' : 'L', svg_plot_x(p, at->bytes),
                svg_plot_y(p, at->figure.value));
    }
    fputs("\"/>\n", p->file);
}

static void put_places(const eval_report *report, const svg_plot *p, const place *places,
                       size_t count, layout *l)
{
    for (size_t i = 0; i < count; i++) {
        double x = svg_plot_x(p, places[i].bytes);
        double y = svg_plot_y(p, places[i].figure.value);
        l->boxes[l->count++] = (box){x - MARK, y - MARK, x + MARK, y + MARK};
        put_recipe_mark(p->file, places[i].recipe, x, y);
        fputs("><title>", p->file);
        html_text(p->file, report->summary->rows[places[i].recipe].recipe);
        fprintf(p->file, ": %.4g; %.1f bytes a token</title></path>\n", places[i].figure.value,
                places[i].bytes);
    }
    for (size_t i = 0; i < count; i++) {
        put_name(p->file, l, report->summary->rows[places[i].recipe].recipe,
                 svg_plot_x(p, places[i].bytes), svg_plot_y(p, places[i].figure.value));
    }
}

static int put_plot(const eval_report *report, svg_plot *p, const char *name, const place *places,
                    size_t count)
{
    layout l = {calloc(2u * count + 1u, sizeof(box)), 0};
    pareto_point *points = calloc(count + 1u, sizeof *points);
    if (l.boxes == NULL || points == NULL) {
        free(l.boxes);
        free(points);
        return -1;
    }
    svg_axis_include(&p->x, 0.0);
    for (size_t i = 0; i < count; i++) {
        const estimate *e = &places[i].figure;
        points[i] = (pareto_point){places[i].bytes, places[i].loss, i};
        svg_axis_include(&p->x, places[i].bytes);
        svg_axis_include(&p->y, e->value);
        if (e->has_interval && (!p->y.is_log || e->low > 0.0)) {
            svg_axis_include(&p->y, e->low);
        }
        if (e->has_interval && (!p->y.is_log || e->high > 0.0)) {
            svg_axis_include(&p->y, e->high);
        }
    }
    svg_axis_round(&p->x);
    svg_axis_round(&p->y);
    svg_plot_begin(p, name);
    put_line(p, places, points, pareto_line(points, count));
    for (size_t i = 0; i < count; i++) {
        put_spread(p, &places[i]);
    }
    put_places(report, p, places, count, &l);
    svg_plot_end(p);
    free(l.boxes);
    free(points);
    return 0;
}

int eval_put_divergence(const eval_report *report, FILE *file)
{
    const eval_summary *s = report->summary;
    place *places = calloc(s->recipes, sizeof *places);
    size_t count = 0;
    if (places == NULL) {
        return -1;
    }
    for (size_t i = 0; i < s->recipes; i++) {
        const eval_row *row = &s->rows[i];
        if (row->kld.value > 0.0) {
            places[count++] =
                (place){i, bytes_of_token(report, row->bytes), row->kld, row->kld.value};
        }
    }
    fprintf(
        file,
        "<h2>Divergence against bytes</h2>\n<p>Mean KL(f16 || recipe) over %zu predicted tokens "
        "and the bytes that the cache takes for each of %u tokens, everything counted. Further "
        "left and further down is better; the dashed line joins what nothing beats. %zu of %zu "
        "recipes have no divergence at all, f16 among them, and no place on this scale.</p>\n",
        (size_t)report->text->windows * eval_text_predicted(report->text), report->text->length,
        s->recipes - count, s->recipes);
    svg_plot p = {.file = file,
                  .x = {.label = "bytes a token"},
                  .y = {.label = "mean KL divergence, nats", .is_log = 1}};
    int result = put_plot(report, &p, "divergence against bytes", places, count);
    free(places);
    return result;
}

int eval_put_accuracy(const eval_report *report, FILE *file)
{
    const eval_summary *s = report->summary;
    place *places = calloc(s->recipes, sizeof *places);
    if (places == NULL) {
        return -1;
    }
    for (size_t i = 0; i < s->recipes; i++) {
        const eval_row *row = &s->rows[i];
        const estimate *a = &row->accuracy;
        places[i] = (place){
            i,
            bytes_of_token(report, row->case_bytes),
            {100.0 * a->value, 100.0 * a->low, 100.0 * a->high, a->has_interval},
            -a->value,
        };
    }
    fprintf(
        file,
        "<h2>Accuracy against bytes</h2>\n<p>Share of %zu cases answered right, and the bytes a "
        "token of a cache for the longest of them. Further left and further up is better; the "
        "dashed line joins what nothing beats.</p>\n",
        s->case_count);
    svg_plot p = {.file = file, .x = {.label = "bytes a token"}, .y = {.label = "accuracy, %"}};
    int result = put_plot(report, &p, "accuracy against bytes", places, s->recipes);
    free(places);
    return result;
}

/* ---- accuracy by lines --------------------------------------------------------------------- */

void eval_put_lines(const eval_report *report, FILE *file)
{
    const eval_summary *s = report->summary;
    fprintf(file,
            "<h2>Accuracy by lines</h2>\n<p>Share of right answers by the lines of the prompt, in "
            "%zu ranges; each mark is in the middle of its range.</p>\n",
            s->bin_count);
    svg_plot p = {
        .file = file, .x = {.label = "lines of the prompt"}, .y = {.label = "accuracy, %"}};
    svg_axis_include(&p.x, s->bins[0].first);
    svg_axis_include(&p.x, s->bins[s->bin_count - 1u].last);
    svg_axis_include(&p.y, 0.0);
    svg_axis_include(&p.y, 100.0);
    svg_axis_round(&p.x);
    svg_axis_round(&p.y);
    svg_plot_begin(&p, "accuracy by lines");
    for (size_t recipe = 0; recipe < s->recipes; recipe++) {
        const eval_row *row = &s->rows[recipe];
        fprintf(file, "<path fill=\"none\" stroke=\"var(--c%zu)\" stroke-width=\"1.5\" d=\"",
                recipe % SVG_COLOURS);
        for (size_t i = 0; i < s->bin_count; i++) {
            double middle = 0.5 * ((double)s->bins[i].first + (double)s->bins[i].last);
            fprintf(file, "%c%.1f %.1f", i == 0u ? 'M' : 'L', svg_plot_x(&p, middle),
                    svg_plot_y(&p, 100.0 * row->bins[i]));
        }
        fputs("\"/>", file);
        for (size_t i = 0; i < s->bin_count; i++) {
            double middle = 0.5 * ((double)s->bins[i].first + (double)s->bins[i].last);
            put_recipe_mark(file, recipe, svg_plot_x(&p, middle),
                            svg_plot_y(&p, 100.0 * row->bins[i]));
            fputs("><title>", file);
            html_text(file, row->recipe);
            fprintf(file, ": %.1f %% of %zu cases, %u to %u lines</title></path>\n",
                    100.0 * row->bins[i], s->bins[i].cases, s->bins[i].first, s->bins[i].last);
        }
    }
    svg_plot_end(&p);
}
