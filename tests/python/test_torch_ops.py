"""Handlers of ATen operators: random cases of each against PyTorch's own results."""

import glia
from harness import case, have, raises, run

if have("torch"):
    import torch
    import torch.nn.functional as F
    torch.manual_seed(1)
    R = torch.randn


class Fn:
    """A function as a module."""

    def __new__(cls, f):
        class M(torch.nn.Module):
            def forward(self, *xs):
                return f(*xs)
        return M().eval()


def near(have_, want, tol=1e-5):
    have_, want = [list(x) if isinstance(x, (list, tuple)) else [x] for x in (have_, want)]
    assert len(have_) == len(want)
    for a, b in zip(have_, want):
        assert a.dtype == b.dtype and a.shape == b.shape, (a.dtype, a.shape, b.dtype, b.shape)
        if not b.dtype.is_floating_point:
            assert torch.equal(a, b), (a, b)
            continue
        a, b = a.double(), b.double()
        assert torch.equal(torch.isnan(a), torch.isnan(b)), (a, b)
        same = (a == b) | torch.isnan(b)
        if bool(same.all()):
            continue
        top = float(b[torch.isfinite(b)].abs().max()) if bool(torch.isfinite(b).any()) else 1.0
        d = float(torch.where(same, torch.zeros_like(a), a - b).abs().max())
        assert d <= tol * max(top, 1e-30), f"largest difference {d}, largest output {top}"


def check(f, *xs, tol=1e-5):
    module = f if isinstance(f, torch.nn.Module) else Fn(f)
    with torch.no_grad():
        want = module(*xs)
        near(glia.compile(module, xs, threads=1)(*xs), want, tol)


def check_all(cases):
    """(function, tensors...) each; all failures are told at once."""
    wrong = []
    for i, (f, *xs) in enumerate(cases):
        try:
            check(f, *xs)
        except Exception as e:  # noqa: BLE001
            wrong.append(f"case {i}: {type(e).__name__}: {str(e).splitlines()[0][:300]}")
    assert not wrong, "\n".join(wrong)


@case("torch")
def unary():
    x, p = R(3, 17), torch.rand(3, 17) * 0.9 + 0.05
    check_all([(f, x) for f in (
        torch.neg, torch.abs, torch.exp, torch.sin, torch.cos, torch.tanh, torch.erf, torch.sigmoid, torch.relu,
        torch.floor, torch.ceil, torch.round, torch.sign, F.silu, F.gelu, lambda x: F.gelu(x, approximate="tanh"),
        F.relu6, F.hardswish, F.hardsigmoid, F.hardtanh, F.leaky_relu, F.elu, F.selu, F.softplus, F.mish, F.logsigmoid,
        torch.square, torch.trunc, torch.atan, torch.sinh, torch.cosh, torch.asinh, torch.expm1, torch.exp2,
        lambda x: x.clamp(-0.5, 0.5), lambda x: x.clamp(min=0.1), lambda x: x.clamp_max(0.2),
            lambda x: F.glu(x[:, :16]),
        torch.isnan, torch.isinf, lambda x: x ** 2, lambda x: x ** 3, lambda x: torch.logical_not(x > 0), torch.frac)]
        + [(f, p) for f in (torch.log, torch.sqrt, torch.rsqrt, torch.reciprocal, torch.log2, torch.log10, torch.log1p,
                            torch.asin, torch.acos, torch.atanh, torch.tan, lambda x: x ** 0.5, lambda x: x ** -1.5,
                            lambda x: 2.0 ** x)])


