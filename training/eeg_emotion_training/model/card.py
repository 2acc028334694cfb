"""The model card: Markdown with a YAML header, made from the contract."""

from __future__ import annotations

from collections.abc import Sequence

from eeg_emotion.inference.contract import Contract, RestBaseline
from eeg_emotion_training.model.run import Run

_HEADINGS = (
    "| target | balanced accuracy of trials [95 %] | of windows | accuracy | majority | AUROC "
    "| people | trials | windows |"
)


def model_card(contract: Contract, runs: Sequence[Run], file_name: str, sha256: str) -> str:
    """Write the card of an exported model."""
    path, trained_on = contract.path, contract.trained_on
    simulated = (
        "\n> **Trained on simulated people.** Its scores say nothing about a real person's "
        "arousal or valence. It exists so that the whole chain can be run and tested without "
        "licensed data.\n"
        if trained_on.simulated
        else ""
    )
    rows = "\n".join(
        f"| {result.target} | {result.trial_balanced_accuracy:.3f} "
        f"[{result.trial_interval[0]:.3f}, {result.trial_interval[1]:.3f}] | "
        f"{result.balanced_accuracy:.3f} | {result.accuracy:.3f} | "
        f"{result.majority_accuracy:.3f} | {result.auroc:.3f} | {result.people} | "
        f"{result.trials} | {result.windows} |"
        for result in contract.held_out
    )
    calibration = "\n".join(
        f"| {target.name} | {target.calibration.temperature:.2f} | "
        f"{target.calibration.ece_before:.3f} | {target.calibration.ece_after:.3f} | "
        f"{result.ece:.3f} | {target.calibration.unsure[0]:.2f} to "
        f"{target.calibration.unsure[1]:.2f} |"
        for target, result in zip(contract.targets, contract.held_out, strict=True)
    )
    normaliser = (
        "Each person's features are normalised by their own rest before use "
        f"({contract.normaliser.least_seconds} to {contract.normaliser.most_seconds} s): without "
        "it there is no score."
        if isinstance(contract.normaliser, RestBaseline)
        else "Features are normalised by statistics of the training people."
    )
    networks = "\n".join(
        f"- {run.target.name}: {run.network.upper()}, {run.units} units, Adam, batch "
        f"{run.batch_size}, step {run.best_step} of at most {run.steps} by validation people "
        f"{', '.join(run.validation_people)}, seed {run.seed}; trained on "
        f"{', '.join(run.training_people)}, tested on {', '.join(run.test_people)}"
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
## Input and output

{path.window_seconds:g} s windows of {len(path.channels)} EEG channels in µV at {path.sfreq:g} Hz,
band-passed causally to {path.bandpass_hz[0]:g}-{path.bandpass_hz[1]:g} Hz, average reference,
represented as `{path.representation.kind}`: {path.window_shape[0]} steps of
{path.window_shape[1]} features. {normaliser} For each target it returns the probability of "high".
Label rule `{contract.label_policy.id}`: {contract.label_policy.text}.

## Trained on

{trained_on.dataset}: {trained_on.people} people, {trained_on.windows} windows.

{networks}

## Held-out results

Protocol: {contract.held_out[0].protocol}. Windows of one trial are not independent: count trials.

{_HEADINGS}
|---|---|---|---|---|---|---|---|---|
{rows}

## Calibration

The graph's log-odds are divided by the temperature, chosen on the validation people; a probability
in the last column's range is called "unsure", since there fewer than 60 % of estimates were right.

| target | temperature | calibration error before | after | on held-out people | unsure |
|---|---|---|---|---|---|
{calibration}

## Limits

Not for diagnosis, nor for decisions about people at work or in education. The result above holds
for people like those it was tested on, under this protocol.
"""
