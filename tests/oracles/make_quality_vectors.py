#!/usr/bin/env python3
"""Makes tests/vectors/quality: perplexities of the demo model in every block format, by an evaluation of its own.

Needs numpy and gguf (tools/oracles.sh), and the program to be tested for writing the formats. Usage:

    OPENBLAS_NUM_THREADS=1 python make_quality_vectors.py build/release/glia [TYPE ..]

The demo model is written in each format by `glia quantize --pure`. Two forward passes in numpy give two perplexities
over the first WINDOWS windows of stories.txt:

    float       the decoded weights in float64, activations as well
    quantised   docs/numerics.md to the bit: every sum in its order, F32, activations rounded to 8 bits in blocks of
                32 or 256, keys and values in F16 (in F32 for F32 weights). Rounding makes anything less exact
                useless: one activation that rounds the other way moves later logits by some hundredths.

perplexity.txt has both, with the SHA-256 of the file that they belong to, so that a change of an encoder shows, and of
the logits of the first window (F32, little-endian, [tokens, vocabulary]); these are compared with what the program
writes. With TYPE given, only these are evaluated, one window of each, and no file is made. The table in docs/formats.md
is written from perplexity.txt, also by

    python make_quality_vectors.py --table
"""

import hashlib
import pathlib
import subprocess
import sys
import tempfile

import gguf
import numpy as np

from spec_blocks import FORMATS, decode, unpack

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "vectors" / "quality"
MODEL = ROOT / "models" / "demo-stories.gguf"
WINDOW, WINDOWS = 512, 2  # longer than a chunk of attention
# What `glia quantize` calls the types; where it knows mixtures alone, any of them is --pure.
NAMES = {"MXFP4": "MXFP4_MOE", "Q3_K": "Q3_K_S", "Q4_K": "Q4_K_S", "Q5_K": "Q5_K_S"}
TYPES = ["F32", "F16", "BF16"] + [NAMES.get(kind, kind) for kind in FORMATS]


def stories():
    sys.path.insert(0, str(ROOT / "tools"))
    import story_grammar

    return "\n\n".join(story_grammar.make_stories(20, 20261121)) + "\n"


class Model:
    def __init__(self, path):
        reader = gguf.GGUFReader(str(path))
        self.w, self.blocks, self.kinds = {}, {}, {}
        for t in reader.tensors:
            shape = [int(d) for d in reversed(t.shape)]
            kind = t.tensor_type.name
            truth = gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32).reshape(shape)
            self.kinds[t.name] = kind
            if kind in FORMATS:
                self.blocks[t.name] = unpack(kind, t.data)
                assert np.array_equal(decode(self.blocks[t.name]), truth), (t.name, kind)
            self.w[t.name] = truth
        field = lambda key: reader.fields[key].contents()
        self.layers = field("llama.block_count")
        self.heads = field("llama.attention.head_count")
        self.groups = field("llama.attention.head_count_kv")
        self.eps = np.float32(field("llama.attention.layer_norm_rms_epsilon"))
        self.base = float(np.float32(field("llama.rope.freq_base")))


# ---- float64 -------------------------------------------------------------------------------------------------------


class Float:
    def __init__(self, m):
        self.m = m
        self.w = {name: w.astype(np.float64) for name, w in m.w.items()}

    def embed(self, ids):
        return self.w["token_embd.weight"][ids]

    def linear(self, x, name):
        return x @ self.w[name].T

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + float(self.m.eps)) * self.w[name]

    def rope(self, x):
        c, s = wave(self.m, x)
        a, b = x[..., 0::2], x[..., 1::2]
        return np.stack([a * c - b * s, b * c + a * s], axis=-1).reshape(x.shape)

    def cached(self, x):
        return x

    def attend(self, q, k, v):
        t, heads, d = q.shape
        mask = np.triu(np.full((t, t), -np.inf), 1)
        out = np.empty_like(q)
        for h in range(heads):
            g = h // (heads // self.m.groups)
            s = q[:, h] @ k[:, g].T / np.sqrt(d) + mask
            p = np.exp(s - s.max(axis=1, keepdims=True))
            out[:, h] = p / p.sum(axis=1, keepdims=True) @ v[:, g]
        return out.reshape(t, -1)

    def swiglu(self, g, u):
        return g / (1 + np.exp(-g)) * u


# ---- the order of docs/numerics.md, F32 ----------------------------------------------------------------------------


