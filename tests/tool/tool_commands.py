#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The commands of the kvant tool, run as a user types them.

  tool_commands.py KVANT SOURCE_FOLDER TEST

Exit code 77: the test needs a file that is not there.
"""
import json
import math
import os
import tempfile

from tool_common import SOURCE, TEST, kvant, refused, skip

RECIPES = "f16,int8-token,int4,kivi4,kivi2,zipcache"
ROW_FIELDS = {"recipe", "backend", "device", "tokens", "bytes", "f16_bytes", "ratio",
              "bits_per_value", "kld_mean", "kld_p99", "same_top", "tokens_per_s", "digest",
              "library"}
STORY = ("Once upon a time, there was a little girl named Lily. She loved to play outside in the "
         "park. One day, she saw a big, red ball. She wanted to play with it, but it was too high.")


def model(folder, name, tokenizer):
    paths = [os.path.join(folder, name), os.path.join(folder, tokenizer)]
    for path in paths:
        if not os.path.exists(path):
            skip(path + " is not there")
    return ["--model", paths[0], "--tokenizer", paths[1]]


def retrieval():
    return model(os.path.join(SOURCE, "models"), "retrieval.bin", "retrieval_tok.bin")


def cases(name="retrieval"):
    path = os.path.join(SOURCE, "models", name + "_cases.json")
    if not os.path.exists(path):
        skip(path + " is not there")
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def test_help():
    for arguments in (["--help"], ["-h"]):
        out, _ = kvant(*arguments)
        for word in ("devices", "run", "eval", "fingerprint", "plan", "conform", "bench", "exit codes",
                     "KVANT_BACKEND"):
            assert word in out, word
    for command in ("devices", "run", "eval", "fingerprint", "plan", "conform", "bench"):
        out, err = kvant(command, "--help")
        assert out.startswith("usage: kvant " + command) and "--backend" in out and not err
    out, _ = kvant("--version")
    assert out.startswith("kvant ") and out.count(".") == 2


def test_usage():
    refused(names=["a command"])
    refused("frob", names=["frob", "devices", "conform"])
    refused("--frob", names=["--frob", "--backend"])
    refused("run", names=["--model"])
    refused("run", "--model", names=["--model", "value"])
    refused("run", "--modle", "x", names=["--modle", "--tokenizer"])
    refused("run", "-x", names=["-x", "--recipe"])
    refused("run", "--json=1", names=["--json"])
    refused("run", "stray", names=["stray"])
    refused("run", "--steps", "0", names=["--steps"])
    refused("run", "--steps", "-1", names=["--steps"])
    refused("run", "--steps", "99999999999999999999", names=["--steps"])
    refused("run", "--temperature", "nan", names=["--temperature"])
    refused("run", "--prefill", "frob", names=["batch", "token"])
    refused("bench", "frob", names=["frob", "attention"])
    refused("bench", "attention", "frob", names=["frob"])
    refused("bench", "saliency", "--recipe", "int4", names=["int4"])
    refused("bench", "attention", "--kv-heads", "5", names=["5"])
    refused("plan", names=["--kv-heads"])
    refused("conform", "--quick", "--full", names=["--quick"])
    refused("conform", "--backend", "host", "--filter", "no-such-case", names=["--list"])
    for command in (["devices"], ["bench", "attention"], ["conform"]):
        refused(*command, "--backend", "frob", names=["frob", "vulkan", "host"])
        refused(*command, "--backend", "host,frob", names=["frob", "position 6"])
    refused("bench", "attention", "--backend", "host:7", names=["host"], code=3)
    _, err = kvant("bench", "attention", code=2, env={"KVANT_BACKEND": "frob"})
    assert "frob" in err
    kvant("bench", "attention", "--tokens", "8", "--backend", "host",
          env={"KVANT_BACKEND": "frob"})  # the option beats the variable


def plan(*arguments):
    out, _ = kvant("plan", *arguments, "--json")
    return json.loads(out)


def test_plan():
    shape = ["--batch", "8", "--layers", "32", "--q-heads", "32", "--kv-heads", "32", "--head-dim",
             "128", "--tokens", "840"]
    one = plan(*shape, "--recipe", "zipcache")
    assert set(one["parts"]) == {"codes", "parameters", "maps", "window", "padding", "scratch"}
    assert one["bytes"] == sum(one["parts"].values())
    assert one["f16_bytes"] == 8 * 32 * 2 * 840 * 32 * 128 * 2
    assert math.isclose(one["ratio"], one["f16_bytes"] / one["bytes"], rel_tol=1e-12)
    assert math.isclose(one["bits_per_value"], 16 / one["ratio"], rel_tol=1e-12)
    print("zipcache, B 8, 4096 channels, 840 tokens: ratio %.4f" % one["ratio"])
    assert abs(one["ratio"] / 4.98 - 1) < 0.02
    several = plan(*shape, "--recipe", RECIPES)
    assert [row["recipe"] for row in several] == RECIPES.split(",")
    assert several[5]["bytes"] == one["bytes"]
    out, _ = kvant("plan", *shape, "--recipe", RECIPES)
    assert len(out.splitlines()) == 7
    more = plan(*shape, "--recipe", "zipcache", "--decode", "100")
    assert more["bytes"] > one["bytes"]
    refused("plan", "--kv-heads", "3", "--q-heads", "4", "--head-dim", "8", "--tokens", "4",
            "--recipe", "f16", names=["4 query heads", "3 KV heads"])
    refused("plan", "--kv-heads", "1", "--head-dim", "12", "--tokens", "4", "--recipe", "f16",
            names=["12"])
    refused("plan", "--kv-heads", "1", "--head-dim", "8", "--tokens", "4", "--recipe", "frob",
            names=["frob", "zipcache", "position"])
    refused("plan", "--kv-heads", "4000000000", "--head-dim", "256", "--tokens", "4000000000",
            "--recipe", "f16")


def devices():
    out, _ = kvant("devices", "--json")
    return json.loads(out)


def test_devices():
    found = devices()
    assert set(found) == {"devices", "absent", "auto"}
    for device in found["devices"]:
        assert {"select", "backend", "name", "kind", "driver", "exact"} <= set(device)
        assert device["kind"] in ("gpu", "cpu", "reference", "simulated")
        assert device["select"].startswith(device["backend"] + ":")
    selects = [device["select"] for device in found["devices"]]
    assert "host:0" in selects and found["auto"] in selects
    for absent in found["absent"]:
        assert absent["backend"] and absent["reason"]
    known = {d["backend"] for d in found["devices"]} | {a["backend"] for a in found["absent"]}
    assert known == {"cuda", "vulkan", "opencl", "host"}
    out, _ = kvant("devices", "--backend", "host")
    assert all(select in out for select in selects) and "--backend chooses host:0" in out
    refused("devices", names=["KVANT_VARIANT", '"foo"', "baseline"], env={"KVANT_VARIANT": "foo"})
    out, _ = kvant("devices", env={"KVANT_VARIANT": "mma"})
    assert "host:0: not opened: " in out and "which this device does not have" in out
    assert "fails" not in out


def test_simulated():
    """The simulated CUDA device is there with the tests' library on the path, and only then."""
    library = os.environ["KVANT_CUDASIM"]
    others = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    others = os.pathsep.join(path for path in others if path != library)
    without, _ = kvant("devices", "--json", env={"LD_LIBRARY_PATH": others})
    assert not [d for d in json.loads(without)["devices"] if d["kind"] == "simulated"], without
    env = {"LD_LIBRARY_PATH": library}
    listed, _ = kvant("devices", env=env)
    lines = [line.split() for line in listed.splitlines() if line.startswith("cuda:")]
    assert len(lines) == 1 and lines[0][:3] == ["cuda:0", "simulated", "yes"], listed
    assert "simulated" in " ".join(lines[0][3:]), listed
    found = json.loads(kvant("devices", "--json", env=env)[0])
    assert [d["select"] for d in found["devices"] if d["kind"] == "simulated"] == ["cuda:0"]
    assert not found["auto"].startswith("cuda"), "a simulated device is never chosen by itself"


