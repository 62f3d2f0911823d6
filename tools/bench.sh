#!/bin/sh
# Runs every benchmark of bench/ on one model. Numbers of a busy machine mean little; bench/SPEED.md says how
# to compare.
#
# usage: tools/bench.sh [FOLDER [MODEL]]     FOLDER: build/release; MODEL: models/demo-stories.gguf
set -eu
cd "$(dirname "$0")/.."
out=${1:-build/release}
model=${2:-models/demo-stories.gguf}

echo "== machine"
uname -srm
grep -m 1 '^model name' /proc/cpuinfo 2>/dev/null || true
echo "processors: $(nproc), load: $(cut -d ' ' -f 1 /proc/loadavg 2>/dev/null || echo unknown)"
"$out/glia" --version
echo "== glia bench $model"
"$out/glia" bench "$model" -p 128 -n 128 -t 1,"$(nproc)" -o md
echo "== kernels, one thread"
"$out/glia" bench --kernels
echo "== lanes at twice the processors, and busy neighbours"
"$out/bench/bench_busy" "$model" 5 100
echo "== cancellation"
"$out/bench/bench_cancel" "$model" 50
