#!/bin/sh
# Pins all requirements with versions and hashes: one set for every Python and platform, without any
# index address in the files. What is pinned already stays, unless it no longer fits.
# Usage: pin.sh PYTHON [--upgrade | --upgrade-package NAME ...]
set -eu
python=$1
shift
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$python" -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
pin() {
    "$tools/bin/uv" pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
        --custom-compile-command "make requirements" "$@"
}
cd requirements
pin --output-file uv.txt uv.in "$@"
# The largest set first, so that all hold the same versions.
pin --output-file dev.txt --all-extras ../pyproject.toml dev.in build.in "$@"
service="--extra alarms --extra cluster --extra recordings"
pin --output-file test.txt --constraint dev.txt $service ../pyproject.toml test.in build.in
pin --output-file service.txt --constraint dev.txt $service ../pyproject.toml build.in
# What the wheel alone asks for; what images and units run; what the training image has.
pin --output-file base.txt --constraint dev.txt ../pyproject.toml build.in
pin --output-file daemon.txt --constraint dev.txt --extra alarms --extra cluster ../pyproject.toml build.in
pin --output-file training.txt --constraint dev.txt $service --extra training ../pyproject.toml build.in
