"""PyTorch modules as networks: torch.export, then each ATen operator by its handler (aten.py)."""

from ._compile import CompiledModule, compile, export_graph
from ._emitter import handles, registered

__all__ = ["CompiledModule", "compile", "export_graph", "handles", "registered"]
