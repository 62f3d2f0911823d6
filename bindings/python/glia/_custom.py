"""Operations of one's own in Python, for prototypes: a function over NumPy arrays that graphs and ONNX files can name.

It is typed, given memory and scheduled as any other operation, and never split. While it runs it holds the interpreter,
so it costs what Python costs: the C interface (glia/op.h) is for what has to be fast."""

from __future__ import annotations

import ctypes
import inspect
from ctypes import POINTER, c_char_p, c_double, c_int, c_int16, c_int32, c_int64, c_uint32, c_void_p
from typing import Any, Callable

import numpy as np

from . import _abi, _dtype

OP_ABI, OP_WHOLE = 1, 8


class _CTensor(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("dims", POINTER(c_int64)), ("rank", c_int16), ("layout", c_int16),
        ("dtype", c_int)]


class _CAttrValue(ctypes.Structure):
    _fields_ = [("i", c_int64), ("f", c_double), ("ints", POINTER(c_int64))]


class _CKargs(ctypes.Structure):
    _fields_ = [("inputs", POINTER(_CTensor)), ("outputs", POINTER(_CTensor)), ("in_count", c_int32),
        ("out_count", c_int32),
                ("begin", c_void_p), ("end", c_void_p), ("attr", POINTER(_CAttrValue)), ("scratch", c_void_p),
                ("fault", c_void_p)]


_KERNEL = ctypes.CFUNCTYPE(None, POINTER(_CKargs))


class _CAttrSpec(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("kind", c_int), ("required", c_int), ("number", c_double)]


class _CDesc(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("abi", c_uint32), ("domain", c_char_p), ("name", c_char_p),
        ("signature", c_char_p),
                ("traits", c_uint32), ("attrs", POINTER(_CAttrSpec)), ("reference", _KERNEL), ("kernels", c_void_p),
                ("kernel_count", c_int32), ("scratch", c_void_p)]


_KINDS = {int: _abi.ATTR_INT, bool: _abi.ATTR_INT, float: _abi.ATTR_FLOAT, list: _abi.ATTR_INTS, tuple: _abi.ATTR_INTS}


def _array(t: _CTensor) -> np.ndarray | None:
    """The tensor's own memory; None: an input left out."""
    shape = tuple(t.dims[i] for i in range(t.rank))
    name = _abi.NAME_OF_DTYPE.get(t.dtype)
    if name not in _dtype.NUMPY or (not t.data and 0 not in shape):
        return None
    if 0 in shape:
        return np.empty(shape, _dtype.NUMPY[name])
    bits = _dtype.BITS[name]
    size = bits.itemsize * int(np.prod(shape, dtype=np.int64))
    return np.frombuffer((ctypes.c_char * size).from_address(t.data), bits).view(_dtype.NUMPY[name]).reshape(shape)


class CustomOp:
    """What custom_op makes of a function. It can still be called as the function."""

    def __init__(self, function: Callable, signature: str, name: str | None, domain: str | None):
        self.function, self.name, self._error = function, name or function.__name__, None
        self._attributes: list[tuple[str, int]] = []
        specs = []
        for p in inspect.signature(function).parameters.values():
            if p.kind is not p.KEYWORD_ONLY:
                continue
            required = p.default is p.empty
            kind = (p.annotation if required else type(p.default))
            kind = {"int": int, "float": float, "list": list, "bool": bool}.get(kind, kind)
            if kind not in _KINDS:
                raise TypeError(f"the attribute {p.name} needs a default, or an annotation of int, float or list")
            number = float(p.default) if not required and kind in (int, bool, float) else 0.0
            self._attributes.append((p.name, _KINDS[kind]))
            specs.append(_CAttrSpec(p.name.encode(), _KINDS[kind], int(required), number))
        self._specs = (_CAttrSpec * (len(specs) + 1))(*specs)
        self._kernel = _KERNEL(self._run)
        self.desc = _CDesc(ctypes.sizeof(_CDesc), OP_ABI, domain.encode() if domain else None, self.name.encode(),
                           signature.encode(), OP_WHOLE, self._specs, self._kernel, None, 0, None)

    def __call__(self, *args: Any, **kwargs: Any):
        return self.function(*args, **kwargs)

    def _run(self, k) -> None:
        """The kernel: it cannot fail, so what the function raises is kept for the end of the run."""
        try:
            k = k.contents
            attrs = {}
            for i, (name, kind) in enumerate(self._attributes):
                a = k.attr[i]
                attrs[name] = a.f if kind == _abi.ATTR_FLOAT else a.i if kind != _abi.ATTR_INTS else a.ints[:a.i]
            inputs = [_array(k.inputs[i]) for i in range(k.in_count)]
            for a in inputs:
                if a is not None:
                    a.flags.writeable = False
            made = self.function(*inputs, **attrs)
            made = made if isinstance(made, tuple) else (made,)
            if len(made) != k.out_count:
                raise ValueError(f"{self.name} gave {len(made)} results; its signature has {k.out_count}")
            for i, value in enumerate(made):
                to, value = _array(k.outputs[i]), np.asarray(value)
                if value.shape != to.shape:
                    raise ValueError(f"{self.name} gave a result of shape {value.shape}; its signature says {to.shape}")
                np.copyto(to, value, casting="same_kind")
        except BaseException as e:  # noqa: BLE001
            self._error = self._error or e

    def raise_kept(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error


def custom_op(signature: str, *, name: str | None = None, domain: str | None = None) -> Callable[[Callable], CustomOp]:
    """Makes an operation of a function: positional parameters are inputs (read-only arrays, None where one is left
    out), keyword-only ones attributes, whose kind is their default's or their annotation's (int, float, list).

        @glia.custom_op("x: f32[t, n!] -> y: like(x)", domain="com.example")
        def row_unit(x, *, eps=1e-6):
            return x / np.sqrt((x * x).sum(-1, keepdims=True) + eps)

        g = glia.Graph(ops=[row_unit])
        s = glia.InferenceSession("model.onnx", ops=[row_unit])

    What the function raises is raised by the run that called it."""
    return lambda function: CustomOp(function, signature, name, domain)


def descriptors(ops: Any) -> Any:
    """A C array of pointers to the descriptors."""
    pointers = (c_void_p * max(len(ops), 1))()
    for i, op in enumerate(ops):
        pointers[i] = ctypes.addressof(op.desc)
    return pointers


__all__ = ["CustomOp", "custom_op"]
