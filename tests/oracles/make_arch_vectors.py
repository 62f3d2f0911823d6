#!/usr/bin/env python3
"""Makes tests/vectors/arch/<name>.gguf and <name>.vec: small random models and their true logits.

Needs numpy, torch, transformers and gguf; --verify needs llama-cpp-python too (tools/oracles.sh installs
them all). Usage:

    python make_arch_vectors.py [names]    makes the files
    python make_arch_vectors.py --verify   compares the files that lie there with llama.cpp

A case has random weights in a reduced but true shape. The weights are float32 in the GGUF file, named and laid
out as llama.cpp expects them. The logits come from Hugging Face transformers on those same weights in
float64, every step of it (class AllDouble). The .vec file is a GVEC container (gvec.py) with

    ids     i32 [tokens]           the input, one sequence from position 0
    logits  f64 [tokens, vocab]    row i follows ids[0..i]

Each GGUF file has a small tokenizer, consistent in itself, so that a loader takes the file as complete.
"""

import argparse
import math
import pathlib
from dataclasses import dataclass, field

import gguf
import numpy as np

import gvec

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = HERE.parent / "vectors" / "arch"
SEED = 20240229


@dataclass
class Case:
    """One model. `config` holds what the class of that name in transformers is called with."""

    name: str
    arch: str
    config_class: str
    tokens: int
    config: dict
    tokenizer_pre: str = ""  # empty: a tokenizer of kind `llama`, which has no pre-tokenizer
    rope_scaling: dict = field(default_factory=dict)  # goes into rope_parameters of the config
    keys: dict = field(default_factory=dict)  # further metadata: "key" of "ARCH.key"
    differs: str = ""  # why llama.cpp gives other logits, so that it cannot verify this case
    quant: str = ""  # "TQ1_0", "TQ2_0": matrices are ternary, with one scale each beside them


def llama_like(hidden, heads, kv_heads, head_dim, ffn, layers, vocab, **more):
    return dict(
        hidden_size=hidden, num_attention_heads=heads, num_key_value_heads=kv_heads, head_dim=head_dim,
        intermediate_size=ffn, num_hidden_layers=layers, vocab_size=vocab, max_position_embeddings=128,
    ) | more


LLAMA3_SCALING = dict(
    rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
    original_max_position_embeddings=32,
)

LINEAR = dict(rope_type="linear", factor=4.0)
DYNAMIC = dict(rope_type="dynamic", factor=2.0)
# The ramp goes from pair 1 to pair 4 of 8.
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64, beta_fast=2.0, beta_slow=0.25)


def phi3_scaling(pairs, original, attention_factor):
    """Divisors that are exact in float32."""
    return dict(rope_type="longrope", original_max_position_embeddings=original,
                attention_factor=float(np.float32(attention_factor)),
                short_factor=[1.0 + i / 16 for i in range(pairs)],
                long_factor=[1.0 + i * i / 8 for i in range(pairs)])


PHI3_LONG, PHI3_SHORT = phi3_scaling(8, 16, 1.19), phi3_scaling(6, 32, 1.05)
SMALL = llama_like(32, 2, 1, 16, 40, 2, 80, tie_word_embeddings=True, rms_norm_eps=1e-5, rope_theta=10000.0)


def longrope_keys(scaling):
    return {"rope.scaling.original_context_length": scaling["original_max_position_embeddings"],
            "rope.scaling.attn_factor": scaling["attention_factor"]}


