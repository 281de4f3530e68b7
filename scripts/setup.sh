#!/usr/bin/env bash
# Installs what Beffroi is built and tested with, on Debian 12 or newer: as root, or with sudo. Says nothing and takes a moment
# when all is there. From package registries only: apt, npm, and rustup for the compiler that rust-toolchain.toml names.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$HOME/.cargo/bin:$PATH"

# Vite and playwright-core want this one or newer (tests/peers/web/package.json).
NODE_MIN=20.19
NODE_MAJOR=22

die() {
    echo "setup: $*" >&2
    exit 1
}

say() {
    echo "setup: $*" >&2
}

has() {
    command -v "$1" >/dev/null 2>&1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        die "must be root, or have sudo, to run: $*"
    fi
}

# Runs a command and shows what it said only if it fails.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        die "failed: $*"
    fi
    rm -f "$log"
}

installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

updated=
apt_install() {
    has apt-get || die "needs Debian's apt-get to install: $*"
    say "installing $*"
    if [ -z "$updated" ]; then
        quietly as_root apt-get update -qq
        updated=yes
    fi
    quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

system_packages() {
    local missing=()
    has cc && has c++ && has make || missing+=(build-essential)
    # bindgen reads RocksDB's headers with libclang.
    has clang || missing+=(clang)
    installed libclang-dev || compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null || missing+=(libclang-dev)
    has cmake || missing+=(cmake)
    has pkg-config || missing+=(pkg-config)
    has curl || missing+=(curl)
    # Certificates of the federation's tests, and the Synapse that they meet.
    has openssl || missing+=(openssl)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    [ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
    [ -n "${CHROMIUM:-}" ] || has chromium || missing+=(chromium)
    [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"
}

node_is_new_enough() {
    has node || return 1
    local version
    version=$(node --version)
    [ "$(printf '%s\n' "$NODE_MIN" "${version#v}" | sort -V | head -n 1)" = "$NODE_MIN" ]
}

# Debian 12 has node 18: its npm then fetches a newer node, to /usr/local/bin.
node_and_npm() {
    if ! has npm; then
        apt_install nodejs npm
    fi
    if ! node_is_new_enough; then
        say "installing node $NODE_MAJOR from the npm registry"
        quietly as_root npm install --global --prefix /usr/local "node@$NODE_MAJOR"
        hash -r
    fi
    node_is_new_enough || die "node $(node --version) comes first in PATH; $NODE_MIN or newer is needed"
}

channel() {
    sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml
}

rust() {
    if ! has rustup; then
        if has cargo && cargo --version 2>/dev/null | grep -qF "cargo $(channel)"; then
            return
        fi
        install_rustup
    fi
    if cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; then
        return
    fi
    say "installing Rust $(channel)"
    quietly rustup toolchain install "$(channel)" --profile minimal --component clippy --component rustfmt
}

install_rustup() {
    if [ -n "$(apt-cache show --no-all-versions rustup 2>/dev/null)" ]; then
        apt_install rustup
        return
    fi
    say "installing rustup"
    # The program that https://sh.rustup.rs fetches, from where it fetches it.
    local folder
    folder=$(mktemp -d)
    quietly curl --proto '=https' --tlsv1.2 --silent --show-error --fail --output "$folder/rustup-init" \
        "https://static.rust-lang.org/rustup/dist/$(uname -m)-unknown-linux-gnu/rustup-init"
    chmod +x "$folder/rustup-init"
    quietly "$folder/rustup-init" -y --profile minimal --default-toolchain none --no-modify-path
    rm -rf "$folder"
}

system_packages
node_and_npm
rust
