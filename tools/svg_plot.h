/* SPDX-License-Identifier: MIT
 *
 * Plots as SVG inside a page of html_page.h: two axes, a grid, marks.
 */
#ifndef KVANT_TOOLS_SVG_PLOT_H
#define KVANT_TOOLS_SVG_PLOT_H

#include <stddef.h>
#include <stdio.h>

enum {
    SVG_PLOT_WIDTH = 960,
    SVG_PLOT_HEIGHT = 460,
    SVG_PLOT_LEFT = 76, /* margins around the axes */
    SVG_PLOT_RIGHT = 24,
    SVG_PLOT_TOP = 24,
    SVG_PLOT_BOTTOM = 56,
    SVG_COLOURS = 8
};

typedef struct {
    const char *label;
    int is_log;
    double first;
    double last;
    int is_set;
} svg_axis;

typedef struct {
    FILE *file;
    svg_axis x;
    svg_axis y;
} svg_plot;

/* Widens the axis to a value, which is above 0 where the axis is logarithmic. */
void svg_axis_include(svg_axis *axis, double value);
/* Widens it to whole decades, or to the next ticks. An axis without values becomes 0 to 1. */
void svg_axis_round(svg_axis *axis);
/* Tick `index`; 0 past the last. */
int svg_axis_tick(const svg_axis *axis, int index, double *out_tick);

/* Where a value is drawn. */
double svg_plot_x(const svg_plot *p, double value);
double svg_plot_y(const svg_plot *p, double value);

/* The axes are round: opens the element and draws them. */
void svg_plot_begin(const svg_plot *p, const char *name);
void svg_plot_end(const svg_plot *p);

/* A mark of about ten units around x, y, an element left open: ends with "/>", or with ">", a title
 * and "</path>". */
void svg_mark(FILE *file, size_t shape, size_t colour, double x, double y);
/* A mark for a line of text. */
void svg_key_mark(FILE *file, size_t shape, size_t colour);

#endif
