/* SPDX-License-Identifier: MIT
 *
 * Text of drivers and files in JSON and XML.
 */
#include "conformance_escape.h"

#include <stddef.h>

/* Bytes of the UTF-8 sequence at `text`; 0: it is none. */
static size_t sequence_length(const unsigned char *text)
{
    size_t length = text[0] < 0x80u                        ? 1u
                    : text[0] >= 0xc2u && text[0] <= 0xdfu ? 2u
                    : text[0] >= 0xe0u && text[0] <= 0xefu ? 3u
                    : text[0] >= 0xf0u && text[0] <= 0xf4u ? 4u
                                                           : 0u;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0u) != 0x80u) {
            return 0;
        }
    }
    int is_wrong = (text[0] == 0xe0u && text[1] < 0xa0u) || (text[0] == 0xedu && text[1] > 0x9fu) ||
                   (text[0] == 0xf0u && text[1] < 0x90u) || (text[0] == 0xf4u && text[1] > 0x8fu);
    return is_wrong ? 0u : length;
}

/* Writes what is valid as it is, and an escape where `escape` returns one. */
static void write_text(FILE *file, const char *text, int (*escape)(FILE *file, unsigned char c))
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at != '\0') {
        size_t length = sequence_length(at);
        if (length == 0u) {
            fputc('?', file);
            at++;
        } else if (length == 1u && escape(file, *at)) {
            at++;
        } else {
            fwrite(at, 1, length, file);
            at += length;
        }
    }
}

static int escape_json(FILE *file, unsigned char c)
{
    if (c == '"' || c == '\\') {
        fprintf(file, "\\%c", c);
    } else if (c < 0x20u) {
        fprintf(file, "\\u%04x", c);
    } else {
        return 0;
    }
    return 1;
}

static int escape_xml(FILE *file, unsigned char c)
{
    const char *entity = c == '&'    ? "&amp;"
                         : c == '<'  ? "&lt;"
                         : c == '>'  ? "&gt;"
                         : c == '"'  ? "&quot;"
                         : c < 0x20u ? " "
                                     : NULL;
    if (entity != NULL) {
        fputs(entity, file);
    }
    return entity != NULL;
}

void kvant_write_json_text(FILE *file, const char *text)
{
    fputc('"', file);
    write_text(file, text, escape_json);
    fputc('"', file);
}

void kvant_write_xml_text(FILE *file, const char *text)
{
    write_text(file, text, escape_xml);
}
