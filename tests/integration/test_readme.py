# SPDX-License-Identifier: MIT
#
# test_readme.py KVANT BUILD: runs every command of the ```sh blocks of README.md, in this build instead
# of build/release. A command that cannot run inside a test is named below, with the reason; any
# other command that fails, or that this file does not know how to run, fails the test.
import os
import re
import shlex
import subprocess
import sys
import tempfile

from integration_common import ROOT, TOOL, check

BUILD = sys.argv[2]
ELSEWHERE = {
    "scripts/test": "it is what runs the tests",
    "cmake --preset release": "this build was configured in the same way",
    "cmake --build --preset release -j 2": "this build was built in the same way",
}


def commands():
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        text = file.read()
    for block in re.findall(r"```sh\n(.*?)```", text, re.S):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield shlex.join(words)


def main():
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        for command in commands():
            count += 1
            program = command.split()[0]
            if program.startswith("scripts/"):
                check(os.access(os.path.join(ROOT, program), os.X_OK), program + " cannot be run")
                subprocess.run(["bash", "-n", os.path.join(ROOT, program)], check=True)
            if command in ELSEWHERE:
                print("not run: {} ({})".format(command, ELSEWHERE[command]))
                continue
            if command == "scripts/demo":
                command += " --tool " + shlex.quote(TOOL)
            command = command.replace("build/release/tools/kvant", shlex.quote(TOOL))
            command = command.replace("build/release", shlex.quote(BUILD))
            command = command.replace("build/prefix", folder)
            print("$ " + command, flush=True)
            result = subprocess.run(["bash", "-c", command], cwd=ROOT, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, text=True, check=False)
            print(result.stdout)
            check(result.returncode == 0, "ended with {}: {}".format(result.returncode, command))
    check(count > 5, "the README has hardly any command")


main()
