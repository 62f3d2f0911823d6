"""Cases of operators that move, index, sample, recur and attend, over versions, dtypes, axes and edges.

every() yields (name, model, inputs, outputs): one node each, with outputs of onnxruntime or of the reference evaluator
of the onnx package, whichever has the form. Run as a program it writes them as folders of the ONNX backend suite:

    python tests/oracles/net_cases_ops2.py FOLDER && glia conform FOLDER
"""

import itertools
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

onnxruntime.set_default_logger_severity(4)
rng = np.random.default_rng(5)


def f(*shape, t=np.float32):
    return rng.standard_normal(shape).astype(t)


def ints(lo, hi, *shape, t=np.int64):
    return rng.integers(lo, hi, shape).astype(t)


def any_of(t, *shape):
    if t == np.bool_:
        return rng.integers(0, 2, shape).astype(bool)
    if np.issubdtype(t, np.integer):
        return rng.integers(0 if np.issubdtype(t, np.unsignedinteger) else -90, 90, shape).astype(t)
    return f(*shape, t=t)


def ir_of(version):
    return 3 if version < 9 else 7 if version < 15 else 8 if version < 19 else 9 if version < 21 else 10


def build(op, version, inputs, outputs, attrs, domain=""):
    names = ["" if a is None else "x%d" % i for i, a in enumerate(inputs)]
    node = helper.make_node(op, names, ["y%d" % i for i in range(outputs)], domain=domain, **attrs)
    ports = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in zip(names, inputs)
        if n
    ]
    outs = [onnx.ValueInfoProto(name="y%d" % i) for i in range(outputs)]
    opsets = [helper.make_opsetid("", version if not domain else 20)]
    if domain:
        opsets.append(helper.make_opsetid(domain, version))
    graph = helper.make_graph([node], "case", ports, outs)
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_of(version if not domain else 20))


def with_types(model, results):
    for port, r in zip(model.graph.output, results):
        port.CopyFrom(helper.make_tensor_value_info(port.name, helper.np_dtype_to_tensor_dtype(r.dtype), r.shape))
    return model


def by_ort(model, feed):
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, feed)


def by_reference(model, feed):
    return ReferenceEvaluator(model).run(None, feed)


def case(name, op, version, inputs, attrs=None, outputs=1, domain="", oracle=None):
    model = build(op, version, inputs, outputs, attrs or {}, domain)
    feed = {"x%d" % i: a for i, a in enumerate(inputs) if a is not None}
    why = []
    for how in ([oracle] if oracle else [by_ort, by_reference]):
        try:
            results = [np.asarray(r) for r in how(model, feed)]
            return [(name, with_types(model, results), list(feed.values()), results)]
        except Exception as e:  # an oracle that lacks the form
            why.append("%s: %s" % (how.__name__, str(e).replace("\n", " ")[:160]))
    print("no oracle for %s: %s" % (name, "; ".join(why)), file=sys.stderr)
    return []


TYPES = [np.float32, np.float64, np.float16, np.int8, np.int32, np.int64, np.uint8, np.bool_]
I = lambda *v: np.array(v, dtype=np.int64)


