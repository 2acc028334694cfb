"""DEAP, or simulated people in its format, as a source of labelled EEG."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from eeg_emotion.eeg.layout import Layout, cap_layout, most_interpolated
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.inference.contract import LabelPolicy
from eeg_emotion.recordings.deap import (
    BASELINE_SAMPLES,
    HIGH_ABOVE_5,
    LABELS,
    SAMPLES,
    SFREQ_HZ,
    TRIALS,
    DeapPerson,
    find_people,
    read_person,
)
from eeg_emotion.recordings.simulation import Effect, SimulatedPerson
from eeg_emotion_training.data.check import CheckReport, Verdict, check_folder
from eeg_emotion_training.data.simulate import person_arrays
from eeg_emotion_training.data.sources import DataError, PersonSignal, Rest, Trial

# A baseline of 3 s is too short for the 3 s that the filters settle for elsewhere. DEAP's files
# hold no offset and no drift any more, so the filters have little to settle from.
_REST_SKIP_SECONDS = 1.0
_SIMULATED = "simulated people in DEAP's format"


class DeapSource:
    """A folder of DEAP's preprocessed files.

    Parameters
    ----------
    report
        What was found in the folder.
    channels
        The model's channels; those that DEAP lacks are filled in from its 32.
    """

    labels = LABELS
    label_policy = LabelPolicy(id=HIGH_ABOVE_5.id, text=HIGH_ABOVE_5.text)
    baseline_seconds = BASELINE_SAMPLES / SFREQ_HZ

    def __init__(self, report: CheckReport, channels: tuple[str, ...]) -> None:
        self.simulated = report.verdict is Verdict.SIMULATED
        self.name = _SIMULATED if self.simulated else "DEAP"
        self.notes = report.reasons if report.verdict is Verdict.PARTIAL else ()
        self._paths = {
            f"s{number:02d}": path for number, path in find_people(report.folder).items()
        }
        self.digests: Mapping[str, str] = {
            f"s{file.number:02d}": file.sha256 for file in report.files
        }
        self._layout = deap_layout(channels)

    def read(self, person: str) -> PersonSignal:
        """Read one person's file."""
        return person_signal(read_person(self._paths[person]), self._layout)


class SimulatedSource:
    """Simulated people who are made when they are read, without files.

    Parameters
    ----------
    people
        How many.
    seed
        Names the simulation; the same people as `eeg-emotion-train simulate` writes.
    channels
        The model's channels.
    effect
        What emotion does to the signal.
    """

    name = _SIMULATED
    simulated = True
    labels = LABELS
    label_policy = DeapSource.label_policy
    baseline_seconds = DeapSource.baseline_seconds
    notes: tuple[str, ...] = ()

    def __init__(
        self, people: int, seed: int, channels: tuple[str, ...], effect: Effect | None = None
    ) -> None:
        self._seed = seed
        self._effect = Effect() if effect is None else effect
        self._layout = deap_layout(channels)
        self.digests: Mapping[str, str] = {
            f"s{number:02d}": hashlib.sha256(
                f"simulated {seed} {number} {self._effect}".encode()
            ).hexdigest()
            for number in range(1, people + 1)
        }

    def read(self, person: str) -> PersonSignal:
        """Simulate one person."""
        number = int(person[1:])
        data, labels = person_arrays(SimulatedPerson(self._seed, number, self._effect))
        made = DeapPerson(number, data, labels, True, Path(person), self.digests[person])
        return person_signal(made, self._layout)


def refuse_missing(folder: Path) -> None:
    """Refuse a folder that does not exist, by a message of its own."""
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise DataError(
            f"found {found} at {folder}, expected a folder of DEAP's files; correct the path, or "
            "write simulated people with 'eeg-emotion-train simulate'"
        )


def open_deap(folder: Path, montages: Mapping[str, tuple[str, ...]]) -> dict[str, DeapSource]:
    """Check a folder once, and open it for each montage.

    Raises
    ------
    DataError
        If there is no such folder, or it holds an altered copy, a mixture, or no DEAP files.
    """
    refuse_missing(folder)
    report = check_folder(folder)
    if not report.ok:
        raise DataError(
            f"{folder}: found {report.verdict}, expected DEAP or simulated people: "
            f"{'; '.join(report.reasons)}"
        )
    return {name: DeapSource(report, channels) for name, channels in montages.items()}


def deap_layout(channels: tuple[str, ...]) -> Layout:
    """Return the way from DEAP's 32 channels to a model's."""
    return cap_layout(
        DEAP32, ["uV"] * len(DEAP32), channels, max_interpolated=most_interpolated(channels)
    )


def person_signal(person: DeapPerson, layout: Layout) -> PersonSignal:
    """Convert one person to the common shape.

    The rest is the 3 s before each video, without what the filters need to settle: it has no label.
    It comes from the first trials, until a minute is full.
    """
    high = HIGH_ABOVE_5.high(person.labels)
    eeg = person.eeg(baseline=True)
    trials = [
        Trial(eeg[trial], BASELINE_SAMPLES, SAMPLES, high[trial], f"video {trial + 1}")
        for trial in range(TRIALS)
    ]
    rest = [Rest(trial[:, :BASELINE_SAMPLES], _REST_SKIP_SECONDS) for trial in eeg]
    return PersonSignal(layout=layout, sfreq=SFREQ_HZ, trials=trials, rest=rest)
