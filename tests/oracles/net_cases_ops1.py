"""Cases of operators that compute: elements, dtypes, reductions, products, normalisations, quantisation, losses, signals.
Every version of each operator, the dtypes that it takes, axes, and the values where things go wrong."""
import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper

F32, F64, F16, BF16 = np.float32, np.float64, np.float16, ml_dtypes.bfloat16
INTS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]
FLOATS = [F32, F64, F16, BF16]
TRAINING = "ai.onnx.preview.training"


def versions(op, domain=""):
    return sorted({s.since_version for s in onnx.defs.get_all_schemas_with_history()
                   if s.name == op and s.domain == domain})


def takes(op, version, dtype, index=0):
    """Whether the schema lets input `index` have this dtype."""
    s = onnx.defs.get_schema(op, version, "")
    i = s.inputs[min(index, len(s.inputs) - 1)]
    name = {F32: "float", F64: "double", F16: "float16", BF16: "bfloat16", np.bool_: "bool"}.get(dtype, np.dtype(dtype).name)
    return f"tensor({name})" in i.types


def rand(rng, shape, dtype=F32, lo=-3, hi=3):
    if np.issubdtype(np.dtype(dtype), np.integer):
        info = np.iinfo(dtype)
        return rng.integers(max(int(lo), info.min), min(int(hi), info.max), shape, dtype=np.int64).astype(dtype)
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(np.bool_)
    return rng.uniform(lo, hi, shape).astype(dtype)


def tol(dtype):
    return {F16: 2e-3, BF16: 1.6e-2}.get(dtype, 1e-3)


def short(dtype):
    return np.dtype(dtype).name


def unary(c, rng):
    special = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 0.5, 2.5, -2.5, 1e-3, 20], F32)
    ranges = {"Log": (0.1, 5), "Sqrt": (0, 5), "Acosh": (1, 5), "Acos": (-1, 1), "Asin": (-1, 1), "Atanh": (-.95, .95)}
    for op in ("Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Erf Exp Floor IsInf IsNaN Log Neg Reciprocal Relu "
               "Round Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Tan Tanh BitwiseNot Not Elu Selu LeakyRelu "
               "HardSigmoid HardSwish Mish Celu ThresholdedRelu Shrink Gelu Swish Identity").split():
        if op == "Identity":
            continue
        lo, hi = ranges.get(op, (-4, 4))
        for v in versions(op):
            last = v == versions(op)[-1]
            for t in FLOATS + INTS + [np.bool_]:
                if takes(op, v, t):
                    x = rand(rng, (2, 5), t, lo, hi)
                    c.add(f"{op}_{v}_{short(t)}", op, [x], version=v, rtol=tol(t), keep=last and (t == F32 or (t in (F16, np.uint8, np.int32) and op in ("Abs", "Sign", "Erf", "Celu", "Exp"))))
            if last and takes(op, v, F32):
                with np.errstate(all="ignore"):
                    c.add(f"{op}_{v}_special", op, [special], version=v, oracle="reference",
                          keep=op in ("Sign", "Round", "IsInf", "Relu", "Tanh", "Elu", "Softplus"))
                c.add(f"{op}_{v}_scalar", op, [np.array(0.7 if op != "Acosh" else 1.7, F32)], version=v, keep=False)
                c.add(f"{op}_{v}_empty", op, [np.zeros((0, 3), F32)], version=v, keep=op in ("Exp", "Gelu"))
    for attrs in ({"detect_positive": 0}, {"detect_negative": 0}, {"detect_negative": 0, "detect_positive": 0}):
        c.add(f"IsInf_{attrs}", "IsInf", [special], attrs, 20)
    for op, attrs in (("Elu", {"alpha": 2.5}), ("Celu", {"alpha": 2.5}), ("Selu", {"alpha": 2.0, "gamma": 3.0}),
                      ("LeakyRelu", {"alpha": 0.3}), ("HardSigmoid", {"alpha": 0.5, "beta": 0.6}),
                      ("ThresholdedRelu", {"alpha": 2.0}), ("Shrink", {"lambd": 1.5, "bias": 0.5}),
                      ("Gelu", {"approximate": "tanh"}), ("Swish", {"alpha": 1.5})):
        c.add(f"{op}_attrs", op, [rand(rng, (3, 4))], attrs, versions(op)[-1])


