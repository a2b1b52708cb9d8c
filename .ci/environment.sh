#!/bin/sh
# usage: PYTHON=python3 sh .ci/environment.sh DIRECTORY
# Make a virtual environment there with a Python of at least 3.11, unless one that works is there.
set -eu
directory=$1

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

if [ -x "$directory/bin/python" ] && new_enough "$directory/bin/python" &&
    "$directory/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi

for python in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
    if command -v "$python" >/dev/null 2>&1 && new_enough "$python"; then
        if "$python" -m venv "$directory"; then
            exit 0
        fi
        echo "$python has no working venv module. On Debian and Ubuntu: apt install python3-venv" >&2
        exit 1
    fi
done

if command -v "${PYTHON:-python3}" >/dev/null 2>&1; then
    echo "${PYTHON:-python3} is $("${PYTHON:-python3}" --version 2>&1), which is too old:" >&2
else
    echo "${PYTHON:-python3} is not there:" >&2
fi
echo "descend needs Python 3.11 or newer. Name one with: make PYTHON=/path/to/python3.11 ..." >&2
exit 1
