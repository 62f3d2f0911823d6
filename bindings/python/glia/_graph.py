"""Graphs built by hand: glia/graph.h with operators of Python. Errors are those of the C library, raised where the node
is added."""

from __future__ import annotations

import ctypes
import functools
import weakref
from ctypes import byref, c_int, c_void_p
from typing import Any, Sequence

import numpy as np

from . import _abi, _dtype
from ._abi import lib
from ._custom import descriptors

_CONSTANT_MAX = 65536  # bytes; larger ones are weights


class Value:
    """A value of a graph: the result of a node, an input, a weight. + - * / and comparisons add nodes, with numbers and
    arrays on either side; ops that have no operator are methods of the graph."""

    __slots__ = ("graph", "id", "_type")
    __array_priority__ = 1000

    def __init__(self, graph: "Graph", handle: int):
        self.graph, self.id, self._type = graph, handle, None

    def _read(self):
        if self._type is None:
            t = _abi.CType()
            lib.glia_value_type(self.graph._open(), _abi.CValue(self.id), byref(t))
            self._type = (_abi.NAME_OF_DTYPE[t.dtype], tuple(t.dims[i] for i in range(t.rank)))
        return self._type

    @property
    def dtype(self) -> str:
        return self._read()[0]

    @property
    def dims(self) -> tuple[int, ...]:
        """A size, or a handle below 0 of one that has symbols."""
        return self._read()[1]

    @property
    def rank(self) -> int:
        return len(self.dims)

    def _with(self, op: str, other: Any, swap: bool = False) -> "Value":
        if not isinstance(other, Value):
            other = self.graph.constant(np.asarray(other, _dtype.NUMPY[self.dtype]))
        return self.graph.node(op, other, self) if swap else self.graph.node(op, self, other)

    def __add__(self, o):
        return self._with("add", o)

    def __radd__(self, o):
        return self._with("add", o, True)

    def __sub__(self, o):
        return self._with("sub", o)

    def __rsub__(self, o):
        return self._with("sub", o, True)

    def __mul__(self, o):
        return self._with("mul", o)

    def __rmul__(self, o):
        return self._with("mul", o, True)

    def __truediv__(self, o):
        return self._with("div", o)

    def __rtruediv__(self, o):
        return self._with("div", o, True)

    def __neg__(self):
        return self.graph.node("neg", self)

    def __lt__(self, o):
        return self._with("lt", o)

    def __le__(self, o):
        return self._with("le", o)

    def __gt__(self, o):
        return self._with("gt", o)

    def __ge__(self, o):
        return self._with("ge", o)

    def __repr__(self) -> str:
        return f"<glia.Value {self.dtype}{list(self.dims)}>"


