/* SPDX-License-Identifier: MIT
 *
 * The rows as one page that needs nothing else: a plot of every row under the roofs of bandwidth and
 * arithmetic, and the table.
 */
#include <math.h>
#include <string.h>

#include "bench_report.h"
#include "html_page.h"
#include "svg_plot.h"
#include "tool_device.h"

/* The plot's axes, and the roof. */
typedef struct {
    FILE *file;
    const bench_results *results;
    svg_plot plot;
    double copy_gb_s;
} page;

/* ---- the plot ------------------------------------------------------------------------------ */

static double per_byte(const bench_row *row)
{
    return row->work / (double)row->bytes;
}

static double giga_per_second(const bench_row *row)
{
    return row->work / (row->us.median * 1e3);
}

/* Decades around every row, the roof above it, and the arithmetic roof. */
static void find_range(page *p)
{
    const bench_results *r = p->results;
    svg_axis *x = &p->plot.x;
    svg_axis *y = &p->plot.y;
    double sum = 0.0;
    for (size_t i = 0; i < r->count; i++) {
        sum += r->rows[i].copy_gb_s;
    }
    p->copy_gb_s = sum / (double)r->count;
    for (size_t i = 0; i < r->count; i++) {
        const bench_row *row = &r->rows[i];
        svg_axis_include(x, per_byte(row));
        svg_axis_include(y, giga_per_second(row));
        svg_axis_include(y, per_byte(row) * p->copy_gb_s);
    }
    if (r->roof > 0.0) {
        svg_axis_include(x, r->roof / p->copy_gb_s);
        svg_axis_include(y, r->roof);
    }
    svg_axis_round(x);
    svg_axis_round(y);
}

/* The line on which a row makes as many multiply-adds as attention does without waiting for bytes. */
static void put_arithmetic_roof(const page *p)
{
    const svg_plot *plot = &p->plot;
    double roof = p->results->roof;
    double y = svg_plot_y(plot, roof);
    double end = svg_plot_x(plot, plot->x.last);
    fprintf(p->file, "<path class=\"roof\" d=\"M%.1f %.1fL%.1f %.1f\"/>",
            svg_plot_x(plot, roof / p->copy_gb_s), y, end, y);
    fprintf(p->file, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">products, %.3g G/s</text>\n",
            end - 6.0, y - 8.0, roof);
}

/* The line on which a row moves as many bytes per second as the copy, inside of the plot and below
 * the arithmetic roof. */
static void put_roof(const page *p)
{
    const svg_plot *plot = &p->plot;
    double ends[2] = {plot->x.first, plot->x.last};
    double lowest = plot->y.first / p->copy_gb_s;
    double top = p->results->roof > 0.0 ? p->results->roof : plot->y.last;
    double highest = top / p->copy_gb_s;
    ends[0] = ends[0] < lowest ? lowest : ends[0];
    ends[1] = ends[1] > highest ? highest : ends[1];
    double first_x = svg_plot_x(plot, ends[0]);
    double first_y = svg_plot_y(plot, ends[0] * p->copy_gb_s);
    fprintf(p->file, "<path class=\"roof\" d=\"M%.1f %.1fL%.1f %.1f\"/>", first_x, first_y,
            svg_plot_x(plot, ends[1]), svg_plot_y(plot, ends[1] * p->copy_gb_s));
    /* the line only rises, so there is room below its beginning */
    int is_low = first_y > SVG_PLOT_HEIGHT - SVG_PLOT_BOTTOM - 24;
    fprintf(p->file, "<text x=\"%.1f\" y=\"%.1f\">copy, %.3g GB/s</text>\n",
            first_x + (is_low ? 30.0 : 10.0), is_low ? first_y - 8.0 : first_y + 20.0,
            p->copy_gb_s);
}

