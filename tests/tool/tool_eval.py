#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`kvant eval` as a user types it: figures that must agree with each other and with `kvant run`, files, refusals.

  tool_eval.py KVANT SOURCE_FOLDER TEST
"""
import csv
import json
import math
import os
import struct
import tempfile

import tool_common
from tool_common import SOURCE, TEST
from tool_page import Page

FILES = [os.path.join(SOURCE, "models", name) for name in
         ("retrieval.bin", "retrieval_tok.bin", "retrieval_cases.json")]
MODEL = ["--model", FILES[0], "--tokenizer", FILES[1]]
SMALL = ["--windows", "3", "--length", "96", "--backend", "host"]
TEXT = {"kld_mean", "kld_low", "kld_high", "kld_median", "kld_p99", "same_top", "same_top_low",
        "same_top_high", "perplexity", "perplexity_change", "perplexity_change_low",
        "perplexity_change_high"}
HEADS = {"head_nmse", "worst_head_nmse", "worst_layer", "worst_head"}
CASES = {"accuracy", "accuracy_low", "accuracy_high", "accuracy_change", "accuracy_change_low",
         "accuracy_change_high"}
BYTES = {"bytes", "f16_bytes", "transient_bytes", "ratio", "bits_per_value"}
FIELDS = TEXT | HEADS | CASES | BYTES | {"case_" + name for name in BYTES} | {
    "recipe", "backend", "select", "device", "kind", "tokens", "same_bytes", "same_logits",
    "same_answers", "digest", "logits_hash"}


def evaluate(*arguments):
    out, _ = tool_common.kvant("eval", *MODEL, *SMALL, *arguments, "--json")
    return json.loads(out)


def refused(*arguments, names=(), code=2):
    tool_common.refused("eval", *arguments, names=names, code=code)


def short_cases(folder, count):
    with open(FILES[2], encoding="utf-8") as file:
        cases = sorted(json.load(file), key=lambda case: len(case["prompt"]))[:count]
    path = os.path.join(folder, "cases.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(cases, file)
    return path, cases


def check_row(row):
    assert set(row) - {"heads", "accuracy_by_lines"} == FIELDS, set(row) ^ FIELDS
    for name in ("kld", "same_top", "perplexity_change", "accuracy", "accuracy_change"):
        value = row["kld_mean" if name == "kld" else name]
        low, high = row[name + "_low"], row[name + "_high"]
        assert (value is None or low is None) or low <= value <= high, (name, row)
    assert math.isclose(row["ratio"], row["f16_bytes"] / row["bytes"], rel_tol=1e-12)
    assert 0 <= row["kld_median"] <= row["kld_p99"] and 0 <= row["same_top"] <= 1


def test_numbers():
    result = evaluate("--recipe", "kivi2,k=f16,v=f16,zipcache,salient=0.4")
    rows = result["rows"]
    assert [row["recipe"] for row in rows] == ["f16", "kivi2", "zipcache,salient=0.4"]
    assert result["left_out"] == [] and "cases" not in result
    assert result["text"]["windows"] == 3 and result["text"]["predicted"] == 3 * 48
    for row in rows:
        check_row(row)
        assert row["tokens"] == 96 and row["accuracy"] is None and row["same_bytes"] is None
        assert len(row["heads"]) == 4 and all(len(layer) == 4 for layer in row["heads"])
        worst = max(max(layer) for layer in row["heads"])
        assert worst == row["worst_head_nmse"]
        assert worst == row["heads"][row["worst_layer"]][row["worst_head"]]
        change = row["perplexity"] / rows[0]["perplexity"] - 1
        assert math.isclose(row["perplexity_change"], change, rel_tol=1e-9, abs_tol=1e-12)
    zeros = ["kld_mean", "kld_p99", "perplexity_change", "head_nmse"]
    assert all(rows[0][name] == 0 for name in zeros) and rows[0]["same_top"] == 1
    # kivi2 keeps 128 tokens: nothing is compressed yet. zipcache compresses the prompt.
    assert rows[1]["kld_mean"] < 1e-6 < rows[2]["kld_mean"]
    assert rows[1]["head_nmse"] < 1e-6 < rows[2]["head_nmse"]
    assert rows[2]["perplexity"] > rows[0]["perplexity"]
    # another run gives the same, and company, intervals or heads change nothing
    again = evaluate("--recipe", "zipcache,salient=0.4", "--resamples", "0", "--head-windows", "0")
    other = again["rows"][1]
    assert other["digest"] == rows[2]["digest"] and other["logits_hash"] == rows[2]["logits_hash"]
    assert other["kld_mean"] == rows[2]["kld_mean"] and other["kld_low"] is None
    assert other["head_nmse"] is None and "heads" not in other
    assert again["text"]["digest"] == result["text"]["digest"]
    turned = evaluate("--recipe", "zipcache,salient=0.4,kivi2", "--prompt", "48")["rows"]
    assert turned[1]["heads"] == rows[2]["heads"] and turned[2]["heads"] == rows[1]["heads"]
    assert evaluate("--recipe", "f16", "--seed", "2")["text"]["digest"] != again["text"]["digest"]


def test_text():
    """Windows of a file: as many as there are, each once, and words stay whole."""
    with open(FILES[2], encoding="utf-8") as file:
        document = "".join(case["prompt"] + case["answer"] + ">\n" for case in json.load(file)[:2])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "text.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write(document)
        arguments = ["--text", path, "--recipe", "int4", "--head-windows", "0"]
        few = evaluate(*arguments, "--windows", "2")
        assert few["text"]["windows"] == 2
        many = evaluate(*arguments, "--windows", "1000")
        assert 5 < many["text"]["windows"] < 12, many["text"]
        # the model knows this text: digits are drawn, the rest is certain
        assert many["rows"][0]["perplexity"] < 8
        with open(path, "w", encoding="utf-8") as file:
            file.write("line amber-fox")
        refused(*MODEL, *SMALL, *arguments, names=[path, "96 tokens", "--length"])
        with open(path, "wb") as file:
            file.write(b"line\0amber-fox\n" * 100)
        refused(*MODEL, *SMALL, *arguments, names=[path, "not text"])


def test_cases():
    """Accuracy and bytes are those of `kvant run --cases`."""
    with tempfile.TemporaryDirectory() as folder:
        path, cases = short_cases(folder, 4)
        table = os.path.join(folder, "rows.csv")
        recipes = "zipcache,k=int2/token,v=int2/token"
        result = evaluate("--recipe", recipes, "--windows", "1", "--cases", path, "--csv", table)
        out, _ = tool_common.kvant("run", *MODEL, "--backend", "host", "--recipe",
                                   "f16," + recipes, "--cases", path, "--json")
        for row, other in zip(result["rows"], json.loads(out)["rows"]):
            check_row(row)
            assert row["recipe"] == other["recipe"]
            assert row["accuracy"] == other["accuracy"]
            assert row["case_bytes"] == other["bytes"] and row["case_ratio"] == other["ratio"]
            assert row["kld_low"] is None and row["accuracy_low"] is not None
        assert result["rows"][0]["accuracy"] > result["rows"][2]["accuracy"]
        bins = result["cases"]["lines"]
        assert result["cases"]["count"] == 4 and sum(one["cases"] for one in bins) == 4
        assert bins[0]["first"] == min(case["lines"] for case in cases)
        for row in result["rows"]:
            right = sum(share * one["cases"] for share, one in zip(row["accuracy_by_lines"], bins))
            assert math.isclose(right, 4 * row["accuracy"])
        with open(table, encoding="utf-8", newline="") as file:
            read = list(csv.DictReader(file))
        assert set(read[0]) == FIELDS and len(read) == 3
        for line, row in zip(read, result["rows"]):
            for name in FIELDS:
                value = row[name]
                if isinstance(value, str):
                    assert line[name] == value
                else:
                    assert line[name] == "" if value is None else math.isclose(
                        float(line[name]), value, rel_tol=1e-14), (name, line[name], value)


def read_page(path):
    page = Page()
    with open(path, encoding="utf-8") as file:
        page.feed(file.read())
    assert not page.open, page.open
    return page


def count(page, *words):
    return sum(all(word in title for word in words) for title in page.titles)


def test_page():
    """A mark a recipe in each plot, a mark a range of lines, a cell a head; a row a recipe and device."""
    with tempfile.TemporaryDirectory() as folder:
        path, cases = short_cases(folder, 3)
        for case in cases:
            del case["lines"]  # line breaks are counted then
        with open(path, "w", encoding="utf-8") as file:
            json.dump(cases, file)
        page_path = os.path.join(folder, "<b>&.html")
        recipe = "k=int4/head,v=int4/head,window=5"
        out, _ = tool_common.kvant("eval", *MODEL, "--backend", "host,host", "--windows", "2",
                                   "--length", "64", "--recipe", "zipcache," + recipe, "--cases",
                                   path, "--html", page_path, "--json")
        result = json.loads(out)
        page = read_page(page_path)
        assert page.headings == ["Divergence against bytes", "Accuracy against bytes",
                                 "Accuracy by lines", "Error by layer and head", "Rows"]
        ranges = len(result["cases"]["lines"])
        assert result["cases"]["lines"][0]["first"] == min(
            case["prompt"].count("\n") for case in cases)
        assert count(page, "bytes a token") == 2 + 3  # f16 has no divergence
        assert count(page, "lines") == 3 * ranges
        assert count(page, "layer") == 3 * 4 * 4 == len(set(page.rects))
        assert count(page, recipe, "layer 3, head 3: ") == 1
        assert page.titles[-1] == "{}, layer 3, head 3: {:.3g}".format(
            recipe, result["rows"][2]["heads"][3][3])
        assert len(page.rows) == 1 + 6 and page.rows[4][:2] == ["host:0", "f16"]
        assert page.rows[1][-1] == "–" and page.rows[4][-1] == "bytes, logits, answers"
        # without cases and heads, and with a path that HTML would take for its own
        text = os.path.join(folder, "<i>.txt")
        with open(text, "w", encoding="utf-8") as file:
            file.write(cases[0]["prompt"])
        tool_common.kvant("eval", *MODEL, *SMALL, "--head-windows", "0", "--resamples", "0",
                          "--text", text, "--recipe", "f16", "--html", page_path)
        page = read_page(page_path)
        assert page.headings == ["Divergence against bytes", "Rows"] and not page.titles
        with open(page_path, encoding="utf-8") as file:
            assert "&lt;i&gt;.txt" in file.read()


def test_table():
    out, err = tool_common.kvant("eval", *MODEL, "--windows", "2", "--length", "64", "--backend",
                                 "host,host", "--recipe", "all")
    assert not err
    lines = out.splitlines()
    heads = [line for line in lines if line.startswith("recipe")]
    assert len(heads) == 2 and "same as" not in heads[0] and "same as host:0" in heads[1]
    first = lines[lines.index(heads[0]) + 1:lines.index(heads[1]) - 2]
    names = [line.split()[0] for line in first]
    assert len(names) == len(set(names)) and names[0] == "f16" and {"kivi2", "zipcache", "int4"} <= set(names)
    second = lines[lines.index(heads[1]) + 1:]
    end = second.index("")
    left_out = second[end + 1:]
    second = second[:end]
    assert left_out[0].startswith("mla: left out: ") and "one KV head" in left_out[0], left_out
    assert len(second) == len(first) and all(line.endswith("bytes, logits") for line in second), second


def broken_model(folder, size):
    path = os.path.join(folder, "broken.bin")
    with open(FILES[0], "rb") as file:
        content = file.read()
    with open(path, "wb") as file:
        file.write(content[:size])
    return path


def odd_model(folder):
    """Head dimension 12, which no cache takes."""
    path = os.path.join(folder, "odd.bin")
    dim, hidden, layers, heads, kv_heads, vocabulary, seq_len = 24, 8, 1, 2, 2, 455, 64
    floats = (vocabulary * dim + layers * (2 * dim + 4 * dim * dim + 3 * dim * hidden) + dim +
              seq_len * (dim // heads))
    with open(path, "wb") as file:
        file.write(struct.pack("<7i", dim, hidden, layers, heads, kv_heads, vocabulary, seq_len))
        file.write(bytes(4 * floats))
    return path


def test_refusals():
    refused(names=["--model"])
    refused(*MODEL, "--recipe", "frob", names=["frob", "zipcache"])
    refused(*MODEL, "--recipe", "all,window=4", names=["takes no overrides"])
    refused(*MODEL, "--recipe", "int4,,kivi2", names=["empty"])
    refused(*MODEL, "--recipe", "kivi2,zipcache,heads=group", names=["zipcache,heads=group"])
    refused(*MODEL, "--length", "513", names=["513", "512"])
    refused(*MODEL, "--length", "64", "--prompt", "64", names=["leaves nothing"])
    refused(*MODEL, "--windows", "0", names=["--windows"])
    refused(*MODEL, "--resamples", "-1", names=["--resamples"])
    refused(*MODEL, "--backend", "host,frob", names=["frob"])
    refused(*MODEL, "--backend", "host,,host", names=["item 2"])
    refused(*MODEL, "--backend", "host:7", names=["host"], code=3)
    with tempfile.TemporaryDirectory() as folder:
        absent = os.path.join(folder, "absent")
        refused(*MODEL, "--text", absent, names=[absent])
        refused(*MODEL, "--cases", absent, names=[absent])
        refused(*MODEL, "--csv", os.path.join(absent, "x.csv"), names=[absent])
        refused(*MODEL, "--html", os.path.join(absent, "x.html"), names=[absent])
        refused("--model", absent, "--tokenizer", FILES[1], names=[absent])
        for size in (0, 20, 1000, 3055640):
            path = broken_model(folder, size)
            refused("--model", path, "--tokenizer", FILES[1], names=[path])
        path = odd_model(folder)
        refused("--model", path, "--tokenizer", FILES[1], "--recipe", "all", names=["f16", "12"])
        cases = os.path.join(folder, "cases.json")
        for text, name in (('{"a": 1}', "array"), ('[{"prompt": "x"}]', "case 0"),
                           ('[{"prompt": "x", "answer": "y", "lines": 1.5}]', "lines"),
                           ('[{"prompt": "x", "answer": "y", "lines": "2"}]', "lines")):
            with open(cases, "w", encoding="utf-8") as file:
                file.write(text)
            refused(*MODEL, "--cases", cases, names=[cases, name])


globals()["test_" + TEST]()