def fma(a, b, c):
    """One rounding. The product of two F32 is exact in float64; the sum is rounded there and then to F32, which errs
    only if the first rounding fell on a point halfway between two F32: those are moved back by the sign of what it
    lost. (Sums that end up subnormal in F32 are not treated.)"""
    p = np.multiply(a, b, dtype=np.float64)
    s = p + c
    half = (s.view(np.int64) & 0x1FFFFFFF) == 0x10000000
    if half.any():
        i = np.nonzero(half)
        p, c, at = p[i], np.broadcast_to(c, s.shape)[i].astype(np.float64), s[i]
        back = at - p
        lost = (p - (at - back)) + (c - back)
        s[i] = np.where(lost == 0, at, np.nextafter(at, np.where(lost > 0, np.inf, -np.inf)))
    return s.astype(np.float32)


def tree(parts):
    """A list of F32 arrays: neighbours pairwise, level by level, an odd one passes up."""
    while len(parts) > 1:
        parts = [parts[i] + parts[i + 1] if i + 1 < len(parts) else parts[i] for i in range(0, len(parts), 2)]
    return parts[0]


def lanes(a, b):
    """sum of a * b over the last axis, which is at most one segment of 4096 and a multiple of 16."""
    n = a.shape[-1]
    assert n <= 4096 and n % 16 == 0
    sums = np.zeros(a.shape[:-1] + (16,), np.float32)
    for i in range(0, n, 16):
        sums = fma(a[..., i : i + 16], b[..., i : i + 16], sums)
    return tree([sums[..., i] for i in range(16)])


def hexes(*words):
    return [np.float32(float.fromhex(w)) for w in words]


LOG2E, LN2_HIGH, LN2_LOW = hexes("0x1.715476p+0", "0x1.62e4p-1", "0x1.7f7d1cp-20")
EXP = hexes("0x1.fffff6p-1", "0x1.fffdbep-2", "0x1.555a7ap-3", "0x1.573d3ap-5", "0x1.0fa61ep-7")


def exp(x):
    """exp(n ln2 + r) = 2^n (1 + r P(r)), n to the nearest, ln2 in two parts; 2^n is applied in two halves."""
    one = np.float32(1)
    x = np.clip(x, np.float32(-104), np.float32(89))
    n = np.rint(x * LOG2E)
    r = fma(-n, LN2_LOW, fma(-n, LN2_HIGH, x))
    p = np.full_like(x, EXP[-1])
    for c in EXP[-2::-1]:
        p = fma(p, r, c)
    p = fma(p, r, one)
    k = n.astype(np.int32)
    a = k >> 1
    return p * np.ldexp(one, a) * np.ldexp(one, k - a)


