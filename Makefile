# `make help` says what there is. All that a target needs, scripts/setup.sh installs first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

export PATH := $(HOME)/.cargo/bin:$(PATH)
export CARGO_TARGET_DIR ?= $(HOME)/.cache/beffroi/target
# dev, or release
BEFFROI_PROFILE ?= dev
export BEFFROI_BIN := $(CARGO_TARGET_DIR)/$(if $(filter dev,$(BEFFROI_PROFILE)),debug,$(BEFFROI_PROFILE))/beffroi
CRASH_ROUNDS ?= 200

WEB := tests/peers/web
HYDROGEN := $(WEB)/dist/hydrogen
ELEMENT := $(WEB)/dist/element
SDK_RUST := tests/peers/sdk-rust/Cargo.toml
export PEERS_SDK_TARGET := $(CARGO_TARGET_DIR)/peers-sdk

.PHONY: help setup build demo test lint peers bench crash-nightly fmt

help: ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

setup: ## installs what building and testing need (Debian 12 or newer; root or sudo)
	@scripts/setup.sh

build: setup ## the binary, for development; BEFFROI_PROFILE=release for use
	@cargo build --profile $(BEFFROI_PROFILE) -p beffroi

demo: build $(HYDROGEN)/index.html ## two towns, a mock ProConnect and a web client on loopback; DEMO_ARGS="--help" for options
	@exec "$(BEFFROI_BIN)" demo --web $(HYDROGEN) $(DEMO_ARGS)

test: lint ## all tests, as CI runs them: format, lints, crates, then real clients against a running demo
	cargo test --workspace
	@# cargo test has built the binary.
	@$(MAKE) --no-print-directory peers

lint: setup ## format and lints, nothing changed
	cargo fmt --all --check
	cargo fmt --manifest-path $(SDK_RUST) --check
	cargo clippy --workspace -- -D warnings
	@# Tests may unwrap, also in functions that are no test themselves.
	cargo clippy --workspace --all-targets -- -D warnings -A clippy::unwrap_used -A clippy::expect_used

peers: $(HYDROGEN)/index.html $(ELEMENT)/index.html $(WEB)/node_modules/.installed $(WEB)/sdk/node_modules/.installed ## real clients against a running demo
	cargo test --no-run --locked --manifest-path $(SDK_RUST) --target-dir "$(PEERS_SDK_TARGET)"
	tests/peers/run.sh

bench: setup ## benchmarks of the crates; TMPDIR says on which disk
	cargo bench --workspace --bench '*'

crash-nightly: setup ## kills the store while it writes, CRASH_ROUNDS times (200), and looks at what is left
	CRASH_ROUNDS=$(CRASH_ROUNDS) cargo test --workspace --test crash -- --nocapture

fmt: setup ## formats all code
	cargo fmt --all
	cargo fmt --manifest-path $(SDK_RUST)

# Web clients: installed again when their lock changes, built again when they or their sources do.

%/node_modules/.installed: %/package.json %/package-lock.json | setup
	@echo "npm ci in $*"
	@npm ci --silent --prefix $*
	@touch $@

$(HYDROGEN)/index.html: $(WEB)/hydrogen/node_modules/.installed $(shell find $(WEB)/hydrogen -name node_modules -prune -o -type f -print)
	@npm run --silent build --prefix $(WEB)/hydrogen
	@touch $@

$(ELEMENT)/index.html: $(WEB)/element/node_modules/.installed $(shell find $(WEB)/element -name node_modules -prune -o -type f -print)
	@npm run --silent build --prefix $(WEB)/element
	@touch $@
