"""Your own labelled EEG to a live model of arousal and valence.

Start before: nothing. You need recordings (EDF, BDF, BrainVision, XDF, ...) of three people or
              more, and beside them a table with a line for each trial, such as `trials.csv`:

                  file,person,trial,start,stop,arousal,valence
                  p01.edf,p01,film-1,10,70,high,low
                  p01.edf,p01,film-2,80,140,low,high

              `start` and `stop` are seconds from the recording's first sample. Each person needs
              trials of both classes of each label.
Run it with:  python labels_to_live.py recordings/trials.csv runs/mine
              or, with the table of simulated people that docs/tutorials/labels.md makes,
              python labels_to_live.py runs/films/labels.csv runs/films-simulated --steps 200
              The name of a model of simulated people must contain "simulated". What follows goes
              to both fits: --montage emotiv14, --normaliser rest-baseline, ...

It fits one network for each label, joins them into one model, checks that as the service would,
and prints how well it did on people whom it was not trained on, with the command that serves it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import typer

from eeg_emotion.cli.main import app as service
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.readers.mne_files import read_recording
from eeg_emotion_training.cli import app as trainer
from eeg_emotion_training.data.table import read_table

TRAIN = "eeg-emotion-train"
TARGETS = ("arousal", "valence")  # the service serves these two

WHAT_IT_MEANS = """
Balanced accuracy is the mean of the share of high trials called high and of low trials called low:
0.5 is chance. It was measured on people of whom nothing was used for training. Its interval is for
these trials of these people; it does not say how far other people differ, and with one or two
people held out nobody knows. It holds no longer once you have tried several settings and kept the
one with the best result."""


def run(app: typer.Typer, name: str, *arguments: str | Path) -> None:
    """Run a command in this process, since starting TensorFlow takes long; end if it fails."""
    words = [str(argument) for argument in arguments]
    print("$", name, *words, flush=True)
    try:
        app(words)
    except SystemExit as end:  # 0 as well
        if end.code:
            raise
    except EegEmotionError as error:
        sys.exit(f"{name}: {error}")


def refuse_name(table: Path, model: Path) -> None:
    """End if the people are simulated and the name does not say so, as the export would at last."""
    try:
        first = read_table(table).rows[0]
        is_simulated = read_recording(first.path, stream=first.stream).simulated
    except EegEmotionError:
        return  # the first fit refuses it, with the row
    if is_simulated and "simulated" not in model.name:
        sys.exit(
            f"found the name {model.name!r} for a model of simulated people, expected one that "
            f"contains 'simulated', such as {model}-simulated"
        )


def read_record(folder: Path) -> dict[str, Any]:
    """Return what a fit recorded about itself."""
    record: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return record


def result(target: str, record: dict[str, Any]) -> str:
    """Return one line about the people who were held out."""
    held_out = record["held_out"]
    low, high = held_out["trial_interval"]
    trained, chose, tested = (
        len(record[part]) for part in ("training_people", "validation_people", "test_people")
    )
    simulated = " SIMULATED" if record["trained_on"]["simulated"] else ""
    return (
        f"{target}: balanced accuracy {held_out['trial_balanced_accuracy']:.2f} (95 % {low:.2f} to "
        f"{high:.2f}) over {held_out['trials']} trials. Of{simulated} people, {trained} trained "
        f"it, {chose} chose the step, {tested} held out: {', '.join(record['test_people'])}"
    )


def main() -> None:
    """Go from a table to a model."""
    if len(sys.argv) < 3:
        sys.exit("usage: labels_to_live.py TABLE MODEL [options of 'eeg-emotion-train fit']")
    table, model, *options = sys.argv[1:]
    folders = {target: Path(f"{model}-{target}") for target in TARGETS}
    refuse_name(Path(table), Path(model))
    # The first fit checks the whole table, and refuses it with the line and what was expected.
    for target, folder in folders.items():
        named = ("--target", target, "--out", folder)
        run(trainer, TRAIN, "fit", table, "--dataset", "csv", *named, *options)
    runs = [part for folder in folders.values() for part in ("--run", folder)]
    run(trainer, TRAIN, "export", *runs, "--out", model)
    run(service, "eeg-emotion", "verify-model", f"{model}.onnx")

    records = {target: read_record(folder) for target, folder in folders.items()}
    print("\nHeld out")
    for target, record in records.items():
        print(result(target, record))
    print(WHAT_IT_MEANS)
    # A model of real people serves a stated purpose: demo is for simulated ones.
    is_simulated = all(record["trained_on"]["simulated"] for record in records.values())
    purpose = "demo" if is_simulated else "research"
    print(f"\nServe it:\neeg-emotion serve --model {model}.onnx --purpose {purpose}")


if __name__ == "__main__":
    main()
