"""Cases of convolutions and pools over versions, strides, dilations, pads of every kind, groups and dtypes.

cases() yields (name, model, inputs, outputs) as net_cases_ops2.py does. Run as a program it writes them as folders of
the ONNX backend suite:

    python tests/oracles/net_cases_conv.py FOLDER && glia conform FOLDER
"""

import sys

import numpy as np

import net_cases_ops2 as base
from net_cases_ops2 import case, f

rng = np.random.default_rng(11)


def pick(*choices):
    return choices[int(rng.integers(len(choices)))]


def u8(*shape):
    return rng.integers(0, 256, shape).astype(np.uint8)


def i8(*shape):
    return rng.integers(-128, 128, shape).astype(np.int8)


def window(rank, kernel, pads=True, dilations=True):
    attrs = {"strides": [pick(1, 1, 2, 3) for _ in range(rank)]}
    if dilations:
        attrs["dilations"] = [pick(1, 1, 2) for _ in range(rank)]
    kind = pick("pads", "pads", "SAME_UPPER", "SAME_LOWER", "VALID", "none") if pads else "none"
    if kind == "pads":
        attrs["pads"] = [int(rng.integers(0, k)) for k in list(kernel) * 2]
    elif kind != "none":
        attrs["auto_pad"] = kind
        if "dilations" in attrs and kind.startswith("SAME"):
            attrs["dilations"] = [1] * rank
    return attrs


