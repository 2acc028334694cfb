#!/bin/sh
# Resolves the pins for every Python and platform, and says for each whether all come as wheels.
# nkeys alone has none: it is plain Python. Installs nothing.
# Usage: check.sh PYTHON
set -eu
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$1" -m venv "$tools"
cd requirements
"$tools/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r uv.txt
# Without it uv takes an older macOS for granted.
export MACOSX_DEPLOYMENT_TARGET=14.0
status=0
for python in 3.11 3.12 3.13 3.14; do
    for platform in x86_64-manylinux_2_28 aarch64-manylinux_2_28 x86_64-pc-windows-msvc aarch64-apple-darwin; do
        # dev.txt holds all that the other files hold.
        if "$tools/bin/uv" pip install --quiet --no-config --dry-run --target "$tools/none" \
            --python-version "$python" --python-platform "$platform" \
            --only-binary :all: --no-binary nkeys --require-hashes -r dev.txt; then
            echo "$python $platform: resolved"
        else
            echo "$python $platform: not resolved" >&2
            status=1
        fi
    done
done
exit $status
