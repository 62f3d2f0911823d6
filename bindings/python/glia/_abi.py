"""The C interface of libglia as ctypes sees it: the library, its structs and functions, and errors as exceptions.

Nothing else in the package touches ctypes' function table. The library is looked for beside this file (a wheel), then
where GLIA_LIBRARY says, then by the system's loader. A library of another version is refused.
"""

from __future__ import annotations

import ctypes
import functools
import os
import pathlib
from ctypes import (CFUNCTYPE, POINTER, Structure, byref, c_char, c_char_p, c_double, c_int, c_int16, c_int32, c_int64,
                    c_uint32, c_uint64, c_void_p)

VERSION = "0.1.0"  # of the C library that this package is written for
RANK_MAX = 8


class GliaError(Exception):
    """What the library says when it refuses: `code` ("G0102", see glia.explain), `status` by name, and the text."""

    def __init__(self, status: str, code: str, text: str, offset: int = -1):
        super().__init__(f"{code}: {text}" if code else text)
        self.status, self.code, self.text, self.offset = status, code, text, offset

    def __reduce__(self):
        return type(self), (self.status, self.code, self.text, self.offset)


class InvalidArgument(GliaError, ValueError):
    """An argument, a type or a shape does not fit."""


class InvalidGraph(GliaError, ValueError):
    """A file or a graph contradicts itself."""


class NotImplementedByGlia(GliaError, NotImplementedError):
    """Known to be valid, not built; the text names it."""


class LimitReached(GliaError, MemoryError):
    """A stated limit would be passed, or memory ran out."""


_EXCEPTIONS = {
    1: InvalidArgument, 2: InvalidArgument, 3: InvalidArgument, 4: InvalidArgument, 5: LimitReached, 6: LimitReached,
    8: InvalidGraph, 9: NotImplementedByGlia,
}


class CError(Structure):
    _fields_ = [("size", c_uint32), ("status", c_int), ("offset", c_int64), ("code", c_char * 8),
                ("text", c_char * 3072)]


class CType(Structure):
    _fields_ = [("dtype", c_int), ("rank", c_int16), ("layout", c_int16), ("dims", c_int64 * RANK_MAX)]


class CValue(Structure):
    _fields_ = [("id", c_uint32)]


class CAttr(Structure):
    _fields_ = [("name", c_char_p), ("kind", c_int), ("i", c_int64), ("f", c_double), ("ints", POINTER(c_int64)),
                ("count", c_int64)]


class CGraphOptions(Structure):
    _fields_ = [("size", c_uint32), ("os", c_void_p), ("bytes_max", c_int64), ("nodes_max", c_int64),
                ("ops", c_void_p), ("op_count", c_int64)]


class CNetOptions(Structure):
    _fields_ = [("size", c_uint32), ("os", c_void_p), ("threads", c_int32), ("slots", c_int32),
                ("memory_limit", c_int64), ("isa", c_char_p), ("level", c_int32), ("plain", c_int32),
                ("fixed", c_int32), ("plans_max", c_int32), ("profile_events", c_int64), ("ops", c_void_p),
                ("op_count", c_int64)]


class CPort(Structure):
    _fields_ = [("size", c_uint32), ("name", c_char_p), ("kind", c_int), ("dtype", c_int), ("rank", c_int32),
                ("dims", c_int64 * RANK_MAX), ("dim_names", c_char_p * RANK_MAX)]


class CRunOptions(Structure):
    _fields_ = [("size", c_uint32), ("deadline_ns", c_uint64), ("cancel", POINTER(c_uint32)), ("nodes_max", c_int64)]


class CTensorInfo(Structure):
    _fields_ = [("size", c_uint32), ("name", c_char_p), ("type_name", c_char_p), ("dtype", c_int), ("rank", c_int32),
                ("dims", c_int64 * RANK_MAX), ("bytes", c_int64)]


class COpInfo(Structure):
    _fields_ = [("size", c_uint32), ("name", c_char_p), ("signature", c_char_p), ("no_grad", c_char_p),
                ("attr_count", c_int32)]


RELEASE = CFUNCTYPE(None, c_void_p)
ATTR_INT, ATTR_FLOAT, ATTR_INTS, ATTR_DTYPE = 1, 2, 3, 4
TENSOR, STRINGS, SEQUENCE, OPTIONAL, MAP = range(5)

