# SPDX-License-Identifier: MIT
#
# The documents against the code: links lead somewhere; docs/kernels.md has every kernel as the manifest
# and host_ref have it; recipes, status codes and functions are all described; the README's
# quick start is the one of examples/quickstart.c.
import os
import re

from lint_common import exists, finding, finish, manifest, read, siblings_of, tree, without_comments

STEP = re.compile(r"/\*[ \t]*(\d+)\.[ \t]+([^\n*]+)")


def check_links():
    count = 0
    for path in tree(extensions=(".md",)):
        folder = os.path.dirname(path)
        text = re.sub(r"```.*?```", "", read(path), flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            count += 1
            file, _, anchor = target.partition("#")
            where = os.path.normpath(os.path.join(folder, file)) if file else path
            if not exists(where):
                finding(path, 1, "a link to {}, which does not exist".format(target))
            elif anchor and where.endswith(".md"):
                titles = [re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-")
                          for title in re.findall(r"^#+ (.*)$", read(where), re.M)]
                if anchor not in titles:
                    finding(path, 1, "a link to {}, a heading that does not exist".format(target))
    return count


def check_kernels():
    path = "docs/kernels.md"
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", read(path), re.M | re.S))
    for name, params, bindings, shape, exactness in manifest():
        section = sections.pop(name, None)
        if section is None:
            finding(path, 1, "no section on the kernel " + name)
            continue
        expected = ["| parameters | `{}` |".format(params),
                    "| bindings | `{}` |".format(" ".join(":".join(pair) for pair in bindings)),
                    "| grid | {}.".format(shape),
                    "| exactness | {}.".format(exactness)]
        steps = {}
        text = read("host_ref/{}.c".format(name))
        for number, words in STEP.findall(text + siblings_of("host_ref", text)):
            steps.setdefault(int(number), re.split(r"[.:;,(]", words)[0].strip())
        if steps:
            expected.append("| steps | {} |".format(
                " · ".join("{}. {}".format(*item) for item in sorted(steps.items()))))
        for line in expected:
            if line not in section:
                finding(path, 1, "{}: expected '{}'".format(name, line))
    for name in sections:
        finding(path, 1, "a section on {}, which is no kernel".format(name))


def check_names():
    recipes = re.findall(r'^    \{"([\w-]+)",$', read("api/cache/recipe.c"), re.M)
    for name in recipes:
        if "| `{}` |".format(name) not in read("docs/recipes.md"):
            finding("docs/recipes.md", 1, "no row for the recipe " + name)
    statuses = re.findall(r"X\((\w+), -?\d+,", read("api/include/kvant/status.h"))
    for name in statuses:
        if "`KVANT_{}`".format(name) not in read("docs/api.md"):
            finding("docs/api.md", 1, "no row for KVANT_" + name)
    functions = set()
    for path in tree(("api/include/",), (".h",)):
        functions |= set(re.findall(r"KVANT_API\b[^;(]*?\b(kvant_\w+)\s*\(",
                                    without_comments(read(path))))
    for name in sorted(functions):
        if "`{}`".format(name) not in read("docs/api.md"):
            finding("docs/api.md", 1, "does not mention " + name)
    text = "\n".join(read(path) for path in tree(extensions=(".md",)))
    for name in sorted(set(re.findall(r"`(kvant_[a-z_]+)(?:\(\))?`", text))):
        known = functions | set(re.findall(r"\bkvant_\w+", "\n".join(
            read(path) for path in tree(("api/include/",), (".h",)))))
        if name not in known and not name.endswith("_"):
            finding("docs", 1, "{} does not exist".format(name))
    return len(recipes) + len(statuses) + len(functions)


def check_quick_start():
    match = re.search(r"begins here --- \*/\n(.*?)\n    /\* --- and ends",
                      read("examples/quickstart.c"), re.S)
    code = "\n".join(line[4:] if line.startswith("    ") else line
                     for line in match.group(1).split("\n"))
    if "```c\n" + code + "\n```" not in read("README.md"):
        finding("README.md", 1, "the quick start is not that of examples/quickstart.c")


def check_commands():
    """Scripts that documents name exist, and the tests that docs/reliability.md names."""
    count = 0
    for path in tree(("docs/", "README.md", "CONTRIBUTING.md"), (".md",)):
        for name in re.findall(r"\bscripts/[a-z-]*[a-z](?![\w*-])", read(path)):
            count += 1
            if not exists(name):
                finding(path, 1, "{}, which does not exist".format(name))
    for label in re.findall(r"`ctest -L (\w+)`", read("docs/reliability.md")):
        count += 1
        if not exists("tests/{}/CMakeLists.txt".format(label)):
            finding("docs/reliability.md", 1, "tests with the label {} do not exist".format(label))
    return count


def check_defects():
    """The tests that docs/defects.md names."""
    path = "docs/defects.md"
    tests = "\n".join(read(name) for name in tree(("tests/",), (".c",)))
    names = re.findall(r"`([a-z0-9_]+)`", " ".join(
        line.split("|")[3] for line in read(path).splitlines() if line.startswith("|")))
    for name in names:
        if "unit_test({})".format(name) not in tests:
            finding(path, 1, "{} is no test".format(name))
    if not names:
        finding(path, 1, "names no test")
    return len(names)


links = check_links()
commands = check_commands()
check_kernels()
names = check_names() + check_defects()
check_quick_start()
finish("{} links, {} names, {} commands".format(links, names, commands))
