#!/usr/bin/env python3
"""Makes tests/vectors/convert/<name>: small random checkpoints as transformers saves them, and what they are worth.

Needs numpy, torch, transformers, tokenizers, safetensors and gguf (tools/oracles.sh installs them). For each case:

    <name>/           config.json, model.safetensors (one case in shards), as save_pretrained writes them
    <name>.vec        ids i32 [tokens], logits f64 [tokens, vocab]: transformers in float64 on the same weights
    <name>.txt        the GGUF keys and tensors that must come out: "key NAME VALUE", "tensor NAME DIMS SUM WEIGHED"

SUM is the sum of a tensor's values, WEIGHED that of value i times (7919 i mod 1009 + 1) / 1009, so that no permutation
goes unseen. Names come from the gguf package's map, transformations from numpy here. The weights are exact in
bfloat16, in which they are saved. tokenizer.json is one for all, made by the tokenizers package.
"""

import json
import pathlib
import shutil

import gguf
import numpy as np
import safetensors.torch
import torch
import transformers

import gvec
from make_arch_vectors import AllDouble

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "vectors" / "convert"
SEED, VOCAB, TOKENS = 77, 64, 10

SMALL = dict(vocab_size=VOCAB, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=64)


def rope(theta, **more):
    return dict(rope_type="default", rope_theta=theta) | more


# name: (GGUF architecture, config class, model class, config)
CASES = {
    "llama": ("llama", "LlamaConfig", "LlamaForCausalLM", SMALL | dict(
        rms_norm_eps=1e-5, tie_word_embeddings=False, attention_bias=True,
        rope_parameters=rope(10000.0, rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                             original_max_position_embeddings=16))),
    "mistral": ("llama", "MistralConfig", "MistralForCausalLM", SMALL | dict(
        rms_norm_eps=1e-5, tie_word_embeddings=False, head_dim=8, sliding_window=5, rope_parameters=rope(1e6))),
    "qwen2": ("qwen2", "Qwen2Config", "Qwen2ForCausalLM", SMALL | dict(
        rms_norm_eps=1e-6, tie_word_embeddings=True, rope_parameters=rope(1e6))),
    "qwen3": ("qwen3", "Qwen3Config", "Qwen3ForCausalLM", SMALL | dict(
        rms_norm_eps=1e-6, tie_word_embeddings=True, head_dim=8, rope_parameters=rope(1e6))),
    "qwen3moe": ("qwen3moe", "Qwen3MoeConfig", "Qwen3MoeForCausalLM", SMALL | dict(
        rms_norm_eps=1e-6, tie_word_embeddings=False, head_dim=8, num_experts=3, num_experts_per_tok=2,
        moe_intermediate_size=32, norm_topk_prob=True, decoder_sparse_step=1, rope_parameters=rope(1e6))),
    "gpt2": ("gpt2", "GPT2Config", "GPT2LMHeadModel", dict(
        n_embd=24, n_head=4, n_layer=2, n_inner=64, n_positions=16, vocab_size=VOCAB, layer_norm_epsilon=1e-5,
        activation_function="gelu_new", attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0)),
    "gemma2": ("gemma2", "Gemma2Config", "Gemma2ForCausalLM", SMALL | dict(
        rms_norm_eps=1e-6, head_dim=8, query_pre_attn_scalar=20, sliding_window=4, attn_logit_softcapping=8.0,
        final_logit_softcapping=6.0, rope_parameters=rope(10000.0))),
    "gemma3": ("gemma3", "Gemma3TextConfig", "Gemma3ForCausalLM", SMALL | dict(
        rms_norm_eps=1e-6, head_dim=8, query_pre_attn_scalar=8, sliding_window=4,
        layer_types=["sliding_attention", "full_attention"], sliding_window_pattern=2,
        rope_parameters=dict(full_attention=rope(1e6, rope_type="linear", factor=8.0),
                             sliding_attention=rope(20000.0)))),
    "phi3": ("phi3", "Phi3Config", "Phi3ForCausalLM", SMALL | dict(
        rms_norm_eps=1e-5, tie_word_embeddings=False, pad_token_id=0, sliding_window=None,
        original_max_position_embeddings=16,
        rope_parameters=rope(10000.0, rope_type="longrope", long_factor=[1.5, 2.0, 5.0],
                             short_factor=[1.0, 1.1, 1.3], original_max_position_embeddings=16))),
    # Blocks of MXFP4 need 32 columns.
    "gpt-oss": ("gpt-oss", "GptOssConfig", "GptOssForCausalLM", SMALL | dict(
        rms_norm_eps=1e-5, tie_word_embeddings=False, hidden_size=32, head_dim=8,
        num_local_experts=2, num_experts_per_tok=2, intermediate_size=32, sliding_window=4,
        layer_types=["sliding_attention", "full_attention"],
        rope_parameters=rope(150000.0, rope_type="yarn", factor=4.0, beta_fast=32.0, beta_slow=1.0, truncate=False,
                             original_max_position_embeddings=16))),
    "bitnet": ("bitnet", "BitNetConfig", "BitNetForCausalLM", SMALL | dict(
        rms_norm_eps=1e-5, tie_word_embeddings=True, hidden_act="relu2", rope_parameters=rope(500000.0))),
    "bert": ("bert", "BertConfig", "BertModel", dict(
        vocab_size=VOCAB, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40,
        max_position_embeddings=16, type_vocab_size=2, layer_norm_eps=1e-12, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0)),
}