@case("torch")
def binary_with_promotion():
    a, b, i, j = R(3, 4, 5), R(4, 1), torch.randint(-9, 9, (4, 5)), torch.randint(1, 5, (5,))
    t, u = torch.rand(3, 4) > 0.5, torch.rand(4) > 0.5
    check_all([
        (lambda a, b: a + b, a, b), (lambda a, b: torch.add(a, b, alpha=2), a, b), (lambda a, b: a - b, a, b),
        (lambda a, b: a * b, a, b), (lambda a, b: a / b, a, b), (lambda a, b: 1 - a * 2, a, b),
        (lambda a, b: torch.minimum(a, b), a, b), (lambda a, b: torch.maximum(a, b), a, b),
        (lambda a, b: a % b, a, b), (lambda a, b: torch.fmod(a, b), a, b), (lambda a, b: a.abs() ** b, a, b),
        (lambda a, b: torch.div(a, b, rounding_mode="floor"), a, b),
        (lambda a, b: torch.div(a, b, rounding_mode="trunc"), a, b),
        (lambda a, i: a + i, a, i), (lambda a, i: a * i, a, i), (lambda i: i + 0.5, i), (lambda i, j: i / j, i, j),
        (lambda i, j: i // j, i, j), (lambda i, j: i % j, i, j),
        (lambda i, j: torch.div(i, j, rounding_mode="trunc"), i, j),
        (lambda i: i * 3 - 7, i), (lambda i, j: i < j, i, j), (lambda a, i: a >= i, a, i), (lambda i: i != 2.5, i),
        (lambda a: a == a, a), (lambda t, u: t & u, t, u), (lambda t, u: t | u, t, u), (lambda t, u: t ^ u, t, u),
        (lambda t: ~t, t), (lambda i, j: i & j, i, j), (lambda i, j: i | j, i, j), (lambda i: ~i, i),
        (lambda t, a: torch.where(t[..., None], a, 0.0), t, a),
        (lambda t, a, b: torch.where(t[..., None], a, b), t, a, b),
        (lambda t, a: a.masked_fill(t[..., None], -1e9), t, a), (lambda a, b: torch.lerp(a, b, 0.3), a, b),
        (lambda a, b: torch.addcmul(a, a, b, value=0.5), a, b), (lambda i: i.float().exp(), i),
        (lambda a: a.to(torch.int64), a),
        (lambda a: a.bool(), a), (lambda a: a.double() * 2, a), (lambda i: i.to(torch.uint8), i.abs()),
        (lambda i: torch.sqrt(i.abs()), i)])


@case("torch")
def shapes():
    x, y = R(2, 3, 4, 5), R(6, 4)
    check_all([(f, x) for f in (
        lambda x: x.view(6, 20), lambda x: x.reshape(-1, 5), lambda x: x.flatten(1), lambda x: x.permute(2, 0, 3, 1),
        lambda x: x.transpose(1, -1), lambda x: x.unsqueeze(1), lambda x: x[:, :1].squeeze(1),
            lambda x: x.expand(7, 2, 3, 4, 5),
        lambda x: x[:, 1:], lambda x: x[..., ::2], lambda x: x[0], lambda x: x[:, -1, :, 1:3],
            lambda x: x.select(2, -1),
        lambda x: x.narrow(3, 1, 3), lambda x: x.split(2, 1), lambda x: x.chunk(3, -1), lambda x: x.unbind(1),
        lambda x: torch.split(x, [1, 2, 1], 2), lambda x: torch.cat([x, x * 2, x], 2),
            lambda x: torch.stack([x, -x], 1),
        lambda x: x.repeat(2, 1, 1, 3), lambda x: x.repeat_interleave(3, 1), lambda x: x.flip([1, 3]),
        lambda x: x.roll(2, 3), lambda x: x.roll((1, -1), (0, 2)), lambda x: F.pad(x, (1, 2, 0, 1)),
        lambda x: F.pad(x, (-1, 2), value=3.0), lambda x: F.pad(x, (2, 1, 1, 1), mode="reflect"),
        lambda x: F.pad(x, (2, 1, 1, 1), mode="replicate"), lambda x: x.movedim(0, 2), lambda x: torch.tril(x, 1),
        lambda x: torch.triu(x, -1), lambda x: x.diff(dim=1), lambda x: torch.zeros_like(x) + 1,
        lambda x: x.new_full((2, 2), 3.0) + x[0, 0, :2, :2], lambda x: F.pixel_shuffle(x.reshape(1, 12, 2, 5), 2),
        lambda x: x + torch.arange(5), lambda x: torch.full((4, 5), 2.0) * x, lambda x: x.mT,
            lambda x: x.unflatten(2, (2, 2)),
        lambda x: x.clone().detach().contiguous(), lambda x: torch.ones(3), lambda x: F.dropout(x, 0.5, False))]
        + [(lambda y: y.t(), y), (lambda y: (y.t(), y * 1, y[0]), y)])


@case("torch")
def writes_in_place():
    def fill(x):
        x = x.clone()
        x[:, 1:3] = 0.5
        x[0] += 1
        return x
    check_all([(fill, R(4, 6)), (lambda x: x.clone().mul_(2).add_(1), R(3)),
        (lambda x: (x * 1).masked_fill_(x > 0, 0), R(5))])


@case("torch")
def by_index():
    x, ids, w = R(5, 6, 7), torch.tensor([[0, 2], [4, 1]]), R(10, 4)
    many = torch.randint(0, 10, (3, 5))
    check_all([
        (lambda i: F.embedding(i, w), many), (lambda i: F.embedding(i, w).sum(-1), many.int()),
        (lambda x, i: x[i], x, ids), (lambda x, i: x[:, i], x, ids), (lambda x, i: x[i, i], x, ids),
        (lambda x, i: x[:, i, i], x, ids), (lambda x: x[torch.tensor([-1, 2])], x), (lambda x, i: x[i - 5], x, ids),
        (lambda x: x[torch.tensor([0, 1]), :, torch.tensor([2, 3])], x), (lambda x, i: x.index_select(1, i[0]), x, ids),
        (lambda x, i: x.gather(2, i), x, torch.randint(0, 7, (5, 6, 3))),
        (lambda x, i: x.gather(0, i), x, torch.randint(0, 5, (2, 6, 4))),
        (lambda x, i, s: x.scatter(1, i, s), x, torch.randint(0, 6, (5, 1, 7)), R(5, 1, 7)),
        (lambda x, i, s: x.scatter_add(0, i, s), x, torch.randint(0, 5, (9, 6, 7)), R(9, 6, 7))])
    m = glia.compile(Fn(lambda i: F.embedding(i, w)), (many,), threads=1)
    raises(glia.GliaError, "G0705", m, many + 8)


@case("torch")
def reductions():
    x, i = R(3, 4, 5), torch.randint(-5, 5, (3, 4))
    check_all([(f, x) for f in (
        lambda x: x.sum(), lambda x: x.sum(1), lambda x: x.sum((0, 2), keepdim=True),
            lambda x: x.mean(-1, keepdim=True),
        lambda x: x.amax(1), lambda x: x.amin((0, 1)), lambda x: x.max(), lambda x: x.min(2),
            lambda x: x.max(1, keepdim=True),
        lambda x: x.argmax(-1), lambda x: x.argmax(), lambda x: x.argmin(0, keepdim=True), lambda x: x.prod(1),
        lambda x: x.var(-1), lambda x: x.std(1, unbiased=False), lambda x: x.var(),
            lambda x: torch.var_mean(x, -1, keepdim=True),
        lambda x: x.norm(), lambda x: torch.linalg.vector_norm(x, 1, -1), lambda x: x.logsumexp(1),
            lambda x: x.softmax(-1),
        lambda x: x.softmax(0), lambda x: x.log_softmax(1), lambda x: x.cumsum(1), lambda x: x.cumsum(-1),
        lambda x: x.topk(2), lambda x: x.topk(3, 0, largest=False), lambda x: x.sort(-1),
            lambda x: x.sort(1, descending=True),
        lambda x: (x > 0).any(1), lambda x: (x > -2).all(), lambda x: (x > 0).sum(-1), lambda x: F.normalize(x, dim=1))]
        + [(lambda i: i.sum(1), i), (lambda i: i.float().mean(), i), (lambda i: i.max(1), i),
            (lambda i: i.cumsum(0), i)])


@case("torch")
def products():
    a, w, b = R(2, 3, 8), R(5, 8), R(5)
    check_all([
        (lambda a: F.linear(a, w, b), a), (lambda a: F.linear(a, w), a[0, 0]), (lambda a: a @ w.t(), a),
        (lambda a, w: a @ w.t(), a, w), (lambda a: torch.addmm(b, a[0], w.t()), a),
        (lambda a, c: torch.bmm(a, c), a, R(2, 8, 4)),
        (lambda a, c: a @ c, a, R(8)), (lambda a, c: a @ c, a, R(4, 1, 8, 6)), (lambda a, c: c @ a, a, R(3)),
        (lambda a, c: torch.baddbmm(c, a, a.mT, beta=0.5, alpha=2), a, R(2, 3, 3)), (lambda a: a[0, 0] @ a[1, 1], a),
        (lambda a, c: torch.addmm(c, a[0], a[1].t()), a, R(3, 3)),
        (lambda a, c: torch.einsum("bik,bjk->bij", a, c), a, R(2, 5, 8)),
        (lambda a, c: torch.einsum("bik,kj->bji", a, c), a, R(8, 4)), (lambda a, c: torch.outer(a[0, 0], c), a, R(4)),
        (lambda a, c: torch.einsum("bhid,bhjd->bhij", a, c), R(2, 3, 4, 8), R(2, 3, 5, 8)),
        (lambda a: a.double() @ w.double().t(), a)])


@case("torch")
def norms():
    n = torch.nn

    def warm(m, *shape):
        for p in m.parameters():
            p.data.normal_()
        for k, v in m.named_buffers():
            if "var" in k:
                v.uniform_(0.5, 2)
            elif v.is_floating_point():
                v.normal_()
        return m.eval(), R(*shape)
    check_all([
        warm(n.LayerNorm(12), 2, 5, 12), warm(n.LayerNorm([5, 12]), 2, 5, 12),
            warm(n.LayerNorm(12, elementwise_affine=False), 3, 12),
        warm(n.LayerNorm(12, bias=False), 3, 12), warm(n.RMSNorm(12), 3, 12), warm(n.RMSNorm(12, eps=1e-6), 2, 3, 12),
        warm(n.GroupNorm(3, 12), 2, 12, 4, 4), warm(n.BatchNorm2d(6), 2, 6, 4, 4), warm(n.BatchNorm1d(6), 4, 6),
        warm(n.BatchNorm2d(6, affine=False), 2, 6, 4, 4), warm(n.InstanceNorm2d(6, affine=True), 2, 6, 4, 4)])


@case("torch")
def convolutions():
    n = torch.nn
    x1, x2, x3 = R(2, 6, 20), R(2, 6, 13, 11), R(1, 4, 5, 6, 7)
    check_all([
        (n.Conv1d(6, 8, 3, padding=1), x1), (n.Conv1d(6, 8, 4, stride=2, dilation=2), x1), (n.Conv2d(6, 8, 3), x2),
        (n.Conv2d(6, 8, 3, stride=2, padding=1, bias=False), x2), (n.Conv2d(6, 6, 3, padding=1, groups=6), x2),
        (n.Conv2d(6, 4, (3, 1), padding=(1, 0), groups=2), x2), (n.Conv2d(6, 5, 1), x2),
        (n.Conv2d(6, 8, 4, padding="same"), x2),
        (n.Conv2d(6, 8, 3), x2[0]), (n.Conv3d(4, 3, 3, padding=1), x3), (n.ConvTranspose2d(6, 4, 3, stride=2), x2),
        (n.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1, groups=2), x2),
        (n.ConvTranspose1d(6, 4, 4), x1)])


