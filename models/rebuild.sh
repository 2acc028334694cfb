#!/bin/sh
# Rebuilds the demo model from nothing: simulated people, two runs, one file. Called by `make model`.
set -eu
people=$(mktemp -d)
trap 'rm -rf "$people"' EXIT
"$BIN/eeg-emotion-train" simulate "$people/simulated" --subjects 16 --seed 1
for target in arousal valence; do
    "$BIN/eeg-emotion-train" fit "$people/simulated" --target $target --seed 1 --out "$people/$target"
done
"$BIN/eeg-emotion-train" export --run "$people/arousal" --run "$people/valence" --version 1 \
    --out models/demo-simulated
