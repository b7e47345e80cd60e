#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvant conform as a user types it: tool_conform.py KVANT SOURCE_FOLDER TEST"""
import json
import os
import re
import shlex
import subprocess
import tempfile
import xml.etree.ElementTree

from tool_common import KVANT, TEST, kvant, refused

SOME = ["--backend", "host", "--quick", "--filter", "append/*"]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def conform(folder, *arguments, code=0):
    """Runs with a JSON report; returns it and what was printed."""
    path = os.path.join(folder, "report.json")
    out, _ = kvant("conform", *arguments, "--json", path, code=code)
    return json.loads(read(path)), out


def test_reports(folder):
    junit, page = os.path.join(folder, "a.xml"), os.path.join(folder, "a.html")
    report, out = conform(folder, *SOME, "--verbose", "--junit", junit, "--html", page)
    assert ", 1 lane, " in out and "passed" in out and "rule: every word" in out and "; because " in out
    assert report["schema"] == 2 and report["backend"] == "host" and report["kind"] == "reference"
    assert report["failed"] == 0 and report["passed"] == len(report["cases"]) > 3
    assert len(report["contract_hash"]) == 64 and report["limits"]["lanes"] == 1
    assert report["tier"] == "quick" and report["warnings"] == []
    for case in report["cases"]:
        assert case["name"].startswith("append/") and case["result"] == "pass"
        assert case["words"] > 0 and len(case["digest"]) == 16 and case["seed"] == "0"
        assert "equals the scalar reference" in case["rule"] and case["reason"]
    suites = xml.etree.ElementTree.parse(junit).getroot()
    found = suites.findall("testsuite/testcase")
    assert len(found) == len(report["cases"])
    for case in found:
        assert {p.get("name") for p in case.iter("property")} >= {"rule", "reason"}
    assert "1 device · {} passed · 0 failed".format(report["passed"]) in read(page)
    for option in ("--json", "--junit", "--html"):  # before a case runs
        for path in (os.path.join(folder, "no", "such", "folder"), folder):
            out, err = kvant("conform", *SOME, option, path, code=2)
            assert out == "" and path + " cannot be written" in err, (out, err)
    bound, _ = conform(folder, "--backend", "host", "--filter", "oracle/prefill/*")
    for case in bound["cases"]:
        assert case["measure"]["name"] == "NMSE" and case["measure"]["bound"] == 1e-6
        assert case["measure"]["kind"] == "at most" and case["measure"]["value"] <= 1e-6


def test_choice(folder):
    names = kvant("conform", "--list")[0].splitlines()
    assert len(names) == len(set(names)) > 100
    quick = kvant("conform", "--list", "--quick")[0].splitlines()
    full = kvant("conform", "--list", "--full")[0].splitlines()
    assert set(quick) < set(names) <= set(full)
    some = kvant("conform", "--list", "--filter", "select/*")[0].splitlines()
    assert some == [name for name in names if name.startswith("select/")]
    for arguments in (["--list"], ["--backend", "host"]):
        refused("conform", *arguments, "--filter", "nosuch*", names=["no case matches"])
    variants = [name for name in names if "/variant=" in name]
    assert variants and {name.split("/variant=")[0] for name in variants} < set(names)
    refused("conform", "--list", names=["KVANT_VARIANT", '"foo"'], env={"KVANT_VARIANT": "foo"})
    some_attention = ["--quick", "--filter", "attention/segment/*"]
    refused("conform", *some_attention, "--backend", "host", env={"KVANT_VARIANT": "mma"},
            names=["host:0", "the variant mma needs"], code=3)
    path = os.path.join(folder, "left-out.json")
    result = subprocess.run([KVANT, "conform", *some_attention, "--json", path], check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            universal_newlines=True, env={**os.environ, "KVANT_VARIANT": "mma"})
    assert "host:0 is left out: the variant mma needs" in result.stdout
    if result.returncode == 0:  # a GPU
        assert "without the variant mma left out" in result.stdout
        reports = json.loads(read(path))
        reports = reports if isinstance(reports, list) else [reports]
        assert all(c["name"].endswith("/variant=mma") for r in reports for c in r["cases"])
    else:
        assert result.returncode == 3 and "no device has the variant mma" in result.stderr
    shards = [kvant("conform", "--list", "--filter", "select/*", "--shard", "%d/3" % i)[0]
              .splitlines() for i in (1, 2, 3)]
    assert [some[i::3] for i in range(3)] == shards
    ran, _ = conform(folder, *SOME, "--shard", "2/3")
    listed = kvant("conform", "--list", *SOME, "--shard", "2/3")[0].splitlines()
    assert [case["name"] for case in ran["cases"]] == listed
    for bad in ("0/3", "4/3", "1", "1/", "a/b", "1/3/5", "-1/3", ""):
        refused("conform", "--list", "--shard", bad, names=["--shard", "I/N"])
    twice, _ = conform(folder, *SOME, "--repeat", "2", "--seed", "18446744073709551615")
    assert twice["seed"] == "18446744073709551615"
    assert all(case["repetitions"] == 2 for case in twice["cases"])
    assert twice["words"] == 2 * conform(folder, *SOME)[0]["words"]
    refused("conform", *SOME, "--repeat", "0", names=["--repeat"])
    more, _ = conform(folder, "--backend", "host", "--full", "--filter", "append/*/tokens1/*")
    assert len(more["cases"]) > 1 and all(case["repetitions"] == 4 for case in more["cases"])
    kvant("conform", "--backend", "host", "--device", "0", "--seed", "3", "--filter", "=" + names[0])