@case("torch")
def pools_and_resizes():
    n, x = torch.nn, R(2, 3, 14, 11)
    check_all([(f, x) for f in (
        n.MaxPool2d(2), n.MaxPool2d(3, 2, 1), n.MaxPool2d(3, 2, ceil_mode=True), n.AvgPool2d(2), n.AvgPool2d(3, 1, 1),
        n.AvgPool2d(3, 2, 1, count_include_pad=False), n.AdaptiveAvgPool2d(1), n.AdaptiveAvgPool2d((7, 11)),
        n.AdaptiveAvgPool2d((5, 4)), lambda x: F.interpolate(x, scale_factor=2),
            lambda x: F.interpolate(x, size=(9, 20)),
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
        lambda x: F.interpolate(x, size=(9, 20), mode="bilinear", align_corners=True))]
        + [(n.MaxPool1d(3, 2), R(2, 3, 14)), (n.AvgPool1d(2), R(2, 3, 14))])


@case("torch")
def attention():
    q, k, v = R(2, 4, 5, 8), R(2, 4, 7, 8), R(2, 4, 7, 8)
    g, h = R(2, 2, 7, 8), R(2, 2, 7, 8)
    m, fm = torch.rand(2, 1, 5, 7) > 0.3, R(5, 7)
    blind = m.clone()
    blind[0, 0, 2] = False
    sdpa = F.scaled_dot_product_attention
    check_all([
        (sdpa, q, k, v), (lambda q, k, v: sdpa(q, k, v, is_causal=True), q, k, v),
        (lambda q, k, v: sdpa(q, k, v, scale=0.7), q, k, v),
        (lambda q, k, v, m: sdpa(q, k, v, m), q, k, v, m), (lambda q, k, v: sdpa(q, k, v, m), q, k, v),
        (lambda q, k, v, m: sdpa(q, k, v, m), q, k, v, fm), (lambda q, g, h: sdpa(q, g, h, enable_gqa=True), q, g, h),
        (lambda q, k, v: sdpa(q, k, v), q[0], k[0], v[0]), (lambda q, k, v, m: sdpa(q, k, v, m), q, k, v, blind),
        (lambda q, k, v: sdpa(q, k, v, blind), q, k, v),
        (lambda q, k, v: sdpa(q, k, v, torch.ones(5, 7, dtype=torch.bool).tril()), q, k, v),
        (lambda q, k, v, m: sdpa(q, k, v, m), q.double(), k.double(), v.double(), fm.double())])
    x = R(2, 6, 16)
    mha = torch.nn.MultiheadAttention(16, 4, batch_first=True).eval()
    check(Fn(lambda x: mha(x, x, x, need_weights=False)[0]), x)
    layer = torch.nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=True, activation="gelu").eval()
    check(layer, x)


