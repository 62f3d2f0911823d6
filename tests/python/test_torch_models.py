"""Models of PyTorch with random weights against PyTorch: small ones, and those of real shape (GLIA_TRUE_SHAPES=1 runs
them all, which takes minutes and gigabytes)."""

import os
import time

import glia
from harness import case, have, run

if have("torch"):
    import torch
    import torch.nn.functional as F
    torch.manual_seed(7)

TRUE_SHAPES = os.environ.get("GLIA_TRUE_SHAPES") == "1"


def compare(name, module, *args, tol=1e-5, **options):
    module = module.eval()
    with torch.no_grad():
        want = module(*args)
        started = time.monotonic()
        compiled = glia.compile(module, args, **options)
        took = time.monotonic() - started
        have_ = compiled(*args)
    pairs = list(zip(have_.values(), want.values())) if isinstance(want, dict) else [(have_, want)]
    for a, b in pairs:
        assert a.dtype == b.dtype and a.shape == b.shape
        d = float((a - b).abs().max() / b.abs().max())
        assert d <= tol, f"{name}: {d}"
        print(f"   {name}: largest difference over largest output {d:.1e}, compiled in {took:.1f} s", flush=True)
    return compiled


def transformer(kind, true_shape=False):
    import transformers as t
    ids = torch.randint(0, 60, (1, 12))
    small = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
    if kind == "gpt2":
        c = t.GPT2Config(use_cache=False) if true_shape else t.GPT2Config(
            n_layer=2, n_embd=32, n_head=4, vocab_size=64, n_positions=32, use_cache=False, bos_token_id=0,
                eos_token_id=0)
        return t.GPT2LMHeadModel(c), (ids,)
    if kind == "qwen3":
        c = t.Qwen3Config(use_cache=False, hidden_size=1024, num_hidden_layers=28, num_attention_heads=16,
                          num_key_value_heads=8, head_dim=128, intermediate_size=3072, vocab_size=151936,
                          tie_word_embeddings=True) if true_shape else t.Qwen3Config(
            use_cache=False, num_key_value_heads=2, head_dim=16, vocab_size=64, **small)
        return t.Qwen3ForCausalLM(c), (ids,)
    if kind == "bert":
        c = t.BertConfig() if true_shape else t.BertConfig(vocab_size=64, **small)
        mask = torch.ones(1, 12, dtype=torch.long)
        mask[0, 9:] = 0
        return t.BertModel(c), (ids, mask)
    c = t.ViTConfig(hidden_size=192, num_attention_heads=3, intermediate_size=768) if true_shape else t.ViTConfig(
        image_size=32, patch_size=8, **small)
    return t.ViTModel(c), (torch.randn(1, 3, 224 if true_shape else 32, 224 if true_shape else 32),)


def transformer_case(kind):
    @case("torch", "transformers")
    def small():
        model, args = transformer(kind)
        c = compare(kind, model, *args, threads=1)
        if kind != "vit":  # other lengths compile again
            with torch.no_grad():
                args = [a[:, :7] for a in args]
                want, got = model(*args), c(*args)
                a, b = next(iter(got.values())), next(iter(want.values()))
                assert float((a - b).abs().max() / b.abs().max()) <= 1e-5
    small.__name__ = f"small_{kind}"

    if TRUE_SHAPES:
        @case("torch", "transformers")
        def whole():
            model, args = transformer(kind, True)
            compare(f"{kind} in true shape", model, *args)
        whole.__name__ = f"true_{kind}"


for _kind in ("gpt2", "qwen3", "bert", "vit"):
    transformer_case(_kind)