def layout():
    x = f(2, 3, 4)
    for v in (5, 13, 14, 19, 21):
        for i, s in enumerate([(4, 6), (-1, 4), (0, -1), (2, 1, 3, 4), (24,), (0, 0, 2, 2)]):
            yield from case("reshape_v%d_%d" % (v, i), "Reshape", v, [x, I(*s)])
    yield from case("reshape_v1", "Reshape", 1, [x], {"shape": [6, -1]}, oracle=lambda m, d: [x.reshape(6, 4)])
    yield from case("reshape_zero", "Reshape", 14, [f(0, 3), I(3, 0, 5)], {"allowzero": 1})
    yield from case("reshape_scalar", "Reshape", 14, [f(1, 1), np.zeros(0, np.int64)])
    for v in (1, 9, 11, 13):
        for a in range(-3 if v > 9 else 0, 4):
            yield from case("flatten_v%d_%d" % (v, a), "Flatten", v, [x], {"axis": a})
    s = f(1, 3, 1, 2)
    yield from case("squeeze_v1", "Squeeze", 1, [s], {"axes": [0, 2]})
    yield from case("squeeze_v11", "Squeeze", 11, [s], {"axes": [-2]})
    yield from case("squeeze_v13", "Squeeze", 13, [s, I(-4, 2)])
    yield from case("squeeze_all", "Squeeze", 13, [s])
    yield from case("unsqueeze_v1", "Unsqueeze", 1, [x], {"axes": [0, 4]})
    yield from case("unsqueeze_v11", "Unsqueeze", 11, [x], {"axes": [-1, 0]})
    yield from case("unsqueeze_v13", "Unsqueeze", 13, [x, I(3, 1)])
    yield from case("unsqueeze_scalar", "Unsqueeze", 13, [np.array(2.5, np.float32), I(0)])
    for t in TYPES:
        yield from case("transpose_%s" % t.__name__, "Transpose", 13, [any_of(t, 17, 5, 33)], {"perm": [2, 0, 1]})
        yield from case(
            "concat_%s" % t.__name__, "Concat", 13, [any_of(t, 2, i, 3) for i in (3, 1, 0, 2)], {"axis": 1}
        )
        yield from case(
            "slice_%s" % t.__name__, "Slice", 13, [any_of(t, 7, 9), I(-1, 1), I(-20, 8), I(0, 1), I(-2, 3)]
        )
        yield from case("tile_%s" % t.__name__, "Tile", 13, [any_of(t, 2, 3), I(3, 2)])
        yield from case("expand_%s" % t.__name__, "Expand", 13, [any_of(t, 3, 1), I(2, 1, 4)])
    for i, p in enumerate([(1, 0), (0, 2, 1), (3, 1, 0, 2), (0, 3, 1, 2, 4), (5, 4, 3, 2, 1, 0), (1, 0, 3, 2, 5, 4)]):
        yield from case(
            "transpose_rank_%d" % i, "Transpose", 1, [f(*[3, 4, 5, 2, 3, 2][: len(p)])], {"perm": list(p)}
        )
    yield from case("transpose_default", "Transpose", 21, [f(2, 3, 4)])
    yield from case("transpose_empty", "Transpose", 21, [f(2, 0, 4)])
    yield from case("concat_v4", "Concat", 4, [x, x], {"axis": 2})
    yield from case("concat_many", "Concat", 11, [f(i % 3 + 1, 2) for i in range(33)], {"axis": -2})
    yield from case("concat_one", "Concat", 11, [x], {"axis": 0})
    y = f(7, 6)
    yield from case("split_v2_equal", "Split", 2, [y], {"axis": 1}, 3)
    yield from case("split_v2", "Split", 2, [y], {"axis": 0, "split": [1, 4, 2]}, 3)
    yield from case("split_v11", "Split", 11, [y], {"axis": -1, "split": [5, 0, 1]}, 3)
    yield from case("split_v13", "Split", 13, [y, I(3, 4)], {}, 2)
    yield from case("split_v13_equal", "Split", 13, [y], {"axis": 1}, 2)
    yield from case("split_v18_uneven", "Split", 18, [y], {"axis": 0, "num_outputs": 3}, 3)
    yield from case("split_v18", "Split", 18, [y, I(2, 5)], {"axis": 0}, 2)
    z = f(5, 6, 7)
    for v in (1, 9):
        yield from case("slice_v%d" % v, "Slice", v, [z], {"starts": [1, -3], "ends": [100, -1], "axes": [0, 2]})
        yield from case("slice_plain_v%d" % v, "Slice", v, [z], {"starts": [0, 2], "ends": [3, -2]})
    for v in (10, 11, 13):
        yield from case(
            "slice_steps_v%d" % v, "Slice", v, [z, I(4, 0, -1), I(0, 100, -100), I(0, 1, 2), I(-1, 2, -3)]
        )
        yield from case("slice_i32_v%d" % v, "Slice", v, [z] + [np.array(a, np.int32) for a in ([1], [3], [-2])])
        yield from case("slice_nothing_v%d" % v, "Slice", v, [z, I(4), I(2), I(0)])
        yield from case("slice_far_v%d" % v, "Slice", v, [z, I(2**62), I(-(2**62)), I(1), I(-1)])
        yield from case("slice_no_axes_v%d" % v, "Slice", v, [z, I(1, 2, 3), I(4, 5, 6)])
    for v in (13, 15, 19, 21):
        attrs = [{}] if v < 15 else [{}, {"start": 1}, {"end": -1}, {"start": -2, "end": 5}, {"start": 2, "end": 1}]
        for i, a in enumerate(attrs):
            yield from case("shape_v%d_%d" % (v, i), "Shape", v, [z], a)
        yield from case("size_v%d" % v, "Size", v, [z])
    for t in (np.float32, np.int64, np.uint8, np.bool_, np.float16):
        value = numpy_helper.from_array(np.array([1], t))
        yield from case("constant_of_shape_%s" % t.__name__, "ConstantOfShape", 9, [I(2, 0, 3)], {"value": value})
        yield from case("constant_of_shape_full_%s" % t.__name__, "ConstantOfShape", 20, [I(2, 3)], {"value": value})
    yield from case("constant_of_shape_default", "ConstantOfShape", 9, [np.zeros(0, np.int64)])
    yield from case("expand_smaller", "Expand", 8, [f(4, 3, 2), I(3, 1)])
    yield from case("expand_zero", "Expand", 13, [f(1, 3), I(0, 3)])
    yield from case("tile_zero", "Tile", 13, [f(2, 3), I(0, 2)])
    yield from case("tile_deep", "Tile", 6, [f(2, 1, 3, 2), I(1, 3, 2, 1)])
    for t in (np.float32, np.int64, np.bool_, np.int8, np.float64):
        for k in (-3, 0, 2, 9):
            for upper in (0, 1):
                yield from case(
                    "trilu_%s_%d_%d" % (t.__name__, k, upper),
                    "Trilu",
                    14,
                    [any_of(t, 2, 3, 5), np.array(k, np.int64)],
                    {"upper": upper},
                )
    for v in (1, 11, 13):
        for mode in ([None] if v == 1 else ["DCR", "CRD"]):
            a = {"blocksize": 2} if mode is None else {"blocksize": 2, "mode": mode}
            yield from case("depth_to_space_v%d_%s" % (v, mode), "DepthToSpace", v, [f(2, 8, 2, 3)], a)
    for v in (1, 13):
        yield from case("space_to_depth_v%d" % v, "SpaceToDepth", v, [f(2, 3, 4, 6)], {"blocksize": 2})


