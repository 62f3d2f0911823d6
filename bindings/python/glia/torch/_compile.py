"""glia.compile: a torch.nn.Module as a callable over a Network."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from typing import Any, Sequence

import torch
from torch.utils import _pytree as pytree

from .. import _abi
from .._network import Network
from . import aten  # noqa: F401  registers the handlers
from ._emitter import Emitter, Value, refuse


def _export(module: torch.nn.Module, args: tuple, kwargs: dict) -> torch.export.ExportedProgram:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        program = torch.export.export(module, args, kwargs, strict=False)
        # An empty table decomposes nothing that has a name, and makes writes into tensors explicit.
        return program.run_decompositions({})


class _Part:
    """A program for one set of shapes: its network, and how results come from it."""

    def __init__(self, program: torch.export.ExportedProgram, options: dict[str, Any]):
        emitter, results, self.feeds = export_graph(program)
        self.spec = program.call_spec.out_spec
        self.results: list[Any] = []  # of each: the number of the network's output, or what is always returned
        outputs: dict[int, int] = {}
        for r in results:
            if not isinstance(r, Value):
                self.results.append(r)
                continue
            if r.id not in outputs:
                outputs[r.id] = len(outputs)
                emitter.graph.output(f"output{len(outputs) - 1}", r)
            self.results.append(_Output(outputs[r.id]))
        self.network = Network.from_graph(emitter.graph.seal(), **options) if outputs else None
        # The library lists the inputs that nothing reads as well, in the order they were made.

    def run(self, leaves: Sequence[Any]) -> Any:
        feed = [leaves[i].detach().contiguous() for i in self.feeds]
        made = self.network.run_objects(feed) if self.network else []
        tensors = [torch.from_dlpack(t) if 0 not in t.shape else torch.from_numpy(t.numpy()) for t in made]
        return pytree.tree_unflatten([tensors[r.number] if isinstance(r, _Output) else r for r in self.results],
            self.spec)


class _Output:
    def __init__(self, number: int):
        self.number = number


def export_graph(program: torch.export.ExportedProgram) -> tuple[Emitter, list, list[int]]:
    """A graph of an exported program, not sealed yet: the emitter that holds it, the results (values, or tensors and
    numbers that are always the same), and which of the program's flat arguments are the graph's inputs."""
    kinds = torch.export.graph_signature.InputKind
    emitter, given, feeds, leaf = Emitter(), [], [], 0
    placeholders = [n for n in program.graph.nodes if n.op == "placeholder"]
    for spec, fx in zip(program.graph_signature.input_specs, placeholders):
        if spec.kind in (kinds.PARAMETER, kinds.BUFFER):
            tensor = program.state_dict.get(spec.target)
            tensor = program.constants[spec.target] if tensor is None else tensor
            emitter.names.setdefault(tensor.data_ptr(), spec.target)
            given.append(tensor.detach())
        elif spec.kind in (kinds.CONSTANT_TENSOR, kinds.CUSTOM_OBJ):
            given.append(program.constants[spec.target])
        elif spec.kind == kinds.USER_INPUT:
            meta = fx.meta.get("val")
            if isinstance(meta, torch.Tensor):
                if any(not isinstance(d, int) for d in meta.shape):
                    raise refuse(f"the input `{fx.name}` has dynamic sizes; shapes are fixed by the example")
                value = emitter.graph.input(emitter.name(fx.name), _dtype(meta), list(meta.shape))
                given.append(emitter.remember(value, meta))
                feeds.append(leaf)
            else:
                given.append(meta if meta is not None else getattr(spec.arg, "value", None))
            leaf += 1
        else:
            raise refuse(f"the input `{fx.name}` of kind {spec.kind} is not built")
    for spec in program.graph_signature.output_specs:
        if spec.kind != torch.export.graph_signature.OutputKind.USER_OUTPUT:
            raise refuse(f"the module changes `{spec.target}` in its forward, which is not built")
    with torch.no_grad():
        results = emitter.walk(program.graph, program.graph_module, given)
    return emitter, list(results), feeds


def _dtype(t: torch.Tensor) -> str:
    from ._emitter import dtype_name
    return dtype_name(t.dtype)


class CompiledModule:
    """A module compiled for the shapes of its example. Called with other shapes it is exported again, and up to
    `plans_max` of them are kept. Its weights are those of the module,
        read where they lie: after changing them in place,
    compile again."""

    def __init__(self, module: torch.nn.Module, args: tuple, kwargs: dict, options: dict[str, Any]):
        if any(p.device.type != "cpu" for p in module.parameters()):
            raise _abi.InvalidArgument("an argument does not fit", "G1052",
                "the module's parameters are not on the CPU")
        self.module, self._options, self._most = module, options, options.pop("plans_max", 8) or 8
        self._parts: OrderedDict[tuple, _Part] = OrderedDict()
        self._part(args, kwargs)

    def _part(self, args: tuple, kwargs: dict) -> tuple[_Part, list]:
        leaves, spec = pytree.tree_flatten((args, kwargs))
        key = (spec,) + tuple((tuple(x.shape), x.dtype) if isinstance(x, torch.Tensor) else (type(x),
            x) for x in leaves)
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = _Part(_export(self.module, args, kwargs), self._options)
            while len(self._parts) > self._most:
                self._parts.popitem(last=False)
        else:
            self._parts.move_to_end(key)
        return part, leaves

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        part, leaves = self._part(args, kwargs)
        return part.run(leaves)

    @property
    def network(self) -> Network:
        """The one that ran last (its report says what became of the module)."""
        return next(reversed(self._parts.values())).network

    def report(self, as_json: bool = False) -> Any:
        return self.network.report(as_json)


def compile(module: torch.nn.Module, example_args: Sequence[Any] = (), example_kwargs: dict[str, Any] | None = None,
            **options: Any) -> CompiledModule:
    """Exports the module with torch.export for these arguments, and compiles what comes of it.

    The result is called as the module is, and gives what it gives. Options are Network's (threads, memory_limit, isa,
    level, plain, plans_max). The module should be in eval mode. What has no handler is refused by name."""
    args = (example_args,) if isinstance(example_args, torch.Tensor) else tuple(example_args)
    return CompiledModule(module, args, dict(example_kwargs or {}), options)
