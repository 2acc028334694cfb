#!/bin/sh
# Makes /opt/eeg-emotion from the source tree: the packages as they are pinned, then this project.
# Usage: build.sh daemon|training, as root on Debian 12, in the root of the source tree.
set -eu
apt-get update -qq
apt-get install -y -qq --no-install-recommends ca-certificates python3 python3-venv
python3 -m venv /opt/eeg-emotion
pip=/opt/eeg-emotion/bin/pip
$pip install --quiet --require-hashes -r "requirements/$1.txt"
$pip install --quiet --no-deps --no-build-isolation .
# What builds and installs is not run.
$pip uninstall --quiet --yes hatchling editables setuptools pip
# The packages' own tests.
find /opt/eeg-emotion/lib -type d -name tests -prune -exec rm -r {} +
