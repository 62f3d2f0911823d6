"""The package without PyTorch: objects, graphs, networks, sessions against ONNX Runtime, errors, and what is let go."""

import gc
import json
import os
import pathlib
import struct
import tempfile
import threading

import numpy as np

import glia
from glia import _object
from harness import case, raises, run


def dense(threads=1):
    g = glia.Graph()
    x = g.input("x", "f32", ["T", 4])
    w = np.arange(12, dtype=np.float32).reshape(3, 4) - 5
    g.output("y", g.relu(g.linear(x, g.weight("w", w))) + 1.0)
    return g.compile(threads=threads), w


@case()
def the_installed_package_is_what_runs():
    assert "site-packages" in glia.__file__ or os.environ.get("GLIA_LIBRARY"), glia.__file__
    assert glia.__version__ == "0.1.0" and len(glia.ops()) > 100
    assert "memory" in glia.explain("G0801")
    assert glia.ops()["rms_norm"].attributes == {"eps": 2}


@case()
def a_graph_runs_on_every_size_of_its_symbols():
    net, w = dense()
    for n in (5, 1, 17):
        x = np.random.default_rng(n).standard_normal((n, 4), np.float32)
        np.testing.assert_allclose(net(x), np.maximum(x @ w.T, 0) + 1, rtol=1e-5, atol=1e-5)
    assert net.inputs[0].shape == ["T", 4] and net.outputs[0].type == "tensor(float)"
    assert net(x=np.zeros((2, 4), np.float32)).shape == (2, 3)


@case()
def operators_and_several_outputs():
    g = glia.Graph()
    x = g.input("x", "f32", [2, 6])
    v, at = g.top_k(1.0 - x * 2 / 3, k=2)
    for name, value in (("v", v), ("at", at), ("small", x < 0.5), ("neg", -x)):
        g.output(name, value)
    assert v.dtype == "f32" and at.dtype == "i64" and at.dims == (2, 2)
    a = np.random.default_rng(0).random((2, 6), np.float32)
    v, at, small, neg = g.compile(threads=1)(a)
    want = (1 - a * 2 / 3)
    np.testing.assert_allclose(v, -np.sort(-want, -1)[:, :2], rtol=1e-6)
    assert (at == np.argsort(-want, -1, kind="stable")[:, :2]).all() and (small == (a < 0.5)).all()
    assert small.dtype == np.bool_ and (neg == -a).all()


@case()
def a_text_comes_back():
    g = glia.Graph()
    g.output("y", g.softmax(g.input("x", "f32", ["B", 8])))
    text = g.seal().text()
    assert glia.Graph.parse(text).seal().text() == text


@case()
def gradients_are_nodes():
    g = glia.Graph()
    x = g.input("x", "f32", [3])
    dx, = g.gradients(g.sum(x * x), [x])
    g.output("dx", dx)
    a = np.array([1, -2, 3], np.float32)
    np.testing.assert_array_equal(g.compile(threads=1)(a), 2 * a)


@case()
def nothing_is_copied_and_everything_is_let_go():
    net, _ = dense()
    x = np.ones((8, 4), np.float32)
    handle = _object.from_python(x)
    assert glia._object.lib.glia_object_data(handle) == x.ctypes.data
    glia._object.lib.glia_object_release(handle)
    y = net(x)
    assert y.flags.writeable and y.base is not None
    view = y[2:]
    del y
    net.close()
    gc.collect()
    assert view[0, 0] == 1  # lives longer than the network
    del view, net
    gc.collect()
    assert not _object._borrowed and not _object._exported


@case()
def dlpack_both_ways():
    net, w = dense()
    x = np.random.default_rng(3).standard_normal((4, 4), np.float32)

    class Lender:  # all that a consumer may ask of a library
        def __dlpack__(self, **_):
            return x.__dlpack__()

    out, = net.run_objects([Lender()])
    assert isinstance(out, glia.Tensor) and out.__dlpack_device__() == (1, 0)
    back = np.from_dlpack(out)
    np.testing.assert_allclose(back, np.maximum(x @ w.T, 0) + 1, rtol=1e-5, atol=1e-5)
    address = back.ctypes.data
    assert address == out.numpy().ctypes.data
    unused = out.__dlpack__()
    del out, unused
    gc.collect()
    assert np.isfinite(back).all()
    del back
    gc.collect()
    assert not _object._exported and not _object._borrowed
    raises(glia.InvalidArgument, "G1052", net.run_objects, [np.zeros((4, 8), np.float32)[:,
        ::2].__class__ and Strided()])


