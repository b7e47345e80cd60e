#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`kvant bench` as a user types it: columns, files, refusals. No time is judged.

  tool_bench.py KVANT SOURCE_FOLDER TEST
"""
import csv
import json
import math
import os
import re
import tempfile

import tool_common
from tool_common import TEST
from tool_page import Page

SMALL = ["--backend", "host", "--batch", "2", "--kv-heads", "2", "--gqa", "2", "--head-dim", "32",
         "--tokens", "120", "--seconds", "0.5", "--steps", "60"]
FIELDS = {"op", "recipe", "backend", "device", "kind", "batch", "tokens", "q_heads", "kv_heads",
          "head_dim", "value_dim", "layers", "samples", "us", "us_least", "us_p10", "us_p90",
          "us_most", "bytes", "gb_s", "copy_gb_s", "fraction", "f16_us", "factor", "operations",
          "rotated_bytes", "seed"}
WORK = ("append", "saliency", "select", "quantize", "attention", "merge", "other")
STEP = {"steps", "median_us", "p10_us", "p90_us", "worst_us", "mean_us", "split_us", "submit_wait_us",
        "launches", "commands", "submissions", "waits"} | {work + "_us" for work in WORK}
NO_F16 = ("saliency", "range", "select", "prompt-attention")


def bench(*arguments):
    return tool_common.kvant("bench", *arguments)


def refused(*arguments, names=()):
    tool_common.refused("bench", *arguments, names=names)


def rows_of(*arguments):
    out, _ = bench(*SMALL, *arguments, "--json")
    result = json.loads(out)
    assert {"version", "copy_bytes", "skipped", "rows"} == set(result)
    return result["rows"]


def check_row(row):
    assert set(row) - {"step"} == FIELDS, set(row) ^ FIELDS
    assert row["us"] > 0 and row["bytes"] > 0 and row["copy_gb_s"] > 0 and row["samples"] > 0
    assert row["us_least"] <= row["us_p10"] <= row["us"] <= row["us_p90"] <= row["us_most"]
    assert math.isclose(row["gb_s"], row["bytes"] / row["us"] / 1e3, rel_tol=1e-9)
    assert math.isclose(row["fraction"], row["gb_s"] / row["copy_gb_s"], rel_tol=1e-9)
    assert (row["f16_us"] is None) == (row["op"] in NO_F16)
    if row["f16_us"] is not None:
        assert math.isclose(row["factor"], row["f16_us"] / row["us"], rel_tol=1e-9)
    assert (row["op"] == "step") == ("step" in row) == (row["layers"] is not None)


def test_all():
    rows = rows_of("--recipes", "int4,zipcache", "--seconds", "40")
    names = [(row["op"], row["recipe"]) for row in rows]
    both = ("quantize", "dequantize", "attention", "compress", "prefill", "step")
    for name in both:
        assert (name, "int4") in names and (name, "zipcache") in names, name
    assert ("saliency", "zipcache") in names and ("select", "zipcache") in names
    assert ("range", "zipcache") in names
    assert ("prompt-attention", "f16") in names and len(names) == 16
    for row in rows:
        check_row(row)
        assert row["batch"] == 2 and row["q_heads"] == 4 and row["tokens"] == 120
    out, _ = bench("attention", *SMALL)
    lines = out.splitlines()
    assert len(lines) == 4 and lines[1].split()[:3] == ["op", "recipe", "B"]


def test_step():
    counts = []
    for tokens in ("64", "256"):
        row, = rows_of("step", "--recipe", "zipcache,period=32", "--tokens", tokens, "--layers",
                       "3", "--seconds", "60")
        check_row(row)
        step = row["step"]
        assert set(step) == STEP, set(step) ^ STEP
        assert row["layers"] == 3 and step["steps"] == 60
        for work in ("append", "saliency", "select", "quantize", "attention", "merge"):
            assert step[work + "_us"] > 0, work
        assert step["worst_us"] >= step["median_us"] > 0
        parts = [step[work + "_us"] for work in WORK] + [step["submit_wait_us"]]
        assert abs(sum(parts) - step["split_us"]) < 1e-3 * step["split_us"], (parts, step)
        assert step["waits"] == 1  # the one at the end of a step
        counts.append((step["launches"], step["commands"]))
    # what a step hands over does not grow with the context
    assert counts[0] == counts[1], counts
    out, _ = bench("step", *SMALL, "--recipe", "int4")
    heads = re.split("  +", next(line for line in out.splitlines() if line.startswith("step of")))
    assert heads[2:] == ["mean us", *WORK, "submit+wait", "launches", "submits", "median us",
                         "p90", "worst", "x median"], heads


def test_sweep():
    text = "k=int4/head,v=int4/head,period=4"
    with tempfile.TemporaryDirectory() as folder:
        table, page = os.path.join(folder, "a.csv"), os.path.join(folder, "a.html")
        out, err = bench("--sweep", "--backend", "host", "--batch", "1,2", "--tokens", "40,80",
                         "--head-dim", "16,32", "--kv-heads", "2", "--gqa", "1,2", "--recipes",
                         "f16," + text, "--seconds", "20", "--csv", table, "--html", page,
                         "--json")
        assert not err
        result = json.loads(out)
        rows = result["rows"]
        # a slow machine may run out of time for some
        assert len(rows) + result["skipped"] == 32 and len(rows) > 0
        shapes = {(r["batch"], r["tokens"], r["head_dim"], r["q_heads"], r["recipe"]) for r in rows}
        assert len(shapes) == len(rows)
        for row in rows:
            check_row(row)
        with open(table, encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        assert len(lines) == len(rows)
        for line, row in zip(lines, rows):
            assert set(line) == FIELDS | {"step_" + name for name in STEP}
            assert line["recipe"] == row["recipe"] and line["step_median_us"] == ""
            assert math.isclose(float(line["us"]), row["us"], rel_tol=1e-12)
        with open(page, encoding="utf-8") as file:
            parser = Page()
            parser.feed(file.read())
        assert not parser.open, parser.open
        assert len(parser.rows) == 1 + len(rows) and len(parser.titles) == len(rows)
        with open(page, encoding="utf-8") as file:
            text = file.read()
        assert text.count('class="roof"') == 2 and re.search("products, [0-9.e+-]+ G/s", text)
        for cells, row in zip(parser.rows[1:], rows):
            assert cells[:4] == [row["op"], row["recipe"], str(row["batch"]), str(row["tokens"])]
        # time is up before the first row: a page, a table and JSON all the same
        out, _ = bench("--sweep", "--backend", "host", "--seconds", "0.001", "--html", page,
                       "--csv", table, "--json", "--kv-heads", "1", "--tokens", "16")
        result = json.loads(out)
        assert result["skipped"] + len(result["rows"]) == 32 and result["skipped"] > 0
        with open(page, encoding="utf-8") as file:
            assert "not measured" in file.read()


def test_refusals():
    refused("frob", names=["frob", "attention", "step"])
    refused("saliency", "--recipe", "int4", names=["int4", "saliency"])
    refused("saliency", "--recipe", "range", names=["range", "saliency"])
    refused("attention", "--recipe", "int4,window=32,stream=half", names=["stream", "int4"])
    refused("select", "--recipe", "zipcache,budget=8", names=["budget", "salient=0.6"])
    refused("--sweep", "--batch", "1,,2", names=["--batch", "1,,2"])
    refused("--sweep", "--tokens", "0", names=["--tokens"])
    refused("--sweep", "--gqa", "x", names=["--gqa"])
    refused("--sweep", "--gqa", "2", "--q-heads", "4", names=["--gqa", "--q-heads"])
    refused("--sweep", "--head-dim", "64,12", names=["12"])
    refused("--seconds", "0", names=["--seconds"])
    refused("--seconds", "nan", names=["--seconds"])
    refused("--rotate", "-1", names=["--rotate"])
    refused("attention", "--recipes", "int4,frob", names=["frob"])
    refused("attention", "--q-heads", "5", names=["5", "8"])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "no", "such", "folder")
        refused("attention", "--backend", "host", "--tokens", "16", "--csv", path, names=[path])
        refused("attention", "--backend", "host", "--tokens", "16", "--html", path, names=[path])
    out, _ = bench("--help")
    for name in ("quantize", "dequantize", "saliency", "select", "attention", "compress",
                 "prompt-attention", "prefill", "step", "--sweep", "--csv", "--html", "--gqa"):
        assert name in out, name


def test_bytes():
    # int4 per token and head, f16 queries and outputs
    out, _ = bench("attention", "--batch", "1", "--q-heads", "4", "--kv-heads", "2", "--head-dim",
                   "64", "--tokens", "100", "--recipe", "k=int4/head,v=int4/head,period=4",
                   "--backend", "host", "--seconds", "4", "--rotate", "1", "--json")
    row, = json.loads(out)["rows"]
    assert row["bytes"] == 2 * 100 * (2 * 64 * 4 // 8 + 4 + 4) + 2 * 2 * 4 * 64
    assert row["rotated_bytes"] >= 1e6 and row["rotated_bytes"] % row["bytes"] == 0
    # the same seed is the same data; another one each time unless it is given
    seeds = {rows_of("attention", "--recipe", "int4")[0]["seed"] for _ in range(3)}
    assert len(seeds) == 3
    assert rows_of("attention", "--recipe", "int4", "--seed", "5")[0]["seed"] == 5


globals()["test_" + TEST]()
