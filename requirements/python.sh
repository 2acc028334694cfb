#!/bin/sh
# Prints a Python that this project runs on: the one named, else the first found that really runs.
# Usage: python.sh [PYTHON]
set -eu
# pyenv puts a shim on PATH for each name that it knows, and most of them only report an error;
# Debian's Python makes no environments without python3-venv.
runs() {
    "$1" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' \
        2>/dev/null
}
if [ $# -gt 0 ]; then
    if runs "$1"; then echo "$1" && exit; fi
    echo "make: PYTHON=$1 does not run, is not Python 3.11 to 3.14, or cannot make environments" >&2
else
    for python in python3.11 python3.12 python3.13 python3.14 python3 "$HOME"/.pyenv/versions/3.1[1-4]*/bin/python; do
        if runs "$python"; then echo "$python" && exit; fi
    done
    echo "make: found no Python 3.11 to 3.14 that runs and can make environments, neither on the" \
        "PATH nor below ~/.pyenv/versions" >&2
fi
echo "Install one (Debian, Ubuntu: apt install python3 python3-venv), or name one:" \
    "make PYTHON=/usr/bin/python3.12 ..." >&2
exit 1