class Strided:
    def __dlpack__(self, **_):
        return np.zeros((4, 8), np.float32)[:, ::2].__dlpack__()


@case()
def strided_and_foreign_arrays_are_taken():
    net, w = dense()
    x = np.random.default_rng(5).standard_normal((4, 6), np.float32)
    want = net(np.ascontiguousarray(x.T[:, :4]))
    np.testing.assert_array_equal(net(x.T[:, :4]), want)
    np.testing.assert_array_equal(net(x.T[:, :4].astype(">f4")), want)
    np.testing.assert_array_equal(net(x.T[:, :4].tolist()), want)


@case()
def errors_name_what_is_wrong():
    net, _ = dense()
    raises(glia.InvalidArgument, "G1022", net, np.zeros((2, 4)))
    raises(glia.InvalidArgument, "G1023", net, np.zeros((2, 5), np.float32))
    raises(glia.InvalidArgument, "G1054", net.run, None, {"z": np.zeros(1)})
    raises(glia.InvalidArgument, "G1055", net.run, ["z"], {"x": np.zeros((1, 4), np.float32)})
    g = glia.Graph()
    x = g.input("x", "f32", [3, 4])
    e = raises(glia.InvalidArgument, "G0102", g.linear, x, g.input("w", "f32", [2, 5]))
    assert "inner dimensions" in str(e) or "differ" in str(e), str(e)
    raises(glia.InvalidArgument, "G0102", g.relu, x)  # the first error sticks
    raises(glia.GliaError, "G0113", glia.Graph().node, "no_such_op")
    raises(glia.InvalidArgument, "G1050", glia.Graph().weight, "w", np.zeros(2, np.complex64))
    net.close()
    raises(glia.GliaError, "G1053", net, np.zeros((1, 4), np.float32))
    with raises_io():
        glia.InferenceSession("/nowhere/model.onnx")


def raises_io():
    import contextlib

    @contextlib.contextmanager
    def manager():
        try:
            yield
        except glia.GliaError as e:
            assert e.code and e.status, e
            return
        raise AssertionError("nothing was raised")
    return manager()


@case()
def threads_take_turns():
    net, w = dense(threads=2)
    x = np.random.default_rng(1).standard_normal((64, 4), np.float32)
    want, wrong = net(x), []

    def work():
        for _ in range(50):
            if not np.array_equal(net(x), want):
                wrong.append(1)
    workers = [threading.Thread(target=work) for _ in range(4)]
    for t in workers:
        t.start()
    for t in workers:
        t.join()
    assert not wrong


@case()
def safetensors_as_arrays():
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1, -2], np.int64),
              "h": np.array([[0.5]], np.float16)}
    names, at, header, data = {"float32": "F32", "int64": "I64", "float16": "F16"}, 0, {}, b""
    for name, a in arrays.items():
        header[name] = {"dtype": names[str(a.dtype)], "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        at, data = at + a.nbytes, data + a.tobytes()
    text = json.dumps(header).encode()
    with tempfile.TemporaryDirectory() as d:
        path = pathlib.Path(d) / "m.safetensors"
        path.write_bytes(struct.pack("<Q", len(text)) + text + data)
        have = glia.load_state_dict(path)
        assert have.keys() == arrays.keys()
        for n, a in arrays.items():
            assert have[n].dtype == a.dtype
            np.testing.assert_array_equal(have[n], a)
        assert list(glia.load_state_dict(path, ["b"])) == ["b"]
        path.write_bytes(struct.pack("<Q", len(text) + 9) + text + data)
        with raises_io():
            glia.load_state_dict(path)


def _onnx(nodes, inputs, outputs, initializers=(), opset=17):
    from onnx import helper
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return model.SerializeToString()


@case("onnx", "onnxruntime")
def a_session_is_like_onnx_runtimes():
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
    w = np.random.default_rng(0).standard_normal((4, 3), np.float32)
    data = _onnx([helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])],
                 [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
                 [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
                 [numpy_helper.from_array(w, "w")])
    theirs = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).standard_normal((2, 4), np.float32)
    with glia.InferenceSession(data, providers=["CPUExecutionProvider"]) as ours:
        for a, b in zip(ours.get_inputs() + ours.get_outputs(), theirs.get_inputs() + theirs.get_outputs()):
            assert (a.name, a.type, a.shape) == (b.name, b.type, b.shape), (a, b)
        np.testing.assert_allclose(ours.run(["y"], {"x": x})[0], theirs.run(["y"], {"x": x})[0], rtol=1e-5, atol=1e-6)
        assert ours.get_providers() == theirs.get_providers()
        assert isinstance(ours.report(), str) and isinstance(ours.report(True), dict)


