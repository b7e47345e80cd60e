# SPDX-License-Identifier: MIT
#
# lint_headers.py CC [CC or CXX ...]: each public header compiles alone as C99 and as C++11 with
# -Wpedantic, its _INIT macros initialise what they are named after, and each parameter struct of
# the contract is a multiple of 4 and at most 128 bytes.
import os
import re
import subprocess
import sys
import tempfile

from lint_common import ROOT, finding, finish, read, tree

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wundef", "-Werror"]


def compiles(compiler, language, source, folders):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "header.c" if language.startswith("c9") or language == "c11"
                            else "header.cpp")
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
        command = [compiler, "-std=" + language, "-fsyntax-only", *WARNINGS, path]
        for include in folders:
            command.insert(1, "-I" + os.path.join(ROOT, include))
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        return result.returncode == 0, result.stderr.strip()


def header_source(header):
    source = '#include "{}"\n'.format(header)
    for macro in re.findall(r"#define (KVANT_\w+)_INIT\b", read("api/include/" + header)):
        name = macro.lower()
        source += "int check_{0}(void);\nint check_{0}(void)\n{{\n".format(name)
        source += "    {0} value = {1}_INIT;\n".format(name, macro)
        source += "    return value.struct_size == sizeof(value);\n}\n"
    return source


def contract_source():
    source = '#include "params.h"\n'
    for name in re.findall(r"KV_STRUCT_BEGIN\((\w+)\)", read("api/contract/params.h")):
        source += '_Static_assert(sizeof({0}) <= 128 && sizeof({0}) % 4 == 0, "{0}");\n'.format(
            name)
    return source


def main():
    count = 0
    headers = [path[len("api/include/"):] for path in tree(("api/include/",), (".h",))]
    for compiler in sys.argv[1:]:
        is_cxx = "++" in os.path.basename(compiler)
        language = "c++11" if is_cxx else "c99"
        for header in headers:
            count += 1
            good, text = compiles(compiler, language, header_source(header), ["api/include"])
            if not good:
                finding("api/include/" + header, 1,
                        "as {} with {}:\n{}".format(language, compiler, text))
        if not is_cxx:
            count += 1
            good, text = compiles(compiler, "c11", contract_source(), ["api/contract"])
            if not good:
                finding("api/contract/params.h", 1, "with {}:\n{}".format(compiler, text))
    finish("{} compilations".format(count))


main()
