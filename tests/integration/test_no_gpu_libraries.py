# SPDX-License-Identifier: MIT
#
# test_no_gpu_libraries.py KVANT: on a machine without usable GPU libraries the tool starts, says why
# each backend is absent, runs on the host reference, and refuses what is not there.
#
# Empty files under the libraries' names come first in the search path, so opening them fails.
import os
import tempfile

from integration_common import check, kvant, kvant_json

LIBRARIES = ("libcuda.so.1", "libOpenCL.so.1", "libvulkan.so.1")


def main():
    with tempfile.TemporaryDirectory() as folder:
        for library in LIBRARIES:
            open(os.path.join(folder, library), "w", encoding="utf-8").close()
        path = os.environ.get("LD_LIBRARY_PATH", "")
        machine = {"LD_LIBRARY_PATH": folder + (":" + path if path else ""), "KVANT_BACKEND": ""}

        listed = kvant_json("devices", environment=machine)
        check([d["backend"] for d in listed["devices"]] == ["host"],
              "expected the host alone: {}".format(listed))
        check(listed["auto"] == "host:0", "auto is " + str(listed["auto"]))
        check(listed["devices"][0]["exact"] is True, "the host is not exact")
        absent = {entry["backend"]: entry["reason"] for entry in listed["absent"]}
        for backend in ("cuda", "vulkan", "opencl"):
            check(absent.get(backend), "no reason why {} is absent".format(backend))
            print("{}: {}".format(backend, absent[backend]))

        for backend in ("cuda", "vulkan", "opencl"):
            result = kvant("conform", "--backend", backend, "--quick", code=3, environment=machine)
            check(backend in result.stderr, "the error does not name " + backend)
        kvant("conform", "--backend", "opencl,host", "--filter", "arithmetic*", environment=machine)
        result = kvant("conform", "--backend", "opencl,gpu", "--quick", code=2,
                       environment=machine)
        check("gpu" in result.stderr and "vulkan" in result.stderr,
              "the error does not list the known names: " + result.stderr)


main()