def test_lists(folder):
    path = os.path.join(folder, "my.list")
    header = "for: host | scalar* | *\n"
    write(path, header + "append/* # has no such memory\nnothing/* # of old\n")
    report, out = conform(folder, "--backend", "host", "--quick", "--filter", "*p*en*",
                          "--exclusions", path)
    excluded = [case for case in report["cases"] if case["result"] == "excluded"]
    assert len(excluded) == report["excluded"] > 0 and report["passed"] > 0
    for case in excluded:
        assert case["name"].startswith("append/") and "has no such memory" in case["message"]
    warning = path + ':3: "nothing/*" matches no case'
    assert report["warnings"] == [warning] and "warning: " + warning in out
    _, err = kvant("conform", *SOME, "--exclusions", path, code=2)
    assert re.search("no case passed: [1-9][0-9]* excluded, 0 skipped", err), err
    # a pass that is not expected fails, and its command repeats it
    write(path, header + "append/* # is broken\n")
    report, out = conform(folder, *SOME, "--expected-failures", path, code=1)
    assert report["failed"] == len(report["cases"]) and "FAIL  append/" in out
    case = report["cases"][0]
    assert "passes, although {}:2 expects a failure: is broken".format(path) == case["message"]
    words = shlex.split(case["repeat"])
    assert words[:2] == ["kvant", "conform"] and "=" + case["name"] in words
    done = subprocess.run([KVANT, *words[1:]], stdout=subprocess.PIPE, check=False)
    assert done.returncode == 0 and b"1 case\n" in done.stdout
    # a list of another device does nothing and says so
    write(path, "for: vulkan | Radeon* | *\nappend/* # is theirs\n")
    report, out = conform(folder, *SOME, "--exclusions", path)
    assert report["excluded"] == 0 and report["warnings"] == []
    assert "warning: {} is for vulkan | Radeon* | *".format(path) in out
    for text, line in (("", 1), ("append/* # no header\n", 1), (header + "\nappend/*\n", 3),
                       ("for: host\n", 1), (header + "append/* #\n", 2), (header + "a b # c\n", 2)):
        write(path, text)
        for option in ("--exclusions", "--expected-failures"):
            refused("conform", *SOME, option, path, names=["{}:{}: ".format(path, line)])
    refused("conform", *SOME, "--exclusions", path + "x", names=[path + "x"])


def untimed(page):
    """JSON has milliseconds, so a rounded time may differ."""
    return re.sub(r"<dd>[0-9.]+ s</dd>", "", page)


