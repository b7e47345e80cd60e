/* SPDX-License-Identifier: MIT
 *
 * Axes, ticks and marks.
 */
#include "svg_plot.h"

#include <math.h>

enum { SHAPES = 9, FEW_TICKS = 6 };

/* ---- axes ---------------------------------------------------------------------------------- */

void svg_axis_include(svg_axis *axis, double value)
{
    axis->first = !axis->is_set || value < axis->first ? value : axis->first;
    axis->last = !axis->is_set || value > axis->last ? value : axis->last;
    axis->is_set = 1;
}

/* 1, 2 or 5 times a power of ten, so that there are few ticks. */
static double tick_step(const svg_axis *axis)
{
    double least = (axis->last - axis->first) / FEW_TICKS;
    double decade = pow(10.0, floor(log10(least)));
    double times = least / decade;
    return decade * (times <= 1.0 ? 1.0 : times <= 2.0 ? 2.0 : times <= 5.0 ? 5.0 : 10.0);
}

void svg_axis_round(svg_axis *axis)
{
    if (!axis->is_set) {
        axis->first = axis->is_log ? 1.0 : 0.0;
        axis->last = axis->is_log ? 10.0 : 1.0;
    } else if (axis->is_log) {
        double below = floor(log10(axis->first));
        double above = ceil(log10(axis->last));
        axis->first = pow(10.0, below);
        axis->last = pow(10.0, above > below ? above : below + 1.0);
    } else {
        axis->last += axis->last > axis->first ? 0.0 : 1.0;
        double step = tick_step(axis);
        axis->first = step * floor(axis->first / step);
        axis->last = step * ceil(axis->last / step);
    }
    axis->is_set = 1;
}

int svg_axis_tick(const svg_axis *axis, int index, double *out_tick)
{
    static const double few[] = {1.0, 2.0, 5.0};
    if (!axis->is_log) {
        double step = tick_step(axis);
        *out_tick = axis->first + index * step;
        return *out_tick < axis->last + 1e-6 * step;
    }
    int first = (int)lround(log10(axis->first));
    int last = (int)lround(log10(axis->last));
    int each = last - first <= 3 ? 3 : 1;
    *out_tick = few[index % each] * pow(10.0, first + index / each);
    return index <= each * (last - first);
}

static double share_of(const svg_axis *axis, double value)
{
    if (axis->is_log) {
        return log10(value / axis->first) / log10(axis->last / axis->first);
    }
    return (value - axis->first) / (axis->last - axis->first);
}

double svg_plot_x(const svg_plot *p, double value)
{
    return SVG_PLOT_LEFT +
           share_of(&p->x, value) * (SVG_PLOT_WIDTH - SVG_PLOT_LEFT - SVG_PLOT_RIGHT);
}

double svg_plot_y(const svg_plot *p, double value)
{
    return SVG_PLOT_HEIGHT - SVG_PLOT_BOTTOM -
           share_of(&p->y, value) * (SVG_PLOT_HEIGHT - SVG_PLOT_TOP - SVG_PLOT_BOTTOM);
}

/* ---- drawing ------------------------------------------------------------------------------- */

void svg_plot_begin(const svg_plot *p, const char *name)
{
    enum { RIGHT = SVG_PLOT_WIDTH - SVG_PLOT_RIGHT, FLOOR = SVG_PLOT_HEIGHT - SVG_PLOT_BOTTOM };
    double tick = 0.0;
    fprintf(p->file, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", SVG_PLOT_WIDTH,
            SVG_PLOT_HEIGHT, name);
    for (int i = 0; svg_axis_tick(&p->x, i, &tick); i++) {
        double at = svg_plot_x(p, tick);
        fprintf(p->file, "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>", at,
                SVG_PLOT_TOP, at, FLOOR);
        fprintf(p->file, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n", at,
                FLOOR + 20, tick);
    }
    for (int i = 0; svg_axis_tick(&p->y, i, &tick); i++) {
        double at = svg_plot_y(p, tick);
        fprintf(p->file, "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>",
                SVG_PLOT_LEFT, at, RIGHT, at);
        fprintf(p->file, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
                SVG_PLOT_LEFT - 8, at + 4.0, tick);
    }
    fprintf(p->file, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
            (SVG_PLOT_LEFT + RIGHT) / 2, SVG_PLOT_HEIGHT - 12, p->x.label);
    fprintf(p->file,
            "<text transform=\"translate(16 %d) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
            (SVG_PLOT_TOP + FLOOR) / 2, p->y.label);
}

void svg_plot_end(const svg_plot *p)
{
    fputs("</svg>\n", p->file);
}

void svg_mark(FILE *file, size_t shape, size_t colour, double x, double y)
{
    static const char *const paths[SHAPES] = {"m-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
                                              "m-4.5-4.5h9v9h-9z",
                                              "m0-6l6 6l-6 6l-6-6z",
                                              "m0-6l6 10.5h-12z",
                                              "m-5-2h3v-3h4v3h3v4h-3v3h-4v-3h-3z",
                                              "m0 6l6-10.5h-12z",
                                              "m-6 0l3-5h6l3 5l-3 5h-6z",
                                              "m-1.5-6h3v12h-3z",
                                              "m-6-1.5h12v3h-12z"};
    fprintf(file, "<path fill=\"var(--c%zu)\" fill-opacity=\".85\" d=\"M%.1f %.1f%s\"",
            colour % SVG_COLOURS, x, y, paths[shape % SHAPES]);
}

void svg_key_mark(FILE *file, size_t shape, size_t colour)
{
    fputs("<svg viewBox=\"-7 -7 14 14\">", file);
    svg_mark(file, shape, colour, 0.0, 0.0);
    fputs("/></svg> ", file);
}
