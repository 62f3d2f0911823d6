"""ggml's own block formats, called through the shared library that the llama_cpp package carries.

    decode(name, blocks, values)                f32 [values]
    encode(name, rows, importance=None)         u8 [rows, bytes a row]; importance is one row or nothing

Needs numpy and llama_cpp."""

import ctypes
import pathlib
import importlib.util

import numpy as np

NUMBERS = {
    "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q2_K": 10, "Q3_K": 11, "Q4_K": 12, "Q5_K": 13,
    "Q6_K": 14, "IQ2_XXS": 16, "IQ2_XS": 17, "IQ3_XXS": 18, "IQ1_S": 19, "IQ4_NL": 20, "IQ3_S": 21, "IQ2_S": 22,
    "IQ4_XS": 23, "IQ1_M": 29, "TQ1_0": 34, "TQ2_0": 35, "MXFP4": 39, "NVFP4": 40, "Q1_0": 41, "Q2_0": 42,
}


class _Init(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool)]


def _load():
    package = pathlib.Path(importlib.util.find_spec("llama_cpp").origin).parent
    library = ctypes.CDLL(str(package / "lib" / "libggml-base.so"))
    library.ggml_init.argtypes, library.ggml_init.restype = [_Init], ctypes.c_void_p
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_row_size.restype = ctypes.c_size_t
    library.ggml_init(_Init(1 << 20, None, False))  # fills its tables of halves
    return library


_ggml = _load()


def _pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p)


def decode(name, blocks, values):
    blocks = np.ascontiguousarray(blocks, np.uint8)
    out = np.zeros(values, np.float32)
    symbol = name.lower() if not name.endswith("_K") else name[:-1].lower() + "K"
    getattr(_ggml, "dequantize_row_" + symbol)(_pointer(blocks), _pointer(out), ctypes.c_int64(values))
    return out


def encode(name, rows, importance=None):
    rows = np.ascontiguousarray(rows, np.float32)
    count, values = rows.shape
    number = NUMBERS[name]
    out = np.zeros((count, _ggml.ggml_row_size(number, ctypes.c_int64(values))), np.uint8)
    weights = None if importance is None else _pointer(np.ascontiguousarray(importance, np.float32))
    _ggml.ggml_quantize_chunk(number, _pointer(rows), _pointer(out), ctypes.c_int64(0), ctypes.c_int64(count),
                              ctypes.c_int64(values), weights)
    return out