def pads():
    x = f(3, 4, 5)
    modes = ["constant", "reflect", "edge"]
    for m in modes:
        for v in (2, 11, 13, 18, 19, 21):
            p = [1, 0, 2, 0, 3, 1]
            if v == 2:
                yield from case("pad_v2_%s" % m, "Pad", v, [x], {"pads": p, "mode": m, "value": 1.5})
                continue
            extra = [np.array(2.5, np.float32)] if m == "constant" else []
            yield from case("pad_v%d_%s" % (v, m), "Pad", v, [x, I(*p)] + extra, {"mode": m})
            yield from case("pad_negative_v%d_%s" % (v, m), "Pad", v, [x, I(-1, 1, 0, 1, -2, 2)], {"mode": m})
    for v in (19, 21):
        yield from case("pad_wrap_v%d" % v, "Pad", v, [x, I(2, 1, 0, 1, 0, 3)], {"mode": "wrap"}, oracle=by_reference)
    for v in (18, 21):
        yield from case("pad_axes_v%d" % v, "Pad", v, [x, I(1, 2, 3, 0), np.array(1, np.float32), I(-1, 0)])
    for t in (np.int32, np.int64, np.float64, np.uint8, np.bool_, np.int8):
        yield from case("pad_%s" % t.__name__, "Pad", 13, [any_of(t, 2, 3), I(1, 0, 0, 2), np.array(1, t)])
    yield from case("pad_empty", "Pad", 13, [f(0, 3), I(1, 0, 1, 0)])
    for i, (s, a) in enumerate([((2, 8, 5), None), ((6,), [1]), ((7, 2), [-1, 0]), ((1, 1, 1), None)]):
        yield from case(
            "center_crop_pad_%d" % i, "CenterCropPad", 18, [x, I(*s)], {"axes": a} if a else {}, oracle=by_reference
        )