def make_model(name):
    _, config_class, model_class, options = CASES[name]
    config = getattr(transformers, config_class)(**options)
    config._attn_implementation = "eager"
    torch.set_default_dtype(torch.float64)
    with AllDouble.mode():
        model = getattr(transformers, model_class)(config)
    if hasattr(model, "set_experts_implementation"):
        model.set_experts_implementation("eager")
    model.eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            rng = np.random.default_rng([SEED, *name.encode(), *key.encode()])
            values = torch.from_numpy(random_weight(rng, name, key, tuple(parameter.shape)))
            parameter.copy_(values.to(torch.bfloat16).double())
    return model


def random_weight(rng, case, key, shape):
    if "norm" in key.lower() or "ln_" in key:
        center = 0.0 if case.startswith("gemma") or key.endswith("bias") else 1.0
        return center + rng.uniform(-0.4, 0.4, shape)
    if len(shape) == 1 or key.endswith("bias"):
        return 0.2 * rng.standard_normal(shape)
    return 1.3 / np.sqrt(shape[-1]) * rng.standard_normal(shape)


# ---------------------------------------------------------------- what must come out


def pairs(weight, heads):
    """Rotary pairs that are halves become neighbours."""
    rest = weight.shape[1:]
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *rest)
    return halves.swapaxes(1, 2).reshape(weight.shape)


def expected_tensors(name, state):
    arch, _, _, options = CASES[name]
    layers = options.get("num_hidden_layers", options.get("n_layer"))
    enum = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == arch)
    names = gguf.get_tensor_name_map(enum, layers)
    for key, value in state.items():
        value = value.double().numpy()
        if name == "gpt2" and key.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
            value = value.T
        if name.startswith("gemma") and key.endswith("norm.weight"):
            value = value + 1
        if arch == "llama" and ".q_proj." in key:
            value = pairs(value, options["num_attention_heads"])
        if arch == "llama" and ".k_proj." in key:
            value = pairs(value, options["num_key_value_heads"])
        if ".experts." in key or key.endswith("sinks"):
            yield from expert_tensors(name, key, value)
            continue
        if key.startswith("pooler."):
            continue
        key = key.replace("attn_sub_norm", "inner_attn_ln").replace("ffn_sub_norm", "ffn_layernorm")
        yield names.get_name(key, try_suffixes=(".weight", ".bias")), value
    if name == "llama":
        yield "rope_freqs.weight", llama3_factors(options)
    if name == "phi3":
        yield "rope_factors_long.weight", np.array(options["rope_parameters"]["long_factor"])
        yield "rope_factors_short.weight", np.array(options["rope_parameters"]["short_factor"])


