#!/bin/sh
# Measures a release build against its targets, beside the peers that they are ratios of.
#
# usage: run.sh SHIRO TOOLS_DIR [bench.py's arguments]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
shiro=$1
mkdir -p "$2"
tools=$(cd "$2" && pwd)
shift 2

# As installing would: what a linker has just written is slower to map.
mkdir -p "$tools/bench"
cp "$shiro" "$tools/bench/shiro"
shiro=$tools/bench/shiro

if ! [ -x "$tools/peers/bin/ninja" ] || ! [ -x "$tools/peers/bin/just" ]; then
    python3 -m venv "$tools/peers"
    "$tools/peers/bin/pip" install --quiet --disable-pip-version-check -r "$here/peers.txt"
fi

# Components that never end, to see how soon they are ended.
guests=$tools/guests
cargo build --quiet --locked --manifest-path "$here/../../Cargo.toml" -p shiro-test-guests --example spin --example sleeper \
    --target wasm32-wasip2 --profile plugin --target-dir "$guests"

# A component of more than 10 MB, to see what the cache of compiled components saves.
javascript=$tools/bench-javascript
if ! [ -f "$javascript/echo.wasm" ]; then
    mkdir -p "$javascript"
    "$tools/languages/node_modules/.bin/jco" componentize "$here/javascript/step.js" --wit "$here/../../wit" \
        --world-name plugin --disable http fetch-event -o "$javascript/echo.wasm"
fi
exec python3 "$here/bench.py" --shiro "$shiro" --peers "$tools/peers/bin" \
    --guests "$guests/wasm32-wasip2/plugin/examples" --javascript "$javascript/echo.wasm" "$@"
