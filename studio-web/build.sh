#!/bin/sh
# usage: sh studio-web/build.sh [--check]
# Bundle the module that the studio draws with into the package; with --check, into nowhere, and
# compare it with the one that is there.
set -eu
cd "$(dirname "$0")"
module=../src/descend/studio/draw.js

if ! command -v npm >/dev/null 2>&1; then
    if [ "${1-}" = --check ]; then
        echo "skipped: there is no npm, so that $module is not compared with its source."
        exit 0
    fi
    echo "npm is not there: it comes with Node, https://nodejs.org." >&2
    exit 1
fi

npm ci --silent --no-audit --no-fund
if [ "${1-}" != --check ]; then
    npm run --silent build
    exit 0
fi
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
OUT="$built/draw.js" npm run --silent build -- --log-level=warning
if ! cmp "$built/draw.js" "$module"; then
    echo "$module is not what its source makes: run make studio-web, and commit it." >&2
    exit 1
fi
echo "$module is what its source makes."