_int64s = POINTER(c_int64)
_error = POINTER(CError)

# name: (result, arguments)
_FUNCTIONS = {
    "glia_version": (c_char_p, []),
    "glia_status_name": (c_char_p, [c_int]),
    "glia_explain": (c_char_p, [c_char_p]),
    "glia_explain_code": (c_char_p, [c_int]),
    "glia_dtype_name": (c_char_p, [c_int]),
    "glia_graph_create": (c_int, [POINTER(CGraphOptions), POINTER(c_void_p), _error]),
    "glia_graph_destroy": (None, [c_void_p]),
    "glia_graph_symbol": (c_int64, [c_void_p, c_char_p, c_int64, c_int64]),
    "glia_dim_add": (c_int64, [c_void_p, c_int64, c_int64]),
    "glia_dim_mul": (c_int64, [c_void_p, c_int64, c_int64]),
    "glia_dim_floor_div": (c_int64, [c_void_p, c_int64, c_int64]),
    "glia_graph_input": (CValue, [c_void_p, c_char_p, POINTER(CType)]),
    "glia_graph_weight": (CValue, [c_void_p, c_char_p, POINTER(CType), c_void_p, c_char_p]),
    "glia_graph_constant": (CValue, [c_void_p, c_char_p, POINTER(CType), c_void_p]),
    "glia_graph_state": (CValue, [c_void_p, c_char_p, POINTER(CType)]),
    "glia_graph_node": (CValue, [c_void_p, c_char_p, c_char_p, POINTER(CValue), c_int, POINTER(CAttr)]),
    "glia_graph_output_of": (CValue, [c_void_p, CValue, c_int]),
    "glia_graph_output_count_of": (c_int, [c_void_p, CValue]),
    "glia_graph_set_name": (None, [c_void_p, CValue, c_char_p]),
    "glia_graph_output": (None, [c_void_p, c_char_p, CValue]),
    "glia_graph_seal": (c_int, [c_void_p, _error]),
    "glia_value_type": (c_int, [c_void_p, CValue, POINTER(CType)]),
    "glia_graph_find": (CValue, [c_void_p, c_char_p]),
    "glia_graph_print": (c_int, [c_void_p, POINTER(c_void_p), _int64s, _error]),
    "glia_graph_parse": (c_int, [c_char_p, c_int64, POINTER(CGraphOptions), POINTER(c_void_p), _error]),
    "glia_graph_gradients": (None, [c_void_p, CValue, POINTER(CValue), c_int, POINTER(CValue)]),
    "glia_text_free": (None, [c_void_p, c_void_p, c_int64]),
    "glia_op_count": (c_int, []),
    "glia_op_describe": (c_int, [c_int, POINTER(COpInfo)]),
    "glia_op_attribute": (c_char_p, [c_int, c_int, POINTER(c_int)]),
    "glia_tensors_open": (c_int, [c_char_p, c_void_p, POINTER(c_void_p), _error]),
    "glia_tensors_close": (None, [c_void_p]),
    "glia_tensors_count": (c_int64, [c_void_p]),
    "glia_tensors_at": (c_int, [c_void_p, c_int64, POINTER(CTensorInfo)]),
    "glia_tensors_read": (c_int, [c_void_p, c_int64, c_void_p, c_int64, _error]),
    "glia_object_borrow": (c_void_p, [c_void_p, c_int, c_int, _int64s, c_void_p, RELEASE, c_void_p]),
    "glia_object_strings": (c_void_p, [c_void_p, c_int, _int64s, POINTER(c_char_p), _int64s]),
    "glia_object_sequence": (c_void_p, [c_void_p, POINTER(c_void_p), c_int64]),
    "glia_object_optional": (c_void_p, [c_void_p, c_void_p]),
    "glia_object_map": (c_void_p, [c_void_p, c_void_p, c_void_p]),
    "glia_object_retain": (c_void_p, [c_void_p]),
    "glia_object_release": (None, [c_void_p]),
    "glia_object_kind_of": (c_int, [c_void_p]),
    "glia_object_dtype": (c_int, [c_void_p]),
    "glia_object_rank": (c_int, [c_void_p]),
    "glia_object_dims": (_int64s, [c_void_p]),
    "glia_object_count": (c_int64, [c_void_p]),
    "glia_object_bytes": (c_int64, [c_void_p]),
    "glia_object_data": (c_void_p, [c_void_p]),
    "glia_object_shared": (c_int, [c_void_p]),
    "glia_object_string": (c_void_p, [c_void_p, c_int64, _int64s]),
    "glia_object_item": (c_void_p, [c_void_p, c_int64]),
    "glia_object_keys": (c_void_p, [c_void_p]),
    "glia_object_values": (c_void_p, [c_void_p]),
    "glia_net_open": (c_int, [c_char_p, POINTER(CNetOptions), POINTER(c_void_p), _error]),
    "glia_net_open_memory": (c_int, [c_void_p, c_int64, c_char_p, POINTER(CNetOptions), POINTER(c_void_p), _error]),
    "glia_net_from_graph": (c_int, [c_void_p, POINTER(CNetOptions), POINTER(c_void_p), _error]),
    "glia_net_close": (None, [c_void_p]),
    "glia_net_input_count": (c_int, [c_void_p]),
    "glia_net_output_count": (c_int, [c_void_p]),
    "glia_net_input": (c_int, [c_void_p, c_int, POINTER(CPort)]),
    "glia_net_output": (c_int, [c_void_p, c_int, POINTER(CPort)]),
    "glia_net_run": (c_int, [c_void_p, POINTER(c_void_p), POINTER(c_void_p), POINTER(CRunOptions), _error]),
    "glia_net_report": (c_int, [c_void_p, c_int, POINTER(c_void_p), _int64s, _error]),
}


