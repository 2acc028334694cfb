"""How the commands `replay`, `predict` and `what-if` open the file that they are given."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from eeg_emotion.recordings.recording import Recording

FORMATS = "EDF, BDF, BrainVision, EEGLAB, XDF, ... or DEAP's sXX.dat, sXX.mat."
RecordingFile = Annotated[Path, typer.Argument(help=FORMATS)]
Trials = Annotated[
    str | None, typer.Option(help="DEAP: the trials to use, such as 1-10 or 3 (default: all).")
]
Baseline = Annotated[bool, typer.Option(help="DEAP: include the 3 s before each video.")]
StreamName = Annotated[
    str | None, typer.Option(help="XDF: the stream's name, id or number, if there are several.")
]


def open_recording(
    file: Path, *, trials: str | None, baseline: bool, stream: str | None
) -> Recording:
    """Open a recording, with the options of the command line.

    Raises
    ------
    RecordingError
        If the file cannot be read, or an option does not apply to its format.
    """
    if file.suffix.lower() in {".dat", ".mat"}:
        from eeg_emotion.recordings.deap import deap_recording

        return deap_recording(file, trial_range(trials), baseline)
    from eeg_emotion.recordings.recording import RecordingError

    if trials is not None:
        raise RecordingError(
            f"{file}: found --trials, expected it with a DEAP file only; leave it out"
        )
    from eeg_emotion.readers.mne_files import read_recording

    return read_recording(file, stream=stream)


def trial_range(text: str | None) -> range | None:
    """Parse `3` or `1-10`, counted from 1 as in DEAP; None stands for all trials."""
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]+(-[0-9]+)?", text):
        raise typer.BadParameter(
            f"found --trials {text!r}, expected one trial or a range, such as 1-10"
        )
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)
