# Glia. `make` builds the program and the libraries; `make demo` tells a story; `make check` says whether the tree is
# sound. `make help` lists the rest.
#
# Sources are found by wildcard: a file put into a folder of src/ is part of the library (src/cli: of the
# program). A file named after an instruction set (X86_SRC, ARM_SRC) is built with its flags, on that processor alone.
#
# MODE picks the build, each in its own folder build/MODE: release, debug, asan (address and undefined behaviour),
# tsan (threads), hostile (asan with small buffers, poisoned memory and a scheduler that yields). The variables CC,
# CFLAGS, EXTRA_CFLAGS, PREFIX and DESTDIR are the usual ones; V=1 shows the commands.

PREFIX  ?= /usr/local
CC      ?= cc
MODE    ?= release
OUT     ?= build/$(MODE)
VERSION := $(shell sed -n 's/^.define GLIA_VERSION_STRING "\(.*\)"/\1/p' include/glia/status.h)
ABI     := 0

WARN    := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Wwrite-strings
CSTD    := -std=c17 -D_GNU_SOURCE -ffp-contract=off -fno-math-errno -fvisibility=hidden -fPIC -pthread
SANE    := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
ifeq ($(MODE),debug)
  CFLAGS := -O1 -g -DGLIA_DEBUG
else ifeq ($(MODE),asan)
  CFLAGS := -O1 -g -DGLIA_DEBUG $(SANE)
else ifeq ($(MODE),tsan)
  CFLAGS := -O1 -g -DGLIA_DEBUG -fsanitize=thread
else ifeq ($(MODE),hostile)
  CFLAGS := -O1 -g -DGLIA_DEBUG -DGLIA_HOSTILE $(SANE)
else
  CFLAGS ?= -O2 -g
endif
ALL_CFLAGS = $(CSTD) $(WARN) $(CFLAGS) -Iinclude -Isrc $(EXTRA_CFLAGS)
LIBS       := -pthread -lm

# Lines typed for `glia chat` are edited with libedit where it is there; LIBEDIT= builds without it.
LIBEDIT ?= $(shell printf '\043include <stdio.h>\n\043include <editline/readline.h>\nint main(void) { return !readline(""); }\n' | \
                $(CC) -x c - -ledit -o /dev/null 2>/dev/null && echo -ledit)

