#!/usr/bin/env python3
"""Makes tests/vectors/arch/<name>.gguf and <name>.vec of mixtures of experts, as make_arch_vectors.py does for
dense models: random weights in a reduced but true shape, logits by transformers in float64 throughout.

    python make_moe_vectors.py            makes the files
    python make_moe_vectors.py NAME...    makes these
    python make_moe_vectors.py --verify   compares the files with llama.cpp, which agrees to 1e-6 but for gpt-oss: it
                                          rounds the ends of yarn's ramp, where the published model does not
"""

import math
import sys

import gguf
import numpy as np

import gvec
import make_arch_vectors as dense
from make_arch_vectors import Case, llama_like

YARN = dict(rope_type="yarn", factor=8.0, beta_fast=32.0, beta_slow=1.0, original_max_position_embeddings=32,
            truncate=False)


def gptoss(name, width):
    """The window is shorter than the text, gates and ups are wide enough to be cut at times (random_weight)."""
    return Case(name, "gpt-oss", "GptOssConfig", 40,
                llama_like(width, 4, 2, 16, 32, 2, 128, tie_word_embeddings=False, rms_norm_eps=1e-5,
                           rope_theta=150000.0, num_local_experts=4, num_experts_per_tok=2, sliding_window=9,
                           max_position_embeddings=256, layer_types=["sliding_attention", "full_attention"]),
                tokenizer_pre="qwen2", rope_scaling=YARN,
                keys={"attention.sliding_window": 9, "rope.scaling.type": "yarn", "rope.scaling.factor": 8.0,
                      "rope.scaling.original_context_length": 32, "expert_feed_forward_length": 32})


# Matrices of 20 rows (mixtral) fill no whole panel, those of 32 and 48 do.
CASES = [
    Case("mixtral", "llama", "MixtralConfig", 24,
         llama_like(48, 4, 2, 12, 20, 2, 128, tie_word_embeddings=False, rms_norm_eps=1e-5, rope_theta=1000000.0,
                    num_local_experts=6, num_experts_per_tok=2)),
    Case("qwen3moe", "qwen3moe", "Qwen3MoeConfig", 40,
         llama_like(48, 4, 2, 16, 96, 2, 128, tie_word_embeddings=False, rms_norm_eps=1e-6, rope_theta=1000000.0,
                    num_experts=5, num_experts_per_tok=3, moe_intermediate_size=32, norm_topk_prob=True,
                    decoder_sparse_step=1),
         tokenizer_pre="qwen2"),
    Case("qwen2moe", "qwen2moe", "Qwen2MoeConfig", 24,
         llama_like(48, 4, 2, 12, 96, 2, 128, tie_word_embeddings=False, rms_norm_eps=1e-6, rope_theta=1000000.0,
                    num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32,
                    shared_expert_intermediate_size=40, norm_topk_prob=False, decoder_sparse_step=1),
         tokenizer_pre="qwen2"),
    gptoss("gptoss", 48),
    gptoss("gptoss_mxfp4", 64),
]


def random_weight(rng, name, shape, tied, gptoss):
    """As for dense models; stacks of matrices by the length of their rows, routers wide enough to choose."""
    if name.endswith("sinks"):
        return rng.standard_normal(shape)
    if name.endswith("bias") and len(shape) == 2:
        return 0.2 * rng.standard_normal(shape)
    if "experts." in name and len(shape) == 3:
        gain = 4.0 if gptoss and "gate_up" in name else 0.1 if gptoss else 1.0
        return gain * rng.standard_normal(shape) / math.sqrt(shape[1] if gptoss else shape[2])
    if name.endswith(("gate.weight", "router.weight")):
        return 2.0 / math.sqrt(shape[1]) * rng.standard_normal(shape)
    return dense.random_weight(rng, name, shape, tied, False)


def fill(case, model):
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            rng = np.random.default_rng([dense.SEED, *case.name.encode(), 0, *name.encode()])
            values = random_weight(rng, name, tuple(parameter.shape), model.config.tie_word_embeddings,
                                   case.arch == "gpt-oss")
            if is_mxfp4(case, name):
                values = decoded_mxfp4(values)
            parameter.copy_(torch.from_numpy(values.astype(np.float32).astype(np.float64)))


def is_mxfp4(case, name):
    return case.name.endswith("mxfp4") and name.endswith(("experts.gate_up_proj", "experts.down_proj"))


def decoded_mxfp4(values):
    """What is left of the weights; transformers keeps the rows of GGUF as columns."""
    rows = np.ascontiguousarray(values.swapaxes(1, 2).astype(np.float32))
    kind = gguf.GGMLQuantizationType.MXFP4
    return gguf.quants.dequantize(gguf.quants.quantize(rows, kind), kind).swapaxes(1, 2)


