# SPDX-License-Identifier: MIT
#
# What the tests of the tool's commands share: PROGRAM KVANT SOURCE_FOLDER TEST, running the tool, and
# what every refusal must look like.
import os
import subprocess
import sys

KVANT, SOURCE, TEST = sys.argv[1:4]


def skip(reason):
    print("skipped:", reason)
    sys.exit(77)


def kvant(*arguments, code=0, env=None):
    """Runs the tool; its exit code must be `code`, and a failure is one sentence on stderr."""
    environment = {k: v for k, v in os.environ.items() if k != "KVANT_BACKEND"}
    environment.update(env or {})
    done = subprocess.run([KVANT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment, check=False)
    out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    assert done.returncode == code, (arguments, done.returncode, code, out[-500:], err)
    if code != 0:
        assert err.startswith("kvant"), err
        assert len(err.strip().splitlines()) == 1, err
    return out, err


def refused(*arguments, names=(), code=2, env=None):
    _, err = kvant(*arguments, code=code, env=env)
    for name in names:
        assert name in err, (name, err)
