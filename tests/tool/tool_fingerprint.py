#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`kvant fingerprint` as a user types it: recipes told apart, devices not, files, refusals.

  tool_fingerprint.py KVANT SOURCE_FOLDER TEST
"""
import json
import os
import tempfile

import tool_common
from tool_common import SOURCE, TEST
from tool_page import Page

FILES = [os.path.join(SOURCE, "models", name) for name in
         ("retrieval.bin", "retrieval_tok.bin", "retrieval_cases.json")]
MODEL = ["--model", FILES[0], "--tokenizer", FILES[1]]
SMALL = ["--windows", "6", "--length", "64"]
RECIPES = "int8-token,k=int2/token,v=int2/token"
KINDS = ("logits", "attention output", "both")


def refused(*arguments, names=(), code=2):
    tool_common.refused("fingerprint", *arguments, names=names, code=code)


def test_numbers():
    """Recipes that are far apart are told; two devices are not."""
    arguments = ["fingerprint", *MODEL, *SMALL, "--recipe", RECIPES, "--json"]
    result = json.loads(tool_common.kvant(*arguments, "--backend", "host,host")[0])
    names = result["recipes"]
    assert names == ["f16", "int8-token", "k=int2/token,v=int2/token"] and result["left_out"] == []
    assert result["text"] == {"windows": 6, "length": 64, "prompt": 32, "learnt_windows": 3}
    assert len(result["features"]) == len(set(result["features"])) == 10 + 2 * 4
    first, second = result["devices"]
    for device in (first, second):
        assert set(device["told_from"]) == set(KINDS)
        for kind in KINDS:
            told = device["told_from"][kind]
            matrix = told["confusion"]
            assert [sum(row) for row in matrix] == [3] * 3
            right = sum(matrix[i][i] for i in range(3))
            assert abs(told["accuracy"] - right / 9) < 1e-12
            assert told["accuracy_low"] <= told["accuracy"] <= told["accuracy_high"]
        assert device["told_from"]["both"]["accuracy"] == 1
    assert second["same_as_first"] == [True] * 3 and second["told_apart"] == [0.5] * 3
    assert "same_as_first" not in first and first["means"] == second["means"]
    of = {name: dict(zip(result["features"], row)) for name, row in zip(names, first["means"])}
    spread = dict(zip(result["features"], first["deviations"][0]))
    assert of["f16"]["logit slope"] == 0 and of["f16"]["divergence"] == -18 == of["f16"]["layer 3 error"]
    assert all(value == 0 for value in spread.values())
    rough, fine = of[names[2]], of["int8-token"]
    for name in ("logit residual", "divergence", "layer 0 error", "layer 3 error"):
        assert rough[name] > fine[name] + 1, name
    assert rough["logit slope"] < fine["logit slope"]
    # another run gives the same, and company changes nothing
    alone = json.loads(tool_common.kvant("fingerprint", *MODEL, *SMALL, "--recipe", names[2],
                                         "--json", "--backend", "host")[0])
    assert alone["devices"][0]["means"][1] == first["means"][2]


def test_page():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "page.html")
        out, err = tool_common.kvant("fingerprint", *MODEL, *SMALL, "--windows", "4", "--recipe",
                                     RECIPES, "--backend", "host,host", "--html", path)
        assert not err
        lines = out.splitlines()
        assert "2 windows to learn from, 2 to tell" in lines[0]
        assert [line.split()[0] for line in lines[2:6]] == ["recipe", "f16", "int8-token", RECIPES[11:]]
        assert sum("3 of 3 fingerprints are those of host:0" in line for line in lines) == 1
        assert sum(line.startswith("served, told from") for line in lines) == 2
        page = Page()
        with open(path, encoding="utf-8") as file:
            page.feed(file.read())
        assert not page.open, page.open
        assert page.headings == ["Told from logits", "Told from attention output", "Told from both",
                                 "Devices", "Statistics"]
        assert len(page.titles) == 3 * 9 and page.titles[0].startswith("f16 served, told as f16: ")
        assert len(page.rows) == 3 + 4 and page.rows[2][5:] == ["3 of 3", "50.0"]


def test_refusals():
    refused(names=["--model"])
    refused(*MODEL, "--recipe", "frob", names=["frob"])
    refused(*MODEL, "--recipe", "f16", *SMALL, "--backend", "host", names=["f16"])
    refused(*MODEL, "--windows", "3", names=["--windows", "4"])
    refused(*MODEL, "--length", "513", names=["513", "512"])
    refused(*MODEL, "--backend", "host,,host", names=["item 2"])
    refused(*MODEL, "--backend", "host:7", names=["host"], code=3)
    with tempfile.TemporaryDirectory() as folder:
        absent = os.path.join(folder, "absent")
        refused(*MODEL, "--html", os.path.join(absent, "x.html"), names=[absent])
        refused("--model", absent, "--tokenizer", FILES[1], names=[absent])
        text = os.path.join(folder, "text.txt")
        with open(FILES[2], encoding="utf-8") as source, open(text, "w", encoding="utf-8") as file:
            file.write(json.load(source)[0]["prompt"])
        refused(*MODEL, "--text", text, "--length", "128", names=[text, "4 are needed"])


globals()["test_" + TEST]()
