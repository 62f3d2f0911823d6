#!/usr/bin/env bash
# Makes the wheel, installs it into an empty virtual environment, and runs the package's tests there. A line a test, as
# the test programs print.
#
# usage: tools/check_python.sh LIBGLIA.SO     PYTHON: the interpreter (the first python3 that has numpy); the packages
#        that it has (numpy, torch, onnx, transformers) are what the tests may use, and what needs one that is absent is
#        skipped by name
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
library=$(realpath "$1") || exit 1
python=''
for p in ${PYTHON:-python3 /usr/bin/python3}; do
    [ -z "$python" ] && "$p" -c 'import numpy, venv' 2>/dev/null && python=$p
done
if [ -z "$python" ]; then
    echo "skip python: the wheel: no interpreter with numpy and venv"
    exit 0
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
wheel=$("$python" "$root/bindings/python/wheel_of_library.py" "$work" "$library") || exit 1
"$python" -m venv --without-pip "$work/venv" || exit 1
site=$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
# A wheel of one package is installed by unpacking it, which asks for no installer and no network.
"$python" -m zipfile -e "$work/$wheel" "$site" || exit 1
# Debian keeps its packages elsewhere than the interpreter would install them.
"$python" -c 'import numpy, os, sysconfig
print(sysconfig.get_paths()["purelib"], os.path.dirname(os.path.dirname(numpy.__file__)), sep="\n")' >"$site/others.pth"
mkdir "$work/elsewhere" && cd "$work/elsewhere" || exit 1
status=0
for t in "$root"/tests/python/test_*.py; do
    env -u PYTHONPATH -u GLIA_LIBRARY GLIA_ROOT="$root" PYTHONWARNINGS=ignore "$work/venv/bin/python" "$t" || status=1
done
exit $status