def add_parameters(case, writer):
    config = case.config
    dense.add_llama_like_parameters(case, writer)
    if case.arch != "qwen3moe" and case.arch != "llama":
        writer.add_vocab_size(config["vocab_size"])
    writer.add_expert_count(config.get("num_experts") or config["num_local_experts"])
    writer.add_expert_used_count(config["num_experts_per_tok"])
    if "moe_intermediate_size" in config:
        writer.add_expert_feed_forward_length(config["moe_intermediate_size"])
    if "shared_expert_intermediate_size" in config:
        writer.add_expert_shared_feed_forward_length(config["shared_expert_intermediate_size"])


# What transformers calls the parts of a layer's mixture, and what GGUF does.
RENAMED = {"mlp.gate.weight": "ffn_gate_inp.weight", "block_sparse_moe.gate.weight": "ffn_gate_inp.weight",
           "mlp.router.weight": "ffn_gate_inp.weight", "mlp.router.bias": "ffn_gate_inp.bias",
           "self_attn.sinks": "attn_sinks.weight",
           "post_attention_layernorm.weight of gpt-oss": "post_attention_norm.weight",
           "mlp.shared_expert_gate.weight": "ffn_gate_inp_shexp.weight",
           "mlp.shared_expert.gate_proj.weight": "ffn_gate_shexp.weight",
           "mlp.shared_expert.up_proj.weight": "ffn_up_shexp.weight",
           "mlp.shared_expert.down_proj.weight": "ffn_down_shexp.weight"}


def tensors(case, model):
    """Yields (name, float32 array). Stacked gate and up matrices are taken apart."""
    arch = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == case.arch)
    names = gguf.get_tensor_name_map(arch, case.config["num_hidden_layers"])
    for name, parameter in model.named_parameters():
        array = parameter.detach().numpy().astype(np.float32)
        layer, part = (name.split(".", 3)[2:] if ".layers." in name else ("", name))
        if case.arch == "gpt-oss":
            part = part + " of gpt-oss" if part.startswith("post_attention") else part
            if part.endswith(("experts.gate_up_proj", "experts.down_proj")):
                array = np.ascontiguousarray(array.swapaxes(1, 2))
        if part in RENAMED:
            yield f"blk.{layer}.{RENAMED[part]}", array.squeeze()
        elif part.endswith(("experts.gate_up_proj", "experts.gate_up_proj_bias")) and case.arch == "gpt-oss":
            ending = "bias" if part.endswith("bias") else "weight"
            yield f"blk.{layer}.ffn_gate_exps.{ending}", np.ascontiguousarray(array[:, ::2])
            yield f"blk.{layer}.ffn_up_exps.{ending}", np.ascontiguousarray(array[:, 1::2])
        elif part.endswith("experts.down_proj_bias"):
            yield f"blk.{layer}.ffn_down_exps.bias", array
        elif part.endswith("experts.gate_up_proj"):
            half = array.shape[1] // 2
            yield f"blk.{layer}.ffn_gate_exps.weight", np.ascontiguousarray(array[:, :half])
            yield f"blk.{layer}.ffn_up_exps.weight", np.ascontiguousarray(array[:, half:])
        elif part.endswith("experts.down_proj"):
            yield f"blk.{layer}.ffn_down_exps.weight", array
        else:
            if case.arch == "llama" and "q_proj" in name:
                array = dense.pair_neighbours(array, case.config["num_attention_heads"])
            if case.arch == "llama" and "k_proj" in name:
                array = dense.pair_neighbours(array, case.config["num_key_value_heads"])
            yield names.get_name(name, try_suffixes=(".weight", ".bias")), array


def write_gguf(case, model, path):
    writer = gguf.GGUFWriter(path, case.arch)
    writer.add_name(case.name)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_parameters(case, writer)
    (dense.add_bpe_tokenizer if case.tokenizer_pre else dense.add_spm_tokenizer)(case, writer)
    for name, array in tensors(case, model):
        if case.name.endswith("mxfp4") and name.endswith("exps.weight"):
            kind = gguf.GGMLQuantizationType.MXFP4
            writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make(case):
    dense.fill_with_random_weights = fill
    model = dense.make_model(case)
    model.set_experts_implementation("eager")  # the others have no float64
    rng = np.random.default_rng([dense.SEED, *case.name.encode(), 1])
    ids = rng.integers(0, case.config["vocab_size"], case.tokens).astype(np.int32)
    logits = dense.true_logits(model, ids)
    path = dense.FOLDER / f"{case.name}.gguf"
    write_gguf(case, model, path)
    gvec.write(path.with_suffix(".vec"), {"ids": ids, "logits": logits})
    print(f"{case.name}: {path.stat().st_size} bytes, logits of deviation {logits.std():.2f}")


if __name__ == "__main__":
    if "--verify" in sys.argv:
        checked = [case for case in CASES if case.arch != "gpt-oss"]
        raise SystemExit(0 if all([dense.verify(case) for case in checked]) else "some case is off")
    for case in CASES:
        if len(sys.argv) < 2 or case.name in sys.argv[1:]:
            make(case)
