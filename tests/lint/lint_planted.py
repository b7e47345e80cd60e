# SPDX-License-Identifier: MIT
#
# The lint scripts can fail: each of the faults below is planted in a copy of the tree, and the script
# named beside it must find it there.
import os
import shutil
import subprocess
import sys
import tempfile

from lint_common import ROOT, finding, finish, tree

# (script, file, text to replace or None to append, new text)
FAULTS = [
    ("tokens", "cl/encode.cl", None, "float f(float x) { return native_exp(x); }\n"),
    ("tokens", "cuda/encode.cu", None, "__device__ float f(float x) { return 1.0f / x; }\n"),
    ("tokens", "shaders/encode.comp", None, "float f(float x) { return sqrt(x); }\n"),
    ("tokens", "host_ref/encode.c", None, "static float f(float x) { return fmaf(x, x, x); }\n"),
    ("tokens", "api/dispatch/plan.c", None, "void f(void) { printf(\"\"); }\n"),
    ("tokens", "api/dispatch/plan.c", None, "char *f(void) { return getenv(\"A\"); }\n"),
    ("tokens", "backends/host/host_backend.c", None, "void f(void *p) { free(p); }\n"),
    ("includes", "host_ref/encode.c", None, '#include "backend.h"\n'),
    ("includes", "backends/null/null_backend.c", None, '#include "reference.h"\n'),
    ("includes", "backends/host/host_backend.c", None, '#include "kvant/recipe.h"\n'),
    ("includes", "api/dispatch/plan.c", None, "#include <vulkan/vulkan.h>\n"),
    ("includes", "api/include/kvant/status.h", None, "#include <stdio.h>\n"),
    ("kernel_parity", "cl/parameters.cl", "global const kv_u32 *scratch", "global kv_u32 *scratch"),
    ("kernel_parity", "shaders/encode.comp", "KV_BINDING(1, , store)", "KV_BINDING(2, , store)"),
    ("kernel_parity", "cuda/finite.cu", "kv_finite_params", "kv_append_params"),
    ("kernel_parity", "cl/append.cl", "/* 2. Positions */", "/* 2. Places */"),
    ("kernel_parity", "cuda/append.cu", "/* 2. Positions */", ""),
    ("kernel_parity", "api/contract/variants.def", "_CUDA(attention, mma,", "_VULKAN(attention, mma,"),
    ("docs", "docs/kernels.md", "`k:r v:r store:w status:rw`", "`k:r v:r store:rw status:rw`"),
    ("docs", "docs/recipes.md", "| `kivi4` |", "| `kivi5` |"),
    ("docs", "docs/reliability.md", "`scripts/check-oclgrind", "`scripts/check-opencl"),
    ("docs", "README.md", "(docs/format.md)", "(docs/formats.md)"),
    ("docs", "README.md", "kvant_cache *cache = NULL;", "kvant_cache *cache;"),
    ("files", "host_ref/encode.c", "SPDX-License-Identifier: MIT", "A file"),
    ("files", "docs/format.md", None, "TO" + "DO\n"),
    ("files", "docs/format.md", None, "see /" + "tmp/notes\n"),
    ("headers", "api/include/kvant/status.h", None, "int kvant_f(int a, ...) { // }\n"),
]


def run_lint(folder, script):
    arguments = ["cc"] if script == "headers" else []
    result = subprocess.run(
        [sys.executable, "-B", os.path.join(folder, "tests/lint/lint_{}.py".format(script)),
         *arguments], capture_output=True, text=True, check=False)
    return result.returncode, result.stdout


def plant(folder, path, old, new):
    target = os.path.join(folder, path)
    with open(target, encoding="utf-8") as file:
        text = file.read()
    if old is not None and old not in text:
        finding(path, 1, "nothing to plant '{}' in".format(new.strip()))
        return
    with open(target, "w", encoding="utf-8") as file:
        file.write(text + new if old is None else text.replace(old, new, 1))


def check_script(folder, script):
    """Plants all faults of one script at once: each must add a line on its file."""
    faults = [fault[1:] for fault in FAULTS if fault[0] == script]
    paths = [fault[0] for fault in faults]
    before = run_lint(folder, script)[1].splitlines()
    for path, old, new in faults:
        plant(folder, path, old, new)
    code, output = run_lint(folder, script)
    for path in sorted(set(paths)):
        added = sum(line.startswith(path + ":") and line not in before
                    for line in output.splitlines())
        if code != 1 or added < paths.count(path):
            finding(path, 1, "lint_{} sees {} of {} faults".format(
                script, added, paths.count(path)))
        shutil.copy(os.path.join(ROOT, path), os.path.join(folder, path))


def main():
    with tempfile.TemporaryDirectory() as folder:
        for path in tree():
            target = os.path.join(folder, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(os.path.join(ROOT, path), target)
        for script in sorted({fault[0] for fault in FAULTS}):
            check_script(folder, script)
    finish("{} planted faults".format(len(FAULTS)))


main()