# The target's processor, which is not this machine's when CC is a cross compiler.
ARCH := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
LIB_SRC := $(filter-out src/cli/%,$(shell find src -name '*.c' | LC_ALL=C sort))
X86_SRC   := %_avx2.c %_avxvnni.c %_avx512.c %_avx512vnni.c %_amx.c
ARM_SRC   := %_neon.c %_dotprod.c %_i8mm.c
LIB_SRC   := $(filter-out $(if $(filter x86_64,$(ARCH)),,$(X86_SRC)) $(if $(filter aarch64,$(ARCH)),,$(ARM_SRC)),$(LIB_SRC))
CLI_SRC   := $(sort $(wildcard src/cli/*.c))
LIB_OBJ   := $(LIB_SRC:%.c=$(OUT)/%.o)
CLI_OBJ   := $(CLI_SRC:%.c=$(OUT)/%.o)
TESTS     := $(patsubst tests/%.c,$(OUT)/tests/%,$(sort $(wildcard tests/test_*.c)))
FUZZERS   := $(patsubst tests/%.c,$(OUT)/tests/%,$(sort $(wildcard tests/fuzz_*.c)))
BENCHES   := $(patsubst bench/%.c,$(OUT)/bench/%,$(sort $(wildcard bench/bench_*.c)))
TOOLS     := $(patsubst tools/%.c,$(OUT)/tools/%,$(sort $(wildcard tools/*.c)))
EXAMPLES  := $(patsubst examples/%.c,$(OUT)/examples/%,$(sort $(wildcard examples/*.c)))

Q   := $(if $(V),,@)
say  = $(if $(V),,@printf '  %-5s %s\n' $(1) $@)

.PHONY: all lib tests fuzzers benches examples tools help demo check fuzz campaign bench tidy format format-check install \
        uninstall clean
all: glia libglia.a libglia.so
lib: $(OUT)/libglia.a $(OUT)/libglia.so
tests: $(TESTS)
fuzzers: $(FUZZERS)
benches: $(BENCHES)
examples: $(EXAMPLES)
tools: $(TOOLS)

help:
	@echo 'make              glia, libglia.a, libglia.so'
	@echo 'make demo         installs what is missing, builds, and tells a story'
	@echo 'make check        every test; the last line is "N passed, N failed, N skipped"'
	@echo 'make tests        the test programs of MODE; tools/run_tests.sh MODE runs them'
	@echo 'make fuzz         FUZZ_RUNS runs of each fuzz target, under ASan and UBSan'
	@echo 'make campaign     the long form: CAMPAIGN_MINUTES of fuzzing per target, all tests in all builds'
	@echo 'make bench        the benchmarks of bench/ on BENCH_MODEL'
	@echo 'make wheel        the Python package as a wheel in WHEEL_DIR (dist);  make check-python: its tests, installed'
	@echo 'make install      into PREFIX (/usr/local), below DESTDIR;  make uninstall'
	@echo 'make format       clang-format over src, include, tests, bench, examples;  make format-check'
	@echo 'make tidy         clang-tidy with .clang-tidy'
	@echo 'make clean        removes build/ and what lies here from it'
	@echo 'MODE=release|debug|asan|tsan|hostile  CC=  CFLAGS=  EXTRA_CFLAGS=  V=1'

glia: $(OUT)/glia
libglia.a: $(OUT)/libglia.a
libglia.so: $(OUT)/libglia.so
glia libglia.a libglia.so:
	$(Q)cp -f $< $@

# Objects made with other flags are not kept: this file changes when the compiler or its flags do.
FLAGS_NOW := $(CC) $(ALL_CFLAGS)
$(OUT)/flags: force
	$(Q)mkdir -p $(@D)
	$(Q)echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' >$@
.PHONY: force
force:

$(OUT)/libglia.a: $(LIB_OBJ)
	$(call say,AR)
	$(Q)rm -f $@
	$(Q)ar rcs $@ $(LIB_OBJ)
$(OUT)/libglia.so: $(LIB_OBJ)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -shared -Wl,-soname,libglia.so.$(ABI) $(if $(findstring sanitize,$(CFLAGS)),,-Wl$(,)-z$(,)defs) \
	    -o $@ $(LIB_OBJ) $(LIBS)
$(OUT)/glia: $(CLI_OBJ) $(OUT)/libglia.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(CLI_OBJ) $(OUT)/libglia.a $(LIBS) $(LIBEDIT)
, := ,

$(OUT)/%_avx2.o: ISA := -mavx2 -mfma -mf16c
$(OUT)/%_avxvnni.o: ISA := -mavx2 -mfma -mf16c -mavxvnni
$(OUT)/%_avx512.o: ISA := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c
$(OUT)/%_avx512vnni.o: ISA := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mfma -mf16c
$(OUT)/%_amx.o: ISA := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mfma -mf16c -mamx-tile -mamx-int8 -mamx-bf16
$(OUT)/%_dotprod.o: ISA := -march=armv8.2-a+dotprod
$(OUT)/%_i8mm.o: ISA := -march=armv8.2-a+dotprod+i8mm
$(OUT)/src/cli/chat_line.o: ISA = $(if $(LIBEDIT),-DGLIA_LIBEDIT)
# What a debugger would know of every inlined step took a third of the time to compile these, or nearly all of it.
KERNELS := $(OUT)/src/provider/cpu/kernels_%.o $(OUT)/src/provider/cpu/linear_%.o $(OUT)/src/provider/cpu/conv_%.o
$(KERNELS): ISA += $(KERNEL_FLAGS)
KERNEL_FLAGS = $(if $(findstring clang,$(CC)),,-fno-var-tracking) -g1
# They take minutes with a sanitizer's checks in line: there these are calls.
ifneq ($(findstring sanitize=address,$(CFLAGS)),)
KERNEL_FLAGS = $(if $(findstring clang,$(CC)),,-fno-var-tracking-assignments --param asan-instrumentation-with-call-threshold=0)
endif
$(OUT)/src/%.o: src/%.c $(OUT)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) $(ISA) -MMD -MP -c $< -o $@

# Tests, benchmarks and examples are one file each, linked with the static library.
$(OUT)/tests/fuzz_%: INCLUDES := -Itests -DGLIA_FUZZ_MAIN
$(OUT)/tests/test_%: INCLUDES := -Itests
$(OUT)/%: %.c $(OUT)/libglia.a $(OUT)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) $(INCLUDES) $(LDFLAGS) -MMD -MP -MF $@.d $< $(OUT)/libglia.a -o $@ $(LIBS)

# -- what people run ---------------------------------------------------------------------------------------------

DEMO_MODEL  ?= models/demo-stories.gguf
DEMO_PROMPT ?= Once upon a time
demo:
	@tools/install_deps.sh build
	@$(MAKE) --no-print-directory -j"$$(nproc)" glia
	@echo
	./glia run $(DEMO_MODEL) -p "$(DEMO_PROMPT)" -n 250 --temp 0
	@echo

check:
	@tools/check.sh

FUZZ_RUNS ?= 100000
fuzz:
	@$(MAKE) --no-print-directory -j"$$(nproc)" MODE=asan fuzzers
	@for t in $(notdir $(FUZZERS)); do build/asan/tests/$$t -n $(FUZZ_RUNS) -s "$${FUZZ_SEED:-1}" || exit 1; done

CAMPAIGN_MINUTES ?= 10
campaign:
	@CAMPAIGN_MINUTES=$(CAMPAIGN_MINUTES) tools/campaign.sh

BENCH_MODEL ?= $(DEMO_MODEL)
bench: glia benches
	@tools/bench.sh $(OUT) $(BENCH_MODEL)

C_FILES = $(shell find src include tests bench examples tools -name '*.[ch]' | LC_ALL=C sort)
format:
	clang-format -i $(C_FILES)
format-check:
	clang-format --dry-run -Werror $(C_FILES)
tidy:
	@echo $(LIB_SRC) $(CLI_SRC) | tr ' ' '\n' | grep -v -e _avx -e _amx | xargs -P "$$(nproc)" -n 8 sh -c \
	    'clang-tidy --quiet --warnings-as-errors="*" "$$@" -- $(CSTD) -Iinclude -Isrc' sh

# -- installing --------------------------------------------------------------------------------------------------

BIN_DIR = $(DESTDIR)$(PREFIX)/bin
LIB_DIR = $(DESTDIR)$(PREFIX)/lib
INC_DIR = $(DESTDIR)$(PREFIX)/include/glia
MAN_DIR = $(DESTDIR)$(PREFIX)/share/man/man1
BASH_DIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSH_DIR  = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISH_DIR = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

install: all
	install -d $(BIN_DIR) $(LIB_DIR)/pkgconfig $(INC_DIR) $(MAN_DIR) $(BASH_DIR) $(ZSH_DIR) $(FISH_DIR)
	install -m 755 glia $(BIN_DIR)/glia
	install -m 644 libglia.a $(LIB_DIR)/libglia.a
	install -m 755 libglia.so $(LIB_DIR)/libglia.so.$(VERSION)
	ln -sf libglia.so.$(VERSION) $(LIB_DIR)/libglia.so.$(ABI)
	ln -sf libglia.so.$(ABI) $(LIB_DIR)/libglia.so
	install -m 644 include/glia/*.h $(INC_DIR)
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' glia.pc.in >$(LIB_DIR)/pkgconfig/glia.pc
	./glia --man >$(MAN_DIR)/glia.1
	./glia --completion bash >$(BASH_DIR)/glia
	./glia --completion zsh >$(ZSH_DIR)/_glia
	./glia --completion fish >$(FISH_DIR)/glia.fish

uninstall:
	rm -f $(BIN_DIR)/glia $(LIB_DIR)/libglia.a $(LIB_DIR)/libglia.so $(LIB_DIR)/libglia.so.$(ABI) \
	    $(LIB_DIR)/libglia.so.$(VERSION) $(LIB_DIR)/pkgconfig/glia.pc $(MAN_DIR)/glia.1 $(BASH_DIR)/glia \
	    $(ZSH_DIR)/_glia $(FISH_DIR)/glia.fish
	rm -rf $(INC_DIR)

clean:
	rm -rf build glia libglia.a libglia.so

# -- Python ------------------------------------------------------------------------------------------------------

PYTHON ?= python3
WHEEL_DIR ?= dist
wheel: $(OUT)/libglia.so
	@mkdir -p $(OUT)/wheel
	@strip --strip-unneeded -o $(OUT)/wheel/libglia.so $<
	@$(PYTHON) bindings/python/wheel_of_library.py $(WHEEL_DIR) $(OUT)/wheel/libglia.so
check-python: $(OUT)/libglia.so
	@$(if $(filter file,$(origin PYTHON)),,PYTHON=$(PYTHON)) tools/check_python.sh $<
.PHONY: wheel check-python

-include $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(addsuffix .d,$(TESTS) $(FUZZERS) $(BENCHES) $(EXAMPLES) $(TOOLS))
