/* SPDX-License-Identifier: MIT
 *
 * embed: turns files into a C source file with one byte array each, for the build.
 *
 *   embed OUTPUT.c TABLE FILE...
 *
 * defines `const kvant_embedded TABLE[]`, an entry {name, bytes, size, contract hash} per file and a
 * last one with a NULL name (backends/common/embedded.h). name is the file's base name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* The bytes of one file, with a 0 after them that the size does not count. */
static int write_array(FILE *out, const char *path, int index, long *size)
{
    FILE *in = fopen(path, "rb");
    if (in == NULL) {
        fprintf(stderr, "embed: cannot read %s\n", path);
        return 0;
    }
    fprintf(out, "static const _Alignas(16) unsigned char file_%d[] = {", index);
    int byte;
    *size = 0;
    while ((byte = getc(in)) != EOF) {
        fprintf(out, "%s%d,", *size % 24 == 0 ? "\n" : "", byte);
        ++*size;
    }
    fprintf(out, "0};\n");
    fclose(in);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: embed OUTPUT.c TABLE FILE...\n");
        return 2;
    }
    FILE *out = fopen(argv[1], "w");
    long *sizes = calloc((size_t)argc, sizeof *sizes);
    if (out == NULL || sizes == NULL) {
        fprintf(stderr, "embed: cannot write %s\n", argv[1]);
        free(sizes);
        return 2;
    }
    fprintf(out, "#include \"embedded.h\"\n#include \"contract_hash.h\"\n\n");
    for (int i = 3; i < argc; i++) {
        if (!write_array(out, argv[i], i, &sizes[i])) {
            fclose(out);
            remove(argv[1]);
            free(sizes);
            return 2;
        }
    }
    fprintf(out, "const kvant_embedded %s[] = {\n", argv[2]);
    for (int i = 3; i < argc; i++) {
        fprintf(out, "    {\"%s\", file_%d, %ld, KVANT_CONTRACT_HASH},\n", base_name(argv[i]), i,
                sizes[i]);
    }
    fprintf(out, "    {0, 0, 0, 0},\n};\n");
    free(sizes);
    return fclose(out) == 0 ? 0 : 2;
}