@case("torch")
def what_is_not_built_is_refused_by_name():
    class Random(torch.nn.Module):
        def forward(self, x):
            return x + torch.rand(3)

    class Sized(torch.nn.Module):
        def forward(self, x):
            return torch.linalg.svd(x)[1]

    e = raises(glia.NotImplementedByGlia, "G1056", glia.compile, Random(), (R(3),))
    assert "aten.rand" in e.text
    e = raises(glia.NotImplementedByGlia, "G1056", glia.compile, Sized(), (R(3, 3),))
    assert "svd" in e.text and "linalg_svd" in e.text


@case("torch")
def a_handler_of_ones_own():
    @torch.library.custom_op("example::unit", mutates_args=())
    def unit(x: torch.Tensor) -> torch.Tensor:
        return x / x.norm(dim=-1, keepdim=True)

    @unit.register_fake
    def _(x):
        return torch.empty_like(x)

    @glia.custom_op("x: f32[t, n!] -> y: like(x)")
    def row_unit(x):
        return x / ((x * x).sum(-1, keepdims=True) ** 0.5)

    x = R(3, 4)
    m = Fn(lambda x: torch.ops.example.unit(x) + 1)
    e = raises(glia.NotImplementedByGlia, "G1056", glia.compile, m, (x,))
    assert "example.unit" in e.text

    @glia.torch.handles("example.unit.default")
    def handle(e, x):
        return e.node("row_unit", x)

    near(glia.compile(m, (x,), threads=1, ops=[row_unit])(x), m(x))