def run(arguments, backend="host", env=None):
    out, _ = kvant("run", *arguments, "--backend", backend, "--json", env=env)
    result = json.loads(out)
    assert {"text", "rows"} <= set(result)
    for row in result["rows"]:
        assert ROW_FIELDS <= set(row), row
        assert len(row["digest"]) == 16 and int(row["digest"], 16) != 0
        assert math.isclose(row["ratio"], row["f16_bytes"] / row["bytes"], rel_tol=1e-9)
        assert 0 <= row["kld_mean"] and 0 <= row["same_top"] <= 1
    return result


def check_f16(result):
    for row in result["rows"]:
        if row["recipe"] == "f16":
            assert row["kld_mean"] == 0 and row["kld_p99"] == 0 and row["same_top"] == 1


def test_run_retrieval():
    files = retrieval()
    prompt = cases()[0]["prompt"]
    arguments = [*files, "--prompt", prompt, "--greedy", "--steps", "440"]
    result = run([*arguments, "--recipe", RECIPES])
    assert [row["recipe"] for row in result["rows"]] == RECIPES.split(",")
    assert len({row["digest"] for row in result["rows"]}) == 6
    check_f16(result)
    assert result["text"].startswith(prompt)
    # the first recipe is replayed like the others: order and company change nothing
    alone = run([*arguments, "--recipe", "f16"])
    assert alone["text"] == result["text"]
    assert alone["rows"][0]["digest"] == result["rows"][0]["digest"]
    last = run([*arguments, "--recipe", "f16,zipcache"])
    assert last["rows"][1]["digest"] == result["rows"][5]["digest"]
    assert last["rows"][1]["kld_mean"] == result["rows"][5]["kld_mean"]
    # on a terminal's side: the text, then the table
    out, err = kvant("run", *arguments, "--recipe", "f16,kivi4", "--backend", "host")
    assert out.startswith(result["text"]) and not err
    assert len(out[len(result["text"]):].strip().splitlines()) == 8
    for word in ("library", "worst", "submit+wait"):
        assert word in out, word
    library = alone["rows"][0]["library"]
    assert library["steps"] > 0 and library["median_us"] > 0 and library["attention_us"] > 0
    assert library["launches"] > 0 and library["quantize_us"] == 0
    for row in result["rows"]:
        assert row["library"]["append_us"] > 0 and row["library"]["merge_us"] > 0
    # token by token
    token = run([*arguments, "--recipe", "f16", "--prefill", "token"])
    assert token["rows"][0]["tokens"] == result["rows"][0]["tokens"]
    refused("run", *files, "--prompt", prompt, "--steps", "20", "--backend", "host",
            names=["20"])


