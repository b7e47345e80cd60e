# SPDX-License-Identifier: MIT
#
# lint_spirv.py [FOLDER]: compiles every shader (attention_matrix in its emulated form, which every compiler
# takes) and looks at its SPIR-V: no float division, no
# extended float instruction with a loose result, and no float addition, subtraction or product
# without NoContraction.
import os
import re
import shutil
import subprocess
import sys
import tempfile

from lint_common import ROOT, finding, finish, tree

LOOSE = re.compile(r"OpFDiv|OpFRem|OpFMod|OpDot|OpExtInst %\w+ %\w+ "
                   r"(Exp2?|Log2?|Pow|Sqrt|InverseSqrt|Fma|Sin|Cos|FMix|Length|Normalize)\b")


def check(path, text):
    exact = set(re.findall(r"OpDecorate (%\w+) NoContraction", text))
    for match in LOOSE.finditer(text):
        finding(path, 1, "uses " + match.group(0).split()[0] + " " + match.group(0).split()[-1])
    arithmetic = re.findall(r"(%\w+) = (OpFAdd|OpFSub|OpFMul|OpVectorTimesScalar)\b", text)
    loose = [name for name, _ in arithmetic if name not in exact]
    if loose:
        finding(path, 1, "{} of {} float operations lack NoContraction".format(
            len(loose), len(arithmetic)))
    return len(arithmetic)


def main():
    if shutil.which("glslc") is None or shutil.which("spirv-dis") is None:
        print("skipped: no glslc or spirv-dis")
        sys.exit(77)
    count = 0
    shaders = tree(("shaders/",), (".comp",))
    with tempfile.TemporaryDirectory() as folder:
        for path in shaders:
            module = os.path.join(folder, "module.spv")
            command = ["glslc", "-O", "--target-env=vulkan1.1", "-I", "api/contract",
                       "-I", "shaders", "-I", "tests/extensions", path, "-o", module]
            result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if result.returncode != 0:
                finding(path, 1, "does not compile:\n" + result.stderr)
                continue
            text = subprocess.run(["spirv-dis", "--no-color", module], capture_output=True,
                                  text=True, check=True).stdout
            count += check(path, text)
    finish("{} float operations in {} shaders".format(count, len(shaders)))


main()
