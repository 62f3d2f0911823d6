#!/usr/bin/env python3
"""Writes tests/vectors/net_refused.bin: networks whose data or tables are wrong, and loops that never end, each with
code of the error that is due ("" for one that runs well). Needs numpy and onnx."""

import os
import struct

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

F, I, B, S = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING
ML = "ai.onnx.ml"
HERE = os.path.dirname(os.path.abspath(__file__))


def value(name, kind, dims=None):
    return helper.make_tensor_value_info(name, kind, dims)


def model(nodes, inputs, outputs, inits=()):
    ports = [
        value(f"i{i}", helper.np_dtype_to_tensor_dtype(v.dtype) if v.dtype != object else S, None)
        for i, v in enumerate(inputs)
    ]
    g = helper.make_graph(nodes, "g", ports, outputs, list(inits))
    return helper.make_model(
        g, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(ML, 3)], ir_version=10
    )


def body(nodes, ins, outs, inits=()):
    return helper.make_graph(nodes, "body", ins, outs, list(inits))


ALL = []


def add(name, code, nodes, inputs=(), outputs=None, nodes_max=0, memory=0, inits=()):
    inputs = [np.asarray(v) for v in inputs]
    m = model(nodes, inputs, outputs or [onnx.ValueInfoProto(name="y")], inits)
    ALL.append(
        (
            name,
            code,
            nodes_max,
            memory,
            m.SerializeToString(),
            [numpy_helper.from_array(v).SerializeToString() for v in inputs],
        )
    )


def node(op, ins, outs=("y",), **attrs):
    return helper.make_node(op, list(ins), list(outs), **attrs)


def loops():
    yes = helper.make_tensor("yes", B, [], [True])
    ins = [value("i", I, []), value("c", B, []), value("x", F, None)]
    outs = [value("c2", B, []), value("x2", F, None)]
    x = np.ones(4, np.float32)
    for_ever = body([node("Identity", ["yes"], ["c2"]), node("Neg", ["x"], ["x2"])], ins, outs, [yes])
    add("loop for ever", "G1033", [node("Loop", ["", "", "i0"], body=for_ever)], [x], nodes_max=500)
    inner = helper.make_graph(
        [node("Identity", ["yes"], ["d2"]), node("Neg", ["u"], ["u2"])],
        "inner",
        [value("j", I, []), value("d", B, []), value("u", F, None)],
        [value("d2", B, []), value("u2", F, None)],
        [],
    )
    nested = body(
        [node("Loop", ["", "", "x"], ["x2"], body=inner), node("Identity", ["yes"], ["c2"])], ins, outs, [yes]
    )
    add("loop in a loop for ever", "G1033", [node("Loop", ["", "", "i0"], body=nested)], [x], nodes_max=500)
    grows = body([node("Identity", ["yes"], ["c2"]), node("Concat", ["x", "x"], ["x2"], axis=0)], ins, outs, [yes])
    add(
        "carried value that grows",
        "G0804",
        [node("Loop", ["", "", "i0"], body=grows)],
        [x],
        nodes_max=500,
        memory=32 << 20,
    )
    stack = body(
        [node("Identity", ["yes"], ["c2"]), node("Identity", ["x"], ["x2"]), node("Identity", ["x"], ["s"])],
        ins,
        outs + [value("s", F, None)],
        [yes],
    )
    add(
        "stacked output that grows",
        "G0804",
        [node("Loop", ["", "", "i0"], ["z", "y"], body=stack)],
        [np.ones(1 << 11, np.float32)],
        memory=16 << 20,
    )
    q = helper.make_tensor_sequence_value_info
    hoard = body(
        [
            node("Identity", ["yes"], ["c2"]),
            node("Expand", ["x", "n"], ["big"]),
            node("SequenceInsert", ["s", "big"], ["s2"]),
        ],
        [value("i", I, []), value("c", B, []), q("s", F, None)],
        [value("c2", B, []), q("s2", F, None)],
        [yes, helper.make_tensor("n", I, [2], [64, 4])],
    )
    hoard.node[1].input[0] = "i0"
    add(
        "sequence that grows",
        "G0804",
        [
            node("SequenceEmpty", [], ["e"]),
            node("Loop", ["", "", "e"], ["q"], body=hoard),
            node("SequenceLength", ["q"]),
        ],
        [x],
        memory=32 << 20,
    )
    other = body(
        [
            node("Identity", ["yes"], ["c2"]),
            node("Concat", ["x", "x"], ["x2"], axis=0),
            node("Identity", ["x"], ["s"]),
        ],
        ins,
        outs + [value("s", F, None)],
        [yes],
    )
    add(
        "stacked output of another shape",
        "G1043",
        [node("Loop", ["i1", "", "i0"], ["z", "y"], body=other)],
        [x, np.int64(3)],
    )
    floats = body([node("Identity", ["x"], ["c2"]), node("Identity", ["x"], ["x2"])], ins, outs)
    add("condition that is no bool", "G1041", [node("Loop", ["", "", "i0"], body=floats)], [x])
    add("body with too few inputs", "G1031", [node("Loop", ["", "", "i0", "i0"], ["y", "z"], body=for_ever)], [x])
    scan = body([node("Identity", ["a"], ["b"])], [value("a", F, None)], [value("b", F, None)])
    add("scan without an input to scan", "G1031", [node("Scan", ["i0"], body=scan, num_scan_inputs=0)], [x])
    add(
        "scan with an axis too many",
        "G1031",
        [node("Scan", ["i0"], body=scan, num_scan_inputs=1, scan_input_axes=[1])],
        [x],
    )
    add(
        "scan in a direction that is none",
        "G1031",
        [node("Scan", ["i0"], body=scan, num_scan_inputs=1, scan_input_directions=[2])],
        [x],
    )
    two = body([node("Add", ["a", "b"], ["o"])], [value("a", F, None), value("b", F, None)], [value("o", F, None)])
    add(
        "scan over two lengths",
        "G1043",
        [node("Scan", ["i0", "i1"], body=two, num_scan_inputs=2)],
        [x, np.ones(3, np.float32)],
    )


