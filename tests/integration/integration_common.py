# SPDX-License-Identifier: MIT
#
# What the integration tests share: running the tool, reading its JSON, and reporting. The first
# argument of every test is the tool.
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = sys.argv[1]
MODEL = ["--model", os.path.join(ROOT, "models/retrieval.bin"),
         "--tokenizer", os.path.join(ROOT, "models/retrieval_tok.bin")]


def fail(text):
    print("FAILED: " + text)
    sys.exit(1)


def skip(text):
    print("skipped: " + text)
    sys.exit(77)


def check(condition, text):
    if not condition:
        fail(text)


def kvant(*arguments, code=0, environment=None):
    """Runs the tool; returns what it printed. `code` is the exit code that it must have."""
    result = subprocess.run([TOOL, *arguments], capture_output=True, text=True, check=False,
                            env={**os.environ, **(environment or {})})
    check(result.returncode == code, "kvant {}: exit code {}, expected {}\n{}{}".format(
        " ".join(arguments), result.returncode, code, result.stdout, result.stderr))
    return result


def kvant_json(*arguments, environment=None):
    return json.loads(kvant(*arguments, "--json", environment=environment).stdout)


def need_model():
    for path in MODEL[1::2]:
        if not os.path.exists(path):
            skip(os.path.relpath(path, ROOT) + " does not exist")
