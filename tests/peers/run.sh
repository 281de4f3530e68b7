#!/usr/bin/env bash
# Starts `beffroi demo` on free loopback ports, runs real clients' tests against it, and stops it again whatever happens.
# BEFFROI_BIN is the binary, PEERS_SDK_TARGET where sdk-rust is built. Arguments, if any, are the tests to run: `sdk-rust`, or
# files relative to tests/peers/web.
set -euo pipefail
cd "$(dirname "$0")/web"

: "${BEFFROI_BIN:?the path of the beffroi binary; make peers sets it}"
: "${PEERS_SDK_TARGET:?the target folder of sdk-rust; make peers sets it}"
START_S=120
STOP_S=30

sdk_rust=
tests=()
for test in "$@"; do
    if [ "$test" = sdk-rust ]; then sdk_rust=yes; else tests+=("$test"); fi
done
if [ $# = 0 ]; then
    sdk_rust=yes
    shopt -s nullglob
    tests=(*.test.mjs */*.test.mjs)
    if [ ${#tests[@]} = 0 ]; then
        echo "peers: there are no tests in $PWD" >&2
        exit 1
    fi
fi

work=$(mktemp -d)
log="$work/demo.log"
: >"$log"
demo=

# Whether the demo ended within the time given.
ended_within() {
    local deadline=$((SECONDS + $1))
    while kill -0 "$demo" 2>/dev/null; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

finish() {
    local outcome=$?
    trap - EXIT
    if [ -n "$demo" ] && kill -TERM "$demo" 2>/dev/null && ! ended_within "$STOP_S"; then
        echo "peers: the demo did not stop within $STOP_S s" >&2
        kill -KILL "$demo"
        outcome=1
    fi
    if [ "$outcome" != 0 ]; then
        echo "peers: the last lines of the demo:" >&2
        tail -n 60 "$log" >&2 || true
    fi
    rm -rf "$work"
    exit "$outcome"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

free_ports() {
    node --input-type=module --eval '
        import net from "node:net";
        const servers = [1, 2, 3].map(() => net.createServer());
        await Promise.all(servers.map((one) => new Promise((done) => one.listen(0, "127.0.0.1", done))));
        console.log(servers.map((one) => one.address().port).join(" "));
        servers.forEach((one) => one.close());
    '
}

read -r port ops_port proconnect_port <<<"$(free_ports)"
"$BEFFROI_BIN" demo --port "$port" --ops-port "$ops_port" --proconnect-port "$proconnect_port" --data "$work/data" \
    >"$log" 2>&1 &
demo=$!

deadline=$((SECONDS + START_S))
until grep -qx ready "$log"; do
    if ! kill -0 "$demo" 2>/dev/null; then
        echo "peers: the demo ended before it was ready" >&2
        exit 1
    fi
    if [ "$SECONDS" -ge "$deadline" ]; then
        echo "peers: the demo was not ready within $START_S s" >&2
        exit 1
    fi
    sleep 0.1
done

export TOWN_A="http://beffroi-sur-mer.localhost:$port"
export TOWN_B="http://sainte-cloche.localhost:$port"
export PROCONNECT="http://127.0.0.1:$proconnect_port"
# One after the other: a browser and a server on two cores are enough at once.
if [ ${#tests[@]} != 0 ]; then
    node --test --test-concurrency=1 --test-reporter=spec "${tests[@]}"
fi
if [ -n "$sdk_rust" ]; then
    cargo test --locked --manifest-path ../sdk-rust/Cargo.toml --target-dir "$PEERS_SDK_TARGET" --test towns
fi
