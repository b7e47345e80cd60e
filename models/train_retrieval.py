#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Train a small transformer on line retrieval and export it for llama2.c.

    python3 train_retrieval.py --out .
"""
import argparse
import json
import math
import os
import random
import struct
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import retrieval_text as text

DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, SEQ_LEN = 128, 320, 4, 4, 2, 512
HEAD = DIM // HEADS
ENTRY = 11        # tokens of one line, and of one question with its answer
MAX_LINES = 38    # 420 tokens of lines
EVAL_LINES = (27, 38)


def rope_tables():
    freq = 10000.0 ** (-torch.arange(0, HEAD, 2).float() / HEAD)
    angle = torch.outer(torch.arange(SEQ_LEN).float(), freq)
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    """Rotate the pairs (x[2i], x[2i+1]); x is (batch, heads, time, HEAD)."""
    t = x.shape[2]
    even, odd = x[..., 0::2], x[..., 1::2]
    c, s = cos[:t], sin[:t]
    return torch.stack((even * c - odd * s, even * s + odd * c), -1).flatten(3)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.att_norm = nn.RMSNorm(DIM, eps=1e-5)
        self.wq = nn.Linear(DIM, HEADS * HEAD, bias=False)
        self.wk = nn.Linear(DIM, KV_HEADS * HEAD, bias=False)
        self.wv = nn.Linear(DIM, KV_HEADS * HEAD, bias=False)
        self.wo = nn.Linear(HEADS * HEAD, DIM, bias=False)
        self.ffn_norm = nn.RMSNorm(DIM, eps=1e-5)
        self.w1 = nn.Linear(DIM, HIDDEN, bias=False)
        self.w2 = nn.Linear(HIDDEN, DIM, bias=False)
        self.w3 = nn.Linear(DIM, HIDDEN, bias=False)

    def forward(self, x, cos, sin):
        b, t, _ = x.shape
        h = self.att_norm(x)
        q = self.wq(h).view(b, t, HEADS, HEAD).transpose(1, 2)
        k = self.wk(h).view(b, t, KV_HEADS, HEAD).transpose(1, 2)
        v = self.wv(h).view(b, t, KV_HEADS, HEAD).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        group = HEADS // KV_HEADS
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.wo(a.transpose(1, 2).reshape(b, t, HEADS * HEAD))
        h = self.ffn_norm(x)
        return x + self.w2(F.silu(self.w1(h)) * self.w3(h))


class Transformer(nn.Module):
    def __init__(self, vocab_size):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, DIM)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.RMSNorm(DIM, eps=1e-5)
        cos, sin = rope_tables()
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                last = name.endswith(("wo.weight", "w2.weight"))
                nn.init.normal_(p, std=0.02 / (math.sqrt(2 * LAYERS) if last else 1))

    def forward(self, ids):
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        return F.linear(self.norm(x), self.embedding.weight)


def batch(rng, ids, n_lines, n_questions, size):
    """Token ids (size, time) and a mask of the answer digits."""
    docs = [text.document(rng, n_lines, n_questions) for _ in range(size)]
    tokens = [[text.BOS] + [ids[p] for p in pieces] for pieces, _ in docs]
    answers = [[False] + flags for _, flags in docs]
    return torch.tensor(tokens), torch.tensor(answers)


def training_batch(rng, ids, max_lines, tokens_per_step):
    n_lines = rng.randint(min(2 + max_lines // 4, max_lines), max_lines)
    n_questions = min(12, (SEQ_LEN - 2) // ENTRY - n_lines)
    size = max(1, tokens_per_step // (ENTRY * (n_lines + n_questions)))
    return batch(rng, ids, n_lines, n_questions, size)


@torch.no_grad()
def evaluate(model, rng, ids, n_docs):
    """Exact-match rate over documents with one question. Every digit is the
    arg max given the right digits before it, so all five right is the same as a
    right greedy generation."""
    right = 0
    for _ in range(n_docs):
        x, answer = batch(rng, ids, rng.randint(*EVAL_LINES), 1, 1)
        guess = model(x[:, :-1]).argmax(-1)
        right += bool((guess == x[:, 1:])[answer[:, 1:]].all())
    return right / n_docs


def export(model, path, vocab_size):
    """llama2.c checkpoint, version 0, shared classifier."""
    b = model.blocks
    tensors = [model.embedding.weight]
    for name in ("att_norm", "wq", "wk", "wv", "wo", "ffn_norm", "w1", "w2", "w3"):
        tensors += [getattr(block, name).weight for block in b]
    tensors += [model.norm.weight, model.cos, model.sin]
    with open(path, "wb") as f:
        f.write(struct.pack("<7i", DIM, HIDDEN, LAYERS, HEADS, KV_HEADS,
                            vocab_size, SEQ_LEN))
        for t in tensors:
            f.write(t.detach().numpy().astype("<f4").tobytes())


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", default=".", help="folder for the exported files")
    ap.add_argument("--steps", type=int, default=12000)
    ap.add_argument("--grow", type=float, default=0.9,
                    help="documents grow while the digit accuracy is above this")
    ap.add_argument("--tokens", type=int, default=2048, help="tokens per step")
    ap.add_argument("--lr", type=float, default=1.5e-3)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--eval-docs", type=int, default=500)
    ap.add_argument("--resume", help="state file, read if present and kept up to date")
    args = ap.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    tokenizer = text.build_tokenizer()
    ids = text.piece_ids(tokenizer)
    sample = text.document(rng, 20, 5)[0]
    assert tokenizer.encode("".join(sample)) == [text.BOS] + [ids[p] for p in sample]

    model = Transformer(len(tokenizer.vocab))
    matrices = [p for p in model.parameters() if p.dim() == 2]
    gains = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.05},
                                   {"params": gains, "weight_decay": 0.0}],
                                  lr=args.lr, betas=(0.9, 0.98))
    step, max_lines = 0, 4
    if args.resume and os.path.exists(args.resume):
        state = torch.load(args.resume, weights_only=False)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        rng.setstate(state["rng"])
        step, max_lines = state["step"], state["max_lines"]

    start, seen, first = time.time(), 0, step
    window = []
    while step < args.steps:
        warm = min(1.0, (step + 1) / 200)
        decay = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / args.steps))
        for g in optimizer.param_groups:
            g["lr"] = args.lr * warm * decay
        x, answer = training_batch(rng, ids, max_lines, args.tokens)
        logits = model(x[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), x[:, 1:].flatten(), reduction="none")
        is_answer = answer[:, 1:].flatten()
        # The digits of the lines are noise; a small weight on them is enough.
        weight = torch.where(is_answer, 1.0, 0.05)
        optimizer.zero_grad()
        ((weight * loss).sum() / weight.sum()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        seen += x.numel()
        with torch.no_grad():
            hit = logits.argmax(-1).flatten() == x[:, 1:].flatten()
            window.append((loss[is_answer].mean().item(),
                           hit[is_answer].float().mean().item()))
        step += 1
        if step % 50 == 0:
            l, h = np.mean(window, axis=0)
            window = []
            if h > args.grow:
                max_lines = min(MAX_LINES, max_lines + 2)
            print(f"step {step} lines {max_lines} answer loss {l:.4f} "
                  f"digit accuracy {h:.4f} tokens {seen} "
                  f"seconds {time.time() - start:.0f}", flush=True)
        if args.resume and step % 250 == 0:
            torch.save({"model": model.state_dict(), "step": step,
                        "max_lines": max_lines, "rng": rng.getstate(),
                        "optimizer": optimizer.state_dict()}, args.resume)
    print(f"trained {step - first} steps, {seen} tokens, {time.time() - start:.0f} s")

    held_out = random.Random(args.seed + 1000003)
    rate = evaluate(model, held_out, ids, args.eval_docs)
    print(f"held-out exact match {100 * rate:.2f} % of {args.eval_docs} documents")
    os.makedirs(args.out, exist_ok=True)
    export(model, os.path.join(args.out, "retrieval.bin"), len(tokenizer.vocab))
    tokenizer.save(os.path.join(args.out, "retrieval_tok.bin"))
    cases = []
    for _ in range(40):
        lines = held_out.randint(*EVAL_LINES)
        prompt, answer = text.case(held_out, lines)
        cases.append({"prompt": prompt, "answer": answer, "lines": lines})
    with open(os.path.join(args.out, "retrieval_cases.json"), "w") as f:
        json.dump(cases, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
