#!/bin/sh
# Installs what a file pins into an environment.
# Usage: install.sh ENVIRONMENT FILE
set -eu
# uv needs a quarter of pip's time, but does not know pip's settings, such as an index of one's own.
# Where it fails, pip does it.
pip="$1/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes"
$pip -r requirements/uv.txt
"$1/bin/uv" pip install --quiet --no-config --python "$1/bin/python" --require-hashes -r "$2" || {
    echo "uv could not install $2; pip tries it" >&2
    $pip -r "$2"
}
