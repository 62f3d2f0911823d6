#!/usr/bin/env python3
"""Includes go strictly down: a file of src/ includes only its own folder, lower floors, and public headers.

Prints each include that breaks this; the exit status is 1 if there is one."""
import os
import re
import sys

FLOORS = {
    "base": 0, "tensor": 1, "graph": 2, "ops": 3, "provider": 4, "compile": 5, "format": 5, "text": 5,
    "run": 6, "session": 7,
    "llm": 8, "net": 8, "learn": 9, "mind": 10, "serve": 11, "cli": 12,
}
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<(glia/[^>]+)>)')


def sources(root, folder):
    for base, _, names in os.walk(os.path.join(root, folder)):
        for name in sorted(names):
            if name.endswith((".c", ".h", ".def", ".inc", ".cu")):
                yield os.path.relpath(os.path.join(base, name), root)


def resolve(root, path, target):
    """The included file relative to the root, or None where it is not ours."""
    for base in (os.path.dirname(path), "src", "include"):
        full = os.path.normpath(os.path.join(base, target))
        if os.path.exists(os.path.join(root, full)):
            return full
    return None


def fault(path, found):
    """Why `path` may not include `found`, or None."""
    if found.startswith("include" + os.sep):
        return None
    parts, others = path.split(os.sep), found.split(os.sep)
    if parts[0] == "include":
        return "a public header sees public headers only"
    mine, theirs = parts[1], others[1]
    if mine not in FLOORS or theirs not in FLOORS:
        return "a folder that has no floor"
    if mine == theirs:
        # src/provider/cpu and src/provider/cuda share an interface in src/provider, and nothing else.
        if len(others) > 3 and parts[:3] != others[:3]:
            return "folders on one floor do not see each other"
        return None
    if FLOORS[theirs] >= FLOORS[mine]:
        return f"{mine} is floor {FLOORS[mine]}, {theirs} is floor {FLOORS[theirs]}"
    return None


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    root = os.path.normpath(root)
    faults = count = 0
    for path in list(sources(root, "src")) + list(sources(root, "include")):
        with open(os.path.join(root, path), encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                m = INCLUDE.match(line)
                if not m:
                    continue
                count += 1
                target = m.group(1) or m.group(2)
                found = resolve(root, path, target)
                why = fault(path, found) if found else "no such file in src/ or include/"
                if ".." in target.split("/"):
                    why = "an include that climbs with .."
                if why:
                    faults += 1
                    print(f"{path}:{number}: includes {target}: {why}")
    print(f"floors: {count} includes, {faults} faults")
    return 1 if faults else 0


sys.exit(main())
