"""Handlers of ATen operators, by family. Each gives the type that PyTorch does; the emitter checks that."""

from __future__ import annotations

import math
from typing import Any

import torch

from .._graph import Value
from ._emitter import Emitter, handles, refuse

# ---- element by element -----------------------------------------------------------------------------------------


def _out(e: Emitter) -> torch.dtype:
    return e.out.dtype


def _unary(names: str, op: str) -> None:
    @handles(*(f"aten.{n}.default" for n in names.split()))
    def unary(e, x, op=op):
        return e.node(op, e.cast(x, _out(e)))


for _names, _op in {
    "neg": "neg", "abs": "abs", "exp": "exp", "log": "log", "sqrt": "sqrt", "rsqrt": "rsqrt",
        "reciprocal": "reciprocal",
    "sin": "sin", "cos": "cos", "tan": "tan", "asin arcsin": "asin", "acos arccos": "acos", "atan arctan": "atan",
    "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "asinh": "asinh", "acosh": "acosh", "atanh": "atanh", "erf": "erf",
    "sigmoid": "sigmoid", "relu": "relu", "floor": "floor", "ceil": "ceil", "round": "round", "sign sgn": "sign",
    "silu": "silu", "logical_not": "not",
}.items():
    _unary(_names, _op)


@handles("aten.bitwise_not.default")
def bitwise_not(e, x):
    return e.node("not" if x.dtype == "bool" else "bit_not", x)


def _common(e: Emitter, *xs: Any) -> list[Value]:
    """All in the dtype that PyTorch promotes them to."""
    dtype = e.meta(xs[0]).dtype if isinstance(xs[0], (Value, torch.Tensor)) else None
    for x in xs[1:]:
        dtype = torch.result_type(e.meta(xs[0]), e.meta(x)) if dtype else e.meta(x).dtype
    return [e.value(x, dtype) for x in xs]


def _binary(names: str, op: str) -> None:
    @handles(*names.split())
    def binary(e, a, b, op=op):
        return e.node(op, e.value(a, _out(e)), e.value(b, _out(e)))


_binary("aten.mul.Tensor aten.mul.Scalar", "mul")
_binary("aten.minimum.default", "min")
_binary("aten.maximum.default", "max")
_binary("aten.fmod.Tensor aten.fmod.Scalar", "rem")
_binary("aten.remainder.Tensor aten.remainder.Scalar", "mod")
_binary("aten.__lshift__.Scalar aten.__lshift__.Tensor aten.bitwise_left_shift.Tensor", "shift_left")


@handles("aten.add.Tensor", "aten.add.Scalar", "aten.sub.Tensor", "aten.sub.Scalar")
def add(e, a, b, alpha=1):
    op = "add" if ".add" in str(e.fx.target) else "sub"
    b = e.value(b, _out(e))
    if alpha != 1:
        b = e.node("mul", b, e.value(alpha, _out(e)))
    if _out(e) == torch.bool:
        return e.node("or", e.value(a, torch.bool), b)
    return e.node(op, e.value(a, _out(e)), b)


@handles("aten.rsub.Scalar", "aten.rsub.Tensor")
def rsub(e, a, b, alpha=1):
    a = e.value(a, _out(e))
    if alpha != 1:
        a = e.node("mul", a, e.value(alpha, _out(e)))
    return e.node("sub", e.value(b, _out(e)), a)


def _towards_zero(e: Emitter, y: Value) -> Value:
    return e.node("mul", e.node("floor", e.node("abs", y)), e.node("sign", y))


@handles("aten.trunc.default", "aten.fix.default")
def trunc(e, x):
    return _towards_zero(e, x)


@handles("aten.div.Tensor", "aten.div.Scalar", "aten.true_divide.Tensor", "aten.div.Tensor_mode",
    "aten.div.Scalar_mode",
         "aten.floor_divide.default")
def div(e, a, b, rounding_mode=None):
    if "floor_divide" in str(e.fx.target):
        rounding_mode = "floor"
    a, b = e.value(a, _out(e)), e.value(b, _out(e))
    y = e.node("div", a, b)
    if rounding_mode is None or (not _out(e).is_floating_point and rounding_mode == "trunc"):
        return y
    if rounding_mode == "trunc":
        return _towards_zero(e, y)
    if _out(e).is_floating_point:
        # floor((a - mod(a, b)) / b), as rounding a / b first may land on the next integer.
        return e.node("round", e.node("div", e.node("sub", a, e.node("mod", a, b)), b))
    return e.node("div", e.node("sub", a, e.node("mod", a, b)), b)


@handles("aten.pow.Tensor_Scalar", "aten.pow.Tensor_Tensor", "aten.pow.Scalar")
def power(e, a, b):
    if isinstance(b, (int, float)) and isinstance(a, Value):
        x = e.value(a, _out(e))
        plain = {1: lambda: x, 2: lambda: e.node("mul", x, x), 3: lambda: e.node("mul", e.node("mul", x, x), x)}
        if _out(e).is_floating_point:
            plain.update({0.5: lambda: e.node("sqrt", x), -0.5: lambda: e.node("rsqrt", x),
                          -1: lambda: e.node("reciprocal", x)})
        if b in plain:
            return plain[b]()
    if not _out(e).is_floating_point:
        raise refuse("powers of integers beyond 3 are not built")
    return e.node("pow", e.value(a, _out(e)), e.value(b, _out(e)))


@handles("aten.square.default")
def square(e, x):
    return e.node("mul", x, x)


def _compare(name: str) -> None:
    @handles(*(f"aten.{name}.{k}" for k in ("Tensor", "Scalar")))
    def compare(e, a, b, op=name):
        return e.node(op, *_common(e, a, b))


for _op in ("eq", "ne", "lt", "le", "gt", "ge"):
    _compare(_op)


def _logical(names: str, op: str, bits: str | None) -> None:
    @handles(*names.split())
    def logical(e, a, b, op=op, bits=bits):
        if bits and _out(e) != torch.bool:
            return e.node(bits, e.value(a, _out(e)), e.value(b, _out(e)))
        return e.node(op, e.value(a, torch.bool), e.value(b, torch.bool))


_logical("aten.logical_and.default", "and", None)
_logical("aten.logical_or.default", "or", None)
_logical("aten.logical_xor.default", "xor", None)
for _n in ("and", "or", "xor"):
    _logical(f"aten.bitwise_{_n}.Tensor aten.bitwise_{_n}.Scalar aten.__{_n}__.Tensor aten.__{_n}__.Scalar", _n,
             f"bit_{_n}")


@handles("aten.where.self", "aten.where.ScalarOther", "aten.where.ScalarSelf", "aten.where.Scalar")
def where(e, c, a, b):
    return e.node("where", e.value(c, torch.bool), e.value(a, _out(e)), e.value(b, _out(e)))


@handles("aten.masked_fill.Scalar", "aten.masked_fill.Tensor")
def masked_fill(e, x, mask, value):
    y = e.node("where", e.value(mask, torch.bool), e.value(value, _out(e)), e.value(x, _out(e)))
    return e.expand(y, e.out.shape)


