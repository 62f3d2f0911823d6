"""What the handlers of ATen operators are written with, and the walk over an exported program.

A handler is called with the operator's own arguments, where a tensor that inputs decide is a Value and one that they do
not is a torch.Tensor:

    @handles("aten.silu.default")
    def silu(e, x):
        return e.node("silu", x)

Operators whose tensors are all known are evaluated by PyTorch at once: masks, positions and shapes computed from
constants vanish here. What has no handler is refused by name.
"""

from __future__ import annotations

import operator
from typing import Any, Callable, Sequence

import torch

from .. import _abi
from .._graph import Graph, Value

DTYPES = {
    torch.float32: "f32", torch.float64: "f64", torch.float16: "f16", torch.bfloat16: "bf16", torch.int8: "i8",
    torch.int16: "i16", torch.int32: "i32", torch.int64: "i64", torch.uint8: "u8", torch.bool: "bool",
}

_HANDLERS: dict[str, Callable] = {}


def handles(*names: str):
    """Registers a handler for these operators ("aten.add.Tensor"; the library of a custom one before its name)."""
    def register(function: Callable) -> Callable:
        for name in names:
            _HANDLERS[name] = function
        return function
    return register


def registered() -> list[str]:
    """The names of all operators that have a handler."""
    return sorted(_HANDLERS)


def refuse(text: str) -> _abi.NotImplementedByGlia:
    return _abi.NotImplementedByGlia("not built", "G1056", text)


def dtype_name(t: torch.dtype) -> str:
    if t not in DTYPES:
        raise refuse(f"tensors of {t} are not built")
    return DTYPES[t]


