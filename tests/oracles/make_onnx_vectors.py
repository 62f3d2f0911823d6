#!/usr/bin/env python3
"""Vectors of the ONNX reader, made with the onnx package and ml_dtypes.

usage: make_onnx_vectors.py        writes tests/vectors/onnx/

model.onnx     initializers of every element type, in raw_data and in typed fields, packed and not, sparse and complex;
               a node with an attribute of every kind, a subgraph, a function
tensors.txt    NAME TYPE [DIMS] HEX: the elements as they lie in memory, one a byte for those of few bits
lowbit.txt     NAME HEX: what the 256 codes of a type of few bits mean, as float32
sequence.pb, optional.pb, map.pb
mlp/           a small network as a test case: model.onnx, test_data_set_0 by NumPy, x.npy"""
import os

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors", "onnx")
LOWBIT = {"f8e4m3fn": "float8_e4m3fn", "f8e4m3fnuz": "float8_e4m3fnuz", "f8e5m2": "float8_e5m2",
          "f8e5m2fnuz": "float8_e5m2fnuz", "f8e8m0": "float8_e8m0fnu", "f6e2m3": "float6_e2m3fn",
          "f6e3m2": "float6_e3m2fn", "f4e2m1": "float4_e2m1fn"}
FEW = {"INT4": (ml_dtypes.int4, -8, 8), "UINT4": (ml_dtypes.uint4, 0, 16), "INT2": (ml_dtypes.int2, -2, 2),
       "UINT2": (ml_dtypes.uint2, 0, 4)}


def values(name):
    """Elements of a type, of shape [3, 5]: an odd number, so that packed types end within a byte."""
    rng = np.random.default_rng(len(name))
    if name in FEW:
        kind, low, high = FEW[name]
        return rng.integers(low, high, (3, 5)).astype(np.int8).astype(kind)
    kind = helper.tensor_dtype_to_np_dtype(getattr(T, name))
    if name == "BOOL":
        return rng.integers(0, 2, (3, 5)).astype(bool)
    if name.startswith(("INT", "UINT")):
        info = np.iinfo(kind)
        return rng.integers(info.min, info.max, (3, 5), dtype=kind, endpoint=True)
    if name == "FLOAT8E8M0":
        return np.exp2(rng.integers(-9, 9, (3, 5))).astype(np.float32).astype(kind)
    x = rng.standard_normal((3, 5))
    return (x + 1j * rng.standard_normal((3, 5))).astype(kind) if name.startswith("COMPLEX") else x.astype(kind)


def elements(a):
    """The bytes of elements in memory."""
    if a.dtype in (ml_dtypes.int4, ml_dtypes.int2):
        return a.astype(np.int8).tobytes()
    return a.tobytes()


def typed(name, a, kind):
    """The same tensor in a typed field."""
    t = helper.make_tensor(name, getattr(T, kind), a.shape, a.flatten(), raw=False)
    assert not t.raw_data
    return t


