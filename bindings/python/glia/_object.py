"""Objects of the library (tensors, tensors of strings, sequences, optionals, maps) to and from Python's, without copies
of tensors' elements: what goes in is kept alive until the library lets go of it, what comes out keeps the object alive.
"""

from __future__ import annotations

import ctypes
import itertools
from ctypes import POINTER, byref, c_char_p, c_int, c_int32, c_int64, c_uint8, c_uint16, c_uint64, c_void_p

import numpy as np

from . import _abi, _dtype
from ._abi import lib

# ---- what the library borrows -----------------------------------------------------------------------------------

_borrowed: dict[int, object] = {}  # what is kept for the library, by the number that it was told
_numbers = itertools.count(1)


@_abi.RELEASE
def _let_go(number):  # called by whichever thread drops the last reference
    kept = _borrowed.pop(number, None)
    if isinstance(kept, _Managed):
        kept.delete()


def _borrow(dtype: int, shape, data: int, owner) -> int:
    number = next(_numbers)
    _borrowed[number] = owner
    handle = lib.glia_object_borrow(None, dtype, len(shape), _abi.dims_of(shape), data or None, _let_go, number)
    if not handle:
        _borrowed.pop(number)
        raise _abi.InvalidArgument("shapes do not fit", "G1051",
                                   f"a tensor of shape {tuple(shape)} cannot be given to the library")
    return handle


# ---- DLPack -----------------------------------------------------------------------------------------------------


class _DLDevice(ctypes.Structure):
    _fields_ = [("type", c_int32), ("id", c_int32)]


class _DLDataType(ctypes.Structure):
    _fields_ = [("code", c_uint8), ("bits", c_uint8), ("lanes", c_uint16)]


class _DLTensor(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("device", _DLDevice), ("ndim", c_int32), ("dtype", _DLDataType),
                ("shape", POINTER(c_int64)), ("strides", POINTER(c_int64)), ("byte_offset", c_uint64)]


class _DLManaged(ctypes.Structure):
    _fields_ = [("tensor", _DLTensor), ("ctx", c_void_p), ("deleter", c_void_p)]


_DELETER = ctypes.CFUNCTYPE(None, c_void_p)
_DESTRUCTOR = ctypes.PYFUNCTYPE(None, c_void_p)


def _python_function(name, result, *arguments):
    f = ctypes.pythonapi[name]  # a function object of its own for each set of types
    f.restype, f.argtypes = result, arguments
    return f


_capsule_new = _python_function("PyCapsule_New", ctypes.py_object, c_void_p, c_char_p, c_void_p)
_capsule_pointer = _python_function("PyCapsule_GetPointer", c_void_p, ctypes.py_object, c_char_p)
_capsule_rename = _python_function("PyCapsule_SetName", c_int, ctypes.py_object, c_char_p)
_dying_is_valid = _python_function("PyCapsule_IsValid", c_int, c_void_p, c_char_p)
_dying_pointer = _python_function("PyCapsule_GetPointer", c_void_p, c_void_p, c_char_p)

_exported: dict[int, tuple] = {}  # by address: the struct, its shape, and the tensor that it shows


@_DELETER
def _export_done(address):
    _exported.pop(address, None)


@_DESTRUCTOR
def _capsule_done(capsule):  # of one that nobody took: a consumer renames it
    if _dying_is_valid(capsule, b"dltensor"):
        _exported.pop(_dying_pointer(capsule, b"dltensor"), None)