/* The number of a row's name among the names so far; `is_new` where it is the first. */
static size_t number_of(const page *p, size_t row, int is_recipe, int *is_new)
{
    const bench_results *r = p->results;
    size_t number = 0;
    *is_new = 1;
    for (size_t i = 0; i <= row; i++) {
        const bench_entry *a = r->rows[i].entry;
        size_t same = 0;
        while (same < i && strcmp(is_recipe ? r->rows[same].entry->recipe_text
                                            : r->rows[same].entry->kind->name,
                                  is_recipe ? a->recipe_text : a->kind->name) != 0) {
            same++;
        }
        if (i == row && same < i) {
            *is_new = 0;
            return number_of(p, same, is_recipe, &(int){0});
        }
        number += same == i;
    }
    return number - 1u;
}

static void put_points(const page *p)
{
    for (size_t i = 0; i < p->results->count; i++) {
        const bench_row *row = &p->results->rows[i];
        int is_new = 0;
        svg_mark(p->file, number_of(p, i, 0, &is_new), number_of(p, i, 1, &is_new),
                 svg_plot_x(&p->plot, per_byte(row)), svg_plot_y(&p->plot, giga_per_second(row)));
        fputs("><title>", p->file);
        html_text(p->file, row->entry->kind->name);
        fputc(' ', p->file);
        html_text(p->file, row->entry->recipe_text);
        fprintf(p->file, ": B %u, L %u, %u/%u heads of %u; %.1f us, %.3g GB/s</title></path>\n",
                row->shape.batch, row->shape.tokens, row->shape.q_heads, row->shape.kv_heads,
                row->shape.k_dim, row->us.median, bench_row_gb_s(row));
    }
}

static void put_key(const page *p, int is_recipe)
{
    fputs("<div class=\"key\">", p->file);
    for (size_t i = 0; i < p->results->count; i++) {
        const bench_entry *entry = p->results->rows[i].entry;
        int is_new = 0;
        size_t number = number_of(p, i, is_recipe, &is_new);
        if (is_new) {
            fputs("<span>", p->file);
            svg_key_mark(p->file, is_recipe ? 0u : number, is_recipe ? number : SVG_COLOURS - 1u);
            html_text(p->file, is_recipe ? entry->recipe_text : entry->kind->name);
            fputs("</span>", p->file);
        }
    }
    fputs("</div>\n", p->file);
}

static void put_plot(page *p)
{
    fputs("<h2>Under the roof</h2>\n<p>An operation is a multiply-add of attention, or a number "
          "that is quantized, read back or scored. The dashed line is the bandwidth roof: the "
          "copy of the same run, read plus written bytes; where it is level, the arithmetic "
          "roof: the multiply-adds of attention over 2-bit codes that stay in the caches, with 8 "
          "query rows a KV head, in the same run.</p>\n",
          p->file);
    if (p->results->count == 0u) {
        fputs("<p>No row was measured.</p>\n", p->file);
        return;
    }
    find_range(p);
    put_key(p, 1);
    put_key(p, 0);
    svg_plot_begin(&p->plot, "roofline");
    put_roof(p);
    if (p->results->roof > 0.0) {
        put_arithmetic_roof(p);
    }
    put_points(p);
    svg_plot_end(&p->plot);
}

/* ---- the table ----------------------------------------------------------------------------- */

static void put_row(const page *p, const bench_row *row)
{
    const bench_shape *s = &row->shape;
    fputs("<tr><td>", p->file);
    html_text(p->file, row->entry->kind->name);
    fputs("</td><td>", p->file);
    html_text(p->file, row->entry->recipe_text);
    fprintf(p->file,
            "</td><td>%u</td><td>%u</td><td>%u/%u</td><td>%u</td><td>%.*f</td><td>%.*f</td>"
            "<td>%.*f–%.*f</td><td>%.3f</td><td>%.3g</td><td>%.3g</td><td>%.3g %%</td>",
            s->batch, s->tokens, s->q_heads, s->kv_heads, s->k_dim, bench_decimals(row->us.median),
            row->us.median, bench_decimals(row->us.least), row->us.least,
            bench_decimals(row->us.p10), row->us.p10, bench_decimals(row->us.p90), row->us.p90,
            (double)row->bytes * 1e-6, bench_row_gb_s(row), row->copy_gb_s,
            100.0 * bench_row_fraction(row));
    if (row->f16_us >= 0.0) {
        fprintf(p->file, "<td>%.*f</td><td>%.2f</td>", bench_decimals(row->f16_us), row->f16_us,
                bench_row_factor(row));
    } else {
        fputs("<td>–</td><td>–</td>", p->file);
    }
    fprintf(p->file, "<td>%.0f</td></tr>\n", (double)row->rotated * 1e-6);
}

