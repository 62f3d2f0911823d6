#!/usr/bin/env python3
"""Makes tests/vectors/quantize: which type each tensor of a model gets, as llama.cpp's quantiser decides it, and two
importance matrices in the two kinds of files.

Needs numpy, gguf and llama-cpp-python (tools/oracles.sh installs them). The models are hollow: the right metadata
and names, matrices of four short rows.

mixes.txt has, for each case, a line "case NAME ARCH LAYERS HEADS KV_HEADS EXPERTS IMATRIX", the line "types ..." with
the mixtures, and a line for each tensor: its name, its dimensions (outermost first) and ggml's number of its type in
each mixture.
"""

import ctypes
import os
import pathlib
import struct
import tempfile

import gguf
import llama_cpp
import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "vectors" / "quantize"

MIXES = {"F16": 1, "BF16": 32, "Q8_0": 7, "Q6_K": 18, "Q5_K_M": 17, "Q5_K_S": 16, "Q5_1": 9, "Q5_0": 8, "Q4_K_M": 15,
         "Q4_K_S": 14, "Q4_1": 3, "Q4_0": 2, "IQ4_NL": 25, "IQ4_XS": 30, "Q3_K_L": 13, "Q3_K_M": 12, "Q3_K_S": 11,
         "Q2_K": 10, "Q2_K_S": 21, "TQ1_0": 36, "TQ2_0": 37, "MXFP4_MOE": 38, "Q1_0": 40}

DENSE = ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"]
FUSED = ["attn_norm", "attn_qkv", "attn_output", "ffn_norm", "ffn_up", "ffn_down"]
EXPERTS = ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate_inp", "ffn_gate_exps",
           "ffn_up_exps", "ffn_down_exps"]

# name, architecture, layers, heads, key-value heads, experts, importance matrix, tied, columns, parts of a layer
CASES = [
    ("dense", "llama", 16, 8, 8, 0, False, False, 256, DENSE),
    ("shared", "llama", 24, 8, 2, 0, False, True, 256, DENSE),
    ("large", "llama", 80, 8, 1, 0, False, False, 256, ["attn_v", "ffn_down"]),
    ("eight", "llama", 8, 8, 2, 8, False, False, 256, EXPERTS),
    ("many", "qwen3moe", 9, 8, 2, 32, False, True, 256, EXPERTS),
    ("fused", "phi3", 12, 8, 8, 0, False, False, 256, FUSED),
    ("odd", "llama", 8, 8, 8, 0, False, False, 288, DENSE),
    ("weighed", "llama", 16, 8, 8, 0, True, False, 256, DENSE),
]


def tensors(layers, experts, tied, columns, parts):
    yield "token_embd.weight", (8, columns)
    for layer in range(layers):
        for part in parts:
            shape = (4, columns)
            if part.endswith("_norm"):
                shape = (columns,)
            elif part.endswith("_exps"):
                shape = (experts, 4, columns)
            elif part.endswith("_inp"):
                shape = (max(experts, 2), columns)
            yield f"blk.{layer}.{part}.weight", shape
    yield "output_norm.weight", (columns,)
    if not tied:
        yield "output.weight", (8, columns)


def write_model(path, case):
    name, arch, layers, heads, kv_heads, experts, _, tied, columns, parts = case
    rng = np.random.default_rng(7)
    writer = gguf.GGUFWriter(path, arch)
    writer.add_context_length(64)
    writer.add_embedding_length(columns)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(columns)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(8)
    writer.add_tokenizer_model("no_vocab")
    if experts:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(2)
        writer.add_expert_feed_forward_length(columns)
    for tensor, shape in tensors(layers, experts, tied, columns, parts):
        writer.add_tensor(tensor, rng.standard_normal(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def imatrix_of(case):
    """An array of entries that ends with an empty one."""
    _, _, layers, _, _, experts, _, tied, columns, parts = case
    entries = []
    for tensor, shape in tensors(layers, experts, tied, columns, parts):
        if len(shape) > 1:
            size = columns * (shape[0] if len(shape) > 2 else 1)
            entries.append((tensor.encode(), (ctypes.c_float * size)(*([1.0] * size)), size))
    array = (llama_cpp.llama_model_imatrix_data * (len(entries) + 1))()
    for slot, (tensor, values, size) in zip(array, entries):
        slot.name, slot.data, slot.size = tensor, values, size
    return array


def types_of(case, number, folder):
    source, target = os.path.join(folder, "in.gguf"), os.path.join(folder, "out.gguf")
    params = llama_cpp.llama_model_quantize_default_params()
    params.nthread, params.ftype = 1, number
    keep = None
    if case[6] or number == MIXES["Q2_K_S"]:  # which is not made without one there; no rule of it asks
        keep = imatrix_of(case)
        params.imatrix = ctypes.cast(keep, type(params.imatrix))
    if llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params)):
        raise SystemExit(f"{case[0]}: type {number} failed")
    return {t.name: int(t.tensor_type) for t in gguf.GGUFReader(target).tensors}


def make_mixes():
    lines = []
    silent = llama_cpp.llama_log_callback(lambda level, text, user: None)
    llama_cpp.llama_log_set(silent, None)
    for case in CASES:
        name, arch, layers, heads, kv_heads, experts, weighed, tied, columns, parts = case
        with tempfile.TemporaryDirectory() as folder:
            write_model(os.path.join(folder, "in.gguf"), case)
            mixes = {k: v for k, v in MIXES.items() if k != "Q1_0" or columns % 128 == 0}  # else it gives up
            found = {mix: types_of(case, number, folder) for mix, number in mixes.items()}
        lines.append(f"case {name} {arch} {layers} {heads} {kv_heads} {experts} {int(weighed)}")
        lines.append("types " + " ".join(mixes))
        for tensor, shape in tensors(layers, experts, tied, columns, parts):
            row = [found[mix][tensor] for mix in mixes]
            lines.append(f"{tensor} {'x'.join(map(str, shape))} {' '.join(map(str, row))}")
    (FOLDER / "mixes.txt").write_text("\n".join(lines) + "\n")


def make_imatrices():
    """The same numbers in both kinds: two matrices of 8 columns, one of them stacked twice, its second never met."""
    rng = np.random.default_rng(11)
    plain, stacked = rng.uniform(1, 9, 8).astype(np.float32), rng.uniform(1, 9, (2, 8)).astype(np.float32)
    stacked[1] = 0
    writer = gguf.GGUFWriter(FOLDER / "small.imatrix.gguf", "")
    writer.add_string("general.type", "imatrix")
    writer.add_array("imatrix.datasets", ["words.txt"])
    writer.add_uint32("imatrix.chunk_count", 3)
    writer.add_uint32("imatrix.chunk_size", 64)
    writer.add_tensor("b.weight.in_sum2", plain[None] * 4)
    writer.add_tensor("b.weight.counts", np.full((1, 1), 4, np.float32))
    writer.add_tensor("a.weight.in_sum2", stacked * 2)
    writer.add_tensor("a.weight.counts", np.array([[2], [0]], np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with open(FOLDER / "small.imatrix.dat", "wb") as f:
        f.write(struct.pack("<i", 2))
        for entry, values, calls in (("b.weight", plain * 4, 4), ("a.weight", stacked.ravel() * 2, 2)):
            f.write(struct.pack("<i", len(entry)) + entry.encode() + struct.pack("<ii", calls, values.size))
            f.write(values.astype("<f4").tobytes())
        f.write(struct.pack("<ii", 3, 9) + b"words.txt")


FOLDER.mkdir(parents=True, exist_ok=True)
make_imatrices()
make_mixes()