def test_run_sampling():
    files = retrieval()
    arguments = [*files, "--prompt", "line", "--steps", "60", "--recipe", "int4"]
    first = run([*arguments, "--seed", "5"])
    assert first["text"] == run([*arguments, "--seed", "5"])["text"]
    texts = {run([*arguments, "--seed", str(seed)])["text"] for seed in range(4)}
    assert len(texts) > 1
    greedy = run([*arguments, "--greedy"])
    assert greedy["text"] == run([*arguments, "--temperature", "0"])["text"]


def stories():
    folder = os.environ.get("KVANT_MODELS", os.path.join(SOURCE, "..", "shared", "models"))
    return model(folder, "stories260K.bin", "tok512.bin")


def test_run_stories():
    files = stories()
    for steps in ("256", "257"):
        result = run([*files, "--greedy", "--steps", steps, "--recipe", "f16"])
        assert result["text"].startswith(STORY), result["text"]
        assert "We can help you" in result["text"]
        assert result["rows"][0]["tokens"] == int(steps)
    result = run([*files, "--greedy", "--steps", "200", "--recipe", "kivi2," + RECIPES])
    assert len(result["rows"]) == 7 and result["rows"][0]["digest"] == result["rows"][5]["digest"]
    check_f16(result)


def test_run_retrieval64():
    files = model(os.path.join(SOURCE, "models"), "retrieval64.bin", "retrieval64_tok.bin")
    case = min(cases("retrieval64"), key=lambda one: len(one["prompt"]))
    result = run([*files, "--prompt", case["prompt"], "--greedy", "--steps", "260", "--recipe", "f16"])
    assert result["text"].startswith(case["prompt"] + case["answer"]), result["text"]


def test_run_cases():
    files = retrieval()
    some = cases()[:6]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "cases.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(some, file)
        result = run([*files, "--cases", path, "--recipe", RECIPES])
        for row in result["rows"]:
            assert 0 <= row["accuracy"] <= 1
            print("%-12s %.3f" % (row["recipe"], row["accuracy"]))
        assert result["rows"][0]["accuracy"] > 0.5
        check_f16(result)
        for text in ("", "[]", "{}", "[{}]", '[{"prompt": "a"}]', '[{"prompt": "a", "answer": ""}]',
                     '[{"prompt": 1, "answer": "a"}]', "[" * 100000,
                     json.dumps([{"prompt": "a " * 2000, "answer": "b"}])):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            refused("run", *files, "--cases", path, "--backend", "host")
        refused("run", *files, "--cases", path, "--prompt", "a", names=["--cases"])


def test_bad_files():
    files = retrieval()
    with tempfile.TemporaryDirectory() as folder:
        for index in (1, 3):
            with open(files[index], "rb") as file:
                good = file.read()
            path = os.path.join(folder, "altered")
            for bad in (b"", good[:10], good[:1000], good[:-1], good + b"\0",
                        b"\xff" * 64 + good[64:], good[:4] + b"\xff\xff\xff\x7f" + good[8:]):
                with open(path, "wb") as file:
                    file.write(bad)
                arguments = list(files)
                arguments[index] = path
                refused("run", *arguments, "--backend", "host", names=[path])
    refused("run", "--model", "no-such-file", "--tokenizer", files[3], names=["no-such-file"])
    refused("run", *files, "--recipe", "f16,frob", names=["frob", "zipcache"])


globals()["test_" + TEST]()
