# SPDX-License-Identifier: MIT
#
# Words that have no place in certain folders: native float functions in kernels, prints and aborts
# in the library, allocation, environment and dlopen outside the one file that each has.
import re

from lint_common import finding, finish, line_of, read, tree, without_comments

KERNELS = ("host_ref/", "cl/", "shaders/", "cuda/", "api/contract/")
LIBRARY = ("api/", "backends/", "host_ref/")
C_FILES = (".c", ".h")
KERNEL_TEXT = (".c", ".h", ".cl", ".clh", ".comp", ".glsl", ".cu", ".cuh")

# (folders, extensions, files that may, pattern, what to say)
RULES = [
    (KERNELS, KERNEL_TEXT, (),
     r"\b(native_\w+|half_\w+|fast_\w+|__\w+f_r[nzud]|__expf|__logf|__fdividef)\s*\(",
     "a native float function: use arith.h"),
    # attention_plain.clh: the float variant that is measured against, which no backend embeds
    (KERNELS, KERNEL_TEXT, ("cl/attention_plain.clh",),
     r"\b(exp|expf|exp2|exp2f|exp10|expm1|log|logf|log2|log2f|pow|powf|powr|pown|sqrt|sqrtf|rsqrt|"
     r"rsqrtf|cbrt|inversesqrt|sin|cos|tanh|fma|fmaf|mad|ldexp|frexp|fmod|fmodf|remainder|length|"
     r"normalize|distance|fdim|mix|smoothstep)\s*\(",
     "a float function with more than one possible result: use arith.h"),
    (KERNELS, KERNEL_TEXT, (), r"\b(double|half2|__half2?|float16_t|f16vec\d|dvec\d)\b",
     "a type that the baseline does not have"),
    (("cl/", "cuda/", "api/contract/"), KERNEL_TEXT, (), r"\bhalf\b",
     "a type that the baseline does not have"),
    (KERNELS, KERNEL_TEXT, (),
     r"(\d\.\d*f?|\b\d+f)\s*/[^/*]|[^/*]/\s*(\d+\.\d*f?\b|\d+f\b)",
     "a division with a float literal: multiply, or use kv_reciprocal"),
    (KERNELS, KERNEL_TEXT, (), r"\bkv_f32\s+\w+\s*=\s*[\w\[\].>-]+\s*/\s*[\w\[\].>-]+\s*;",
     "a division of floats: use kv_reciprocal"),
    # variants for devices that have the extension
    (KERNELS, KERNEL_TEXT, ("shaders/attention_dot.comp", "shaders/attention_subgroup.comp",
                            "shaders/attention_matrix.comp", "shaders/cooperative/matrices.glsl",
                            "shaders/saliency_rows_dot.comp", "shaders/saliency_columns_dot.comp",
                            "cl/attention_dot.cl", "cl/attention_subgroup.cl"),
     r"^\s*#\s*extension\s+(?!GL_GOOGLE_include_directive|GL_EXT_control_flow_attributes)|"
     r"^\s*#\s*pragma\s+OPENCL\s+EXTENSION", "an extension that a device may lack: the baseline needs none"),
    (("host_ref/", "cl/", "shaders/", "cuda/"), (".c", ".cl", ".comp", ".cu"), (),
     r"\b__OPENCL_C_VERSION__|\b__CUDACC__|\bVULKAN\b",
     "asks for the language: only api/contract/lang.h does"),
    (LIBRARY, C_FILES, (),
     r"(?<![\w>.])(printf|fprintf|vprintf|vfprintf|puts|fputs|putchar|perror|abort|exit|_exit|"
     r"quick_exit|assert|signal|sigaction)\s*\(|\b(stdout|stderr)\b",
     "the library prints nothing and ends no process: return a status and report"),
    (LIBRARY, C_FILES, ("api/dispatch/env.c",),
     r"\b(secure_)?getenv\s*\(|\bsetenv\s*\(|\benviron\b",
     "the environment is read in api/dispatch/env.c alone"),
    (LIBRARY, C_FILES, ("api/dispatch/alloc.c",),
     r"(?<![\w>.])(malloc|calloc|realloc|free|aligned_alloc|strdup|strndup|asprintf|alloca)\s*\(",
     "host memory comes from api/dispatch/alloc.c (in a backend: services->allocate)"),
    (LIBRARY, C_FILES, ("backends/common/dynlib.c",), r"\b(dlopen|dlsym|dlclose|dlmopen)\s*\(",
     "libraries are opened by backends/common/dynlib.c"),
    (LIBRARY, C_FILES, (),
     r"(?<![\w>.])(sprintf|vsprintf|strcat|gets|atoi|atof|strtok|rand|srand)\s*\(",
     "an unbounded or unreliable C function"),
    (LIBRARY, C_FILES, (), r"(?<![\w>.])(pthread_create|thrd_create|fork|system|popen)\s*\(",
     "the library has no threads and starts no process"),
]


def main():
    count = 0
    for folders, extensions, allowed, pattern, text in RULES:
        expression = re.compile(pattern, re.M)
        for path in tree(folders, extensions):
            count += 1
            if path in allowed:
                continue
            source = without_comments(read(path))
            for match in expression.finditer(source):
                finding(path, line_of(source, match.start()),
                        "{} ({})".format(text, match.group(0).strip()))
    finish("{} rules over {} files".format(len(RULES), count))


main()
