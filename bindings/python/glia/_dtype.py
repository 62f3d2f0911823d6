"""Element types by Glia's names, as NumPy and DLPack know them.

Types that NumPy lacks (bf16, the floats of 8 bits and less, integers below 8 bits, an element a byte) are those of
ml_dtypes where it is installed, else unsigned integers of the same size that hold the bits.
"""

from __future__ import annotations

import functools

import numpy as np

from . import _abi

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None

# Glia's name: NumPy's, ONNX Runtime's, (DLPack's code, bits)
_PLAIN = {
    "f32": ("float32", "float", (2, 32)), "f64": ("float64", "double", (2, 64)), "f16": ("float16", "float16", (2, 16)),
    "i8": ("int8", "int8", (0, 8)), "i16": ("int16", "int16", (0, 16)), "i32": ("int32", "int32", (0, 32)),
    "i64": ("int64", "int64", (0, 64)), "u8": ("uint8", "uint8", (1, 8)), "u16": ("uint16", "uint16", (1, 16)),
    "u32": ("uint32", "uint32", (1, 32)), "u64": ("uint64", "uint64", (1, 64)), "bool": ("bool", "bool", (6, 8)),
}
# Glia's name: ml_dtypes' name, ONNX Runtime's, bytes, DLPack's
_EXTRA = {
    "bf16": ("bfloat16", "bfloat16", 2, (4, 16)),
    "f8e4m3fn": ("float8_e4m3fn", "float8e4m3fn", 1, (10, 8)),
    "f8e4m3fnuz": ("float8_e4m3fnuz", "float8e4m3fnuz", 1, (11, 8)),
    "f8e5m2": ("float8_e5m2", "float8e5m2", 1, (12, 8)),
    "f8e5m2fnuz": ("float8_e5m2fnuz", "float8e5m2fnuz", 1, (13, 8)),
    "f8e8m0": ("float8_e8m0fnu", "float8e8m0", 1, (14, 8)),
    "f6e2m3": ("float6_e2m3fn", "float6e2m3", 1, None), "f6e3m2": ("float6_e3m2fn", "float6e3m2", 1, None),
    "f4e2m1": ("float4_e2m1fn", "float4e2m1", 1, None), "i4": ("int4", "int4", 1, None),
    "u4": ("uint4", "uint4", 1, None), "i2": ("int2", "int2", 1, None), "u2": ("uint2", "uint2", 1, None),
}

NUMPY: dict[str, np.dtype] = {}
BITS: dict[str, np.dtype] = {}  # a type that __array_interface__ can name
ORT: dict[str, str] = {}
DLPACK: dict[str, tuple[int, int]] = {}
for _name, (_np, _ort, _dl) in _PLAIN.items():
    NUMPY[_name] = BITS[_name] = np.dtype(_np)
    ORT[_name], DLPACK[_name] = _ort, _dl
for _name, (_ml, _ort, _bytes, _dl) in _EXTRA.items():
    BITS[_name] = np.dtype(f"uint{8 * _bytes}")
    NUMPY[_name] = np.dtype(getattr(ml_dtypes, _ml)) if hasattr(ml_dtypes, _ml) else BITS[_name]
    ORT[_name] = _ort
    if _dl:
        DLPACK[_name] = _dl
_OF_NUMPY = {t: n for n, t in reversed(NUMPY.items()) if n in _PLAIN or t != BITS[n]}
OF_DLPACK = {v: k for k, v in DLPACK.items()}


def of_numpy(t: np.dtype) -> str:
    """Glia's name of a NumPy dtype."""
    name = _OF_NUMPY.get(np.dtype(t))
    if name is None:
        raise _abi.InvalidArgument("a dtype does not fit", "G1050", f"NumPy's {np.dtype(t)} is no element type of Glia")
    return name


@functools.lru_cache(None)
def number(t: np.dtype) -> int:
    """The library's number of a NumPy dtype."""
    return _abi.DTYPE_OF_NAME[of_numpy(t)]


def enum(t) -> int:
    """The library's number of a dtype given by Glia's name, by number or as NumPy's."""
    if isinstance(t, int):
        return t
    if isinstance(t, str) and t in _abi.DTYPE_OF_NAME:
        return _abi.DTYPE_OF_NAME[t]
    return _abi.DTYPE_OF_NAME[of_numpy(t)]
