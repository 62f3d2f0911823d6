#!/usr/bin/env bash
# Says whether the tree is sound. `make check` runs it.
#
# Each test is one line, "ok NAME", "FAIL NAME" or "skip NAME: why"; then come the skipped and the failed ones again,
# and the last line is "N passed, N failed, N skipped". The exit status is 0 when nothing failed.
#
# usage: tools/check.sh [PART...]     PART: gcc clang tests asan tsan hostile fuzz tree cli install python (the wheel's
#        tests) (default: all of these), and, which take minutes more: aarch64 (the same logits, emulated), arm (its
#        kernel rows, emulated)
#
# FUZZ_RUNS: executions of each fuzz target (3000). GLIA_TEST_DATA: the folder of outside data; what needs it is
# skipped by name without it. Objects stay in build/, so a second run compiles only what has changed.
set -u
cd "$(dirname "$0")/.." || exit 2
results=$(mktemp) && log=$(mktemp) || exit 2
trap 'rm -f "$results" "$log"' EXIT
jobs=$(nproc)
parts=${*:-gcc clang tests asan tsan hostile fuzz tree cli install python}
# Programs whose threads are worth ThreadSanitizer's time.
thread_tests='test_session test_team test_lane'
# Flags of the builds that nobody debugs.
strict='-Werror -g0'
# Programs whose buffers and waits the hostile build makes small and odd; the others are in the build of asan alone.
hostile_tests='test_adapter test_base test_chat test_format test_format_split test_format_st test_graph test_grammar
    test_hostile test_pack test_plan test_sampler test_session test_session_draft test_session_random test_session_share
    test_session_snapshot test_template test_tok_json'
started=$SECONDS

ok() { echo "ok $1" | tee -a "$results"; }
fail() { echo "FAIL $1" | tee -a "$results"; }
skip() { echo "skip $1: $2" | tee -a "$results"; }
have() { command -v "$1" >/dev/null 2>&1; }
wants() { case " $parts " in *" $1 "*) return 0 ;; esac; return 1; }
part() { echo "== $1 ($((SECONDS - started)) s)"; }

# One test that is one command: its output is shown only when it fails.
check() {
    local name=$1
    shift
    if "$@" >"$log" 2>&1; then ok "$name"; else fail "$name"; tail -n 60 "$log"; fi
}

build() { # MODE OUT [make's arguments]: everything that can be compiled, so that one fault does not hide the others
    make --no-print-directory -k -j"$jobs" MODE="$1" OUT="$2" "${@:3}"
}

existing() { # of these test programs, those that have a source
    local t
    for t in "$@"; do [ -f "tests/$t.c" ] && echo "$t"; done
}

run_tests() { # NAME OUT MODE [TEST...]: a line per case into the results
    OUT=$2 TEST_RESULTS=$results TEST_LABEL=$1 tools/run_tests.sh "$3" "${@:4}" 2>&1
}

part_gcc() {
    check 'gcc: no warnings' build release build/gcc CC=gcc EXTRA_CFLAGS="$strict" lib tests fuzzers benches examples \
        build/gcc/glia
}

part_clang() {
    if ! have clang; then
        skip 'clang: no warnings' 'clang is not here and could not be installed'
        skip 'clang: tests of the bits' 'clang is not here and could not be installed'
        return
    fi
    check 'clang: no warnings' build release build/clang CC=clang EXTRA_CFLAGS="$strict" lib tests fuzzers benches \
        examples build/clang/glia
    # The bits do not depend on the compiler.
    # shellcheck disable=SC2046
    run_tests clang build/clang release $(existing test_fmath test_tensor test_kernels test_arch)
}

part_tests() { run_tests release build/gcc release; }

part_asan() {
    local source t
    set --
    check 'asan: builds' build asan build/asan CC=gcc EXTRA_CFLAGS=-Werror tests fuzzers build/asan/glia
    for source in tests/test_*.c; do # the hostile build runs its own under the same sanitizers
        t=$(basename "$source" .c)
        case " $(echo $hostile_tests) " in *" $t "*) wants hostile && continue ;; esac
        set -- "$@" "$t"
    done
    run_tests asan build/asan asan "$@"
}