def sequences():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    make = node("SequenceConstruct", ["i0", "i0"], ["s"])
    for at in (2, -3, 2**62, -(2**63)):
        add(f"sequence at {at}", "G1040", [make, node("SequenceAt", ["s", "i1"])], [x, np.int64(at)])
    for at in (3, -3):
        add(
            f"insert at {at}",
            "G1040",
            [make, node("SequenceInsert", ["s", "i0", "i1"], ["q"]), node("SequenceLength", ["q"])],
            [x, np.int64(at)],
        )
    add(
        "insert of another dtype",
        "G1041",
        [make, node("SequenceInsert", ["s", "i1"], ["q"]), node("SequenceLength", ["q"])],
        [x, np.int64(1)],
    )
    add(
        "erase from nothing",
        "G1040",
        [node("SequenceEmpty", [], ["s"]), node("SequenceErase", ["s"], ["q"]), node("SequenceLength", ["q"])],
    )
    add("join nothing", "G1040", [node("SequenceEmpty", [], ["s"]), node("ConcatFromSequence", ["s"], axis=0)])
    add("join along an axis too many", "G1031", [make, node("ConcatFromSequence", ["s"], axis=2)], [x])
    add(
        "join what differs",
        "G1043",
        [node("SequenceConstruct", ["i0", "i1"], ["s"]), node("ConcatFromSequence", ["s"], axis=0)],
        [x, np.ones((2, 4), np.float32)],
    )
    for split in (np.int64(0), np.int64(-1), np.array([1, 2]), np.array([3, -1]), np.array([2**62, 2**62])):
        add(
            f"split by {split}",
            "G1043",
            [node("SplitToSequence", ["i0", "i1"], ["s"]), node("SequenceLength", ["s"])],
            [x, split],
        )
    add("length of a tensor", "G1041", [node("SequenceLength", ["i0"])], [x])
    t = helper.make_optional_type_proto(helper.make_tensor_type_proto(F, None))
    add("element of nothing", "G1042", [node("Optional", [], ["o"], type=t), node("OptionalGetElement", ["o"])])


def texts():
    def s(*v):
        return np.array(v, dtype=object)

    for word in ("Hello", "", "1e", "--1", "1 2", "0x10", ".", "1.2.3", "9" * 3000):
        add(f"cast of {word[:8]}", "G1044", [node("Cast", ["i0"], to=F)], [s(word)])
    for pattern in (
        "(",
        ")",
        "a**",
        "[",
        "[b-a]",
        "a{2,1}",
        "a{1001}",
        r"\1",
        "(?=a)",
        "(?<!a)",
        r"\C",
        r"\p{Greek}",
        "[[:no:]]",
        "(?P<n",
        "*",
        "a" + "(" * 70 + ")" * 70,
        "((a{1000}){1000}){1000}",
        "(((){1000}){1000}){1000}",
        "\\",
        r"\xZ",
    ):
        add(f"pattern {pattern[:12]}", "G1045", [node("RegexFullMatch", ["i0"], pattern=pattern)], [s("a")])
    add(
        "a pattern that backtracking takes for ever on",
        "",
        [node("RegexFullMatch", ["i0"], pattern="(a*)*(a|aa)+(x+x+)+y")],
        [s("a" * 5000 + "x" * 5000)],
    )
    add("texts that do not broadcast", "G1043", [node("StringConcat", ["i0", "i1"])], [s("a", "b"), s("a", "b", "c")])
    add("an image", "G1030", [node("ImageDecoder", ["i0"])], [np.zeros(4, np.uint8)])
    grams = dict(mode="TF", min_gram_length=1, max_gram_length=1, max_skip_count=0)
    for name, counts, at, low in (
        ("counts", [0, 9], [0, 1], 1),
        ("indexes", [0], [0, -1], 1),
        ("few", [0], [0], 1),
        ("low", [0], [0, 1], 0),
    ):
        add(
            f"n-grams: {name}",
            "G1031",
            [
                node(
                    "TfIdfVectorizer",
                    ["i0"],
                    **{**grams, "min_gram_length": low},
                    ngram_counts=counts,
                    ngram_indexes=at,
                    pool_int64s=[1, 2],
                )
            ],
            [np.array([1, 2])],
        )


