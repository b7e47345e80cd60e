# SPDX-License-Identifier: MIT
#
# The four files of each kernel agree with the manifest and with each other: entry point, parameter
# struct, bindings in order with their access, and the numbered steps of the comments. A step is
# known by its number; of the words that name it in host_ref, up to the first punctuation, at least
# half must be there in the other languages. Step 0 is what a language has to prepare.
import re

from lint_common import KERNEL_FILES, exists, finding, finish, manifest, read, siblings_of, tree

# Names of bindings that GLSL reserves, and what the shaders call them.
GLSL_NAMES = {"input": "inputs", "output": "outputs", "out": "outputs"}
COMMENT = re.compile(r"(?:/\*|//|^[ \t]*\*)[ \t]*(\d+\.[ \t]+[^\n*]+)", re.M)
STEP = re.compile(r"(?:^|, )(\d+)\.[ \t]+([^,.:;(]+)")  # "5. Normalise, 6. Store" are two


def steps(text):
    found = {}
    for comment in COMMENT.findall(text):
        for number, title in STEP.findall(comment):
            found.setdefault(int(number), title.strip().lower())
    return found


def word_stems(title):
    small = {"a", "an", "and", "as", "by", "had", "in", "into", "is", "its", "of", "one", "the",
             "their", "to", "was", "what"}
    return {word[:4] for word in re.findall(r"\w+", title) if word not in small}


def same_step(reference, title):
    wanted = word_stems(reference)
    return 2 * len(wanted & word_stems(title)) >= len(wanted)


def check_steps(name, texts):
    reference = dict(steps(siblings_of("host_ref", texts["host_ref"])))
    reference.update(steps(texts["host_ref"]))
    numbers = sorted(reference)
    if numbers and numbers != list(range(1, len(numbers) + 1)):
        finding(KERNEL_FILES["host_ref"].format(name), 1, "steps are not numbered 1, 2, 3 ...")
    for language, text in texts.items():
        own = steps(text)
        shared = steps(siblings_of(language, text))
        path = KERNEL_FILES[language].format(name)
        for number, title in reference.items():
            got = own.get(number, shared.get(number))
            if got is None:
                finding(path, 1, "step {} ({}) is missing".format(number, title))
            elif not same_step(title, got) and not same_step(title, shared.get(number, "")):
                finding(path, 1, "step {} is '{}', in host_ref '{}'".format(number, got, title))
        for number in own:
            if number not in reference and number != 0:
                finding(path, 1, "step {} does not exist in host_ref".format(number))


def signature(text, name):
    match = re.search(r"\bkvant_" + name + r"\s*\(([^)]*)\)", text)
    return [" ".join(part.split()) for part in match.group(1).split(",")] if match else None


def check_pointers(path, parameters, params_struct, bindings):
    """CUDA and OpenCL: the struct by value, then one pointer a binding, const where it is read."""
    if not re.search(r"\b{}\b".format(params_struct), parameters[0]):
        finding(path, 1, "the first argument is not " + params_struct)
    if len(parameters) - 1 != len(bindings):
        finding(path, 1, "{} bindings, the manifest has {}".format(
            len(parameters) - 1, len(bindings)))
        return
    for parameter, (binding, access) in zip(parameters[1:], bindings):
        if not re.search(r"\W{}$".format(binding), parameter):
            finding(path, 1, "'{}' should be the binding {}".format(parameter, binding))
        if ("const " in parameter) != (access == "r"):
            finding(path, 1, "'{}' against access {}".format(parameter, access))


def check_host(path, text, name, params_struct, bindings):
    if not re.search(r"void kvant_ref_{}\(const void \*params_words, "
                     r"kv_u32 \*const \*bindings\)".format(name), text):
        finding(path, 1, "no entry point kvant_ref_" + name)
    if not re.search(r"const {} \*p = params_words;".format(params_struct), text):
        finding(path, 1, "does not take {}".format(params_struct))
    for is_const, variable, number in re.findall(
            r"(const )?kv_u32 \*(\w+) = bindings\[(\d)\];", text):
        if int(number) >= len(bindings):
            finding(path, 1, "binding {} is not in the manifest".format(number))
            continue
        binding, access = bindings[int(number)]
        if variable != binding:
            finding(path, 1, "binding {} is {}, not {}".format(number, binding, variable))
        if access == "r" and not is_const:
            finding(path, 1, "{} is read only".format(binding))
    used = {int(number) for number in re.findall(r"bindings\[(\d)\]", text)}
    if used != set(range(len(bindings))):
        finding(path, 1, "uses the bindings {}, the manifest has {}".format(
            sorted(used), len(bindings)))


def check_glsl(path, text, params_struct, bindings):
    found = re.findall(r"^KV_BINDING\(\s*(\d+)\s*,\s*(\w*)\s*,\s*(\w+)\s*\)", text, re.M)
    if [(int(number), name) for number, _, name in found] != \
            [(i, GLSL_NAMES.get(name, name)) for i, (name, _) in enumerate(bindings)]:
        finding(path, 1, "the bindings are not those of the manifest, in its order")
        return
    for (_, qualifier, name), (_, access) in zip(found, bindings):
        if (qualifier == "readonly") != (access == "r"):
            finding(path, 1, "{} is '{}' against access {}".format(name, qualifier, access))
        if qualifier == "writeonly" and access != "w":
            finding(path, 1, "{} is writeonly against access {}".format(name, access))
    if not re.search(r"^KV_PARAMS(_TO_TAKE)?\({}\)".format(params_struct), text, re.M):
        finding(path, 1, "no KV_PARAMS({})".format(params_struct))
    if not re.search(r"^void main\(\)", text, re.M):
        finding(path, 1, "no entry point main")


def main():
    kernels = manifest()
    for name, params_struct, bindings, _, _ in kernels:
        texts = {}
        for language, pattern in KERNEL_FILES.items():
            path = pattern.format(name)
            if not exists(path):
                finding(path, 1, "missing")
                continue
            texts[language] = read(path)
        if len(texts) < len(KERNEL_FILES):
            continue
        check_steps(name, texts)
        check_host(KERNEL_FILES["host_ref"].format(name), texts["host_ref"], name, params_struct,
                   bindings)
        check_glsl(KERNEL_FILES["shaders"].format(name), texts["shaders"], params_struct, bindings)
        for language in ("cl", "cuda"):
            path = KERNEL_FILES[language].format(name)
            parameters = signature(texts[language], name)
            if parameters is None:
                finding(path, 1, "no entry point kvant_" + name)
            else:
                check_pointers(path, parameters, params_struct, bindings)

    names = {kernel[0] for kernel in kernels}
    tuned = re.findall(r"^KVANT_TUNED_([A-Z]+)\((\w+), (\w+),", read("api/contract/variants.def"),
                       re.M)
    for backend, language, extension in (("OPENCL", "cl", ".cl"), ("VULKAN", "shaders", ".comp"),
                                         ("CUDA", "cuda", ".cu")):
        variants = {kernel + "_" + variant for of, kernel, variant in tuned if of == backend}
        for name in variants:
            if not exists(KERNEL_FILES[language].format(name)):
                finding("api/contract/variants.def", 1,
                        "{} is missing".format(KERNEL_FILES[language].format(name)))
        for path in tree((language + "/",), (extension,)):
            if path[len(language) + 1:-len(extension)] not in names | variants:
                finding(path, 1, "a kernel that the manifest does not list")
    finish("{} kernels in 4 languages".format(len(kernels)))


main()
