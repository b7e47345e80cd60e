# SPDX-License-Identifier: MIT
#
# test_fingerprint.py KVANT [BACKEND]: recipes leave the same fingerprint on every device as on the host
# reference, bit for bit, so that nobody can tell from outputs which device served a recipe.
import sys

from integration_common import MODEL, check, kvant_json, need_model, skip

RECIPES = "kivi2,window=8,zipcache,int4,k=int2/token,v=int2/token,period=8"


def main():
    need_model()
    backend = sys.argv[2] if len(sys.argv) > 2 else None
    others = [d["select"] for d in kvant_json("devices")["devices"]
              if d["backend"] != "host" and backend in (None, d["backend"])]
    if not others:
        skip("no device besides the host reference")
    result = kvant_json("fingerprint", *MODEL, "--backend", ",".join(["host", *others]), "--windows",
                        "4", "--length", "64", "--recipe", RECIPES)
    first = result["devices"][0]
    check(len(result["recipes"]) == 5 and len(result["devices"]) == 1 + len(others), "rows are missing")
    errors = [row[result["features"].index("layer 3 error")] for row in first["means"]]
    check(sum(error > -6 for error in errors) == 4, "recipes that change nothing: {}".format(errors))
    for device in result["devices"][1:]:
        for i, recipe in enumerate(result["recipes"]):
            name = "{} on {}".format(recipe, device["select"])
            check(device["same_as_first"][i], "{}: another fingerprint than on the host".format(name))
            check(device["told_apart"][i] == 0.5, "{}: told apart".format(name))
        check(device["told_from"] == first["told_from"], "{}: other recipes told".format(device["select"]))
    print("{} recipes on host and {}".format(len(result["recipes"]), ", ".join(others)))


main()
