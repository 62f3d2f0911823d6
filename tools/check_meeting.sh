#!/bin/sh
# Checks the model of the meeting point with Spin: the real one must hold, its two mutants must fail.
# Needs spin and a C compiler; says "skip" where spin is missing.
set -u
command -v spin >/dev/null 2>&1 || { echo "skip meeting_model: spin is not installed"; exit 0; }
model=$(cd "$(dirname "$0")/.." && pwd)/tests/model/meeting.pml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run() { # mutant
    cd "$work" && spin -DMUTANT="$1" -a "$model" >spin.log 2>&1 && cc -O2 -w -DSAFETY -o pan pan.c &&
        ./pan -m100000 >pan.log 2>&1
    grep -q 'errors: 0' pan.log && ! grep -q 'max search depth too small' pan.log
}
status=0
if run 0; then
    echo "ok meeting_model"
else
    echo "FAIL meeting_model"
    cat "$work/pan.log"
    status=1
fi
for m in 1 2; do
    if run $m; then
        echo "FAIL meeting_model_mutant_$m: was not found"
        status=1
    else
        echo "ok meeting_model_mutant_$m"
    fi
done
exit $status
