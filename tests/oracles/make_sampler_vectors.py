#!/usr/bin/env python3
"""Writes tests/vectors/sampler/chain.vec: logits, options, and the candidates with their probabilities that an
independent implementation in double precision leaves, for tests/test_sampler.c.

The implementation below is written from the definitions that docs/sampling.md states, with numpy's exp and log,
full sorts, and nothing of the library. Logits are multiples of 1/4 in places, so that ties occur, and cases in
which a cut falls within 1e-5 of a bound are drawn again: there two precisions may differ.

    make_sampler_vectors.py [OUT]          needs numpy"""
import os
import sys

import numpy as np

import gvec

CASES, VOCAB, RECENT = 250, 32, 40
OPTIONS = ["temperature", "top_k", "top_p", "min_p", "repeat_penalty", "presence_penalty", "frequency_penalty",
           "penalty_last_n", "typical_p", "top_n_sigma", "dynatemp_range", "dynatemp_exponent", "min_keep",
           "dry_multiplier", "dry_base", "dry_allowed_length", "dry_last_n", "xtc_threshold"]
CLOSE = 1e-5


class Close(Exception):
    """A cut that rounding may move."""


def softmax(l):
    e = np.exp(l - l.max())
    return e / e.sum()


def log_softmax(l):
    return l - l.max() - np.log(np.sum(np.exp(l - l.max())))


def near(a, b):
    if abs(a - b) < CLOSE:
        raise Close


def penalties(ids, l, o, recent):
    last = recent[-int(o["penalty_last_n"]):] if o["penalty_last_n"] > 0 else recent
    out = l.copy()
    for i, token in enumerate(ids):
        c = np.sum(last == token)
        if not c:
            continue
        out[i] = out[i] / o["repeat_penalty"] if out[i] > 0 else out[i] * o["repeat_penalty"]
        out[i] -= c * o["frequency_penalty"] + o["presence_penalty"]
    return ids, out


def dry(ids, l, o, recent, breakers):
    text = list(recent[-int(o["dry_last_n"]):])
    n = len(text)
    # how many tokens stand behind the last breaker: look from the end for the nearest place where one begins
    limit = n
    for back in range(n):
        lengths = [len(b) for b in breakers if len(b) <= back + 1 and text[n - 1 - back:n - 1 - back + len(b)] == b]
        if lengths:
            limit = back + 1 - max(lengths)
            break
    out = l.copy()
    if limit < o["dry_allowed_length"]:
        return ids, out
    longest = {}
    for at in range(1, n):  # token text[at] came after text[:at]; how much of its end equals the whole text's end?
        k = 0
        while k < at and k < limit and text[at - 1 - k] == text[n - 1 - k]:
            k += 1
        if k >= o["dry_allowed_length"]:
            longest[text[at]] = max(longest.get(text[at], 0), k)
    for i, token in enumerate(ids):
        if token in longest:
            out[i] -= o["dry_multiplier"] * o["dry_base"] ** (longest[token] - o["dry_allowed_length"])
    return ids, out


def top_n_sigma(ids, l, o):
    bound = l.max() - o["top_n_sigma"] * l.std()
    for v in l:
        near(v, bound)
    return ids[l >= bound], l[l >= bound]


def best_first(ids, l):
    order = np.lexsort((ids, -l))
    return ids[order], l[order]


def top_k(ids, l, o):
    if o["top_k"] >= len(ids):
        return ids, l
    ids, l = best_first(ids, l)
    return ids[:int(o["top_k"])], l[:int(o["top_k"])]


def typ_p(ids, l, o):
    p, log_p = softmax(l), log_softmax(l)
    h = -np.sum(p * log_p)
    shift = np.abs(-log_p - h)
    order = np.lexsort((np.arange(len(l)), np.round(shift, 9)))
    gaps = np.diff(shift[order])
    same = np.diff(l[order]) == 0
    if np.any((gaps < CLOSE) & ~same):
        raise Close
    total, count = 0.0, 0
    for i in order:
        if count >= o["min_keep"] and total > o["typical_p"]:
            break
        near(total, o["typical_p"])
        total += p[i]
        count += 1
    return ids[order[:count]], l[order[:count]]


def top_p(ids, l, o):
    ids, l = best_first(ids, l)
    p = softmax(l)
    total, count = 0.0, 0
    while count < len(l) and (count < o["min_keep"] or total < o["top_p"]):
        total += p[count]
        near(total, o["top_p"])
        count += 1
    return ids[:count], l[:count]


def min_p(ids, l, o):
    p = softmax(l)
    for v in p:
        near(v / p.max(), o["min_p"])
    keep = p >= o["min_p"] * p.max()
    if keep.sum() < o["min_keep"]:
        ids, l = best_first(ids, l)
        return ids[:int(o["min_keep"])], l[:int(o["min_keep"])]
    return ids[keep], l[keep]