@handles("aten.clamp.default", "aten.clamp.Tensor", "aten.clamp_min.default", "aten.clamp_max.default",
         "aten.clamp_min.Tensor", "aten.clamp_max.Tensor", "aten.clip.default", "aten.hardtanh.default")
def clamp(e, x, low=None, high=None):
    name = str(e.fx.target)
    if "clamp_max" in name:
        low, high = None, low
    if "hardtanh" in name:
        low, high = -1 if low is None else low, 1 if high is None else high
    x = e.value(x, _out(e))
    if low is not None:
        x = e.node("max", x, e.value(low, _out(e)))
    if high is not None:
        x = e.node("min", x, e.value(high, _out(e)))
    return x


@handles("aten.relu6.default")
def relu6(e, x):
    return e.node("clip", x, min=0, max=6)


def _hard_sigmoid(e: Emitter, x: Value) -> Value:
    return e.node("mul", e.node("clip", e.node("add", x, e.value(3.0, _out(e))), min=0, max=6),
                  e.value(1.0 / 6.0, _out(e)))


@handles("aten.hardsigmoid.default")
def hardsigmoid(e, x):
    return _hard_sigmoid(e, x)


@handles("aten.hardswish.default")
def hardswish(e, x):
    return e.node("mul", x, _hard_sigmoid(e, x))


@handles("aten.gelu.default")
def gelu(e, x, approximate="none"):
    return e.node("gelu" if approximate == "tanh" else "gelu_erf", x)


@handles("aten.leaky_relu.default")
def leaky_relu(e, x, slope=0.01):
    return e.node("leaky_relu", x, alpha=slope)


@handles("aten.elu.default", "aten.celu.default")
def elu(e, x, alpha=1.0, scale=1.0, input_scale=1.0):
    if scale != 1 or input_scale != 1 or "celu" in str(e.fx.target) and alpha != 1:
        raise refuse("this form of elu is not built")
    return e.node("elu", x, alpha=alpha)


@handles("aten.selu.default")
def selu(e, x):
    return e.node("mul", e.node("elu", x, alpha=1.6732632423543772), e.value(1.0507009873554805, _out(e)))


@handles("aten.softplus.default")
def softplus(e, x, beta=1, threshold=20):
    if beta == 1:
        return e.node("softplus", x)
    return e.node("mul", e.node("softplus", e.node("mul", x, e.value(beta, _out(e)))), e.value(1 / beta, _out(e)))


@handles("aten.mish.default")
def mish(e, x):
    return e.node("mul", x, e.node("tanh", e.node("softplus", x)))


@handles("aten.log_sigmoid_forward.default", "aten.log_sigmoid.default")
def log_sigmoid(e, x):
    y = e.node("neg", e.node("softplus", e.node("neg", x)))
    return (y, None) if "forward" in str(e.fx.target) else y


@handles("aten._prelu_kernel.default", "aten.prelu.default")
def prelu(e, x, w):
    w = e.value(w)
    if w.rank == 1 and x.rank > 1:
        w = e.reshape(w, [1, -1 if w.dims[0] == 0 else w.dims[0]] + [1] * (x.rank - 2))
    zero = e.value(0.0, _out(e))
    return e.node("where", e.node("gt", x, zero), x, e.node("mul", x, w))


@handles("aten.glu.default")
def glu(e, x, dim=-1):
    n = x.dims[dim] // 2
    return e.node("mul", e.slice(x, dim, 0, n), e.node("sigmoid", e.slice(x, dim, n, 2 * n)))


@handles("aten.log2.default", "aten.log10.default")
def log_base(e, x):
    base = 2 if "log2" in str(e.fx.target) else 10
    return e.node("mul", e.node("log", e.cast(x, _out(e))), e.value(1 / math.log(base), _out(e)))


@handles("aten.log1p.default")
def log1p(e, x):
    return e.node("log", e.node("add", e.cast(x, _out(e)), e.value(1.0, _out(e))))


@handles("aten.exp2.default")
def exp2(e, x):
    return e.node("exp", e.node("mul", e.cast(x, _out(e)), e.value(math.log(2), _out(e))))


@handles("aten.expm1.default")
def expm1(e, x):
    return e.node("sub", e.node("exp", e.cast(x, _out(e))), e.value(1.0, _out(e)))


@handles("aten.frac.default")
def frac(e, x):
    return e.node("sub", x, _towards_zero(e, x))


@handles("aten.isnan.default")
def isnan(e, x):
    return e.node("ne", x, x)


@handles("aten.isinf.default")
def isinf(e, x):
    return e.node("eq", e.node("abs", x), e.value(math.inf, e.meta(x).dtype))


@handles("aten.lerp.Scalar", "aten.lerp.Tensor")
def lerp(e, a, b, weight):
    a, b = e.value(a, _out(e)), e.value(b, _out(e))
    return e.node("add", a, e.node("mul", e.node("sub", b, a), e.value(weight, _out(e))))


@handles("aten.addcmul.default", "aten.addcdiv.default")
def addc(e, x, a, b, value=1):
    y = e.node("mul" if "mul" in str(e.fx.target) else "div", e.value(a), e.value(b))
    if value != 1:
        y = e.node("mul", y, e.value(value, _out(e)))
    return e.node("add", e.value(x), y)


# ---- what changes nothing ---------------------------------------------------------------------------------------


@handles("aten.clone.default", "aten.contiguous.default", "aten.detach.default", "aten.alias.default",
         "aten.lift_fresh_copy.default", "aten.dropout.default", "aten.native_dropout.default",
         "aten.feature_dropout.default", "aten.positive.default", "aten.resolve_conj.default")
def same(e, x, *rest, **options):
    name = str(e.fx.target)
    if "dropout" in name:
        p, train = (list(rest) + [options.get("p"), options.get("train")])[:2]
        if train and p:
            raise refuse("dropout in training draws random numbers: call eval() on the module")
        return (x, None) if "native" in name else x
    return x


@handles("aten._to_copy.default", "aten.to.dtype", "aten.to.dtype_layout", "aten.to.device", "aten.to.other",
         "aten.type_as.default", "prims.convert_element_type.default", "aten.float.default")
def to(e, x, *rest, **options):
    return e.cast(x, _out(e))


@handles("aten.copy.default")
def copy(e, x, source, non_blocking=False):
    return e.expand(e.value(source, _out(e)), e.out.shape)


@handles("aten.fill.Tensor")
def fill(e, x, value):
    return e.expand(e.value(value, _out(e)), e.out.shape)


@handles("aten.zeros_like.default", "aten.new_zeros.default", "aten.ones_like.default", "aten.new_ones.default",
         "aten.full_like.default", "aten.new_full.default", "aten.fill.Scalar", "aten.empty_like.default",
         "aten.new_empty.default", "aten.zero.default")
def filled(e, x, *rest, **options):
    name = str(e.fx.target)
    number = 1 if "ones" in name else rest[-1] if "full" in name or "fill" in name else 0
    if "full" in name:
        number = options.get("fill_value", number)
    return torch.full(e.out.shape, number, dtype=_out(e))