@case("torch")
def other_shapes_compile_again():
    m = torch.nn.Linear(4, 3).eval()
    c = glia.compile(m, (R(2, 4),), threads=1, plans_max=2)
    for n in (2, 5, 1, 5, 2):
        x = R(n, 4)
        near(c(x), m(x).detach())
    assert len(c._parts) == 2


@case("torch")
def weights_are_read_where_they_lie():
    m = torch.nn.Linear(64, 64).eval()
    c = glia.compile(m, (R(1, 64),), threads=1, plain=True)
    kept = c.network._kept._arrays
    assert any(t[0].data_ptr() == m.weight.data_ptr() for t in kept)
    y = c(torch.zeros(1, 64))
    near(y, m.bias.detach()[None])
    y += 1  # its own memory
    near(c(torch.zeros(1, 64)), m.bias.detach()[None])


@case("torch")
def structures_come_back():
    class M(torch.nn.Module):
        def forward(self, x, scale=2.0, *, extra=None):
            y = x * scale
            if extra is not None:
                y = y + extra["add"]
            return {"y": y, "pair": (x, 3, None), "const": torch.arange(3)}

    x, add = R(3), R(3)
    c = glia.compile(M().eval(), (x,), {"extra": {"add": add}}, threads=1)
    out = c(x, extra={"add": add})
    near(out["y"], x * 2 + add)
    assert out["pair"][1] == 3 and out["pair"][2] is None and torch.equal(out["const"], torch.arange(3))
    near(out["pair"][0], x)
    near(c(x, 3.0)["y"], x * 3)


run("torch operators")