def xtc(ids, l, o):
    p = softmax(l)
    for v in p:
        near(v, o["xtc_threshold"])
    likely = [i for i in np.lexsort((ids, -l)) if p[i] >= o["xtc_threshold"]]
    if len(likely) < 2 or len(l) - (len(likely) - 1) < o["min_keep"] or o["xtc_threshold"] > 0.5:
        return ids, l
    keep = np.ones(len(l), bool)
    keep[likely[:-1]] = False
    return ids[keep], l[keep]


def temperature(l, o):
    t = o["temperature"]
    if o["dynatemp_range"] > 0:
        if len(l) < 2:
            return l
        h = -np.sum(softmax(l) * log_softmax(l)) / np.log(len(l))
        low = max(0.0, t - o["dynatemp_range"])
        t = low + (t + o["dynatemp_range"] - low) * h ** o["dynatemp_exponent"]
        if t < 0.01:
            raise Close
    return l / t


def run(l, o, recent, breakers):
    ids = np.arange(len(l))
    l = l.astype(np.float64)
    ids, l = penalties(ids, l, o, recent)
    if o["dry_multiplier"] > 0:
        ids, l = dry(ids, l, o, recent, breakers)
    if o["top_n_sigma"] > 0:
        ids, l = top_n_sigma(ids, l, o)
    if o["top_k"] > 0:
        ids, l = top_k(ids, l, o)
    if 0 < o["typical_p"] < 1:
        ids, l = typ_p(ids, l, o)
    if 0 < o["top_p"] < 1:
        ids, l = top_p(ids, l, o)
    if o["min_p"] > 0:
        ids, l = min_p(ids, l, o)
    if o["xtc_threshold"] > 0:
        ids, l = xtc(ids, l, o)
    return ids, softmax(temperature(l, o))


def draw_options(r):
    def maybe(v):
        return float(np.float32(v)) if r.random() < 0.4 else 0.0

    o = {name: 0.0 for name in OPTIONS}
    o["temperature"] = float(np.float32(0.3 + 1.7 * r.random()))
    o["top_k"] = maybe(r.integers(1, VOCAB))
    o["top_p"] = maybe(0.2 + 0.79 * r.random())
    o["min_p"] = maybe(0.3 * r.random())
    o["repeat_penalty"] = maybe(1 + r.random()) or 1.0
    o["presence_penalty"] = maybe(r.random() - 0.3)
    o["frequency_penalty"] = maybe(r.random() - 0.3)
    o["penalty_last_n"] = float(r.integers(1, RECENT + 1))
    o["typical_p"] = maybe(0.2 + 0.79 * r.random())
    o["top_n_sigma"] = maybe(0.5 + 2 * r.random())
    o["dynatemp_range"] = maybe(0.1 + r.random())
    o["dynatemp_exponent"] = float(np.float32(0.5 + r.random()))
    o["min_keep"] = float(r.integers(1, 5))
    o["dry_multiplier"] = maybe(0.2 + r.random())
    o["dry_base"] = float(np.float32(1 + r.random()))
    o["dry_allowed_length"] = float(r.integers(1, 5))
    o["dry_last_n"] = float(r.integers(2, RECENT + 1))
    o["xtc_threshold"] = maybe(0.02 + 0.2 * r.random())
    return o


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(root, "vectors", "sampler", "chain.vec")
    os.makedirs(os.path.dirname(out), exist_ok=True)
    r = np.random.default_rng(2024)
    breakers = [[7], [3, 4], [3, 4, 5]]
    logits, options, recents, masks, probabilities = [], [], [], [], []
    while len(logits) < CASES:
        l = (np.round(r.normal(0, 2.5, VOCAB) * 4) / 4 if r.random() < 0.3 else r.normal(0, 2.5, VOCAB))
        l = l.astype(np.float32)
        few = int(r.integers(2, 12))  # few different tokens: repetitions are long
        recent = r.integers(0, few, RECENT)
        if r.random() < 0.5:
            period = int(r.integers(2, 8))
            recent = np.resize(recent[:period], RECENT)
        o = draw_options(r)
        try:
            ids, p = run(l, o, recent, breakers)
        except Close:
            continue
        row, mask = np.zeros(VOCAB), np.zeros(VOCAB, np.uint8)
        row[ids], mask[ids] = p, 1
        logits.append(l)
        options.append([o[name] for name in OPTIONS])
        recents.append(recent)
        masks.append(mask)
        probabilities.append(row)
    gvec.write(out, {
        "logits": np.array(logits, "<f4"),
        "options": np.array(options, "<f4"),
        "recent": np.array(recents, "<i4"),
        "breakers": np.array([i for b in breakers for i in b + [-1]], "<i4"),
        "kept": np.array(masks, "u1"),
        "probabilities": np.array(probabilities, "<f4"),
    })
    print(f"{out}: {CASES} cases, {os.path.getsize(out)} bytes; "
          f"{np.mean(np.sum(masks, axis=1)):.1f} candidates on average")


if __name__ == "__main__":
    main()
