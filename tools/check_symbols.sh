#!/bin/sh
# What the built library says about itself: it exports glia_* only, keeps no mutable object, and calls
# nothing that would end the process, print, or read the environment.
#
# usage: tools/check_symbols.sh [FOLDER]     FOLDER: build/release, with libglia.so and src/**/*.o
set -u
cd "$(dirname "$0")/.." || exit 2
out=${1:-build/release}
faults=0

fault() {
    echo "$1"
    faults=$((faults + 1))
}

# An over-long name list on one line each, matched whole.
never='abort exit _exit _Exit quick_exit at_quick_exit atexit __assert_fail getenv secure_getenv setenv putenv
puts printf fprintf vprintf vfprintf dprintf vdprintf putchar putc fputs fputc fwrite perror fflush stdout stderr
__printf_chk __fprintf_chk __vprintf_chk __vfprintf_chk __dprintf_chk
signal sigaction raise setlocale system popen fork execve rand srand random srandom setjmp longjmp _setjmp
exp expf exp2 exp2f exp10 exp10f expm1 expm1f log logf log2 log2f log10 log10f log1p log1pf sin sinf cos cosf tan
tanf sincos sincosf asin acos atan atan2 sinh cosh tanh tanhf erf erff erfc erfcf pow powf cbrt cbrtf tgamma lgamma
strtod strtof strtold atof __isoc99_sscanf sscanf strtok'
# The system is called from the os table alone.
system='malloc calloc realloc free posix_memalign aligned_alloc memalign mmap munmap mprotect madvise open open64 openat
creat fopen fopen64 fread read pread pread64 pwrite pwrite64 unlink rename pthread_create pthread_join syscall
clock_gettime gettimeofday time sysconf sched_getaffinity'

objects=$(find "$out/src" -name '*.o' ! -path "$out/src/cli/*" 2>/dev/null | LC_ALL=C sort)
[ -n "$objects" ] || { echo "no objects under $out/src: build the library first"; exit 2; }

pattern() { printf '%s\n' $1 | sed 's/.*/^&$/'; }
pattern "$never" >"${TMPDIR:-/tmp}/glia_never.$$"
pattern "$system" >"${TMPDIR:-/tmp}/glia_system.$$"
trap 'rm -f "${TMPDIR:-/tmp}/glia_never.$$" "${TMPDIR:-/tmp}/glia_system.$$"' EXIT

for o in $objects; do
    # .data.rel.ro holds constants with addresses in them; every other .data*, .bss* and thread-local is mutable.
    for s in $(readelf -SW "$o" | sed 's/^ *\[ *[0-9]*\] *//' |
        awk '$1 ~ /^\.(data|bss|tdata|tbss)/ && $1 !~ /^\.data\.rel\.ro/ && $5 !~ /^0+$/ { print $1 }'); do
        fault "$o: $s is not empty"
    done
    for s in $(nm -u "$o" | awk '{ print $NF }' | sed 's/@.*//' | grep -f "${TMPDIR:-/tmp}/glia_never.$$"); do
        fault "$o: refers to $s"
    done
    case $o in
    */src/base/os_posix.o | */src/base/cpu.o) continue ;;
    esac
    for s in $(nm -u "$o" | awk '{ print $NF }' | sed 's/@.*//' | grep -f "${TMPDIR:-/tmp}/glia_system.$$"); do
        fault "$o: calls $s, past the os table"
    done
done

if [ -f "$out/libglia.so" ]; then
    for s in $(nm -D --defined-only "$out/libglia.so" | awk '{ print $NF }' | grep -v '^glia_'); do
        fault "$out/libglia.so: exports $s"
    done
    exported=$(nm -D --defined-only "$out/libglia.so" | grep -c ' glia_')
else
    fault "$out/libglia.so is not there"
    exported=0
fi
echo "symbols: $(printf '%s\n' "$objects" | wc -l) objects, $exported exported functions, $faults faults"
[ "$faults" -eq 0 ]