def expert_tensors(name, key, value):
    layer, part = key.split(".")[2], key.split(".", 3)[3]
    blk = f"blk.{layer}."
    if part == "self_attn.sinks":
        yield blk + "attn_sinks.weight", value
    elif name == "qwen3moe":
        if part == "mlp.experts.gate_up_proj":
            half = value.shape[1] // 2
            yield blk + "ffn_gate_exps.weight", value[:, :half]
            yield blk + "ffn_up_exps.weight", value[:, half:]
        else:
            yield blk + "ffn_down_exps.weight", value
    elif part.startswith("mlp.experts.gate_up_proj"):
        end = "bias" if part.endswith("bias") else "weight"
        yield blk + "ffn_gate_exps." + end, value[..., ::2] if end == "bias" else value[..., ::2].swapaxes(1, 2)
        yield blk + "ffn_up_exps." + end, value[..., 1::2] if end == "bias" else value[..., 1::2].swapaxes(1, 2)
    else:
        end = "bias" if part.endswith("bias") else "weight"
        yield blk + "ffn_down_exps." + end, value if end == "bias" else value.swapaxes(1, 2)


def llama3_factors(options):
    scaling = options["rope_parameters"]
    head_dim = options["hidden_size"] // options["num_attention_heads"]
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    context, factor = scaling["original_max_position_embeddings"], scaling["factor"]
    wave = 2 * np.pi * scaling["rope_theta"] ** (np.arange(0, head_dim, 2) / head_dim)
    smooth = (context / wave - low) / (high - low)
    between = 1 / ((1 - smooth) / factor + smooth)
    return np.where(wave < context / high, 1.0, np.where(wave > context / low, factor, between)).astype(np.float32)


def expected_keys(name):
    arch, _, _, o = CASES[name]
    yield "context_length", o.get("max_position_embeddings", o.get("n_positions"))
    yield "embedding_length", o.get("hidden_size", o.get("n_embd"))
    yield "block_count", 2
    yield "attention.head_count", 4
    yield "feed_forward_length", o.get("intermediate_size", o.get("n_inner"))
    if "num_key_value_heads" in o:
        yield "attention.head_count_kv", 2
    if "rms_norm_eps" in o:
        yield "attention.layer_norm_rms_epsilon", o["rms_norm_eps"]
    else:
        yield "attention.layer_norm_epsilon", o.get("layer_norm_eps", o.get("layer_norm_epsilon"))
    if "head_dim" in o:
        yield "attention.key_length", o["head_dim"]
        yield "attention.value_length", o["head_dim"]
    if "rope_parameters" in o:
        yield "rope.freq_base", o["rope_parameters"].get("full_attention", o["rope_parameters"])["rope_theta"]
    yield from {
        "llama": [("rope.dimension_count", 6), ("vocab_size", VOCAB)],
        "mistral": [("rope.dimension_count", 8), ("attention.sliding_window", 5)],
        "qwen3moe": [("expert_count", 3), ("expert_used_count", 2), ("expert_feed_forward_length", 32)],
        "gemma2": [("attn_logit_softcapping", 8.0), ("final_logit_softcapping", 6.0),
                   ("attention.sliding_window", 4), ("attention.scale", 20 ** -0.5)],
        "gemma3": [("attention.sliding_window", 4), ("attention.sliding_window_pattern", 2),
                   ("rope.freq_base_swa", 20000.0), ("rope.scaling.factor", 8.0), ("rope.scaling.type", "linear")],
        "phi3": [("rope.dimension_count", 6), ("rope.scaling.original_context_length", 16),
                 ("rope.scaling.attn_factor", (1 + np.log(4) / np.log(16)) ** 0.5), ("attention.sliding_window", 0)],
        "gpt-oss": [("expert_count", 2), ("expert_used_count", 2), ("expert_feed_forward_length", 32),
                    ("attention.sliding_window", 4), ("rope.scaling.type", "yarn"), ("rope.scaling.factor", 4.0),
                    ("rope.scaling.original_context_length", 16)],
        "bitnet": [("vocab_size", VOCAB), ("rope.dimension_count", 6)],
        "bert": [("attention.causal", "false")],
    }.get(name, [])


