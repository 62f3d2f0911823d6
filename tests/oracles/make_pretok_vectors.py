#!/usr/bin/env python3
"""Writes tests/vectors/tokenizer/pretok.vec: how published expressions cut texts into words, according to the
`regex` package, which is an implementation of its own. Run from the root of the project:

    python3 tests/oracles/make_pretok_vectors.py > tests/vectors/tokenizer/pretok.vec

Each line: name of the pre-tokenizer, the text's UTF-8 in hexadecimal, the bytes of each word.
Several expressions apply one after another to the pieces of the one before; what none matches stays a piece.
"""
import random
import sys
import unicodedata

import regex

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
C = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
U, L = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
EXPRESSIONS = {
    "gpt-2": [GPT2],
    "llama-bpe": [C + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + REST],
    "qwen2": [C + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + REST],
    "gpt-4o": [
        rf"[^\r\n\p{{L}}\p{{N}}]?{U}*{L}+{C}?|[^\r\n\p{{L}}\p{{N}}]?{U}+{L}*{C}?|\p{{N}}{{1,3}}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ],
    "starcoder": [r"\p{N}", GPT2],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", r"\p{N}"],
    "default": [
        r"[\p{P}\$\+<=>\^~\|]+",
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)",
        r"\p{N}+",
        r"[0-9][0-9][0-9]",
    ],
}
POOL = [
    " ", " ", "  ", "\n", "\r\n", "\r", "\t", "\v", "\u0085", "\u00a0", "\u2003", "\u3000", "\u200b", "\u1680", "\x1c",
    "a", "B", "the", "The", "iPhone", "'s", "'S", "'ll", "'LL", "'Re", "'\u017f", "\u017f", "'", "\u2019", "1", "22", "333",
    "\u0664\u0665", "\u00b2", "\u00bd", "\u2167", "!", "?!", "...", "-", "_", "/", "//\n", "#", "$", "+", "<=>", "^", "~", "|", "\"",
    "\u00e9", "e\u0301", "\u00c5ngstr\u00f6m", "\u0130", "\u01c5", "\u02b0", "\u00aa", "\u03a9", "\u0416\u0436", "\u4e2d\u6587", "\u65e5\u672c\u8a9e\u306e",
    "\ud55c\uad6d\uc5b4", "\u0e01\u0e33", "\u0928\u092e\u0938\u094d\u0924\u0947", "\u0639\u0631\u0628\u064a", "\u05d0\u05b8",
    "\U0001f999", "\U0001f636\u200d\U0001f32b\ufe0f", "\U00020000", "\U0001d400", "\ue000", "\x00", "\x7f", "\ufffd", "<|x|>",
]


def words(expressions, text):
    pieces = [text]
    for e in expressions:
        out = []
        for piece in pieces:
            at = 0
            for m in regex.finditer(e, piece, flags=regex.V1):
                if m.start() > at:
                    out.append(piece[at : m.start()])
                if m.end() > m.start():
                    out.append(m.group())
                at = m.end()
            if at < len(piece):
                out.append(piece[at:])
        pieces = out
    return pieces


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    rng = random.Random(20)
    assigned = [c for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cs", "Cn")]
    for name, expressions in EXPRESSIONS.items():
        for i in range(count):
            if i % 4 < 3:
                text = "".join(rng.choice(POOL) for _ in range(rng.randrange(1, 30)))
            else:
                text = "".join(chr(rng.choice(assigned)) for _ in range(rng.randrange(1, 20)))
            sizes = [len(w.encode()) for w in words(expressions, text)]
            print(name, text.encode().hex(), *sizes)


main()