# ---- shapes -----------------------------------------------------------------------------------------------------


@handles("aten.view.default", "aten.reshape.default", "aten._unsafe_view.default", "aten.flatten.using_ints",
         "aten.unflatten.int", "aten.squeeze.default", "aten.squeeze.dim", "aten.squeeze.dims",
             "aten.unsqueeze.default",
         "aten.view_as.default", "aten.reshape_as.default", "aten.atleast_1d.default", "aten._reshape_alias.default")
def reshape(e, x, *rest, **options):
    return e.reshape(x, e.out.shape)


@handles("aten.expand.default", "aten.expand_as.default", "aten.broadcast_to.default")
def expand(e, x, *rest, **options):
    return e.expand(x, e.out.shape)


@handles("aten.permute.default")
def permute(e, x, dims):
    return e.permute(x, dims)


@handles("aten.transpose.int", "aten.swapaxes.default", "aten.swapdims.default")
def transpose(e, x, a, b):
    perm = list(range(x.rank))
    if perm:
        perm[a], perm[b] = perm[b], perm[a]
    return e.permute(x, perm)


@handles("aten.t.default", "aten.numpy_T.default", "aten.mT.default")
def t(e, x):
    if x.rank < 2:
        return x
    return e.permute(x, list(range(x.rank - 2)) + [x.rank - 1, x.rank - 2])


@handles("aten.movedim.intlist", "aten.movedim.int")
def movedim(e, x, source, to):
    source, to = ([source], [to]) if isinstance(source, int) else (source, to)
    source, to = [s % x.rank for s in source], [d % x.rank for d in to]
    perm: list[int | None] = [None] * x.rank
    for s, d in zip(source, to):
        perm[d] = s
    rest = iter(i for i in range(x.rank) if i not in source)
    return e.permute(x, [p if p is not None else next(rest) for p in perm])


def _range(size: int, begin: int | None, end: int | None) -> tuple[int, int]:
    begin, end = begin or 0, size if end is None else end
    begin, end = begin + size * (begin < 0), end + size * (end < 0)
    begin = min(max(begin, 0), size)
    return begin, min(max(end, begin), size)


@handles("aten.slice.Tensor")
def slice_(e, x, dim=0, start=None, end=None, step=1):
    return e.slice(x, dim, *_range(x.dims[dim], start, end), step)


@handles("aten.narrow.default")
def narrow(e, x, dim, start, length):
    start += x.dims[dim] * (start < 0)
    return e.slice(x, dim, start, start + length)


@handles("aten.select.int")
def select(e, x, dim, index):
    index += x.dims[dim] * (index < 0)
    return e.reshape(e.slice(x, dim, index, index + 1), e.out.shape)


@handles("aten.split.Tensor", "aten.chunk.default", "aten.split.default", "aten.split_with_sizes.default",
         "aten.split.sizes", "aten.tensor_split.sections", "aten.unsafe_split.Tensor", "aten.unsafe_chunk.default")
def split(e, x, how, dim=0):
    parts, at = [], 0
    for want in e.out:
        parts.append(e.slice(x, dim, at, at + want.shape[dim]))
        at += want.shape[dim]
    return tuple(parts)


@handles("aten.unbind.int")
def unbind(e, x, dim=0):
    dims = [d for i, d in enumerate(x.dims) if i != dim % x.rank]
    return tuple(e.reshape(e.slice(x, dim, i, i + 1), dims) for i in range(x.dims[dim]))


@handles("aten.cat.default", "aten.concat.default")
def cat(e, xs, dim=0):
    parts = [e.value(x, _out(e)) for x in xs if tuple(e.shape(x)) != (0,)]
    return parts[0] if len(parts) == 1 else e.node("concat", *parts, axis=dim % parts[0].rank)


@handles("aten.stack.default")
def stack(e, xs, dim=0):
    dims = list(e.out.shape)
    dims[dim] = 1
    return e.node("concat", *(e.reshape(e.value(x, _out(e)), dims) for x in xs), axis=dim % len(dims))


@handles("aten.repeat.default", "aten.tile.default")
def repeat(e, x, times):
    times = [1] * (x.rank - len(times)) + list(times)
    dims = [1] * (len(times) - x.rank) + list(x.dims)
    apart = [n for d, k in zip(dims, times) for n in (1, d)]
    return e.reshape(e.expand(e.reshape(x, apart) if len(apart) <= 8 else _refuse_rank(apart),
                              [n for d, k in zip(dims, times) for n in (k, d)]), e.out.shape)


def _refuse_rank(dims):
    raise refuse(f"this needs a tensor of rank {len(dims)}; 8 is the most")


@handles("aten.repeat_interleave.self_int")
def repeat_interleave(e, x, times, dim=None, output_size=None):
    if dim is None:
        x, dim = e.reshape(x, [math.prod(x.dims)]), 0
    dim %= x.rank
    wide = list(x.dims[:dim + 1]) + [1] + list(x.dims[dim + 1:])
    to = list(wide)
    to[dim + 1] = times
    return e.reshape(e.expand(e.reshape(x, wide), to), e.out.shape)


@handles("aten.flip.default")
def flip(e, x, dims):
    for d in dims:
        x = e.node("flip", x, axis=d % x.rank)
    return x


@handles("aten.roll.default")
def roll(e, x, shifts, dims=()):
    shape = x.dims
    if not dims:
        x, dims = e.reshape(x, [math.prod(shape)]), [0]
    for shift, d in zip(shifts, dims):
        n = x.dims[d]
        k = shift % n if n else 0
        if k:
            x = e.node("concat", e.slice(x, d, n - k, n), e.slice(x, d, 0, n - k), axis=d % x.rank)
    return e.reshape(x, shape)


