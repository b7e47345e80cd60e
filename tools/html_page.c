/* SPDX-License-Identifier: MIT
 *
 * The style and the frame of pages.
 */
#include "html_page.h"

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
    "stroke-dasharray:7 5;fill:none}.spread{stroke:var(--soft);stroke-width:1.5}"
    "svg "
    ".name{fill:var(--text);font-size:12px}.cell{fill:var(--c1);stroke:var(--line)}.key{display:"
    "flex;flex-wrap:wrap;"
    "margin:.5rem 0;color:var(--text)}.key span{margin:0 1.2rem .2rem 0}.key "
    "svg{width:14px;height:14px;vertical-align:-2px}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.85rem;"
    "font-variant-numeric:tabular-nums}th,td{padding:.3rem .45rem;text-align:right;"
    "border-bottom:1px solid var(--line);white-space:nowrap}"
    "th{background:var(--head);font-weight:600}th:nth-child(-n+2),td:nth-child(-n+2)"
    "{text-align:left}";

void html_begin(FILE *file, const char *title)
{
    fprintf(file,
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
            "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
            "<title>%s</title><style>%s</style></head><body>\n<h1>%s</h1>\n",
            title, style, title);
}

void html_end(FILE *file)
{
    fputs("</body></html>\n", file);
}

void html_text(FILE *file, const char *text)
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