part_tsan() {
    local t
    # shellcheck disable=SC2046,SC2086
    set -- $(existing $thread_tests)
    for t; do check "tsan: builds $t" build tsan build/tsan CC=gcc EXTRA_CFLAGS=-Wno-tsan "build/tsan/tests/$t"; done
    run_tests tsan build/tsan tsan "$@"
}

part_hostile() {
    local t
    # shellcheck disable=SC2046,SC2086
    set -- $(existing $hostile_tests)
    check 'hostile: builds' build hostile build/hostile CC=gcc EXTRA_CFLAGS=-Werror \
        $(for t; do echo "build/hostile/tests/$t"; done)
    run_tests hostile build/hostile hostile "$@"
}

part_fuzz() {
    local source t
    check 'fuzz: builds' build asan build/asan CC=gcc EXTRA_CFLAGS=-Werror fuzzers
    for source in tests/fuzz_*.c; do
        t=$(basename "$source" .c)
        check "fuzz: $t, ${FUZZ_RUNS:-3000} runs" timeout 300 "build/asan/tests/$t" -n "${FUZZ_RUNS:-3000}" -s 1
    done
}

public_header_alone() { # COMPILER STANDARD LANGUAGE HEADER
    echo "#include <glia/$4>" | "$1" -std="$2" -x "$3" -Wall -Wextra -Wpedantic -Werror -fsyntax-only -Iinclude -
}