@handles("aten.constant_pad_nd.default", "aten.pad.default")
def pad(e, x, pads, mode="constant", value=None):
    if isinstance(mode, (int, float)):
        mode, value = "constant", mode
    before, after = [0] * x.rank, [0] * x.rank
    for i in range(len(pads) // 2):
        before[-1 - i], after[-1 - i] = pads[2 * i], pads[2 * i + 1]
    if mode != "constant":
        return _pad_by(e, x, before, after, mode)
    for axis in range(x.rank):  # a negative one cuts
        n = x.dims[axis]
        x = e.slice(x, axis, max(-before[axis], 0), n - max(-after[axis], 0))
    before = [max(b, 0) for b in before]
    if list(x.dims) == list(e.out.shape):
        return x
    if x.dtype == "bool":
        return e.cast(e.node("pad", e.cast(x, torch.uint8), before=before, dims=list(e.out.shape),
            value=float(value or 0)),
                      torch.bool)
    return e.node("pad", x, before=before, dims=list(e.out.shape), value=float(value or 0))


@handles("aten.reflection_pad1d.default", "aten.reflection_pad2d.default", "aten.replication_pad1d.default",
         "aten.replication_pad2d.default")
def pad_mode(e, x, pads):
    before, after = [0] * x.rank, [0] * x.rank
    for i in range(len(pads) // 2):
        before[-1 - i], after[-1 - i] = pads[2 * i], pads[2 * i + 1]
    return _pad_by(e, x, before, after, "reflect" if "reflection" in str(e.fx.target) else "replicate")


def _pad_by(e: Emitter, x: Value, before, after, mode: str) -> Value:
    for axis, n in enumerate(x.dims):
        if not before[axis] and not after[axis]:
            continue
        at = torch.arange(-before[axis], n + after[axis])
        if mode == "reflect":
            at = at.abs()
            at = torch.where(at >= n, 2 * (n - 1) - at, at)
        elif mode in ("replicate", "circular"):
            at = at.clamp(0, n - 1) if mode == "replicate" else at % n
        else:
            raise refuse(f"padding of mode {mode} is not built")
        x = e.node("gather", x, at, axis=axis)
    return x


@handles("aten.slice_scatter.default", "aten.select_scatter.default")
def scatter_part(e, x, part, dim=0, start=None, end=None, step=1):
    n, x, part = e.shape(x)[dim], e.value(x, _out(e)), e.value(part, _out(e))
    if "select" in str(e.fx.target):
        start += n * (start < 0)
        end = start + 1
        part = e.reshape(part, [1 if i == dim % x.rank else d for i, d in enumerate(x.dims)])
    begin, end = _range(n, start, end)
    if step != 1:
        raise refuse("writing a slice with steps is not built")
    parts = [e.slice(x, dim, 0, begin), part, e.slice(x, dim, end, n)]
    parts = [p for p in parts if p.dims[dim]]
    return parts[0] if len(parts) == 1 else e.node("concat", *parts, axis=dim % x.rank)


@handles("aten.pixel_shuffle.default")
def pixel_shuffle(e, x, r):
    *lead, c, h, w = x.dims
    k = len(lead)
    y = e.reshape(x, [*lead, c // (r * r), r, r, h, w])
    return e.reshape(e.permute(y, [*range(k), k, k + 3, k + 1, k + 4, k + 2]), e.out.shape)


@handles("aten.pixel_unshuffle.default")
def pixel_unshuffle(e, x, r):
    *lead, c, h, w = x.dims
    k = len(lead)
    y = e.reshape(x, [*lead, c, h // r, r, w // r, r])
    return e.reshape(e.permute(y, [*range(k), k, k + 2, k + 4, k + 1, k + 3]), e.out.shape)


@handles("aten.channel_shuffle.default")
def channel_shuffle(e, x, groups):
    n, c, *rest = x.dims
    y = e.reshape(x, [n, groups, c // groups, *rest])
    return e.reshape(e.permute(y, [0, 2, 1, *range(3, 3 + len(rest))]), e.out.shape)


@handles("aten.tril.default", "aten.triu.default")
def triangle(e, x, diagonal=0):
    m, n = x.dims[-2:]
    keep = torch.ones(m, n, dtype=torch.bool)
    keep = keep.tril(diagonal) if "tril" in str(e.fx.target) else keep.triu(diagonal)
    return e.node("where", keep, x, e.value(0, _out(e))) if x.dtype != "bool" else e.node("and", x, keep)


@handles("aten.diff.default")
def diff(e, x, n=1, dim=-1, prepend=None, append=None):
    parts = [e.value(p, _out(e)) for p in (prepend, x, append) if p is not None]
    x = parts[0] if len(parts) == 1 else e.node("concat", *parts, axis=dim % parts[0].rank)
    for _ in range(n):
        size = x.dims[dim]
        a, b = e.slice(x, dim, 1, size), e.slice(x, dim, 0, size - 1)
        x = e.node("xor" if x.dtype == "bool" else "sub", a, b)
    return x


# ---- by index ---------------------------------------------------------------------------------------------------


@handles("aten.embedding.default")
def embedding(e, w, ids, *rest, **options):
    w = e.tensor(w, ".rows") if isinstance(w, torch.Tensor) else w
    return e.node("gather", w, e.guarded(ids, w.dims[0]), axis=0)


@handles("aten.index_select.default")
def index_select(e, x, dim, ids):
    x = e.value(x)
    return e.node("gather", x, e.guarded(ids, x.dims[dim]), axis=dim % x.rank)


@handles("aten.gather.default")
def gather(e, x, dim, ids, sparse_grad=False):
    x = e.value(x)
    dim %= max(x.rank, 1)
    ids = e.guarded(ids, x.dims[dim])
    for axis, n in enumerate(ids.dims):  # an index may be shorter than what it reads
        if axis != dim:
            x = e.slice(x, axis, 0, n)
    return e.node("gather_elements", x, ids, axis=dim)


@handles("aten.index.Tensor", "aten._unsafe_index.Tensor")
def index(e, x, ids):
    x = e.value(x)
    ids = list(ids) + [None] * (x.rank - len(ids))
    if any(i is not None and e.meta(i).dtype == torch.bool for i in ids):
        raise refuse("an index of truth values gives a size that data decide")
    used = [a for a, i in enumerate(ids) if i is not None]
    if len(used) == 1:
        axis = used[0]
        return e.node("gather", x, e.guarded(ids[axis], x.dims[axis], True), axis=axis)
    # The axes that are indexed become one, which is read at one number for each place.
    adjacent = used == list(range(used[0], used[-1] + 1))
    front = [] if not adjacent else list(range(used[0]))
    rest = [a for a in range(x.rank) if a not in used and a not in front]
    x_dims = x.dims
    y = e.permute(x, front + used + rest)
    sizes = [x_dims[a] for a in used]
    y = e.reshape(y, [x_dims[a] for a in front] + [math.prod(sizes)] + [x_dims[a] for a in rest])
    shape = torch.broadcast_shapes(*(e.shape(ids[a]) for a in used))
    if all(isinstance(ids[a], torch.Tensor) for a in used):
        flat: Any = torch.zeros(shape, dtype=torch.int64)
        for a, n in zip(used, sizes):
            flat = flat * n + (ids[a] + n * (ids[a] < 0))
    else:
        flat = None
        for a, n in zip(used, sizes):
            at = e.guarded(e.value(ids[a], torch.int64), n, True)
            flat = at if flat is None else e.node("add", e.node("mul", flat, e.value(n, torch.int64)), at)
        flat = e.expand(flat, shape)
    return e.reshape(e.node("gather", y, flat, axis=len(front)), e.out.shape)


@handles("aten.scatter.src", "aten.scatter.value", "aten.scatter_add.default", "aten.scatter.value_reduce")
def scatter(e, x, dim, ids, source, reduce=None):
    x = e.value(x, _out(e))
    dim %= x.rank
    ids = e.guarded(ids, x.dims[dim])
    source = e.value(source, _out(e))
    if source.rank == 0:
        source = e.expand(source, ids.dims)
    for axis, n in enumerate(ids.dims):
        source = e.slice(source, axis, 0, n)
    added = "scatter_add" in str(e.fx.target)
    return e.node("scatter_elements", x, ids, source, axis=dim, reduction=int(added))


# ---- reductions -------------------------------------------------------------------------------------------------


def _axes(x: Value, dim: Any) -> list[int]:
    dims = list(range(x.rank)) if dim is None or dim == [] else [dim] if isinstance(dim, int) else list(dim)
    return sorted(d % max(x.rank, 1) for d in dims) if x.rank else []


def _reduce(e: Emitter, op: str, x: Value, dim: Any = None, keepdim: bool = False) -> Value:
    axes = _axes(x, dim)
    return e.node(op, x, axes=axes, keepdims=int(keepdim)) if x.rank else x


def _reduction(names: str, op: str) -> None:
    @handles(*names.split())
    def reduction(e, x, dim=None, keepdim=False, *, dtype=None, op=op):
        return _reduce(e, op, e.cast(x, _out(e)), dim, keepdim)


_reduction("aten.sum.default aten.sum.dim_IntList", "sum")
_reduction("aten.mean.default aten.mean.dim", "mean")
_reduction("aten.amax.default", "reduce_max")
_reduction("aten.amin.default", "reduce_min")
_reduction("aten.prod.default aten.prod.dim_int", "prod")
_reduction("aten.logsumexp.default", "log_sum_exp")


@handles("aten.max.default", "aten.min.default")
def extreme(e, x):
    return _reduce(e, "reduce_max" if ".max" in str(e.fx.target) else "reduce_min", x)


@handles("aten.max.dim", "aten.min.dim")
def extreme_dim(e, x, dim, keepdim=False):
    big = ".max" in str(e.fx.target)
    return (_reduce(e, "reduce_max" if big else "reduce_min", x, dim, keepdim),
            e.cast(_reduce(e, "argmax" if big else "argmin", x, dim, keepdim), torch.int64))


@handles("aten.max.other", "aten.min.other")
def extreme_other(e, a, b):
    return e.node("max" if ".max" in str(e.fx.target) else "min", e.value(a, _out(e)), e.value(b, _out(e)))


@handles("aten.argmax.default", "aten.argmin.default")
def arg(e, x, dim=None, keepdim=False):
    op = "argmax" if "argmax" in str(e.fx.target) else "argmin"
    if dim is None:
        x, dim = e.reshape(x, [math.prod(x.dims)]), 0
    return e.reshape(e.cast(_reduce(e, op, x, dim, keepdim), torch.int64), e.out.shape)


@handles("aten.any.default", "aten.any.dim", "aten.any.dims", "aten.all.default", "aten.all.dim", "aten.all.dims")
def truth(e, x, dim=None, keepdim=False):
    y = e.cast(e.value(x, torch.bool), torch.uint8)
    return e.cast(_reduce(e, "reduce_max" if ".any" in str(e.fx.target) else "reduce_min", y, dim, keepdim), torch.bool)


def _variance(e: Emitter, x: Value, dim: Any, correction: float | None, keepdim: bool) -> tuple[Value, Value]:
    axes = _axes(x, dim)
    n = math.prod(x.dims[a] for a in axes)
    mean = e.node("mean", x, axes=axes, keepdims=1)
    total = e.node("sum_squares", e.node("sub", x, mean), axes=axes, keepdims=int(keepdim))
    correction = 1 if correction is None else correction
    return e.node("mul", total, e.value(1.0 / max(n - correction, 0) if n > correction else math.inf,
        e.torch_dtype(x))), mean


@handles("aten.var.correction", "aten.std.correction", "aten.var.dim", "aten.std.dim", "aten.var.default",
         "aten.std.default", "aten.var_mean.correction", "aten.var_mean.dim", "aten.var_mean.default")
def variance(e, x, dim=None, unbiased=None, keepdim=False, *, correction=None):
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = int(unbiased)
    y, mean = _variance(e, x, dim, correction, keepdim)
    if "var_mean" in str(e.fx.target):
        return y, e.reshape(mean, e.out[1].shape)
    return e.node("sqrt", y) if ".std" in str(e.fx.target) else y


@handles("aten.linalg_vector_norm.default", "aten.norm.ScalarOpt_dim", "aten.norm.Scalar")
def norm(e, x, order=2, dim=None, keepdim=False, dtype=None):
    x = e.cast(x, _out(e))
    if order in (2, None):
        return e.node("sqrt", _reduce(e, "sum_squares", x, dim, keepdim))
    if order == 1:
        return _reduce(e, "sum", e.node("abs", x), dim, keepdim)
    if order in (math.inf, -math.inf):
        return _reduce(e, "reduce_max" if order > 0 else "reduce_min", e.node("abs", x), dim, keepdim)
    raise refuse(f"the norm of order {order} is not built")


def _last(e: Emitter, x: Value, dim: int, op: str) -> Value:
    """An op over the last axis, over another one."""
    dim %= max(x.rank, 1)
    if x.rank == 0:
        return e.reshape(e.node(op, e.reshape(x, [1])), [])
    if dim == x.rank - 1:
        return e.node(op, x)
    perm = [a for a in range(x.rank) if a != dim] + [dim]
    back = [perm.index(a) for a in range(x.rank)]
    return e.permute(e.node(op, e.permute(x, perm)), back)


@handles("aten.softmax.int", "aten._softmax.default", "aten._safe_softmax.default", "aten.log_softmax.int",
         "aten._log_softmax.default")
def softmax(e, x, dim, *rest, **options):
    return _last(e, e.cast(x, _out(e)), dim, "log_softmax" if "log" in str(e.fx.target) else "softmax")


@handles("aten.cumsum.default", "aten.cumprod.default")
def cumulate(e, x, dim, dtype=None):
    x = e.cast(x, _out(e))
    return e.node("cumsum" if "sum" in str(e.fx.target) else "cumprod", x, axis=dim % x.rank) if x.rank else x


@handles("aten.topk.default", "aten.sort.default", "aten.sort.stable")
def topk(e, x, k=None, dim=-1, largest=True, sorted=True, stable=None, descending=None):
    if "sort" in str(e.fx.target):
        arguments = [a for a in e.fx.args[1:] if not isinstance(a, torch.fx.Node)]
        dim = arguments[0] if arguments else e.fx.kwargs.get("dim", -1)
        largest = arguments[1] if len(arguments) > 1 else e.fx.kwargs.get("descending", False)
        k = x.dims[dim]
    dim %= x.rank
    perm = [a for a in range(x.rank) if a != dim] + [dim]
    back = [perm.index(a) for a in range(x.rank)]
    values, at = e.node("top_k", e.permute(x, perm), k=k, largest=int(bool(largest)))
    return e.permute(values, back), e.permute(at, back)


# ---- products ---------------------------------------------------------------------------------------------------


def _rows(e: Emitter, w: Any) -> Value:
    """w with its last two axes swapped: as products take it. A known one costs nothing at run time."""
    if isinstance(w, torch.Tensor):
        return e.value(w.transpose(-1, -2))
    return e.permute(w, [*range(w.rank - 2), w.rank - 1, w.rank - 2])


def _linear(e: Emitter, x: Any, w: Any, bias: Any) -> Value:
    """x [.., k] by w [n, k], plus bias [n]; w in rows."""
    x, w = e.value(x), e.value(w)
    if x.dtype == "f32" and w.dtype == "f32":
        flat = e.reshape(x, [1, *x.dims]) if x.rank == 1 else x
        y = e.node("linear", flat, w, *([e.value(bias)] if bias is not None else []))
        return e.reshape(y, [*x.dims[:-1], w.dims[0]])
    flat = e.reshape(x, [math.prod(x.dims[:-1]), x.dims[-1]])
    y = e.reshape(e.node("matmul", flat, w), [*x.dims[:-1], w.dims[0]])
    return y if bias is None else e.node("add", y, e.value(bias))


@handles("aten.linear.default")
def linear(e, x, w, bias=None):
    return _linear(e, x, w, bias)


def _product(e: Emitter, a: Any, b: Any) -> Value:
    """torch.matmul for ranks of at least 2."""
    rank_b = len(e.shape(b))
    if rank_b == 2:
        return _linear(e, a, _rows(e, b), None)
    a, w = e.value(a), _rows(e, b)
    lead = torch.broadcast_shapes(a.dims[:-2], w.dims[:-2])
    a = e.expand(e.reshape(a, [1] * (len(lead) + 2 - a.rank) + list(a.dims)), [*lead, *a.dims[-2:]])
    w = e.expand(e.reshape(w, [1] * (len(lead) + 2 - w.rank) + list(w.dims)), [*lead, *w.dims[-2:]])
    return e.node("matmul", a, w)


@handles("aten.mm.default", "aten.bmm.default", "aten.matmul.default", "aten.mv.default", "aten.dot.default")
def matmul(e, a, b):
    shape_a, shape_b = e.shape(a), e.shape(b)
    if len(shape_a) == 1:
        a = e.reshape(e.value(a), [1, *shape_a])
    if len(shape_b) == 1:
        b = e.reshape(e.value(b), [*shape_b, 1])
    return e.reshape(_product(e, a, b), e.out.shape)


@handles("aten.addmm.default", "aten.baddbmm.default", "aten.addbmm.default", "aten.addmv.default")
def addmm(e, c, a, b, *, beta=1, alpha=1):
    name = str(e.fx.target)
    if name.startswith(("aten.addbmm", "aten.addmv")):
        raise refuse("this form of addmm is not built")
    bias = len(e.shape(c)) == 1 and len(e.shape(b)) == 2 and e.shape(c) == (e.shape(b)[1],)
    if bias and beta == 1 and alpha == 1:
        return _linear(e, a, _rows(e, b), c)
    y = _product(e, a, b)
    if alpha != 1:
        y = e.node("mul", y, e.value(alpha, _out(e)))
    if beta == 0:
        return y
    c = e.value(c, _out(e))
    return e.node("add", e.node("mul", c, e.value(beta, _out(e))) if beta != 1 else c, y)


@handles("aten.outer.default")
def outer(e, a, b):
    a, b = e.value(a, _out(e)), e.value(b, _out(e))
    return e.node("mul", e.reshape(a, [a.dims[0], 1]), b)


@handles("aten.einsum.default")
def einsum(e, equation, xs, path=None):
    left, _, result = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if "." in equation or len(terms) > 2 or not _ or any(len(set(t)) != len(t) for t in terms):
        raise refuse(f"the einsum {equation} is not built")
    if len(terms) == 1:
        x = e.value(xs[0])
        gone = [i for i, c in enumerate(terms[0]) if c not in result]
        x = e.node("sum", x, axes=gone, keepdims=0) if gone else x
        kept = [c for c in terms[0] if c in result]
        return e.permute(x, [kept.index(c) for c in result])
    size = {c: n for t, x in zip(terms, xs) for c, n in zip(t, e.shape(x))}
    a, b = (e.value(x, _out(e)) for x in xs)
    # What only one side has and the result lacks is summed before.
    for own, other in ((0, 1), (1, 0)):
        gone = [i for i, c in enumerate(terms[own]) if c not in terms[other] and c not in result]
        if gone:
            y = e.node("sum", (a, b)[own], axes=gone, keepdims=0)
            terms[own] = "".join(c for i, c in enumerate(terms[own]) if i not in gone)
            a, b = (y, b) if own == 0 else (a, y)
    batch = [c for c in result if c in terms[0] and c in terms[1]]
    inner = [c for c in terms[0] if c in terms[1] and c not in result]
    rows = [c for c in terms[0] if c not in terms[1]]
    columns = [c for c in terms[1] if c not in terms[0]]

    def shaped(x, term, outer_axes):
        x = e.permute(x, [term.index(c) for c in batch + outer_axes + inner])
        return e.reshape(x, [math.prod(size[c] for c in g) for g in (batch, outer_axes, inner)])

    y = e.node("matmul", shaped(a, terms[0], rows), shaped(b, terms[1], columns))
    order = batch + rows + columns
    y = e.reshape(y, [size[c] for c in order])
    return e.permute(y, [order.index(c) for c in result])


# ---- norms ------------------------------------------------------------------------------------------------------


def _flat_last(e: Emitter, x: Value, count: int) -> Value:
    """The last `count` axes as one."""
    return e.reshape(x, [*x.dims[:x.rank - count], math.prod(x.dims[x.rank - count:])])


@handles("aten.layer_norm.default", "aten.native_layer_norm.default")
def layer_norm(e, x, shape, w=None, b=None, eps=1e-5, cudnn_enable=True):
    n, native = math.prod(shape), "native" in str(e.fx.target)
    y = _flat_last(e, x, len(shape))
    dtype = e.torch_dtype(x)
    w = e.value(torch.ones(n, dtype=dtype) if w is None else w)
    w = e.reshape(w, [n])
    y = e.node("layer_norm", y, w, *([e.reshape(e.value(b), [n])] if b is not None else []), eps=eps)
    y = e.reshape(y, x.dims)
    return (y, None, None) if native else y


@handles("aten.rms_norm.default", "aten._fused_rms_norm.default")
def rms_norm(e, x, shape, w=None, eps=None):
    n, dtype = math.prod(shape), e.torch_dtype(x)
    eps = torch.finfo(dtype).eps if eps is None else eps
    w = e.value(torch.ones(n, dtype=dtype) if w is None else w)
    y = e.reshape(e.node("rms_norm", _flat_last(e, x, len(shape)), e.reshape(w, [n]), eps=eps), x.dims)
    return (y, None) if "fused" in str(e.fx.target) else y


@handles("aten.group_norm.default", "aten.native_group_norm.default")
def group_norm(e, x, *rest, **options):
    native = "native" in str(e.fx.target)
    if native:
        w, b, n, c, area, groups, eps = rest
    else:
        groups, w, b, eps = (list(rest) + [None] * 4)[:4]
        w, b, eps = options.get("weight", w), options.get("bias", b), options.get("eps", 1e-5 if eps is None else eps)
    dims, dtype = x.dims, e.torch_dtype(x)
    size = math.prod(dims[1:]) // groups
    y = e.node("layer_norm", e.reshape(x, [dims[0], groups, size]), torch.ones(size, dtype=dtype), eps=eps)
    y = _scale_channels(e, e.reshape(y, dims), w, b)
    return (y, None, None) if native else y


def _scale_channels(e: Emitter, y: Value, w: Any, b: Any) -> Value:
    shape = [-1] + [1] * (y.rank - 2)
    for op, v in (("mul", w), ("add", b)):
        if v is not None:
            y = e.node(op, y, v.reshape(shape) if isinstance(v, torch.Tensor) else e.reshape(v,
                [v.dims[0], *shape[1:]]))
    return y


@handles("aten.batch_norm.default", "aten.native_batch_norm.default",
    "aten._native_batch_norm_legit_no_training.default",
         "aten._batch_norm_no_update.default", "aten.instance_norm.default")
def batch_norm(e, x, w, b, mean, var, *rest):
    name = str(e.fx.target)
    eps = rest[-1] if "no_training" in name or "no_update" in name or "native" in name else rest[2]
    train = False if "no_training" in name or "no_update" in name else bool(rest[0])
    if "instance" in name:
        if not train:
            raise refuse("instance_norm by running statistics is not built")
        size = math.prod(x.dims[2:])
        y = e.node("layer_norm", e.reshape(x, [*x.dims[:2], size]), torch.ones(size, dtype=e.torch_dtype(x)), eps=eps)
        return _scale_channels(e, e.reshape(y, x.dims), w, b)
    if train:
        raise refuse("batch_norm in training changes its statistics: call eval() on the module")
    if any(isinstance(v, Value) for v in (w, b, mean, var)):
        raise refuse("batch_norm with statistics that inputs decide is not built")
    scale = 1 / torch.sqrt(var.double() + eps)
    if w is not None:
        scale = scale * w
    shift = (b if b is not None else 0) - mean.double() * scale
    y = _scale_channels(e, x, scale.to(x_dtype := e.torch_dtype(x)), shift.to(x_dtype))
    return (y, None, None) if "native" in name else (y, None, None, None) if "no_update" in name else y


# ---- convolutions and pools -------------------------------------------------------------------------------------


def _each(v: Any, n: int) -> list[int]:
    v = [v] if isinstance(v, int) else list(v)
    return v * n if len(v) == 1 else v


def _convolution(e, x, w, bias, stride, padding, dilation, transposed, output_padding, groups):
    shape, w = e.shape(x), e.value(w)
    n = w.rank - 2
    x = e.value(x)
    single = x.rank == n + 1
    if single:
        x = e.reshape(x, [1, *shape])
    stride, dilation = _each(stride, n), _each(dilation, n)
    if padding == "valid":
        pads = [0] * 2 * n
    elif padding == "same":
        total = [(k - 1) * d for k, d in zip(w.dims[2:], dilation)]
        pads = [t // 2 for t in total] + [t - t // 2 for t in total]
    else:
        pads = _each(padding, n) * 2
    attrs = {"strides": stride, "dilations": dilation, "pads": pads, "group": groups}
    if transposed:
        attrs["output_padding"] = _each(output_padding, n)
    y = e.node("conv_transpose" if transposed else "conv", x, w, *([e.value(bias)] if bias is not None else []),
        **attrs)
    return e.reshape(y, e.out.shape)


@handles("aten.conv1d.default", "aten.conv2d.default", "aten.conv3d.default", "aten.conv1d.padding",
         "aten.conv2d.padding", "aten.conv3d.padding")
def conv(e, x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
    return _convolution(e, x, w, bias, stride, padding, dilation, False, 0, groups)


@handles("aten.conv_transpose1d.default", "aten.conv_transpose2d.input", "aten.conv_transpose3d.input")
def conv_transpose(e, x, w, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    return _convolution(e, x, w, bias, stride, padding, dilation, True, output_padding, groups)


@handles("aten.convolution.default")
def convolution(e, x, w, bias, stride, padding, dilation, transposed, output_padding, groups):
    return _convolution(e, x, w, bias, stride, padding, dilation, transposed, output_padding, groups)


def _pooled(e: Emitter, x: Value, n: int, want: Any, make) -> Any:
    """Runs a pool on a batch, where x may be a single one."""
    single = x.rank == n + 1
    y = make(e.reshape(x, [1, *x.dims]) if single else x)
    if isinstance(y, tuple):
        return tuple(e.reshape(v, w.shape) for v, w in zip(y, want))
    return e.reshape(y, want.shape)


def _ends(size, kernel, stride, pads, dilation, ceil) -> list[int]:
    """Padding after, such that the pool has as many windows as PyTorch's."""
    after = []
    for n, k, s, p, d in zip(size, kernel, stride, pads, dilation):
        reach, extra = (k - 1) * d + 1, p
        if ceil:
            count = -(-(n + 2 * p - reach) // s) + 1
            if (count - 1) * s >= n + p:
                count -= 1
            extra = max((count - 1) * s + reach - n - p, 0)
        after.append(extra)
    return after


@handles("aten.max_pool1d.default", "aten.max_pool2d.default", "aten.max_pool3d.default",
         "aten.max_pool2d_with_indices.default", "aten.max_pool3d_with_indices.default",
             "aten.max_pool1d_with_indices.default")
def max_pool(e, x, kernel, stride=(), padding=0, dilation=1, ceil_mode=False):
    name = str(e.fx.target)
    n = int(name[name.index("pool") + 4])
    kernel, padding, dilation = _each(kernel, n), _each(padding, n), _each(dilation, n)
    stride = _each(stride, n) if stride else kernel
    indices = "indices" in name

    def make(x):
        after = _ends(x.dims[2:], kernel, stride, padding, dilation, ceil_mode)
        y = e.node("max_pool", x, kernel=kernel, strides=stride, dilations=dilation, pads=padding + after)
        return y if indices else y[0] if isinstance(y, tuple) else y
    if indices:
        raise refuse("max_pool that returns indices is not built")
    return _pooled(e, x, n, e.out, make)


@handles("aten.avg_pool1d.default", "aten.avg_pool2d.default", "aten.avg_pool3d.default")
def avg_pool(e, x, kernel, stride=(), padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    name = str(e.fx.target)
    n = int(name[name.index("pool") + 4])
    kernel, padding = _each(kernel, n), _each(padding, n)
    stride = _each(stride, n) if stride else kernel
    if divisor_override is not None or (ceil_mode and any(padding)):
        raise refuse("this form of avg_pool is not built")

    def make(x):
        after = _ends(x.dims[2:], kernel, stride, padding, [1] * n, ceil_mode)
        return e.node("avg_pool", x, kernel=kernel, strides=stride, pads=padding + after,
                      count_include_pad=int(count_include_pad and not ceil_mode))
    return _pooled(e, x, n, e.out, make)


def _by_axis(e: Emitter, x: Value, axis: int, matrix: torch.Tensor) -> Value:
    """An axis mapped by a known matrix [to, from]."""
    if matrix.shape[0] == matrix.shape[1] and bool((matrix == torch.eye(matrix.shape[0])).all()):
        return x
    perm = [a for a in range(x.rank) if a != axis] + [axis]
    back = [perm.index(a) for a in range(x.rank)]
    return e.permute(_linear(e, e.permute(x, perm), matrix.to(e.torch_dtype(x)), None), back)


@handles("aten.adaptive_avg_pool1d.default", "aten.adaptive_avg_pool2d.default", "aten.adaptive_avg_pool3d.default",
         "aten._adaptive_avg_pool2d.default", "aten._adaptive_avg_pool3d.default")
def adaptive_avg_pool(e, x, size):
    n = len(size)
    to = e.out.shape[-n:]
    if all(t == 1 for t in to):
        return e.node("mean", x, axes=list(range(x.rank - n, x.rank)), keepdims=1)
    for i, t in enumerate(to):
        axis = x.rank - n + i
        m = x.dims[axis]
        matrix = torch.zeros(t, m)
        for j in range(t):
            begin, end = j * m // t, -(-(j + 1) * m // t)
            matrix[j, begin:end] = 1.0 / (end - begin)
        x = _by_axis(e, x, axis, matrix)
    return x


def _resized(e: Emitter, x: Value, n: int, scales: Any, matrix) -> Value:
    for i in range(n):
        axis = x.rank - n + i
        have, want = x.dims[axis], e.out.shape[axis]
        given = scales[i] if scales else None
        x = _by_axis(e, x, axis, matrix(have, want, 1.0 / given if given else have / want))
    return x


@handles("aten.upsample_nearest1d.vec", "aten.upsample_nearest2d.vec", "aten.upsample_nearest3d.vec",
         "aten.upsample_nearest1d.default", "aten.upsample_nearest2d.default", "aten.upsample_nearest3d.default")
def upsample_nearest(e, x, size, *scales):
    n = x.rank - 2
    given = scales[0] if scales and isinstance(scales[0], (list, tuple)) else [s for s in scales if s] or None
    for i in range(n):
        axis = 2 + i
        have, want = x.dims[axis], e.out.shape[axis]
        step = 1.0 / given[i] if given else have / want
        at = (torch.arange(want, dtype=torch.float32) * torch.tensor(step,
            dtype=torch.float32)).floor().long().clamp(max=have - 1)
        x = e.node("gather", x, at, axis=axis) if not torch.equal(at, torch.arange(have)) else x
    return x


@handles("aten.upsample_bilinear2d.vec", "aten.upsample_bilinear2d.default", "aten.upsample_linear1d.vec",
         "aten.upsample_linear1d.default")
def upsample_linear(e, x, size, align_corners, *scales):
    given = scales[0] if scales and isinstance(scales[0], (list, tuple)) else [s for s in scales if s] or None

    def matrix(have, want, step):
        at = torch.arange(want, dtype=torch.float64)
        at = (at * ((have - 1) / max(want - 1, 1)) if align_corners else ((at + 0.5) * step - 0.5).clamp(min=0))
        low = at.floor().long().clamp(max=have - 1)
        part = at - low
        m = torch.zeros(want, have, dtype=torch.float64)
        m[torch.arange(want), low] += 1 - part
        m[torch.arange(want), (low + 1).clamp(max=have - 1)] += part
        return m
    return _resized(e, x, x.rank - 2, given, matrix)


# ---- attention --------------------------------------------------------------------------------------------------


def _mask(e: Emitter, mask: Any, t: int, s: int) -> tuple[Any, bool, Any]:
    """A mask as the op takes it: (mask or None, causal, rows that see nothing or None)."""
    if isinstance(mask, torch.Tensor):
        hidden = ~mask if mask.dtype == torch.bool else mask == -math.inf
        plain = mask.dtype == torch.bool or bool(((mask == 0) | hidden).all())
        if plain and not bool(hidden.any()):
            return None, False, None
        if plain and bool((~hidden == torch.ones(t, s, dtype=torch.bool).tril()).all()):
            return None, True, None
        blind = hidden.all(-1, keepdim=True)
        while mask.dim() > 2 and mask.stride(0) == 0 and mask.shape[0] > 1:
            mask = mask[:1]
        return mask, False, blind if bool(blind.any()) else None
    if mask is not None and mask.dtype == "bool":
        axis = mask.rank - 1
        sees = e.node("reduce_max", e.cast(mask, torch.uint8), axes=[axis], keepdims=1)
        return mask, False, e.node("eq", sees, e.value(0, torch.uint8))
    return mask, False, None


@handles("aten.scaled_dot_product_attention.default")
def sdpa(e, q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False):
    if dropout_p:
        raise refuse("attention with dropout draws random numbers")
    q, k, v = e.value(q), e.value(k), e.value(v)
    d, t, s = q.dims[-1], q.dims[-2], k.dims[-2]
    scale = 1 / math.sqrt(d) if scale is None else scale
    lead = q.dims[:-3]

    def four(x):
        return e.reshape(x, [math.prod(x.dims[:-3]), *([1] * (x.rank == 2)), *x.dims[-3:]])

    mask, causal, blind = _mask(e, attn_mask, t, s)
    causal = causal or is_causal
    if q.dtype == "f64":
        return _attention_of_products(e, q, k, v, mask, causal, scale, blind)
    if isinstance(mask, (Value, torch.Tensor)):
        mask = e.value(mask)
        if q.rank != 4 and mask.rank > 2:
            full = [*lead, mask.dims[-3] if mask.rank > 2 else 1, *mask.dims[-2:]]
            mask = e.expand(e.reshape(mask, [1] * (len(full) - mask.rank) + list(mask.dims)), full)
            mask = e.reshape(mask, [math.prod(lead), *full[-3:]])
    if q.rank == 4 and e.groups(k).dims[1] == e.groups(v).dims[1]:
        k, v = e.groups(k), e.groups(v)
    y = e.node("sdpa", four(q), four(k), four(v), *([mask] if mask is not None else []), scale=scale,
        causal=int(causal),
               past=0)
    y = e.reshape(y, e.out.shape)
    return y if blind is None else e.node("where", e.value(blind), e.value(0.0, _out(e)), y)


def _attention_of_products(e, q, k, v, mask, causal, scale, blind):
    dtype = e.torch_dtype(q)
    if k.dims[:-2] != q.dims[:-2]:
        raise refuse("grouped attention in f64 is not built")
    scores = e.node("mul", e.node("matmul", q, k), e.value(scale, dtype))
    low = e.value(-math.inf, dtype)
    if causal:
        scores = e.node("where", torch.ones(q.dims[-2], k.dims[-2], dtype=torch.bool).tril(), scores, low)
    if mask is not None:
        mask = e.value(mask)
        scores = e.node("where", mask, scores, low) if mask.dtype == "bool" else e.node("add", scores, mask)
    y = e.node("matmul", e.node("softmax", scores), e.permute(v, [*range(v.rank - 2), v.rank - 1, v.rank - 2]))
    return y if blind is None else e.node("where", e.value(blind), e.value(0.0, dtype), y)