class _Managed:
    """A tensor that another library lends."""

    def __init__(self, exporter):
        capsule = exporter.__dlpack__()
        self.address = _capsule_pointer(capsule, b"dltensor")
        self.managed = ctypes.cast(self.address, POINTER(_DLManaged)).contents
        _capsule_rename(capsule, b"used_dltensor")

    def delete(self):
        if self.managed.deleter:
            _DELETER(self.managed.deleter)(self.address)

    def object(self) -> int:
        t = self.managed.tensor
        name = _dtype.OF_DLPACK.get((t.dtype.code, t.dtype.bits))
        shape = [t.shape[i] for i in range(t.ndim)]
        dense, step = True, 1
        for i in reversed(range(t.ndim)):
            dense = dense and (not t.strides or shape[i] == 1 or t.strides[i] == step)
            step *= shape[i]
        problem = (f"lies on device {t.device.type}" if t.device.type != 1 else
                   "has a dtype that Glia lacks" if name is None or t.dtype.lanes != 1 else
                   "has strides: make it contiguous" if not dense and step else None)
        if problem:
            self.delete()
            raise _abi.InvalidArgument("an argument does not fit", "G1052", f"a tensor given through DLPack {problem}")
        try:
            return _borrow(_abi.DTYPE_OF_NAME[name], tuple(shape), (t.data or 0) + t.byte_offset, self)
        except _abi.GliaError:
            self.delete()
            raise


# ---- what comes out ---------------------------------------------------------------------------------------------


class Tensor:
    """A tensor of the library: `numpy()`, and DLPack for others, both without a copy."""

    __slots__ = ("_handle", "_data", "dtype", "shape", "__weakref__")

    def __init__(self, handle: int):
        """Takes over a reference."""
        self._handle = handle
        self.dtype: str = _abi.NAME_OF_DTYPE[lib.glia_object_dtype(handle)]
        self.shape: tuple[int, ...] = tuple(lib.glia_object_dims(handle)[:lib.glia_object_rank(handle)])
        self._data: int = lib.glia_object_data(handle) or 0

    def __del__(self, release=lib.glia_object_release):
        release(self._handle)

    @property
    def __array_interface__(self):
        empty = 0 in self.shape
        return {"version": 3, "shape": self.shape, "typestr": _dtype.BITS[self.dtype].str,
                "data": (0 if empty else self._data, bool(lib.glia_object_shared(self._handle)))}

    def numpy(self) -> np.ndarray:
        """The elements as an array, read-only where somebody else holds them too (the network, or another object)."""
        if 0 in self.shape:
            return np.empty(self.shape, _dtype.NUMPY[self.dtype])
        return np.asarray(self).view(_dtype.NUMPY[self.dtype])

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        if self.dtype not in _dtype.DLPACK:
            raise BufferError(f"DLPack has no type for {self.dtype}")
        if copy:
            raise BufferError("a tensor of Glia is shown as it lies, not copied")
        code, bits = _dtype.DLPACK[self.dtype]
        shape = _abi.dims_array(self.shape)
        strides = _abi.dims_array([int(np.prod(self.shape[i + 1:], dtype=np.int64)) for i in range(len(self.shape))])
        managed = _DLManaged(_DLTensor(self._data, _DLDevice(1, 0), len(self.shape), _DLDataType(code, bits, 1),
                                       ctypes.cast(shape, POINTER(c_int64)), ctypes.cast(strides, POINTER(c_int64)), 0),
                             None, ctypes.cast(_export_done, c_void_p))
        address = ctypes.addressof(managed)
        _exported[address] = (managed, shape, strides, self)
        return _capsule_new(address, b"dltensor", ctypes.cast(_capsule_done, c_void_p))


def _strings_of(handle: int) -> np.ndarray:
    dims = lib.glia_object_dims(handle)
    shape = [dims[i] for i in range(lib.glia_object_rank(handle))]
    out, size = np.empty(shape, object), c_int64()
    flat = out.reshape(-1)
    for i in range(flat.size):
        text = lib.glia_object_string(handle, i, byref(size))
        flat[i] = ctypes.string_at(text, size.value).decode("utf-8", "surrogateescape")
    return flat.reshape(shape)