def indices():
    x = f(5, 4, 3)
    for v in (1, 11, 13):
        for a in (0, 1, 2) if v == 1 else (-3, -1, 1):
            for t in (np.int32, np.int64):
                yield from case(
                    "gather_v%d_%d_%s" % (v, a, t.__name__),
                    "Gather",
                    v,
                    [x, ints(0 if v == 1 else -3, 3, 2, 3, t=t)],
                    {"axis": a},
                )
    yield from case("gather_scalar", "Gather", 13, [x, np.array(-2, np.int64)], {"axis": 1})
    yield from case("gather_nothing", "Gather", 13, [x, np.zeros((0,), np.int64)], {"axis": 1})
    for t in TYPES:
        yield from case("gather_%s" % t.__name__, "Gather", 13, [any_of(t, 6, 5), ints(-6, 6, 4)])
        yield from case("gather_elements_%s" % t.__name__, "GatherElements", 13, [any_of(t, 6, 5), ints(-6, 6, 3, 4)])
        yield from case("gather_nd_%s" % t.__name__, "GatherND", 13, [any_of(t, 4, 5, 2), ints(-4, 4, 3, 2)])
        yield from case(
            "scatter_elements_%s" % t.__name__,
            "ScatterElements",
            13,
            [any_of(t, 5, 4), np.stack([rng.permutation(5)[:3] - 5 for _ in range(4)], 1), any_of(t, 3, 4)],
        )
        yield from case(
            "scatter_nd_%s" % t.__name__,
            "ScatterND",
            13,
            [any_of(t, 5, 4), I(0, -1, 2).reshape(3, 1), any_of(t, 3, 4)],
        )
    for a in (-2, 0, 2):
        yield from case("gather_elements_axis_%d" % a, "GatherElements", 11, [x, ints(-3, 3, 4, 3, 3)], {"axis": a})
    yield from case("scatter_v9", "Scatter", 9, [x, ints(0, 3, 2, 4, 1), f(2, 4, 1)], {"axis": 2})
    for b, shape in ((0, (2, 3)), (1, (5, 2)), (1, (5, 3, 1)), (2, (5, 4, 1))):
        yield from case(
            "gather_nd_batch_%d_%d" % (b, len(shape)), "GatherND", 12, [x, ints(-3, 3, *shape)], {"batch_dims": b}
        )
    for v, rs in ((16, ("none", "add", "mul")), (18, ("none", "add", "mul", "max", "min"))):
        for r in rs:
            for t in (np.float32, np.int64, np.float64, np.int32, np.float16):
                how = None if t != np.float16 else by_reference
                yield from case(
                    "scatter_elements_%s_v%d_%s" % (r, v, t.__name__),
                    "ScatterElements",
                    v,
                    [
                        any_of(t, 3, 4),
                        ints(-4, 4, 3, 3) if r != "none" else I(0, 3, 1, -1, 1, 2, 2, 0, -1).reshape(3, 3),
                        any_of(t, 3, 3),
                    ],
                    {"axis": 1, "reduction": r},
                    oracle=how,
                )
                yield from case(
                    "scatter_nd_%s_v%d_%s" % (r, v, t.__name__),
                    "ScatterND",
                    v,
                    [any_of(t, 3, 4), I(0, 2, 1, -1, 0 if r != "none" else 1, 2).reshape(3, 2), any_of(t, 3)],
                    {"reduction": r},
                    oracle=how,
                )
    for k, a, l, s in itertools.product((1, 3), (0, -1, 1), (0, 1), (0, 1)):
        for v in (11,):
            if s:
                yield from case(
                    "top_k_%d_%d_%d" % (k, a, l),
                    "TopK",
                    v,
                    [rng.permutation(60).reshape(5, 4, 3).astype(np.float32), I(k)],
                    {"axis": a, "largest": l, "sorted": s},
                    2,
                )
    yield from case("top_k_v1", "TopK", 1, [f(4, 9)], {"k": 4, "axis": 1}, 2)
    yield from case("top_k_v10", "TopK", 10, [f(4, 9), I(9)], {}, 2)
    yield from case("top_k_ties", "TopK", 11, [np.array([[1, 2, 2, 1, 2, 0]], np.float32), I(4)], {}, 2)
    for t in (np.int32, np.int64, np.float64):
        yield from case(
            "top_k_%s" % t.__name__,
            "TopK",
            11,
            [rng.permutation(30).reshape(3, 10).astype(t) - t(9), I(5)],
            {"largest": 0},
            2,
        )
    for v in (9, 11):
        for a in (-1, 0, 1):
            yield from case(
                "one_hot_v%d_%d" % (v, a), "OneHot", v, [ints(-5, 5, 2, 3), np.array(5, np.int64), f(2)], {"axis": a}
            )
    yield from case(
        "one_hot_types",
        "OneHot",
        11,
        [f(2, 3) * 3, np.array([4.0], np.float32), np.array([7, -7], np.int64)],
        oracle=by_reference,
    )
    yield from case(
        "one_hot_far",
        "OneHot",
        11,
        [I(-7, 9, 2, -1), np.array(4, np.int32), np.array([0, 1], np.int32)],
        oracle=by_reference,
    )
    for t, b in ((1, 0), (0, 1)):
        yield from case(
            "reverse_sequence_%d" % t,
            "ReverseSequence",
            10,
            [f(4, 4, 2), I(1, 4, 0, 3)],
            {"time_axis": t, "batch_axis": b},
            oracle=by_reference,
        )
    for axis, mode in itertools.product((1, -2, 2), ("linear", "circular")):
        n = (3, 6, 6)[axis]
        u = f(*[(2 if i == axis % 3 else s) for i, s in enumerate((3, 6, 6))])
        yield from case(
            "tensor_scatter_%d_%s" % (axis, mode),
            "TensorScatter",
            24,
            [f(3, 6, 6), u, I(0, 4, 2 if mode == "linear" else 5)],
            {"axis": axis, "mode": mode},
            oracle=by_reference,
        )
    for t in (np.float32, np.int32, np.bool_, np.uint8, np.float64):
        yield from case(
            "non_zero_%s" % t.__name__,
            "NonZero",
            13,
            [(any_of(t, 4, 5) * (rng.integers(0, 2, (4, 5)) > 0)).astype(t)],
        )
    yield from case("non_zero_none", "NonZero", 9, [np.zeros((3, 2), np.float32)])
    for a in (None, 0, 1, -1):
        for s in (0, 1):
            attrs = {"sorted": s} if a is None else {"sorted": s, "axis": a}
            yield from case("unique_%s_%d" % (a, s), "Unique", 11, [ints(0, 3, 5, 2, t=np.int64)], attrs, 4)
    yield from case("unique_float", "Unique", 11, [np.array([2, -1.5, 2, 0, -1.5], np.float32)], {}, 4)
    for a in (None, 0, 1, -1):
        yield from case(
            "compress_%s" % a, "Compress", 11, [x, np.array([1, 0, 1, 1], bool)], {} if a is None else {"axis": a}
        )
    for i in range(4):
        boxes, scores = np.sort(rng.random((2, 20, 2, 2)), 2).reshape(2, 20, 4), rng.random((2, 3, 20))
        yield from case(
            "nms_%d" % i,
            "NonMaxSuppression",
            11,
            [
                boxes.astype(np.float32),
                scores.astype(np.float32),
                I([3, 20, 0, 5][i]),
                np.array([0.3], np.float32),
                np.array([0.4], np.float32),
            ],
            {"center_point_box": i % 2},
        )