def mlp():
    """y = relu(x w + b) for any number of rows, as a test case."""
    folder = os.path.join(HERE, "mlp", "test_data_set_0")
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(1)
    x, w, b = (rng.standard_normal(d).astype(np.float32) for d in ((2, 3), (3, 4), (4,)))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["p"], "product"), helper.make_node("Add", ["p", "b"], ["q"], "bias"),
         helper.make_node("Relu", ["q"], ["y"], "out")], "mlp",
        [helper.make_tensor_value_info("x", T.FLOAT, ["rows", 3])],
        [helper.make_tensor_value_info("y", T.FLOAT, ["rows", 4])],
        [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    y = np.maximum(x @ w + b, 0)
    np.save(os.path.join(HERE, "mlp", "x.npy"), x)
    for name, a in (("model.onnx", model), ("test_data_set_0/input_0.pb", numpy_helper.from_array(x, "x")),
                    ("test_data_set_0/output_0.pb", numpy_helper.from_array(y, "y"))):
        with open(os.path.join(HERE, "mlp", name), "wb") as f:
            f.write(a.SerializeToString(deterministic=True))


def main():
    os.makedirs(HERE, exist_ok=True)
    mlp()
    tensors, lines = [], []

    def add(t, a):
        tensors.append(t)
        lines.append(f"{t.name} {t.data_type} {list(a.shape)} {elements(a).hex()}".replace(", ", ","))

    kinds = [k for k in T.DataType.keys() if k not in ("UNDEFINED", "STRING")]
    for kind in kinds:
        a = values(kind)
        add(numpy_helper.from_array(a, f"raw_{kind}"), a)
        assert tensors[-1].data_type == getattr(T, kind)
        add(typed(f"typed_{kind}", a, kind), a)
    for kind in ("FLOAT", "INT64", "INT4", "STRING"):
        tensors.append(helper.make_tensor(f"empty_{kind}", getattr(T, kind), [0, 3], []))
    scalar = np.array(-2.5, np.float64)
    add(numpy_helper.from_array(scalar, "scalar"), scalar)
    texts = helper.make_tensor("texts", T.STRING, [2, 2], [b"a", b"", b"\xff\x00x", "\u00e4".encode()])
    tensors.append(texts)

    dense = np.zeros((3, 4), np.float32)
    dense[0, 1], dense[2, 3] = 1.5, -2
    flat = helper.make_sparse_tensor(numpy_helper.from_array(dense[dense != 0], "sparse_flat"),
                                     numpy_helper.from_array(np.array([1, 11], np.int64)), [3, 4])
    pairs = helper.make_sparse_tensor(numpy_helper.from_array(dense[dense != 0], "sparse_pairs"),
                                      numpy_helper.from_array(np.array([[0, 1], [2, 3]], np.int64)), [3, 4])
    for name in ("sparse_flat", "sparse_pairs"):
        lines.append(f"{name} 1 [3,4] {dense.tobytes().hex()}")

    f32 = helper.make_tensor_value_info("x", T.FLOAT, ["N", 3, None])
    inner = helper.make_graph([helper.make_node("Identity", ["x"], ["z"], "inner")], "body", [], [
        helper.make_tensor_value_info("z", T.FLOAT, None)])
    node = helper.make_node(
        "Everything", ["x", "", "texts"], ["y"], "all", domain="test", f=0.5, i=-3, s=b"a\x00b",
        t=numpy_helper.from_array(np.arange(3, dtype=np.int32), "t"), g=inner, floats=[1.0, -0.25],
        ints=[1, -1, 1 << 40],
        strings=[b"p", b""], graphs=[inner, inner], none=helper.make_tensor_type_proto(T.INT8, [2]))
    node.attribute.append(helper.make_attribute("tensors", [numpy_helper.from_array(np.array([7], np.int64))] * 2))
    node.attribute.append(helper.make_attribute("sparse", flat))
    call = helper.make_node("Twice", ["x"], ["w"], domain="local", alpha=2.0)
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    scaled = helper.make_node("LeakyRelu", ["b"], ["c"])
    scaled.attribute.add(name="alpha", ref_attr_name="alpha", type=onnx.AttributeProto.FLOAT)
    twice = helper.make_function("local", "Twice", ["a"], ["c"], body + [scaled], [helper.make_opsetid("ai.onnx", 18)],
                                 ["beta"], [helper.make_attribute("alpha", 0.125)])
    seq = helper.make_tensor_sequence_value_info("s", T.INT64, None)
    opt = helper.make_value_info("o", helper.make_optional_type_proto(helper.make_sequence_type_proto(
        helper.make_tensor_type_proto(T.STRING, ["n"]))))
    kv = onnx.ValueInfoProto(name="m", type=helper.make_map_type_proto(
        T.INT64, helper.make_tensor_type_proto(T.FLOAT, [])))
    graph = helper.make_graph([node, call], "test", [f32, seq, opt, kv], [
        helper.make_tensor_value_info("y", T.FLOAT, [2])], tensors, value_info=[
            helper.make_tensor_value_info("w", T.FLOAT16, [])], sparse_initializer=[flat, pairs])
    model = helper.make_model(graph, functions=[twice], opset_imports=[
        helper.make_opsetid("ai.onnx", 21), helper.make_opsetid("test", 1), helper.make_opsetid("local", 3)],
        ir_version=10, producer_name="vectors", producer_version="1", doc_string="a test")
    model.metadata_props.add(key="k", value="v")
    with open(os.path.join(HERE, "model.onnx"), "wb") as f:
        f.write(model.SerializeToString(deterministic=True))
    with open(os.path.join(HERE, "tensors.txt"), "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")

    with open(os.path.join(HERE, "lowbit.txt"), "w", encoding="utf-8") as f:
        for name, kind in LOWBIT.items():
            bits = 6 if "6" in name[:2] else 4 if "4" in name[:2] else 8
            codes = np.arange(1 << bits, dtype=np.uint8).view(getattr(ml_dtypes, kind)).astype(np.float32)
            codes[np.isnan(codes)] = np.float32(np.nan)
            f.write(f"{name} {codes.astype('>f4').tobytes().hex()}\n")

    items = {"sequence": numpy_helper.from_list([np.arange(2, dtype=np.int64), np.zeros((0, 2), np.int64)], "s"),
             "optional": numpy_helper.from_optional(np.array([1.5], np.float32)),
             "map": numpy_helper.from_dict({3: np.float32(0.5), -1: np.float32(2)}, "m")}
    for name, proto in items.items():
        with open(os.path.join(HERE, name + ".pb"), "wb") as f:
            f.write(proto.SerializeToString(deterministic=True))


main()
