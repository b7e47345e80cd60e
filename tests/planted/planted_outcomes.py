# SPDX-License-Identifier: MIT
#
# What scripts/planted-bugs calls the end of a run, how it sums up, and with which code it ends. The
# argument is the script.
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

sys.dont_write_bytecode = True  # the script has no suffix: its bytecode would lie beside it
LOADER = SourceFileLoader("planted_bugs", sys.argv[1])
SCRIPT = module_from_spec(spec_from_loader("planted_bugs", LOADER))
LOADER.exec_module(SCRIPT)

FAILURES = 0


def expect(got, expected, what):
    global FAILURES
    if got != expected:
        print("{}: {!r}, expected {!r}".format(what, got, expected))
        FAILURES += 1


def verdict(status, failed=(), **entry):
    return SCRIPT.outcome({"name": "bug", **entry}, status, list(failed), 300)[0]


expect(verdict(1, ["encode/k"]), "caught", "a failed case")
expect(verdict(-6), "caught", "a signal")
expect(verdict(0), "missed", "a pass")
expect(verdict(1), "unrun", "a failure without a case")
expect(verdict(3), "unrun", "no device with the bug in")
expect(verdict(None), "hung", "no end")
expect(verdict(None, hangs=True), "caught", "no end, as the entry says")

expect(SCRIPT.totals(["caught", "caught"]), "2 of 2 caught", "all caught")
expect(SCRIPT.totals(["caught", "skipped", "hung", "missed", "hung"]),
       "1 of 5 caught, 1 missed, 2 hung, 1 skipped", "some of each")
expect(SCRIPT.exit_code(["caught", "skipped"]), 0, "caught but for what cannot be tried")
expect(SCRIPT.exit_code(["skipped", "skipped"]), 77, "nothing tried")
for bad in ("missed", "hung", "unbuilt", "unrun"):
    expect(SCRIPT.exit_code(["caught", bad]), 1, bad)

SCRIPT.TOOLS["vulkan"] = (("no-such-tool",),)
expect(SCRIPT.lacking_tool("vulkan"), "no-such-tool was not found", "a missing tool")
expect(SCRIPT.lacking_tool("opencl"), None, "a run without needs")

print("FAILED" if FAILURES else "passed")
sys.exit(1 if FAILURES else 0)
