/* SPDX-License-Identifier: MIT
 *
 * Text of drivers and files in JSON and XML: quoted, control characters out, valid UTF-8.
 */
#ifndef KVANT_TESTS_CONFORMANCE_ESCAPE_H
#define KVANT_TESTS_CONFORMANCE_ESCAPE_H

#include <stdio.h>

/* With its quotation marks. */
void kvant_write_json_text(FILE *file, const char *text);

/* For XML and HTML, in elements and in attributes with double quotes. */
void kvant_write_xml_text(FILE *file, const char *text);

#endif
