/* SPDX-License-Identifier: MIT
 *
 * Writes tests/golden/format.def from the host backend. Run it only after a deliberate change of
 * the format, and say so in the changelog: caches that were saved before can then not be read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

/* C string literals of at most 80 characters a line. */
static void print_row(const char *name, const char *text)
{
    printf("KVANT_GOLDEN(\"%s\",", name);
    for (size_t at = 0; text[at] != '\0';) {
        size_t length = strlen(text + at);
        if (length > 80u) {
            length = 80u;
            while (text[at + length - 1u] != ' ') {
                length--;
            }
        }
        printf("\n    \"%.*s\"", (int)length, text + at);
        at += length;
    }
    printf(")\n");
}

typedef struct {
    kvant_test_device device;
    kvant_trial trial;
    int failures;
} printer;

static void produce(printer *p, const kvant_golden *golden, char *text)
{
    if (setjmp(p->trial.abandon) == 0) {
        golden->produce(&p->trial, golden->variant, text, KVANT_GOLDEN_TEXT);
    } else {
        fprintf(stderr, "%s: %s\n", golden->name, p->trial.message);
        p->failures++;
    }
}

static void print_golden(void *user, const kvant_golden *golden)
{
    printer *p = user;
    char text[KVANT_GOLDEN_TEXT] = "";
    kvant_trial_begin(&p->trial, &p->device, golden->name,
                      (kvant_variant_choice){1, KVANT_VARIANT_baseline}, 0u);
    produce(p, golden, text);
    kvant_trial_end(&p->trial);
    print_row(golden->name, text);
}

int main(void)
{
    printer *p = calloc(1, sizeof *p);
    if (p == NULL || kvant_test_device_open(&p->device, &kvant_backend_host, 0) != KVANT_OK) {
        free(p);
        return 3;
    }
    printf(
        "/* SPDX-License-Identifier: MIT\n"
        " *\n"
        " * Golden bytes of the storage format, of attention outputs and of saliency scores, in\n"
        " * the order in which they lie in memory. Written by golden_print.c; never by hand.\n"
        " */\n");
    kvant_golden_each(print_golden, p);
    int failures = p->failures;
    kvant_test_device_close(&p->device);
    free(p);
    return failures != 0;
}
