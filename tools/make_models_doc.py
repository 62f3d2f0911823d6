#!/usr/bin/env python3
"""Writes docs/models.md: what runs, and how far its logits are from another implementation's.

Needs numpy and gguf (tools/oracles.sh). Usage, after `make`:

    python tools/make_models_doc.py [./glia]

Every model of tests/vectors/arch goes through the program; its logits (for encoders: hidden states) are compared with
those beside it, which transformers computed in float64 (tests/oracles/make_*_vectors.py). Formats are those that
tests/golden/logits.txt holds bits of.
"""

import collections
import datetime
import pathlib
import subprocess
import sys
import tempfile
import textwrap

import gguf
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
VECTORS = ROOT / "tests" / "vectors" / "arch"
sys.path.insert(0, str(ROOT / "tests" / "oracles"))
import gvec  # noqa: E402

HEAD = """# Models: what runs, and how exactly

Written by `tools/make_models_doc.py` on {date}. Each row is a small model with random weights in the true shape of
its architecture. *deviation* is the largest difference of a logit (for encoders: of an element of the last hidden
state) from transformers in float64 on the same weights, *NMSE* the squared differences over the squared values.
Weights are F32 unless the row says otherwise; then activations are rounded to 8 bits, as docs/numerics.md says, and
the oracle's are not.

| model | architecture | tokenizer | rope | tokens | deviation | NMSE |
|---|---|---|---|---:|---:|---:|
"""


def field(reader, key, fallback=""):
    f = reader.fields.get(key)
    return f.contents() if f else fallback


def run(glia, path, vectors, folder):
    out = pathlib.Path(folder) / "out.npy"
    ids = ",".join(str(i) for i in vectors["ids"])
    encoder = "states" in vectors
    command = ["embed", "--pooling", "none"] if encoder else ["logits"]
    subprocess.run([glia, command[0], str(path), *command[1:], "--ids", ids, "-c", str(len(vectors["ids"])),
                    "-o", str(out)], check=True)
    want = vectors["states" if encoder else "logits"]
    have = np.load(out).astype(np.float64)
    return np.abs(have - want).max(), ((have - want) ** 2).sum() / (want**2).sum()


def main():
    glia = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "glia")
    text = HEAD.format(date=datetime.date.today().isoformat())
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(VECTORS.glob("*.gguf")):
            reader = gguf.GGUFReader(str(path))
            arch = field(reader, "general.architecture")
            kinds = {t.tensor_type.name for t in reader.tensors} - {"F32"}
            names = (field(reader, f"tokenizer.ggml.{key}") for key in ("model", "pre"))
            tokenizer = " ".join(name for name in names if name)
            rope = field(reader, f"{arch}.rope.scaling.type") or (
                "rope_freqs" if any(t.name == "rope_freqs.weight" for t in reader.tensors) else "")
            vectors = gvec.read(path.with_suffix(".vec"))
            far, nmse = run(glia, path, vectors, folder)
            name = path.stem + (f" ({', '.join(sorted(kinds))})" if kinds else "")
            text += f"| {name} | {arch} | {tokenizer} | {rope} | {len(vectors['ids'])} | {far:.1e} | {nmse:.1e} |\n"
    formats = collections.OrderedDict()
    for line in (ROOT / "tests" / "golden" / "logits.txt").read_text().splitlines():
        shape, kind, _ = line.split()
        formats.setdefault(kind, []).append(shape.removeprefix("tiny-"))
    shapes = max(formats.values(), key=len)
    paragraph = "The bits of these are pinned, for " + ", ".join(shapes) + " (`tests/test_golden.c`): "
    paragraph += ", ".join(k.upper() for k in formats) + "."
    text += "\n## Formats\n\n" + textwrap.fill(paragraph, 120) + "\n"
    partial = {k: v for k, v in formats.items() if v != shapes}
    for kind, some in partial.items():
        text += f"{kind.upper()} only for {', '.join(some)}.\n"
    text += "Types that are read and run but not written (IQ1, IQ2, IQ3, NVFP4) are held against the gguf package\n"
    text += "block by block ([formats.md](formats.md)).\n"
    (ROOT / "docs" / "models.md").write_text(text)


if __name__ == "__main__":
    main()
