#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Train a small transformer on line retrieval and export it for llama2.c.

    python3 train_retrieval.py --out .

The defaults are retrieval.bin's. The other shapes and their options are in
README.md.
"""
import argparse
import dataclasses
import math
import os
import random
import struct
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import grow_model
import retrieval_text as text

ENTRY = 11  # tokens of one line, and of one question with its answer
CALM = 6    # reports of 50 steps that an early stop needs


@dataclasses.dataclass(frozen=True)
class Shape:
    dim: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    context: int

    @property
    def head(self):
        return self.dim // self.heads

    @property
    def entries(self):
        """Lines and questions that fit together."""
        return (self.context - 2) // ENTRY


def rope_tables(shape):
    freq = 10000.0 ** (-torch.arange(0, shape.head, 2).float() / shape.head)
    angle = torch.outer(torch.arange(shape.context).float(), freq)
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    """Rotate the pairs (x[2i], x[2i+1]); x is (batch, heads, time, head)."""
    t = x.shape[2]
    even, odd = x[..., 0::2], x[..., 1::2]
    c, s = cos[:t], sin[:t]
    return torch.stack((even * c - odd * s, even * s + odd * c), -1).flatten(3)


def blur(x, noise):
    """Add noise of up to that share of each head's root mean square; x is (batch, heads, time, head)."""
    share = noise * torch.rand(x.shape[0], 1, 1, 1)
    return x + share * x.detach().square().mean((2, 3), keepdim=True).sqrt() * torch.randn_like(x)


class Block(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.noise = 0.0
        dim, kv_dim = shape.dim, shape.kv_heads * shape.head
        self.shape = shape
        self.att_norm = nn.RMSNorm(dim, eps=1e-5)
        self.wq = nn.Linear(dim, dim, bias=False)
        self.wk = nn.Linear(dim, kv_dim, bias=False)
        self.wv = nn.Linear(dim, kv_dim, bias=False)
        self.wo = nn.Linear(dim, dim, bias=False)
        self.ffn_norm = nn.RMSNorm(dim, eps=1e-5)
        self.w1 = nn.Linear(dim, shape.hidden, bias=False)
        self.w2 = nn.Linear(shape.hidden, dim, bias=False)
        self.w3 = nn.Linear(dim, shape.hidden, bias=False)

    def forward(self, x, cos, sin):
        b, t, dim = x.shape
        heads, kv_heads, head = self.shape.heads, self.shape.kv_heads, self.shape.head
        h = self.att_norm(x)
        q = self.wq(h).view(b, t, heads, head).transpose(1, 2)
        k = self.wk(h).view(b, t, kv_heads, head).transpose(1, 2)
        v = self.wv(h).view(b, t, kv_heads, head).transpose(1, 2)
        q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
        if self.training and self.noise > 0.0:
            k, v = blur(k, self.noise).to(v.dtype), blur(v, self.noise).to(v.dtype)
        group = heads // kv_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.wo(a.transpose(1, 2).reshape(b, t, dim))
        h = self.ffn_norm(x)
        return x + self.w2(F.silu(self.w1(h)) * self.w3(h))


class Transformer(nn.Module):
    def __init__(self, shape, vocab_size):
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(vocab_size, shape.dim)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.dim, eps=1e-5)
        cos, sin = rope_tables(shape)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                last = name.endswith(("wo.weight", "w2.weight"))
                nn.init.normal_(p, std=0.02 / (math.sqrt(2 * shape.layers) if last else 1))

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


