"""ONNX models of known shapes with random weights, written as exporters write them: chains of small operators, MLPs,
transformer blocks (29 nodes: layer norms, one product for q, k and v, heads by reshape and transpose, a causal mask,
GELU from its erf form), GPT-2, BERT, ResNet50 and MobileNetV2 with the batch norms folded away.

    python3 bench/net_models.py NAME OUT.onnx      NAME: see MODELS

Needs: numpy, onnx."""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Model:
    """Nodes in the order in which they are added; values are names."""

    def __init__(self, name, opset=17, seed=1):
        self.name, self.opset = name, opset
        self.nodes, self.weights, self.inputs, self.outputs = [], [], [], []
        self.random = np.random.default_rng(seed)
        self.count = 0

    def node(self, op, *inputs, out=1, **attrs):
        self.count += 1
        names = [f"{op.lower()}_{self.count}" + (f"_{i}" if out > 1 else "") for i in range(out)]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=f"{op}_{self.count}", **attrs))
        return names[0] if out == 1 else names

    def constant(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weight(self, *shape, scale=None):
        if scale is None:
            scale = 1 / np.sqrt(np.prod(shape[1:]) if len(shape) > 2 else shape[0])
        return self.constant((self.random.standard_normal(shape) * scale).astype(np.float32))

    def ints(self, *values):
        return self.constant(np.array(values, dtype=np.int64))

    def number(self, value):
        return self.constant(np.array(value, dtype=np.float32))

    def input(self, name, shape, dtype=TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(self, name, value):
        self.nodes.append(helper.make_node("Identity", [value], [name], name="out_" + name))
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))

    def proto(self):
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.weights)
        m = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], producer_name="bench")
        m.ir_version = 8
        return m


def chain(length, width=16):
    m = Model(f"chain-{length}")
    x = m.input("x", [width])
    for i in range(length):
        op = ("Relu", "Add", "Sigmoid", "Mul")[i % 4]
        x = m.node(op, x) if op in ("Relu", "Sigmoid") else m.node(op, x, m.weight(width, scale=1))
    m.output("y", x)
    return m


def mlp(sizes, batch):
    m = Model("mlp")
    x = m.input("x", [batch, sizes[0]])
    for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
        x = m.node("Gemm", x, m.weight(a, b), m.weight(b, scale=0.1))
        if i + 2 < len(sizes):
            x = m.node("Relu", x)
    m.output("y", x)
    return m


def layer_norm(m, x, d):
    return m.node("LayerNormalization", x, m.weight(d, scale=1), m.weight(d, scale=0.1), axis=-1, epsilon=1e-5)


def linear(m, x, a, b):
    return m.node("Add", m.node("MatMul", x, m.weight(a, b)), m.weight(b, scale=0.1))


def gelu(m, x):
    erf = m.node("Erf", m.node("Div", x, m.number(np.sqrt(2))))
    return m.node("Mul", m.node("Mul", x, m.node("Add", erf, m.number(1))), m.number(0.5))


