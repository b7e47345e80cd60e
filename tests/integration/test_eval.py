# SPDX-License-Identifier: MIT
#
# test_eval.py KVANT [BACKEND]: kvant eval on the host reference and on every other device, or on those of one
# backend: every recipe leaves the same bytes, computes the same logits and gives the same answers.
import json
import os
import sys
import tempfile

from integration_common import MODEL, ROOT, check, kvant_json, need_model, skip

RECIPES = "all,zipcache,salient=0.3,norm=causal,k=int2+int4/head,v=int4+int8/head,window=8"
SAME = ("same_bytes", "same_logits", "same_answers")


def short_cases(folder):
    with open(os.path.join(ROOT, "models", "retrieval_cases.json"), encoding="utf-8") as file:
        cases = json.load(file)
    path = os.path.join(folder, "cases.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(cases[:1], file)
    return path


def main():
    need_model()
    backend = sys.argv[2] if len(sys.argv) > 2 else None
    others = [d["select"] for d in kvant_json("devices")["devices"]
              if d["backend"] != "host" and backend in (None, d["backend"])]
    if not others:
        skip("no device besides the host reference")
    with tempfile.TemporaryDirectory() as folder:
        result = kvant_json("eval", *MODEL, "--backend", ",".join(["host", *others]), "--windows",
                            "1", "--length", "96", "--prompt", "72", "--recipe", RECIPES,
                            "--cases", short_cases(folder))
    rows = result["rows"]
    count = len(rows) // (1 + len(others))
    check(len(rows) == count * (1 + len(others)), "{} rows".format(len(rows)))
    for i, row in enumerate(rows[count:], count):
        first = rows[i % count]
        name = "{} on {}".format(row["recipe"], row["select"])
        check(row["recipe"] == first["recipe"], "{}: rows are mixed".format(name))
        for what in SAME:
            check(row[what] == 1, "{}: {} is {}".format(name, what, row[what]))
        check(row["digest"] == first["digest"] and row["kld_mean"] == first["kld_mean"] and
              row["heads"] == first["heads"], "{}: other figures".format(name))
    check(sum(row["head_nmse"] > 1e-6 for row in rows[:count]) >= count / 2,
          "recipes that change nothing")
    print("{} recipes on host and {}".format(count, ", ".join(others)))


main()