def images():
    x = f(1, 2, 5, 7)
    E = np.zeros(0, np.float32)
    # One tie between neighbours would be decided by the last bit: scales are powers of two or odd ratios.
    ups, downs = np.array([1, 1, 2.3, 1.7], np.float32), np.array([1, 1, 0.6, 0.55], np.float32)
    for v in (11, 13, 18, 19):
        for mode in ("nearest", "linear", "cubic"):
            for c in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"):
                for name, s in (("up", ups), ("down", downs)):
                    yield from case(
                        "resize_v%d_%s_%s_%s" % (v, mode, c, name),
                        "Resize",
                        v,
                        [x, E, s],
                        {"mode": mode, "coordinate_transformation_mode": c},
                        oracle=by_reference,
                    )
    for n in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
        for c in ("half_pixel", "align_corners", "asymmetric"):
            for size in ((8, 9), (3, 4), (10, 14)):
                yield from case(
                    "resize_nearest_%s_%s_%d" % (n, c, size[0]),
                    "Resize",
                    13,
                    [x, None, None, I(1, 2, *size)],
                    {"mode": "nearest", "nearest_mode": n, "coordinate_transformation_mode": c},
                    oracle=by_reference,
                )
    for mode in ("linear", "cubic"):
        for size in ((3, 2), (4, 9), (9, 3), (1, 1)):
            for c in ("half_pixel", "align_corners", "half_pixel_symmetric"):
                for anti, out in ((0, 0), (1, 0), (1, 1), (0, 1)):
                    yield from case(
                        "resize_v19_%s_%d%d_%s_%d%d" % (mode, *size, c, anti, out),
                        "Resize",
                        19,
                        [x, None, None, I(1, 2, *size)],
                        {
                            "mode": mode,
                            "coordinate_transformation_mode": c,
                            "antialias": anti,
                            "exclude_outside": out,
                            "cubic_coeff_a": -0.6,
                        },
                        oracle=by_reference,
                    )
    for p in ("stretch", "not_larger", "not_smaller"):
        for axes in ([2, 3], [3, 2], [-1, -2]):
            yield from case(
                "resize_policy_%s_%d" % (p, axes[0]),
                "Resize",
                18,
                [x, None, None, I(8, 9)],
                {"mode": "linear", "keep_aspect_ratio_policy": p, "axes": [a % 4 for a in axes]},
                oracle=by_reference,
            )
    roi = np.array([0, 0, 0.2, -0.1, 1, 1, 0.9, 1.2], np.float32)
    for mode in ("nearest", "linear", "cubic"):
        yield from case(
            "resize_crop_%s" % mode,
            "Resize",
            13,
            [x, roi, None, I(1, 2, 4, 6)],
            {"mode": mode, "coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 7.5},
            oracle=by_reference,
        )
    for t in (np.float64, np.float16, np.int32, np.uint8, np.int8):
        yield from case(
            "resize_%s" % t.__name__,
            "Resize",
            13,
            [any_of(t, 1, 1, 4, 4), E, np.array([1, 1, 2, 1.5], np.float32)],
            {"mode": "linear"},
            oracle=by_reference,
        )
        yield from case(
            "resize_nearest_%s" % t.__name__,
            "Resize",
            13,
            [any_of(t, 1, 1, 4, 4), E, np.array([1, 1, 2, 2], np.float32)],
        )
    yield from case("resize_1d", "Resize", 13, [f(1, 2, 6), E, np.array([1, 1, 1.5], np.float32)], {"mode": "linear"})
    yield from case(
        "resize_3d", "Resize", 13, [f(1, 2, 3, 4, 3), E, np.array([1, 1, 2, 1.5, 2], np.float32)], {"mode": "linear"}
    )
    for mode in ("nearest", "linear"):
        yield from case("resize_v10_%s" % mode, "Resize", 10, [x, np.array([1, 1, 2, 3], np.float32)], {"mode": mode})
        yield from case("upsample_v7_%s" % mode, "Upsample", 7, [x], {"mode": mode, "scales": [1.0, 1.0, 2.0, 3.0]})
        yield from case(
            "upsample_v9_%s" % mode, "Upsample", 9, [x, np.array([1, 1, 2, 2], np.float32)], {"mode": mode}
        )
    yield from case("resize_v10_down", "Resize", 10, [f(1, 1, 6, 8), np.array([1, 1, 0.6, 0.6], np.float32)])
    g2, g3 = (rng.random((1, 4, 3, 2)) * 2.6 - 1.3).astype(np.float32), (
        rng.random((1, 3, 2, 2, 3)) * 2.6 - 1.3
    ).astype(np.float32)
    for p, a in itertools.product(("zeros", "border", "reflection"), (0, 1)):
        for v, modes in ((16, ("bilinear", "nearest", "bicubic")), (20, ("linear", "nearest", "cubic"))):
            for mode in modes:
                yield from case(
                    "grid_sample_v%d_%s_%s_%d" % (v, mode, p, a),
                    "GridSample",
                    v,
                    [f(1, 2, 4, 5), g2],
                    {"mode": mode, "padding_mode": p, "align_corners": a},
                    oracle=by_ort,
                )
        for mode in ("linear", "nearest"):
            yield from case(
                "grid_sample_3d_%s_%s_%d" % (mode, p, a),
                "GridSample",
                20,
                [f(1, 2, 3, 4, 2), g3],
                {"mode": mode, "padding_mode": p, "align_corners": a},
                oracle=by_reference,
            )
    for a in (0, 1):
        yield from case(
            "affine_grid_2d_%d" % a,
            "AffineGrid",
            20,
            [f(2, 2, 3), I(2, 3, 5, 6)],
            {"align_corners": a},
            oracle=by_reference,
        )
        yield from case(
            "affine_grid_3d_%d" % a,
            "AffineGrid",
            20,
            [f(2, 3, 4), I(2, 3, 3, 2, 4)],
            {"align_corners": a},
            oracle=by_reference,
        )
    rois = np.array([[0, 0, 4, 4], [1.5, 2, 6.5, 7], [3, 1, 2, 0.5], [-1, -2, 9, 12]], np.float32)
    for v, m, r in itertools.product((10, 16), ("avg", "max"), (0, 2)):
        for c in ("half_pixel", "output_half_pixel") if v == 16 else (None,):
            attrs = {"mode": m, "sampling_ratio": r, "output_height": 2, "output_width": 3, "spatial_scale": 0.5}
            if c:
                attrs["coordinate_transformation_mode"] = c
            yield from case(
                "roi_align_v%d_%s_%d_%s" % (v, m, r, c),
                "RoiAlign",
                v,
                [f(2, 2, 6, 8), rois, I(0, 1, 1, 0)],
                attrs,
                oracle=by_reference if v == 16 else None,
            )
    pool = np.array([[0, 0, 0, 5, 5], [1, 2, 1, 7, 4], [0, 3, 3, 3, 3]], np.float32)
    yield from case(
        "max_roi_pool", "MaxRoiPool", 1, [f(2, 2, 6, 8), pool], {"pooled_shape": [2, 3], "spatial_scale": 0.9}
    )


def einsum():
    sizes = dict(zip("abcdefij", (2, 3, 4, 5, 2, 3, 3, 4)))
    equations = [
        "ab,bc->ac",
        "ab,bc",
        "abc,cd->abd",
        "abc,abd->acd",
        "aab->ab",
        "aa->a",
        "aa",
        "ab->ba",
        "ab->",
        "ab->b",
        "a,b->ab",
        "abc,ac->b",
        "abc,bd,cd->ad",
        "ab,ab->ab",
        "ab,ab->",
        "abcd,bd->ca",
        "...ab,...bc->...ac",
        "...a->...",
        "a...,a->...",
        "ij, jb -> ib",
        "abc,dbe->adce",
        "ab,cd,ac->bd",
        "ba",
        "abcd,abed->abce",
    ]
    for i, e in enumerate(equations):
        args = []
        for term in e.replace(" ", "").split("->")[0].split(","):
            dims = []
            for part in term.replace("...", "."):
                dims += [2, 3] if part == "." else [sizes[part]]
            args.append(f(*dims))
        yield from case(
            "einsum_%d" % i, "Einsum", 12, args, {"equation": e}, oracle=lambda m, d, e=e: [np.einsum(e, *d.values())]
        )
    yield from case("einsum_ints", "Einsum", 12, [ints(-9, 9, 3, 4), ints(-9, 9, 4, 2)], {"equation": "ab,bc->ac"})
    yield from case("einsum_ints_sum", "Einsum", 12, [ints(-9, 9, 3, 4, t=np.int32)], {"equation": "ab->a"})
    yield from case(
        "einsum_double", "Einsum", 12, [f(3, 4, t=np.float64), f(4, 2, t=np.float64)], {"equation": "ab,bc->ac"}
    )
    yield from case(
        "einsum_broadcast",
        "Einsum",
        12,
        [f(1, 3, 4), f(2, 4, 5)],
        {"equation": "...ab,...bc->...ac"},
        oracle=lambda m, d: [np.einsum("...ab,...bc->...ac", *d.values())],
    )


def recurrent():
    t, b, n, k = 4, 3, 5, 6
    for op, gates, acts in (
        ("LSTM", 4, ["Sigmoid", "Tanh", "Relu"]),
        ("GRU", 3, ["HardSigmoid", "Softsign"]),
        ("RNN", 1, ["Affine"]),
    ):
        for direction, full, lens in itertools.product(("forward", "reverse", "bidirectional"), (0, 1), (0, 1)):
            d = 2 if direction == "bidirectional" else 1
            x, w, r = f(t, b, k), f(d, gates * n, k) * 0.5, f(d, gates * n, n) * 0.5
            ins = [
                x,
                w,
                r,
                f(d, 2 * gates * n) if full else None,
                np.array([4, 2, 3], np.int32) if lens else None,
                f(d, b, n) if full else None,
            ]
            if op == "LSTM":
                ins += [f(d, b, n) if full else None, f(d, 3 * n) if full else None]
            while ins[-1] is None:
                ins.pop()
            outs = 3 if op == "LSTM" else 2
            base = {"hidden_size": n, "direction": direction}
            for v in (7, 14, 22):
                for extra, attrs in (
                    ("", {}),
                    ("clip", {"clip": 0.4}),
                    (
                        "form",
                        {"linear_before_reset": 1} if op == "GRU" else {"input_forget": 1} if op == "LSTM" else {},
                    ),
                ):
                    if (extra and v != 14) or (extra == "form" and not attrs):
                        continue
                    yield from case(
                        "%s_%s_%d%d_v%d%s" % (op.lower(), direction, full, lens, v, extra),
                        op,
                        v,
                        ins,
                        {**base, **attrs},
                        outs,
                    )
            if full and not lens:
                yield from case(
                    "%s_%s_acts" % (op.lower(), direction),
                    op,
                    14,
                    ins,
                    {
                        **base,
                        "activations": acts * d,
                        "activation_alpha": [0.3, 0.4][:d],
                        "activation_beta": [0.6, 0.5][:d],
                    },
                    outs,
                )
    wide = [f(3, 2, 40), f(1, 4 * 64, 40) * 0.2, f(1, 4 * 64, 64) * 0.2, f(1, 8 * 64)]
    yield from case("lstm_wide", "LSTM", 14, wide, {"hidden_size": 64}, 3)
    wide = [f(3, 2, 40), f(1, 3 * 64, 40) * 0.2, f(1, 3 * 64, 64) * 0.2, f(1, 6 * 64)]
    for form in (0, 1):
        yield from case("gru_wide_%d" % form, "GRU", 14, wide, {"hidden_size": 64, "linear_before_reset": form}, 2)


def attention():
    for v in (23, 24):
        for heads, groups, three, causal, past, mask, cap in itertools.product(
            (4,), (4, 2), (0, 1), (0, 1), (0, 1), (None, "f", "b"), (0, 2.5)
        ):
            b, t, s, d, e, p = 2, 3, 5, 8, 6, 4
            q, k, w = f(b, heads, t, d), f(b, groups, s, d), f(b, groups, s, e)
            total = s + (p if past else 0)
            flat = lambda a: np.ascontiguousarray(a.transpose(0, 2, 1, 3)).reshape(b, a.shape[2], -1)
            ins = [flat(q), flat(k), flat(w)] if three else [q, k, w]
            ins.append(
                None
                if mask is None
                else f(t, total) if mask == "f" else rng.integers(0, 2, (b, 1, t, total)).astype(bool)
            )
            ins += [f(b, groups, p, d), f(b, groups, p, e)] if past else []
            while ins[-1] is None:
                ins.pop()
            attrs = {"is_causal": causal, "softcap": float(cap)}
            if three:
                attrs.update(q_num_heads=heads, kv_num_heads=groups)
            yield from case(
                "attention_v%d_g%d_%d%d%d_%s_%g" % (v, groups, three, causal, past, mask, cap),
                "Attention",
                v,
                ins,
                attrs,
                3 if past else 1,
                oracle=by_reference,
            )
    for mode in range(4):
        yield from case(
            "attention_mode_%d" % mode,
            "Attention",
            24,
            [f(1, 2, 3, 4), f(1, 2, 5, 4), f(1, 2, 5, 4), f(3, 5)],
            {"qk_matmul_output_mode": mode, "softcap": 1.5 if mode else 0.0},
            4,
            oracle=by_reference,
        )
    for causal in (0, 1):
        yield from case(
            "attention_nonpad_%d" % causal,
            "Attention",
            24,
            [f(2, 2, 3, 4), f(2, 2, 6, 4), f(2, 2, 6, 4), None, None, None, I(4, 6)],
            {"is_causal": causal},
            oracle=by_reference,
        )
    for left, right in ((1, 0), (2, 1), (-1, 1), (0, -1)):
        yield from case(
            "attention_window_%d_%d" % (left, right),
            "Attention",
            25,
            [f(1, 2, 5, 4), f(1, 2, 6, 4), f(1, 2, 6, 4)],
            {"left_window_size": left, "right_window_size": right},
            oracle=by_reference,
        )
    for inter, three, ids, part in itertools.product((0, 1), (0, 1), (0, 1), (0, 4)):
        b, t, h, d = 2, 3, 2, 8
        half = (part or d) // 2
        cos, sin = (f(9, half), f(9, half)) if ids else (f(b, t, half), f(b, t, half))
        x = f(b, t, h * d) if three else f(b, h, t, d)
        attrs = {"interleaved": inter, "rotary_embedding_dim": part}
        if three:
            attrs["num_heads"] = h
        yield from case(
            "rotary_%d%d%d_%d" % (inter, three, ids, part),
            "RotaryEmbedding",
            23,
            [x, cos, sin] + ([ints(0, 9, b, t)] if ids else []),
            attrs,
            oracle=by_reference,
        )


def contrib():
    M = "com.microsoft"
    b, t, h, d, p = 2, 3, 2, 4, 5
    for uni, past, mask in itertools.product((0, 1), (0, 1), (None, "raw", "len", "3d")):
        x, w, bias = f(b, t, 6), f(6, 3 * h * d), f(3 * h * d)
        total = t + (p if past else 0)
        m = {
            None: None,
            "raw": np.array(rng.integers(0, 2, (b, total)), np.int32),
            "len": np.array([total, total - 1], np.int32),
            "3d": np.array(rng.integers(0, 2, (b, t, total)), np.int32),
        }[mask]
        if m is not None and m.ndim > 1:
            m[..., 0] = 1
        ins = [x, w, bias, m] + ([f(2, b, h, p, d)] if past else [])
        while ins[-1] is None:
            ins.pop()
        yield from case(
            "ms_attention_%d%d_%s" % (uni, past, mask),
            "Attention",
            1,
            ins,
            {"num_heads": h, "unidirectional": uni},
            2 if past else 1,
            M,
        )
    for past, bias in itertools.product((0, 1), (0, 1)):
        ins = [
            f(b, t, h * d),
            f(b, 6, h * d),
            f(b, 6, h * d),
            f(3 * h * d) if bias else None,
            None,
            f(b, h, t, 6 + (p if past else 0)) if bias else None,
        ]
        ins += [f(b, h, p, d), f(b, h, p, d)] if past else []
        while ins[-1] is None:
            ins.pop()
        yield from case(
            "ms_mha_%d%d" % (past, bias), "MultiHeadAttention", 1, ins, {"num_heads": h}, 3 if past else 1, M
        )
    yield from case(
        "ms_mha_uni", "MultiHeadAttention", 1, [f(b, t, h * d)] * 3, {"num_heads": h, "unidirectional": 1}, 1, M
    )
    yield from case("ms_mha_packed", "MultiHeadAttention", 1, [f(b, t, h, 3, d)], {"num_heads": h}, 1, M)
    heads, groups, d = 4, 2, 16
    cos, sin = f(20, d // 2), f(20, d // 2)
    for rotary, packed, cap, window in itertools.product((0, 1, 2), (0, 1), (0, 3.0), (-1, 3)):
        for kind in ("prompt", "decode", "chunk"):
            t = {"prompt": 5, "decode": 1, "chunk": 3}[kind]
            b = 1 if kind == "chunk" else 2
            old = 0 if kind == "prompt" else 6
            total = t + old
            q, k, v = f(b, t, heads * d), f(b, t, groups * d), f(b, t, groups * d)
            ins = [np.concatenate([q, k, v], 2), None, None] if packed else [q, k, v]
            ins += [f(b, groups, old, d), f(b, groups, old, d)] if old else [None, None]
            ins += [np.full((b,), total - 1, np.int32), np.array(total, np.int32)] + ([cos, sin] if rotary else [])
            attrs = {
                "num_heads": heads,
                "kv_num_heads": groups,
                "do_rotary": int(rotary > 0),
                "rotary_interleaved": int(rotary == 2),
                "softcap": float(cap),
                "local_window_size": window,
            }
            yield from case(
                "ms_gqa_%d%d_%g_%d_%s" % (rotary, packed, cap, window, kind),
                "GroupQueryAttention",
                1,
                ins,
                attrs,
                3,
                M,
            )
    for inter, four, one in itertools.product((0, 1), (0, 1), (0, 1)):
        x = f(2, 2, 3, 8) if four else f(2, 3, 16)
        at = I(4) if one else ints(0, 9, 2, 3)
        yield from case(
            "ms_rotary_%d%d%d" % (inter, four, one),
            "RotaryEmbedding",
            1,
            [x, at, f(20, 4), f(20, 4)],
            {"interleaved": inter},
            1,
            M,
        )


def every():
    for group in (layout, pads, indices, images, einsum, recurrent, attention, contrib):
        yield from group()


def cases(c):
    """For make_net_vectors.py: one of eleven, if it is small, is kept in the committed file."""
    for i, (name, model, inputs, outputs) in enumerate(every()):
        small = sum(a.nbytes for a in inputs + outputs) < 2500
        c.add(name, None, inputs, model=model, want=outputs, keep=small and i % 11 == 0)


def main(folder):
    for name, model, inputs, outputs in every():
        data = os.path.join(folder, "test_" + name, "test_data_set_0")
        os.makedirs(data, exist_ok=True)
        onnx.save(model, os.path.join(folder, "test_" + name, "model.onnx"))
        for kind, arrays in (("input", inputs), ("output", outputs)):
            for i, a in enumerate(arrays):
                with open(os.path.join(data, "%s_%d.pb" % (kind, i)), "wb") as out:
                    out.write(numpy_helper.from_array(np.ascontiguousarray(a) if a.ndim else a).SerializeToString())


if __name__ == "__main__":
    main(sys.argv[1])