def _load() -> ctypes.CDLL:
    here = pathlib.Path(__file__).resolve().parent / "libglia.so"
    path = str(here) if here.exists() else os.environ.get("GLIA_LIBRARY", "libglia.so.0")
    try:
        return ctypes.CDLL(path)  # a CDLL lets other Python threads run during every call
    except OSError as e:
        raise ImportError(f"libglia was not found at {path}: {e}. Install the wheel, or say where it is with "
                          "GLIA_LIBRARY") from e


lib = _load()
for _name, (_result, _arguments) in _FUNCTIONS.items():
    try:
        _function = getattr(lib, _name)
    except AttributeError as _e:
        raise ImportError(f"the libglia that was found has no {_name}: it is not version {VERSION}") from _e
    _function.restype, _function.argtypes = _result, _arguments
if lib.glia_version().decode() != VERSION:
    raise ImportError(f"libglia is version {lib.glia_version().decode()}, this package is for {VERSION}")


def _dtypes() -> tuple[dict[str, int], dict[int, str]]:
    names: dict[int, str] = {}
    for i in range(1, 256):
        name = lib.glia_dtype_name(i).decode()
        if name == "none":
            break
        names[i] = name
    return {n: i for i, n in names.items()}, names


DTYPE_OF_NAME, NAME_OF_DTYPE = _dtypes()


def new_error() -> CError:
    e = CError()
    e.size, e.offset = ctypes.sizeof(CError), -1
    return e


def check(status: int, e: CError) -> None:
    """Raises what the error record says, unless the status is that all went well."""
    if status:
        text = e.text.decode("utf-8", "replace") or lib.glia_status_name(status).decode()
        raise _EXCEPTIONS.get(status, GliaError)(lib.glia_status_name(status).decode(), e.code.decode(), text, e.offset)


def text_of(function, *arguments) -> str:
    """The text that a function allocates into (char **, int64_t *, error) at its end."""
    text, size, e = c_void_p(), c_int64(), new_error()
    check(function(*arguments, byref(text), byref(size), byref(e)), e)
    try:
        return ctypes.string_at(text, size.value).decode("utf-8", "replace")
    finally:
        lib.glia_text_free(None, text, size)


def dims_array(dims) -> ctypes.Array:
    return (c_int64 * max(len(dims), 1))(*dims)


@functools.lru_cache(1024)
def dims_of(shape: tuple) -> ctypes.Array:
    """The same for a shape that is only read, kept for the next time."""
    return dims_array(shape)


def explain(code: str) -> str:
    """The documentation of an error code, as `glia explain CODE` prints it."""
    text = lib.glia_explain(code.encode())
    if text is None:
        raise KeyError(f"there is no error {code}")
    return text.decode()


__all__ = ["GliaError", "InvalidArgument", "InvalidGraph", "NotImplementedByGlia", "LimitReached", "explain"]
