/* SPDX-License-Identifier: MIT
 *
 * Reads questions and answers from JSON.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "file_input.h"
#include "model_run.h"

#define MOST_FILE_BYTES (UINT64_C(1) << 26)

static int read_lines(const cJSON *item, size_t index, const char *prompt, uint32_t *out_lines,
                      tool_error *error)
{
    const cJSON *lines = cJSON_GetObjectItemCaseSensitive(item, "lines");
    *out_lines = 0;
    if (lines == NULL) {
        for (const char *at = prompt; (at = strchr(at, '\n')) != NULL; at++) {
            ++*out_lines;
        }
        return 0;
    }
    if (!cJSON_IsNumber(lines) || !(lines->valuedouble >= 0.0 && lines->valuedouble <= 1e9) ||
        lines->valuedouble != floor(lines->valuedouble)) {
        return tool_error_input(error, "case %zu: \"lines\" is no whole number", index);
    }
    *out_lines = (uint32_t)lines->valuedouble;
    return 0;
}

static int read_case(const cJSON *item, size_t index, const tokenizer *words, run_case *out_case,
                     tool_error *error)
{
    const cJSON *prompt = cJSON_GetObjectItemCaseSensitive(item, "prompt");
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(item, "answer");
    if (!cJSON_IsString(prompt) || !cJSON_IsString(text) || text->valuestring[0] == '\0') {
        return tool_error_input(error, "case %zu is not {\"prompt\": TEXT, \"answer\": TEXT}",
                                index);
    }
    out_case->answer_length = strlen(text->valuestring);
    out_case->answer = malloc(out_case->answer_length + 1u);
    if (out_case->answer == NULL) {
        return tool_error_memory(error);
    }
    memcpy(out_case->answer, text->valuestring, out_case->answer_length + 1u);
    if (read_lines(item, index, prompt->valuestring, &out_case->lines, error) != 0) {
        return -1;
    }
    return tokenizer_encode(words, prompt->valuestring, &out_case->tokens, &out_case->count, error);
}

static int read_cases(const cJSON *root, const tokenizer *words, uint32_t seq_len, case_list *list,
                      tool_error *error)
{
    if (!cJSON_IsArray(root) || cJSON_GetArraySize(root) == 0) {
        return tool_error_input(error, "it is not a JSON array of cases");
    }
    list->cases = calloc((size_t)cJSON_GetArraySize(root), sizeof *list->cases);
    if (list->cases == NULL) {
        return tool_error_memory(error);
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, root)
    {
        run_case *c = &list->cases[list->count++];
        if (read_case(item, list->count - 1u, words, c, error) != 0) {
            return -1;
        }
        if (c->count + c->answer_length > seq_len) {
            return tool_error_input(error,
                                    "case %zu has %u tokens and an answer of %zu bytes; the model "
                                    "takes %u",
                                    list->count - 1u, c->count, c->answer_length, seq_len);
        }
        uint32_t answer_length = (uint32_t)c->answer_length;
        list->longest_prompt = c->count > list->longest_prompt ? c->count : list->longest_prompt;
        list->longest_answer =
            answer_length > list->longest_answer ? answer_length : list->longest_answer;
    }
    return 0;
}

int case_list_load(const char *path, const tokenizer *words, uint32_t seq_len, case_list *out_list,
                   tool_error *error)
{
    memset(out_list, 0, sizeof *out_list);
    size_t bytes = 0;
    unsigned char *text = input_read_all(path, MOST_FILE_BYTES, &bytes, error);
    if (text == NULL) {
        return -1;
    }
    cJSON *root = cJSON_ParseWithLength((const char *)text, bytes);
    free(text);
    int result = read_cases(root, words, seq_len, out_list, error);
    cJSON_Delete(root);
    if (result != 0) {
        case_list_release(out_list);
        input_name_file(error, path);
    }
    return result;
}

void case_list_release(case_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->cases[i].tokens);
        free(list->cases[i].answer);
    }
    free(list->cases);
    memset(list, 0, sizeof *list);
}
