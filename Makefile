# ward. `make help` lists the targets; README.md says what they are for.

VERSION := 0.1.0
PREFIX  ?= /usr/local
DESTDIR ?=
SCRIPT  ?= scripts/run-demo.lua
TESTS   ?=

# A variant lives in a directory of its own and is run in place:
#	make BUILD=build/asan SANITIZE=address,undefined CC=clang
BUILD ?= build
# The programs that tests start are never sanitized, so all variants share them.
HELPERS ?= build/tests

ifeq ($(origin CC),default)
CC := gcc
endif

BUILD_DEPS := gcc make pkg-config libc6-dev libuv1-dev liblua5.4-dev libseccomp-dev libcap-dev \
	      libcurl4-openssl-dev lua-cjson lua-argparse
BENCH_DEPS := bubblewrap
LINT_DEPS  := lua-check clang-format
TEST_DEPS  := lua5.4 lua-busted lua-filesystem lua-readline binutils libcap2-bin mandoc python3 strace nginx-light \
	      valgrind redis-server redis-tools openssl

# Flags ------------------------------------------------------------------------------------------

CFLAGS   ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wundef -Wconversion -Wmissing-prototypes -Wstrict-prototypes \
	    -Wwrite-strings -Wvla $(if $(WERROR),-Werror)
HARDEN   := -fstack-protector-strong -D_FORTIFY_SOURCE=2
SANITIZED := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer

# pkg-config is asked once, when something is first compiled: `make deps` may be what installs it.
# libcurl is not linked but loaded when it is first needed (core/loop/http.h).
PKGS        := lua5.4 libuv libseccomp libcap
HEADER_PKGS := $(PKGS) libcurl
PKG_CFLAGS   = $(eval PKG_CFLAGS := $$(patsubst -I%,-isystem %,$$(shell pkg-config --cflags $(HEADER_PKGS))))$(PKG_CFLAGS)
PKG_LIBS     = $(eval PKG_LIBS := $$(shell pkg-config --libs $(PKGS)))$(PKG_LIBS)

BASE_FLAGS = -std=c11 -D_GNU_SOURCE $(WARNINGS) $(CFLAGS)
ALL_CFLAGS = $(BASE_FLAGS) -fPIE $(if $(SANITIZE),$(SANITIZED),$(HARDEN)) -iquote core $(PKG_CFLAGS) \
	     -DWARD_VERSION='"$(VERSION)"' -DWARD_SHARE='"$(PREFIX)/share/ward"'
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS)

# The clone child runs in the parent's memory: no stack canary, no sanitizer, no fortified libc call
# may be woven into it. tests/style looks at the symbols that are left.
CHILD_CFLAGS := -ffreestanding -fno-stack-protector -fno-sanitize=all -U_FORTIFY_SOURCE

# Build ------------------------------------------------------------------------------------------

OBJ      := $(BUILD)/obj
LIB_OBJS := $(patsubst %.c,$(OBJ)/%.o,$(wildcard core/*/*.c))
C_TESTS  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/*/*_test.c tests/*/*/*_test.c))
BENCHES  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*_bench.c))

.PHONY: all
all: $(BUILD)/ward ## build build/ward (the default)

$(BUILD)/ward: $(OBJ)/core/main.o $(LIB_OBJS)
	@echo "  LD  $@"
	@$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

# Tests and benchmarks take from here the objects that they need.
$(BUILD)/libward.a: $(LIB_OBJS)
	@rm -f $@ && $(AR) rcs $@ $^

$(C_TESTS) $(BENCHES): $(BUILD)/%: $(OBJ)/%.o $(BUILD)/libward.a
	@echo "  LD  $@"
	@mkdir -p $(@D)
	@$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

# The init of pid namespaces: a program of its own, which ward carries as bytes.
INIT := $(OBJ)/core/spawn/init/init
INIT_CFLAGS = $(BASE_FLAGS) -Os -fno-pie -fno-asynchronous-unwind-tables $(CHILD_CFLAGS) -iquote core
INIT_LDFLAGS := -nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,noseparate-code -Wl,-s

