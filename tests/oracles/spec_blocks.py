"""Block formats of GGUF files as integers and scales, in numpy, after docs/numerics.md and the formats' layouts.

unpack(kind, data) takes the bytes [rows, bytes of a row] and returns a Blocks:

    q      [rows, blocks, n]   the quants with their offset taken off, as integers in float64
    d      [rows, blocks]      the block's scale, F32
    scale  [rows, blocks, s]   integer scales of the s sub-blocks of n / s elements
    m      [rows, blocks]      F32: a weight is d * scale * q + m * min; None where a format has no minimum
    min    [rows, blocks, s]   integers
"""

import dataclasses

import numpy as np

IQ4 = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113])
E2M1_TWICE = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12])


@dataclasses.dataclass
class Blocks:
    q: np.ndarray
    d: np.ndarray
    scale: np.ndarray
    m: np.ndarray = None
    min: np.ndarray = None
    super: bool = False  # of 256 elements, which meet activations in blocks of 256


def f16(b, at):
    return b[..., at : at + 2].copy().view(np.float16)[..., 0].astype(np.float32)


def nibbles(b):
    """[.., n] bytes: the low nibbles of all, then the high ones: [.., 2n]"""
    return np.concatenate([b & 15, b >> 4], axis=-1).astype(np.int64)


def fields(b, run, bits, count):
    """Bytes in runs; of each run, `count` fields of `bits` from the lowest, a field of all its bytes at a time."""
    b = b.reshape(*b.shape[:-1], -1, 1, run)
    shift = (bits * np.arange(count, dtype=np.uint8))[:, None]
    return (b >> shift & ((1 << bits) - 1)).reshape(*b.shape[:-3], -1).astype(np.int64)


def small(q, d, m=None):
    one = np.ones(q.shape[:-1] + (1,), np.int64)
    return Blocks(q, d, one, m, None if m is None else one)


def fifth_bit(b):
    return np.unpackbits(b, axis=-1, bitorder="little").astype(np.int64) << 4


def q8_0(b):
    return small(b[..., 2:].view(np.int8).astype(np.int64), f16(b, 0))


def q4_0(b):
    return small(nibbles(b[..., 2:]) - 8, f16(b, 0))


def q4_1(b):
    return small(nibbles(b[..., 4:]), f16(b, 0), f16(b, 2))


def q5_0(b):
    return small((nibbles(b[..., 6:]) | fifth_bit(b[..., 2:6])) - 16, f16(b, 0))


def q5_1(b):
    return small(nibbles(b[..., 8:]) | fifth_bit(b[..., 4:8]), f16(b, 0), f16(b, 2))


def iq4_nl(b):
    return small(IQ4[nibbles(b[..., 2:])], f16(b, 0))


def mxfp4(b):
    d = np.ldexp(np.float32(1), b[..., 0].astype(np.int32) - 128).astype(np.float32)
    return small(E2M1_TWICE[nibbles(b[..., 1:])], d)


def q2_k(b):
    q = fields(b[..., 16:80], 32, 2, 4)
    s = b[..., :16].astype(np.int64)
    return Blocks(q, f16(b, 80), s & 15, -f16(b, 82), s >> 4, True)


def q3_k(b):
    low, high = fields(b[..., 32:96], 32, 2, 4), fields(b[..., :32], 32, 1, 8)
    scale = nibbles(b[..., 96:104]) | fields(b[..., 104:108], 4, 2, 4) << 4
    return Blocks(low - 4 * (1 - high), f16(b, 108), scale - 32, super=True)


def scales_k4(b):
    """8 scales and 8 minima of 6 bits in 12 bytes."""
    b = b.astype(np.int64)
    low, mid, last = b[..., :4], b[..., 4:8], b[..., 8:]
    scale = np.concatenate([low & 63, (last & 15) | (low >> 6) << 4], axis=-1)
    return scale, np.concatenate([mid & 63, (last >> 4) | (mid >> 6) << 4], axis=-1)


def q4_k(b):
    scale, least = scales_k4(b[..., 4:16])
    return Blocks(fields(b[..., 16:], 32, 4, 2), f16(b, 0), scale, -f16(b, 2), least, True)


def q5_k(b):
    scale, least = scales_k4(b[..., 4:16])
    q = fields(b[..., 48:], 32, 4, 2) | fields(b[..., 16:48], 32, 1, 8) << 4
    return Blocks(q, f16(b, 0), scale, -f16(b, 2), least, True)


def q6_k(b):
    q = fields(b[..., :128], 64, 4, 2) | fields(b[..., 128:192], 32, 2, 4) << 4
    return Blocks(q - 32, f16(b, 208), b[..., 192:208].view(np.int8).astype(np.int64), super=True)


def iq4_xs(b):
    low = fields(b[..., 4:8], 1, 4, 2)
    high = fields(b[..., 2:4], 1, 2, 4)
    q = IQ4[fields(b[..., 8:], 16, 4, 2)]
    return Blocks(q, f16(b, 0), (low | high << 4) - 32, super=True)


def trits(b, count):
    """A byte is the fraction v / 256 of `count` digits of base 3, the first one first."""
    b = b.astype(np.int64)[..., None, :]
    digit = (b * 3 ** np.arange(count)[:, None] % 256 * 3) >> 8
    return digit.reshape(*b.shape[:-2], -1) - 1


def tq1_0(b):
    q = np.concatenate([trits(b[..., :32], 5), trits(b[..., 32:48], 5), trits(b[..., 48:52], 4)], axis=-1)
    return dataclasses.replace(small(q, f16(b, 52)), super=True)


def tq2_0(b):
    return dataclasses.replace(small(fields(b[..., :64], 32, 2, 4) - 1, f16(b, 64)), super=True)


FORMATS = {  # bytes of a block
    "Q8_0": (34, q8_0), "Q4_0": (18, q4_0), "Q4_1": (20, q4_1), "Q5_0": (22, q5_0), "Q5_1": (24, q5_1),
    "IQ4_NL": (18, iq4_nl), "MXFP4": (17, mxfp4), "Q2_K": (84, q2_k), "Q3_K": (110, q3_k), "Q4_K": (144, q4_k),
    "Q5_K": (176, q5_k), "Q6_K": (210, q6_k), "IQ4_XS": (136, iq4_xs), "TQ1_0": (54, tq1_0), "TQ2_0": (66, tq2_0),
}  # fmt: skip


def unpack(kind, data):
    size, take = FORMATS[kind]
    return take(np.ascontiguousarray(data).reshape(data.shape[0], -1, size))


def decode(w):
    """The weights [rows, k], F32, in the order of docs/numerics.md; d * 1 is d."""
    parts = w.q.reshape(*w.scale.shape, -1).astype(np.float32)
    y = (w.d[..., None] * w.scale.astype(np.float32))[..., None] * parts
    if w.m is not None:
        y = y + (w.m[..., None] * w.min.astype(np.float32))[..., None]
    assert y.dtype == np.float32
    return y.reshape(w.q.shape[0], -1)
