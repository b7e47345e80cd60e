# SPDX-License-Identifier: MIT
#
# test_plan.py KVANT: the parts of a plan add up, ZipCache's published ratio is met in real bytes, and
# every recipe text of docs/recipes.md takes the bytes of the recipe that it stands beside.
import os
import re

from integration_common import ROOT, check, kvant, kvant_json

SHAPE = ["--layers", "32", "--q-heads", "32", "--kv-heads", "32", "--head-dim", "128"]
LATENT = ["--layers", "60", "--q-heads", "128", "--kv-heads", "1", "--head-dim", "64", "--value-dim", "512"]
PUBLISHED = 4.98  # ZipCache: batch 8, 4096 channels, 840 tokens, 60 % salient


def main():
    plan = kvant_json("plan", "--batch", "8", *SHAPE, "--tokens", "840", "--recipe", "zipcache")
    check(sum(plan["parts"].values()) == plan["bytes"], "the parts do not add up to bytes")
    print("zipcache: ratio {:.3f}, published {}".format(plan["ratio"], PUBLISHED))
    check(abs(plan["ratio"] / PUBLISHED - 1) < 0.02, "more than 2 % from the published ratio")
    for name, part in plan["parts"].items():
        print("  {}: {} bytes, {:.3f} bits a value".format(
            name, part, part / plan["bytes"] * plan["bits_per_value"]))

    with open(os.path.join(ROOT, "docs/recipes.md"), encoding="utf-8") as file:
        rows = re.findall(r"^\| `([\w-]+)` \| `(k=[^`]+)` \|", file.read(), re.M)
    check(len(rows) >= 6, "docs/recipes.md lists {} recipes".format(len(rows)))
    for name, text in rows:
        shape = LATENT if "latent=1" in text else SHAPE
        by_name = kvant_json("plan", *shape, "--tokens", "1000", "--recipe", name)
        by_text = kvant_json("plan", *shape, "--tokens", "1000", "--recipe", text)
        del by_name["recipe"], by_text["recipe"]
        check(by_name == by_text, "{} takes other bytes than {}".format(text, name))

    result = kvant("plan", *SHAPE, "--tokens", "100", "--recipe", "k=int5/head,v=int4/head", code=2)
    check("position" in result.stderr and "int2" in result.stderr,
          "the error names no position or no codec: " + result.stderr)


main()
