#!/usr/bin/env python3
"""Writes tests/vectors/tokenizer/json/: small tokenizers in Hugging Face's format, trained and run by its library
`tokenizers` (one by `sentencepiece`), and hashes of the ids that they give to generated texts.

    NAME.json    the tokenizer
    hashes.vec   NAME, hash of the ids of 10^4 texts, of 10^5 texts; for byte-level ones of the sizes of words of 10^4
    pool.vec     what texts are made of, a line of hexadecimal UTF-8 each

tests/test_tok_json.c has the same generator. Run from the root of the project; names as arguments select some.
"""
import base64
import io
import json
import os
import sys

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

OUT = "tests/vectors/tokenizer/json"
POOL = [
    " ", " ", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\r", "\t", "\v", "\u0085", "\u00a0", "\u2003", "\u3000",
    "\u200b",
    "a", "B", "the", "The", "of", "and", "in", "hello", "iPhone", "HTTP", "xX", "'s", "'S", "'ll", "'LL", "'Re",
    "'ve", "'d",
    "'\u017f", "\u017f", "'", "\u2019", "1", "22", "333", "4444", "0", "\u0664\u0665", "\u00b2", "\u00bd", "\u2167",
    "!", "?!",
    "...", "-", "_", "/", "//", "#", "$", "+", "<", "=", ">", "^", "~", "|", "`", "\"", "(", ")", "[x]", "{", "}",
    "&", "*", "@",
    "\u00e9", "e\u0301", "\u0301", "\u0323\u0307", "\u00c5ngstr\u00f6m", "\u0130", "\u01c5", "\u02b0", "\u00aa",
    "\u03a9",
    "\u00fc", "\u00df", "\u0416\u0436", "\u043f\u0440\u0438", "\u4e2d\u6587", "\u65e5\u672c\u8a9e\u306e",
    "\u30ab\u30ca", "\u3002",
    "\uff01", "\uff0c", "\u2026", "\ud55c\uad6d\uc5b4", "\u1100\u1161\u11a8", "\u0e01\u0e33",
    "\u0928\u092e\u0938\u094d\u0924\u0947",
    "\u0639\u0631\u0628\u064a", "\u060c", "\u06d4", "\u0964", "\u05d0\u05b8", "\U0001f999",
    "\U0001f636\u200d\U0001f32b\ufe0f",
    "\U00020000", "\U0001d400", "\ufb01", "\u2460", "\u24b6", "\ue000", "\x00", "\x7f", "\ufffd", "<|x|>", "<mask>",
    "<w>",
    "<s>", "IMGIMGABZ", "<sentinel:7>", "\u2581", "\u2581a", "\u1e9b\u0323", "\u212b", "\uff21\uff11", "\u3131",
    "\u9fa5",
]
RANGES = [(0x20, 0x7E), (0xA0, 0x17F), (0x370, 0x3FF), (0x400, 0x52F), (0x5D0, 0x5EA), (0x620, 0x65F), (0x904, 0x939),
          (0xE01, 0xE3A), (0x1E00, 0x1EFF), (0x2010, 0x2027), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x4FFF),
          (0xAC00, 0xADFF), (0x1F600, 0x1F64F), (0x300, 0x33F)]
MASK = (1 << 64) - 1


class Random:
    """xorshift64*"""

    def __init__(self, seed):
        self.s = seed

    def below(self, n):
        self.s ^= self.s >> 12
        self.s ^= self.s << 25 & MASK
        self.s ^= self.s >> 27
        return ((self.s * 0x2545F4914F6CDD1D & MASK) >> 33) % n


def texts(count, seed=88172645463325252):
    r = Random(seed)
    for _ in range(count):
        parts = []
        for _ in range(1 + r.below(20)):
            if r.below(4):
                parts.append(POOL[r.below(len(POOL))])
            else:
                lo, hi = RANGES[r.below(len(RANGES))]
                parts.append(chr(lo + r.below(hi - lo + 1)))
        yield "".join(parts)