def tensor_line(name, value):
    flat = np.ascontiguousarray(value, np.float64).ravel()
    weights = (7919 * np.arange(flat.size, dtype=np.int64) % 1009 + 1) / 1009
    return f"tensor {name} {'x'.join(map(str, value.shape))} {flat.sum():.9e} {(flat * weights).sum():.9e}"


def write_truth(name, tensors):
    lines = [f"key general.architecture {CASES[name][0]}"]
    lines += [f"key {CASES[name][0]}.{key} {value}" for key, value in expected_keys(name)]
    lines += [tensor_line(key, value) for key, value in tensors]
    (FOLDER / f"{name}.txt").write_text("\n".join(lines) + "\n")


def make(name):
    model = make_model(name)
    ids = np.random.default_rng([SEED, *name.encode()]).integers(0, VOCAB, TOKENS).astype(np.int32)
    with torch.no_grad(), AllDouble.mode():
        out = model(input_ids=torch.from_numpy(ids.astype(np.int64))[None])
    logits = (out.last_hidden_state if name == "bert" else out.logits)[0].numpy()
    gvec.write(FOLDER / f"{name}.vec", {"ids": ids, "logits": logits})
    state = {key: value.detach() for key, value in model.named_parameters()}
    write_truth(name, list(expected_tensors(name, state)))
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(folder, max_shard_size="30KB" if name == "qwen3" else "5GB")
    if name == "bert":
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}\n')


def make_mxfp4():
    """gpt-oss as it is published: two bytes for four weights, and a scale for 32 of them."""
    source, folder = FOLDER / "gpt-oss", FOLDER / "gpt-oss-mxfp4"
    state = safetensors.torch.load_file(source / "model.safetensors")
    rng, truth = np.random.default_rng(SEED), []
    values = np.array([0, .5, 1, 1.5, 2, 3, 4, 6, -0.0, -.5, -1, -1.5, -2, -3, -4, -6])
    for layer in range(2):
        blk = f"blk.{layer}."
        for part in ("gate_up_proj", "down_proj"):
            key = f"model.layers.{layer}.mlp.experts.{part}"
            experts, columns, rows = state.pop(key).shape
            codes = rng.integers(0, 16, (experts, rows, columns // 32, 32)).astype(np.uint8)
            scales = rng.integers(122, 126, (experts, rows, columns // 32)).astype(np.uint8)
            state[key + "_blocks"] = torch.from_numpy(codes[..., ::2] | codes[..., 1::2] << 4)
            state[key + "_scales"] = torch.from_numpy(scales)
            weight = (values[codes] * 2.0 ** (scales.astype(np.float64) - 127)[..., None])
            weight = weight.reshape(experts, rows, columns)
            if part == "down_proj":
                truth.append((blk + "ffn_down_exps.weight", weight))
            else:
                truth += [(blk + "ffn_gate_exps.weight", weight[:, ::2]), (blk + "ffn_up_exps.weight", weight[:, 1::2])]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    safetensors.torch.save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((source / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    lines = ["key general.architecture gpt-oss"] + [tensor_line(key, value) for key, value in truth]
    (FOLDER / "gpt-oss-mxfp4.txt").write_text("\n".join(lines) + "\n")


def make_tokenizer():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    base = ["<|endoftext|>", "\u0120", "\u010a", *"abcdefghijklmnopqrstuvwxyz", *"0123456789.,;:!?'-"]
    vocab = {c: i for i, c in enumerate(base)}
    merges = [("t", "h"), ("th", "e"), ("\u0120", "t"), ("i", "n")]
    for a, b in merges:
        vocab[a + b] = len(vocab)
    assert len(vocab) <= VOCAB, len(vocab)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.save(str(FOLDER / "tokenizer.json"))


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    make_tokenizer()
    for each in CASES:
        make(each)
    make_mxfp4()
