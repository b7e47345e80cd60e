/* SPDX-License-Identifier: MIT
 *
 * The rows as one page that needs nothing else: a plot of every row under the bandwidth roof, and
 * the table.
 */
#include <math.h>
#include <string.h>

#include "bench_report.h"
#include "tool_device.h"

enum {
    WIDTH = 960,
    HEIGHT = 460,
    LEFT = 76,
    RIGHT = 24,
    TOP = 24,
    BOTTOM = 56,
    COLOURS = 8,
    SHAPES = 9
};

/* Where the plot's decades are. */
typedef struct {
    FILE *file;
    const bench_results *results;
    int first_x;
    int last_x;
    int first_y;
    int last_y;
    double copy_gb_s;
} page;

static const char style[] =
    ":root{color-scheme:light dark;--back:#fbfbfa;--text:#22262b;--soft:#6b7280;--line:#d9dce1;"
    "--head:#f1f2f4;--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#cc79a7;--c4:#b58900;--c5:#56b4e9;"
    "--c6:#8b5cf6;--c7:#64748b}"
    "@media(prefers-color-scheme:dark){:root{--back:#16181c;--text:#e6e8eb;--soft:#9aa3af;"
    "--line:#343a43;--head:#1f2329;--c0:#4aa8e0;--c1:#f0803c;--c2:#2fc79a;--c3:#e29cc4;"
    "--c4:#d8b02a;--c5:#8fd0f5;--c6:#ab8cfa;--c7:#94a3b8}}"
    "body{margin:2rem auto;max-width:74rem;padding:0 1.25rem;background:var(--back);"
    "color:var(--text);font:15px/1.5 system-ui,sans-serif}"
    "h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}"
    "p{max-width:48rem;margin:.4rem 0;color:var(--soft)}"
    "svg{width:100%;height:auto;font:13px system-ui,sans-serif}"
    "svg text{fill:var(--soft)}.grid{stroke:var(--line)}.roof{stroke:var(--text);stroke-width:2;"
    "stroke-dasharray:7 5;fill:none}.key{display:flex;flex-wrap:wrap;"
    "margin:.5rem 0;color:var(--text)}.key span{margin:0 1.2rem .2rem 0}.key "
    "svg{width:14px;height:14px;vertical-align:-2px}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.85rem;"
    "font-variant-numeric:tabular-nums}th,td{padding:.3rem .45rem;text-align:right;"
    "border-bottom:1px solid var(--line);white-space:nowrap}"
    "th{background:var(--head);font-weight:600}th:nth-child(-n+2),td:nth-child(-n+2)"
    "{text-align:left}";

static void put_escaped(const char *text, FILE *file)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", file);
            break;
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        case '"':
            fputs("&quot;", file);
            break;
        default:
            fputc(*text, file);
        }
    }
}

/* ---- the plot ------------------------------------------------------------------------------ */

static double per_byte(const bench_row *row)
{
    return row->work / (double)row->bytes;
}

static double giga_per_second(const bench_row *row)
{
    return row->work / (row->us.median * 1e3);
}

static void include(double value, int *first, int *last, int is_first)
{
    int below = (int)floor(log10(value));
    int above = (int)ceil(log10(value));
    above += above == below;
    *first = is_first || below < *first ? below : *first;
    *last = is_first || above > *last ? above : *last;
}

/* Decades around every row and the roof above it. */
static void find_range(page *p)
{
    const bench_results *r = p->results;
    double copies[2] = {0.0, 0.0}; /* sum, count */
    for (size_t i = 0; i < r->count; i++) {
        copies[0] += r->rows[i].copy_gb_s;
        copies[1] += 1.0;
    }
    p->copy_gb_s = copies[0] / copies[1];
    for (size_t i = 0; i < r->count; i++) {
        const bench_row *row = &r->rows[i];
        include(per_byte(row), &p->first_x, &p->last_x, i == 0u);
        include(giga_per_second(row), &p->first_y, &p->last_y, i == 0u);
        include(per_byte(row) * p->copy_gb_s, &p->first_y, &p->last_y, 0);
    }
}

static double at_x(const page *p, double value)
{
    double share = (log10(value) - p->first_x) / (p->last_x - p->first_x);
    return LEFT + share * (WIDTH - LEFT - RIGHT);
}

static double at_y(const page *p, double value)
{
    double share = (log10(value) - p->first_y) / (p->last_y - p->first_y);
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
}

/* Tick `index` of an axis: 1, 2 and 5 of each decade where there are few. 0 past the last. */
static int next_tick(int first, int last, int index, double *out_tick)
{
    static const double few[] = {1.0, 2.0, 5.0};
    int each = last - first <= 3 ? 3 : 1;
    int decade = first + index / each;
    *out_tick = few[index % each] * pow(10.0, decade);
    return index <= each * (last - first);
}

