#!/bin/sh
# Makes a Debian 12 ready to run /opt/eeg-emotion: Python, the user, and its folders.
# Usage: prepare.sh, as root.
set -eu
apt-get update -qq
apt-get install -y -qq --no-install-recommends ca-certificates python3
apt-get clean
rm -rf /var/lib/apt/lists/*
groupadd --system --gid 10001 eeg-emotion
useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/eeg-emotion --shell /usr/sbin/nologin eeg-emotion
install -d -m 700 -o 10001 -g 10001 /var/lib/eeg-emotion /etc/eeg-emotion
