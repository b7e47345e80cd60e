# SPDX-License-Identifier: MIT
#
# What the lint scripts share: the tree's files, the kernel manifest, and how findings are reported.
# Every script prints one line a finding, "file:line: what", and exits 1 when there is any.
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CONTRACT = ("lang.h", "arith.h", "codebook.h", "layout.h", "params.h", "kernels.def")
KERNEL_FILES = {
    "host_ref": "host_ref/{}.c",
    "cl": "cl/{}.cl",
    "shaders": "shaders/{}.comp",
    "cuda": "cuda/{}.cu",
}

findings = []


def finding(path, line, text):
    findings.append("{}:{}: {}".format(path, line, text))


def finish(checked):
    """Prints the findings and ends the script. `checked` says how much was looked at."""
    for line in findings:
        print(line)
    print("{}; {} finding(s)".format(checked, len(findings)))
    sys.exit(1 if findings else 0)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def exists(path):
    return os.path.exists(os.path.join(ROOT, path))


def tree(folders=("",), extensions=None):
    """The files below the folders, without what git ignores, as sorted paths."""
    try:
        listed = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others",
             "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive
        listed = []
        for folder, folders_below, names in os.walk(ROOT):
            folders_below[:] = [f for f in folders_below if f not in (".git", "build")]
            listed += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    chosen = []
    for path in sorted(set(listed)):
        if not path or not exists(path):
            continue
        if not any(path.startswith(folder) for folder in folders):
            continue
        if extensions is None or path.endswith(tuple(extensions)):
            chosen.append(path)
    return chosen


def without_comments(text):
    """C-like text with comments and strings blanked; line numbers stay."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def manifest():
    """[(name, params struct, [(binding, access)], shape, exactness)] of the manifest."""
    pattern = re.compile(r'^KVANT_KERNEL\((\w+), (\w+), (\d+), "([^"]*)", (\w+), (\w+)\)', re.M)
    kernels = []
    for name, params, count, bindings, shape, exactness in pattern.findall(
            read("api/contract/kernels.def")):
        pairs = [tuple(item.split(":")) for item in bindings.split()]
        if len(pairs) != int(count):
            finding("api/contract/kernels.def", 1,
                    "{} says {} bindings and lists {}".format(name, count, len(pairs)))
        kernels.append((name, params, pairs, shape, exactness))
    return kernels


def siblings_of(language, text, seen=()):
    """The text of the headers of its own folder that a kernel includes, and that they include."""
    folder = KERNEL_FILES[language].split("/")[0] + "/"
    joined = ""
    for name in re.findall(r'#\s*include\s+"([^"]+)"', text):
        path = folder + name
        if path not in seen and exists(path):
            seen = (*seen, path)
            joined += read(path)
            joined += siblings_of(language, read(path), seen)
    return joined
