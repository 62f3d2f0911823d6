"""Networks: opened from an ONNX file, from bytes, or made of a graph, and run by name; and their ONNX Runtime face."""

from __future__ import annotations

import ctypes
import json
import os
import threading
import time
import weakref
from ctypes import byref, c_char_p, c_void_p
from typing import Any, Iterable, Mapping, Sequence


from . import _abi, _dtype, _object
from ._abi import lib
from ._custom import descriptors

_KINDS = {_abi.SEQUENCE: "seq", _abi.OPTIONAL: "optional", _abi.MAP: "map"}


class NodeArg:
    """An input or output: its name, its shape (an int, the file's name, or None for each dim), and its type as ONNX
    Runtime writes it ("tensor(float)", "seq(tensor(int64))")."""

    def __init__(self, port: _abi.CPort):
        self.name: str = port.name.decode()
        self.kind: int = port.kind
        self.dtype: str | None = _abi.NAME_OF_DTYPE.get(port.dtype)
        self.shape: list[int | str | None] = []
        for i in range(max(port.rank, 0)):
            name = port.dim_names[i]
            self.shape.append(port.dims[i] if port.dims[i] >= 0 else name.decode() if name else None)

    @property
    def type(self) -> str:
        element = "tensor(string)" if self.kind == _abi.STRINGS else f"tensor({_dtype.ORT.get(self.dtype, self.dtype)})"
        return f"{_KINDS[self.kind]}({element})" if self.kind in _KINDS else element

    def __repr__(self) -> str:
        return f"NodeArg(name={self.name!r}, type={self.type!r}, shape={self.shape!r})"


def net_options(threads: int = 0, slots: int = 0, memory_limit: int = 0, isa: str | None = None, level: int = 0,
                plain: bool = False, fixed: bool = False, plans_max: int = 0) -> _abi.CNetOptions:
    return _abi.CNetOptions(ctypes.sizeof(_abi.CNetOptions), None, threads, slots, memory_limit,
                            isa.encode() if isa else None, level, plain, fixed, plans_max, 0, None, 0)