class Hash:
    """The sum over all numbers, each row's length before it, of (number + 1) * (i * golden | 1), i counting from 1."""

    def __init__(self):
        self.h = np.uint64(0)
        self.i = 1

    def rows(self, rows):
        flat = np.fromiter((v for r in rows for v in (len(r), *r)), dtype=np.uint64)
        at = np.arange(self.i, self.i + len(flat), dtype=np.uint64)
        with np.errstate(over="ignore"):
            self.h += ((flat + np.uint64(1)) * (at * np.uint64(0x9E3779B97F4A7C15) | np.uint64(1))).sum(dtype=np.uint64)
        self.i += len(flat)


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
C = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACES = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*" + SPACES
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|"
U, L = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
UH, LH = U[:-1] + r"&&[^\p{Han}]]", L[:-1] + r"&&[^\p{Han}]]"


def cased(u, l, tail):
    return rf"[^\r\n\p{{L}}\p{{N}}]?{u}*{l}+{tail}|[^\r\n\p{{L}}\p{{N}}]?{u}+{l}*{tail}"


CJK_OLD = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
CASED = ("A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373"
         "\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-"
         "\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-"
         "\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d"
         "\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-"
         "\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-"
         "\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-"
         "\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-"
         "\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-"
         "\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943")
PUNCT3 = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"""
DEEPSEEK3 = PUNCT3 + r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*" + SPACES
BLOOM = " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"
JAIS2 = "|".join(rf"\s{{{n}}}(?!\S)" for n in (512, 256, 128, 64, 32, 16, 8, 4)) + r"|\s{1,2}(?!\S)|\s{1}"

P = pre_tokenizers
BYTES = lambda: P.ByteLevel(add_prefix_space=False, use_regex=False)
GPT = lambda: P.ByteLevel(add_prefix_space=False, use_regex=True)
SPLIT = lambda e, how="isolated": P.Split(Regex(e), how)


def splits(*expressions):
    return P.Sequence([SPLIT(e) for e in expressions] + [BYTES()])


# Name in GGUF files: the pre-tokenizer as published.
BYTE_LEVEL = {
    "gpt-2": GPT,
    "llama-bpe": lambda: splits(C + "|" + WORDS + r"\p{N}{1,3}" + REST),
    "qwen2": lambda: splits(C + "|" + WORDS + r"\p{N}" + REST),
    "qwen35": lambda: splits(C + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + SPACES),
    "gpt-4o": lambda: splits(cased(U, L, C + "?") + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + SPACES),
    "tekken": lambda: splits(cased(U, L, "") + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + SPACES),
    "kimi-k2": lambda: splits(r"[\p{Han}]+|" + cased(UH, LH,
    C + "?") + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + SPACES),
    "starcoder": lambda: P.Sequence([P.Digits(individual_digits=True), GPT()]),
    "deepseek-llm": lambda: P.Sequence([SPLIT(e) for e in (
        "[\r\n]", rf"\s?[{CASED}]+", "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+", r"\s+$",
        CJK_OLD)]
        + [P.Digits(individual_digits=False), BYTES()]),
    "deepseek-coder": lambda: P.Sequence([SPLIT(e) for e in ("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CJK_OLD)]
                                         + [P.Digits(individual_digits=True), BYTES()]),
    "deepseek-v3": lambda: splits(r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", DEEPSEEK3),
    "falcon": lambda: P.Sequence([P.Punctuation("contiguous"), GPT(), P.Digits(individual_digits=False),
                                  SPLIT("[0-9][0-9][0-9]")]),
    "bloom": lambda: splits(BLOOM),
    "viking": lambda: P.Sequence([SPLIT(BLOOM), P.Digits(individual_digits=True), BYTES()]),
    "bailingmoe": lambda: splits(r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*"
                                 r"|\s*[\r\n]|\s+(?!\S)|\s+"),
    "seed-coder": lambda: splits(C + "|" + WORDS + r"\p{N}{1}| ?[^\s\p{L}\p{N}" + "\r\n" + r"]+" + SPACES),
    "exaone-moe": lambda: splits(C + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}"
                                 r"| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"),
    "jais-2": lambda: splits(C + "|" + WORDS + r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|" + JAIS2),
    "minicpm5": lambda: splits(r"\p{N}{1,3}", C + "|" + WORDS + r"\p{N}+" + REST),
    "chameleon": lambda: P.Sequence([SPLIT("<sentinel:[0-9]+>"), SPLIT("(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z"),
                                     SPLIT("([\t\n]|    |  )"), P.Digits(individual_digits=True),
                                     P.Punctuation("isolated"), GPT()]),
}
COMPOSED = {"qwen2", "qwen35"}
WORD_LEVEL = {"llama-bpe", "tekken", "minicpm5"}
CORPUS = list(texts(20000, 12345))
FEW = [x for x in CORPUS if all(ord(c) < 0x180 or ord(c) > 0xFF00 for c in x)][:3000]  # of few characters


def byte_level(name):
    t = Tokenizer(models.BPE(ignore_merges=name in WORD_LEVEL))
    t.pre_tokenizer = BYTE_LEVEL[name]()
    t.decoder = decoders.ByteLevel()
    if name in COMPOSED:
        t.normalizer = normalizers.NFC()
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=600, initial_alphabet=P.ByteLevel.alphabet(),
                                                      show_progress=False))
    return t


def llama2():
    """As Llama 2 has it: spaces become marks, bytes stand in for what is missing."""
    t = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(),
                                   decoders.Strip(" ", 1, 0)])
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    split = Tokenizer(models.BPE(unk_token="<unk>"))
    split.normalizer = t.normalizer
    split.pre_tokenizer = P.Split("\u2581", "merged_with_next")
    split.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=900, limit_alphabet=250, special_tokens=special,
                                                          show_progress=False))
    trained = json.loads(split.to_str())["model"]
    merges = [tuple(m) for m in trained["merges"]]
    t.model = models.BPE(vocab=trained["vocab"], merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    t.add_special_tokens(["<unk>", "<s>", "</s>"])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return t


def gemma():
    t = llama2()
    t.normalizer = normalizers.Replace(" ", "\u2581")
    t.pre_tokenizer = P.Split(" ", "merged_with_previous")
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    t.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return t


def unknowns():
    """Characters without a token, which no byte stands in for: fused, and not."""
    t = llama2()
    model = json.loads(t.to_str())["model"]
    t.model = models.BPE(vocab=model["vocab"], merges=[tuple(m) for m in model["merges"]], unk_token="<unk>",
        fuse_unk=True)
    t.normalizer = None
    t.pre_tokenizer = P.Metaspace(prepend_scheme="first", split=True)
    return t


def unknowns_apart():
    t = unknowns()
    model = json.loads(t.to_str())["model"]
    t.model = models.BPE(vocab=model["vocab"], merges=[tuple(m) for m in model["merges"]], unk_token="<unk>",
        fuse_unk=False)
    t.pre_tokenizer = P.Sequence([P.WhitespaceSplit(), P.Metaspace(prepend_scheme="always")])
    return t


def bert(lower):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=lower)
    t.pre_tokenizer = P.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(
        vocab_size=700, limit_alphabet=300, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
            show_progress=False))
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return t


def unigram(byte_fallback):
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"),
        " "),
                                         normalizers.Strip(False, True)])
    t.pre_tokenizer = P.Metaspace()
    t.decoder = decoders.Metaspace()
    t.train_from_iterator(FEW, trainers.UnigramTrainer(vocab_size=900, unk_token="<unk>", show_progress=False,
                                                          special_tokens=["<pad>", "</s>", "<unk>"]))
    if byte_fallback:
        vocab = [tuple(v) for v in json.loads(t.to_str())["model"]["vocab"]]
        vocab += [(f"<0x{b:02X}>", -20.0) for b in range(256)]
        t.model = models.Unigram(vocab, 2, byte_fallback=True)
    t.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return t


def added_tokens(left):
    """Tokens in text with every attribute, under a normalizer that changes them. Not white space on both sides at
    once: the library does not survive two tokens that want the same space."""
    t = byte_level("gpt-2")
    t.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase(),
                                         normalizers.Replace("of", "OF"), normalizers.Strip(True, False)])
    t.add_special_tokens([AddedToken("<mask>", lstrip=left, rstrip=not left, normalized=False),
                          AddedToken("<|x|>", normalized=False)])
    t.add_tokens([AddedToken("<w>", single_word=True, normalized=False), AddedToken("hello", single_word=True),
                  AddedToken("The", lstrip=left, rstrip=not left), AddedToken("\u00c5ngstr\u00f6m"),
                  AddedToken("<s>", normalized=False)])
    t.post_processor = processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(
        single="<|x|> $A <mask>:1 <s>", special_tokens=[(x, t.token_to_id(x)) for x in ("<|x|>", "<mask>", "<s>")])])
    return t


def forms(form):
    t = byte_level("gpt-2")
    t.normalizer = form
    return t


def pieces(pre):
    """The other pre-tokenizers, under a BPE over characters."""
    t = Tokenizer(models.BPE(unk_token="<unk>"))
    t.pre_tokenizer = pre
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=500, limit_alphabet=200, special_tokens=["<unk>"],
                                                      show_progress=False))
    return t


def behaviours(how, invert):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = P.Sequence([P.Split(Regex(r"\p{N}+|[.!?,]"), how, invert), P.Split("a", how, not invert),
        BYTES()])
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=500, initial_alphabet=P.ByteLevel.alphabet(),
                                                      show_progress=False))
    return t


def prefix_space():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = P.ByteLevel(add_prefix_space=True)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=500, initial_alphabet=P.ByteLevel.alphabet(),
                                                      show_progress=False))
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return t


OTHERS = {
    "llama2": llama2, "gemma": gemma, "unknowns": unknowns, "unknowns_apart": unknowns_apart,
    "bert_lower": lambda: bert(True), "bert_cased": lambda: bert(False),
    "unigram": lambda: unigram(False), "unigram_bytes": lambda: unigram(True), "added": lambda: added_tokens(True),
    "added_right": lambda: added_tokens(False),
    "nfd": lambda: forms(normalizers.NFD()), "nfkc": lambda: forms(normalizers.NFKC()),
    "nfkd": lambda: forms(normalizers.NFKD()),
    "nfc": lambda: forms(normalizers.NFC()), "lower": lambda: forms(normalizers.Lowercase()),
    "whitespace": lambda: pieces(P.Whitespace()), "whitespace_split": lambda: pieces(P.WhitespaceSplit()),
    "punctuation": lambda: pieces(P.Sequence([P.Whitespace(), P.Punctuation("merged_with_previous")])),
    "digits": lambda: pieces(P.Sequence([P.WhitespaceSplit(), P.Digits(False), P.CharDelimiterSplit("e")])),
    "removed": lambda: behaviours("removed", False), "previous": lambda: behaviours("merged_with_previous", False),
    "next": lambda: behaviours("merged_with_next", True), "contiguous": lambda: behaviours("contiguous", False),
    "prefix_space": prefix_space,
}


def field(message, number):
    """The first bytes field of this number in a protocol buffer."""
    def varint(at):
        v = shift = 0
        while True:
            v |= (message[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if message[at - 1] < 128:
                return v, at
    at = 0
    while at < len(message):
        key, at = varint(at)
        size, after = varint(at) if key & 7 in (0, 2) else ({1: 8, 5: 4}[key & 7], at)
        if key & 7 == 2 and key >> 3 == number:
            return message[after : after + size]
        at = after if key & 7 == 0 else after + size
    raise KeyError(number)


def sentencepiece():
    """Unigram by SentencePiece, with a small map of characters: written as tokenizer.json, run by SentencePiece."""
    import sentencepiece as spm
    rules = [("\u00e9", "e"), ("e\u0301", "E"), ("\u2460", "1"), ("\ufb01", "fi"), ("\u3000", " "), ("\t", " "),
        ("\n", " "),
             ("\u00a0", " "), ("\u200b", ""), ("\u0301", ""), ("\u1e9b\u0323", "s"), ("\u2026", "...")]
    path = "/tmp/tok_rules.tsv"
    with open(path, "w") as f:
        for a, b in rules:
            f.write(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n")
    model = io.BytesIO()
    lines = (t for t in FEW if "\x00" not in t and "\n" not in t and "\r" not in t)
    spm.SentencePieceTrainer.train(sentence_iterator=lines, model_writer=model, vocab_size=500, character_coverage=0.98,
                                   normalization_rule_tsv=path, hard_vocab_limit=False, minloglevel=2)
    os.remove(path)
    p = spm.SentencePieceProcessor(model_proto=model.getvalue())
    vocab = [[p.id_to_piece(i), p.get_score(i)] for i in range(len(p))]
    charsmap = field(field(model.getvalue(), 3), 2)  # normalizer_spec.precompiled_charsmap
    control = [dict(id=i, content=v[0], single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
               for i, v in enumerate(vocab) if p.is_control(i)]
    out = {"added_tokens": control,
           "normalizer": {"type": "Sequence", "normalizers": [
               {"type": "Precompiled",
                   "precompiled_charsmap": base64.b64encode(charsmap).decode()},
               {"type": "Strip", "strip_left": True, "strip_right": True},
               {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
           "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": False},
           "post_processor": None, "decoder": {"type": "Metaspace", "replacement": "\u2581",
           "prepend_scheme": "always", "split": False},
           "model": {"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": False}}
    return json.dumps(out), lambda batch: [p.encode(t) for t in batch]


def main():
    os.makedirs(OUT, exist_ok=True)
    with open(f"{OUT}/pool.vec", "w") as f:
        f.writelines(p.encode().hex() + "\n" for p in POOL)
    path = f"{OUT}/hashes.vec"
    rows = dict(line.split(" ", 1) for line in open(path)) if os.path.exists(path) else {}
    todo = sys.argv[1:] or [*BYTE_LEVEL, *OTHERS, "unigram_spm"]
    all_texts = list(texts(100000))
    for name in todo:
        if name == "unigram_spm":
            text, run = sentencepiece()
        else:
            t = byte_level(name) if name in BYTE_LEVEL else OTHERS[name]()
            text = t.to_str(pretty=False)
            run = lambda batch: [e.ids for e in t.encode_batch(batch)]
        with open(f"{OUT}/{name}.json", "w") as f:
            f.write(text + "\n")
        ids, words, row = Hash(), Hash(), []
        for i in range(0, 100000, 10000):
            batch = all_texts[i : i + 10000]
            ids.rows(run(batch))
            if name in BYTE_LEVEL and i == 0:
                plain = [t.normalizer.normalize_str(x) if t.normalizer else x for x in batch]
                words.rows([[len(w) for w, _ in t.pre_tokenizer.pre_tokenize_str(x)] for x in plain])
            if i in (0, 90000):
                row.append(f"{int(ids.h):016x}")
        row.append(f"{int(words.h):016x}" if name in BYTE_LEVEL else "-")
        rows[name] = " ".join(row) + "\n"
        print(name, rows[name], end="", flush=True)
        with open(path, "w") as f:
            f.writelines(f"{k} {v}" for k, v in rows.items())


main()