$(INIT): core/spawn/init/init.c $(BUILD)/flags
	@echo "  CC  $<"
	@mkdir -p $(@D)
	@$(CC) $(INIT_CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(INIT_LDFLAGS)

$(BUILD)/gen/spawn/init_image.h: $(INIT)
	@mkdir -p $(@D)
	@{ echo 'static const unsigned char ward_init_image[] = {'; \
	   od -An -v -tx1 $< | sed 's/ \(..\)/0x\1,/g'; echo '};'; } >$@

$(OBJ)/core/spawn/init.o: $(BUILD)/gen/spawn/init_image.h
$(OBJ)/core/spawn/init.o: private ALL_CFLAGS += -iquote $(BUILD)/gen

$(OBJ)/core/spawn/child_noheap.o: private ALL_CFLAGS += $(CHILD_CFLAGS)
$(OBJ)/tests/%.o: private ALL_CFLAGS += -I.

$(OBJ)/%.o: %.c $(BUILD)/flags
	@echo "  CC  $<"
	@mkdir -p $(@D)
	@$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Other flags than last time: everything is built again.
$(BUILD)/flags: FORCE
	@pkg-config --exists $(HEADER_PKGS) 2>/dev/null || \
		{ echo "ward: development packages are missing, run 'make deps'" >&2; exit 1; }
	@mkdir -p $(@D)
	@echo "$(CC) $(subst ",\",$(ALL_CFLAGS)) $(ALL_LDFLAGS)" | cmp -s - $@ || \
		echo "$(CC) $(subst ",\",$(ALL_CFLAGS)) $(ALL_LDFLAGS)" >$@

.PHONY: FORCE
FORCE:

# What tests start or load: see the head of each file. Static where it must run in an empty root.
HELPER_FLAGS = $(BASE_FLAGS) -MMD -MP -MF $@.d -o $@ $<

.PHONY: helpers
helpers: $(HELPERS)/probe $(HELPERS)/attack $(HELPERS)/tiny $(HELPERS)/verdict $(HELPERS)/trusted $(HELPERS)/wardtest.so

$(HELPERS)/probe $(HELPERS)/attack: $(HELPERS)/%: tests/helpers/%.c | $(HELPERS)/.
	@echo "  CC  $<"
	@$(CC) $(HELPER_FLAGS) -static

$(HELPERS)/tiny: tests/helpers/tiny.c | $(HELPERS)/.
	@echo "  CC  $<"
	@$(CC) $(HELPER_FLAGS) -iquote core -ffreestanding -fno-stack-protector -nostdlib -static

$(HELPERS)/verdict $(HELPERS)/trusted: $(HELPERS)/%: tests/helpers/%.c $(BUILD)/libward.a | $(HELPERS)/.
	@echo "  CC  $<"
	@$(CC) $(HELPER_FLAGS) -iquote core $(PKG_CFLAGS) $(if $(SANITIZE),$(SANITIZED)) $(BUILD)/libward.a $(PKG_LIBS)

$(HELPERS)/wardtest.so: tests/helpers/wardtest.c | $(HELPERS)/.
	@echo "  CC  $<"
	@$(CC) $(HELPER_FLAGS) $(PKG_CFLAGS) -fPIC -shared

$(HELPERS)/.:
	@mkdir -p $@

-include $(shell test -d $(BUILD) && find $(BUILD) $(HELPERS) -name '*.d' 2>/dev/null)

# Use --------------------------------------------------------------------------------------------

.PHONY: deps
deps: ## install the Debian packages that building and running need
	@.ci/deps $(BUILD_DEPS)

.PHONY: run
run: deps ## set up, build, run SCRIPT=scripts/run-demo.lua in the foreground
	@$(MAKE) --no-print-directory all
	@unset MAKEFLAGS MFLAGS MAKELEVEL; exec $(BUILD)/ward run $(SCRIPT)

.PHONY: test
test: ## set up, build, run all tests (or those in TESTS="PATH...")
	@.ci/deps $(BUILD_DEPS) $(TEST_DEPS)
	@$(MAKE) --no-print-directory all helpers c-tests
	@unset MAKEFLAGS MFLAGS MAKELEVEL; BUILD=$(BUILD) exec tests/run $(TESTS)

.PHONY: c-tests
c-tests: $(C_TESTS)

.PHONY: sim
sim: ## play N=100000 random histories of the engine from SEED=1 on; SEED=n alone is made small when it fails
	@lua5.4 tests/sim/run.lua $(if $(N),$(N) $(SEED),$(if $(SEED),seed $(SEED),100000))

.PHONY: soak
soak: ## reload N=3000 times under timers, tasks and dying children; spawn ROUNDS=100000 children; takes minutes
	@.ci/deps $(BUILD_DEPS) $(TEST_DEPS)
	@$(MAKE) --no-print-directory all helpers
	@unset MAKEFLAGS MFLAGS MAKELEVEL; BUILD=$(BUILD) WARD_RELOADS=$(or $(N),3000) WARD_ROUNDS=$(or $(ROUNDS),100000) \
		WARD_TEST_TIMEOUT=7200 exec tests/run tests/lua/run/reload_soak_spec.lua tests/lua/run/spawn_soak_spec.lua

.PHONY: bench
bench: deps ## build and run the benchmarks
	@$(MAKE) --no-print-directory all helpers c-benches
	@$(BUILD)/tests/bench/spawn_bench
	@.ci/deps $(BENCH_DEPS)
	@$(BUILD)/tests/bench/sandbox_bench
	@WARD_BIN=$(BUILD)/ward $(BUILD)/tests/bench/restart_bench
	@WARD_BIN=$(BUILD)/ward $(BUILD)/tests/bench/hook_bench
	@lua5.4 tests/bench/engine_bench.lua
	@$(HELPERS)/trusted tests/bench/journal_bench.lua
	@WARD_BIN=$(BUILD)/ward lua5.4 tests/bench/reload_bench.lua

.PHONY: c-benches
c-benches: $(BENCHES)

.PHONY: lint
lint: ## luacheck and clang-format over the source
	@.ci/deps $(LINT_DEPS)
	@luacheck --quiet --no-color $(wildcard lua scripts tests core/man) tests/run .busted .luacheckrc
	@find core tests -name '*.[ch]' -exec clang-format --dry-run -Werror {} +

.PHONY: man
man: ## make core/man/ward-lua.7 again from lua/ward/meta
	@lua5.4 core/man/reference.lua lua/ward/meta >core/man/ward-lua.7.new
	@mv core/man/ward-lua.7.new core/man/ward-lua.7

.PHONY: install
install: all ## install under PREFIX=/usr/local (and DESTDIR=)
	install -D -m 755 $(BUILD)/ward "$(DESTDIR)$(PREFIX)/bin/ward"
	@rm -rf "$(DESTDIR)$(PREFIX)/share/ward"
	install -D -m 644 core/man/ward.1 "$(DESTDIR)$(PREFIX)/share/man/man1/ward.1"
	install -D -m 644 core/man/ward-lua.7 "$(DESTDIR)$(PREFIX)/share/man/man7/ward-lua.7"
	find lua scripts -name '*.lua' -exec install -D -m 644 {} "$(DESTDIR)$(PREFIX)/share/ward/{}" \;

.PHONY: uninstall
uninstall: ## remove what install put there
	rm -f "$(DESTDIR)$(PREFIX)/bin/ward"
	rm -f "$(DESTDIR)$(PREFIX)/share/man/man1/ward.1" "$(DESTDIR)$(PREFIX)/share/man/man7/ward-lua.7"
	rm -rf "$(DESTDIR)$(PREFIX)/share/ward"

.PHONY: clean
clean: ## remove build/
	rm -rf build

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