class Network:
    """What the C interface calls a glia_net. Options of the constructor are those of glia_net_options.

    threads: 0 takes the processors that the process may use; results do not depend on it.  memory_limit: bytes of all
    that it holds, 0 for none.  isa: forces an instruction set.  level: of rewriting (1 exact, 2 also reassociating, 3
    also approximate).  plain: no rewriting.  fixed: refuse what is not one plan.  plans_max: kept for other shapes.

    Calls of several threads take turns. Other Python threads run while a network does."""

    def __init__(self, model: str | os.PathLike | bytes, *, folder: str | os.PathLike | None = None,
                 ops: Sequence[Any] = (), **options: Any):
        """model: a path, or an ONNX file's bytes; folder: of its external data, in the case of bytes. ops: operations
        of one's own (glia.custom_op), which stand for the operators of their domains."""
        e, handle = _abi.new_error(), c_void_p()
        o = net_options(**options)
        self._descs = descriptors(ops)
        o.ops, o.op_count = ctypes.cast(self._descs, c_void_p), len(ops)
        if isinstance(model, (bytes, bytearray, memoryview)):
            kept = bytes(model)
            status = lib.glia_net_open_memory(ctypes.cast(c_char_p(kept), c_void_p), len(kept),
                                              os.fsencode(folder) if folder else None, byref(o), byref(handle),
                                                  byref(e))
        else:
            kept = None
            status = lib.glia_net_open(os.fsencode(model), byref(o), byref(handle), byref(e))
        _abi.check(status, e)
        self._start(handle, kept, ops)

    @classmethod
    def from_graph(cls, graph, **options: Any) -> "Network":
        """Compiles a sealed graph; it and the arrays of its weights are kept alive."""
        e, handle, o = _abi.new_error(), c_void_p(), net_options(**options)
        _abi.check(lib.glia_net_from_graph(graph._open(), byref(o), byref(handle), byref(e)), e)
        self = cls.__new__(cls)
        self._start(handle, graph, graph.ops)
        return self

    def _start(self, handle: c_void_p, kept: object, ops: Sequence[Any]) -> None:
        self._ops = list(ops)
        self._handle, self._kept, self._lock = handle, kept, threading.Lock()
        self._finalizer = weakref.finalize(self, lib.glia_net_close, handle)
        self.inputs = self._ports(lib.glia_net_input_count, lib.glia_net_input)
        self.outputs = self._ports(lib.glia_net_output_count, lib.glia_net_output)
        self._in_kinds = [(p.kind, p.dtype) for p in self.inputs]
        self._in_names = {p.name: i for i, p in enumerate(self.inputs)}
        self._out_names = {p.name: i for i, p in enumerate(self.outputs)}

    def _ports(self, count, get) -> list[NodeArg]:
        ports = []
        for i in range(count(self._handle)):
            p, port = _abi.CPort(), None
            p.size = ctypes.sizeof(_abi.CPort)
            _abi.check(get(self._handle, i, byref(p)), _abi.new_error())
            port = NodeArg(p)
            ports.append(port)
        return ports

    def close(self) -> None:
        """Gives everything back; arrays that came from it stay good."""
        with self._lock:
            self._finalizer()
            self._kept = None

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run_objects(self, feed: Sequence[Any], *, tensors: bool = True, timeout: float | None = None,
                    want: Iterable[int] | None = None) -> list:
        """All inputs in their order (None: left out) to outputs in theirs; tensors stay Tensor where asked."""
        count_in, count_out = len(self.inputs), len(self.outputs)
        if len(feed) != count_in:
            raise _abi.InvalidArgument("an argument does not fit", "G1020",
                                       f"{len(feed)} inputs were given; the network has {count_in}")
        handles: list[int | None] = []
        ins, outs = (c_void_p * max(count_in, 1))(), (c_void_p * max(count_out, 1))()
        e = _abi.new_error()
        o = None
        if timeout is not None:
            o = byref(_abi.CRunOptions(ctypes.sizeof(_abi.CRunOptions), time.monotonic_ns() + int(timeout * 1e9), None, 0))
        try:
            for i, value in enumerate(feed):
                kind, dtype = self._in_kinds[i]
                left_out = value is None and kind != _abi.OPTIONAL
                handles.append(None if left_out else _object.from_feed(value, kind, dtype))
                ins[i] = handles[-1]
            with self._lock:
                if not self._finalizer.alive:
                    raise _abi.GliaError("the object is closed", "G1053", "the network is closed")
                status = lib.glia_net_run(self._handle, ins, outs, o, byref(e))
        finally:
            for h in handles:
                lib.glia_object_release(h)
        try:
            for op in self._ops:
                op.raise_kept()
            _abi.check(status, e)
        except BaseException:
            for h in outs:
                lib.glia_object_release(h)
            raise
        if want is None:
            return [_object.to_python(h, tensors) for h in outs[:count_out]]
        wanted = list(want)
        made = {i: _object.to_python(outs[i], tensors) for i in set(wanted)}
        for i in range(count_out):
            if i not in made:
                lib.glia_object_release(outs[i])
        return [made[i] for i in wanted]

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], run_options: Any = None, *,
            timeout: float | None = None) -> list:
        """As onnxruntime.InferenceSession.run: the outputs named (None: all) for the inputs given by name.

        Arrays are read where they lie. Outputs are arrays over the library's memory, lists (sequences), dicts (maps),
        arrays of str, or None (empty optionals). timeout: seconds after which the run is given up."""
        unknown = [n for n in input_feed if n not in self._in_names]
        if unknown:
            raise _abi.InvalidArgument("an argument does not fit", "G1054", f"there is no input `{unknown[0]}`; the "
                                       f"inputs are {', '.join(self._in_names)}")
        for n in output_names or []:
            if n not in self._out_names:
                raise _abi.InvalidArgument("an argument does not fit", "G1055",
                    f"there is no output `{n}`; the outputs "
                                           f"are {', '.join(self._out_names)}")
        feed = [input_feed.get(p.name) for p in self.inputs]
        want = None if not output_names else [self._out_names[n] for n in output_names]
        return self.run_objects(feed, tensors=False, timeout=timeout, want=want)

    def __call__(self, *arrays: Any, **named: Any):
        """Inputs in their order or by name; the one output, or a tuple."""
        feed = list(arrays) + [named.pop(p.name, None) for p in self.inputs[len(arrays):]]
        if named:
            raise _abi.InvalidArgument("an argument does not fit", "G1054", f"there is no input `{next(iter(named))}`")
        out = self.run_objects(feed, tensors=False)
        return out[0] if len(out) == 1 else tuple(out)

    def report(self, as_json: bool = False):
        """What the network became: text, or the same as dicts and lists."""
        with self._lock:
            if not self._finalizer.alive:
                raise _abi.GliaError("the object is closed", "G1053", "the network is closed")
            text = _abi.text_of(lib.glia_net_report, self._handle, 1 if as_json else 0)
        return json.loads(text) if as_json else text

    def __repr__(self) -> str:
        return f"<glia.{type(self).__name__} of {len(self.inputs)} inputs and {len(self.outputs)} outputs>"


class SessionOptions:
    """The settings of onnxruntime.SessionOptions that mean something here; others may be set and change nothing."""

    def __init__(self) -> None:
        self.intra_op_num_threads = 0
        self.inter_op_num_threads = 0
        self.memory_limit = 0
        self.level = 0


class InferenceSession(Network):
    """onnxruntime.InferenceSession's interface over a Network."""

    def __init__(self, path_or_bytes: str | os.PathLike | bytes, sess_options: Any = None, providers: Any = None,
                 provider_options: Any = None, **options: Any):
        """providers and provider_options are ignored: everything runs on the processor. sess_options may be
        onnxruntime's; its intra_op_num_threads is taken. Other options are Network's."""
        if sess_options is not None:
            options.setdefault("threads", getattr(sess_options, "intra_op_num_threads", 0))
            for name in ("memory_limit", "level"):
                options.setdefault(name, getattr(sess_options, name, 0))
        super().__init__(path_or_bytes, **options)

    def get_inputs(self) -> list[NodeArg]:
        return list(self.inputs)

    def get_outputs(self) -> list[NodeArg]:
        return list(self.outputs)

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]

    def run_with_tensors(self, input_feed: Mapping[str, Any]) -> dict[str, Any]:
        """run, with every output by name and tensors as glia.Tensor (for DLPack)."""
        out = self.run_objects([input_feed.get(p.name) for p in self.inputs])
        return {p.name: v for p, v in zip(self.outputs, out)}


__all__ = ["InferenceSession", "Network", "NodeArg", "SessionOptions"]
