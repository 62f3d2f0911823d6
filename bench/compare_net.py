"""Networks of net_models.py on Glia, ONNX Runtime and PyTorch, in one run: the sides take turns in rounds, each on the
same file, threads and inputs; a figure is the median of its rounds. Prints a table of milliseconds and ratios (above 1:
Glia is faster) and writes bench/results/NAME.json.

    python3 bench/compare_net.py [--threads 1] [--rounds 5] [--seconds 0.3] [--only PATTERN] [--torch eager,compile]
                                 [--library build/release/libglia.so] [--name NAME] [MODEL.onnx ...]

Needs: numpy, onnx, onnxruntime; torch with --torch. Run it alone on the machine."""
import argparse
import ctypes
import fnmatch
import json
import os
import platform
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
HERE = os.path.dirname(os.path.abspath(__file__))


class NetOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("os", ctypes.c_void_p), ("threads", ctypes.c_int32),
                ("slots", ctypes.c_int32), ("memory_limit", ctypes.c_int64), ("isa", ctypes.c_char_p),
                ("level", ctypes.c_int32), ("plain", ctypes.c_int32), ("fixed", ctypes.c_int32),
                ("plans_max", ctypes.c_int32), ("profile_events", ctypes.c_int64)]


class Error(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("status", ctypes.c_int), ("offset", ctypes.c_int64),
                ("code", ctypes.c_char * 8), ("text", ctypes.c_char * 3072)]


class Glia:
    name = "glia"

    def __init__(self, path, feed, threads, library):
        lib = ctypes.CDLL(library)
        lib.glia_net_input_data.restype = lib.glia_net_output_data.restype = ctypes.c_void_p
        lib.glia_net_step.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        for f in (lib.glia_net_input_data, lib.glia_net_output_data):
            f.argtypes = [ctypes.c_void_p, ctypes.c_int]
        options, error = NetOptions(), Error()
        options.size, error.size, error.offset = ctypes.sizeof(options), ctypes.sizeof(error), -1
        options.threads = options.slots = threads
        options.fixed = 1
        net = ctypes.c_void_p()
        if lib.glia_net_open(path.encode(), ctypes.byref(options), ctypes.byref(net), ctypes.byref(error)):
            raise RuntimeError(error.text.decode())
        self.places = [(lib.glia_net_input_data(net, i), a) for i, a in enumerate(feed.values())]
        self.net, self.step, self.lib = net, lib.glia_net_step, lib

    def run(self):
        for place, a in self.places:
            ctypes.memmove(place, a.ctypes.data, a.nbytes)
        if self.step(self.net, None):
            raise RuntimeError("a step failed")

    def output(self, i, like):
        import numpy as np
        at = self.lib.glia_net_output_data(self.net, i)
        data = np.ctypeslib.as_array((ctypes.c_char * like.nbytes).from_address(at))
        return data.view(like.dtype).reshape(like.shape)

    def close(self):
        self.lib.glia_net_close(self.net)


class OnnxRuntime:
    name = "onnxruntime"

    def __init__(self, path, feed, threads):
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        self.feed = feed
        for name, a in feed.items():
            self.binding.bind_cpu_input(name, a)
        for o in self.session.get_outputs():
            self.binding.bind_output(o.name)

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def outputs(self):
        return self.session.run(None, self.feed)

    def close(self):
        del self.session


class Torch:
    """The file's nodes as calls of torch's own functions; compile: through torch.compile."""

    def __init__(self, proto, feed, threads, compiled):
        import torch
        from onnx import numpy_helper
        torch.set_num_threads(threads)
        self.name = "torch.compile" if compiled else "torch"
        self.torch = torch
        weights = {w.name: torch.from_numpy(numpy_helper.to_array(w).copy()) for w in proto.graph.initializer}
        nodes = [(n.op_type, list(n.input), list(n.output), {a.name: attribute(a) for a in n.attribute})
                 for n in proto.graph.node]
        outputs = [o.name for o in proto.graph.output]
        constants = {k: v.tolist() for k, v in weights.items() if v.dtype == torch.int64}

        def forward(*args):
            values = dict(weights)
            values.update(zip(feed, args))
            for op, ins, outs, attrs in nodes:
                result = OPS[op](torch, [values[i] for i in ins], attrs, [constants.get(i) for i in ins])
                values.update(zip(outs, result if len(outs) > 1 else [result]))
            return [values[o] for o in outputs]

        self.args = [torch.from_numpy(a) for a in feed.values()]
        self.call = torch.compile(forward) if compiled else forward

    def run(self):
        with self.torch.inference_mode():
            self.call(*self.args)

    def close(self):
        pass


def attribute(a):
    import onnx
    return onnx.helper.get_attribute_value(a)


def conv2d(t, v, a, _):
    pads = a["pads"]
    return t.nn.functional.conv2d(v[0], v[1], v[2], a["strides"], (pads[0], pads[1]), 1, a.get("group", 1))


