/* SPDX-License-Identifier: MIT
 *
 * Pages that need nothing else: one style for light and dark screens, no scripts.
 */
#ifndef KVANT_TOOLS_HTML_PAGE_H
#define KVANT_TOOLS_HTML_PAGE_H

#include <stdio.h>

/* Up to the heading, which is the title. */
void html_begin(FILE *file, const char *title);
void html_end(FILE *file);

/* Text as it is meant, whatever it holds. */
void html_text(FILE *file, const char *text);

#endif
