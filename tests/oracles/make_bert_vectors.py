#!/usr/bin/env python3
"""Makes tests/vectors/arch/bert.gguf and bert.vec: a small random BERT and its true hidden states.

    python make_bert_vectors.py

Weights are random in a reduced but true shape, as in make_arch_vectors.py; the states come from the BertModel of
transformers in float64 throughout. The .vec file has

    ids     i32 [tokens]           one text
    states  f64 [tokens, width]    the last hidden state of each token
"""

import math

import gguf
import numpy as np

import gvec
import make_arch_vectors as dense

NAME, TOKENS = "bert", 40
CONFIG = dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=80, vocab_size=160,
              max_position_embeddings=64, type_vocab_size=2, hidden_act="gelu", layer_norm_eps=1e-12,
              hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)

PARTS = {"embeddings.word_embeddings": "token_embd", "embeddings.position_embeddings": "position_embd",
         "embeddings.token_type_embeddings": "token_types", "embeddings.LayerNorm": "token_embd_norm",
         "attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
         "attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm",
         "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm"}


def random_weight(rng, name, shape):
    if name.endswith(".bias"):
        return 0.2 * rng.standard_normal(shape)
    if len(shape) == 1:
        return rng.uniform(0.5, 1.5, shape)
    if "embeddings" in name:
        return 0.5 * rng.standard_normal(shape)
    gain = 1.4 if "query" in name or "key" in name else 1.0
    return gain / math.sqrt(shape[1]) * rng.standard_normal(shape)


def make_model():
    import torch
    import transformers

    options = CONFIG | dict(layer_norm_eps=float(np.float32(CONFIG["layer_norm_eps"])))
    config = transformers.BertConfig(attn_implementation="eager", **options)
    torch.set_default_dtype(torch.float64)
    model = transformers.BertModel(config, add_pooling_layer=False)
    model.eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            rng = np.random.default_rng([dense.SEED, *NAME.encode(), 0, *name.encode()])
            values = random_weight(rng, name, tuple(parameter.shape))
            parameter.copy_(torch.from_numpy(values.astype(np.float32).astype(np.float64)))
    return model


def gguf_name(name):
    stem, ending = name.rsplit(".", 1)
    if stem.startswith("encoder.layer."):
        _, _, layer, part = stem.split(".", 3)
        return f"blk.{layer}.{PARTS[part]}.{ending}"
    return f"{PARTS[stem]}.{ending}"


def add_tokenizer(writer):
    """Kind `bert`: whole words begin with U+2581 in the file, pieces that go on a word do not."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters, others = dense.LETTERS, "0123456789.,;:!?'\"-()"
    words = ["the", "and", "of", "to", "in", "is", "he", "was", "for", "that", "on", "it", "with", "as"]
    tokens = special + ["\u2581" + t for t in [*letters, *others, *words]]
    tokens += [*letters, "ing", "ed", "er", "es", "th"]
    tokens = dense.filled_up(tokens, CONFIG["vocab_size"])
    kinds = [gguf.TokenType.CONTROL] * len(special) + [gguf.TokenType.NORMAL] * (len(tokens) - len(special))
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_type_count(CONFIG["type_vocab_size"])
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(3)
    writer.add_unk_token_id(1)
    writer.add_sep_token_id(3)
    writer.add_pad_token_id(0)
    writer.add_mask_token_id(4)


def write_gguf(model, path):
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name(NAME)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(CONFIG["max_position_embeddings"])
    writer.add_embedding_length(CONFIG["hidden_size"])
    writer.add_block_count(CONFIG["num_hidden_layers"])
    writer.add_feed_forward_length(CONFIG["intermediate_size"])
    writer.add_head_count(CONFIG["num_attention_heads"])
    writer.add_layer_norm_eps(CONFIG["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.CLS)
    add_tokenizer(writer)
    for name, parameter in model.named_parameters():
        writer.add_tensor(gguf_name(name), parameter.detach().numpy().astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    import torch

    model = make_model()
    rng = np.random.default_rng([dense.SEED, *NAME.encode(), 1])
    ids = rng.integers(0, CONFIG["vocab_size"], TOKENS).astype(np.int32)
    with torch.no_grad(), dense.AllDouble.mode():
        states = model(input_ids=torch.from_numpy(ids.astype(np.int64))[None]).last_hidden_state[0].numpy()
    path = dense.FOLDER / f"{NAME}.gguf"
    write_gguf(model, path)
    gvec.write(path.with_suffix(".vec"), {"ids": ids, "states": states})
    print(f"{NAME}: {path.stat().st_size} bytes, states of deviation {states.std():.2f}")


if __name__ == "__main__":
    main()
