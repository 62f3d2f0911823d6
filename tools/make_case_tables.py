#!/usr/bin/env python3
"""Writes src/text/tpl_case_tables.c from Python's Unicode data. Run from the root of the project:

    python3 tools/make_case_tables.py > src/text/tpl_case_tables.c
"""
import unicodedata

MOST = 0x32000


def is_surrogate(c):
    return 0xD800 <= c < 0xE000


def mappings(f):
    """Runs (first, last, step, difference) of characters that f maps to one other character."""
    pairs = [(c, ord(f(chr(c))) - c) for c in range(0x80, MOST)
             if not is_surrogate(c) and len(f(chr(c))) == 1 and f(chr(c)) != chr(c)]
    out, i = [], 0
    while i < len(pairs):
        first, difference = pairs[i]
        best = (1, first, 1)
        for step in (1, 2):
            k, last = i + 1, first
            while k < len(pairs) and pairs[k] == (last + step, difference):
                last, k = pairs[k][0], k + 1
            if k - i > best[0]:
                best = (k - i, last, step)
        out.append((first, best[1], best[2], difference))
        i += best[0]
    return out


def letters():
    out = []
    for c in range(0x80, MOST):
        if is_surrogate(c) or not chr(c).isalpha():
            continue
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def table(kind, name, rows):
    lines, line = [], "   "
    for row in rows:
        text = " {" + ", ".join(f"0x{v:X}" if k < 2 else str(v) for k, v in enumerate(row)) + "},"
        if len(line) + len(text) > 108:
            lines.append(line)
            line = "   "
        line += text
    count = name.replace("ranges", "range_count")
    body = "\n".join(lines + [line])
    bound = "[2]" if kind == "uint32_t" else ""
    return f"const {kind} {name}[]{bound} = {{\n{body}\n}};\nconst int {count} = sizeof {name} / sizeof *{name};\n"


print(f"/* Unicode {unicodedata.unidata_version}: simple case mappings beyond ASCII, and letters. Written by "
      "tools/make_case_tables.py. */")
print('#include "text/tpl_case.h"\n\n/* clang-format off */\n/* first, last, step, difference */')
print(table("tpl_case_range", "glia_tpl_upper_ranges", mappings(str.upper)))
print(table("tpl_case_range", "glia_tpl_lower_ranges", mappings(str.lower)))
print(table("uint32_t", "glia_tpl_letter_ranges", letters()) + "/* clang-format on */")
