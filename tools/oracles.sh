#!/bin/sh
# Makes the virtual environment of the oracles: the outside truths that tests and benchmarks compare with.
# Nothing in the library or its build needs it; the reference files that it makes are committed.
#
#     tools/oracles.sh [folder]        default $HOME/glia-venv, outside the tree
#
# Needs python3 with venv, a C++ compiler and CMake (llama-cpp-python is built from source for this very
# machine, since it is the peer in speed comparisons), and access to a Python package index. The torch wheel of
# the index brings CUDA with it, about 5 GB on disk; where PIP_FIND_LINKS names a folder with a CPU wheel of the
# same version, pip takes that one.
#
# The versions are those that made tests/vectors. JOBS sets the build's parallelism.
set -eu

venv=${1:-"$HOME/glia-venv"}
jobs=${JOBS:-$(nproc)}

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
pip="$venv/bin/pip --disable-pip-version-check"

# First what the quantisation vectors need, which takes seconds.
$pip install numpy==2.4.6 gguf==0.19.0
$pip install torch==2.13.0 transformers==5.23.0 safetensors==0.8.0 tokenizers==0.23.3 sentencepiece==0.2.3

# Native means the instruction set of this machine, as a user who builds llama.cpp gets it. On processors with AMX,
# gcc drops most of the stores of the tile configuration, because its _tile_loadconfig names only eight bytes of it
# as read (llama.cpp pull request 26954); quantised matrices then end in SIGILL. Keeping dead stores avoids that.
CXXFLAGS="${CXXFLAGS:-} -fno-tree-dse -fno-dse" CMAKE_ARGS="-DGGML_NATIVE=ON" CMAKE_BUILD_PARALLEL_LEVEL=$jobs \
    nice -n 5 $pip install --no-binary llama-cpp-python llama-cpp-python==0.3.36

"$venv/bin/python" -c 'import gguf, numpy, safetensors, sentencepiece, tokenizers, torch, transformers, llama_cpp'
echo "oracles are ready in $venv"