# Sizes that are no multiple of 32 or 8 (ffn 140, hidden 72, head_dim 12 and 24) stand where vector code
# would have a remainder. In llama31 the sixteen rope frequencies are of all three kinds: one is kept,
# the next two are blended, the others are divided by the factor.
CASES = [
    Case("llama_mha", "llama", "LlamaConfig", 24,
         llama_like(64, 4, 4, 16, 140, 2, 128, tie_word_embeddings=True, rms_norm_eps=1e-5,
                    rope_theta=10000.0)),
    Case("llama_gqa", "llama", "LlamaConfig", 32,
         llama_like(72, 6, 2, 12, 128, 2, 128, tie_word_embeddings=False, rms_norm_eps=1e-6,
                    rope_theta=500000.0)),
    Case("llama31", "llama", "LlamaConfig", 48,
         llama_like(64, 2, 1, 32, 128, 2, 128, tie_word_embeddings=False, rms_norm_eps=1e-5,
                    rope_theta=10000.0),
         tokenizer_pre="llama-bpe", rope_scaling=LLAMA3_SCALING),
    Case("qwen2", "qwen2", "Qwen2Config", 40,
         llama_like(64, 4, 2, 16, 128, 3, 160, tie_word_embeddings=True, rms_norm_eps=1e-6,
                    rope_theta=1000000.0),
         tokenizer_pre="qwen2"),
    Case("qwen3", "qwen3", "Qwen3Config", 33,
         llama_like(64, 4, 2, 24, 128, 2, 128, tie_word_embeddings=True, rms_norm_eps=1e-6,
                    rope_theta=1000000.0),
         tokenizer_pre="qwen2"),
    Case("gpt2", "gpt2", "GPT2Config", 25,
         dict(n_embd=64, n_head=4, n_inner=128, n_layer=2, n_positions=48, vocab_size=160,
              layer_norm_epsilon=1e-5, activation_function="gelu_new", attn_pdrop=0.0, embd_pdrop=0.0,
              resid_pdrop=0.0, bos_token_id=None, eos_token_id=None, tie_word_embeddings=True),
         tokenizer_pre="gpt-2"),
    # Windows are shorter than the text and soft caps are small, so that both are felt.
    Case("mistral", "llama", "MistralConfig", 40, SMALL | dict(sliding_window=7),
         keys={"attention.sliding_window": 7},
         differs="it has no window in llama"),
    Case("llama_bias", "llama", "LlamaConfig", 20, SMALL | dict(attention_bias=True, mlp_bias=True)),
    Case("llama_linear", "llama", "LlamaConfig", 40, SMALL, rope_scaling=LINEAR,
         keys={"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}),
    Case("llama_dynamic", "llama", "LlamaConfig", 48, SMALL | dict(max_position_embeddings=32),
         rope_scaling=DYNAMIC,
         keys={"rope.scaling.type": "dynamic", "rope.scaling.factor": 2.0,
               "rope.scaling.original_context_length": 32},
         differs="it has no such scaling"),
    Case("llama_yarn", "llama", "LlamaConfig", 48, SMALL, rope_scaling=YARN,
         keys={"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.yarn_beta_fast": 2.0,
               "rope.scaling.yarn_beta_slow": 0.25, "rope.scaling.original_context_length": 64}),
    Case("gemma2", "gemma2", "Gemma2Config", 36,
         llama_like(48, 4, 2, 16, 72, 3, 96, tie_word_embeddings=True, rms_norm_eps=1e-6, rope_theta=10000.0,
                    query_pre_attn_scalar=16, sliding_window=9, attn_logit_softcapping=3.0,
                    final_logit_softcapping=6.0),
         keys={"attention.sliding_window": 9, "attn_logit_softcapping": 3.0, "final_logit_softcapping": 6.0}),
    Case("gemma3", "gemma3", "Gemma3TextConfig", 40,
         llama_like(32, 2, 1, 24, 36, 7, 80, tie_word_embeddings=True, rms_norm_eps=1e-6, rope_theta=1000000.0,
                    query_pre_attn_scalar=24, sliding_window=6),
         rope_scaling=dict(rope_type="linear", factor=8.0),
         keys={"attention.sliding_window": 6, "rope.scaling.type": "linear", "rope.scaling.factor": 8.0}),
    Case("phi3", "phi3", "Phi3Config", 40,
         llama_like(32, 2, 1, 16, 40, 2, 80, tie_word_embeddings=False, rms_norm_eps=1e-5, rope_theta=10000.0,
                    sliding_window=11, pad_token_id=0),
         keys={"attention.sliding_window": 11},
         differs="it has switched the window off"),
    Case("phi3_long", "phi3", "Phi3Config", 40,
         llama_like(32, 2, 2, 16, 40, 2, 80, tie_word_embeddings=False, rms_norm_eps=1e-5, rope_theta=10000.0,
                    pad_token_id=0),
         rope_scaling=PHI3_LONG, keys=longrope_keys(PHI3_LONG)),
    Case("phi3_short", "phi3", "Phi3Config", 24,
         llama_like(32, 2, 1, 16, 40, 2, 80, tie_word_embeddings=True, rms_norm_eps=1e-5, rope_theta=10000.0,
                    pad_token_id=0),
         rope_scaling=PHI3_SHORT | dict(partial_rotary_factor=0.75), keys=longrope_keys(PHI3_SHORT),
         differs="it rounds the context up, beyond the original one"),
    Case("granite", "granite", "GraniteConfig", 24,
         SMALL | dict(embedding_multiplier=12.0, residual_multiplier=0.25, attention_multiplier=0.125,
                      logits_scaling=8.0),
         keys={"embedding_scale": 12.0, "residual_scale": 0.25, "attention.scale": 0.125, "logit_scale": 8.0}),
    Case("smollm3", "smollm3", "SmolLM3Config", 24,
         SMALL | dict(num_hidden_layers=5, pad_token_id=0)),
    Case("olmo2", "olmo2", "Olmo2Config", 24,
         llama_like(32, 4, 2, 8, 40, 2, 80, tie_word_embeddings=False, rms_norm_eps=1e-6, rope_theta=500000.0)),
    Case("starcoder2", "starcoder2", "Starcoder2Config", 24,
         {key: value for key, value in SMALL.items() if key not in ("rms_norm_eps", "head_dim")}
         | dict(norm_epsilon=1e-5, use_bias=True, hidden_act="gelu_pytorch_tanh", residual_dropout=0.0,
                embedding_dropout=0.0)),
    Case("bitnet", "bitnet", "BitNetConfig", 30, SMALL | dict(hidden_act="silu", pad_token_id=0)),
    Case("bitnet_b158", "bitnet-b1.58", "BitNetConfig", 30, SMALL | dict(hidden_act="relu2", pad_token_id=0),
         differs="it has no such architecture"),
    Case("bitnet_tq2", "bitnet", "BitNetConfig", 16,
         llama_like(256, 4, 2, 64, 256, 1, 64, tie_word_embeddings=True, rms_norm_eps=1e-5,
                    rope_theta=10000.0, hidden_act="relu2", pad_token_id=0),
         keys={"hidden_activation": "relu2"}, quant="TQ2_0",
         differs="activations are quantised"),
    Case("bitnet_tq1", "bitnet-b1.58", "BitNetConfig", 16,
         llama_like(256, 4, 2, 64, 256, 1, 64, tie_word_embeddings=True, rms_norm_eps=1e-5,
                    rope_theta=10000.0, hidden_act="relu2", pad_token_id=0),
         quant="TQ1_0",
         differs="activations are quantised"),
]


# ---------------------------------------------------------------- the model and its truth


def make_model(case):
    """Builds the model in float64 with random weights that are exact in float32.

    rms_norm_eps goes through float32 because GGUF holds it so; the file is the model, not the config.
    """
    import torch
    import transformers

    options = dict(case.config)
    theta = options.pop("rope_theta", None)
    if theta is not None:
        options["rope_parameters"] = dict(rope_type="default", rope_theta=theta)
        options["rope_parameters"] |= case.rope_scaling
        if case.arch == "gemma3":  # the scaling is for layers without a window
            options["rope_parameters"] = dict(
                full_attention=options["rope_parameters"],
                sliding_attention=dict(rope_type="default", rope_theta=10000.0))
        if case.arch == "phi3":
            original = case.rope_scaling.get("original_max_position_embeddings")
            options |= dict(original_max_position_embeddings=original) if original else {}
            options["rope_parameters"].setdefault("partial_rotary_factor", 1.0)
    for key in ("rms_norm_eps", "layer_norm_epsilon", "norm_epsilon"):
        if key in options:
            options[key] = float(np.float32(options[key]))
    config = getattr(transformers, case.config_class)(attn_implementation="eager", **options)
    torch.set_default_dtype(torch.float64)
    with AllDouble.mode():
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    model.eval()
    fill_with_random_weights(case, model)
    if case.quant:
        make_ternary(model)
    if is_llama3(case):
        use_stored_rope_factors(case, model)
    return model


def is_llama3(case):
    return case.rope_scaling.get("rope_type") == "llama3"


def make_ternary(model):
    """Each matrix of a layer becomes its scale times -1, 0 or 1."""
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if is_ternary(name, parameter.shape):
                scale = np.float32(parameter.abs().mean().item())
                signs = torch.clamp(torch.round(parameter / float(scale)), -1, 1)
                parameter.copy_(signs * float(scale))


def is_ternary(name, shape):
    return len(shape) == 2 and ".layers." in name


class AllDouble:
    """transformers computes norms, softmax and rope angles in float32 whatever the weights are. Under this
    mode each request for float32 is one for float64, and a float32 result is an error."""

    @staticmethod
    def mode():
        import torch
        from torch.overrides import TorchFunctionMode

        def widened(value):
            return torch.float64 if value is torch.float32 else value

        class Mode(TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                if func is torch.Tensor.float:
                    return args[0].double()
                args = tuple(widened(a) for a in args)
                result = func(*args, **{k: widened(v) for k, v in (kwargs or {}).items()})
                if isinstance(result, torch.Tensor) and result.dtype is torch.float32:
                    raise TypeError(f"{func} made a float32 tensor")
                return result

        return Mode()


def fill_with_random_weights(case, model):
    """Each parameter draws from a stream named after it, so their order in the model does not matter."""
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            rng = np.random.default_rng([SEED, *case.name.encode(), 0, *name.encode()])
            values = random_weight(rng, name, tuple(parameter.shape), model.config.tie_word_embeddings,
                                   case.arch.startswith("gemma"))
            parameter.copy_(torch.from_numpy(values.astype(np.float32).astype(np.float64)))


def random_weight(rng, name, shape, tied, zero_centred):
    """Spreads chosen so that attention is neither flat nor one-hot and logits are of order 1 to 10."""
    if name.endswith(".bias"):
        return 0.2 * rng.standard_normal(shape)
    if len(shape) == 1:  # the weight w of a norm; w + 1 in Gemma
        return rng.uniform(-0.5, 0.5, shape) if zero_centred else rng.uniform(0.5, 1.5, shape)
    if "wpe" in name:
        return 0.2 * rng.standard_normal(shape)
    if "wte" in name or "embed_tokens" in name:
        return (0.35 if tied else 1.0) * rng.standard_normal(shape)
    fan_in = shape[0] if is_conv1d(name) else shape[1]
    gain = 3.0 if "lm_head" in name else 1.4 if "q_proj" in name or "k_proj" in name else 1.0
    return gain / math.sqrt(fan_in) * rng.standard_normal(shape)


def is_conv1d(name):
    """GPT-2 in transformers keeps its projections as [in, out]."""
    return name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight"))


def rope_factors(case):
    """The divisors of the rope frequencies, computed as llama.cpp's converter computes `rope_freqs.weight`."""
    scaling, head_dim = case.rope_scaling, case.config["head_dim"]
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    context, factor = scaling["original_max_position_embeddings"], scaling["factor"]
    factors = []
    for i in range(0, head_dim, 2):
        wavelength = 2 * math.pi * case.config["rope_theta"] ** (i / head_dim)
        if wavelength < context / high:
            factors.append(1.0)
        elif wavelength > context / low:
            factors.append(factor)
        else:
            smooth = (context / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, np.float32)


def use_stored_rope_factors(case, model):
    """transformers has its own formula for the scaled frequencies. It must agree to float32, then the
    factors that the file stores take its place."""
    import torch

    head_dim = case.config["head_dim"]
    base = case.config["rope_theta"] ** (-np.arange(0, head_dim, 2) / head_dim)
    stored = torch.from_numpy(base / rope_factors(case).astype(np.float64))
    rotary = model.model.rotary_emb
    torch.testing.assert_close(rotary.inv_freq, stored, rtol=1e-6, atol=0)
    rotary.inv_freq.copy_(stored)


def true_logits(model, ids):
    import torch

    with torch.no_grad(), AllDouble.mode():
        batch = torch.from_numpy(ids.astype(np.int64))[None]
        return model(input_ids=batch, use_cache=False).logits[0].numpy()


# ---------------------------------------------------------------- the GGUF file


def write_gguf(case, model, path):
    writer = gguf.GGUFWriter(path, case.arch)
    writer.add_name(case.name.replace("phi3", "phi"))  # llama.cpp expects special tokens by that name
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    (add_gpt2_parameters if case.arch == "gpt2" else add_llama_like_parameters)(case, writer)
    (add_bpe_tokenizer if case.tokenizer_pre else add_spm_tokenizer)(case, writer)
    for name, array in gguf_tensors(case, model):
        if case.quant and name.startswith("blk.") and array.ndim == 2:
            kind, scale = gguf.GGMLQuantizationType[case.quant], np.abs(array).max()
            writer.add_tensor(name, gguf.quants.quantize(array / scale, kind), raw_dtype=kind)
            writer.add_tensor(name.replace(".weight", ".scale"), np.array([scale], np.float32))
        else:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_gpt2_parameters(case, writer):
    config = case.config
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_block_count(config["n_layer"])
    writer.add_feed_forward_length(config["n_inner"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])


def add_llama_like_parameters(case, writer):
    """Only llama states its rope dimension and vocabulary size. Key and value lengths stand where the head
    size is not hidden / heads, or where the architecture always states them (qwen3)."""
    config = case.config
    writer.add_context_length(max(config["max_position_embeddings"], case.tokens))
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_freq_base(config["rope_theta"])
    if "norm_epsilon" in config:
        writer.add_layer_norm_eps(config["norm_epsilon"])
    else:
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    head_dim = config.get("head_dim", config["hidden_size"] // config["num_attention_heads"])
    if case.arch == "qwen3" or head_dim * config["num_attention_heads"] != config["hidden_size"]:
        writer.add_key_length(config["head_dim"])
        writer.add_value_length(config["head_dim"])
    if case.arch in ("llama", "phi3"):
        writer.add_vocab_size(config["vocab_size"])
        partial = case.rope_scaling.get("partial_rotary_factor", 1.0)
        writer.add_rope_dimension_count(int(config["head_dim"] * partial))
    for key, value in case.keys.items():
        add = {int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}[type(value)]
        add(f"{case.arch}.{key}", value)


def gguf_tensors(case, model):
    """Yields (name, float32 array) with llama.cpp's names and layouts. A tied output is left out."""
    if is_llama3(case):
        yield "rope_freqs.weight", rope_factors(case)
    for kind in ("long", "short"):
        if f"{kind}_factor" in case.rope_scaling:
            factors = np.array(case.rope_scaling[f"{kind}_factor"], np.float32)
            yield f"rope_factors_{kind}.weight", factors
    layers = case.config.get("num_hidden_layers", case.config.get("n_layer"))
    arch = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == case.arch.split("-")[0])
    names = gguf.get_tensor_name_map(arch, layers)
    for name, parameter in model.named_parameters():
        array = parameter.detach().numpy().astype(np.float32)
        if case.arch == "gpt2" and is_conv1d(name):
            array = np.ascontiguousarray(array.T)
        if case.arch.startswith("gemma") and array.ndim == 1:
            array = array + np.float32(1)
        if case.arch in PAIRED and "q_proj" in name:
            array = pair_neighbours(array, case.config["num_attention_heads"])
        if case.arch in PAIRED and "k_proj" in name:
            array = pair_neighbours(array, case.config["num_key_value_heads"])
        yield names.get_name(old_name(name), try_suffixes=(".weight", ".bias")), array


def old_name(name):
    """The name map of gguf knows BitNet's norms by the names of its first release."""
    return name.replace("self_attn.attn_sub_norm", "self_attn.inner_attn_ln").replace(
        "mlp.ffn_sub_norm", "mlp.ffn_layernorm")


PAIRED = ("llama", "granite", "smollm3")  # whose files have the rows of q and k interleaved


def pair_neighbours(weight, heads):
    """Rope in transformers turns the rows i and i + head_dim/2 of a head together, in a llama GGUF the rows
    2i and 2i + 1: the two halves of each head are interleaved."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(weight.shape)


# ---------------------------------------------------------------- the tokenizers

LETTERS = "abcdefghijklmnopqrstuvwxyz"
OTHERS = "ETAOINS0123456789.,;:!?'\"-()"
PAIRS = ["th", "he", "in", "er", "an", "re", "on", "at", "en", "nd", "ti", "es", "or", "te", "of", "ed", "is",
         "it", "al", "ar", "st", "to", "nt", "ng", "se", "ha", "as", "ou", "io", "le", "ve", "co", "me", "de",
         "hi", "ri", "ro", "ic", "ne", "ea", "ra", "ce", "li", "ch", "ll", "be", "ma", "si", "om", "ur"]


def merges(space):
    """Pairs to be merged, in order of rank: letters, then the space with a letter, then one step further."""
    pairs = [(p[0], p[1]) for p in PAIRS]
    pairs += [(space, c) for c in "taoiswcbphfm"]
    return pairs + [("th", "e"), ("in", "g"), ("an", "d"), (space + "t", "he"), (space + "o", "f")]


def filled_up(tokens, vocab):
    """Unused tokens bring the vocabulary to its size, as padded vocabularies have them."""
    return tokens[:vocab] + [f"[unused{i}]" for i in range(vocab - len(tokens))]


def add_spm_tokenizer(case, writer):
    """Kind `llama`: pieces with scores; the better score merges first."""
    kinds = gguf.TokenType
    special = [("<unk>", kinds.UNKNOWN), ("<s>", kinds.CONTROL), ("</s>", kinds.CONTROL),
               ("<0x0A>", kinds.BYTE)]
    space = "\u2581"
    pieces = [space, *LETTERS, *OTHERS, *(a + b for a, b in merges(space))]
    vocab = case.config["vocab_size"]
    tokens = filled_up([text for text, _ in special] + pieces, vocab)
    types = [kind for _, kind in special] + [kinds.NORMAL] * (vocab - len(special))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(special) + [-float(i) for i in range(vocab - len(special))])
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(True)


def add_bpe_tokenizer(case, writer):
    """Kind `gpt2`: bytes written as printable characters (a space is U+0120, a line feed U+010A), merges by
    rank. Special tokens come last, as in the published vocabularies."""
    specials = {"gpt-2": ["<|endoftext|>"], "qwen2": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
                "llama-bpe": ["<|begin_of_text|>", "<|end_of_text|>"]}[case.tokenizer_pre]
    space, vocab = "\u0120", case.config["vocab_size"]
    base = [space, "\u010a", *LETTERS, *OTHERS]
    room = vocab - len(base) - len(specials)
    pairs = merges(space)[:room]
    tokens = filled_up(base + [a + b for a, b in pairs], vocab - len(specials)) + specials
    unused = sum(text.startswith("[unused") for text in tokens)
    kinds = gguf.TokenType
    normal = vocab - len(specials) - unused
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(case.tokenizer_pre)
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.NORMAL] * normal + [kinds.UNUSED] * unused + [kinds.CONTROL] * len(specials))
    writer.add_token_merges([f"{a} {b}" for a, b in pairs])
    writer.add_bos_token_id(vocab - len(specials))
    writer.add_eos_token_id(vocab - 1)
    if case.tokenizer_pre == "qwen2":
        writer.add_add_bos_token(False)


# ---------------------------------------------------------------- the program


def make(case):
    model = make_model(case)
    rng = np.random.default_rng([SEED, *case.name.encode(), 1])
    ids = rng.integers(0, case.config["vocab_size"], case.tokens).astype(np.int32)
    logits = true_logits(model, ids)
    path = FOLDER / f"{case.name}.gguf"
    write_gguf(case, model, path)
    gvec.write(path.with_suffix(".vec"), {"ids": ids, "logits": logits})
    spread, largest = logits.std(), np.abs(logits).max()
    print(f"{case.name}: {path.stat().st_size} bytes, logits of deviation {spread:.2f}, at most {largest:.1f}")


def verify(case):
    """llama.cpp computes in float32, its GELU goes through a table in half precision: hence the bound.
    A wrong layout gives an error of order one."""
    if case.differs:
        print(f"{case.name}: not verified by llama.cpp: {case.differs}")
        return True
    from llama_cpp import Llama

    expected = gvec.read(FOLDER / f"{case.name}.vec")
    ids, logits = expected["ids"], expected["logits"]
    f32 = 0  # GGML_TYPE_F32, for the KV cache, which is half precision by default
    llama = Llama(str(FOLDER / f"{case.name}.gguf"), n_ctx=len(ids), n_batch=len(ids), logits_all=True,
                  type_k=f32, type_v=f32, flash_attn=False, n_threads=1, n_threads_batch=1, verbose=False,
                  yarn_beta_fast=case.keys.get("rope.scaling.yarn_beta_fast", 32.0),
                  yarn_beta_slow=case.keys.get("rope.scaling.yarn_beta_slow", 1.0))
    llama.eval(ids.tolist())
    got = np.array(llama.scores[: len(ids)], np.float64)
    nmse = np.sum((got - logits) ** 2) / np.sum(logits**2)
    print(f"{case.name}: NMSE of llama.cpp against float64 {nmse:.2e}")
    return nmse < 1e-6


def main():
    parser = argparse.ArgumentParser(description="Makes or verifies tests/vectors/arch.")
    parser.add_argument("--verify", action="store_true", help="compare the files with llama.cpp")
    parser.add_argument("names", nargs="*", help="cases; all if none is named")
    options = parser.parse_args()
    cases = [case for case in CASES if not options.names or case.name in options.names]
    if options.verify:
        raise SystemExit(0 if all([verify(case) for case in cases]) else "some case is off")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for case in cases:
        make(case)


if __name__ == "__main__":
    main()