def training_batch(rng, ids, entries, max_lines, args):
    n_lines = rng.randint(min(2 + max_lines // 4, max_lines), max_lines)
    n_questions = min(args.questions, entries - n_lines, math.ceil(args.ask * n_lines))
    size = max(1, args.tokens // (ENTRY * (n_lines + n_questions)))
    return batch(rng, ids, n_lines, n_questions, size)


@torch.no_grad()
def evaluate(model, rng, ids, lines, n_docs):
    """Exact-match rate over documents with one question. Every digit is the
    arg max given the right digits before it, so all five right is the same as a
    right greedy generation."""
    right = 0
    for _ in range(n_docs):
        x, answer = batch(rng, ids, rng.randint(*lines), 1, 1)
        guess = model(x[:, :-1]).argmax(-1)
        right += bool((guess == x[:, 1:])[answer[:, 1:]].all())
    return right / n_docs


TENSORS = ("embedding", "att_norm", "wq", "wk", "wv", "wo", "ffn_norm", "w1", "w2", "w3", "norm")


def tensors_of(model, name):
    """In a checkpoint's order: one tensor, or one a layer."""
    owners = [model] if hasattr(model, name) else model.blocks
    return [getattr(owner, name).weight for owner in owners]


def export(model, path, vocab_size):
    """llama2.c checkpoint, version 0, shared classifier."""
    s = model.shape
    tensors = [t for name in TENSORS for t in tensors_of(model, name)]
    tensors += [model.cos, model.sin]
    with open(path, "wb") as f:
        f.write(struct.pack("<7i", s.dim, s.hidden, s.layers, s.heads, s.kv_heads,
                            vocab_size, s.context))
        for t in tensors:
            f.write(t.detach().numpy().astype("<f4").tobytes())


def load(path):
    """What export writes."""
    with open(path, "rb") as f:
        *sizes, vocab_size, context = struct.unpack("<7i", f.read(28))
        data = torch.from_numpy(np.fromfile(f, "<f4"))
    model = Transformer(Shape(*sizes, context), vocab_size)
    at = 0
    with torch.no_grad():
        for name in TENSORS:
            for t in tensors_of(model, name):
                t.copy_(data[at:at + t.numel()].view(t.shape))
                at += t.numel()
    return model


def options():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", default=".", help="folder for the exported files")
    ap.add_argument("--name", default="retrieval", help="what the files' names begin with")
    ap.add_argument("--dim", type=int, default=128)
    ap.add_argument("--hidden", type=int, default=320, help="width of the FFN")
    ap.add_argument("--layers", type=int, default=4)
    ap.add_argument("--heads", type=int, default=4, help="query heads, of dim / heads channels")
    ap.add_argument("--kv-heads", type=int, default=2)
    ap.add_argument("--context", type=int, default=512)
    ap.add_argument("--first-lines", type=int, default=4, help="of the first documents, at most")
    ap.add_argument("--lines", type=int, default=38, help="of the longest documents")
    ap.add_argument("--eval-lines", type=int, nargs=2, default=(27, 38))
    ap.add_argument("--questions", type=int, default=12, help="a document, at most")
    ap.add_argument("--ask", type=float, default=12.0,
                    help="questions for each line, at most; few make short documents short")
    ap.add_argument("--steps", type=int, default=12000)
    ap.add_argument("--minutes", type=float, default=math.inf,
                    help="training ends, and the learning rate decays, by this time if "
                         "that is sooner than the steps")
    ap.add_argument("--grow", type=float, default=0.9,
                    help="documents grow while the digit accuracy is above this")
    ap.add_argument("--growth", type=float, default=1.0,
                    help="factor of the lines when they grow (2 more at least)")
    ap.add_argument("--enough", type=float, default=2.0,
                    help="stop when the digit accuracy of the longest documents holds this")
    ap.add_argument("--noise", type=float, default=0.0,
                    help="on K and V in training, at most, as a share of their root mean square")
    ap.add_argument("--bf16", action="store_true", help="matrix products in bfloat16")
    ap.add_argument("--tokens", type=int, default=2048, help="tokens per step")
    ap.add_argument("--lr", type=float, default=1.5e-3)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--eval-docs", type=int, default=500)
    ap.add_argument("--start", help="a trained model that this one grows from")
    ap.add_argument("--resume", help="state file, read if present and kept up to date")
    args = ap.parse_args()
    shape = Shape(args.dim, args.hidden, args.layers, args.heads, args.kv_heads, args.context)
    if args.dim % (2 * args.heads) or args.heads % args.kv_heads:
        ap.error("dim must be an even multiple of heads, and heads a multiple of kv-heads")
    if args.lines >= shape.entries or max(args.eval_lines) >= shape.entries:
        ap.error(f"a context of {args.context} takes at most {shape.entries - 1} lines")
    return args, shape


def save_state(path, model, optimizer, rng, counters):
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(),
             "rng": rng.getstate(), "counters": counters}
    torch.save(state, path + ".new")
    os.replace(path + ".new", path)


def train(model, optimizer, rng, ids, args):
    """Counters of the finished training."""
    count = {"step": 0, "max_lines": args.first_lines, "seen": 0, "seconds": 0.0, "calm": 0}
    if args.resume and os.path.exists(args.resume):
        state = torch.load(args.resume, weights_only=False)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        rng.setstate(state["rng"])
        count = state["counters"]
    before, window = time.time() - count["seconds"], []
    while count["calm"] < CALM:
        count["seconds"] = time.time() - before
        progress = max(count["step"] / args.steps, count["seconds"] / (60 * args.minutes))
        if progress >= 1:
            break
        warm = min(1.0, (count["step"] + 1) / 200)
        decay = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))
        for g in optimizer.param_groups:
            g["lr"] = args.lr * warm * decay
        x, answer = training_batch(rng, ids, model.shape.entries, count["max_lines"], args)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            logits = model(x[:, :-1])
        loss = F.cross_entropy(logits.float().flatten(0, 1), x[:, 1:].flatten(),
                               reduction="none")
        is_answer = answer[:, 1:].flatten()
        # The digits of the lines are noise; a small weight on them is enough.
        weight = torch.where(is_answer, 1.0, 0.05)
        optimizer.zero_grad()
        ((weight * loss).sum() / weight.sum()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        count["seen"] += x.numel()
        with torch.no_grad():
            hit = logits.argmax(-1).flatten() == x[:, 1:].flatten()
            window.append((loss[is_answer].mean().item(),
                           hit[is_answer].float().mean().item()))
        count["step"] += 1
        if count["step"] % 50 == 0:
            answer_loss, accuracy = np.mean(window, axis=0)
            window = []
            longest = count["max_lines"] == args.lines
            count["calm"] = count["calm"] + 1 if longest and accuracy >= args.enough else 0
            if accuracy > args.grow:
                grown = max(count["max_lines"] + 2, int(count["max_lines"] * args.growth))
                count["max_lines"] = min(args.lines, grown)
            print(f"step {count['step']} lines {count['max_lines']} answer loss "
                  f"{answer_loss:.4f} digit accuracy {accuracy:.4f} tokens {count['seen']} "
                  f"seconds {count['seconds']:.0f}", flush=True)
        if args.resume and count["step"] % 250 == 0:
            save_state(args.resume, model, optimizer, rng, count)
    return count


def main():
    args, shape = options()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    tokenizer = text.build_tokenizer()
    ids = text.piece_ids(tokenizer)
    sample = text.document(rng, 20, 5)[0]
    assert tokenizer.encode("".join(sample)) == [text.BOS] + [ids[p] for p in sample]

    model = Transformer(shape, len(tokenizer.vocab))
    if args.start:
        grow_model.grow(model, load(args.start), batch(rng, ids, 20, 12, 8)[0])
    for block in model.blocks:
        block.noise = args.noise
    matrices = [p for p in model.parameters() if p.dim() == 2]
    gains = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.05},
                                   {"params": gains, "weight_decay": 0.0}],
                                  lr=args.lr, betas=(0.9, 0.98))
    count = train(model, optimizer, rng, ids, args)
    print(f"trained {count['step']} steps, {count['seen']} tokens, {count['seconds']:.0f} s")

    held_out = random.Random(args.seed + 1000003)
    model.eval()
    rate = evaluate(model, held_out, ids, args.eval_lines, args.eval_docs)
    print(f"held-out exact match {100 * rate:.2f} % of {args.eval_docs} documents")
    os.makedirs(args.out, exist_ok=True)
    base = os.path.join(args.out, args.name)
    export(model, base + ".bin", len(tokenizer.vocab))
    tokenizer.save(base + "_tok.bin")
    text.write_cases(base + "_cases.json", held_out, 40, args.eval_lines)


if __name__ == "__main__":
    main()