def binary(c, rng):
    shapes = [((2, 3), (2, 3)), ((2, 3, 4), (3, 1)), ((1, 4), (3, 1)), ((), (2, 2)), ((2, 1, 3), (4, 1)), ((0, 3), (3,)),
              ((2, 0), (1, 1))]
    for op in ("Add Sub Mul Div Pow Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor BitwiseAnd BitwiseOr "
               "BitwiseXor Mod Max Min Sum Mean PRelu").split():
        for v in versions(op):
            if v < 7 and op != "PRelu":
                continue
            last = v == versions(op)[-1]
            for t in FLOATS + INTS + [np.bool_]:
                if not takes(op, v, t) or not takes(op, v, t, 1):
                    continue
                lo, hi = (1, 4) if op in ("Div", "Pow", "Mod") else (-4, 5)
                attrs = {"fmod": 1} if op == "Mod" and t in FLOATS else {}
                a, b = rand(rng, (2, 3, 2), t, lo, hi), rand(rng, (3, 1), t, lo, hi)
                c.add(f"{op}_{v}_{short(t)}", op, [a, b], attrs, v, rtol=tol(t), atol=1e-5,
                      keep=last and (t in (F32, np.bool_) or (op in ("Add", "Div", "Mod", "Max") and t in (F16, BF16, np.uint8, np.int64))))
            t = np.bool_ if op in ("And", "Or", "Xor") else np.int32 if op.startswith("Bitw") else F32
            for i, (sa, sb) in enumerate(shapes):
                if last and (op != "PRelu" or np.broadcast_shapes(sa, sb) == sa):
                    attrs = {"fmod": 1} if op == "Mod" else {}
                    c.add(f"{op}_shape_{i}", op, [rand(rng, sa, t, 1, 4), rand(rng, sb, t, 1, 4)], attrs, v,
                          keep=op in ("Add", "Less", "PRelu"))
    nan = np.array([np.nan, 1, np.inf, -0.0, 3], F32), np.array([1, np.nan, -np.inf, 0.0, 3], F32)
    for op in ("Max", "Min", "Equal", "Less", "Greater", "LessOrEqual"):
        c.add(f"{op}_nan", op, list(nan), version=13 if op in ("Max", "Min") else versions(op)[-1])
    big = np.array([2**63 + 5, 7, 2**64 - 1], np.uint64), np.array([2, 2**63 + 9, 2**64 - 1], np.uint64)
    for op in ("Max", "Min", "Less", "GreaterOrEqual", "Div", "Add", "Mul", "Equal", "BitwiseXor"):
        c.add(f"{op}_u64_large", op, list(big), version=versions(op)[-1])
    for t in (np.int32, np.int64, np.int8, np.uint8):
        c.add(f"Mod_sign_{short(t)}", "Mod", [np.array([-4, 7, 5, 4, -7, 8] if t != np.uint8 else [4, 7, 5, 4, 7, 8], t),
                                              np.array([2, -3, 8, -2, 3, 5] if t != np.uint8 else [2, 3, 8, 2, 3, 5], t)], version=13)
        c.add(f"Mod_fmod_{short(t)}", "Mod", [np.array([4, 7, 5, 4, 7, 8], t), np.array([2, 3, 8, 2, 3, 5], t)], {"fmod": 1}, 13)
    for a in FLOATS + [np.int32, np.int64]:
        for b in FLOATS + INTS:
            if takes("Pow", 15, a) and takes("Pow", 15, b, 1):
                x, y = rand(rng, (4,), a, 1, 4), rand(rng, (4,), b, 0, 4)
                c.add(f"Pow_{short(a)}_{short(b)}", "Pow", [x, y], version=15, rtol=tol(a), oracle="reference",
                      want=[np.power(x.astype(F64), y.astype(F64)).astype(a)], keep=a in (F32, np.int32) and b in (np.int32, F32, np.uint64))
    for n in (0, 0.5, 1, 2, 3, -1, -2, 2.5):
        c.add(f"Pow_by_{n}", "Pow", [rand(rng, (5,), F32, 0.5, 3), np.array(n, F32)], version=15, constants=(1,))
    for t in (np.uint8, np.uint16, np.uint32, np.uint64):
        x, s = np.array([1, 4, 255, 77], t), np.array([1, 2, 3, 9], t)
        width = np.dtype(t).itemsize * 8
        for way in ("LEFT", "RIGHT"):
            want = [int(a) << int(b) if way == "LEFT" else int(a) >> int(b) for a, b in zip(x, s)]
            c.add(f"BitShift_{way}_{short(t)}", "BitShift", [x, s], {"direction": way}, 11,
                  want=[np.array([w % 2**width for w in want], np.uint64).astype(t)])
    for n in (1, 2, 3, 5):
        for op in ("Max", "Min", "Sum", "Mean"):
            ins = [rand(rng, (2, 3) if i % 2 == 0 else (3,)) for i in range(n)]
            c.add(f"{op}_of_{n}", op, ins, version=13, keep=n == 3)
    # before version 7: broadcasting by attributes
    a = rand(rng, (2, 3, 4, 5), F32, 1, 3)
    fns = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Pow": np.power}
    for op, fn in fns.items():
        for v in (1, 6):
            if v not in versions(op):
                continue
            b = rand(rng, (3, 4), F32, 1, 3)
            c.add(f"{op}_{v}_axis", op, [a, b], {"broadcast": 1, "axis": 1}, v, want=[fn(a, b[None, :, :, None])], keep=op == "Sub")
            c.add(f"{op}_{v}_tail", op, [a, b[0, :1]], {"broadcast": 1}, v, want=[fn(a, b[0, :1])], keep=False)
            c.add(f"{op}_{v}_same", op, [a, a], {}, v, want=[fn(a, a)], keep=False)
    for op, fn in (("And", np.logical_and), ("Less", np.less), ("Equal", np.equal)):
        x, y = (rand(rng, (2, 3), np.bool_), rand(rng, (2,), np.bool_)) if op == "And" else (rand(rng, (2, 3), F32 if op == "Less" else np.int32, 0, 3), rand(rng, (2,), F32 if op == "Less" else np.int32, 0, 3))
        c.add(f"{op}_1_axis", op, [x, y], {"broadcast": 1, "axis": 0}, 1, want=[fn(x, y[:, None])])
    x, s = rand(rng, (2, 3, 2)), rand(rng, (3,))
    c.add("PRelu_6_channels", "PRelu", [x, s], version=6, want=[np.where(x > 0, x, x * s[None, :, None])])
    for t in (F32, F64, F16, np.int64, np.uint8, np.bool_):
        cond = rand(rng, (2, 1, 3), np.bool_)
        c.add(f"Where_{short(t)}", "Where", [cond, rand(rng, (4, 1), t), rand(rng, (1,), t)], version=16)


def clip(c, rng):
    x = rand(rng, (3, 4))
    for v in (1, 6):
        for attrs in ({}, {"min": -1.0}, {"max": 1.0}, {"min": -1.0, "max": 1.0}):
            want = np.clip(x, attrs.get("min", -np.inf), attrs.get("max", np.inf))
            c.add(f"Clip_{v}_{attrs}", "Clip", [x], attrs, v, want=[want], keep=v == 6)
    for v in (11, 12, 13):
        for t in FLOATS + INTS:
            if not takes("Clip", v, t):
                continue
            y = rand(rng, (3, 4), t, -9, 9)
            lo, hi = np.array(2 if np.dtype(t).kind == "u" else -2, t), np.array(4, t)
            for name, ins in (("both", [y, lo, hi]), ("low", [y, lo]), ("high", [y, None, hi]), ("none", [y]), ("cross", [y, hi, lo])):
                want = y if len(ins) < 2 or ins[1] is None else np.maximum(y, ins[1])
                want = np.minimum(want, ins[2]) if len(ins) > 2 else want
                c.add(f"Clip_{v}_{short(t)}_{name}", "Clip", ins, {}, v, want=[want], keep=v == 13 and (t == F32 or name == "both" and t == np.uint8))
                if v == 13 and len(ins) == 3 and ins[1] is not None:
                    c.add(f"Clip_{v}_{short(t)}_{name}_constant", "Clip", ins, {}, v, want=[want], constants=(1, 2), keep=t == F32)


