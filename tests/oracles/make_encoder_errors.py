#!/usr/bin/env python3
"""Makes tests/vectors/quants/encoder_errors.txt: what ggml's encoders lose on known rows.

Needs numpy, gguf and llama_cpp. Usage:

    python make_encoder_errors.py [output file]

One line each: format, rows, measure, the weighted sum of squared errors. Rows are `normal`, `student` (Student's t
with three degrees of freedom) or `trained` (two matrices of models/demo-stories.gguf). What an error weighs:

    uniform         1                                                   encoded without importance
    magnitude       |x|                                                 encoded without importance
    square          x^2                                                 encoded without importance
    importance      importance                                          encoded with it
    importance-rms  importance * sqrt(mean(x^2) + x^2), mean of 256     encoded with it

Lines `rows NAME SUM` hold the sum of squares of the rows themselves.

tests/test_encoders.c makes the same rows and weights in C: the generator and the order of its draws are stated
twice, here and there.
"""

import pathlib
import sys

import gguf
import numpy as np

import ggml

FORMATS = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS",
           "TQ1_0", "TQ2_0", "MXFP4"]
ROWS, VALUES = 8, 1024
TRAINED = ["blk.0.attn_q.weight", "blk.0.ffn_down.weight"]
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Random:
    def __init__(self, seed):
        self.state = seed

    def uniform(self):
        """31 bits, never 0 or 1."""
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return ((self.state >> 33) + 0.5) / 2**31

    def normal(self):
        """The sum of twelve draws less six: close enough, and the same in every language."""
        total = 0.0
        for _ in range(12):
            total += self.uniform()
        return total - 6.0

    def student(self):
        n = self.normal()
        squares = 0.0
        for _ in range(3):
            v = self.normal()
            squares += v * v
        return n / float(np.sqrt(squares / 3.0))


def rows_of(kind):
    if kind == "trained":
        tensors = {t.name: t for t in gguf.GGUFReader(str(ROOT / "models" / "demo-stories.gguf")).tensors}
        parts = [gguf.quants.dequantize(tensors[n].data, tensors[n].tensor_type).ravel() for n in TRAINED]
        return np.concatenate([p[: ROWS * VALUES // 2] for p in parts]).reshape(ROWS, VALUES)
    random = Random(1 if kind == "normal" else 2)
    draw = random.normal if kind == "normal" else random.student
    return np.array([draw() for _ in range(ROWS * VALUES)]).astype(np.float32).reshape(ROWS, VALUES)


def importance():
    """A few columns matter far more than the rest."""
    random = Random(3)
    u = np.array([random.uniform() for _ in range(VALUES)])
    return (u * u * u * u * 10.0 + 0.01).astype(np.float32)


def measures(x, weights):
    """What an error of each element weighs; `weights` is None where the rows are encoded without importance."""
    if weights is None:
        return {"uniform": np.ones_like(x), "magnitude": np.abs(x), "square": x * x}
    mean = np.repeat((x.reshape(ROWS, -1, 256) ** 2).mean(2), 256, axis=1)
    weights = np.broadcast_to(weights.astype(np.float64), x.shape)
    return {"importance": weights, "importance-rms": weights * np.sqrt(mean + x * x)}


def errors(name, rows, weights):
    encoded = ggml.encode(name, rows, weights)
    decoded = np.stack([ggml.decode(name, row, VALUES) for row in encoded]).astype(np.float64)
    x = rows.astype(np.float64)
    return {k: float((m * (x - decoded) ** 2).sum()) for k, m in measures(x, weights).items()}


def main():
    path = ROOT / "tests" / "vectors" / "quants" / "encoder_errors.txt"
    lines = []
    for kind in ["normal", "student", "trained"]:
        rows = rows_of(kind)
        lines.append(f"rows {kind} {(rows.astype(np.float64) ** 2).sum():.17g}")
        for name in FORMATS:
            for measure, error in (errors(name, rows, None) | errors(name, rows, importance())).items():
                lines.append(f"{name} {kind} {measure} {error:.9g}")
    (pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else path).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
