# SPDX-License-Identifier: MIT
#
# Every file: a licence line where it can have one, at most 120 columns, no tabs or trailing blanks,
# a name that no other file has, no unfinished work, no path of somebody's machine.
import os
import re

from lint_common import finding, finish, read, tree

SOURCE = (".c", ".h", ".cpp", ".cl", ".clh", ".comp", ".glsl", ".cu", ".cuh", ".def", ".py",
          ".cmake", ".in", "CMakeLists.txt", ".sh")
COLUMNS = 120  # clang-format keeps C code to 100; this is for what it does not touch
TEXT = SOURCE + (".md", ".json", ".txt", ".clang-format", ".clang-tidy", ".gitignore")
MANY = ("CMakeLists.txt", "README.md", ".clang-tidy",  # names that folders may share
        "matrices.glsl")  # the extension, and its emulation in tests/extensions
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|not (yet )?implemented|\bstubbed\b", re.I)
MACHINE = re.compile(r"(?<![\w.$}>-])/(tmp|root|home|Users|private)(/|\b)")
SELF = "tests/lint/lint_files.py"
DATA = ("models/", "tests/golden/", "tests/fuzz/corpus/")


def is_script(path):
    return path.startswith(("scripts/", ".ci/"))


def check(path):
    text = read(path)
    lines = text.split("\n")
    is_source = path.endswith(SOURCE) or is_script(path)
    if is_source and not any("SPDX-License-Identifier: MIT" in line for line in lines[:3]) and \
            not path.endswith(".in"):
        finding(path, 1, "no SPDX-License-Identifier: MIT in the first lines")
    for number, line in enumerate(lines, 1):
        if is_source and len(line) > COLUMNS:
            finding(path, number, "{} columns, {} are the most".format(len(line), COLUMNS))
        if is_source and "\t" in line:
            finding(path, number, "a tab")
        if line != line.rstrip() and not path.endswith(".md"):
            finding(path, number, "blanks at the end")
        if path != SELF:
            if UNFINISHED.search(line):
                finding(path, number, "unfinished: " + line.strip()[:60])
            if MACHINE.search(line):
                finding(path, number, "a path of one machine: " + line.strip()[:60])
    if text and not text.endswith("\n"):
        finding(path, len(lines), "no newline at the end")


files = [p for p in tree() if p.endswith(TEXT) or is_script(p)]
seen = {}
for path in tree():
    name = os.path.basename(path)
    # A kernel's name comes from the manifest; its four files share it.
    if name in seen and name not in MANY and not path.startswith("host_ref/"):
        finding(path, 1, "the name {} is taken by {}".format(name, seen[name]))
    seen[name] = path
for path in files:
    if not (path.startswith(DATA) and path.endswith((".txt", ".json"))):
        check(path)
finish("{} files".format(len(files)))
