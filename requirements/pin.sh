#!/bin/sh
# Pins all requirements with versions and hashes, without any index address in the files.
# Usage: pin.sh PYTHON
set -eu
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$1" -m venv "$tools"
"$tools/bin/pip" install --quiet pip-tools
pin() {
    CUSTOM_COMPILE_COMMAND="make requirements" "$tools/bin/pip-compile" --quiet --generate-hashes \
        --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host "$@"
}
# The larger set first, so that both hold the same versions.
cd requirements
pin --output-file dev.txt --all-extras ../pyproject.toml dev.in build.in
pin --output-file service.txt --constraint dev.txt --extra recordings ../pyproject.toml build.in
pin --output-file daemon.txt --constraint dev.txt ../pyproject.toml build.in
pin --output-file training.txt --constraint dev.txt --extra recordings --extra training ../pyproject.toml build.in
