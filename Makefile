# SPDX-License-Identifier: GPL-2.0-only
#
# `make help` lists the targets. `make run` and `make test` are all that a
# newcomer needs; everything is built into build/. V=1 shows the commands.

.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash
# bpftool and mkfs live there, where a user of Debian does not look.
export PATH := $(PATH):/usr/sbin:/sbin
.DEFAULT_GOAL := all

B := build
CC := gcc
HOSTCC := $(CC)
# CROSS=arm64: everything for that architecture, into build/arm64 (docs/operations.md).
ifdef CROSS
CROSS_arm64 := aarch64-linux-gnu-
ifndef CROSS_COMPILE
CROSS_COMPILE := $(or $(CROSS_$(CROSS)),$(error CROSS=$(CROSS): only arm64 is known))
endif
ifndef SYSROOT
SYSROOT := $(shell tests/vm/fetch.sh sysroot $(CROSS))
endif
ifeq ($(SYSROOT),)
$(error CROSS=$(CROSS): no SYSROOT with the libraries of that architecture)
endif
B := build/$(CROSS)
CC := $(CROSS_COMPILE)gcc --sysroot=$(SYSROOT)
AR := $(CROSS_COMPILE)ar
endif
CLANG ?= clang
LLVM_STRIP ?= llvm-strip
LLVM_OBJCOPY ?= llvm-objcopy
BPFTOOL ?= bpftool
STRIP ?= strip
PREFIX ?= /usr/local
DESTDIR ?=
UNITDIR ?= $(PREFIX)/lib/systemd/system
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
ARGS ?=
WEIGHTS ?= weights/default.bin
FUZZ_SECONDS ?= 60
FULL ?= 0
KERNEL ?= 6.12
ARCH ?= amd64
CMD ?=
COMPILERS ?= 14 16 19

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-8s %s\n'
endif

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes
CPPFLAGS += -D_GNU_SOURCE= -I.
CFLAGS ?= -O2 -g
# No fused multiply-add: the trainer gives the same bytes on every machine.
C_ALL = -std=gnu11 -ffp-contract=off $(WARNINGS) -MMD -MP $(CPPFLAGS) $(CFLAGS)
LDFLAGS += -Wl,--as-needed
# The prefix map keeps source text out of the BTF, the directory where it was built: the same source
# gives the same objects anywhere. -Oz: small, and as fast (docs/figures.md), since what pays to be
# unrolled or inlined says so itself.
BPF_OPT := -Oz
BPF_CFLAGS := -g $(BPF_OPT) -target bpf -mcpu=v3 -Wall -Wextra -Wno-unused-parameter \
	-fdebug-prefix-map=bpf=src -fdebug-compilation-dir=. -MMD -MP $(if $(SYSROOT),--sysroot=$(SYSROOT)) \
	-I$(SYSROOT)/usr/include$(MULTIARCH:%=/%) -I.
SANITIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all

HELPER_LIBS := -lbpf -lelf -lz -lseccomp -linih
CLI_LIBS := $(HELPER_LIBS) -lcjson -lm
# ONNX is there if what it takes to build it is; else the commands that need it say so.
ONNX_PROTO := /usr/include/onnx/onnx.proto
ONNX := $(and $(wildcard $(ONNX_PROTO)),$(wildcard $(SYSROOT)/usr/include/protobuf-c/protobuf-c.h),$(shell \
	command -v protoc-c))
ONNX_H := $(if $(ONNX),$(B)/onnx/onnx.pb-c.h)
ONNX_LIBS := $(if $(ONNX),-lprotobuf-c)
ONNX_LEFT_OUT := $(if $(ONNX),gen/onnx_absent.c,gen/onnx_read.c gen/onnx_write.c)
CPPFLAGS += $(if $(ONNX),-isystem $(B)/onnx)
GEN_LIBS := -lcjson -lbpf -lelf -lz -lm $(ONNX_LIBS)
TEST_LIBS := -lcmocka $(CLI_LIBS) $(ONNX_LIBS)

