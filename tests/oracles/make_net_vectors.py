#!/usr/bin/env python3
"""Writes tests/vectors/net/FAMILY.bin from the cases of net_cases_FAMILY.py: for each case a model, its inputs, and the
outputs that onnx's reference evaluator gives (or onnxruntime, or the case itself).

A module has cases(c), which calls c.add(...) for each case. Needs numpy, onnx and, for some, onnxruntime.

    make_net_vectors.py [FAMILY ...]           the committed files
    make_net_vectors.py --wide DIR [FAMILY]    DIR/FAMILY.bin with those too that are not committed
"""
import glob
import importlib.util
import os
import struct
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

HERE = os.path.dirname(os.path.abspath(__file__))
TENSOR, SEQUENCE, OPTIONAL, ABSENT = 1, 2, 3, -1


def tensor(a):
    """A TensorProto; low-bit numpy dtypes come from ml_dtypes."""
    return a if isinstance(a, TensorProto) else numpy_helper.from_array(np.asarray(a))


def item(v):
    if v is None:
        return ABSENT, b""
    if isinstance(v, list):
        s = onnx.SequenceProto(elem_type=onnx.SequenceProto.TENSOR)
        s.tensor_values.extend(tensor(x) for x in v)
        return SEQUENCE, s.SerializeToString()
    return TENSOR, tensor(v).SerializeToString()


def info(name, v):
    if isinstance(v, list):
        kind = tensor(v[0]).data_type if v else TensorProto.FLOAT
        return helper.make_tensor_sequence_value_info(name, kind, None)
    t = tensor(v)
    return helper.make_tensor_value_info(name, t.data_type, list(t.dims))


class Cases:
    def __init__(self, wide):
        self.out, self.wide, self.names, self.skipped = [], wide, set(), []

    def add(self, name, op, inputs, attrs=None, version=28, outputs=1, domain="", want=None, oracle="reference",
            constants=(), rtol=1e-3, atol=1e-6, keep=True, model=None):
        """inputs: arrays, None where left out. constants: which inputs are initializers. want: outputs, None where they
        are not to be compared. keep: in the committed file."""
        if not keep and not self.wide:
            return
        assert name not in self.names, name
        self.names.add(name)
        model = model or self.model(op, inputs, attrs or {}, version, outputs, domain, constants)
        fed = [v for i, v in enumerate(inputs) if i not in constants and v is not None]
        try:
            want = want if want is not None else self.run(model, fed, oracle)
        except Exception as e:  # the oracle has no such version: the case is left to those who give `want`
            self.skipped.append(f"{name}: {str(e).splitlines()[0][:90]}")
            return
        self.out.append((name, rtol, atol, model.SerializeToString(), [item(v) for v in fed],
                         [item(v) for v in want]))

    @staticmethod
    def model(op, inputs, attrs, version, outputs, domain, constants):
        names = ["" if v is None else f"i{i}" for i, v in enumerate(inputs)]
        outs = [f"o{i}" for i in range(outputs)] if isinstance(outputs, int) else outputs
        node = helper.make_node(op, names, outs, domain=domain, **attrs)
        ports = [info(f"i{i}", v) for i, v in enumerate(inputs) if v is not None and i not in constants]
        inits = []
        for i in constants:
            t = TensorProto()
            t.CopyFrom(tensor(inputs[i]))
            t.name = f"i{i}"
            inits.append(t)
        graph = helper.make_graph([node], "g", ports, [onnx.ValueInfoProto(name=o) for o in outs if o], inits)
        opsets = [helper.make_opsetid("", version)]
        if domain:
            opsets = [helper.make_opsetid("", 21), helper.make_opsetid(domain, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    @staticmethod
    def run(model, fed, oracle):
        feeds = {p.name: numpy_helper.to_array(tensor(v)) if not isinstance(v, list) else v
                 for p, v in zip(model.graph.input, fed)}
        if oracle == "reference":
            return ReferenceEvaluator(model).run(None, feeds)
        import onnxruntime as ort
        ort.set_default_logger_severity(4)
        for t, o in zip(range(len(model.graph.output)), model.graph.output):
            o.ClearField("type")
        return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, feeds)

    def write(self, path):
        def blob(kind, data):
            return struct.pack("<iI", kind, len(data)) + data
        with open(path, "wb") as f:
            for name, rtol, atol, model, ins, outs in self.out:
                f.write(blob(0, name.encode()) + struct.pack("<dd", rtol, atol) + blob(0, model))
                for side in (ins, outs):
                    f.write(struct.pack("<I", len(side)) + b"".join(blob(*x) for x in side))


def main():
    args = sys.argv[1:]
    wide = args[1] if args[:1] == ["--wide"] else None
    families = args[2:] if wide else args
    found = sorted(glob.glob(os.path.join(HERE, "net_cases_*.py")))
    for path in found:
        family = os.path.basename(path)[len("net_cases_"):-3]
        if families and family not in families:
            continue
        spec = importlib.util.spec_from_file_location(family, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        c = Cases(wide)
        module.cases(c)
        to = os.path.join(wide or os.path.join(HERE, "..", "vectors", "net"), family + ".bin")
        os.makedirs(os.path.dirname(to), exist_ok=True)
        c.write(to)
        print(f"{family}: {len(c.out)} cases, {os.path.getsize(to)} bytes, {len(c.skipped)} without an oracle")
        for s in c.skipped:
            print("   ", s)


if __name__ == "__main__":
    main()
