"""Glia: a machine-learning runtime. Networks from ONNX files, from PyTorch modules, and from graphs built by hand.

    s = glia.InferenceSession("model.onnx")            # as with onnxruntime
    y, = s.run(None, {"x": x})

    m = glia.compile(torch_module, (example,))          # torch.export inside
    y = m(x)

    g = glia.Graph()                                    # the C library's graph builder
    g.output("y", g.relu(g.input("x", "f32", ["T", 16])))
    y = g.compile()(x)

Arrays go in and come out without copies. Results do not depend on the number of threads. Errors are exceptions with a
code that glia.explain documents.
"""

from ._abi import (GliaError, InvalidArgument, InvalidGraph, LimitReached, NotImplementedByGlia, VERSION as __version__,
                   explain)
from ._custom import CustomOp, custom_op
from ._graph import Graph, OpInfo, Value, ops
from ._network import InferenceSession, Network, NodeArg, SessionOptions
from ._object import Tensor
from ._tensors import load_state_dict


def compile(module, example_args=(), example_kwargs=None, **options):
    """Makes a callable of a torch.nn.Module: see glia.torch.compile. Needs PyTorch."""
    from .torch import compile as compile_module
    return compile_module(module, example_args, example_kwargs, **options)


__all__ = ["CustomOp", "Graph", "GliaError", "InferenceSession", "InvalidArgument", "InvalidGraph", "LimitReached",
    "Network",
           "NodeArg", "NotImplementedByGlia", "OpInfo", "SessionOptions", "Tensor", "Value", "compile", "custom_op",
               "explain",
           "load_state_dict", "ops", "__version__"]
