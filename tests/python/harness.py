"""Cases of the Python package's tests: each is a function, and one line of output, as the C test programs print."""

import importlib.util
import os
import sys
import traceback

_CASES = []


def case(*needs):
    """Registers a function; it is skipped by name where a package that it needs is absent."""
    def register(function):
        _CASES.append((function, needs))
        return function
    return register


def have(package):
    return importlib.util.find_spec(package) is not None


def run(program):
    """Runs the cases (those whose name holds the first argument, if there is one) and ends the process."""
    failed, only = 0, sys.argv[1] if len(sys.argv) > 1 else ""
    for function, needs in _CASES:
        name = f"python: {program}: {function.__name__.replace('_', ' ')}"
        if only not in function.__name__:
            continue
        absent = [n for n in needs if not have(n)]
        if absent:
            print(f"skip {name}: there is no {absent[0]}", flush=True)
            continue
        try:
            function()
            print(f"ok {name}", flush=True)
        except BaseException:
            failed += 1
            print(f"FAIL {name}", flush=True)
            traceback.print_exc()
    sys.stdout.flush()
    os._exit(1 if failed else 0)


def raises(kind, code, function, *args, **kwargs):
    """The exception that a call has to raise."""
    try:
        function(*args, **kwargs)
    except kind as e:
        assert e.code == code, f"{e.code} instead of {code}: {e}"
        return e
    raise AssertionError(f"{kind.__name__} {code} was not raised")
