# lbench: set-up, build, run, test. `make help` lists the targets.
#
# Every target does the set-up it needs first. Release builds get the best kernels for this machine's CPU
# (scripts/cpu-flags.sh), and the backend for this machine's GPU (scripts/gpu.sh). LBENCH_PORTABLE=1 gives the
# portable kernels of a plain `cargo build --release`, LBENCH_GPU=none the CPU alone.

# The first sweep: under a minute on two cores, on a model that lbench makes itself.
ARGS   ?= -p 64,128 -n 16 -r 3
PREFIX ?= $(or $(CARGO_HOME),$(HOME)/.cargo)

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# rustup's folder, for shells that have not read its environment file.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

# Cargo and the engine's build run their own jobserver; this make's flags are not for them.
CARGO  := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL cargo
NATIVE := scripts/flavour.sh $(CARGO)
BUILD  := env CARGO="$(CARGO)" scripts/build.sh
# Runs unit and integration tests, but no doc tests.
TESTS  := $(if $(shell command -v cargo-nextest),nextest run,test --tests --no-fail-fast)

.DEFAULT_GOAL := build
.NOTPARALLEL:
.PHONY: help setup build run test bench dist bundle deny install clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16
	@echo
	@echo '  make run ARGS="-p 512 -n 128"   a sweep of your own'
	@echo '  make install PREFIX=/usr/local  elsewhere than $(PREFIX)/bin'
	@echo '  LBENCH_PORTABLE=1 make build    kernels for any CPU of the last ten years'
	@echo '  LBENCH_GPU=none make build      without the GPU; also cuda, vulkan, rocm'

setup: ## install what the build needs: CMake, libclang, a C++ compiler
	@scripts/setup.sh

build: setup ## build target/release/lbench with the best kernels for this CPU, and its GPU backend
	@$(BUILD)

run: build ## build, then a first sweep on the default model (ARGS="...")
	$(TARGET_DIR)/release/lbench $(ARGS)

# Two halves, and llama.cpp is compiled for the second alone, once: lints, tests and doc tests share the
# profile and flags of `make build`. The first half has debug assertions and overflow checks, and no engine.
test: setup ## check formatting and lints, run every test
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets --no-default-features -- -D warnings
	$(CARGO) $(TESTS) --locked --no-default-features
	$(NATIVE) clippy --locked --all-targets --release -- -D warnings
	@$(BUILD)
	$(NATIVE) $(TESTS) --locked --release
	$(NATIVE) test --locked --release --doc

bench: setup ## what measuring itself costs: prints figures
	$(NATIVE) bench --locked --bench '*'

dist: setup ## make target/lbench-VERSION-TARGET.tar.xz, a release archive (needs cargo-about)
	$(CARGO) --version > /dev/null && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL scripts/dist.sh

bundle: setup ## make target/lbench-bundle.tar.xz for a GPU host without Rust or network
	$(CARGO) --version > /dev/null && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL scripts/bundle.sh

deny: ## check licences, origin and known faults of every dependency (needs cargo-deny)
	@command -v cargo-deny >/dev/null || \
	  { echo 'deny: cargo-deny is missing: cargo install --locked cargo-deny' >&2; exit 1; }
	$(CARGO) deny --locked check bans licenses sources
	@if $(CARGO) deny --locked --log-level off fetch db; then \
	  $(CARGO) deny --locked check advisories; \
	else \
	  echo 'deny: advisories SKIPPED: their database (github.com/RustSec/advisory-db) could not be fetched' >&2; \
	fi

install: build ## copy lbench to PREFIX/bin, its manual and completions to PREFIX/share
	scripts/install.sh "$(TARGET_DIR)/release" "$(DESTDIR)$(PREFIX)"

clean: ## remove everything that was built; models stay
	$(CARGO) clean
