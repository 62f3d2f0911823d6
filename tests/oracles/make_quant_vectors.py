#!/usr/bin/env python3
"""Makes tests/vectors/quants/<FORMAT>.vec: block formats as the `gguf` package reads and writes them.

Needs numpy and gguf (tools/oracles.sh installs both), and llama_cpp for two formats that gguf cannot read. Usage:

    python make_quant_vectors.py [output folder]

Each file is a GVEC container (gvec.py states the layout) with two pairs of sections:

    blocks   u8  [8, bytes per block]    random bytes, scale fields made finite and of moderate size
    decoded  f32 [8, values per block]   what they mean

    input    f32 [8, values per block]   floats, one kind of trouble per block (see INPUT_KINDS)
    encoded  u8  [8, bytes per block]    their encoding

The second pair exists only for the formats that the package can encode. BF16 and F16 have a block of one
value; their files hold 8 rows of 32 values, so the rows have the shape of the other formats. Their inputs
hold infinities and NaNs: compare bits, or take any NaN for any other.

Decoding is exact up to the last addition in every one of these formats, so a fused multiply-add gives the
same bits. Encoding is not: a product is rounded to float32 before the rounding offset is added to it.
"""

import pathlib
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize, quantize

import ggml
import gvec

# What the package knows by name only; ggml itself is asked instead.
BEYOND = {"Q1_0": (128, 18), "Q2_0": (64, 18)}

ROWS = 8
SEED = 20240117

# Byte offsets of the half-precision scale fields inside a block.
HALF_FIELDS = {
    "Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
    "IQ4_NL": [0], "IQ4_XS": [0], "TQ1_0": [52], "TQ2_0": [64], "MXFP4": [],
    "IQ3_S": [0], "IQ3_XXS": [0], "IQ2_S": [0], "IQ2_XS": [0], "IQ2_XXS": [0], "IQ1_S": [0], "IQ1_M": [],
    "NVFP4": [], "Q1_0": [0], "Q2_0": [0],
}
ENCODED = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "TQ1_0", "TQ2_0", "MXFP4", "Q1_0", "Q2_0", "BF16", "F16"]
HALF_SIZED = ["BF16", "F16"]
HALF_SIZED_VALUES = 32


def sizes_of(name):
    """Values and bytes of a block."""
    return BEYOND[name] if name in BEYOND else GGML_QUANT_SIZES[GGMLQuantizationType[name]]


def decode(blocks, name):
    if name in BEYOND:
        return np.stack([ggml.decode(name, block, BEYOND[name][0]) for block in blocks])
    return dequantize(blocks, GGMLQuantizationType[name])


def encode(inputs, name):
    if name in BEYOND:
        return ggml.encode(name, inputs)
    return quantize(inputs, GGMLQuantizationType[name])


def random_blocks(rng, name):
    """Random bytes are legal in every field of these formats but the scales."""
    _, block_bytes = sizes_of(name)
    blocks = rng.integers(0, 256, (ROWS, block_bytes), dtype=np.uint8)
    for offset in HALF_FIELDS[name]:
        blocks[:, offset : offset + 2] = random_scales(rng).view(np.uint8).reshape(ROWS, 2)
    if name == "MXFP4":
        blocks[:, 0] = mxfp4_exponents(rng)
    if name == "NVFP4":
        blocks[0, :4] = [0, 0x7F, 0x80, 0xFF]  # nothing, what would be a NaN, and the sign bit of both
        blocks[1, :4] = [1, 7, 8, 0x7E]  # subnormals, the first normal one, the largest
    if name == "IQ1_M":
        scatter_scales(rng, blocks)
    return blocks


def scatter_scales(rng, blocks):
    """IQ1_M keeps its scale in the top nibbles of its last four words, the lowest nibble first."""
    scales = random_scales(rng).view(np.uint16)
    words = blocks[:, 48:56].copy().view(np.uint16) & 0x0FFF
    for i in range(4):
        words[:, i] |= (scales >> (4 * i) & 15) << 12
    blocks[:, 48:56] = words.view(np.uint8)


def random_scales(rng):
    """Both signs, magnitudes from 2^-10 to 1; then a zero and a subnormal, which decoders get wrong."""
    magnitude = np.exp2(rng.uniform(-10, 0, ROWS))
    scales = (magnitude * rng.choice([-1, 1], ROWS)).astype(np.float16)
    scales[ROWS - 2] = 0
    scales[ROWS - 1] = np.array([0x0155], np.uint16).view(np.float16)[0]
    return scales


def mxfp4_exponents(rng):
    """Exponents 0 and 1 name halves that are subnormal in float32; the formula for the rest breaks there."""
    exponents = rng.integers(110, 140, ROWS, dtype=np.uint8)
    exponents[:3] = [0, 1, 2]
    return exponents


def gaussian(rng, n):
    return rng.standard_normal(n)