def casts(c, rng):
    low = {"F8E4M3FN": ml_dtypes.float8_e4m3fn, "F8E4M3FNUZ": ml_dtypes.float8_e4m3fnuz, "F8E5M2": ml_dtypes.float8_e5m2,
           "F8E5M2FNUZ": ml_dtypes.float8_e5m2fnuz, "F4E2M1": ml_dtypes.float4_e2m1fn, "I4": ml_dtypes.int4,
           "U4": ml_dtypes.uint4, "I2": ml_dtypes.int2, "U2": ml_dtypes.uint2}
    plain = FLOATS + INTS + [np.bool_]
    for a in plain:
        x = rand(rng, (3, 5), a, 0, 100)
        for b in plain:
            to = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(b))
            c.add(f"Cast_{short(a)}_{short(b)}", "Cast", [x], {"to": to}, 13, want=[x.astype(b)], rtol=tol(b),
                  keep=(a == F32 and b in (F16, BF16, np.int8, np.bool_)))
    x = np.array([0.1, -0.6, 0.7, 1, -1, 3.5, 447, 449, 500, 1e6, -1e6, 57344, 60000, 2**-9, 2**-10, 2**-17, 0, -0.0, np.nan,
                  np.inf, -np.inf], F32)
    for name, t in low.items():
        to = helper.np_dtype_to_tensor_dtype(np.dtype(t))
        src = x if name.startswith("F8") else np.array([-6, -3.5, -3, -2, -1.4, -0.5, 0, 0.2, 0.25, 0.75, 1, 1.25, 1.5, 2.5, 3, 5], F32)
        if name[0] in "IU":
            src = np.arange(-3 if name[0] == "I" else 0, 4).astype(F32)
            src = src[(src >= -2) & (src < 2)] if name == "I2" else src
        for f in (F32, F16, F64, BF16):
            for saturate in (1, 0):
                attrs = {"to": to} if saturate else {"to": to, "saturate": 0}
                if name.startswith("F8") or saturate:
                    with np.errstate(all="ignore"):
                        c.add(f"Cast_{short(f)}_{name}_{saturate}", "Cast", [src.astype(f)], attrs, 24, keep=f == F32)
        codes = src.astype(t)
        for f in (F32, F16, F64, np.int8 if name[0] == "I" else F32):
            tt = helper.np_dtype_to_tensor_dtype(np.dtype(f))
            if f == F32 and f"Cast_{name}_{short(f)}" in c.names:
                continue
            want = codes.astype(F32)
            c.add(f"Cast_{name}_{short(f)}", "Cast", [codes], {"to": tt}, 24, want=[want.astype(f)], keep=f == F32)
    c.add("Cast_1", "Cast", [np.array([1.7, -2.2], F32)], {"to": "INT32"}, 1, want=[np.array([1, -2], np.int32)])
    c.add("Cast_1_double", "Cast", [np.array([1.5, -2.25], F32)], {"to": "DOUBLE"}, 1, want=[np.array([1.5, -2.25], F64)])
    c.add("CastLike_f16", "CastLike", [rand(rng, (2, 3)), np.zeros(1, F16)], {}, 19)
    for a, b in ((F32, np.int32), (np.int16, np.uint16), (F64, np.int64), (np.uint8, np.int8), (F16, np.uint16)):
        y = rand(rng, (2, 3), a, 0, 100)
        c.add(f"BitCast_{short(a)}", "BitCast", [y], {"to": helper.np_dtype_to_tensor_dtype(np.dtype(b))}, 26, want=[y.view(b)])


