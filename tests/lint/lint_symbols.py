# SPDX-License-Identifier: MIT
#
# lint_symbols.py LIBKVANT: the shared library exports exactly what the public headers declare with
# KVANT_API, depends on no GPU library, and holds no data that is written after it was loaded.
import re
import shutil
import subprocess
import sys

from lint_common import finding, finish, read, tree, without_comments


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def declared():
    names = set()
    for path in tree(("api/include/",), (".h",)):
        text = without_comments(read(path))
        names |= set(re.findall(r"KVANT_API\b[^;(]*?\b(kvant_\w+)\s*\(", text))
    return names


def check_exports(library):
    exported = {line.split()[-1].split("@")[0]
                for line in run("nm", "-D", "--defined-only", library).splitlines()}
    for name in sorted(exported - declared()):
        finding(library, 1, "exports {}, which no public header declares".format(name))
    for name in sorted(declared() - exported):
        finding(library, 1, "does not export {}, which a public header declares".format(name))
    return len(exported)


def check_dependencies(library):
    for name in re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-dW", library)):
        if not re.match(r"(libc|libm|libdl|ld-linux.*|libpthread|lib[aut]san|libubsan|libgcc_s)\.so",
                        name):
            finding(library, 1, "depends on " + name)


def check_data(library):
    sections = {}
    for number, name in re.findall(r"^\s*\[\s*(\d+)\]\s+(\S+)", run("readelf", "-SW", library),
                                   re.M):
        sections[number] = name
    symbols = run("readelf", "-sW", library)
    if "__asan_" in symbols or "__tsan_" in symbols:
        return  # the sanitizers' own data
    for line in symbols.splitlines():
        words = line.split()
        if len(words) < 8 or words[3] != "OBJECT":
            continue
        if sections.get(words[6]) in (".data", ".bss") and not re.match(
                r"(completed\.\d+|__dso_handle|__TMC_END__|__gcov_.*|__llvm_.*)$", words[7]):
            finding(library, 1, "writable data outside of any object: " + words[7])


def main():
    if shutil.which("nm") is None or shutil.which("readelf") is None:
        print("skipped: no nm or readelf")
        sys.exit(77)
    library = sys.argv[1]
    count = check_exports(library)
    check_dependencies(library)
    check_data(library)
    finish("{} exported symbols".format(count))


main()