def wave(m, x):
    """Cosines and sines [tokens, 1, pairs], float64, for x [tokens, heads, head_dim]; all of a head turns."""
    t, _, d = x.shape
    angle = np.arange(t)[:, None] * (m.base ** (-2.0 * np.arange(d // 2) / d))[None]
    return np.cos(angle)[:, None], np.sin(angle)[:, None]


def quantise(x, block):
    """[t, k] as integers [t, blocks, block] and F32 scales [t, blocks]."""
    x = x.reshape(x.shape[0], -1, block)
    top = np.abs(x).max(axis=2)
    assert (top > 1e-30).all()  # blocks of zeros would be a case of their own
    q = np.rint(x * (np.float32(127) / top)[..., None])
    return q.astype(np.float64), top / np.float32(127)


class Spec:
    def __init__(self, m):
        self.m = m

    def embed(self, ids):
        return self.m.w["token_embd.weight"][ids]

    def linear(self, x, name):
        w = self.m.blocks.get(name)
        return self.linear_float(x, self.m.w[name]) if w is None else self.linear_blocks(x, w)

    def linear_float(self, x, w):
        """Chains over segments of 256, the tree; the form for 16 or more rows."""
        assert w.shape[0] >= 16
        sums = []
        columns = np.ascontiguousarray(x.T), np.ascontiguousarray(w.T)
        for begin in range(0, x.shape[1], 256):
            acc = np.zeros((x.shape[0], w.shape[0]), np.float32)
            for i in range(begin, min(begin + 256, x.shape[1])):
                acc = fma(columns[0][i][:, None], columns[1][i][None], acc)
            sums.append(acc)
        return tree(sums)

    def linear_blocks(self, x, w):
        """Integer sums over a block, exact in float64; one chain over the blocks of a segment of 1024 elements."""
        rows, blocks, n = w.q.shape
        subs = w.scale.shape[2]
        a, da = quantise(x, n)
        scaled = (w.q * np.repeat(w.scale, n // subs, axis=2)).astype(np.float64)
        sums = []
        for begin in range(0, blocks, 1024 // n):
            acc = np.zeros((x.shape[0], rows), np.float32)
            for b in range(begin, min(begin + 1024 // n, blocks)):
                s = (a[:, b] @ scaled[:, b].T).astype(np.float32)
                acc = fma(da[:, b, None] * w.d[None, :, b], s, acc)
                if w.m is not None:
                    part = a[:, b].reshape(-1, subs, n // subs).sum(axis=2)
                    s = (part @ w.min[:, b].T.astype(np.float64)).astype(np.float32)
                    acc = fma(da[:, b, None] * w.m[None, :, b], s, acc)
            sums.append(acc)
        return tree(sums)

    def norm(self, x, name):
        mean = lanes(x, x) / np.float32(x.shape[1])
        r = np.float32(1) / np.sqrt(mean + self.m.eps)
        return x * r[:, None] * self.m.w[name]

    def rope(self, x):
        c, s = (y.astype(np.float32) for y in wave(self.m, x))
        a, b = x[..., 0::2], x[..., 1::2]
        return np.stack([fma(a, c, -(b * s)), fma(b, c, a * s)], axis=-1).reshape(x.shape)

    def cached(self, x):
        if self.m.kinds["token_embd.weight"] == "F32":
            return x
        return x.astype(np.float16).astype(np.float32)

    def attend(self, q, k, v):
        """Chunks of 256 keys, merged in ascending order."""
        t, heads, d = q.shape
        assert d <= 256
        groups = np.arange(heads) // (heads // self.m.groups)
        q, k, v = (np.ascontiguousarray(y.transpose(1, 0, 2)) for y in (q, k[:, groups], v[:, groups]))
        top, total, out = self.chunk(q, k[:, :256], v[:, :256], 0)
        for begin in range(256, t, 256):  # only tokens from `begin` on see this chunk
            m, l, o = self.chunk(q[:, begin:], k[:, begin : begin + 256], v[:, begin : begin + 256], begin)
            most = np.maximum(top[:, begin:], m)
            old, new = exp(top[:, begin:] - most), exp(m - most)
            total[:, begin:] = fma(total[:, begin:], old, l * new)
            out[:, begin:] = fma(out[:, begin:], old[..., None], o * new[..., None])
            top[:, begin:] = most
        return (out / total[..., None]).transpose(1, 0, 2).reshape(t, -1)

    def chunk(self, q, k, v, begin):
        """Queries [heads, t, d] from position `begin` on, keys [heads, n, d] from there too: m, l [heads, t], o."""
        heads, t, d = q.shape
        n = k.shape[1]
        s = np.zeros((heads, t, n), np.float32)
        for i in range(d):
            s = fma(q[:, :, None, i], k[:, None, :, i], s)
        s = s * np.float32(1 / np.sqrt(d))
        seen = np.tril(np.ones((t, n), bool))
        m = np.where(seen, s, np.float32(-np.inf)).max(axis=2)
        p = np.where(seen, exp(np.where(seen, s - m[..., None], np.float32(0))), np.float32(0))
        assert begin % 16 == 0 and n % 16 == 0  # so that lanes are positions modulo 16
        l = lanes(p, np.ones_like(p))  # what is not seen adds 0
        o = np.zeros((heads, t, d), np.float32)
        for j in range(n):
            o[:, j:] = fma(p[:, j:, j, None], v[:, None, j], o[:, j:])
        return m, l, o

    def swiglu(self, g, u):
        return g / (np.float32(1) + exp(-g)) * u


# ---- the model -----------------------------------------------------------------------------------------------------


def logits(m, e, ids):
    """e is Float or Spec; [tokens, vocabulary]"""
    x, t = e.embed(ids), len(ids)
    for i in range(m.layers):
        p = lambda name: f"blk.{i}.{name}.weight"
        h = e.norm(x, p("attn_norm"))
        q, k, v = (e.linear(h, p(n)) for n in ("attn_q", "attn_k", "attn_v"))
        q, k, v = q.reshape(t, m.heads, -1), k.reshape(t, m.groups, -1), v.reshape(t, m.groups, -1)
        h = e.attend(e.rope(q), e.cached(e.rope(k)), e.cached(v))
        x = x + e.linear(h, p("attn_output"))
        h = e.norm(x, p("ffn_norm"))
        h = e.swiglu(e.linear(h, p("ffn_gate")), e.linear(h, p("ffn_up")))
        x = x + e.linear(h, p("ffn_down"))
    x = e.norm(x, "output_norm.weight")
    return e.linear(x, "output.weight" if "output.weight" in m.w else "token_embd.weight")


def nll(y, ids):
    """Sum over the tokens after the first."""
    y = y[:-1].astype(np.float64)
    top = y.max(axis=1)
    return (top + np.log(np.exp(y - top[:, None]).sum(axis=1)) - y[np.arange(len(y)), ids[1:]]).sum()


def evaluate(m, e, ids, windows):
    """The perplexity and the first window's logits."""
    all_of = [logits(m, e, w) for w in ids[: windows * WINDOW].reshape(windows, WINDOW)]
    total = sum(nll(y, w) for y, w in zip(all_of, ids.reshape(-1, WINDOW)))
    return float(np.exp(total / (windows * (WINDOW - 1)))), all_of[0]


def compare(glia, path, ids, mine):
    """With the logits that the program writes for the first window."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "logits.npy"
        text = ",".join(str(i) for i in ids[:WINDOW])
        subprocess.run([glia, "logits", str(path), "--ids", text, "-o", str(out)], check=True, capture_output=True)
        theirs = np.load(out).reshape(mine.shape)
    rows = np.nonzero((theirs != mine).any(axis=1))[0]
    return "equal" if len(rows) == 0 else f"{len(rows)} rows differ, first {rows[0]}: {abs(theirs - mine).max():.2e}"


def write_table():
    """The rows below the heading of perplexities in docs/formats.md."""
    path = ROOT / "docs" / "formats.md"
    head, rest = path.read_text().split("<!-- perplexities -->\n")
    tail = rest[rest.index("\n\n") :]
    rows = ["| type, `--pure` | float | as it runs | difference |", "|---|---|---|---|"]
    for line in (FOLDER / "perplexity.txt").read_text().splitlines()[3:]:
        kind, plain, spec = line.split()[:3]
        change = 100 * (float(spec) / float(plain) - 1)
        digits = 4 if float(plain) < 100 else 1
        change = "0" if abs(change) < 0.005 else f"{change:+.2f} %"
        rows.append(f"| {kind} | {float(plain):.{digits}f} | {float(spec):.{digits}f} | {change} |")
    path.write_text(head + "<!-- perplexities -->\n" + "\n".join(rows) + tail)


def main():
    if sys.argv[1:] == ["--table"]:
        return write_table()
    glia, only = sys.argv[1], sys.argv[2:]
    FOLDER.mkdir(exist_ok=True)
    text = FOLDER / "stories.txt"
    if not text.exists():
        text.write_text(stories())
    with text.open() as lines:
        out = subprocess.run([glia, "tokenize", str(MODEL)], stdin=lines, capture_output=True, check=True)
    ids = np.array([int(i) for i in out.stdout.split()])[: WINDOWS * WINDOW]
    assert len(ids) == WINDOWS * WINDOW
    table = [
        "# Made by tests/oracles/make_quality_vectors.py. A type, its perplexity in float64 and by docs/numerics.md,",
        "# the SHA-256 of the file, and that of the first window's logits.",
        f"window {WINDOW} windows {WINDOWS} scored {WINDOWS * (WINDOW - 1)}",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for kind in only or TYPES:
            path = pathlib.Path(folder) / f"{kind}.gguf"
            subprocess.run([glia, "quantize", "--pure", str(MODEL), str(path), kind], check=True, capture_output=True)
            m = Model(path)
            assert {NAMES.get(m.kinds[n], m.kinds[n]) for n, w in m.w.items() if w.ndim > 1} == {kind}
            spec, first = evaluate(m, Spec(m), ids, 1 if only else WINDOWS)
            verdict = compare(glia, path, ids, first)
            plain, _ = evaluate(m, Float(m), ids, 1 if only else WINDOWS)
            shas = [hashlib.sha256(b).hexdigest() for b in (path.read_bytes(), first.astype("<f4").tobytes())]
            table.append(f"{kind} {plain:.9f} {spec:.9f} {shas[0]} {shas[1]}")
            print(f"{kind:9} float {plain:.6f} quantised {spec:.6f} ({100 * (spec / plain - 1):+.3f} %) {verdict}",
                  flush=True)  # fmt: skip
            path.unlink()
    if not only:
        (FOLDER / "perplexity.txt").write_text("\n".join(table) + "\n")
        write_table()


if __name__ == "__main__":
    main()
