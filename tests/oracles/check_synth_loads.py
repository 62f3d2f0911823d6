#!/usr/bin/env python3
"""Shows that a GGUF file, such as `glia synth` writes, loads and runs in llama.cpp.

Needs numpy and llama-cpp-python (tools/oracles.sh installs both). Usage:

    python check_synth_loads.py model.gguf

Loads the file, evaluates a few tokens at once and one after them, and prints OK with the shape of what came out.
Exits with 1 and llama.cpp's own messages where the file is refused, or a logit is not finite.
"""

import sys

import numpy as np
from llama_cpp import Llama

CONTEXT = 64
PROMPT_TOKENS = 7


def load(path):
    """The reason for a refusal is only in llama.cpp's log, which is long: it is shown on the second try."""
    options = dict(n_ctx=CONTEXT, n_batch=CONTEXT, logits_all=True, n_threads=1, n_threads_batch=1)
    try:
        return Llama(path, verbose=False, **options)
    except (ValueError, RuntimeError):
        return Llama(path, verbose=True, **options)


def spread_ids(vocab):
    """Ids from all over the vocabulary, the first and the last among them."""
    return [int(i) for i in np.linspace(0, vocab - 1, PROMPT_TOKENS)]


def evaluate(llama):
    """A batch and a single token go through different kernels."""
    ids = spread_ids(llama.n_vocab())
    llama.eval(ids)
    llama.eval(ids[:1])
    return np.array(llama.scores[: len(ids) + 1])


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    try:
        llama = load(sys.argv[1])
    except (ValueError, RuntimeError) as error:
        raise SystemExit(f"refused: {error}")
    logits = evaluate(llama)
    if not np.isfinite(logits).all():
        raise SystemExit("refused: some logits are not finite")
    if not logits.std(axis=1).any():
        raise SystemExit("refused: all logits of each token are equal")
    architecture = llama.metadata.get("general.architecture")
    print(f"OK {architecture}: vocabulary {llama.n_vocab()}, logits of deviation {logits.std():.3g}, "
          f"largest {np.abs(logits).max():.3g}")


if __name__ == "__main__":
    main()