static void put_table(const page *p)
{
    fputs("<h2>Rows</h2>\n<div class=\"wide\"><table>\n<tr><th>operation</th><th>recipe</th>"
          "<th>B</th><th>L</th><th>heads</th><th>D</th><th>µs</th><th>least</th><th>p10–p90</th>"
          "<th>MB</th><th>GB/s</th><th>copy</th><th>of copy</th><th>f16 µs</th><th>× f16</th>"
          "<th>rotated MB</th></tr>\n",
          p->file);
    for (size_t i = 0; i < p->results->count; i++) {
        put_row(p, &p->results->rows[i]);
    }
    fputs("</table></div>\n", p->file);
}

/* Where the time of decode steps goes. */
static void put_steps(const page *p)
{
    int is_first = 1;
    for (size_t i = 0; i < p->results->count; i++) {
        const bench_row *row = &p->results->rows[i];
        named_number values[STEP_SUMMARY_VALUES];
        if (!row->has_steps) {
            continue;
        }
        step_summary_values(&row->steps, values);
        if (is_first) {
            fputs(
                "<h2>Decode steps</h2>\n<p>Time in the library by the host's clock; then the mean "
                "time of each kind of work on the device, from time stamps in a second pass, and "
                "what is left for submission and waiting; the mean that these parts add up to; "
                "then "
                "counts of one step.</p>\n"
                "<div class=\"wide\"><table>\n<tr><th>recipe</th><th>L</th>",
                p->file);
            for (size_t at = 0; at < STEP_SUMMARY_VALUES; at++) {
                fprintf(p->file, "<th>%s</th>", values[at].name);
            }
            fputs("</tr>\n", p->file);
            is_first = 0;
        }
        fputs("<tr><td>", p->file);
        html_text(p->file, row->entry->recipe_text);
        fprintf(p->file, "</td><td>%u</td>", row->shape.tokens);
        for (size_t at = 0; at < STEP_SUMMARY_VALUES; at++) {
            fprintf(p->file, "<td>%.*f</td>", values[at].value < 1000.0 ? 1 : 0, values[at].value);
        }
        fputs("</tr>\n", p->file);
    }
    fputs(is_first ? "" : "</table></div>\n", p->file);
}

int bench_report_html(const bench_results *results, FILE *file)
{
    page p = {.file = file, .results = results};
    p.plot = (svg_plot){.file = file,
                        .x = {.label = "operations per byte that must move", .is_log = 1},
                        .y = {.label = "operations per nanosecond", .is_log = 1}};
    const kvant_device_info *device = &results->device;
    html_begin(file, "kvant bench");
    fputs("<p>", file);
    html_text(file, device->select);
    fputs(", ", file);
    html_text(file, device->name);
    fprintf(file, " (%s), ", tool_kind_name(device->kind));
    html_text(file, device->driver);
    fprintf(file,
            "; kvant %s. Medians of times on random data, after the results were compared with the "
            "host reference's; MB: what must be read and written once; × f16: how many times "
            "faster than f16 in the same run.</p>\n",
            kvant_version());
    if (results->skipped != 0u) {
        fprintf(file, "<p>%zu rows were not measured: the time was up.</p>\n", results->skipped);
    }
    put_plot(&p);
    put_table(&p);
    put_steps(&p);
    html_end(file);
    return fflush(file) == 0 && !ferror(file) ? 0 : -1;
}
