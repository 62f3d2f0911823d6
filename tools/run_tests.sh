#!/bin/sh
# Runs the test programs of one build, prints the line of every case, and adds them up.
#
# usage: tools/run_tests.sh [MODE [NAME...]]     MODE: release (default), debug, asan, tsan, hostile
#
# NAME: only these programs (test_base). A program that is not built, ends by a signal, runs longer than
# TEST_SECONDS (600), or prints no case counts as a failure. OUT: the build's folder, where it is not build/MODE.
# EMULATOR: a program that runs them. TEST_LABEL: a word before each name. TEST_RESULTS: a file that the lines are added
# to, instead of adding them up.
set -u
cd "$(dirname "$0")/.." || exit 2
mode=${1:-release}
[ $# -gt 0 ] && shift
out=${OUT:-build/$mode}
limit=${TEST_SECONDS:-600}
lines=$(mktemp) || exit 2
all=$(mktemp) || exit 2
trap 'rm -f "$lines" "$all"' EXIT
# gcc before 13.3 misaligns 64-byte vectors in the fake frames of detect_stack_use_after_return (gcc bug 110027).
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:detect_stack_use_after_return=0}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=1}"

if [ $# -eq 0 ]; then
    for source in tests/test_*.c; do
        [ -f "$source" ] && set -- "$@" "$(basename "$source" .c)"
    done
fi

for name in "$@"; do
    program=$out/tests/$name
    case_name=${TEST_LABEL:+$TEST_LABEL }$name
    echo "== $case_name"
    if [ ! -x "$program" ]; then
        echo "FAIL $case_name: it is not built" | tee -a "$all"
        continue
    fi
    # The status of the program, not of what shows each line as it comes.
    { timeout "$limit" ${EMULATOR:+"$EMULATOR"} "$program"; echo "status $?"; } |
        sed -u -E "s/^(ok|FAIL|skip) /\\1 $case_name: /" | tee "$lines" | grep --line-buffered -v '^status '
    status=$(sed -n 's/^status //p' "$lines" | tail -n 1)
    grep -E '^(ok|FAIL|skip) ' "$lines" >>"$all"
    if [ "$status" -eq 124 ]; then
        echo "FAIL $case_name: it ran longer than $limit seconds" | tee -a "$all"
    elif [ "$status" -ne 0 ] && ! grep -q '^FAIL ' "$lines"; then
        echo "FAIL $case_name: it ended with status $status" | tee -a "$all"
    elif [ "$status" -gt 1 ]; then
        echo "FAIL $case_name: it ended early, with status $status" | tee -a "$all"
    elif ! grep -qE '^(ok|FAIL|skip) ' "$lines"; then
        echo "FAIL $case_name: it printed no case" | tee -a "$all"
    fi
done

if [ -n "${TEST_RESULTS:-}" ]; then # the caller adds up
    cat "$all" >>"$TEST_RESULTS"
    exit
fi

passed=$(grep -c '^ok ' "$all")
failed=$(grep -c '^FAIL ' "$all")
skipped=$(grep -c '^skip ' "$all")
if [ "$skipped" -gt 0 ]; then
    echo "== skipped"
    grep '^skip ' "$all"
fi
if [ "$failed" -gt 0 ]; then
    echo "== failed"
    grep '^FAIL ' "$all"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