if have("torch"):
    nn = torch.nn

    class Bottleneck(nn.Module):
        def __init__(self, c_in, c, stride):
            super().__init__()
            self.a, self.b, self.c = (nn.Conv2d(c_in, c, 1, bias=False), nn.Conv2d(c, c, 3, stride, 1, bias=False),
                                      nn.Conv2d(c, 4 * c, 1, bias=False))
            self.na, self.nb, self.nc = nn.BatchNorm2d(c), nn.BatchNorm2d(c), nn.BatchNorm2d(4 * c)
            self.short = None
            if stride != 1 or c_in != 4 * c:
                self.short = nn.Sequential(nn.Conv2d(c_in, 4 * c, 1, stride, bias=False), nn.BatchNorm2d(4 * c))

        def forward(self, x):
            y = F.relu(self.nb(self.b(F.relu(self.na(self.a(x))))))
            return F.relu(self.nc(self.c(y)) + (x if self.short is None else self.short(x)))

    def resnet(blocks, width, classes):
        layers, c_in = [nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.MaxPool2d(3, 2, 1)], width
        for i, count in enumerate(blocks):
            for j in range(count):
                c = width << i
                layers.append(Bottleneck(c_in, c, 2 if i and j == 0 else 1))
                c_in = 4 * c
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c_in, classes))

    class Inverted(nn.Module):
        def __init__(self, c_in, c_out, stride, expand):
            super().__init__()
            c = c_in * expand
            self.same = stride == 1 and c_in == c_out
            first = [nn.Conv2d(c_in, c, 1, bias=False), nn.BatchNorm2d(c), nn.ReLU6()] if expand != 1 else []
            self.body = nn.Sequential(*first, nn.Conv2d(c, c, 3, stride, 1, groups=c, bias=False), nn.BatchNorm2d(c),
                                      nn.ReLU6(), nn.Conv2d(c, c_out, 1, bias=False), nn.BatchNorm2d(c_out))

        def forward(self, x):
            return x + self.body(x) if self.same else self.body(x)

    def mobilenet(table, first, last, classes):
        layers, c_in = [nn.Conv2d(3, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU6()], first
        for expand, c, n, stride in table:
            for i in range(n):
                layers.append(Inverted(c_in, c, stride if i == 0 else 1, expand))
                c_in = c
        return nn.Sequential(*layers, nn.Conv2d(c_in, last, 1, bias=False), nn.BatchNorm2d(last), nn.ReLU6(),
                             nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, classes))

    def settled(model):
        """Statistics as training would leave them, so that numbers keep their size through the layers."""
        for m in model.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.momentum = None
        size = 64
        with torch.no_grad():
            model.train()(torch.randn(4, 3, size, size))
        return model.eval()


@case("torch")
def small_resnet():
    if "max_pool" not in glia.ops():
        raise NotImplementedError("pools")
    compare("resnet", settled(resnet((1, 1, 1, 1), 8, 10)), torch.randn(2, 3, 64, 64), threads=1)


@case("torch")
def small_mobilenet():
    compare("mobilenet", settled(mobilenet([(1, 8, 1, 1), (6, 12, 2, 2), (6, 16, 2, 2)], 16, 64, 10)),
        torch.randn(2, 3, 64, 64),
            threads=1)


if TRUE_SHAPES:
    @case("torch")
    def true_resnet50():
        compare("resnet50", settled(resnet((3, 4, 6, 3), 64, 1000)), torch.randn(1, 3, 224, 224))

    @case("torch")
    def true_mobilenet_v2():
        table = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
            (6, 320, 1, 1)]
        compare("mobilenet_v2", settled(mobilenet(table, 32, 1280, 1000)), torch.randn(1, 3, 224, 224))


@case("torch")
def an_encoder_of_padded_texts():
    class M(nn.Module):
        def __init__(self):
            super().__init__()
            self.e = nn.Embedding(50, 32, padding_idx=0)
            self.t = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, dropout=0.0), 2,
                                           enable_nested_tensor=False)
            self.out = nn.Linear(32, 5)

        def forward(self, ids):
            pad = ids == 0
            h = self.t(self.e(ids), src_key_padding_mask=pad)
            keep = (~pad).float().unsqueeze(-1)
            return self.out((h * keep).sum(1) / keep.sum(1))
    ids = torch.randint(1, 50, (3, 9))
    ids[1, 5:] = 0
    compare("encoder", M(), ids, threads=1)


run("torch models")
