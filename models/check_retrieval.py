#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Read a model, retrieval unless another is named, with its tokenizer by numpy
alone, answer every case of it greedily with a KV cache, and print the accuracy.

    python3 check_retrieval.py [NAME [FOLDER]]
"""
import json
import os
import struct
import sys

import numpy as np

from retrieval_text import Tokenizer


def read_tokenizer(path, vocab_size):
    vocab, scores = [], []
    with open(path, "rb") as f:
        f.read(4)  # longest token
        for _ in range(vocab_size):
            score, length = struct.unpack("<fi", f.read(8))
            scores.append(score)
            vocab.append(f.read(length))
        assert not f.read(1), "bytes after the last token"
    return Tokenizer(vocab, scores)


class Model:
    def __init__(self, path):
        header = np.fromfile(path, "<i4", 7)
        data = np.fromfile(path, "<f4", offset=28)
        (self.dim, hidden, self.layers, self.heads, self.kv_heads,
         self.vocab_size, self.seq_len) = map(int, header)
        assert self.vocab_size > 0, "the classifier is expected to be shared"
        self.head = self.dim // self.heads
        kv_dim = self.kv_heads * self.head
        at = 0

        def take(*shape):
            nonlocal at
            n = int(np.prod(shape))
            at += n
            return data[at - n:at].reshape(shape)

        L, d = self.layers, self.dim
        self.embedding = take(self.vocab_size, d)
        self.att_norm = take(L, d)
        self.wq, self.wk = take(L, d, d), take(L, kv_dim, d)
        self.wv, self.wo = take(L, kv_dim, d), take(L, d, d)
        self.ffn_norm = take(L, d)
        self.w1, self.w2, self.w3 = take(L, hidden, d), take(L, d, hidden), take(L, hidden, d)
        self.norm = take(d)
        take(2, self.seq_len, self.head // 2)  # rotation tables, computed below
        assert at == data.size, "file size does not fit the header"
        self.freq = 10000.0 ** (-np.arange(0, self.head, 2) / self.head)
        self.cache = np.zeros((2, L, self.seq_len, self.kv_heads, self.head), "f4")

    def rotate(self, x, pos):
        x = x.reshape(-1, self.head)
        c, s = np.cos(pos * self.freq), np.sin(pos * self.freq)
        out = np.empty_like(x)
        out[:, 0::2] = x[:, 0::2] * c - x[:, 1::2] * s
        out[:, 1::2] = x[:, 0::2] * s + x[:, 1::2] * c
        return out

    def step(self, token, pos):
        """Logits after one more token."""
        def rms(x, gain):
            return x / np.sqrt(np.mean(x * x) + 1e-5) * gain

        x = self.embedding[token].copy()
        for l in range(self.layers):
            keys, values = self.cache[:, l, :pos + 1]
            h = rms(x, self.att_norm[l])
            q = self.rotate(self.wq[l] @ h, pos)
            keys[pos] = self.rotate(self.wk[l] @ h, pos)
            values[pos] = (self.wv[l] @ h).reshape(-1, self.head)
            out = []
            for i in range(self.heads):
                kv = i * self.kv_heads // self.heads
                score = keys[:, kv] @ q[i] / np.sqrt(self.head)
                p = np.exp(score - score.max())
                out.append(p @ values[:, kv] / p.sum())
            x += self.wo[l] @ np.concatenate(out)
            h = rms(x, self.ffn_norm[l])
            gate = self.w1[l] @ h
            x += self.w2[l] @ (gate / (1 + np.exp(-gate)) * (self.w3[l] @ h))
        return self.embedding @ rms(x, self.norm)


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "retrieval"
    here = sys.argv[2] if len(sys.argv) > 2 else os.path.dirname(os.path.abspath(__file__))
    base = os.path.join(here, name)
    model = Model(base + ".bin")
    tokenizer = read_tokenizer(base + "_tok.bin", model.vocab_size)
    with open(base + "_cases.json") as f:
        cases = json.load(f)
    right, lengths = 0, []
    for case in cases:
        ids = tokenizer.encode(case["prompt"])
        lengths.append(len(ids))
        for pos, token in enumerate(ids):
            logits = model.step(token, pos)
        answer = []
        while len(answer) < len(case["answer"]):
            answer.append(int(logits.argmax()))
            logits = model.step(answer[-1], len(ids) + len(answer) - 1)
        got = tokenizer.decode(answer)
        if got == case["answer"]:
            right += 1
        else:
            print("wrong:", repr(got), "expected", repr(case["answer"]))
    print(f"{right} of {len(cases)} right, prompts of {min(lengths)} to {max(lengths)} tokens")


if __name__ == "__main__":
    main()