def test_merge(folder):
    first, second = os.path.join(folder, "1.json"), os.path.join(folder, "2.json")
    page, both = os.path.join(folder, "m.html"), os.path.join(folder, "m.json")
    kvant("conform", *SOME, "--json", first, "--html", os.path.join(folder, "live.html"))
    report = json.loads(read(first))
    count = len(report["cases"])
    kvant("conform", "--merge", first, "--html", page, "--json", both)
    live = read(os.path.join(folder, "live.html"))
    assert untimed(read(page)) == untimed(live)
    assert read(both) == read(first)
    # another device that computed something else in two cases, and failed one of them
    other = json.loads(read(first))
    other.update(backend="vulkan", device="A <GPU>", failed=1)
    other["cases"][0]["digest"] = other["cases"][1]["digest"] = "0123456789abcdef"
    other["cases"][1].update(result="fail", message="store word 7", repetitions=1, mismatch={
        "buffer": "append, store", "word": 7, "expected": "0x00000001", "got": "0xfeedbeef",
        "differing": 3, "compared": 90})
    write(second, json.dumps(other))
    out, err = kvant("conform", "--merge", first, second, "--html", page, "--json", both, code=1)
    assert "1 case failed" in err
    assert "host:0 and vulkan:0: the same words in {} of {} cases".format(count - 2, count) in out
    text = read(page)
    assert "2 devices · {} passed · 1 failed".format(2 * count - 1) in text
    assert "2 of {}<small>3 words off the reference</small>".format(count) in text
    assert "0xfeedbeef" in text and "A &lt;GPU&gt;" in text and "A <GPU>" not in text
    assert [r["backend"] for r in json.loads(read(both))] == ["host", "vulkan"]
    kvant("conform", "--merge", both, "--html", page, code=1)
    assert read(page) == text

    # shards of one device are one report; a partial join says so and takes the rest later
    shards = [os.path.join(folder, "s%d.json" % i) for i in (1, 2, 3)]
    for i, path in enumerate(shards, 1):
        kvant("conform", *SOME, "--shard", "%d/3" % i, "--json", path)
    out, _ = kvant("conform", "--merge", shards[2], shards[0], "--html", page, "--json", both)
    part = json.loads(read(both))
    assert out == "" and (part["shard"], part["shards"]) == (0, 3)
    assert "not all of 3 shards" in read(page) and part["passed"] < count
    out, _ = kvant("conform", "--merge", *shards, first, "--html", page, "--json", both)
    joined = json.loads(read(both))[0]
    assert "the same words in {0} of {0} cases".format(count) in out
    assert (joined["shard"], joined["shards"], joined["passed"]) == (0, 0, count)
    assert {c["name"] for c in joined["cases"]} == {c["name"] for c in report["cases"]}
    out, _ = kvant("conform", "--merge", first, shards[0], "--html", page)
    assert "the same words in" in out  # a whole run and a shard of it are two runs
    again = json.loads(read(shards[0]))
    again["seed"] = "7"
    write(second, json.dumps(again))
    out, _ = kvant("conform", "--merge", second, shards[1], "--html", page)
    assert "their seeds differ" in out
    refused("conform", "--merge", first, first, "--html", page, names=[first + " is given twice"])

    for name in ("max_binding_bytes", "max_lanes", "shared_bytes", "subgroup_lanes"):
        del again["limits"][name]  # as an earlier version wrote it
    del again["variants"]
    write(second, json.dumps(again))
    kvant("conform", "--merge", second, "--html", page)
    assert "<dt>shared memory of a work-group</dt><dd>unknown</dd>" in read(page)

    refused("conform", "--merge", "--html", page, names=["--merge A.json"])
    refused("conform", "--merge", first, names=["--html"])
    refused("conform", first, names=["--merge"])
    refused("conform", "--merge", first, first + "x", "--html", page, names=[first + "x"])
    bad = {"": "is not JSON", "{": "is not JSON", "[]": "holds no report", "3": "no report",
           "{}": "no report", read(first) + "x": "is not JSON",
           '{"schema": 1}': "has schema 1; this version reads schema 2"}

    def altered(change):
        changed = json.loads(read(first))
        change(changed)
        return json.dumps(changed)

    bad[altered(lambda r: r.pop("driver"))] = '"driver" is no text'
    bad[altered(lambda r: r.update(backend="a" * 16))] = '"backend" is no text of less than 16'
    bad[altered(lambda r: r.update(seed=3))] = '"seed" is no text of decimal digits'
    bad[altered(lambda r: r.update(shard=-1))] = '"shard" is no whole number'
    bad[altered(lambda r: r.update(cases={}))] = '"cases" is no array'
    bad[altered(lambda r: r["limits"].update(shared_bytes=-1))] = '"shared_bytes" is no whole'
    bad[altered(lambda r: r.update(limits=1))] = '"lanes" is no whole number'
    bad[altered(lambda r: r["cases"][2].pop("rule"))] = 'case 2: "rule" is no text'
    bad[altered(lambda r: r["cases"][0].update(digest="xyz"))] = 'case 0: "digest" is not'
    bad[altered(lambda r: r["cases"][0].update(result="good"))] = 'case 0: "result" is no result'
    for text, reason in bad.items():
        write(second, text)
        refused("conform", "--merge", first, second, "--html", page, names=[second, reason])


with tempfile.TemporaryDirectory() as work:
    globals()["test_" + TEST](work)