class Graph:
    """A typed graph. Dims are numbers, names of symbols ("T"), or what dim_add and its kin give.

        g = glia.Graph()
        x = g.input("x", "f32", ["T", 16])
        g.output("y", g.relu(g.linear(x, g.weight("w", w))))
        y = g.compile()(x_array)

    Every op of docs/ops.md is a method: values are inputs (None: an optional one left out), keywords are attributes,
    `name` names the node. The result is a Value, or a tuple where the op has several outputs."""

    def __init__(self, *, ops: Sequence[Any] = (), bytes_max: int = 0, nodes_max: int = 0,
                 _handle: c_void_p | None = None):
        """ops: operations of one's own (glia.custom_op). bytes_max, nodes_max: limits, 0 for the defaults."""
        handle, e = _handle or c_void_p(), _abi.new_error()
        if not _handle:
            self._descs = descriptors(ops)
            o = _abi.CGraphOptions(ctypes.sizeof(_abi.CGraphOptions), None, bytes_max, nodes_max,
                                   ctypes.cast(self._descs, c_void_p), len(ops))
            _abi.check(lib.glia_graph_create(byref(o), byref(handle), byref(e)), e)
        self._handle, self.ops = handle, list(ops)
        self._finalizer = weakref.finalize(self, lib.glia_graph_destroy, handle)
        self._arrays: list[Any] = []  # what weights are read from
        self._count = 0
        self._symbols: dict[str, int] = {}

    @classmethod
    def parse(cls, text: str, ops: Sequence[Any] = ()) -> "Graph":
        """The graph that `text()` printed."""
        handle, e, data = c_void_p(), _abi.new_error(), text.encode()
        descs = descriptors(ops)
        o = _abi.CGraphOptions(ctypes.sizeof(_abi.CGraphOptions), None, 0, 0, ctypes.cast(descs, c_void_p), len(ops))
        _abi.check(lib.glia_graph_parse(data, len(data), byref(o), byref(handle), byref(e)), e)
        g = cls(ops=ops, _handle=handle)
        g._descs = descs
        return g

    def _open(self) -> c_void_p:
        if not self._finalizer.alive:
            raise _abi.GliaError("the object is closed", "G1053", "the graph is closed")
        return self._handle

    def close(self) -> None:
        self._finalizer()

    def __enter__(self) -> "Graph":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- values without a producer

    def symbol(self, name: str, least: int = 0, most: int = 4096) -> int:
        """A size that inputs decide, within bounds, inclusive: memory is planned for the largest. The same name again
        is the same size; a dim that is given as a name is one of up to 4096, unless this was called for it before."""
        if name in self._symbols:
            return self._symbols[name]
        self._symbols[name] = lib.glia_graph_symbol(self._open(), name.encode(), least, most)
        return self._symbols[name]

    def dim_add(self, a: int, b: int) -> int:
        return lib.glia_dim_add(self._open(), a, b)

    def dim_mul(self, a: int, b: int) -> int:
        return lib.glia_dim_mul(self._open(), a, b)

    def dim_floor_div(self, a: int, b: int) -> int:
        return lib.glia_dim_floor_div(self._open(), a, b)

    def _type(self, dtype: Any, dims: Sequence[int | str]) -> _abi.CType:
        if len(dims) > _abi.RANK_MAX:
            raise _abi.InvalidArgument("shapes do not fit", "G1051", f"rank {len(dims)} is above {_abi.RANK_MAX}")
        t = _abi.CType(_dtype.enum(dtype), len(dims), 0)
        for i, d in enumerate(dims):
            t.dims[i] = self.symbol(d) if isinstance(d, str) else int(d)
        return t

    def _value(self, v: _abi.CValue) -> Value:
        if not v.id:
            self._raise()
        return Value(self, v.id)

    def _raise(self) -> None:
        e = _abi.new_error()
        _abi.check(lib.glia_graph_seal(self._open(), byref(e)), e)
        raise _abi.GliaError("internal", "", "a node was refused without an error")

    def input(self, name: str, dtype: Any, dims: Sequence[int | str]) -> Value:
        return self._value(lib.glia_graph_input(self._open(), name.encode(), byref(self._type(dtype, dims))))

    def weight_at(self, name: str, dtype: Any, dims: Sequence[int], address: int, keep: Any) -> Value:
        """A weight whose elements lie at `address`; `keep` is kept alive as long as the graph."""
        self._arrays.append(keep)
        t = self._type(dtype, dims)
        return self._value(lib.glia_graph_weight(self._open(), name.encode(), byref(t), address, None))

    def weight(self, name: str, array: Any) -> Value:
        """A weight that is read where the array lies (a copy, if it has strides)."""
        array = np.asarray(array, order="C")
        return self.weight_at(name, _dtype.of_numpy(array.dtype), array.shape, array.ctypes.data, array)

    def constant(self, array: Any, name: str | None = None, dtype: Any = None) -> Value:
        """A small constant, copied; above 64 KiB a weight."""
        array = np.asarray(array, None if dtype is None else _dtype.NUMPY.get(dtype, dtype), order="C")
        if name is None:
            self._count += 1
            name = f"constant.{self._count}"
        if array.nbytes > _CONSTANT_MAX:
            return self.weight(name, array)
        t = self._type(_dtype.of_numpy(array.dtype), array.shape)
        return self._value(lib.glia_graph_constant(self._open(), name.encode(), byref(t), array.ctypes.data))

    def state(self, name: str, dtype: Any, dims: Sequence[int | str]) -> Value:
        return self._value(lib.glia_graph_state(self._open(), name.encode(), byref(self._type(dtype, dims))))

    # ---- nodes

    def node(self, op: str, *inputs: Value | None, name: str | None = None, **attrs: Any):
        """The op's output, or a tuple where it has several."""
        kinds = _attributes(op) or {k: v for o in self.ops if o.name == op for k, v in o._attributes}
        args = (_abi.CAttr * (len(attrs) + 1))()
        kept = []
        for a, (key, value) in zip(args, attrs.items()):
            a.name, a.kind = key.encode(), kinds.get(key) or _kind_of(value)
            if a.kind == _abi.ATTR_FLOAT:
                a.f = float(value)
            elif a.kind == _abi.ATTR_INTS:
                ints = _abi.dims_array([self.symbol(d) if isinstance(d, str) else int(d) for d in value])
                a.ints, a.count = ints, len(value)
                kept.append(ints)
            else:
                a.i = _dtype.enum(value) if a.kind == _abi.ATTR_DTYPE else int(value)
        values = (_abi.CValue * max(len(inputs), 1))(*(_abi.CValue(v.id if v is not None else 0) for v in inputs))
        v = self._value(lib.glia_graph_node(self._open(), op.encode(), name.encode() if name else None, values,
                                            len(inputs), args))
        handle = _abi.CValue(v.id)
        outputs = lib.glia_graph_output_count_of(self._open(), handle)
        if outputs == 1:
            return v
        return (v,) + tuple(self._value(lib.glia_graph_output_of(self._open(), handle, i)) for i in range(1, outputs))

    def __getattr__(self, op: str):
        if op.startswith("_") or (op not in ops() and all(o.name != op for o in self.ops)):
            raise AttributeError(op)
        return functools.partial(self.node, op)

    def output(self, name: str, value: Value) -> None:
        lib.glia_graph_output(self._open(), name.encode(), _abi.CValue(value.id))

    def gradients(self, loss: Value, wrt: Sequence[Value]) -> list[Value | None]:
        """Extends the graph by the gradients of a scalar; None where the loss does not depend on a value."""
        values = (_abi.CValue * max(len(wrt), 1))(*(_abi.CValue(v.id) for v in wrt))
        out = (_abi.CValue * max(len(wrt), 1))()
        lib.glia_graph_gradients(self._open(), _abi.CValue(loss.id), values, len(wrt), out)
        return [Value(self, out[i].id) if out[i].id else None for i in range(len(wrt))]

    # ---- the whole

    def seal(self) -> "Graph":
        """Checks and freezes the graph."""
        e = _abi.new_error()
        _abi.check(lib.glia_graph_seal(self._open(), byref(e)), e)
        return self

    def text(self) -> str:
        return _abi.text_of(lib.glia_graph_print, self._open())

    def compile(self, **options: Any):
        """Seals the graph and makes a Network of it; options are Network's."""
        from ._network import Network
        return Network.from_graph(self.seal(), **options)


