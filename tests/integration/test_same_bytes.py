# SPDX-License-Identifier: MIT
#
# test_same_bytes.py KVANT [BACKEND]: the trained model on every device, or on those of one backend: each
# recipe leaves the same digest of the compressed cache and generates the same text as on the host reference.
import sys

from integration_common import MODEL, check, kvant_json, need_model, skip

RECIPES = ["f16", "int8-token", "int4", "kivi2", "kivi4", "zipcache",
           "k=int2+int8s/head,v=int4+int8/head,window=16,period=64,salient=0.3,random=0.1,"
           "recent=0.05,norm=causal,heads=group,seed=7",
           "k=int8/chan,v=int4/tok16/cst,window=5,period=12,sinks=3"]
# a list of lines and a question, and then on for as long as fits: several decode events
PROMPT = ("Log of registers.\n"
          "line amber-falcon: register <48213>\nline quiet-harbor: register <90417>\n"
          "line rapid-river: register <31568>\nline gentle-willow: register <77042>\n"
          "Recall line quiet-harbor: register <")


def run(backend, recipe):
    result = kvant_json("run", *MODEL, "--greedy", "--backend", backend, "--steps", "220",
                        "--prompt", PROMPT, "--recipe", recipe)
    return result["text"], result["rows"][0]


def main():
    need_model()
    backend = sys.argv[2] if len(sys.argv) > 2 else None
    devices = [d for d in kvant_json("devices")["devices"]
               if d["backend"] != "host" and backend in (None, d["backend"])]
    if not devices:
        skip("no device besides the host reference")
    for recipe in RECIPES:
        text, row = run("host", recipe)
        for device in devices:
            other_text, other = run(device["select"], recipe)
            check(other["digest"] == row["digest"], "{}: digest {} on {}, {} on host".format(
                recipe, other["digest"], device["select"], row["digest"]))
            check(other_text == text, "{}: another text on {}".format(recipe, device["select"]))
        print("{}: {} on host and {}".format(
            recipe, row["digest"], ", ".join(d["select"] for d in devices)))


main()
