/* SPDX-License-Identifier: MIT
 *
 * Runs every file of a folder through a fuzz target, in any compiler: the corpus as a test.
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz_check.h"

enum { MOST_BYTES = 1 << 20 };

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    /* exactly as many bytes as the file has, so that a sanitizer sees a read past the end */
    uint8_t *bytes = malloc(MOST_BYTES);
    size_t size = file != NULL && bytes != NULL ? fread(bytes, 1, MOST_BYTES, file) : 0;
    int is_read = file != NULL && bytes != NULL && !ferror(file);
    if (file != NULL) {
        fclose(file);
    }
    uint8_t *input = is_read ? malloc(size != 0 ? size : 1) : NULL;
    if (input == NULL) {
        free(bytes);
        fprintf(stderr, "%s: cannot be read\n", path);
        return -1;
    }
    memcpy(input, bytes, size);
    free(bytes);
    printf("%s, %zu bytes\n", path, size);
    fflush(stdout); /* names the file if the target ends the process */
    LLVMFuzzerTestOneInput(input, size);
    free(input);
    return 0;
}

int main(int count, char **arguments)
{
    DIR *folder = count == 2 ? opendir(arguments[1]) : NULL;
    if (folder == NULL) {
        fprintf(stderr, "one argument is needed: a folder of inputs\n");
        return 2;
    }
    int files = 0;
    int failed = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[4096];
        struct stat info;
        int length = snprintf(path, sizeof path, "%s/%s", arguments[1], entry->d_name);
        if (length < 0 || (size_t)length >= sizeof path || stat(path, &info) != 0 ||
            !S_ISREG(info.st_mode)) {
            continue;
        }
        failed |= replay_file(path);
        files++;
    }
    closedir(folder);
    printf("%d inputs\n", files);
    return failed != 0 || files == 0;
}