def trees():
    x = np.ones((2, 3), np.float32)
    good = dict(
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[2, 0, 0],
        nodes_values=[0.5, 0, 0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        target_treeids=[0, 0],
        target_nodeids=[1, 2],
        target_ids=[0, 0],
        target_weights=[1.0, 2.0],
        n_targets=1,
    )
    wrong = {
        "feature": ("nodes_featureids", [3, 0, 0]),
        "negative feature": ("nodes_featureids", [-1, 0, 0]),
        "branch": ("nodes_truenodeids", [7, 0, 0]),
        "twice": ("nodes_nodeids", [0, 1, 1]),
        "mode": ("nodes_modes", ["LEAF", "X", "LEAF"]),
        "short modes": ("nodes_modes", ["LEAF"]),
        "short values": ("nodes_values", [1.0]),
        "target": ("target_ids", [0, 1]),
        "negative target": ("target_ids", [0, -1]),
        "vote": ("target_nodeids", [1, 9]),
        "weights": ("target_weights", [1.0]),
        "no targets": ("n_targets", 0),
        "base": ("base_values", [1.0, 2.0, 3.0]),
        "missing": ("nodes_missing_value_tracks_true", [1]),
    }
    for name, (key, v) in wrong.items():
        add(f"trees: {name}", "G1046", [node("TreeEnsembleRegressor", ["i0"], domain=ML, **{**good, key: v})], [x])
    add("trees: as they should be", "", [node("TreeEnsembleRegressor", ["i0"], domain=ML, **good)], [x])
    add(
        "trees: a cycle",
        "",
        [
            node(
                "TreeEnsembleRegressor",
                ["i0"],
                domain=ML,
                **{**good, "nodes_truenodeids": [0, 0, 0], "nodes_falsenodeids": [0, 0, 0]},
            )
        ],
        [x],
    )
    svm = dict(
        coefficients=[1.0, 2.0],
        support_vectors=[1.0] * 6,
        n_supports=2,
        rho=[0.0],
        kernel_type="RBF",
        kernel_params=[1.0, 0.0, 0.0],
    )
    for name, key, v in (
        ("vectors", "support_vectors", [1.0] * 5),
        ("coefficients", "coefficients", [1.0]),
        ("count", "n_supports", 2**62),
    ):
        add(f"machine: {name}", "G1046", [node("SVMRegressor", ["i0"], domain=ML, **{**svm, key: v})], [x])
    add("machine: kernel", "G1031", [node("SVMRegressor", ["i0"], domain=ML, **{**svm, "kernel_type": "X"})], [x])
    add(
        "machine: classes",
        "G1046",
        [
            node(
                "SVMClassifier",
                ["i0"],
                ("y", "z"),
                domain=ML,
                coefficients=[1.0, 1.0],
                support_vectors=[1.0] * 6,
                vectors_per_class=[1, 2],
                rho=[0.0],
                classlabels_ints=[0, 1],
            )
        ],
        [x],
    )
    add("linear: coefficients", "G1031", [node("LinearRegressor", ["i0"], domain=ML, coefficients=[1.0, 2.0])], [x])
    add("scaler: features", "G1031", [node("Scaler", ["i0"], domain=ML, offset=[1.0, 2.0], scale=[1.0, 2.0])], [x])
    add(
        "one hot: unknown",
        "G1047",
        [node("OneHotEncoder", ["i0"], domain=ML, cats_int64s=[1, 2], zeros=0)],
        [np.array([3])],
    )
    add(
        "labels: lengths",
        "G1046",
        [node("LabelEncoder", ["i0"], domain=ML, keys_int64s=[1, 2], values_strings=["a"])],
        [np.array([3])],
    )
    add(
        "labels: kind",
        "G1041",
        [node("LabelEncoder", ["i0"], domain=ML, keys_strings=["a"], values_int64s=[1])],
        [np.array([3])],
    )
    add("zip: columns", "G1046", [node("ZipMap", ["i0"], domain=ML, classlabels_int64s=[1, 2])], [x])
    add(
        "feature that is not there",
        "G0705",
        [node("ArrayFeatureExtractor", ["i0", "i1"], domain=ML)],
        [x, np.array([3])],
    )


def blob(data):
    return struct.pack("<I", len(data)) + data


loops()
sequences()
texts()
trees()
with open(os.path.join(HERE, "..", "vectors", "net_refused.bin"), "wb") as f:
    for name, code, nodes_max, memory, m, ins in ALL:
        f.write(blob(name.encode()) + blob(code.encode()) + struct.pack("<qq", nodes_max, memory) + blob(m))
        f.write(struct.pack("<I", len(ins)) + b"".join(map(blob, ins)))
print(len(ALL), "networks")
