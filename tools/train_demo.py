#!/usr/bin/env python3
"""Train the demo model: a small LLaMA that tells little stories.

Requirements (Python 3.11 or newer):

    pip install torch==2.13.0 sentencepiece==0.2.3 gguf==0.19.0 numpy

Everything is made here: the text comes from story_grammar.py, the vocabulary
from SentencePiece, the weights from PyTorch on the CPU, and the result is
written as GGUF.

    python tools/train_demo.py --steps 3000 --out models/demo-stories.gguf
    python tools/train_demo.py --golden --out models/demo-stories.gguf
    python tools/train_demo.py --sample 3 --out models/demo-stories.gguf

The seed fixes the vocabulary and every batch, so the same machine with the
same number of workers repeats a run.  `--minutes` cuts the schedule short by
the clock, and then the result depends on the speed of the machine.
"""

import argparse
import hashlib
import io
import json
import math
import os
import random
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import gguf
import numpy as np
import sentencepiece
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from gguf.quants import dequantize, quantize
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from story_grammar import make_stories, make_story

UNK, BOS, EOS = 0, 1, 2
SPACE = "\u2581"  # SentencePiece writes a space as this block.
GOLDEN_PROMPT = "Once upon a time"
GOLDEN_TOKENS = 64
GOLDEN_POSITIONS = 4
GOLDEN_VOCAB = 16


@dataclass(frozen=True)
class Shape:
    vocab: int = 1024
    hidden: int = 256
    feed_forward: int = 512
    layers: int = 4
    heads: int = 8
    kv_heads: int = 4
    context: int = 512
    eps: float = 1e-5
    rope_base: float = 10000.0

    @property
    def head_dim(self):
        return self.hidden // self.heads


# ---------------------------------------------------------------- model


class RMSNorm(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape.hidden))
        self.eps = shape.eps

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


def rope_table(shape):
    """Cosine and sine for each position and each pair of a head."""
    pair = torch.arange(0, shape.head_dim, 2).float() / shape.head_dim
    angle = torch.outer(torch.arange(shape.context).float(), shape.rope_base ** -pair)
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    """Rotate the neighbours (x[2i], x[2i+1]), the pairing GGUF expects of a
    llama, so no weight has to be permuted on the way into the file."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


class Block(nn.Module):
    """The attribute names are the tensor names of GGUF."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        kv_width = shape.kv_heads * shape.head_dim
        self.attn_norm = RMSNorm(shape)
        self.attn_q = nn.Linear(shape.hidden, shape.hidden, bias=False)
        self.attn_k = nn.Linear(shape.hidden, kv_width, bias=False)
        self.attn_v = nn.Linear(shape.hidden, kv_width, bias=False)
        self.attn_output = nn.Linear(shape.hidden, shape.hidden, bias=False)
        self.ffn_norm = RMSNorm(shape)
        self.ffn_gate = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
        self.ffn_up = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
        self.ffn_down = nn.Linear(shape.feed_forward, shape.hidden, bias=False)

    def attend(self, x, cos, sin, mask):
        batch, length, _ = x.shape

        def split(y):
            return y.view(batch, length, -1, self.shape.head_dim).transpose(1, 2)

        q = rotate(split(self.attn_q(x)), cos, sin)
        k = rotate(split(self.attn_k(x)), cos, sin)
        v = split(self.attn_v(x))
        # Two query heads share one key and value head.
        group = self.shape.heads // self.shape.kv_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        # Written out, this is faster on a CPU than the fused kernel, whose
        # backward pass is slow for heads as narrow as ours.
        scores = q @ k.transpose(-1, -2) / math.sqrt(self.shape.head_dim) + mask
        mixed = scores.softmax(-1) @ v
        return self.attn_output(mixed.transpose(1, 2).reshape(batch, length, -1))

    def forward(self, x, cos, sin, mask):
        x = x + self.attend(self.attn_norm(x), cos, sin, mask)
        y = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(y)) * self.ffn_up(y))


