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
FEDERATION := tests/peers/federation
export SYNAPSE_VENV ?= $(HOME)/.cache/beffroi/synapse-venv

.PHONY: help setup build demo test lint peers federation bench bench-federation crash-nightly fmt

help: ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

setup: ## installs what building and testing need (Debian 12 or newer; root or sudo)
	@scripts/setup.sh

build: setup ## the binary, for development; BEFFROI_PROFILE=release for use
	@cargo build --profile $(BEFFROI_PROFILE) -p beffroi

demo: build $(HYDROGEN)/index.html ## two towns, a mock ProConnect and a web client on loopback; DEMO_ARGS="--help" for options
	@exec "$(BEFFROI_BIN)" demo --web $(HYDROGEN) $(DEMO_ARGS)

test: lint ## all tests, as CI runs them: format, lints, crates, then real clients and a real Synapse
	cargo test --workspace
	@# cargo test has built the binary.
	@$(MAKE) --no-print-directory peers

lint: setup ## format and lints, nothing changed
	cargo fmt --all --check
	cargo fmt --manifest-path $(SDK_RUST) --check
	cargo clippy --workspace -- -D warnings
	@# Tests may unwrap, also in functions that are no test themselves.
	cargo clippy --workspace --all-targets -- -D warnings -A clippy::unwrap_used -A clippy::expect_used

peers: $(HYDROGEN)/index.html $(ELEMENT)/index.html $(WEB)/node_modules/.installed $(WEB)/sdk/node_modules/.installed $(SYNAPSE_VENV)/.installed ## real clients against a running demo, and a real Synapse in one federation with two towns
	cargo test --no-run --locked --manifest-path $(SDK_RUST) --target-dir "$(PEERS_SDK_TARGET)"
	tests/peers/run.sh
	node --test --test-reporter=spec $(FEDERATION)/federation.test.mjs

federation: build $(SYNAPSE_VENV)/.installed $(WEB)/sdk/node_modules/.installed ## a real Synapse and Beffroi in one federation; PEERS=synapse,synapse,synapse for Synapse alone
	cargo test --no-run --locked --manifest-path $(SDK_RUST) --target-dir "$(PEERS_SDK_TARGET)"
	node --test --test-reporter=spec $(FEDERATION)/federation.test.mjs

bench: setup ## benchmarks of the crates; TMPDIR says on which disk
	cargo bench --workspace --bench '*'

bench-federation: $(SYNAPSE_VENV)/.installed ## what a message between servers costs, and a join of a room of 5,000; beside Synapse
	@$(MAKE) --no-print-directory BEFFROI_PROFILE=release build federation-figures

.PHONY: federation-figures
federation-figures:
	@PEERS=beffroi,beffroi node $(FEDERATION)/bench/latency.mjs
	@PEERS=synapse,beffroi node $(FEDERATION)/bench/latency.mjs
	@PEERS=beffroi,synapse node $(FEDERATION)/bench/latency.mjs
	@PEERS=synapse,synapse node $(FEDERATION)/bench/latency.mjs
	@PEERS=beffroi,synapse node $(FEDERATION)/bench/bigroom.mjs
	@PEERS=synapse,synapse node $(FEDERATION)/bench/bigroom.mjs

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

# Debian lays no Synapse: pip does, as the requirements say and nothing else.
$(SYNAPSE_VENV)/.installed: $(FEDERATION)/requirements.txt | setup
	@echo "pip install in $(SYNAPSE_VENV)"
	@python3 -m venv --clear $(SYNAPSE_VENV)
	@$(SYNAPSE_VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	@touch $@

$(HYDROGEN)/index.html: $(WEB)/hydrogen/node_modules/.installed $(shell find $(WEB)/hydrogen -name node_modules -prune -o -type f -print)
	@npm run --silent build --prefix $(WEB)/hydrogen
	@touch $@

$(ELEMENT)/index.html: $(WEB)/element/node_modules/.installed $(shell find $(WEB)/element -name node_modules -prune -o -type f -print)
	@npm run --silent build --prefix $(WEB)/element
	@touch $@