def gaussian_small(rng, n):
    """The half-precision scale of these is subnormal in the formats that divide by 127."""
    return rng.standard_normal(n) * 1e-4


def heavy_tailed(rng, n):
    return rng.standard_t(2, n)


def zeros(rng, n):
    return np.where(np.arange(n) % 3 == 0, -0.0, 0.0)


def negative_max(rng, n):
    """The largest magnitude is negative: the sign of the scale follows it in Q4_0 and Q5_0."""
    values = rng.uniform(-1, 1, n)
    values[n // 3] = -3.25
    return values


def constant(rng, n):
    """Largest and smallest are equal: the scale of Q4_1 and Q5_1 is zero."""
    return np.full(n, 0.7)


def ties(rng, n):
    """Multiples of a half below 127: the quotients of Q8_0 are exact, half of them halfway."""
    values = rng.integers(-254, 255, n) / 2.0
    values[n // 2] = 127.0
    return values


def ternary(rng, n):
    """Three values and one outlier, as in a ternary weight matrix before its scale is taken out."""
    values = rng.integers(-1, 2, n) * 0.0421
    values[n - 1] = 1.5
    return values


INPUT_KINDS = [gaussian, gaussian_small, heavy_tailed, zeros, negative_max, constant, ties, ternary]


def block_inputs(rng, values):
    return np.stack([kind(rng, values) for kind in INPUT_KINDS]).astype(np.float32)


def bit_patterns(name):
    """Values on and beside the rounding boundaries of a 16-bit format, one row of 32."""
    if name == "BF16":
        words = [0x3F808000, 0x3F818000, 0x3F808001, 0x3F817FFF, 0xBF808000, 0xBF818000, 0x7F7FFFFF,
                 0xFF7FFFFF, 0x7F7F8000, 0x7F7F7FFF, 0x00000001, 0x00008000, 0x00018000, 0x807FFFFF,
                 0x007FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001, 0xFFA12345]
    else:
        words = [0x3F801000, 0x3F803000, 0x3F801001, 0x3F802FFF, 0xBF801000, 0xBF803000, 0x477FE000,
                 0x477FEFFF, 0x477FF000, 0xC77FF000, 0x33000000, 0x33000001, 0x32FFFFFF, 0x33800000,
                 0x33C00000, 0x387FC000, 0x387FE000, 0x387FF000, 0x38800000, 0x7F800000, 0xFF800000,
                 0x7FC00000, 0x7F7FFFFF, 0x00000001]
    words += [0] * (HALF_SIZED_VALUES - len(words))
    return np.array(words, np.uint32).view(np.float32)


def decoded_pair(rng, name):
    blocks = random_blocks(rng, name)
    return {"blocks": blocks, "decoded": decode(blocks, name)}


def half_sized_decoded_pair(rng, name):
    """Every bit pattern is legal here. NaNs are made quiet: processors differ in what they do to others."""
    words = rng.integers(0, 1 << 16, (ROWS, HALF_SIZED_VALUES), dtype=np.uint16)
    words[0, :8] = [0x0000, 0x8000, 0x0001, 0x83FF, 0x7F80, 0xFF80, 0x7C00, 0xFC00]
    exponent, quiet = (0x7C00, 0x0200) if name == "F16" else (0x7F80, 0x0040)
    words[((words & exponent) == exponent) & ((words & (2 * quiet - 1)) != 0)] |= quiet
    blocks = words.view(np.uint8)
    decoded = np.ascontiguousarray(dequantize(blocks, GGMLQuantizationType[name]))
    return {"blocks": blocks, "decoded": decoded.reshape(ROWS, HALF_SIZED_VALUES)}


def encoded_pair(rng, name):
    values = sizes_of(name)[0]
    inputs = block_inputs(rng, HALF_SIZED_VALUES if name in HALF_SIZED else values)
    if name in HALF_SIZED:
        inputs[3] = bit_patterns(name)
    with np.errstate(over="ignore"):
        encoded = encode(inputs, name)
    return {"input": inputs, "encoded": np.ascontiguousarray(encoded).view(np.uint8)}


def sections_of(name):
    """Each format draws from its own stream, so that adding one leaves the files of the others alone."""
    rng = np.random.default_rng([SEED, *name.encode()])
    make_decoded = half_sized_decoded_pair if name in HALF_SIZED else decoded_pair
    sections = make_decoded(rng, name)
    if name in ENCODED:
        sections |= encoded_pair(rng, name)
    return sections


def main():
    here = pathlib.Path(__file__).resolve().parent
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent / "vectors" / "quants"
    folder.mkdir(parents=True, exist_ok=True)
    for name in [*HALF_FIELDS, *HALF_SIZED]:
        sections = sections_of(name)
        gvec.write(folder / f"{name}.vec", sections)
        shapes = ", ".join(f"{key} {list(array.shape)}" for key, array in sections.items())
        print(f"{name}: {shapes}")


if __name__ == "__main__":
    main()
