# SPDX-License-Identifier: MIT
#
# Which file may include which: the arrows of CONTRIBUTING.md.
#   kernels        the contract and siblings in their folder
#   backends/X     backend.h, backends/common, the contract, status.h and context.h, native headers;
#                  never another backend, dispatch or the cache (backends/host: host_ref too)
#   api            nothing native, nothing of a backend but backend.h
#   public headers public headers and <stddef.h>, <stdint.h>
import os
import re

from lint_common import CONTRACT, finding, finish, line_of, read, tree

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
NATIVE = re.compile(r"^(CL/|vulkan/|vk_|cuda|nvrtc|nvml)")


def includes(path):
    text = read(path)
    for match in INCLUDE.finditer(text):
        yield line_of(text, match.start()), match.group(1), match.group(2)


def names(folder):
    return {os.path.basename(path) for path in tree((folder,))}


def check_kernels():
    for folder in ("host_ref", "cl", "shaders", "cuda"):
        allowed = set(CONTRACT) | names(folder + "/")
        for path in tree((folder + "/",)):
            for line, kind, name in includes(path):
                if kind == "<" or name not in allowed:
                    finding(path, line, "a kernel includes the contract and its siblings only: "
                            + name)


def check_backends():
    folders = sorted({path.split("/")[1] for path in tree(("backends/",)) if path.count("/") == 2})
    for folder in folders:
        if folder == "common":
            continue
        foreign = names("api/dispatch/") | names("api/cache/")
        for other in folders:
            if other not in (folder, "common"):
                foreign |= names("backends/{}/".format(other))
        if folder != "host":
            foreign |= names("host_ref/")
        foreign -= names("backends/{}/".format(folder)) | {"CMakeLists.txt"}
        for path in tree(("backends/{}/".format(folder),), (".c", ".h")):
            for line, _, name in includes(path):
                if os.path.basename(name) in foreign:
                    finding(path, line, "a backend includes nothing of its neighbours: " + name)
                if re.match(r"kvant/(recipe|cache|ops|buffer|kvant)\.h", name):
                    finding(path, line, "a backend knows nothing of recipes and caches: " + name)
                if NATIVE.match(name) and folder in ("host", "null"):
                    finding(path, line, "a native header in backends/" + folder)


def check_api():
    backend_files = set()
    for path in tree(("backends/",)):
        if path not in ("backends/backend.h", "backends/backends.def"):
            backend_files.add(os.path.basename(path))
    backend_files -= {"embedded.h", "CMakeLists.txt"}
    for path in tree(("api/",), (".c", ".h")):
        for line, _, name in includes(path):
            if NATIVE.match(name):
                finding(path, line, "api/ knows no GPU API: " + name)
            if os.path.basename(name) in backend_files:
                finding(path, line, "api/ sees of the backends backend.h only: " + name)
            if path.startswith("api/include/") and not (
                    name.startswith("kvant/") or name in ("stddef.h", "stdint.h")):
                finding(path, line, "a public header includes public headers only: " + name)
            if path.startswith("api/dispatch/") and name in names("api/cache/"):
                finding(path, line, "dispatch does not use the cache: " + name)


check_kernels()
check_backends()
check_api()
finish("includes of {} files".format(
    len(tree(("api/", "backends/", "host_ref/", "cl/", "shaders/", "cuda/")))))
