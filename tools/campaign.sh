#!/usr/bin/env bash
# The long form of the check, for a quiet night: every test in every build, the program under ASan, and
# CAMPAIGN_MINUTES (10) of each fuzz target from seeds that are new every time. A seed that fails is printed, and
# `build/asan/tests/fuzz_X -n 20000 -s SEED` repeats it.
set -u
cd "$(dirname "$0")/.." || exit 2
minutes=${CAMPAIGN_MINUTES:-10}
jobs=$(nproc)
failed=0

for mode in release asan tsan hostile; do
    make --no-print-directory -k -j"$jobs" MODE=$mode OUT=build/$mode tests "build/$mode/glia" || failed=$((failed + 1))
    TEST_LABEL=$mode TEST_SECONDS=3600 tools/run_tests.sh $mode || failed=$((failed + 1))
done
for mode in asan hostile; do
    bash tests/test_cli.sh build/$mode/glia || failed=$((failed + 1))
done

make --no-print-directory -k -j"$jobs" MODE=asan fuzzers || failed=$((failed + 1))
for source in tests/fuzz_*.c; do
    t=$(basename "$source" .c)
    end=$((SECONDS + minutes * 60))
    seed=$(($(date +%s) % 1000000 * 1000))
    first=$seed
    while [ $SECONDS -lt $end ]; do
        if ! build/asan/tests/"$t" -n 20000 -s "$seed" >/dev/null; then
            echo "FAIL $t: -n 20000 -s $seed"
            failed=$((failed + 1))
            break
        fi
        seed=$((seed + 1))
    done
    echo "$t: seeds $first to $((seed - 1)) of 20000 runs"
done

echo "campaign: $failed faults"
[ "$failed" -eq 0 ]
