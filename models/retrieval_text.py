# SPDX-License-Identifier: MIT
"""Line-retrieval documents and the tokenizer that goes with them.

A document is a list of lines, each with a two-word label and a five-digit
register value, followed by one or more questions:

    Log of registers.
    line amber-fox: register <48213>
    line quiet-harbor: register <90417>
    ...
    Recall line quiet-harbor: register <90417>

The answer is the five digits after the last '<'.
"""
import json
import struct

ADJECTIVES = ("amber bright calm dusty eager frozen gentle hidden "
              "ivory lively misty noble quiet rapid silver woven").split()
NOUNS = ("anchor bridge candle desert falcon garden harbor island "
         "lantern meadow needle orchard pepper river tunnel willow").split()
LABELS = [(a, n) for a in ADJECTIVES for n in NOUNS]
DIGITS = 5

HEADER = "Log of registers.\n"
LINE, QUESTION, OPEN, CLOSE = "line", "Recall line", ": register <", ">\n"

BOS = 1
FIRST_NORMAL = 259  # 0 <unk>, 1 <s>, 2 </s>, 3..258 the raw bytes


def document(rng, n_lines, n_questions):
    """Return (pieces, is_answer): text pieces and, for each, whether it is an
    answer digit. Joined, the pieces are the document."""
    labels = rng.sample(LABELS, n_lines)
    values = ["".join(rng.choices("0123456789", k=DIGITS)) for _ in labels]
    asked = []
    while len(asked) < n_questions:
        asked += rng.sample(range(n_lines), min(n_lines, n_questions - len(asked)))
    pieces, is_answer = [HEADER], [False]

    def entry(word, i, answer):
        adjective, noun = labels[i]
        pieces.extend([word, " " + adjective, "-", noun, OPEN, *values[i], CLOSE])
        is_answer.extend([False] * 5 + [answer] * DIGITS + [False])

    for i in range(n_lines):
        entry(LINE, i, False)
    for i in asked:
        entry(QUESTION, i, True)
    return pieces, is_answer


def case(rng, n_lines):
    """Return (prompt, answer) with one question at the end."""
    pieces, is_answer = document(rng, n_lines, 1)
    first = is_answer.index(True)
    return "".join(pieces[:first]), "".join(pieces[first:first + DIGITS])


def write_cases(path, rng, count, lines):
    """Write cases as `kvant eval --cases` reads them; lines is (least, most)."""
    cases = []
    for _ in range(count):
        n_lines = rng.randint(*lines)
        prompt, answer = case(rng, n_lines)
        cases.append({"prompt": prompt, "answer": answer, "lines": n_lines})
    with open(path, "w") as f:
        json.dump(cases, f, indent=1)
        f.write("\n")


class Tokenizer:
    """The encoder of llama2.c: BOS, a space, one token per character (bytes
    where a character is unknown), then the best-scoring adjacent pair is merged
    until no pair is in the vocabulary."""

    def __init__(self, vocab, scores):
        self.vocab, self.scores = vocab, scores
        self.index = {}
        for i, token in enumerate(vocab):
            self.index.setdefault(token, i)

    def merge(self, ids):
        ids = list(ids)
        while True:
            best, at, new = -1e10, -1, -1
            for i in range(len(ids) - 1):
                j = self.index.get(self.vocab[ids[i]] + self.vocab[ids[i + 1]])
                if j is not None and self.scores[j] > best:
                    best, at, new = self.scores[j], i, j
            if at < 0:
                return ids
            ids[at:at + 2] = [new]

    def characters(self, text):
        for ch in text:
            token = ch.encode("utf-8")
            if token in self.index:
                yield self.index[token]
            else:
                yield from (b + 3 for b in token)

    def encode(self, text):
        return [BOS] + self.merge(self.characters(" " + text if text else ""))

    def decode(self, ids):
        return b"".join(self.vocab[i] for i in ids).decode("utf-8", "replace")

    def save(self, path):
        with open(path, "wb") as f:
            f.write(struct.pack("<i", max(len(t) for t in self.vocab)))
            for token, score in zip(self.vocab, self.scores):
                f.write(struct.pack("<fi", score, len(token)) + token)


def build_tokenizer():
    """Byte-pair merges over the fixed pieces of a document, until each piece is
    one token. Digits are never merged."""
    fixed = [" " + HEADER, LINE, QUESTION, "-", OPEN, CLOSE]
    fixed += [" " + a for a in ADJECTIVES] + NOUNS
    chars = sorted(set("".join(fixed)) | set("0123456789"))
    words = [[c.encode() for c in piece] for piece in fixed]
    merges = []
    while any(len(w) > 1 for w in words):
        count = {}
        for w in words:
            for pair in zip(w, w[1:]):
                count[pair] = count.get(pair, 0) + 1
        left, right = max(count, key=lambda p: (count[p], p))
        if left + right not in merges:
            merges.append(left + right)
        for w in words:
            i = 0
            while i < len(w) - 1:
                if (w[i], w[i + 1]) == (left, right):
                    w[i:i + 2] = [left + right]
                i += 1
    vocab = [b"<unk>", b"\n<s>\n", b"\n</s>\n"]
    vocab += [b"<0x%02X>" % b for b in range(256)]
    scores = [0.0] * len(vocab)
    vocab += merges + [c.encode() for c in chars]
    scores += [-float(i) for i in range(len(merges) + len(chars))]
    return Tokenizer(vocab, scores)


def piece_ids(tokenizer):
    """Token id of each document piece (the header takes the leading space)."""
    pieces = [LINE, QUESTION, "-", OPEN, CLOSE, *"0123456789", *NOUNS]
    pieces += [" " + a for a in ADJECTIVES]
    ids = {p: tokenizer.index[p.encode()] for p in pieces}
    ids[HEADER] = tokenizer.index[(" " + HEADER).encode()]
    return ids
