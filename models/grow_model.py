# SPDX-License-Identifier: MIT
"""Start a wider model from a trained one.

Every head becomes twice as wide and may share its K and V with twice as many
others: two old KV heads then lie beside each other in one. Old rotary pair i is
pair 2i of a head that is twice as wide, which turns at the same speed; the
second old KV head gets the pairs between, which turn a little slower. Widths
are padded with zeros, or with what zeros are multiplied by, and the FFN keeps
its most used units. So the new model computes nearly what the old one does, and
training does the rest.
"""
import math

import torch


def map_heads(shape, old):
    """Rows of the old wq in the new one, and of wk and wv."""
    fold = old.kv_heads // shape.kv_heads
    if (shape.heads, shape.head, shape.layers) != (old.heads, 2 * old.head, old.layers) or \
            fold not in (1, 2) or shape.dim < old.dim:
        raise SystemExit("the new model needs as many layers and query heads, of twice the width, "
                         "and as many KV heads or half as many")

    def pairs(slot):
        return [4 * (i // 2) + 2 * slot + i % 2 for i in range(old.head)]

    def side(slot):
        return [slot * old.head + i for i in range(old.head)]

    group = old.heads // old.kv_heads
    q, o, k, v = [], [], [], []
    for head in range(old.heads):
        slot = head // group % fold
        q += [head * shape.head + i for i in pairs(slot)]
        o += [head * shape.head + i for i in side(slot)]
    for head in range(old.kv_heads):
        k += [head // fold * shape.head + i for i in pairs(head % fold)]
        v += [head // fold * shape.head + i for i in side(head % fold)]
    return q, o, k, v


@torch.no_grad()
def most_used(old_model, tokens, count):
    """Units of each FFN that add most to its output, over the tokens."""
    used = []

    def watch(w2, inputs):
        weight = w2.weight.norm(dim=0)
        used.append((inputs[0].abs().flatten(0, 1).mean(0) * weight).topk(count).indices.sort().values)

    hooks = [block.w2.register_forward_pre_hook(watch) for block in old_model.blocks]
    old_model(tokens)
    for hook in hooks:
        hook.remove()
    return used


@torch.no_grad()
def grow(model, old_model, tokens):
    """Fill `model` from `old_model`; `tokens` are typical input."""
    shape, old = model.shape, old_model.shape
    q, o, k, v = map_heads(shape, old)
    d = old.dim
    narrow = math.sqrt(d / shape.dim)  # the padding makes norms smaller
    model.embedding.weight.zero_()[:, :d] = old_model.embedding.weight
    model.norm.weight[:d] = old_model.norm.weight * narrow
    units = most_used(old_model, tokens, min(shape.hidden, old.hidden))
    for new, block, unit in zip(model.blocks, old_model.blocks, units):
        for gain in ("att_norm", "ffn_norm"):
            getattr(new, gain).weight[:d] = getattr(block, gain).weight * narrow
        new.wq.weight.zero_()
        new.wq.weight[q, :d] = block.wq.weight * math.sqrt(shape.head / old.head)
        for name, rows in (("wk", k), ("wv", v)):
            weight = getattr(new, name).weight
            weight[rows, :d] = getattr(block, name).weight
        new.wo.weight.zero_()
        new.wo.weight[:d, o] = block.wo.weight
        new.w2.weight.zero_()
        new.w2.weight[:d, :len(unit)] = block.w2.weight[:, unit]
        for name in ("w1", "w3"):
            weight = getattr(new, name).weight
            weight[:len(unit), :d] = getattr(block, name).weight[unit]