def to_python(handle: int, tensors: bool = False):
    """The object as ONNX Runtime would give it; takes over the reference. tensors: tensors stay Tensor."""
    kind = lib.glia_object_kind_of(handle)
    if kind == _abi.TENSOR:
        t = Tensor(handle)
        return t if tensors else t.numpy()
    try:
        if kind == _abi.STRINGS:
            return _strings_of(handle)
        if kind == _abi.MAP:
            keys = to_python(lib.glia_object_retain(lib.glia_object_keys(handle))).tolist()
            values = to_python(lib.glia_object_retain(lib.glia_object_values(handle)))
            return dict(zip(keys, values.tolist() if isinstance(values, np.ndarray) else values))
        items = [to_python(lib.glia_object_retain(lib.glia_object_item(handle, i)), tensors)
                 for i in range(lib.glia_object_count(handle))]
        return items if kind == _abi.SEQUENCE else items[0] if items else None
    finally:
        lib.glia_object_release(handle)


# ---- what goes in -----------------------------------------------------------------------------------------------


def _made(handle):
    if not handle:
        raise _abi.LimitReached("out of memory", "G0801", "no memory for an input")
    return handle


def _from_strings(value: np.ndarray) -> int:
    texts = [s if isinstance(s, bytes) else str(s).encode("utf-8",
        "surrogateescape") for s in value.reshape(-1).tolist()]
    sizes = _abi.dims_array([len(t) for t in texts])
    pointers = (c_char_p * max(len(texts), 1))(*texts)
    return _made(lib.glia_object_strings(None, value.ndim, _abi.dims_array(value.shape), pointers, sizes))


def _gathered(make, items) -> int:
    """Makes an object of others, whose references it takes itself."""
    try:
        return _made(make())
    finally:
        for i in items:
            lib.glia_object_release(i)


def from_array(array: np.ndarray) -> int:
    """An object over the array's elements; a copy of them only where they have strides or another byte order."""
    if array.dtype.kind in "OUS":
        return _from_strings(array)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if not array.flags.c_contiguous:
        array = np.ascontiguousarray(array)
    return _borrow(_dtype.number(array.dtype), array.shape, array.ctypes.data, array)


def from_python(value, dtype: str | None = None, optional: bool = False) -> int:
    """A new object of an array, a tensor of another library, a scalar, a list (sequence), a dict (map) or None (an
    empty optional). dtype: of what has none of its own (Python's numbers and lists of them)."""
    if optional:
        inner = [] if value is None else [from_python(value, dtype)]
        return _gathered(lambda: lib.glia_object_optional(None, inner[0] if inner else None), inner)
    if isinstance(value, Tensor):
        return lib.glia_object_retain(value._handle)
    if isinstance(value, (np.ndarray, np.generic)):
        return from_array(np.asarray(value))
    if hasattr(value, "__dlpack__"):
        return _Managed(value).object()
    if isinstance(value, dict):
        keys = from_python(np.array(list(value), object if any(isinstance(k, str) for k in value) else np.int64))
        plain = all(isinstance(v, (int, float, str, np.generic)) for v in value.values())
        values = from_python(np.asarray(list(value.values())) if plain else list(value.values()))
        return _gathered(lambda: lib.glia_object_map(None, keys, values), [keys, values])
    if isinstance(value, (list, tuple)):
        return sequence(value)
    return from_array(np.asarray(value, None if dtype is None or isinstance(value, str) else _dtype.NUMPY[dtype]))


def sequence(values, dtype: str | None = None) -> int:
    items = []
    try:
        for v in values:
            items.append(from_python(v, dtype))
    except BaseException:
        for i in items:
            lib.glia_object_release(i)
        raise
    pointers = (c_void_p * max(len(items), 1))(*items)
    return _gathered(lambda: lib.glia_object_sequence(None, pointers, len(items)), items)


def from_feed(value, kind: int, dtype: str | None) -> int:
    """An object for an input of this kind and dtype."""
    if kind == _abi.OPTIONAL:
        return from_python(value, dtype, optional=True)
    if kind in (_abi.TENSOR, _abi.STRINGS) and isinstance(value, (list, tuple)):
        value = np.asarray(value, object if kind == _abi.STRINGS else _dtype.NUMPY.get(dtype))
    return from_python(value, dtype)
