"""The model card: Markdown with a YAML header, made from the contract."""

from __future__ import annotations

from collections.abc import Sequence

from eeg_emotion.inference.contract import Contract
from eeg_emotion_training.run import Run


def model_card(contract: Contract, runs: Sequence[Run], file_name: str, sha256: str) -> str:
    """Write the card of an exported model."""
    path, trained_on = contract.path, contract.trained_on
    simulated = (
        "\n> **Trained on simulated people.** Its scores say nothing about a real person's "
        "arousal or valence. It exists so that the whole line can be run and tested without "
        "licensed data.\n"
        if trained_on.simulated
        else ""
    )
    rows = "\n".join(
        f"| {result.target} | {result.balanced_accuracy:.3f} | {result.accuracy:.3f} | "
        f"{result.majority_accuracy:.3f} | {result.auroc:.3f} | {result.people} | "
        f"{result.trials} | {result.windows} |"
        for result in contract.held_out
    )
    networks = "\n".join(
        f"- {run.target.name}: BN-GRU, {run.units} units, Adam, batch {run.batch_size}, best epoch "
        f"{run.best_epoch} of at most {run.epochs} by validation people "
        f"{_people(run.validation_people)}, seed {run.seed}; trained on "
        f"{_people(run.training_people)}, tested on {_people(run.test_people)}"
        for run in runs
    )
    return f"""---
name: {contract.name}
version: {contract.version}
file: {file_name}
sha256: {sha256}
trained_on: {trained_on.dataset}
simulated: {str(trained_on.simulated).lower()}
targets: [{", ".join(target.name for target in contract.targets)}]
---

# {contract.name} {contract.version}
{simulated}
## What it takes and gives

{path.window_seconds:g} s windows of {len(path.channels)} EEG channels in µV at {path.sfreq:g} Hz,
band-passed causally to {path.bandpass_hz[0]:g}-{path.bandpass_hz[1]:g} Hz, average reference,
represented as `{path.representation.kind}`: {path.window_shape[0]} steps of
{path.window_shape[1]} features. For each target it gives the probability of "high".
Label rule `{contract.label_policy.id}`: {contract.label_policy.text}.

## Trained on

{trained_on.dataset}: {trained_on.people} people, {trained_on.windows} windows.

{networks}

## Held-out results

Protocol: {contract.held_out[0].protocol}. Windows of one trial are not independent: count trials.

| target | balanced accuracy | accuracy | majority | AUROC | people | trials | windows |
|---|---|---|---|---|---|---|---|
{rows}

## Limits

Not for diagnosis, nor for decisions about people at work or in education. Probabilities are not
calibrated. The result above holds for people like those it was tested on, under this protocol.
"""


def _people(numbers: Sequence[int]) -> str:
    return ", ".join(f"s{number:02d}" for number in numbers)