def reductions(c, rng):
    np_fn = {"ReduceSum": np.sum, "ReduceMean": np.mean, "ReduceMax": np.max, "ReduceMin": np.min, "ReduceProd": np.prod,
             "ReduceL1": lambda x, **k: np.sum(np.abs(x), **k), "ReduceL2": lambda x, **k: np.sqrt(np.sum(np.square(x), **k)),
             "ReduceSumSquare": lambda x, **k: np.sum(np.square(x), **k), "ReduceLogSum": lambda x, **k: np.log(np.sum(x, **k)),
             "ReduceLogSumExp": lambda x, **k: np.log(np.sum(np.exp(x), **k))}
    for op, fn in np_fn.items():
        for v in versions(op):
            inputs = v >= (13 if op == "ReduceSum" else 18)
            last = v == versions(op)[-1]
            for t in FLOATS + INTS + [np.bool_]:
                if not takes(op, v, t):
                    continue
                x = rand(rng, (2, 3, 4), t, 1, 4)
                for axes, keep in (((1,), 1), ((0, 2), 0), ((-1,), 1), (None, 1), (None, 0)):
                    calc = x.astype(F64) if t in FLOATS or op in ("ReduceMean", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp") else x
                    want = np.asarray(fn(calc, axis=axes, keepdims=bool(keep))).astype(t)
                    attrs, ins = {"keepdims": keep}, [x]
                    if axes and inputs:
                        ins.append(np.array(axes, np.int64))
                    elif axes:
                        attrs["axes"] = axes
                    c.add(f"{op}_{v}_{short(t)}_{axes}_{keep}", op, ins, attrs, v, want=[want], rtol=tol(t) * 2,
                          constants=(1,) if len(ins) > 1 and keep else (),
                          keep=last and ((t, axes) in ((F32, (1,)), (np.bool_, (1,))) or (keep and (t, axes) == (np.int32, (0, 2)))))
        if versions(op)[-1] >= 18:
            x = rand(rng, (2, 3), F32, 0.5, 2)
            v = versions(op)[-1]
            for t in (F32,):
                c.add(f"{op}_noop", op, [x, np.zeros(0, np.int64)], {"noop_with_empty_axes": 1, "keepdims": 1}, v,
                      want=[x if op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd") else
                            {"ReduceL1": np.abs(x), "ReduceL2": np.abs(x), "ReduceSumSquare": x * x, "ReduceLogSum": np.log(x),
                             "ReduceLogSumExp": x}[op]])
                c.add(f"{op}_all_by_empty", op, [x, np.zeros(0, np.int64)], {"keepdims": 1}, v,
                      want=[np.asarray(fn(x, axis=None, keepdims=True)).astype(F32)], keep=False)
                if op in ("ReduceSum", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare"):
                    c.add(f"{op}_empty", op, [np.zeros((2, 0, 3), F32), np.array([1], np.int64)], {"keepdims": 0}, v,
                          want=[np.full((2, 3), 1 if op == "ReduceProd" else 0, F32)])
            c.add(f"{op}_scalar", op, [np.array(2.5, F32)], {"keepdims": 1}, v, want=[np.asarray(fn(np.array(2.5, F32), axis=None)).astype(F32)])
    for op, t in (("ReduceMax", np.int32), ("ReduceMin", np.uint8), ("ReduceMax", F64), ("ReduceMin", np.int64)):
        ends = np.iinfo(t) if np.dtype(t).kind in "iu" else None
        fill = (ends.min if op == "ReduceMax" else ends.max) if ends else (-np.inf if op == "ReduceMax" else np.inf)
        c.add(f"{op}_empty_{short(t)}", op, [np.zeros((2, 0), t), np.array([1], np.int64)], {"keepdims": 1}, 20, want=[np.full((2, 1), fill, t)])
    big = np.array([[2**63 + 1, 3], [2**64 - 1, 9]], np.uint64)
    c.add("ReduceMax_u64", "ReduceMax", [big, np.array([0], np.int64)], {"keepdims": 0}, 20, want=[big.max(0)])
    for op, fn in (("ArgMax", np.argmax), ("ArgMin", np.argmin)):
        for v in versions(op):
            for t in FLOATS + INTS:
                if takes(op, v, t):
                    x = rand(rng, (2, 3, 4), t, 0, 3)
                    for axis, keep in ((0, 1), (1, 0), (-1, 1)):
                        want = fn(x, axis=axis)
                        want = (np.expand_dims(want, axis) if keep else want).astype(np.int64)
                        c.add(f"{op}_{v}_{short(t)}_{axis}", op, [x], {"axis": axis, "keepdims": keep}, v, want=[want],
                              keep=v == 13 and t in (F32, np.uint8))
        x = np.array([[2, 2, 1], [3, 10, 10], [1, 1, 1]], F32)
        for axis in (0, 1, -1):
            w = x.shape[axis] - 1 - fn(np.flip(x, axis), axis=axis)
            c.add(f"{op}_last_{axis}", op, [x], {"axis": axis, "keepdims": 0, "select_last_index": 1}, 13, want=[w.astype(np.int64)])
    for op, v in (("CumSum", 14), ("CumSum", 11), ("CumProd", 26)):
        for t in (F32, F64, F16, np.int32, np.int64, np.uint32):
            if not takes(op, v, t):
                continue
            x = rand(rng, (2, 4), t, 1, 4)
            for axis in (0, 1, -1):
                for exclusive in (0, 1):
                    for reverse in (0, 1):
                        y = np.flip(x, axis) if reverse else x
                        y = (np.cumsum if op == "CumSum" else np.cumprod)(y.astype(F64), axis=axis)
                        if exclusive:
                            y = np.roll(y, 1, axis)
                            y[(slice(None),) * (axis % 2) + (0,)] = op == "CumProd"
                        y = (np.flip(y, axis) if reverse else y).astype(t)
                        c.add(f"{op}_{v}_{short(t)}_{axis}_{exclusive}{reverse}", op, [x, np.array(axis, np.int32 if axis else np.int64)],
                              {"exclusive": exclusive, "reverse": reverse}, v, want=[y], rtol=tol(t), keep=v != 11 and t in (F32, np.int32) and axis == 1)
    for op in ("Softmax", "LogSoftmax", "Hardmax"):
        for v in versions(op):
            for t in FLOATS:
                if not takes(op, v, t):
                    continue
                x = rand(rng, (2, 3, 4), t)
                for axis in (None, 0, 1, 2, -1, -2):
                    if v < 11 and axis is not None and axis < 0:
                        continue
                    a = axis if axis is not None else (1 if v < 13 else -1)
                    y = x.astype(F64)
                    if v < 13:
                        y = y.reshape(int(np.prod(x.shape[:a % 3])) if a % 3 else 1, -1)
                        a = -1
                    e = np.exp(y - y.max(a, keepdims=True))
                    p = e / e.sum(a, keepdims=True)
                    if op == "LogSoftmax":
                        p = np.log(p)
                    if op == "Hardmax":
                        p = np.zeros_like(y)
                        np.put_along_axis(p, np.expand_dims(np.argmax(y, a), a), 1, a)
                    c.add(f"{op}_{v}_{short(t)}_{axis}", op, [x], {} if axis is None else {"axis": axis}, v,
                          want=[p.reshape(x.shape).astype(t)], rtol=tol(t), atol=1e-5 if t in (F32, F64) else 1e-3,
                          keep=t == F32 and axis in (None, 1) and v != 11)


def products(c, rng):
    shapes = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)),
              ((5, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (6, 3, 4)), ((1, 2, 3), (5, 3, 4)), ((3,), (5, 3, 4)), ((5, 2, 3), (3,)),
              ((0, 3), (3, 4)), ((2, 0), (0, 3)), ((2, 17), (17, 33))]
    for t in FLOATS + [np.int32, np.int64, np.uint32, np.uint64]:
        for i, (a, b) in enumerate(shapes):
            x, y = rand(rng, a, t), rand(rng, b, t)
            want = np.asarray(np.matmul(x.astype(F64) if t in FLOATS else x, y.astype(F64) if t in FLOATS else y)).astype(t)
            for constants in ((), (1,)):
                c.add(f"MatMul_{short(t)}_{i}_{constants}", "MatMul", [x, y], {}, 13, want=[want], constants=constants,
                      rtol=tol(t), atol={F16: 3e-3, BF16: 3e-2}.get(t, 1e-5), keep=(t == F32 and not (constants and i % 2)) or (t in (F16, np.int32) and i == 7 and not constants))
    for v in versions("Gemm"):
        for ta in (0, 1):
            for tb in (0, 1):
                for cs in ((), (4,), (1, 4), (2, 1), (2, 4), None):
                    if (cs is None and v < 11) or (v < 7 and cs != (2, 4) and cs != (4,)):
                        continue
                    for const in ((), (1, 2)):
                        if cs is None and const:
                            const = (1,)
                        a, b = rand(rng, (3, 2) if ta else (2, 3)), rand(rng, (4, 3) if tb else (3, 4))
                        ins = [a, b] + ([] if cs is None else [rand(rng, cs)])
                        attrs = {"transA": ta, "transB": tb, "alpha": 0.5 if ta else 1.0, "beta": 0.25 if tb else 1.0}
                        if v < 7 and cs == (4,):
                            attrs["broadcast"] = 1
                        want = attrs["alpha"] * (a.T if ta else a) @ (b.T if tb else b) + (0 if cs is None else attrs["beta"] * ins[2])
                        c.add(f"Gemm_{v}_{ta}{tb}_{cs}_{const}", "Gemm", ins, attrs, v, want=[want.astype(F32)], constants=const, atol=1e-5,
                              keep=v == 13 and (cs == (4,) or (ta and not tb and not const)))
    for t in (F16, BF16, F64, np.int32, np.uint64):
        a, b, d = rand(rng, (2, 3), t, 0, 4), rand(rng, (3, 4), t, 0, 4), rand(rng, (4,), t, 0, 4)
        want = (a.astype(F64) @ b.astype(F64) + d.astype(F64)).astype(t)
        for const in ((), (1, 2)):
            c.add(f"Gemm_{short(t)}_{const}", "Gemm", [a, b, d], {}, 13, want=[want], constants=const, rtol=tol(t) * 2, keep=t in (F16, np.int32))