static void put_grid(const page *p)
{
    double tick = 0.0;
    for (int i = 0; next_tick(p->first_x, p->last_x, i, &tick); i++) {
        double at = at_x(p, tick);
        fprintf(p->file, "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>", at,
                TOP, at, HEIGHT - BOTTOM);
        fprintf(p->file, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n", at,
                HEIGHT - BOTTOM + 20, tick);
    }
    for (int i = 0; next_tick(p->first_y, p->last_y, i, &tick); i++) {
        double at = at_y(p, tick);
        fprintf(p->file, "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>", LEFT,
                at, WIDTH - RIGHT, at);
        fprintf(p->file, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", LEFT - 8,
                at + 4.0, tick);
    }
    fprintf(p->file,
            "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">operations per byte that must "
            "move</text>\n",
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12);
    fprintf(
        p->file,
        "<text transform=\"translate(16 %d) rotate(-90)\" text-anchor=\"middle\">operations per "
        "nanosecond</text>\n",
        (TOP + HEIGHT - BOTTOM) / 2);
}

/* The line on which a row moves as many bytes per second as the copy, inside of the plot. */
static void put_roof(const page *p)
{
    double ends[2] = {pow(10.0, p->first_x), pow(10.0, p->last_x)};
    double lowest = pow(10.0, p->first_y) / p->copy_gb_s;
    double highest = pow(10.0, p->last_y) / p->copy_gb_s;
    ends[0] = ends[0] < lowest ? lowest : ends[0];
    ends[1] = ends[1] > highest ? highest : ends[1];
    double first_x = at_x(p, ends[0]);
    double first_y = at_y(p, ends[0] * p->copy_gb_s);
    fprintf(p->file, "<path class=\"roof\" d=\"M%.1f %.1fL%.1f %.1f\"/>", first_x, first_y,
            at_x(p, ends[1]), at_y(p, ends[1] * p->copy_gb_s));
    /* the line only rises, so there is room below its beginning */
    int is_low = first_y > HEIGHT - BOTTOM - 24;
    fprintf(p->file, "<text x=\"%.1f\" y=\"%.1f\">copy, %.3g GB/s</text>\n",
            first_x + (is_low ? 30.0 : 10.0), is_low ? first_y - 8.0 : first_y + 20.0,
            p->copy_gb_s);
}

/* A mark of about ten units around x, y: a shape an operation, a colour a recipe. */
static void put_mark(FILE *file, size_t shape, size_t colour, double x, double y)
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
            colour % COLOURS, x, y, paths[shape % SHAPES]);
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
        put_mark(p->file, number_of(p, i, 0, &is_new), number_of(p, i, 1, &is_new),
                 at_x(p, per_byte(row)), at_y(p, giga_per_second(row)));
        fputs("><title>", p->file);
        put_escaped(row->entry->kind->name, p->file);
        fputc(' ', p->file);
        put_escaped(row->entry->recipe_text, p->file);
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
            fputs("<span><svg viewBox=\"-7 -7 14 14\">", p->file);
            put_mark(p->file, is_recipe ? 0u : number, is_recipe ? number : COLOURS - 1u, 0.0, 0.0);
            fputs("/></svg> ", p->file);
            put_escaped(is_recipe ? entry->recipe_text : entry->kind->name, p->file);
            fputs("</span>", p->file);
        }
    }
    fputs("</div>\n", p->file);
}

static void put_plot(page *p)
{
    fputs("<h2>Under the roof</h2>\n<p>An operation is a multiply-add of attention, or a number "
          "that is quantized, read back or scored. The dashed line is the bandwidth roof: the "
          "copy of the same run, read plus written bytes. No arithmetic ceiling was measured, so "
          "none is drawn.</p>\n",
          p->file);
    if (p->results->count == 0u) {
        fputs("<p>No row was measured.</p>\n", p->file);
        return;
    }
    find_range(p);
    put_key(p, 1);
    put_key(p, 0);
    fprintf(p->file, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"roofline\">\n", WIDTH,
            HEIGHT);
    put_grid(p);
    put_roof(p);
    put_points(p);
    fputs("</svg>\n", p->file);
}

/* ---- the table ----------------------------------------------------------------------------- */

static void put_row(const page *p, const bench_row *row)
{
    const bench_shape *s = &row->shape;
    fputs("<tr><td>", p->file);
    put_escaped(row->entry->kind->name, p->file);
    fputs("</td><td>", p->file);
    put_escaped(row->entry->recipe_text, p->file);
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
                "what is left for submission and waiting; then counts of one step.</p>\n"
                "<div class=\"wide\"><table>\n<tr><th>recipe</th><th>L</th>",
                p->file);
            for (size_t at = 0; at < STEP_SUMMARY_VALUES; at++) {
                fprintf(p->file, "<th>%s</th>", values[at].name);
            }
            fputs("</tr>\n", p->file);
            is_first = 0;
        }
        fputs("<tr><td>", p->file);
        put_escaped(row->entry->recipe_text, p->file);
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
    const kvant_device_info *device = &results->device;
    fprintf(file,
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
            "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
            "<title>kvant bench</title><style>%s</style></head><body>\n<h1>kvant bench</h1>\n<p>",
            style);
    put_escaped(device->select, file);
    fputs(", ", file);
    put_escaped(device->name, file);
    fprintf(file, " (%s), ", tool_kind_name(device->kind));
    put_escaped(device->driver, file);
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
    fputs("</body></html>\n", file);
    return fflush(file) == 0 && !ferror(file) ? 0 : -1;
}