class Llama(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocab, shape.hidden)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = RMSNorm(shape)
        cos, sin = rope_table(shape)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        future = torch.full((shape.context, shape.context), -math.inf).triu(1)
        self.register_buffer("future", future, persistent=False)
        self.reset()

    def reset(self):
        """Small normal weights; what writes into the residual stream starts
        smaller still, so that its variance does not grow with depth."""
        for name, weight in self.named_parameters():
            if weight.dim() < 2:
                continue
            last = name.endswith(("attn_output.weight", "ffn_down.weight"))
            scale = 1 / math.sqrt(2 * self.shape.layers) if last else 1.0
            nn.init.normal_(weight, std=0.04 * scale)

    def forward(self, ids):
        length = ids.shape[1]
        tables = self.cos[:length], self.sin[:length], self.future[:length, :length]
        x = self.token_embd(ids)
        for block in self.blk:
            x = block(x, *tables)
        # The embedding doubles as the output matrix.
        return F.linear(self.output_norm(x), self.token_embd.weight)


# ---------------------------------------------------------------- text


def train_vocabulary(seed, size):
    """Train the tokeniser on stories of its own seed."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(make_stories(6000, f"{seed}/vocabulary")),
        model_writer=model, model_type="bpe", vocab_size=size,
        byte_fallback=True, character_coverage=1.0, add_dummy_prefix=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False,
        unk_id=UNK, unk_piece="<unk>", bos_id=BOS, bos_piece="<s>",
        eos_id=EOS, eos_piece="</s>", pad_id=-1,
        num_threads=1, minloglevel=2)
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def story_row(rng, vocabulary, length):
    """One training row: whole stories, the last one cut where the row ends.

    Each row begins with a story, because that is what the model will do."""
    row = []
    while len(row) < length:
        row += [BOS, *vocabulary.encode(make_story(rng)), EOS]
    return row[:length]


def make_batch(vocabulary, rows, length, key):
    """Batch number `key` is always the same, so a resumed run sees what an
    unbroken one would have seen, and no story has to be stored."""
    rng = random.Random(key)
    data = torch.tensor([story_row(rng, vocabulary, length + 1) for _ in range(rows)])
    return data[:, :-1], data[:, 1:]


def train_batch(args, vocabulary, step, rank):
    """Most stories fit into half of the context, where attention is cheaper.
    Every fourth batch is long, so that the model knows all positions."""
    length = Shape().context if step % 4 == 3 else Shape().context // 2
    rows = args.tokens // length
    return make_batch(vocabulary, rows, length, f"{args.seed}/train/{step}/{rank}")


# ---------------------------------------------------------------- training


def mean(values):
    return sum(values) / len(values) if values else math.nan


def batch_loss(model, batch):
    ids, targets = batch
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(ids)
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())


@torch.no_grad()
def validation_loss(model, vocabulary, seed):
    losses = [batch_loss(model, make_batch(vocabulary, 32, 256, f"{seed}/validation/{i}"))
              for i in range(4)]
    return torch.stack(losses).mean().item()


def make_optimizer(model, rate):
    """Norms are not decayed: pulling them to zero has no use."""
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    norms = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": norms, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


def rate_factor(step, progress, warmup=100):
    """A linear start, then a cosine down to nothing."""
    return min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


class Checkpoint:
    """Lies outside the source tree; it exists only so that a stop is no loss."""

    def __init__(self, folder):
        self.path = Path(folder).expanduser() / "demo-stories.pt"
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def save(self, model, optimizer, step):
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
        part = self.path.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.path)

    def load(self, model, optimizer):
        if not self.path.exists():
            return 0
        state = torch.load(self.path, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        return state["step"]


def update(model, optimizer, batch):
    loss = batch_loss(model, batch)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def progress_of(args, step, begin):
    """How much of the schedule is over, by steps or by the clock.  All workers
    must agree on it, or one would wait for another that has stopped."""
    minutes = (time.monotonic() - begin) / 60
    progress = torch.tensor(max(step / args.steps, minutes / args.minutes))
    dist.broadcast(progress, 0)
    return progress.item()


def run_schedule(args, vocabulary, model, rank):
    optimizer = make_optimizer(model, args.rate)
    checkpoint = Checkpoint(args.work)
    step = checkpoint.load(model, optimizer) if args.resume else 0
    if args.compile:
        for block in model.blk:
            block.compile(dynamic=False)
    shared = DistributedDataParallel(model)
    begin, recent = time.monotonic(), []
    while (progress := progress_of(args, step, begin)) < 1.0:
        for group in optimizer.param_groups:
            group["lr"] = args.rate * rate_factor(step, progress)
        recent.append(update(shared, optimizer, train_batch(args, vocabulary, step, rank)))
        step += 1
        if rank == 0 and step % 50 == 0:
            minutes = (time.monotonic() - begin) / 60
            print(f"step {step:5d}  loss {mean(recent[-50:]):.4f}  {minutes:.1f} min", flush=True)
        if rank == 0 and step % 250 == 0:
            checkpoint.save(model, optimizer, step)
    if rank == 0:
        checkpoint.save(model, optimizer, step)
    return mean(recent[-100:])


def train_worker(rank, args, vocabulary_proto, meeting):
    """One of the workers.  Each has a single thread and its own batches; two
    of them beat one process with two threads, which would wait for the slower
    thread after every operation and not once per step."""
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    dist.init_process_group("gloo", init_method=f"file://{meeting}",
                            rank=rank, world_size=args.workers)
    vocabulary = sentencepiece.SentencePieceProcessor(model_proto=vocabulary_proto)
    model = Llama(Shape())
    loss = run_schedule(args, vocabulary, model, rank)
    if rank == 0:
        print(f"training loss, mean of the last 100 batches: {loss:.4f}")
        print(f"validation loss: {validation_loss(model, vocabulary, args.seed):.4f}")
        write_gguf(args.out, model, vocabulary)
        check_tokeniser(args.out, vocabulary)
    dist.destroy_process_group()


def train(args):
    proto = train_vocabulary(args.seed, Shape().vocab).serialized_model_proto()
    with tempfile.TemporaryDirectory() as folder:
        meeting = os.path.join(folder, "meeting")
        mp.spawn(train_worker, (args, proto, meeting), nprocs=args.workers)


# ---------------------------------------------------------------- GGUF


def token_type(vocabulary, token):
    if vocabulary.is_unknown(token):
        return gguf.TokenType.UNKNOWN
    if vocabulary.is_control(token):
        return gguf.TokenType.CONTROL
    if vocabulary.is_byte(token):
        return gguf.TokenType.BYTE
    return gguf.TokenType.NORMAL


def write_architecture(writer, shape):
    writer.add_name("Glia demo stories")
    writer.add_description("A small model that tells little stories, trained on a story grammar.")
    writer.add_license("MIT")
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(shape.eps)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_vocab_size(shape.vocab)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def write_vocabulary(writer, vocabulary):
    tokens = range(vocabulary.get_piece_size())
    writer.add_tokenizer_model("llama")
    writer.add_token_list([vocabulary.id_to_piece(t) for t in tokens])
    writer.add_token_scores([vocabulary.get_score(t) for t in tokens])
    writer.add_token_types([token_type(vocabulary, t) for t in tokens])
    writer.add_unk_token_id(UNK)
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(True)


def write_tensor(writer, name, weight):
    data = weight.detach().float().numpy()
    if data.ndim < 2:
        writer.add_tensor(name, data)
        return
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor(name, quantize(data, kind), raw_dtype=kind)


def write_gguf(path, model, vocabulary):
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, "llama")
    write_architecture(writer, model.shape)
    write_vocabulary(writer, vocabulary)
    for name, weight in model.named_parameters():
        write_tensor(writer, name, weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"wrote {path} ({path.stat().st_size} bytes)")


# ---------------------------------------------------------------- reading back


class Storyteller:
    """The written file, read back: what a runtime will see, and no more."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.tokens = reader.fields["tokenizer.ggml.tokens"].contents()
        self.scores = reader.fields["tokenizer.ggml.scores"].contents()
        self.types = reader.fields["tokenizer.ggml.token_type"].contents()
        self.ids = {piece: token for token, piece in enumerate(self.tokens)}
        self.model = Llama(Shape())
        self.model.load_state_dict(
            {t.name: torch.from_numpy(np.array(dequantize(t.data, t.tensor_type), dtype=np.float32))
             for t in reader.tensors})

    def encode(self, text):
        """Join the neighbours with the best score until nothing can be joined."""
        pieces = list(SPACE + text.replace(" ", SPACE))
        while True:
            pairs = [(self.scores[self.ids[a + b]], -i)
                     for i, (a, b) in enumerate(zip(pieces, pieces[1:])) if a + b in self.ids]
            if not pairs:
                return [BOS] + [token for piece in pieces for token in self.lookup(piece)]
            at = -max(pairs)[1]
            pieces[at:at + 2] = [pieces[at] + pieces[at + 1]]

    def lookup(self, piece):
        if piece in self.ids:
            return [self.ids[piece]]
        return [self.ids[f"<0x{byte:02X}>"] for byte in piece.encode()]

    def decode(self, ids):
        data = b""
        for token in ids:
            if self.types[token] == gguf.TokenType.BYTE:
                data += bytes([int(self.tokens[token][3:5], 16)])
            elif self.types[token] == gguf.TokenType.NORMAL:
                data += self.tokens[token].replace(SPACE, " ").encode()
        return data.decode("utf-8", "replace").removeprefix(" ")

    @torch.no_grad()
    def logits(self, ids):
        return self.model(torch.tensor([ids]))[0]

    def tell(self, prompt, count, temperature=0.0):
        """Continue the prompt; returns all ids and, per new token, the margin."""
        ids, margins = self.encode(prompt), []
        for _ in range(count):
            last = self.logits(ids)[-1]
            best = last.topk(2).values
            margins.append((best[0] - best[1]).item())
            if temperature > 0:
                token = torch.multinomial((last / temperature).softmax(0), 1).item()
            else:
                token = last.argmax().item()
            ids.append(token)
            if token == EOS:
                break
        return ids, margins