OPS = {
    "Relu": lambda t, v, a, c: t.relu(v[0]),
    "Sigmoid": lambda t, v, a, c: t.sigmoid(v[0]),
    "Erf": lambda t, v, a, c: t.erf(v[0]),
    "Add": lambda t, v, a, c: v[0] + v[1],
    "Mul": lambda t, v, a, c: v[0] * v[1],
    "Div": lambda t, v, a, c: v[0] / v[1],
    "Identity": lambda t, v, a, c: v[0],
    "Gemm": lambda t, v, a, c: t.addmm(v[2], v[0], v[1]),
    "MatMul": lambda t, v, a, c: v[0] @ v[1],
    "Softmax": lambda t, v, a, c: t.softmax(v[0], -1),
    "Transpose": lambda t, v, a, c: v[0].permute(a["perm"]),
    "Reshape": lambda t, v, a, c: v[0].reshape(c[1]),
    "Split": lambda t, v, a, c: t.split(v[0], c[1], a["axis"]),
    "Concat": lambda t, v, a, c: t.cat(v, a["axis"]),
    "Gather": lambda t, v, a, c: t.nn.functional.embedding(v[1], v[0]),
    "LayerNormalization": lambda t, v, a, c: t.nn.functional.layer_norm(v[0], v[1].shape, v[1], v[2], a["epsilon"]),
    "Conv": conv2d,
    "Clip": lambda t, v, a, c: t.clamp(v[0], v[1], v[2]),
    "MaxPool": lambda t, v, a, c: t.nn.functional.max_pool2d(v[0], a["kernel_shape"], a["strides"], a["pads"][:2]),
    "GlobalAveragePool": lambda t, v, a, c: v[0].mean((2, 3), keepdim=True),
    "Flatten": lambda t, v, a, c: v[0].flatten(1),
}


def time_of(side, seconds):
    """Milliseconds a run: as many runs as fit, at least one."""
    runs, start = 0, time.perf_counter()
    while True:
        side.run()
        runs += 1
        now = time.perf_counter() - start
        if now >= seconds:
            return now / runs * 1e3


def first_run(make):
    start = time.perf_counter()
    side = make()
    side.run()
    return side, (time.perf_counter() - start) * 1e3


def difference(glia, want):
    import numpy as np
    worst = 0.0
    for i, w in enumerate(want):
        if w.dtype.kind == "f" and w.size:
            got = glia.output(i, w).astype(np.float64)
            worst = max(worst, float(np.max(np.abs(got - w)) / max(np.max(np.abs(w)), 1e-30)))
    return worst


def measure(path, proto, feed, args):
    row = {"threads": args.threads}
    peers = [lambda: OnnxRuntime(path, feed, args.threads)]
    for kind in filter(None, args.torch.split(",")):
        peers.append(lambda kind=kind: Torch(proto, feed, args.threads, kind == "compile"))
    sides, firsts = [], {}

    def ours():
        return Glia(path, feed, args.threads, args.library)

    for make in [ours] + peers:
        side, firsts_ms = first_run(make)
        side.run()
        sides.append(side)
        firsts[side.name] = firsts_ms
    row["first_ms"] = firsts
    row["difference"] = difference(sides[0], sides[1].outputs())
    samples = {s.name: [] for s in sides}
    for _ in range(args.rounds):
        for s in sides:
            samples[s.name].append(time_of(s, args.seconds))
    for s in sides:
        s.close()
    row["samples_ms"] = samples
    row["ms"] = {k: statistics.median(v) for k, v in samples.items()}
    row["ratio"] = {k: v / row["ms"]["glia"] for k, v in row["ms"].items() if k != "glia"}
    return row


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="*", help="ONNX files; none: the models of net_models.py")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=0.3)
    p.add_argument("--only", default="*")
    p.add_argument("--torch", default="")
    p.add_argument("--library", default=os.path.join(HERE, "..", "build", "release", "libglia.so"))
    p.add_argument("--name", default="")
    args = p.parse_args()
    import onnx
    import net_models
    rows = {}
    folder = tempfile.mkdtemp()
    names = args.models or [n for n in net_models.MODELS if any(fnmatch.fnmatch(n, o) for o in args.only.split(","))]
    for name in names:
        if args.models:
            path, proto = name, onnx.load(name)
            name = os.path.basename(name)
        else:
            path, proto = os.path.join(folder, "model.onnx"), net_models.MODELS[name]().proto()
            onnx.save(proto, path)
        try:
            row = measure(path, proto, net_models.inputs_of(proto), args)
        except RuntimeError as failed:
            print(f"{name:28s} {failed}"[:200], flush=True)
            continue
        rows[name] = row
        print(f"{name:28s} " + "  ".join(f"{k} {v:.4g} ms" for k, v in row["ms"].items()) + "  " +
              "  ".join(f"x{v:.2f} {k}" for k, v in row["ratio"].items()) +
              f"  first {row['first_ms']['onnxruntime'] / row['first_ms']['glia']:.1f}x  diff {row['difference']:.1e}",
              flush=True)
    if args.name:
        out = {"machine": platform.processor() or platform.machine(), "threads": args.threads, "rows": rows}
        with open(os.path.join(HERE, "results", args.name + ".json"), "w") as f:
            json.dump(out, f, indent=1)


if __name__ == "__main__":
    main()