@case("onnx", "onnxruntime")
def sequences_strings_and_optionals():
    import onnxruntime
    from onnx import TensorProto, helper
    data = _onnx([helper.make_node("SequenceConstruct", ["a", "b"], ["s"]), helper.make_node("Identity", ["t"], ["u"])],
                 [helper.make_tensor_value_info("a", TensorProto.FLOAT, [2]),
                  helper.make_tensor_value_info("b", TensorProto.FLOAT, [2]),
                  helper.make_tensor_value_info("t", TensorProto.STRING, [2])],
                 [helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None),
                  helper.make_tensor_value_info("u", TensorProto.STRING, [2])])
    feed = {"a": np.array([1, 2], np.float32), "b": np.array([3, 4], np.float32),
            "t": np.array(["grün", "x"], object)}
    theirs = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    ours = glia.InferenceSession(data)
    (s, u), (s2, u2) = ours.run(None, feed), theirs.run(None, feed)
    assert isinstance(s, list) and all((a == b).all() for a, b in zip(s, s2)) and u.tolist() == u2.tolist()
    assert [p.type for p in ours.get_inputs()] == [p.type for p in theirs.get_inputs()]


@glia.custom_op("x: f32[t, n!] -> y: like(x)", domain="com.example")
def row_unit(x, *, eps=1e-6):
    assert not x.flags.writeable
    if np.isnan(x).any():
        raise ValueError("no number")
    return x / np.sqrt((x * x).sum(-1, keepdims=True) + eps)


@glia.custom_op("x: f32[t!, n], b?: f32[n] -> y: like(x), last: f32[n]")
def column_sum(x, b=None, *, times: int):
    y = np.cumsum(x * times, 0, dtype=np.float32) + (0 if b is None else b)
    return y, y[-1]


@case()
def operations_of_ones_own():
    g = glia.Graph(ops=[row_unit, column_sum])
    x, b = g.input("x", "f32", [4, 3]), g.input("b", "f32", [3])
    y, last = g.column_sum(g.row_unit(x, eps=0.5), b, times=2)
    _, bare = g.column_sum(x, times=1)
    for name, v in (("y", y), ("last", last), ("bare", bare)):
        g.output(name, v)
    net = g.compile(threads=2)
    a, c = np.random.default_rng(2).standard_normal((4, 3), np.float32), np.ones(3, np.float32)
    want = column_sum(row_unit(as_read(a), eps=0.5), c, times=2)
    y, last, bare = net(a, c)
    np.testing.assert_allclose(y, want[0], rtol=1e-6)
    np.testing.assert_allclose(last, want[1], rtol=1e-6)
    np.testing.assert_allclose(bare, a.sum(0), rtol=1e-5)
    text = g.text()
    assert glia.Graph.parse(text, ops=[row_unit, column_sum]).seal().text() == text
    a[1, 1] = np.nan
    try:
        net(a, c)
    except ValueError as e:
        assert str(e) == "no number"
    else:
        raise AssertionError("the function's exception was lost")
    bad = glia.custom_op("x: f32[ -> y", name="bad")(lambda x: x)
    raises(glia.InvalidArgument, "G1058", glia.Graph, ops=[bad])


def as_read(a):
    a = a.copy()
    a.flags.writeable = False
    return a


@case("onnx")
def an_operator_of_ones_own_in_a_file():
    from onnx import TensorProto as T, helper
    graph = helper.make_graph(
        [helper.make_node("row_unit", ["x"], ["h"], domain="com.example", eps=0.5),
            helper.make_node("Relu", ["h"], ["y"])],
        "g", [helper.make_tensor_value_info("x", T.FLOAT, ["n", 4])],
            [helper.make_tensor_value_info("y", T.FLOAT, ["n", 4])])
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.example", 1)],
                             ir_version=8).SerializeToString()
    raises(glia.NotImplementedByGlia, "G1030", glia.InferenceSession, data)
    s = glia.InferenceSession(data, ops=[row_unit])
    for n in (3, 5):
        a = np.random.default_rng(n).standard_normal((n, 4), np.float32)
        np.testing.assert_allclose(s.run(None, {"x": a})[0], np.maximum(row_unit(as_read(a), eps=0.5), 0), rtol=1e-6)


run("package")