def significant(values, digits=6):
    return [float(f"{value:.{digits}g}") for value in values]


def write_golden(model_path, golden_path):
    """Float32 results of the de-quantised weights, for the tests.

    A runtime that rounds activations too may differ a little, so each step
    records by how much the chosen token won."""
    teller = Storyteller(model_path)
    ids, margins = teller.tell(GOLDEN_PROMPT, GOLDEN_TOKENS)
    prompt = teller.encode(GOLDEN_PROMPT)
    first = teller.logits(ids[:GOLDEN_POSITIONS])[:, :GOLDEN_VOCAB]
    golden = {
        "model": model_path.name,
        "model_sha256": hashlib.sha256(model_path.read_bytes()).hexdigest(),
        "shape": asdict(Shape()),
        "prompt": GOLDEN_PROMPT,
        "prompt_ids": prompt,
        "ids": ids,
        "text": teller.decode(ids),
        "margins": significant(margins),
        "logits": [significant(row) for row in first.tolist()],
    }
    golden_path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(golden, indent=1)
    golden_path.write_text(text + "\n")
    print(f"wrote {golden_path}; smallest margin {min(margins):.4f}")


def show_samples(path, count, seed):
    teller = Storyteller(path)
    torch.manual_seed(seed)
    for prompt in ("Once upon a time", "One day", "In a small village")[:count]:
        for temperature in (0.0, 0.7):
            ids, _ = teller.tell(prompt, 400, temperature)
            end = "</s>" if ids[-1] == EOS else "(not finished)"
            print(f"[{temperature}] {teller.decode(ids)} {end}\n")


