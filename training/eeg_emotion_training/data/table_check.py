"""What a table of labelled EEG holds, person by person, read as a fit would read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from eeg_emotion_training.data.sources import PersonSignal
from eeg_emotion_training.data.table_source import TableSource


def check_table(path: Path, channels: tuple[str, ...]) -> Iterator[str]:
    """Read a table and its recordings, and report each person in a line.

    Parameters
    ----------
    path
        The table.
    channels
        The model's channels.

    Raises
    ------
    DataError, RecordingError
        At the first thing that cannot be trained on, with its row and column.
    """
    source = TableSource(path, channels)
    kind = "simulated people" if source.simulated else "people"
    yield f"{path}: {len(source.digests)} {kind}, labels {', '.join(source.labels)}"
    yield f"  {source.label_policy.text} ({source.label_policy.id})"
    for person in source.digests:
        yield f"  {person}: {_describe(source.read(person), source.labels)}"


def _describe(signal: PersonSignal, labels: tuple[str, ...]) -> str:
    filled_in = len(signal.layout.interpolated)
    trials = sum(trial.end - trial.onset for trial in signal.trials) / signal.sfreq
    rest = sum(rest.samples.shape[1] / signal.sfreq - rest.skip_seconds for rest in signal.rest)
    high = np.sum([trial.high for trial in signal.trials], axis=0).tolist()
    parts = [
        f"{len(signal.trials)} trials ({trials:.0f} s)",
        *(f"{label} high in {count}" for label, count in zip(labels, high, strict=True)),
        f"{rest:.0f} s of settled rest",
        f"{signal.sfreq:g} Hz",
        f"{filled_in} of {len(signal.layout.channels)} channels filled in",
    ]
    return ", ".join(parts)