class OpInfo:
    """An op: its signature (docs/types.md; None: a hand rule), and attributes as {name: kind}."""

    def __init__(self, index: int):
        info = _abi.COpInfo()
        info.size = ctypes.sizeof(_abi.COpInfo)
        lib.glia_op_describe(index, byref(info))
        self.name: str = info.name.decode()
        self.signature: str | None = info.signature.decode() if info.signature else None
        self.attributes: dict[str, int] = {}
        for i in range(info.attr_count):
            kind = c_int()
            name = lib.glia_op_attribute(index, i, byref(kind)).decode()
            self.attributes[name] = kind.value


@functools.lru_cache(None)
def ops() -> dict[str, OpInfo]:
    """Every op by name."""
    return {o.name: o for o in map(OpInfo, range(lib.glia_op_count()))}


def _kind_of(value: Any) -> int:
    """Of an attribute that the library does not know, and will refuse by name."""
    return _abi.ATTR_INTS if isinstance(value, (list, tuple)) else _abi.ATTR_INT if isinstance(value, int) else \
        _abi.ATTR_DTYPE if isinstance(value, str) else _abi.ATTR_FLOAT


def _attributes(op: str) -> dict[str, int]:
    known = ops().get(op)
    return known.attributes if known else {}


__all__ = ["Graph", "OpInfo", "Value", "ops"]