def check_tokeniser(path, vocabulary):
    """The file must hold the same tokeniser that training used."""
    teller = Storyteller(path)
    for text in make_stories(20, "check") + ["Caf\u00e9 1 + 2", "  two  spaces "]:
        assert teller.encode(text) == [BOS, *vocabulary.encode(text)], text
        assert teller.decode(teller.encode(text)) == text


def parse_args():
    parser = argparse.ArgumentParser(description="Train the story model of the demo.")
    parser.add_argument("--out", type=Path, default=Path("models/demo-stories.gguf"))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop by the clock")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=2048, help="tokens per batch and worker")
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--compile", action="store_true",
                        help="faster, but wants a C++ compiler")
    parser.add_argument("--work", default="~/.cache/glia-demo", help="folder of the checkpoint")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    parser.add_argument("--golden", nargs="?", type=Path, metavar="JSON",
                        const=Path("tests/vectors/demo_golden.json"),
                        help="only write reference results of the model")
    parser.add_argument("--sample", type=int, metavar="N", help="only show samples for N prompts")
    return parser.parse_args()


def main():
    args = parse_args()
    if args.golden:
        write_golden(args.out, args.golden)
    elif args.sample:
        show_samples(args.out, args.sample, args.seed)
    else:
        train(args)


if __name__ == "__main__":
    main()