def heads(m, x, s, h, d, batch=1):
    shaped = m.node("Reshape", x, m.ints(batch, s, h, d // h))
    return m.node("Transpose", shaped, perm=[0, 2, 1, 3])


def attention(m, x, s, d, h, causal):
    q, k, v = m.node("Split", linear(m, x, d, 3 * d), m.ints(d, d, d), out=3, axis=2)
    q, k, v = (heads(m, t, s, h, d) for t in (q, k, v))
    scores = m.node("MatMul", q, m.node("Transpose", k, perm=[0, 1, 3, 2]))
    scores = m.node("Div", scores, m.number(np.sqrt(d // h)))
    if causal:
        mask = np.triu(np.full((s, s), -1e9, dtype=np.float32), 1)
        scores = m.node("Add", scores, m.constant(mask[None, None]))
    mixed = m.node("MatMul", m.node("Softmax", scores, axis=-1), v)
    mixed = m.node("Reshape", m.node("Transpose", mixed, perm=[0, 2, 1, 3]), m.ints(1, s, d))
    return linear(m, mixed, d, d)


def pre_norm_block(m, x, s, d, h, causal=True):
    x = m.node("Add", x, attention(m, layer_norm(m, x, d), s, d, h, causal))
    wide = gelu(m, linear(m, layer_norm(m, x, d), d, 4 * d))
    return m.node("Add", x, linear(m, wide, 4 * d, d))


def post_norm_block(m, x, s, d, h):
    x = layer_norm(m, m.node("Add", x, attention(m, x, s, d, h, False)), d)
    wide = gelu(m, linear(m, x, d, 4 * d))
    return layer_norm(m, m.node("Add", x, linear(m, wide, 4 * d, d)), d)


def block(s, d, h):
    m = Model(f"block-{s}-{d}-{h}")
    m.output("y", pre_norm_block(m, m.input("x", [1, s, d]), s, d, h))
    return m


def decode(d, h, past):
    """One token against `past` keys and values that come and go as tensors."""
    m = Model(f"decode-{d}-{past}")
    x = m.input("x", [1, 1, d])
    n = layer_norm(m, x, d)
    q, k, v = m.node("Split", linear(m, n, d, 3 * d), m.ints(d, d, d), out=3, axis=2)
    q, k, v = (heads(m, t, 1, h, d) for t in (q, k, v))
    k = m.node("Concat", m.input("past_k", [1, h, past, d // h]), k, axis=2)
    v = m.node("Concat", m.input("past_v", [1, h, past, d // h]), v, axis=2)
    scores = m.node("MatMul", q, m.node("Transpose", k, perm=[0, 1, 3, 2]))
    mixed = m.node("MatMul", m.node("Softmax", m.node("Div", scores, m.number(np.sqrt(d // h))), axis=-1), v)
    mixed = m.node("Reshape", m.node("Transpose", mixed, perm=[0, 2, 1, 3]), m.ints(1, 1, d))
    x = m.node("Add", x, linear(m, mixed, d, d))
    wide = gelu(m, linear(m, layer_norm(m, x, d), d, 4 * d))
    m.output("y", m.node("Add", x, linear(m, wide, 4 * d, d)))
    m.output("k", k)
    m.output("v", v)
    return m


def gpt2(s, d=768, layers=12, vocab=50257):
    m = Model(f"gpt2-{s}")
    ids = m.input("ids", [1, s], TensorProto.INT64)
    table = m.weight(vocab, d, scale=0.02)
    x = m.node("Add", m.node("Gather", table, ids, axis=0), m.weight(1, s, d, scale=0.02))
    for _ in range(layers):
        x = pre_norm_block(m, x, s, d, d // 64)
    m.output("logits", m.node("MatMul", layer_norm(m, x, d), m.node("Transpose", table, perm=[1, 0])))
    return m


def bert(s, d=768, layers=12, vocab=30522):
    m = Model(f"bert-{s}")
    ids = m.input("ids", [1, s], TensorProto.INT64)
    x = m.node("Add", m.node("Gather", m.weight(vocab, d, scale=0.02), ids, axis=0), m.weight(1, s, d, scale=0.02))
    x = layer_norm(m, x, d)
    for _ in range(layers):
        x = post_norm_block(m, x, s, d, d // 64)
    m.output("hidden", x)
    return m


def conv(m, x, a, b, k, stride=1, group=1, act=None):
    pad = (k - 1) // 2
    y = m.node("Conv", x, m.weight(b, a // group, k, k), m.weight(b, scale=0.1), kernel_shape=[k, k],
               strides=[stride, stride], pads=[pad] * 4, group=group)
    if act == "relu":
        y = m.node("Relu", y)
    if act == "relu6":
        y = m.node("Clip", y, m.number(0), m.number(6))
    return y


def classify(m, x, a):
    x = m.node("Flatten", m.node("GlobalAveragePool", x), axis=1)
    m.output("y", m.node("Gemm", x, m.weight(a, 1000), m.weight(1000, scale=0.1)))


def resnet50():
    m = Model("resnet50")
    x = conv(m, m.input("x", [1, 3, 224, 224]), 3, 64, 7, 2, act="relu")
    x = m.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    a = 64
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for i in range(blocks):
            stride = 2 if stage and i == 0 else 1
            y = conv(m, x, a, width, 1, act="relu")
            y = conv(m, y, width, width, 3, stride, act="relu")
            y = conv(m, y, width, 4 * width, 1)
            x = conv(m, x, a, 4 * width, 1, stride) if i == 0 else x
            a = 4 * width
            x = m.node("Relu", m.node("Add", y, x))
    classify(m, x, a)
    return m


def mobilenet_v2():
    m = Model("mobilenet_v2")
    x = conv(m, m.input("x", [1, 3, 224, 224]), 3, 32, 3, 2, act="relu6")
    a = 32
    for t, c, n, s in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                       (6, 320, 1, 1)):
        for i in range(n):
            stride = s if i == 0 else 1
            y = conv(m, x, a, a * t, 1, act="relu6") if t > 1 else x
            y = conv(m, y, a * t, a * t, 3, stride, group=a * t, act="relu6")
            y = conv(m, y, a * t, c, 1)
            x = m.node("Add", x, y) if stride == 1 and a == c else y
            a = c
    classify(m, conv(m, x, a, 1280, 1, act="relu6"), 1280)
    return m


MODELS = {}
for n in (10, 100, 1000):
    MODELS[f"chain-{n}"] = lambda n=n: chain(n)
for b in (1, 8, 32, 128):
    MODELS[f"mlp-784-256-128-10-b{b}"] = lambda b=b: mlp([784, 256, 128, 10], b)
    for w in (512, 1024, 2048):
        MODELS[f"mlp-4x{w}-b{b}"] = lambda w=w, b=b: mlp([w] * 5, b)
for shape in ((16, 64, 2), (32, 128, 4), (128, 256, 4), (128, 512, 8), (128, 768, 12), (512, 768, 12)):
    MODELS["block-%d-%d-%d" % shape] = lambda shape=shape: block(*shape)
MODELS["decode-768-128"] = lambda: decode(768, 12, 128)
for t in (1, 32, 128):
    MODELS[f"gpt2-{t}"] = lambda t=t: gpt2(t)
for t in (8, 32, 128):
    MODELS[f"bert-{t}"] = lambda t=t: bert(t)
MODELS["resnet50"] = resnet50
MODELS["mobilenet_v2"] = mobilenet_v2


def inputs_of(proto, seed=7):
    """Random inputs for a model: ids below 30000, floats from a normal distribution."""
    random = np.random.default_rng(seed)
    feed = {}
    for i in proto.graph.input:
        shape = [d.dim_value for d in i.type.tensor_type.shape.dim]
        if i.type.tensor_type.elem_type == TensorProto.INT64:
            feed[i.name] = random.integers(0, 30000, shape, dtype=np.int64)
        else:
            feed[i.name] = random.standard_normal(shape).astype(np.float32)
    return feed


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in MODELS:
        sys.exit("usage: net_models.py NAME OUT.onnx\nnames: " + " ".join(MODELS))
    onnx.save(MODELS[sys.argv[1]]().proto(), sys.argv[2])


if __name__ == "__main__":
    main()