def convolutions():
    for i in range(60):
        rank, group = pick(1, 2, 2, 2, 3), pick(1, 1, 2, 3)
        c, m = group * pick(1, 2, 5), group * pick(1, 2, 17)
        kernel = [pick(1, 2, 3, 5) for _ in range(rank)]
        size = [k * 2 + pick(1, 4, 9) for k in kernel]
        attrs = dict(window(rank, kernel), group=group)
        if pick(0, 1):
            attrs["kernel_shape"] = kernel
        ins = [f(pick(1, 2), c, *size), f(m, c // group, *kernel)] + ([f(m)] if pick(0, 1) else [])
        yield from case("conv_%d" % i, "Conv", pick(1, 11, 22), ins, attrs)
    yield from case("conv_f16", "Conv", 11, [f(1, 3, 7, 7).astype(np.float16), f(4, 3, 3, 3).astype(np.float16)],
                    oracle=base.by_reference)
    yield from case("conv_f64", "Conv", 11, [f(1, 3, 7, 7).astype(np.float64), f(4, 3, 3, 3).astype(np.float64)],
                    oracle=base.by_reference)


def transposed():
    for i in range(60):
        rank, group = pick(1, 2, 2, 3), pick(1, 1, 2)
        c, m = group * pick(1, 3), pick(1, 2, 5)
        kernel = [pick(1, 2, 3, 4) for _ in range(rank)]
        size = [pick(1, 3, 6) for _ in range(rank)]
        attrs = {"strides": [pick(1, 2, 3) for _ in range(rank)], "dilations": [pick(1, 1, 2) for _ in range(rank)],
                 "group": group}
        kind = pick("pads", "none", "output_padding", "output_shape", "SAME_UPPER", "SAME_LOWER", "VALID")
        if kind == "pads":
            attrs["pads"] = [int(rng.integers(0, 2)) if s > 1 or k > 2 else 0 for s, k in zip(size, kernel)] * 2
        if kind == "output_padding":
            attrs["output_padding"] = [max(0, s - 1) for s in attrs["strides"]]
        full = [(n - 1) * s + (k - 1) * d + 1
                for n, s, k, d in zip(size, attrs["strides"], kernel, attrs["dilations"])]
        if kind == "output_shape":
            attrs["output_shape"] = [max(1, n - pick(0, 1)) for n in full]
        if kind[0] in "SV":
            attrs["auto_pad"] = kind
            if kind != "VALID" and any(n < a * s for n, a, s in zip(full, size, attrs["strides"])):
                continue
        ins = [f(pick(1, 2), c, *size), f(c, m, *kernel)] + ([f(m * group)] if pick(0, 1) else [])
        yield from case("conv_transpose_%d_%s" % (i, kind), "ConvTranspose", pick(1, 11, 22), ins, attrs)


def pools():
    for i in range(90):
        op = pick("MaxPool", "AveragePool", "AveragePool", "LpPool")
        rank = pick(1, 2, 2, 3)
        kernel = [pick(1, 2, 3) for _ in range(rank)]
        version = {"MaxPool": pick(1, 8, 10, 11, 12, 22), "AveragePool": pick(1, 7, 10, 11, 19, 22),
                   "LpPool": pick(2, 11, 18, 22)}[op]
        dilations = version >= {"MaxPool": 10, "AveragePool": 19, "LpPool": 18}[op]
        attrs = dict(window(rank, kernel, dilations=dilations), kernel_shape=kernel)
        outputs = 1
        if op == "MaxPool" and version >= 8 and pick(0, 1):
            outputs = 2
            attrs["storage_order"] = 0
        if version >= {"MaxPool": 10, "AveragePool": 10, "LpPool": 18}[op] and "auto_pad" not in attrs:
            attrs["ceil_mode"] = pick(0, 1)
        if op == "AveragePool" and version >= 7:
            attrs["count_include_pad"] = pick(0, 1)
        if op == "LpPool":
            attrs["p"] = pick(1, 2, 3)
        x = f(pick(1, 2), pick(1, 3), *[k * 3 + pick(0, 1, 4) for k in kernel])
        if op == "MaxPool" and version >= 12 and pick(0, 2) == 0 and outputs == 1:
            x = u8(*x.shape) if pick(0, 1) else i8(*x.shape)
        yield from case("%s_%d_v%d" % (op.lower(), i, version), op, version, [x], attrs, outputs)
    for op in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"):
        for rank in (1, 2, 3):
            yield from case("%s_%d" % (op.lower(), rank), op, 22 if op != "GlobalLpPool" else 2,
                            [f(2, 3, *[4, 5, 3][:rank])])


def integers():
    for i in range(40):
        group = pick(1, 1, 2, 4)
        c, m, kernel = group * pick(1, 3), group * pick(1, 9), [pick(1, 3), pick(1, 3)]
        x, w = pick(u8, i8)(1, c, 9, 11), i8(m, c // group, *kernel)
        if x.dtype == np.uint8 and pick(0, 1):
            w = u8(*w.shape)
        attrs = dict(window(2, kernel), group=group)
        xz = pick(x.dtype.type(3), x.dtype.type(100))
        wz = w.dtype.type(pick(0, 5))
        y = pick(u8, i8) if x.dtype == np.int8 else u8
        scale = lambda v: np.array(v, np.float32)
        if pick(0, 1):
            yield from case("conv_integer_%d" % i, "ConvInteger", 10, [x, w, np.array(xz), np.array(wz)], attrs,
                            oracle=base.by_reference if x.dtype == np.int8 or "auto_pad" in attrs else None)
            continue
        each = pick(0, 1)
        ws = rng.uniform(0.01, 0.03, m).astype(np.float32) if each else scale(0.02)
        wzs = np.full(m, wz) if each else np.array(wz)
        ins = [x, scale(0.03), np.array(xz), w, ws, wzs, scale(0.09), np.array(x.dtype.type(7))]
        if pick(0, 1):
            ins.append(rng.integers(-900, 900, m).astype(np.int32))
        yield from case("qlinear_conv_%d" % i, "QLinearConv", 10, ins, attrs)
    for i in range(24):
        batch, rows, k, n = pick([], [], [2], [2, 3]), pick(1, 3, 20), pick(1, 5, 33), pick(1, 4, 19)
        a, b = u8(*batch, rows, k), pick(u8, i8)(*(batch if pick(0, 1) else []), k, n)
        az, bz = np.array(np.uint8(pick(0, 9))), np.array(b.dtype.type(pick(0, 4)))
        if pick(0, 1):
            yield from case("matmul_integer_%d" % i, "MatMulInteger", 10, [a, b, az, bz])
        else:
            s = [np.array(v, np.float32) for v in (0.02, 0.03, 0.4)]
            yield from case("qlinear_matmul_%d" % i, "QLinearMatMul", 10,
                            [a, s[0], az, b, s[1], bz, s[2], np.array(np.uint8(12))])


def cases():
    for group in (convolutions, transposed, pools, integers):
        yield from group()


if __name__ == "__main__":
    base.cases = cases
    base.main(sys.argv[1])