class Emitter:
    """A graph in the making, and the node at hand: `out` is PyTorch's description of its result."""

    def __init__(self, ops: Sequence[Any] = ()) -> None:
        self.graph = Graph(ops=ops)
        self.fx: torch.fx.Node | None = None
        self.out: Any = None
        self._metas: dict[int, torch.Tensor] = {}
        self._weights: dict[tuple, Value] = {}
        self.names: dict[int, str] = {}  # of parameters and buffers, by the tensor's id
        self._taken: set[str] = set()
        self._kept: list[torch.Tensor] = []
        self._expanded: dict[int, Value] = {}  # what a value is an expansion of
        self._repeated: dict[int, Value] = {}

    # ---- values

    def name(self, wanted: str) -> str:
        name, n = wanted, 1
        while name in self._taken:
            n += 1
            name = f"{wanted}.{n}"
        self._taken.add(name)
        return name

    def meta(self, x: Any):
        """What PyTorch knows of x: a tensor, or the number itself."""
        return self._metas[x.id] if isinstance(x, Value) else x

    def shape(self, x: Any) -> tuple[int, ...]:
        return tuple(x.dims) if isinstance(x, Value) else tuple(x.shape)

    def remember(self, value: Value, meta: torch.Tensor) -> Value:
        self._metas[value.id] = meta
        return value

    def tensor(self, t: torch.Tensor, role: str = "") -> Value:
        """A tensor that is known, read where it lies; a small one that was computed is copied into the graph. Where a
        table of embeddings is also a product's weight, each role is a weight of its own over the same memory, so that
        the product's may be packed."""
        t = t.detach()
        key = (t.data_ptr(), tuple(t.shape), t.stride(), t.dtype, role)
        if key in self._weights and t.numel():
            return self._weights[key]
        wanted = self.names.get(t.data_ptr())
        dense = t.contiguous()
        dtype = dtype_name(dense.dtype)
        if wanted is None and dense.numel() * dense.element_size() <= 4096:
            bits = dense if dense.dtype != torch.bfloat16 else dense.view(torch.uint16)
            value = self._constant(dtype, dense.shape, bits.numpy())
        else:
            value = self.graph.weight_at(self.name((wanted or "constant") + role), dtype, dense.shape, dense.data_ptr(),
                (dense, t))
        self._weights[key] = self.remember(value, t)
        self._kept.append(t)  # so that its address means it alone
        return value

    def _constant(self, dtype: str, shape, array) -> Value:
        from .. import _dtype
        return self.graph.constant(array.view(_dtype.NUMPY[dtype]).reshape(tuple(shape)), self.name("const"), dtype)

    def value(self, x: Any, dtype: torch.dtype | None = None) -> Value:
        """x as a value of this dtype; numbers need one."""
        if not isinstance(x, Value):
            if not isinstance(x, torch.Tensor):
                x = torch.tensor(x, dtype=dtype)
            elif dtype is not None and x.dtype != dtype:
                x = x.to(dtype)
            return self.tensor(x)
        return x if dtype is None else self.cast(x, dtype)

    def cast(self, x: Value, dtype: torch.dtype) -> Value:
        to = dtype_name(dtype)
        if x.dtype == to:
            return x
        if to == "bool":  # whatever is not 0, which a cut towards zero would lose
            return self.node("ne", x, self.value(0, self.torch_dtype(x)))
        return self.node("cast", x, to=to)

    def torch_dtype(self, x: Value) -> torch.dtype:
        return next(t for t, n in DTYPES.items() if n == x.dtype)

    # ---- nodes

    def node(self, op: str, *inputs: Any, **attrs: Any):
        made = self.graph.node(op, *(self.value(x) if x is not None else None for x in inputs), **attrs)
        for v in made if isinstance(made, tuple) else (made,):
            self.remember(v, torch.empty(v.dims, dtype=next(t for t, n in DTYPES.items() if n == v.dtype),
                device="meta"))
        return made

    def reshape(self, x: Value, dims) -> Value:
        dims = [int(d) for d in dims]
        if list(x.dims) == dims:
            return x
        y = self.node("reshape", x, dims=dims)
        if x.id in self._expanded:  # [b, g, 1, s, d] to [b, g, n, s, d] to [b, g n, s, d]
            of, n = self._expanded[x.id], x.dims
            if of.rank == 5 and of.dims == (n[0], n[1], 1, *n[3:]) and dims == [n[0], n[1] * n[2], *n[3:]]:
                self._repeated[y.id] = of
        return y

    def permute(self, x: Value, perm) -> Value:
        perm = [p % x.rank for p in perm]
        return x if perm == list(range(x.rank)) else self.node("transpose", x, perm=perm)

    def expand(self, x: Value, dims) -> Value:
        dims = [int(d) for d in dims]
        if list(x.dims) == dims:
            return x
        y = self.node("expand", x, dims=dims)
        self._expanded[y.id] = x
        return y

    def groups(self, x: Value) -> Value:
        """The heads [b, g, s, d] that x [b, h, s, d] repeats, where it was made so; else x."""
        of = self._repeated.get(x.id)
        return x if of is None else self.reshape(of, [of.dims[0], of.dims[1], *of.dims[3:]])

    def slice(self, x: Value, axis: int, begin: int, end: int, step: int = 1) -> Value:
        axis %= max(x.rank, 1)
        dims = list(x.dims)
        dims[axis] = max(0, -(-(end - begin) // step))
        if dims == list(x.dims):
            return x
        begins, steps = [0] * x.rank, [1] * x.rank
        begins[axis], steps[axis] = begin, step
        return self.node("slice", x, begin=begins, dims=dims, step=steps)

    def guarded(self, ids: Any, size: int, negative: bool = False) -> Value:
        """Indices that are checked before they are used; where they may count from the end, made plain."""
        if not isinstance(ids, Value):
            return self.tensor(ids + size * (ids < 0) if negative else ids)
        ids = self.node("guard_range", ids, max=size, min=-size if negative else 0)
        if not negative:
            return ids
        zero, n = self.value(0, self.torch_dtype(ids)), self.value(size, self.torch_dtype(ids))
        return self.node("where", self.node("lt", ids, zero), self.node("add", ids, n), ids)

    # ---- the walk

    def _argument(self, a: Any, env: dict):
        if isinstance(a, torch.fx.Node):
            return env[a]
        if isinstance(a, (list, tuple)):
            return type(a)(self._argument(x, env) for x in a) if not isinstance(a, torch.Size) else list(a)
        if isinstance(a, dict):
            return {k: self._argument(v, env) for k, v in a.items()}
        if isinstance(a, slice):
            return slice(*(self._argument(x, env) for x in (a.start, a.stop, a.step)))
        return a

    def call(self, fx: torch.fx.Node, env: dict):
        """The result of one node."""
        args, kwargs = self._argument(fx.args, env), self._argument(fx.kwargs, env)
        target = fx.target
        if target is operator.getitem:
            return args[0][args[1]]
        name = str(target)
        if name.startswith(("aten._assert", "aten.sym_constrain", "_guards")):
            return None
        if isinstance(target, torch._ops.HigherOrderOperator):
            return self._higher(fx, target, args)
        symbolic = _find(lambda x: isinstance(x, (torch.SymInt, torch.SymFloat, torch.SymBool)), (args, kwargs))
        if symbolic:
            raise refuse(f"`{fx.name}` ({name}) has a size that data decide; shapes are fixed by the example")
        if not _find(lambda x: isinstance(x, Value), (args, kwargs)):
            if torch.Tag.nondeterministic_seeded in getattr(target, "tags", ()):
                raise refuse(f"`{fx.name}` ({name}) draws random numbers")
            return target(*args, **kwargs)
        handler = _HANDLERS.get(name) or _HANDLERS.get(name.rsplit(".", 1)[0])
        if handler is None:
            raise refuse(f"`{fx.name}` ({name}) has no handler; {_place(fx)}")
        self.fx, self.out = fx, fx.meta.get("val")
        try:
            made = handler(self, *args, **kwargs)
        except _abi.GliaError as error:
            raise type(error)(error.status, error.code,
                f"at `{fx.name}` ({name}), {_place(fx)}: {error.text}") from None
        self._check(fx, name, made)
        return made

    def _check(self, fx: torch.fx.Node, name: str, made: Any) -> None:
        """A handler that gives another type than PyTorch would is a defect that must not pass."""
        wants = self.out if isinstance(self.out, (list, tuple)) else [self.out]
        for want, have in zip(wants, made if isinstance(made, (list, tuple)) else [made]):
            if isinstance(have, Value) and isinstance(want, torch.Tensor):
                if tuple(want.shape) != tuple(have.dims) or DTYPES.get(want.dtype) != have.dtype:
                    raise _abi.GliaError("internal", "G1057",
                        f"the handler of {name} gave {have.dtype}{list(have.dims)} "
                                         f"for `{fx.name}`; PyTorch gives {want.dtype} {list(want.shape)}")
                self.remember(have, want)

    def _higher(self, fx: torch.fx.Node, target: Any, args: Any):
        """Blocks that only set modes are walked through; control flow over data is refused."""
        inner = {"wrap_with_set_grad_enabled": 2, "wrap_with_autocast": 5}
        if target.name() in inner:
            module = next((a for a in args if isinstance(a, torch.fx.GraphModule)), None)
            at = next(i for i, a in enumerate(args) if a is module)
            return self.walk(module.graph, module, list(args[at + 1:]))
        raise refuse(f"`{fx.name}`: the higher-order operator {target.name()} is not built")

    def walk(self, graph: torch.fx.Graph, module: torch.nn.Module, inputs: list):
        """The results of a graph for the values of its placeholders."""
        env: dict[torch.fx.Node, Any] = {}
        given = iter(inputs)
        last = {n: user for user in graph.nodes for n in user.all_input_nodes}  # results are dropped after their use
        for fx in graph.nodes:
            if fx.op == "placeholder":
                env[fx] = next(given)
            elif fx.op == "get_attr":
                env[fx] = operator.attrgetter(fx.target)(module)
            elif fx.op == "call_function":
                env[fx] = self.call(fx, env)
            elif fx.op == "output":
                return self._argument(fx.args[0], env)
            for n in fx.all_input_nodes:
                if last.get(n) is fx:
                    env.pop(n, None)
        return None


def _find(test: Callable[[Any], bool], x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return any(_find(test, y) for y in x)
    if isinstance(x, dict):
        return any(_find(test, y) for y in x.values())
    return test(x)


def _place(fx: torch.fx.Node) -> str:
    modules = fx.meta.get("nn_module_stack")
    return f"in module `{list(modules.values())[-1][0]}`" if modules else "in the module's own forward"