part_tree() {
    local h
    check 'tree: includes go down the floors' python3 tools/check_floors.py
    check 'tree: the laws of style' python3 tools/check_laws.py
    check 'tree: exported symbols, no mutable objects, no abort, exit, getenv or printing' \
        tools/check_symbols.sh build/gcc
    if have clang-format; then
        check 'tree: format' make --no-print-directory format-check
    else
        skip 'tree: format' 'clang-format is not here and could not be installed'
    fi
    for h in include/glia/*.h; do
        h=$(basename "$h")
        check "tree: glia/$h alone in C17" public_header_alone gcc c17 c "$h"
        if have g++; then check "tree: glia/$h alone in C++" public_header_alone g++ c++11 c++ "$h"
        else skip "tree: glia/$h alone in C++" 'g++ is not here and could not be installed'; fi
    done
    check 'tree: docs/ops.md is what the sources say' ops_doc
    check 'tree: docs/onnx.md lists the operators of the sources' net_doc
    check "tree: the README's program is examples/story.c" readme_program
    script meeting tools/check_meeting.sh
}

# docs/ops.md is printed from the descriptors.
ops_doc() {
    build release build/gcc CC=gcc EXTRA_CFLAGS="$strict" build/gcc/tools/make_ops_doc &&
        build/gcc/tools/make_ops_doc | diff -u docs/ops.md -
}

# The list of operators in docs/onnx.md is printed from the tables of src/net.
net_doc() {
    build release build/gcc CC=gcc EXTRA_CFLAGS="$strict" build/gcc/tools/make_net_doc &&
        build/gcc/tools/make_net_doc docs/onnx.md | diff -u docs/onnx.md -
}

# Runs a script that prints lines as the test programs do.
script() { # NAME COMMAND...
    local lines=$results.script status
    timeout 900 "${@:2}" 2>"$log" | tee "$lines"
    status=${PIPESTATUS[0]}
    grep -E '^(ok|FAIL|skip) ' "$lines" >>"$results"
    if [ "$status" -ne 0 ]; then
        tail -n 40 "$log"
        grep -q '^FAIL ' "$lines" || fail "$1: ended with status $status"
    fi
    rm -f "$lines"
}

# shellcheck disable=SC2016
readme_program() {
    sed -n '/^```c$/,/^```$/p' README.md | sed '1d;$d' | diff -u - <(sed -n '/^#include/,$p' examples/story.c)
}

part_cli() {
    check 'cli: builds' build release build/gcc CC=gcc EXTRA_CFLAGS="$strict" build/gcc/glia
    CC=gcc script cli bash tests/test_cli.sh build/gcc/glia
    check 'demo: a story from the prompt' demo
}

demo() {
    build/gcc/glia run models/demo-stories.gguf -p 'Once upon a time' -n 60 --temp 0 | grep '^ *Once upon a time.*[a-z]'
}

# Another processor, emulated: its kernels against the references, and the same bits as here.
same_logits() { # MODEL
    local other=build/aarch64/glia here=build/gcc/glia to
    to=$(mktemp -d) || return 1
    $emulator $other logits "$1" --ids 1,5,9,20,33,7 -o "$to/a.npy" &&
        $here logits "$1" --ids 1,5,9,20,33,7 -o "$to/b.npy" &&
        cmp "$to/a.npy" "$to/b.npy"
    set -- $?
    rm -rf "$to"
    return "$1"
}

part_aarch64() {
    local emulator='' type tiny
    if [ "$(uname -m)" != aarch64 ]; then
        if ! have aarch64-linux-gnu-gcc || ! have qemu-aarch64; then
            skip 'aarch64: the same logits' 'there is no cross compiler or no emulator, and they could not be installed'
            return
        fi
        emulator=qemu-aarch64
    fi
    check 'aarch64: no warnings' build release build/aarch64 \
        CC="${emulator:+aarch64-linux-gnu-}gcc" EXTRA_CFLAGS="$strict" \
        LDFLAGS=-static build/aarch64/glia
    check 'aarch64: the same logits, demo-stories' same_logits models/demo-stories.gguf
    tiny=$(mktemp -d) || return
    for type in F32 F16 Q8_0 Q4_0; do
        build/gcc/glia synth --shape tiny --type $type "$tiny/$type.gguf" >/dev/null
        check "aarch64: the same logits, $type" same_logits "$tiny/$type.gguf"
    done
    rm -rf "$tiny"
}

part_arm() {
    local emulator=''
    [ "$(uname -m)" = aarch64 ] || emulator=qemu-aarch64
    check 'arm: builds' build release build/aarch64 CC="${emulator:+aarch64-linux-gnu-}gcc" EXTRA_CFLAGS="$strict" \
        LDFLAGS=-static build/aarch64/tests/test_kernels
    EMULATOR=$emulator run_tests arm build/aarch64 release test_kernels
}

# A program outside the tree, built from what was installed alone.
installed_program() {
    local to=$1
    make --no-print-directory OUT=build/gcc CC=gcc EXTRA_CFLAGS="$strict" PREFIX="$to" install || return 1
    printf '#include <glia/glia.h>\n#include <stdio.h>\nint main(void) { return puts(glia_version()) < 0; }\n' \
        >"$to/a.c"
    gcc -std=c17 "$to/a.c" -I"$to/include" -L"$to/lib" -lglia -Wl,-rpath,"$to/lib" -o "$to/a" && "$to/a" &&
        gcc -std=c17 "$to/a.c" -I"$to/include" "$to/lib/libglia.a" -pthread -lm -o "$to/b" && "$to/b" &&
        "$to/bin/glia" --version && test -s "$to/share/man/man1/glia.1" && test -s "$to/lib/pkgconfig/glia.pc" &&
        make --no-print-directory OUT=build/gcc CC=gcc EXTRA_CFLAGS="$strict" PREFIX="$to" uninstall &&
        test ! -e "$to/bin/glia" && test ! -e "$to/lib/libglia.so"
}

part_install() {
    local to
    to=$(mktemp -d) || return
    check 'install: a program builds from what is installed' installed_program "$to"
    rm -rf "$to"
}

# The package as it is installed; PYTHON names an interpreter that has NumPy, and PyTorch for what needs it.
part_python() {
    check 'python: builds' build release build/gcc CC=gcc EXTRA_CFLAGS="$strict" build/gcc/libglia.so
    script python tools/check_python.sh build/gcc/libglia.so
}

tools/install_deps.sh check
for p in $parts; do
    part "$p"
    "part_$p"
done

passed=$(grep -c '^ok ' "$results")
failed=$(grep -c '^FAIL ' "$results")
skipped=$(grep -c '^skip ' "$results")
if [ "$skipped" -gt 0 ]; then
    echo '== skipped'
    grep '^skip ' "$results"
fi
if [ "$failed" -gt 0 ]; then
    echo '== failed'
    grep '^FAIL ' "$results"
fi
echo "== $((SECONDS - started)) seconds"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
