#!/usr/bin/env python3
"""Makes tests/vectors/quality: perplexities of the demo model in every block format, by an evaluation of its own.

Needs numpy and gguf (tools/oracles.sh), and the program to be tested for writing the formats. Usage:

    python make_quality_vectors.py build/release/glia

The demo model is written in each format by `glia quantize --pure`; gguf decodes the weights. Two forward passes in
numpy give two perplexities over stories.txt in windows of 256 tokens:

    float       activations stay floating point (float64)
    quantised   before each product with a quantised matrix, the activations are rounded to 8 bits in blocks of 32
                or 256 as docs/numerics.md says; keys and values are rounded to F16; other sums are float64

perplexity.json has both with the SHA-256 of the file that they belong to, so that a change of an encoder shows.
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

import gguf
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "vectors" / "quality"
MODEL = ROOT / "models" / "demo-stories.gguf"
WINDOW = 256
BLOCK256 = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "TQ1_0", "TQ2_0", "IQ4_XS"]
TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL", "MXFP4"] + BLOCK256


def stories():
    sys.path.insert(0, str(ROOT / "tools"))
    import story_grammar

    return "\n\n".join(story_grammar.make_stories(20, 20261121)) + "\n"


class Model:
    def __init__(self, path):
        reader = gguf.GGUFReader(str(path))
        self.w, self.kind = {}, {}
        for t in reader.tensors:
            data = gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float64)
            self.w[t.name] = data.reshape([int(d) for d in reversed(t.shape)])
            self.kind[t.name] = t.tensor_type.name
        field = lambda key: reader.fields[key].contents()
        self.layers = field("llama.block_count")
        self.heads = field("llama.attention.head_count")
        self.groups = field("llama.attention.head_count_kv")
        self.eps = float(np.float32(field("llama.attention.layer_norm_rms_epsilon")))
        self.base = float(np.float32(field("llama.rope.freq_base")))
        self.half_cache = self.kind["token_embd.weight"] != "F32"


def f32(x):
    return np.asarray(x, np.float32)


def round_activations(x, block):
    """x [t, k] as integers times a scale, both float64 and exact."""
    x = f32(x).reshape(x.shape[0], -1, block)
    top = np.abs(x).max(axis=2, keepdims=True)
    with np.errstate(divide="ignore"):
        inverse = np.where(top > 0, np.float32(127) / top, np.float32(0)).astype(np.float32)
    q = np.rint(f32(x * inverse)).astype(np.float64)
    d = (top / np.float32(127)).astype(np.float64)
    return (q * d).reshape(x.shape[0], -1)


def product(m, x, name, quantised):
    kind = m.kind[name]
    if quantised and kind not in ("F32", "F16", "BF16"):
        x = round_activations(x, 256 if kind in BLOCK256 else 32)
    y = x @ m.w[name].T
    return f32(y).astype(np.float64) if quantised else y


def rms_norm(m, x, name, quantised):
    y = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + m.eps) * m.w[name]
    return f32(y).astype(np.float64) if quantised else y


def rope(m, x):
    """Neighbouring pairs, as in the files of this architecture. x [t, heads, d]"""
    t, _, d = x.shape
    angle = np.arange(t)[:, None] * m.base ** (-np.arange(0, d, 2) / d)[None]
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    out = np.empty_like(x)
    out[..., 0::2] = x[..., 0::2] * c - x[..., 1::2] * s
    out[..., 1::2] = x[..., 1::2] * c + x[..., 0::2] * s
    return out


def attend(m, q, k, v):
    t, heads, d = q.shape
    mask = np.triu(np.full((t, t), -np.inf), 1)
    out = np.empty_like(q)
    for h in range(heads):
        g = h // (heads // m.groups)
        s = q[:, h] @ k[:, g].T / np.sqrt(d) + mask
        p = np.exp(s - s.max(axis=1, keepdims=True))
        out[:, h] = p / p.sum(axis=1, keepdims=True) @ v[:, g]
    return out.reshape(t, -1)


def logits(m, ids, quantised):
    rounded = (lambda a: f32(a).astype(np.float64)) if quantised else (lambda a: a)
    cached = (lambda a: f32(a).astype(np.float16).astype(np.float64)) if quantised and m.half_cache else rounded
    x = m.w["token_embd.weight"][ids]
    t = len(ids)
    for i in range(m.layers):
        p = lambda name: f"blk.{i}.{name}.weight"
        h = rms_norm(m, x, p("attn_norm"), quantised)
        q, k, v = (product(m, h, p(n), quantised) for n in ("attn_q", "attn_k", "attn_v"))
        q = rounded(rope(m, q.reshape(t, m.heads, -1)))
        k = cached(rounded(rope(m, k.reshape(t, m.groups, -1))))
        v = cached(v.reshape(t, m.groups, -1))
        x = rounded(x + product(m, rounded(attend(m, q, k, v)), p("attn_output"), quantised))
        h = rms_norm(m, x, p("ffn_norm"), quantised)
        gate, up = (product(m, h, p(n), quantised) for n in ("ffn_gate", "ffn_up"))
        h = rounded(gate / (1 + np.exp(-gate)) * up)
        x = rounded(x + product(m, h, p("ffn_down"), quantised))
    x = rms_norm(m, x, "output_norm.weight", quantised)
    return product(m, x, "output.weight" if "output.weight" in m.w else "token_embd.weight", quantised)


def perplexity(m, ids, quantised):
    total, count = 0.0, 0
    for at in range(0, len(ids) - 1, WINDOW):  # the last window may be short
        window = ids[at : at + WINDOW]
        y = logits(m, window, quantised)[:-1]
        top = y.max(axis=1)
        nll = top + np.log(np.exp(y - top[:, None]).sum(axis=1)) - y[np.arange(len(window) - 1), window[1:]]
        total += nll.sum()
        count += len(nll)
    return float(np.exp(total / count)), count


def main():
    glia = sys.argv[1]
    FOLDER.mkdir(exist_ok=True)
    text = FOLDER / "stories.txt"
    if not text.exists():
        text.write_text(stories())
    with text.open() as lines:
        out = subprocess.run([glia, "tokenize", str(MODEL)], stdin=lines, capture_output=True, check=True)
    ids = np.array([int(i) for i in out.stdout.split()])
    result = {"tokens": len(ids), "window": WINDOW, "types": {}}
    with tempfile.TemporaryDirectory() as folder:
        for kind in TYPES:
            path = pathlib.Path(folder) / f"{kind}.gguf"
            subprocess.run([glia, "quantize", "--pure", str(MODEL), str(path), kind], check=True, capture_output=True)
            m = Model(path)
            plain, scored = perplexity(m, ids, False)
            rounded, _ = perplexity(m, ids, True)
            sha = hashlib.sha256(path.read_bytes()).hexdigest()
            result["types"][kind] = {"float": plain, "quantised": rounded, "sha256": sha}
            print(f"{kind:8} float {plain:.8f} quantised {rounded:.8f} ({100 * (rounded / plain - 1):+.3f} %)")
    result["scored"] = scored
    (FOLDER / "perplexity.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
