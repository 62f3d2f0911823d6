#!/usr/bin/env python3
"""The laws of the project's style that a script can check, over src/, include/, tests/, tools/ and bench/.

Prints each fault as file:line; the exit status is 1 if there is one."""
import os
import re
import subprocess
import sys
import tempfile

LINE_MOST = 120
FILE_MOST = 1200
FUNCTION_MOST = 100
# Lists of texts, and tables that a tool wrote.
LONG_LINES = (".def", "_tables.c", "story_grammar.py", "make_pretok_vectors.py",
              "make_template_vectors.py")

MARKS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(work|home|root|Users)/\w")
# In src/, outside the program: (what, why)
BANNED = [
    (re.compile(r"\b(alloca|setjmp|longjmp|_setjmp)\s*\("), "{} is not used"),
    (re.compile(r"\b(abort|exit|_exit|_Exit|assert)\s*\("), "the library never ends the process: {}"),
    (re.compile(r"\b(getenv|secure_getenv|setlocale)\s*\("), "no hidden state: {}"),
    (re.compile(r"\b(printf|fprintf|vprintf|vfprintf|puts|putchar|fputs|perror)\s*\("),
     "the library prints nothing: {}"),
    (re.compile(r"\b(stdout|stderr)\b"), "the library prints nothing: {}"),
    (re.compile(r"\b(strtod|strtof|atof|atoi|sscanf)\s*\("), "{} follows the locale or hides errors: base/number.h"),
    (re.compile(r"\b(sprintf|strcpy|strcat|gets|strtok|rand|srand)\s*\("), "{} is not used"),
    (re.compile(r"\bswitch\s*\([^)]*(->|\.|\b)(op|opcode|op_kind)\b[^)]*\)"), "no switch over ops"),
    (re.compile(r"\benum\s+\w*op(code|_kind)\w*\b"), "no enum of ops: {}"),
    (re.compile(r"^\s*(static\s+)?(__thread|_Thread_local|thread_local)\b"), "no thread-local state"),
]


def walk(root, folders, endings):
    for folder in folders:
        for base, dirs, names in os.walk(os.path.join(root, folder)):
            dirs[:] = sorted(d for d in dirs if d not in ("__pycache__", "build"))
            for name in sorted(names):
                if name.endswith(endings) or name == "Makefile":
                    yield os.path.relpath(os.path.join(base, name), root)


def without_comments(text):
    """The text with comments, strings and characters blanked, line by line as before."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def check_text(path, text, say):
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_MOST and not path.endswith(LONG_LINES):
            say(path, number, f"{len(line)} columns; {LINE_MOST} is the most")
        if MARKS.search(line):
            say(path, number, "an open mark in the text: finish it, or refuse the case by name")
        if MACHINE_PATHS.search(line):
            say(path, number, "an absolute path of some machine")
        if line != line.rstrip():
            say(path, number, "blanks at the end of the line")
        if "\t" in line and not path.endswith("Makefile"):
            say(path, number, "a tab")
    if path.startswith(("src", "include")) and len(lines) > FILE_MOST:
        say(path, len(lines), f"{len(lines)} lines; {FILE_MOST} is the most")
    if text and not text.endswith("\n"):
        say(path, len(lines), "no newline at the end")


def check_functions(path, text, say):
    """A body runs from a brace in the first column to the next closing one."""
    lines, begin = text.split("\n"), None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            begin = number
        elif line.startswith("}") and begin:
            length = number - begin + 1
            around = "\n".join(lines[max(0, begin - 12):number])
            if length > FUNCTION_MOST and "/* long:" not in around:
                say(path, begin, f"a function of {length} lines; {FUNCTION_MOST} is the most without /* long: why */")
            begin = None


def check_banned(path, text, say):
    for number, line in enumerate(without_comments(text).split("\n"), 1):
        for pattern, why in BANNED:
            m = pattern.search(line)
            if m:
                say(path, number, why.format(m.group(0).strip(" (")))


def check_opening(path, text, say):
    if not text.startswith("/*"):
        say(path, 1, "a file opens with what it is")


def check_public_headers(root, say):
    """Each compiles alone, as C17 and as C++."""
    cc, cxx = os.environ.get("CC", "cc"), os.environ.get("CXX", "c++")
    kinds = [(cc, ["-std=c17", "-x", "c"]), (cxx, ["-std=c++11", "-x", "c++"])]
    for path in walk(root, ["include"], (".h",)):
        with tempfile.NamedTemporaryFile("w", suffix=".c") as f:
            f.write(f'#include "{os.path.relpath(path, "include")}"\n')
            f.flush()
            for compiler, flags in kinds:
                command = [compiler, *flags, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
                command += ["-I", os.path.join(root, "include"), f.name]
                try:
                    done = subprocess.run(command, capture_output=True, text=True)
                except FileNotFoundError:
                    print(f"skip {path}: no {compiler} here")
                    continue
                if done.returncode:
                    first = next((s for s in done.stderr.split("\n") if "error" in s), done.stderr[:200])
                    say(path, 1, f"does not compile alone with {compiler}: {first}")


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    root = os.path.normpath(root)
    faults = []

    def say(path, number, what):
        faults.append(path)
        print(f"{path}:{number}: {what}")

    count = 0
    endings = (".c", ".h", ".def", ".inc", ".cu", ".py", ".sh")
    for path in walk(root, ["src", "include", "tests", "tools", "bench"], endings):
        with open(os.path.join(root, path), encoding="utf-8") as f:
            text = f.read()
        count += 1
        check_text(path, text, say)
        if not path.endswith((".c", ".h")):
            continue
        check_functions(path, text, say)
        check_opening(path, text, say)
        if path.startswith("src") and not path.startswith(os.path.join("src", "cli")):
            check_banned(path, text, say)
    check_public_headers(root, say)
    print(f"laws: {count} files, {len(faults)} faults")
    return 1 if faults else 0


sys.exit(main())
