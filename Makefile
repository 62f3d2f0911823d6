# Glia. `make` builds the program and the libraries; `make check` runs every test; `make demo` tells a story.
#
# Sources are found by wildcard: a file put into a folder of src/ is part of the library (src/cli: of the
# program). A file named *_avx2.c, *_avx512.c or *_avx512vnni.c is built with that instruction set's flags.

PREFIX  ?= /usr/local
CC      ?= cc
MODE    ?= release
OUT     ?= build/$(MODE)
VERSION := 0.1.0
ABI     := 0

WARN    := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Wwrite-strings
CSTD    := -std=c17 -D_GNU_SOURCE -ffp-contract=off -fno-math-errno -fvisibility=hidden -fPIC -pthread
CFLAGS  ?= -O2 -g
ifeq ($(MODE),debug)
  CFLAGS := -O1 -g -DGLIA_DEBUG
endif
ifeq ($(MODE),asan)
  CFLAGS := -O1 -g -DGLIA_DEBUG -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
ifeq ($(MODE),tsan)
  CFLAGS := -O1 -g -DGLIA_DEBUG -fsanitize=thread
endif
ifeq ($(MODE),hostile)
  CFLAGS := -O1 -g -DGLIA_DEBUG -DGLIA_HOSTILE -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
ALL_CFLAGS := $(CSTD) $(WARN) $(CFLAGS) -Iinclude -Isrc $(EXTRA_CFLAGS)

ARCH := $(shell uname -m)
LIB_SRC := $(filter-out src/cli/%,$(shell find src -name '*.c' | LC_ALL=C sort))
ifneq ($(ARCH),x86_64)
  LIB_SRC := $(filter-out %_avx2.c %_avx512.c %_avx512vnni.c,$(LIB_SRC))
endif
CLI_SRC := $(wildcard src/cli/*.c)
TEST_SRC := $(wildcard tests/test_*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(OUT)/%.o)
CLI_OBJ := $(CLI_SRC:%.c=$(OUT)/%.o)
TESTS   := $(TEST_SRC:tests/%.c=$(OUT)/tests/%)

.PHONY: all lib tests clean
all: glia libglia.a libglia.so

glia: $(OUT)/glia
	cp -f $< $@
libglia.a: $(OUT)/libglia.a
	cp -f $< $@
libglia.so: $(OUT)/libglia.so
	cp -f $< $@

$(OUT)/libglia.a: $(LIB_OBJ)
	@rm -f $@; ar rcs $@ $^
$(OUT)/libglia.so: $(LIB_OBJ)
	$(CC) $(ALL_CFLAGS) -shared -Wl,-soname,libglia.so.$(ABI) -Wl,-z,defs -o $@ $^ -pthread -lm
$(OUT)/glia: $(CLI_OBJ) $(OUT)/libglia.a
	$(CC) $(ALL_CFLAGS) -o $@ $^ -pthread -lm

$(OUT)/%_avx2.o: ISA := -mavx2 -mfma -mf16c
$(OUT)/%_avx512.o: ISA := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c
$(OUT)/%_avx512vnni.o: ISA := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mfma -mf16c
$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ISA) -MMD -MP -c $< -o $@

tests: $(TESTS)
$(OUT)/tests/%: tests/%.c $(OUT)/libglia.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Itests -MMD -MP $< $(OUT)/libglia.a -o $@ -pthread -lm

clean:
	rm -rf build glia libglia.a libglia.so

-include $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(TESTS:=.d)