# --- what there is ---------------------------------------------------------------------------

mains = $(if $(strip $(1)),$(shell grep -l '^int main\b' $(1) 2>/dev/null))
without_mains = $(filter-out $(call mains,$(1)),$(1))
to = $(patsubst %.c,$(B)/$(1)/%.o,$(2))

LOADER_C := $(wildcard loader/*.c)
LOADER_LIB_C := $(call without_mains,$(LOADER_C))
CLI_MAIN_C := $(filter-out loader/bpfaheadd.c,$(call mains,$(LOADER_C)))
EMBEDDED_S := $(wildcard loader/embedded.S)
GEN_C := $(filter-out $(ONNX_LEFT_OUT),$(wildcard gen/*.c))
GEN_LIB_C := $(call without_mains,$(GEN_C))
GEN_MAINS_C := $(call mains,$(GEN_C))
GEN_MAIN_C := $(firstword $(filter gen/bpfahead-gen.c gen/bpfahead_gen.c gen/main.c gen/gen.c,$(GEN_MAINS_C)))
GEN_TOOLS_C := $(filter-out $(GEN_MAIN_C),$(GEN_MAINS_C))
UNIT_C := $(wildcard tests/unit/test_*.c)
UNIT_SHARED_C := $(filter-out $(UNIT_C),$(wildcard tests/unit/*.c))
KERNEL_BPF_C := $(wildcard tests/kernel/*.bpf.c)
KERNEL_C := $(filter-out $(KERNEL_BPF_C),$(wildcard tests/kernel/*.c))
BENCH_BPF_C := $(wildcard tests/bench/*.bpf.c)
BENCH_C := $(filter-out $(BENCH_BPF_C),$(wildcard tests/bench/*.c))
FUZZ_C := $(wildcard tests/fuzz/*.c)
TOOLS_C := $(wildcard tests/tools/*.c)

BPF_NAMES := readahead ra_tp ra_fentry latency classify open_files per_file per_file_fentry
BPF_OBJECTS := $(BPF_NAMES:%=$(B)/%.bpf.o)
PROGRAMS := $(B)/bpfahead $(B)/bpfaheadd $(B)/bpfaheadd-static $(B)/bpfahead-gen
GEN_TOOLS := $(GEN_TOOLS_C:gen/%.c=$(B)/%)
UNIT := $(UNIT_C:tests/unit/%.c=$(B)/tests/unit/%)
ASAN := $(if $(CROSS),,$(UNIT_C:tests/unit/%.c=$(B)/asan/%))
KERNEL_OBJECTS := $(KERNEL_BPF_C:tests/kernel/%.bpf.c=$(B)/tests/%.bpf.o)
KERNEL_TESTS := $(call mains,$(KERNEL_C))
KERNEL_TESTS := $(KERNEL_TESTS:tests/kernel/%.c=$(B)/tests/%)
KERNEL_SHARED_C := $(call without_mains,$(KERNEL_C))
BENCH_OBJECTS := $(BENCH_BPF_C:tests/bench/%.bpf.c=$(B)/bench/%.bpf.o)
BENCH_PROGRAMS := $(call mains,$(BENCH_C))
BENCH_PROGRAMS := $(BENCH_PROGRAMS:tests/bench/%.c=$(B)/bench/%)
BENCH_SHARED_C := $(call without_mains,$(BENCH_C))
TOOLS := $(TOOLS_C:tests/tools/%.c=$(B)/tests/%)
# A FUSE daemon; without libfuse 3 the tests that want it are skipped.
SLOW_DISK := $(if $(CROSS),,$(if $(wildcard /usr/include/fuse3/fuse_lowlevel.h),$(B)/tests/slow-disk))
FUZZ := $(addprefix $(B)/fuzz/,$(notdir $(FUZZ_C:.c=)))

DIRS := $(sort $(B) $(addprefix $(B)/,onnx tests tests/unit tests/kernel asan asan/obj/loader \
	asan/obj/gen asan/obj/tests/unit obj/loader obj/gen obj/tests/unit obj/tests/kernel \
	obj/tests/bench helper/loader bench peers fuzz fuzz/obj/loader fuzz/obj/gen fuzz/obj/tests/fuzz tap))
$(DIRS):
	@mkdir -p $@

# --- what people type ------------------------------------------------------------------------

.PHONY: all run test test-vm vm demo bench peers bench-live bench-effect lint format fuzz weights install uninstall clean help
.PHONY: deps test-build bench-build compilers test-compilers veristat verifier-record docs-kernels docs-agree

all: $(BPF_OBJECTS) $(PROGRAMS) $(GEN_TOOLS) ## build everything that is installed (default)

run: ## install what is missing, build, and run bpfahead here (ARGS='--dry-run --device sda')
	@tests/deps.sh run
	@$(MAKE) --no-print-directory all
	@$(SUDO) tests/bpffs.sh
	$(SUDO) $(B)/bpfahead run $(ARGS)

test: ## install what is missing, build, and run every suite (FULL=1: the long durations)
	@tests/deps.sh test
	@$(MAKE) --no-print-directory all test-build
	@$(SUDO) tests/bpffs.sh
	@$(SUDO) env FULL='$(FULL)' tests/run.sh unit asan kernel fault e2e deploy

SUITES := unit asan kernel fault e2e deploy
.PHONY: $(SUITES:%=test-%)
$(SUITES:%=test-%): test-%: all test-build ## one suite: test-unit, test-asan, test-kernel, ...
	@$(SUDO) tests/bpffs.sh
	@$(SUDO) env FULL='$(FULL)' tests/run.sh $*

test-vm: ## the suites on stock kernels in emulation (CI=1: the subset of CI; ROWS='6.1*'; GUESTS=2 at a time)
	@tests/deps.sh test vm veristat
	@$(MAKE) --no-print-directory all test-build $(B)/veristat $(if $(CI),,compilers bench-build)
	@for arch in $$(tests/vm/matrix.sh --cross $(if $(CI),--ci) $(ROWS) | sort -u); do \
		$(MAKE) --no-print-directory cross-$$arch || exit 1; done
	@GUESTS=$(GUESTS) tests/vm/matrix.sh $(if $(CI),--ci) $(ROWS)

# The tree that guests of another architecture have for build/.
.PHONY: cross-arm64
cross-arm64:
	@tests/deps.sh vm-$(@:cross-%=%)
	@$(MAKE) --no-print-directory CROSS=$(@:cross-%=%) all test-build

vm: export VM_COMMAND := $(CMD)
vm: ## a stock kernel: KERNEL=6.12 ARCH=amd64 CMD='...', without CMD a shell (VM_ARGS: vm.sh -h)
	@tests/deps.sh test vm
	@$(MAKE) --no-print-directory all test-build $(if $(filter-out amd64,$(ARCH)),cross-$(ARCH))
	@tests/vm/vm.sh -k $(KERNEL) -a $(ARCH) $(VM_ARGS) $(if $(CMD),-- bash -c "$$VM_COMMAND",-s)

compilers: ## the BPF objects by each of clang's versions, COMPILERS='14 16 19', in build/clang-N
	@tests/deps.sh test compilers
	@$(MAKE) --no-print-directory kernel-tests
	@for v in $(COMPILERS); do \
		$(MAKE) --no-print-directory B=$(B)/clang-$$v CLANG=clang-$$v LLVM_STRIP=llvm-strip-$$v \
			LLVM_OBJCOPY=llvm-objcopy-$$v bpf-objects && \
		cp -p $(KERNEL_TESTS) $(B)/clang-$$v/tests/ || exit 1; done

OF_COMPILERS = $(COMPILERS:%=$(B)/clang-%)
test-compilers: compilers veristat ## the suite in the kernel with the objects of each of COMPILERS
	@$(SUDO) tests/bpffs.sh
	@$(SUDO) env OBJECTS='$(OF_COMPILERS)' tests/run.sh tests/kernel/verifier.t $(OF_COMPILERS:%=%/tests)

veristat: ## the verifier's cost of each program becomes part of `make test` (tests/kernel/verifier.t)
	@tests/deps.sh veristat
	@$(MAKE) --no-print-directory $(B)/veristat

$(B)/veristat: tests/veristat.sh | $(B)
	$(say) BUILD $@
	$(Q)tests/veristat.sh $@

# The kernels of the table: this one, and those of the guests.
VERIFIER_KERNELS := 6.1 6.12
verifier-record: compilers veristat ## measure the verifier's cost anew, on this kernel and in guests: docs/verifier.md
	@tests/deps.sh vm
	@$(SUDO) tests/bpffs.sh
	$(SUDO) tests/verifier-cost.sh measure $(OF_COMPILERS) > $(B)/verifier-host.csv
	$(foreach k,$(VERIFIER_KERNELS),tests/vm/vm.sh -q -k $(k) -o $(B)/vm/out/verifier-$(k) -- \
		tests/verifier-cost.sh measure $(OF_COMPILERS) &&) true
	tests/verifier-cost.sh record $(B)/verifier-host.csv $(VERIFIER_KERNELS:%=$(B)/vm/out/verifier-%/output)

docs-kernels: ## ask this kernel and those in emulation what they offer: the table of docs/kernels.md
	@tests/deps.sh test vm
	@$(MAKE) --no-print-directory all cross-arm64
	@$(SUDO) tests/vm/kernels.sh

docs-agree: ## what they decide from the same workload: the other table there (40 minutes)
	@tests/deps.sh test bench vm
	@$(MAKE) --no-print-directory all
	@$(SUDO) tests/bpffs.sh
	@$(SUDO) tests/vm/agree.sh

demo: ## show decisions on a rate-limited loop device of its own, against the host's default
	@tests/deps.sh test
	@$(MAKE) --no-print-directory all $(TOOLS)
	@$(SUDO) tests/bpffs.sh
	@$(SUDO) tests/demo.sh

bench: ## print each figure beside its bar (BENCH='cost iops': only these; ARGS=--quick)
	@tests/deps.sh bench
	@$(MAKE) --no-print-directory all bench-build
	@$(SUDO) tests/bpffs.sh
	@$(SUDO) tests/bench/run.sh $(ARGS) $(BENCH)

bench-live: ## accuracy while fio runs known patterns (ARGS=--quick; ARGS=--check: a missed bar fails)
	@tests/deps.sh bench
	@$(MAKE) --no-print-directory all
	@$(SUDO) tests/bpffs.sh
	@$(SUDO) tests/bench/live.sh $(ARGS)

bench-effect: ## gain over every static read_ahead_kb, on four kinds of disk (PROFILE=, WORKLOADS='glob'; hours)
	@tests/deps.sh effect
	@$(MAKE) --no-print-directory all $(addprefix $(B)/tests/,slow-disk patterns open_files)
	@$(SUDO) tests/bpffs.sh
	@$(SUDO) env $(if $(PROFILE),PROFILE='$(PROFILE)') $(if $(WORKLOADS),WORKLOADS='$(WORKLOADS)') \
		$(if $(QUICK),QUICK='$(QUICK)') tests/effect/run.sh $(ARGS)
	@tests/effect/tables.sh

deps: ## install what the tests, the benchmark and lint need
	@tests/deps.sh run test bench lint

test-build: all $(UNIT) $(ASAN) $(KERNEL_OBJECTS) $(KERNEL_TESTS) $(TOOLS) $(SLOW_DISK) ## build the tests
bench-build: all $(BENCH_OBJECTS) $(BENCH_PROGRAMS)
.PHONY: bpf-objects kernel-tests
bpf-objects: $(BPF_OBJECTS) $(KERNEL_OBJECTS)
kernel-tests: $(KERNEL_TESTS)

C_FILES := $(wildcard bpf/*.[ch] loader/*.[ch] gen/*.[ch] tests/*/*.[ch])
TIDY_C := $(filter-out %.bpf.c $(if $(ONNX),,$(ONNX_LEFT_OUT)),$(wildcard bpf/*.c loader/*.c gen/*.c tests/unit/*.c tests/kernel/*.c \
	tests/bench/*.c tests/fuzz/*.c tests/tools/*.c) $(if $(SLOW_DISK),tests/effect/slow-disk.c))
PEERS := $(wildcard gen/peers/*.py gen/peers/*.cc)
SHELL_FILES := $(wildcard tests/*.sh tests/*.t tests/*/*.sh tests/*/*.t tests/vm/init \
	tests/vm/bin/* tests/vm/*/*.t gen/*.sh weights/*.sh) .ci/run

.PHONY: lint-format lint-tidy lint-shell lint-spdx
lint: lint-format lint-tidy lint-shell lint-spdx ## clang-format, clang-tidy, shellcheck, SPDX lines
	@echo "lint: $(words $(C_FILES)) C files and $(words $(SHELL_FILES)) shell files are clean"

lint-format:
	$(say) FORMAT 'clang-format --dry-run'
	$(Q)clang-format --dry-run --Werror $(C_FILES)

lint-tidy: $(ONNX_H)
	$(say) TIDY 'clang-tidy'
	$(Q)printf '%s\n' $(TIDY_C) | xargs -P 2 -n 2 sh -c \
		'out=$$(clang-tidy --quiet "$$@" -- -std=gnu11 $(WARNINGS) $(CPPFLAGS) 2>/dev/null) || \
		{ printf "%s\n" "$$out"; exit 1; }' tidy

lint-shell:
	$(say) SHELL 'shellcheck'
	$(Q)shellcheck -x -P SCRIPTDIR -e SC2119,SC2120,SC2317 $(SHELL_FILES)

lint-spdx:
	$(Q)missing=$$(grep -L 'SPDX-License-Identifier: GPL-2.0-only' Makefile $(C_FILES) $(PEERS) \
		$(EMBEDDED_S) $(SHELL_FILES)); [ -z "$$missing" ] || \
		{ echo "no SPDX line: $$missing" >&2; exit 1; }

format: ## rewrite the C files in the checked-in format
	clang-format -i $(C_FILES)

fuzz: $(FUZZ) ## libFuzzer on the parsers, FUZZ_SECONDS (60) each
	$(Q)[ -n "$(FUZZ)" ] || { echo 'no fuzz targets' >&2; exit 1; }
	$(Q)for f in $(FUZZ); do mkdir -p $(B)/fuzz/corpus-$${f##*/}; \
		$$f -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 \
		$(B)/fuzz/corpus-$${f##*/} || exit 1; done

install: all ## install below DESTDIR/PREFIX (PREFIX=/usr/local)
	install -d '$(DESTDIR)$(PREFIX)/sbin' '$(DESTDIR)$(PREFIX)/bin' \
		'$(DESTDIR)$(PREFIX)/lib/bpfahead' \
		'$(DESTDIR)$(PREFIX)/share/bpfahead' '$(DESTDIR)$(UNITDIR)'
	install -m 755 $(B)/bpfahead $(B)/bpfaheadd '$(DESTDIR)$(PREFIX)/sbin/'
	install -m 755 $(B)/bpfahead-gen '$(DESTDIR)$(PREFIX)/bin/'
	install -m 644 $(BPF_OBJECTS) '$(DESTDIR)$(PREFIX)/lib/bpfahead/'
	install -m 755 gen/capture.sh '$(DESTDIR)$(PREFIX)/lib/bpfahead/'
	install -m 644 gen/workloads '$(DESTDIR)$(PREFIX)/lib/bpfahead/'
	install -m 644 $(wildcard weights/*.bin) '$(DESTDIR)$(PREFIX)/share/bpfahead/'
	@$(foreach f,$(MAN_PAGES),install -D -m 644 $(f) '$(DESTDIR)$(call man_path,$(f))' &&) true
	@$(foreach f,$(UNITS),sed 's,@PREFIX@,$(PREFIX),g' $(f) > \
		'$(DESTDIR)$(UNITDIR)/$(notdir $(f:.in=))' &&) true

MAN_PAGES := $(wildcard docs/*.[1-8] docs/man/*.[1-8])
man_path = $(PREFIX)/share/man/man$(subst .,,$(suffix $(1)))/$(notdir $(1))
UNITS := $(wildcard loader/*.service loader/*.service.in loader/systemd/*.service \
	loader/systemd/*.service.in)

uninstall: ## remove what install put there
	rm -f $(foreach p,bpfahead bpfaheadd,'$(DESTDIR)$(PREFIX)/sbin/$(p)') \
		'$(DESTDIR)$(PREFIX)/bin/bpfahead-gen' \
		$(foreach f,$(MAN_PAGES),'$(DESTDIR)$(call man_path,$(f))') \
		$(foreach f,$(notdir $(UNITS:.in=)),'$(DESTDIR)$(UNITDIR)/$(f)')
	rm -rf '$(DESTDIR)$(PREFIX)/lib/bpfahead' '$(DESTDIR)$(PREFIX)/share/bpfahead'

clean: ## remove build/
	rm -rf $(B)

help: ## this list
	@awk -F ':.*## ' '/^[a-z$$][^=]*:.*## / { n = $$1; sub(/^\$$.*/, "test-SUITE", n); \
		printf "  %-12s %s\n", n, $$2 }' Makefile

# --- kernel side -----------------------------------------------------------------------------

define bpf_compile
$(say) BPF $@
$(Q)$(CLANG) $(BPF_CFLAGS) -MF $(@:.o=.d) -MT $@ -c $< -o $(@:.o=.lines.o)
$(Q)$(BPFTOOL) gen object $@ $(@:.o=.lines.o)
$(Q)$(LLVM_STRIP) -g $@
$(Q)$(LLVM_OBJCOPY) --wildcard --strip-symbol='LBB*' $@
$(Q)$(B)/strip-lines $@
endef

# Linking resolves relocations and drops labels; debugging and line information go.
# NAME.bpf.lines.o keeps them, for reading the verifier's log.
$(B)/strip-lines: bpf/strip-lines.c | $(B)
	$(say) HOSTCC $@
	$(Q)$(HOSTCC) $(filter-out -MMD -MP,$(C_ALL)) $(LDFLAGS) $< -lelf -o $@

# Another compiler makes the objects anew, and its name goes with them.
.PHONY: always
$(B)/compiler: always | $(B)
	$(Q)! command -v $(firstword $(CLANG)) >/dev/null || \
		{ name=clang-$$($(CLANG) -dumpversion | cut -d. -f1) && \
		{ [ "$$(cat $@ 2>/dev/null)" = "$$name" ] || echo "$$name" > $@; }; }

# No object without its source: a pattern rule would leave `all` to say only "no rule".
$(BPF_OBJECTS): $(B)/%.bpf.o: bpf/%.bpf.c $(B)/strip-lines $(B)/compiler | $(B)
	$(bpf_compile)

$(B)/tests/%.bpf.o: tests/kernel/%.bpf.c $(B)/strip-lines $(B)/compiler | $(B)/tests
	$(bpf_compile)

$(B)/bench/%.bpf.o: tests/bench/%.bpf.c $(B)/strip-lines $(B)/compiler | $(B)/bench
	$(bpf_compile)

# --- user space ------------------------------------------------------------------------------

# The loops of the trainer are there to be vectorised; no sum changes its order by it.
$(B)/obj/gen/train.o: C_ALL += -O3 -fno-math-errno

$(B)/obj/%.o: %.c | $(DIRS)
	$(say) CC $@
	$(Q)$(CC) $(C_ALL) -DBPFAHEAD_VERSION='"$(VERSION)"' -c $< -o $@

# The objects and the default model travel inside the binary.
$(B)/obj/loader/embedded.o: loader/embedded.S $(BPF_OBJECTS) $(WEIGHTS) | $(DIRS)
	$(say) AS $@
	$(Q)$(CC) $(CPPFLAGS) -DDEFAULT_WEIGHTS='"$(WEIGHTS)"' -Wa,-I. -Wa,-I$(B) -c $< -o $@

$(B)/libbpfahead.a: $(call to,obj,$(LOADER_LIB_C))
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# What protoc-c makes of the schema is no source of ours: not kept, not linted.
ONNX_VARIANTS := obj asan/obj fuzz/obj
$(B)/onnx/onnx.pb-c.h: $(ONNX_PROTO) | $(DIRS)
	$(say) PROTOC $@
	$(Q)protoc-c -I$(dir $(ONNX_PROTO)) --c_out=$(B)/onnx $<

$(B)/onnx/onnx.pb-c.c: $(B)/onnx/onnx.pb-c.h ;
$(foreach v,$(ONNX_VARIANTS),$(B)/$(v)/gen/onnx_read.o $(B)/$(v)/gen/onnx_write.o): $(ONNX_H)
ONNX_O := $(if $(ONNX),obj/gen/onnx.pb-c.o)

$(B)/obj/gen/onnx.pb-c.o: $(B)/onnx/onnx.pb-c.c | $(DIRS)
	$(say) CC $@
	$(Q)$(CC) -std=gnu11 $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(B)/libgen.a: $(call to,obj,$(GEN_LIB_C)) $(ONNX_O:%=$(B)/%)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/bpfahead: $(call to,obj,$(CLI_MAIN_C)) $(EMBEDDED_S:%.S=$(B)/obj/%.o) $(B)/libbpfahead.a
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(CLI_LIBS) -o $@

# The helper stays resident: built for size, and only what it reaches.
$(B)/helper/%.o: %.c | $(DIRS)
	$(say) CC $@
	$(Q)$(CC) $(C_ALL) -Os -ffunction-sections -fdata-sections \
		-DBPFAHEAD_VERSION='"$(VERSION)"' -c $< -o $@

HELPER_LIB_C := $(filter-out loader/cmd_%.c loader/calibrate%.c loader/cli.c loader/start.c loader/load.c,$(LOADER_LIB_C))
$(B)/helper/libhelper.a: $(call to,helper,$(HELPER_LIB_C))
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/bpfaheadd: $(B)/helper/loader/bpfaheadd.o $(B)/helper/libhelper.a
	$(say) LINK $@
	$(Q)$(CC) -Os $(LDFLAGS) -Wl,--gc-sections -s $^ $(HELPER_LIBS) -o $@

$(B)/bpfaheadd-static: $(B)/helper/loader/bpfaheadd.o $(B)/helper/libhelper.a
	$(say) LINK $@
	$(Q)$(CC) -Os -static $(LDFLAGS) -Wl,--gc-sections -s $^ $(HELPER_LIBS) $(STATIC_LIBS) -o $@

$(B)/bpfahead-gen: $(call to,obj,$(GEN_MAIN_C)) $(B)/libgen.a $(B)/libbpfahead.a
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(GEN_LIBS) -o $@

$(GEN_TOOLS): $(B)/%: $(B)/obj/gen/%.o $(B)/libgen.a $(B)/libbpfahead.a
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(GEN_LIBS) -o $@

# --- tests -----------------------------------------------------------------------------------

$(UNIT): $(B)/tests/unit/%: $(B)/obj/tests/unit/%.o $(call to,obj,$(UNIT_SHARED_C)) \
		$(B)/libgen.a $(B)/libbpfahead.a | $(DIRS)
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(TEST_LIBS) -o $@

$(B)/asan/obj/%.o: %.c | $(DIRS)
	$(say) ASAN $@
	$(Q)$(CC) $(C_ALL) $(SANITIZE) -DBPFAHEAD_VERSION='"$(VERSION)"' -c $< -o $@

$(B)/asan/libbpfahead.a: $(call to,asan/obj,$(LOADER_LIB_C) $(GEN_LIB_C)) $(ONNX_O:%=$(B)/%)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(ASAN): $(B)/asan/%: $(B)/asan/obj/tests/unit/%.o $(call to,asan/obj,$(UNIT_SHARED_C)) \
		$(B)/asan/libbpfahead.a
	$(say) LINK $@
	$(Q)$(CC) $(SANITIZE) $(LDFLAGS) $^ $(TEST_LIBS) -o $@

$(KERNEL_TESTS): $(B)/tests/%: $(B)/obj/tests/kernel/%.o $(call to,obj,$(KERNEL_SHARED_C)) \
		$(B)/libgen.a $(B)/libbpfahead.a
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(TEST_LIBS) -o $@

$(BENCH_PROGRAMS): $(B)/bench/%: $(B)/obj/tests/bench/%.o $(call to,obj,$(BENCH_SHARED_C)) \
		$(B)/libbpfahead.a | $(B)/bench
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(CLI_LIBS) -o $@

$(TOOLS): $(B)/tests/%: tests/tools/%.c $(B)/libbpfahead.a | $(B)/tests
	$(say) LINK $@
	$(Q)$(CC) $(C_ALL) $(LDFLAGS) $< $(B)/libbpfahead.a $(HELPER_LIBS) -lm -o $@

# libseccomp's macros leave out a field, which clang, not gcc, reports where they are used.
FUZZ_CFLAGS := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -Wno-missing-field-initializers
$(B)/fuzz/obj/%.o: %.c | $(DIRS)
	$(say) FUZZ $@
	$(Q)$(CLANG) $(C_ALL) $(FUZZ_CFLAGS) -DBPFAHEAD_VERSION='"$(VERSION)"' -c $< -o $@

$(B)/fuzz/libbpfahead.a: $(call to,fuzz/obj,$(LOADER_LIB_C) $(GEN_LIB_C)) $(ONNX_O:%=$(B)/%)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/tests/slow-disk: tests/effect/slow-disk.c | $(B)/tests
	$(say) LINK $@
	$(Q)$(CC) $(C_ALL) $(LDFLAGS) $< -lfuse3 -pthread -o $@

$(FUZZ): $(B)/fuzz/%: $(B)/fuzz/obj/tests/fuzz/%.o $(B)/fuzz/libbpfahead.a
	$(say) LINK $@
	$(Q)$(CLANG) -fsanitize=fuzzer,address,undefined $(LDFLAGS) $^ $(CLI_LIBS) $(ONNX_LIBS) -o $@

# --- peers: for comparison only ---------------------------------------------------------------

# The distribution's own Python has the distribution's PyTorch.
PYTHON := /usr/bin/python3
TORCH_INCLUDE := -isystem /usr/include/torch/csrc/api/include

$(B)/peers/torchscript: gen/peers/torchscript.cc | $(DIRS)
	$(say) CXX $@
	$(Q)$(CXX) -std=c++17 -O2 $(filter-out -Wstrict-prototypes,$(WARNINGS)) $(TORCH_INCLUDE) $< \
		-ltorch -ltorch_cpu -lc10 -o $@

peers: ## train and infer with PyTorch and scikit-learn, too, side by side (ARGS=--help)
	@tests/deps.sh run bench test peers
	@$(MAKE) --no-print-directory all bench-build $(B)/peers/torchscript
	@$(SUDO) $(PYTHON) gen/peers/compare.py --build $(B) $(ARGS)

# --- weights ---------------------------------------------------------------------------------

# What trains the shipped models, with its data, is described in weights/README.md.
weights: $(B)/bpfahead-gen ## retrain the shipped models from the checked-in data
	gen/build-weights.sh

# Not those of other architectures, nor what guests have by that name.
-include $(shell find $(B) -mindepth 1 \( -path build/vm -o -path build/arm64 \) -prune -o \
	-name '*.d' -print 2>/dev/null)