def norms(c, rng):
    x = rand(rng, (2, 3, 4, 5))
    s, b, mean, var = (rand(rng, (3,), F32, 0.5, 2) for _ in range(4))
    r = (1, 3, 1, 1)
    for v in versions("BatchNormalization"):
        attrs = {"epsilon": 1e-2}
        if v < 7:
            attrs["is_test"] = 1
        want = (x - mean.reshape(r)) / np.sqrt(var.reshape(r) + 1e-2) * s.reshape(r) + b.reshape(r)
        for const in ((), (1, 2, 3, 4)):
            c.add(f"BatchNormalization_{v}_{const}", "BatchNormalization", [x, s, b, mean, var], attrs, v, want=[want], constants=const, atol=1e-5, keep=v in (9, 15))
    m, d = x.mean((0, 2, 3)), x.var((0, 2, 3))
    want = (x - m.reshape(r)) / np.sqrt(d.reshape(r) + 1e-2) * s.reshape(r) + b.reshape(r)
    c.add("BatchNormalization_train", "BatchNormalization", [x, s, b, mean, var], {"epsilon": 1e-2, "training_mode": 1, "momentum": 0.8}, 15, 3,
          want=[want, mean * 0.8 + m * 0.2, var * 0.8 + d * 0.2], atol=1e-5)
    x2 = rand(rng, (4, 3))
    c.add("BatchNormalization_2d", "BatchNormalization", [x2, s, b, mean, var], {}, 15, want=[(x2 - mean) / np.sqrt(var + 1e-5) * s + b], atol=1e-5)
    p = [rand(rng, (3, 4, 5), F32, 0.5, 2) for _ in range(4)]
    c.add("BatchNormalization_7_places", "BatchNormalization", [x] + p, {"spatial": 0}, 7, want=[(x - p[2]) / np.sqrt(p[3] + 1e-5) * p[0] + p[1]], atol=1e-5)
    for t in (F16, BF16, F64):
        q = [a.astype(t) for a in (x, s, b, mean, var)]
        f = [a.astype(F64) for a in q]
        want = (f[0] - f[3].reshape(r)) / np.sqrt(f[4].reshape(r) + 1e-5) * f[1].reshape(r) + f[2].reshape(r)
        c.add(f"BatchNormalization_{short(t)}", "BatchNormalization", q, {}, 15, want=[want.astype(t)], rtol=tol(t), atol=1e-3, keep=t == F16)
    for v in versions("InstanceNormalization"):
        mm, vv = x.mean((2, 3), keepdims=True), x.var((2, 3), keepdims=True)
        c.add(f"InstanceNormalization_{v}", "InstanceNormalization", [x, s, b], {"epsilon": 1e-2}, v,
              want=[(x - mm) / np.sqrt(vv + 1e-2) * s.reshape(r) + b.reshape(r)], atol=1e-5)
    y = rand(rng, (2, 4, 3, 2))
    for v, n in ((18, 2), (21, 4)):
        w, bb = rand(rng, (n,), F32, 0.5, 2), rand(rng, (n,))
        g = y.reshape(2, 2, -1)
        z = ((g - g.mean(-1, keepdims=True)) / np.sqrt(g.var(-1, keepdims=True) + 1e-5))
        ww, wb = (np.repeat(a, 4 // n).reshape(1, 4, 1, 1) for a in (w, bb))
        c.add(f"GroupNormalization_{v}", "GroupNormalization", [y, w, bb], {"num_groups": 2}, v, want=[z.reshape(y.shape) * ww + wb], atol=1e-5)
    for axis in (0, 1, 2, 3, -1, -2, -4):
        n = x.shape[axis % 4:]
        ax = tuple(range(axis % 4, 4))
        w, bb = rand(rng, n, F32, 0.5, 2), rand(rng, n)
        mm, inv = x.mean(ax, keepdims=True), 1 / np.sqrt(x.var(ax, keepdims=True) + 1e-5)
        c.add(f"LayerNormalization_{axis}", "LayerNormalization", [x, w, bb], {"axis": axis}, 17, 3, want=[(x - mm) * inv * w + bb, mm, inv], atol=1e-5, keep=axis in (1, -1))
        c.add(f"LayerNormalization_{axis}_no_bias", "LayerNormalization", [x, w], {"axis": axis}, 17, want=[(x - mm) * inv * w], atol=1e-5, keep=axis == 2)
        c.add(f"RMSNormalization_{axis}", "RMSNormalization", [x, w], {"axis": axis}, 23, want=[x / np.sqrt((x * x).mean(ax, keepdims=True) + 1e-5) * w], atol=1e-5, keep=axis in (0, -1))
    for t in (F16, BF16, F64):
        h = rand(rng, (3, 8), t)
        w, bb = rand(rng, (8,), t, 0.5, 2), rand(rng, (8,), t)
        f = h.astype(F64)
        z = (f - f.mean(-1, keepdims=True)) / np.sqrt(f.var(-1, keepdims=True) + 1e-5) * w.astype(F64) + bb.astype(F64)
        c.add(f"LayerNormalization_{short(t)}", "LayerNormalization", [h, w, bb], {}, 17, want=[z.astype(t)], rtol=tol(t) * 2, atol=2e-3, keep=t == F16)
    w = rand(rng, (1, 5), F32, 0.5, 2)
    c.add("LayerNormalization_broadcast", "LayerNormalization", [x, w], {"axis": 2}, 17, want=[(x - x.mean((2, 3), keepdims=True)) / np.sqrt(x.var((2, 3), keepdims=True) + 1e-5) * w], atol=1e-5)
    for size in (1, 2, 3, 4, 5):
        for beta in (0.75, 0.5):
            xx = rand(rng, (2, 6, 3, 2))
            sq = np.zeros_like(xx)
            for ch in range(6):
                lo, hi = max(0, ch - (size - 1) // 2), min(5, ch + size // 2)
                sq[:, ch] = (xx[:, lo:hi + 1] ** 2).sum(1)
            c.add(f"LRN_{size}_{beta}", "LRN", [xx], {"size": size, "alpha": 0.3, "beta": beta, "bias": 1.5}, 13, want=[xx / (1.5 + 0.3 / size * sq) ** beta], atol=1e-5, keep=size in (3, 4))
    for axis in (0, 1, -1, 2):
        for pp in (1, 2):
            z = rand(rng, (2, 3, 4))
            z[0, 0] = 0
            n = np.abs(z).sum(axis, keepdims=True) if pp == 1 else np.sqrt((z * z).sum(axis, keepdims=True))
            c.add(f"LpNormalization_{axis}_{pp}", "LpNormalization", [z], {"axis": axis, "p": pp}, 22, want=[np.where(n == 0, 0, z / np.where(n == 0, 1, n))], keep=axis == -1)
    for axes in (None, (0, 2, 3), (1,), (-1, -2)):
        ax = axes or (0, 2, 3)
        c.add(f"MeanVarianceNormalization_{axes}", "MeanVarianceNormalization", [x], {} if axes is None else {"axes": axes}, 13,
              want=[(x - x.mean(ax, keepdims=True)) / (x.std(ax, keepdims=True) + 1e-9)], atol=1e-5, keep=axes in (None, (1,)))
    for v in versions("Dropout"):
        ins = [x2] if v < 12 else [x2, np.array(0.3, F32)]
        want = [x2, np.ones_like(x2, np.bool_ if v >= 10 else F32)]
        c.add(f"Dropout_{v}", "Dropout", ins, {"is_test": 1} if v < 7 else {}, v, 2, want=want, keep=v in (7, 13))
    c.add("Dropout_train_0", "Dropout", [x2, np.array(0, F32), np.array(True)], {}, 13, 2, want=[x2, np.ones_like(x2, np.bool_)])
    a, bb = rand(rng, (2, 6)), rand(rng, (2, 6))
    c.add("SwiGLU", "SwiGLU", [a, bb], {}, 28, want=[a / (1 + np.exp(-a)) * bb])


def quantisation(c, rng):
    types = [np.uint8, np.int8, np.uint16, np.int16, ml_dtypes.int4, ml_dtypes.uint4, ml_dtypes.int2, ml_dtypes.uint2,
             ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2]
    x = np.array([[0, 2, 3, 1000, -254, -1000, 1.25, 3.75], [0.5, 1.5, 2.5, -0.5, -1.5, 100, 1e9, -1e9]], F32)
    for t in types:
        for v in (21, 25):
            fp8 = np.dtype(t).name.startswith("float")
            if np.dtype(t).name in ("int2", "uint2") and v < 25:
                continue
            zero = np.array(0 if fp8 else 1, t)
            c.add(f"QuantizeLinear_{v}_{short(t)}", "QuantizeLinear", [x, np.array(2, F32), zero], {}, v, keep=v == 25)
            zs = np.array([0, 0] if fp8 else [1, 0], t)
            c.add(f"QuantizeLinear_{v}_{short(t)}_axis", "QuantizeLinear", [x, np.array([2, 0.5], F32), zs], {"axis": 0}, v, keep=False)
            codes = np.array([[0, 1, 1, 0, 1, 0], [1, 1, 0, 0, 1, 1]], F32).astype(t)
            c.add(f"DequantizeLinear_{v}_{short(t)}", "DequantizeLinear", [codes, np.array(2, F32), zero], {}, v, keep=v == 25)
            blocks = np.array([[2, 3, 0.5], [1, 2, 4]], F32)
            c.add(f"DequantizeLinear_{v}_{short(t)}_block", "DequantizeLinear", [codes, blocks], {"axis": 1, "block_size": 2}, v, keep=np.dtype(t).name in ("int4", "uint8"))
            c.add(f"QuantizeLinear_{v}_{short(t)}_block", "QuantizeLinear", [x[:, :6], blocks], {"axis": 1, "block_size": 2, "output_dtype": helper.np_dtype_to_tensor_dtype(np.dtype(t))}, v,
                  keep=np.dtype(t).name in ("int4", "uint8"))
    ragged, scales = rand(rng, (2, 5, 3), F32, -20, 20), rand(rng, (2, 3, 3), F32, 0.2, 1)
    wide = np.repeat(scales, 2, axis=1)[:, :5]
    c.add("QuantizeLinear_ragged", "QuantizeLinear", [ragged, scales], {"axis": 1, "block_size": 2}, 21, want=[np.clip(np.rint(ragged / wide), 0, 255).astype(np.uint8)])
    for f in (F16, BF16):
        c.add(f"QuantizeLinear_{short(f)}", "QuantizeLinear", [x[:, :6].astype(f), np.array(2, f), np.array(3, np.uint8)], {}, 21, keep=f == F16)
        c.add(f"DequantizeLinear_{short(f)}", "DequantizeLinear", [np.array([1, 7, 200], np.uint8), np.array(0.5, f), np.array(3, np.uint8)], {}, 21, rtol=tol(f), keep=f == F16)
    c.add("QuantizeLinear_10", "QuantizeLinear", [x, np.array(2, F32)], {}, 10, want=[np.clip(np.rint(x / 2), 0, 255).astype(np.uint8)])
    c.add("DequantizeLinear_10_i32", "DequantizeLinear", [np.array([-5, 7, 70000], np.int32), np.array(0.5, F32)], {}, 10, want=[np.array([-2.5, 3.5, 35000], F32)])
    for v in (13, 19, 23):
        xx = rand(rng, (2, 3, 4), F32, -9, 9)
        s, z = rand(rng, (3,), F32, 0.1, 1), np.array([3, 7, 100], np.uint8)
        q = np.clip(np.rint(xx / s[:, None]) + z[:, None].astype(F32), 0, 255).astype(np.uint8)
        c.add(f"QuantizeLinear_{v}_channels", "QuantizeLinear", [xx, s, z], {}, v, want=[q])
        c.add(f"QuantizeLinear_{v}_channels_negative", "QuantizeLinear", [xx, s, z], {"axis": -2}, v, want=[q], keep=False)
        c.add(f"DequantizeLinear_{v}_channels", "DequantizeLinear", [q, s, z], {"axis": 1}, v, want=[(q.astype(F32) - z[:, None]) * s[:, None]])
    for i, xx in enumerate((rand(rng, (3, 4)), rand(rng, (6,), F32, 1, 3), rand(rng, (6,), F32, -3, -1))):
        c.add(f"DynamicQuantizeLinear_{i}", "DynamicQuantizeLinear", [xx], {}, 11, 3)


def losses(c, rng):
    for dims in ((), (2,), (2, 3), (1, 2, 2)):
        x = rand(rng, (3, 5) + dims)
        t = rng.integers(0, 5, (3,) + dims).astype(np.int64)
        w = rand(rng, (5,), F32, 0.1, 2)
        for reduction in ("none", "sum", "mean"):
            for weighted in (0, 1):
                for ignore in (None, 2, -100):
                    labels = t.copy()
                    if ignore == -100:
                        labels[0] = -100
                    attrs = {"reduction": reduction} | ({} if ignore is None else {"ignore_index": ignore})
                    ins = [x, labels if ignore != 2 else labels.astype(np.int32)] + ([w] if weighted else [])
                    e = np.exp(x.astype(F64) - x.max(1, keepdims=True))
                    logp = np.log(e / e.sum(1, keepdims=True))
                    for op, scores in (("NegativeLogLikelihoodLoss", x.astype(F64)), ("SoftmaxCrossEntropyLoss", logp)):
                        safe = np.where((labels < 0) | (labels == ignore), 0, labels)
                        ws = (w[safe] if weighted else np.ones(labels.shape)) * ((labels >= 0) & (labels != ignore))
                        per = -np.take_along_axis(scores, safe[:, None], 1)[:, 0] * ws
                        y = per if reduction == "none" else per.sum() if reduction == "sum" else per.sum() / ws.sum()
                        want = [np.asarray(y).astype(F32)] + ([logp.astype(F32)] if op[0] == "S" else [])
                        for v in versions(op)[:1] + versions(op)[-1:]:
                            name = f"{op}_{v}_{len(dims)}_{reduction}_{weighted}_{ignore}"
                            if name not in c.names:
                                c.add(name, op, ins, attrs, v, len(want), want=want, atol=1e-5, keep=v == versions(op)[-1] and len(dims) in (0, 2) and weighted and ignore != -100)


def training(c, rng):
    r, x1, x2 = np.array(0.1, F32), rand(rng, (3,)), rand(rng, (2, 2))
    g1, g2, v1, v2, h1, h2 = rand(rng, (3,)), rand(rng, (2, 2)), rand(rng, (3,)), rand(rng, (2, 2)), rand(rng, (3,), F32, 1, 2), rand(rng, (2, 2), F32, 1, 2)
    for t in (0, 3):
        step = np.array(t, np.int64)
        c.add(f"Adagrad_{t}", "Adagrad", [r, step, x1, x2, g1, g2, h1, h2], {"norm_coefficient": 0.01, "epsilon": 1e-5, "decay_factor": 0.1}, 1, 4, TRAINING)
        for mode in ("standard", "nesterov"):
            c.add(f"Momentum_{t}_{mode}", "Momentum", [r, step, x1, g1, v1], {"norm_coefficient": 0.01, "alpha": 0.9, "beta": 0.5, "mode": mode}, 1, 2, TRAINING)
        c.add(f"Adam_{t}", "Adam", [r, step, x1, x2, g1, g2, v1, v2, h1, h2], {"norm_coefficient": 0.01, "alpha": 0.9, "beta": 0.99, "epsilon": 1e-5, "norm_coefficient_post": 0.05}, 1, 6, TRAINING)


def signals(c, rng):
    for n in (1, 2, 3, 5, 8, 12, 16, 17):
        for length in (None, n + 3, max(1, n - 2)):
            x, z = rand(rng, (2, n, 1)), rand(rng, (2, n, 2))
            for inverse in (0, 1):
                for onesided in (0, 1):
                    for src in (x, z):
                        if onesided and (src is z) != bool(inverse):
                            continue
                        if onesided and inverse and (n < 2):
                            continue
                        v = src[..., 0] + 1j * src[..., 1] if src is z else src[..., 0]
                        l = length or (2 * (n - 1) if onesided and inverse else n)
                        if onesided:
                            y = np.fft.irfft(v, l, axis=1) if inverse else np.fft.rfft(v, l, axis=1)
                        else:
                            y = np.fft.ifft(v, l, axis=1) if inverse else np.fft.fft(v, l, axis=1)
                        y = y[..., None] if onesided and inverse else np.stack([y.real, y.imag], -1)
                        ins = [src] + ([np.array(length, np.int64)] if length else [])
                        attrs = {"inverse": inverse, "onesided": onesided}
                        name = f"{n}_{length}_{inverse}{onesided}_{'c' if src is z else 'r'}"
                        c.add(f"DFT_17_{name}", "DFT", ins, attrs | {"axis": 1}, 17, want=[y.astype(F32)], atol=1e-5, keep=n in (5,))
                        ins = [src, ins[1] if length else None, np.array(-2, np.int64)]
                        c.add(f"DFT_20_{name}", "DFT", ins, attrs, 20, want=[y.astype(F32)], atol=1e-5, keep=n in (8,) and not length)
    x = rand(rng, (4, 3, 2, 1))
    for axis in (0, 1, 2, -2, -3):
        y = np.fft.fft(x[..., 0], axis=axis if axis >= 0 else axis + 1)
        c.add(f"DFT_axis_{axis}", "DFT", [x, None, np.array(axis, np.int64)], {}, 20, want=[np.stack([y.real, y.imag], -1).astype(F32)], atol=1e-5, keep=axis in (0, -3))
    s = rand(rng, (2, 40, 1))
    for onesided in (0, 1):
        for length, step in ((8, 4), (10, 3)):
            w = np.hanning(length).astype(F32)
            frames = (40 - length) // step + 1
            f = np.stack([s[:, i * step:i * step + length, 0] * w for i in range(frames)], 1)
            y = np.fft.rfft(f) if onesided else np.fft.fft(f)
            want = [np.stack([y.real, y.imag], -1).astype(F32)]
            c.add(f"STFT_{onesided}_{length}", "STFT", [s, np.array(step, np.int64), w, np.array(length, np.int64)], {"onesided": onesided}, 17, want=want, atol=1e-5, keep=length == 10)
            c.add(f"STFT_{onesided}_{length}_no_length", "STFT", [s, np.array(step, np.int64), w], {"onesided": onesided}, 17, want=want, atol=1e-5, keep=False)
    for op in ("HannWindow", "HammingWindow", "BlackmanWindow"):
        for periodic in (0, 1):
            for n in (2, 7, 10):
                for t in (1, 11, 10):
                    c.add(f"{op}_{periodic}_{n}_{t}", op, [np.array(n, np.int32)], {"periodic": periodic, "output_datatype": t}, 17, rtol=2e-3, keep=n == 10 and t == 1)
    for bands, n, rate in ((8, 16, 8192), (10, 64, 16000), (20, 512, 16000)):
        ins = [np.array(bands, np.int64), np.array(n, np.int64), np.array(rate, np.int64), np.array(0, F32), np.array(rate / 2, F32)]
        c.add(f"MelWeightMatrix_{bands}", "MelWeightMatrix", ins, {}, 17, keep=bands == 8)
    for t in (F32, F64, np.int16, np.int32, np.int64):
        for a, b, d in ((1, 5, 2), (10, 4, -2), (3, 3, 1), (0, 7, 3), (5, 1, 1)):
            c.add(f"Range_{short(t)}_{a}_{b}_{d}", "Range", [np.array(a, t), np.array(b, t), np.array(d, t)], {}, 11, want=[np.arange(a, b, d).astype(t)], keep=t == F32)
    for k in (-1, 0, 2):
        for dt in (None, 1, 7, 9, 11):
            attrs = {"k": k} | ({} if dt is None else {"dtype": dt})
            t = np.int32 if dt is None else helper.tensor_dtype_to_np_dtype(dt)
            c.add(f"EyeLike_{k}_{dt}", "EyeLike", [rand(rng, (3, 4), np.int32)], attrs, 22, want=[np.eye(3, 4, k).astype(t)], keep=k == -1)
    for shape in ((3, 3), (2, 2, 2), (1, 1), (2, 3, 4, 4)):
        m = rand(rng, shape)
        c.add(f"Det_{shape}", "Det", [m], {}, 22, want=[np.linalg.det(m.astype(F64)).astype(F32)], atol=1e-5, keep=shape == (2, 3, 4, 4))


def microsoft(c, rng):
    ms = "com.microsoft"
    x, b = rand(rng, (2, 3, 8)), rand(rng, (8,))
    for op, ins, attrs in (("BiasGelu", [x, b], {}), ("FastGelu", [x, b], {}), ("FastGelu", [x], {}), ("Gelu", [x], {}), ("QuickGelu", [x], {"alpha": 1.5})):
        c.add(f"{op}_{len(ins)}", op, ins, attrs, domain=ms, oracle="ort", atol=1e-5, rtol=2e-3)
    w, g = rand(rng, (8,), F32, 0.5, 2), rand(rng, (8,))
    c.add("SkipLayerNormalization", "SkipLayerNormalization", [x, x[::-1].copy(), w, g, b], {"epsilon": 1e-3}, outputs=["o0", "", "", "o3"], domain=ms, oracle="ort", atol=1e-5)
    c.add("SkipSimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization", [x, x[::-1].copy(), w], {"epsilon": 1e-3}, domain=ms, oracle="ort", atol=1e-5)
    for ta in (0, 1):
        for tb in (0, 1):
            p, q = rand(rng, (2, 4, 3) if ta else (2, 3, 4)), rand(rng, (2, 5, 4) if tb else (2, 4, 5))
            c.add(f"FusedMatMul_{ta}{tb}", "FusedMatMul", [p, q], {"transA": ta, "transB": tb, "alpha": 0.5}, domain=ms, oracle="ort", atol=1e-5)
    for act in ("Relu", "Tanh", "Sigmoid", "LeakyRelu"):
        c.add(f"FusedGemm_{act}", "FusedGemm", [rand(rng, (2, 3)), rand(rng, (4, 3)), rand(rng, (4,))], {"transB": 1, "activation": act, "activation_alpha": 0.2}, domain=ms, oracle="ort", atol=1e-5)
    ids, seg = rng.integers(0, 7, (2, 4)).astype(np.int32), rng.integers(0, 2, (2, 4)).astype(np.int32)
    emb = [rand(rng, (7, 8)), rand(rng, (6, 8)), rand(rng, (2, 8))]
    mask = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
    c.add("EmbedLayerNormalization", "EmbedLayerNormalization", [ids, seg] + emb + [w, g, mask], {"epsilon": 1e-3}, outputs=2, domain=ms, oracle="ort", atol=1e-5)
    a, d = rng.integers(0, 255, (2, 3)).astype(np.uint8), rng.integers(0, 255, (2, 3)).astype(np.uint8)
    sc, zp = lambda v: np.array(v, F32), lambda v: np.array(v, np.uint8)
    for op in ("QLinearAdd", "QLinearMul"):
        c.add(op, op, [a, sc(0.1), zp(100), d, sc(0.2), zp(120), sc(0.5), zp(90)], {}, domain=ms, oracle="ort", atol=1.01)
    c.add("QLinearSigmoid", "QLinearSigmoid", [a, sc(0.05), zp(128), sc(1 / 256), zp(0)], {}, domain=ms, oracle="ort", atol=1.01, constants=(1, 2, 3, 4))
    c.add("QLinearLeakyRelu", "QLinearLeakyRelu", [a, sc(0.05), zp(128), sc(0.05), zp(40)], {"alpha": 0.1}, domain=ms, oracle="ort", atol=1.01, constants=(1, 2, 3, 4))
    for bits in (2, 4, 8):
        for zeros in (0, 1):
            n, k, block = 5, 48, 16
            q = rng.integers(0, 2**bits, (n, 3, block))
            packed = np.zeros((n, 3, block * bits // 8), np.uint8)
            for i in range(block):
                packed[..., i * bits // 8] |= (q[..., i] << (i * bits % 8)).astype(np.uint8)
            s = rand(rng, (n, 3), F32, 0.1, 1)
            z = rng.integers(0, 2**bits, (n, 3)) if zeros else np.full((n, 3), 2**(bits - 1))
            zpk = np.zeros((n, (3 * bits + 7) // 8), np.uint8)
            for i in range(3):
                zpk[:, i * bits // 8] |= (z[:, i] << (i * bits % 8)).astype(np.uint8)
            wt = ((q - z[..., None]) * s[..., None]).reshape(n, k)
            xx = rand(rng, (2, 3, k))
            ins = [xx, packed, s.reshape(-1)] + ([zpk.reshape(-1)] if zeros else [])
            c.add(f"MatMulNBits_{bits}_{zeros}", "MatMulNBits", ins, {"K": k, "N": n, "bits": bits, "block_size": block}, domain=ms,
                  constants=tuple(range(1, len(ins))), want=[(xx.astype(F64) @ wt.T).astype(F32)], atol=1e-4)


def cases(c):
    for part in (unary, binary, clip, casts, reductions, products, norms, quantisation, losses, training, signals, microsoft):
        part(c, np.random.default_rng(len(part.__name__)))
