"""Tensors of SafeTensors files, by the C library's reader."""

from __future__ import annotations

import ctypes
import os
from ctypes import byref, c_void_p

import numpy as np

from . import _abi, _dtype
from ._abi import lib


def load_state_dict(path: str | os.PathLike, names=None) -> dict[str, np.ndarray]:
    """Arrays by name from a SafeTensors file, or from the index of a set ("model.safetensors.index.json").

    names: only these. bf16 is ml_dtypes' where that is installed, else its bits as uint16."""
    e, handle = _abi.new_error(), c_void_p()
    _abi.check(lib.glia_tensors_open(os.fsencode(path), None, byref(handle), byref(e)), e)
    try:
        wanted = None if names is None else set(names)
        out: dict[str, np.ndarray] = {}
        for i in range(lib.glia_tensors_count(handle)):
            t = _abi.CTensorInfo()
            t.size = ctypes.sizeof(t)
            _abi.check(lib.glia_tensors_at(handle, i, byref(t)), e)
            name = t.name.decode()
            if wanted is not None and name not in wanted:
                continue
            # A dtype of 0 is refused by the reader, by name.
            dtype = _dtype.NUMPY.get(_abi.NAME_OF_DTYPE.get(t.dtype, ""), np.dtype("u1"))
            array = np.empty([t.dims[k] for k in range(t.rank)] if t.dtype else [t.bytes], dtype)
            _abi.check(lib.glia_tensors_read(handle, i, array.ctypes.data, array.nbytes, byref(e)), e)
            out[name] = array
        missing = sorted((wanted or set()) - out.keys())
        if missing:
            raise KeyError(f"there is no tensor {missing[0]} in {os.fspath(path)}")
        return out
    finally:
        lib.glia_tensors_close(handle)
