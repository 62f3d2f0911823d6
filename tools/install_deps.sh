#!/bin/sh
# Installs what is missing, and only that, with apt-get.
#
#     tools/install_deps.sh build     what `make` needs: a C compiler, its library's headers, make
#     tools/install_deps.sh check     what `make check` needs besides: clang, clang-format, g++, python3 with numpy, spin,
#                                     and an aarch64 cross compiler with an emulator
#
# Needs root or a sudo that asks nothing. For `build`, what is missing and cannot be installed is a failure; for
# `check` it is a note, since the check lists what it skips.
set -u

group=${1:-build}

have() { command -v "$1" >/dev/null 2>&1; }

# A compiler without the C library's headers is no compiler.
compiles() {
    t=$(mktemp -d) || return 1
    printf '#include <stdio.h>\nint main(void) { return puts("") < 0; }\n' >"$t/a.c"
    # shellcheck disable=SC2086
    ${CC:-cc} "$t/a.c" -o "$t/a" -pthread -lm >/dev/null 2>&1
    status=$?
    rm -rf "$t"
    return "$status"
}

missing=''
need() { missing="$missing $1"; }

have make || need make
compiles || need 'gcc libc6-dev'
if [ "$group" = check ]; then
    have clang || need clang
    have clang-format || need clang-format
    have g++ || have c++ || need g++
    have python3 || need python3
    { [ -x /usr/bin/python3 ] && /usr/bin/python3 -c 'import numpy' 2>/dev/null; } || need python3-numpy
    have spin || need spin
    if [ "$(uname -m)" = x86_64 ]; then
        have aarch64-linux-gnu-gcc || need 'gcc-aarch64-linux-gnu libc6-dev-arm64-cross'
        have qemu-aarch64 || need qemu-user
    fi
fi
[ -n "$missing" ] || exit 0

as_root=''
if [ "$(id -u)" -ne 0 ]; then
    if have sudo && sudo -n true 2>/dev/null; then as_root='sudo -n'; else as_root=no; fi
fi
if ! have apt-get || [ "$as_root" = no ]; then
    echo "missing:$missing; install them with this system's package manager" >&2
    [ "$group" = check ]
    exit
fi

echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
install() { $as_root apt-get install -y -q --no-install-recommends "$@" >&2; }
# The package lists of a fresh machine may be empty or old: they are fetched when the first try fails. One package
# that this system does not have should not keep the others away.
# shellcheck disable=SC2086
if ! install $missing; then
    $as_root apt-get update -q >&2
    failed=''
    for package in $missing; do install "$package" || failed="$failed $package"; done
    if [ -n "$failed" ]; then
        echo "could not install:$failed" >&2
        [ "$group" = check ]
    fi
fi
