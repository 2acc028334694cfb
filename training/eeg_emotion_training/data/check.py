"""Whether a folder of DEAP files is what it claims to be: the genuine set, and unaltered.

Copies of DEAP go from hand to hand, and one in circulation stores 9 - r instead of r on every
trial whose valence and arousal are both high. A model trained on it looks fine and is worthless.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.recordings.deap import (
    HIGH_ABOVE_5,
    LABELS,
    PEOPLE,
    DeapPerson,
    find_people,
    load_person,
)
from eeg_emotion.recordings.recording import RecordingError
from eeg_emotion_training.data.participant_ratings import (
    RatingsError,
    compare_ratings,
    find_ratings,
    read_ratings,
)

_VALENCE, _AROUSAL = LABELS.index("valence"), LABELS.index("arousal")
_FIRST_ROW = np.array([7.71, 7.60, 6.90, 7.83])  # s01, video 1
_INVERTED_FIRST_ROW = np.array([9.0 - 7.71, 9.0 - 7.60, 6.90, 7.83])
# Band-passed EEG has some 3 to 30 µV RMS. The bounds only distinguish volts and raw counts from µV.
_PLAUSIBLE_UV = (0.3, 300.0)
_INVERTED = (
    "this is the inverted copy in circulation, which stores 9 - r instead of r for valence and "
    "arousal wherever both are high; do not use it: get DEAP from its authors"
)


class Verdict(StrEnum):
    """What a folder holds."""

    GENUINE = "genuine"
    PARTIAL = "partial"
    SIMULATED = "simulated"
    INVERTED = "inverted copy"
    NOT_DEAP = "not DEAP"


@dataclass(frozen=True, slots=True)
class Counts:
    """Trials that are high by `HIGH_ABOVE_5`."""

    trials: int
    valence: int
    arousal: int
    both: int

    def __str__(self) -> str:
        """Name every count."""
        return f"valence {self.valence}, arousal {self.arousal}, both {self.both} of {self.trials}"


_GENUINE_COUNTS = Counts(trials=1280, valence=708, arousal=737, both=439)
# What is left after the 439 trials that are high in both have been turned around.
_INVERTED_COUNTS = Counts(trials=1280, valence=269, arousal=298, both=0)


@dataclass(frozen=True, slots=True)
class FileCheck:
    """One person's file.

    Attributes
    ----------
    number, file
        The person, and the file's path inside the folder.
    sha256
        Digest of the file; empty where it could not be read.
    rms_uv
        Median over trials and EEG channels of the standard deviation, in the file's own unit,
        which must be µV.
    shape, lowest, highest
        The data's shape as text, and the range of the ratings; empty and NaN where unreadable.
    simulated
        True where the file carries the simulator's watermark.
    problem
        What is wrong with the file, or None.
    """

    number: int
    file: str
    sha256: str
    rms_uv: float
    simulated: bool
    problem: str | None
    shape: str = ""
    lowest: float = float("nan")
    highest: float = float("nan")


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a folder holds, and why.

    Attributes
    ----------
    verdict, ok
        `ok` is False where the folder must not be used.
    reasons
        The findings behind the verdict.
    ratings
        What the comparison with `participant_ratings` came to.
    """

    folder: Path
    verdict: Verdict
    ok: bool
    reasons: tuple[str, ...]
    files: tuple[FileCheck, ...] = ()
    counts: Counts | None = None
    ratings: str = ""

    def text(self) -> str:
        """Render the report for a terminal, the verdict first."""
        lines = [f"{self.folder}: {self.verdict}{'' if self.ok else ' - refused'}"]
        lines += [f"  {reason}" for reason in self.reasons]
        if self.counts is not None:
            lines.append(f"  high trials: {self.counts} ({HIGH_ABOVE_5.text}; {HIGH_ABOVE_5.id})")
        if self.ratings:
            lines.append(f"  participant_ratings: {self.ratings}")
        lines += [
            f"  {item.file}  data {item.shape}  ratings {item.lowest:g} to {item.highest:g}  "
            f"{item.rms_uv:6.2f} µV  {'simulated  ' * item.simulated}{item.sha256}"
            for item in self.files
            if item.sha256
        ]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on label tables alone."""

    verdict: Verdict
    ok: bool
    reason: str


def check_folder(folder: Path, progress: Callable[[int, int], None] | None = None) -> CheckReport:
    """Read every file of a folder once and judge what the folder holds.

    Parameters
    ----------
    folder
        The one that holds the files, or the one that holds DEAP's own folders.
    progress
        Called with the files read and the files found, after each.
    """
    try:
        paths = find_people(folder)
    except RecordingError as error:
        return CheckReport(folder, Verdict.NOT_DEAP, ok=False, reasons=(str(error),))
    files, labels = [], {}
    for number, path in paths.items():
        file = str(path.relative_to(folder))
        try:
            person = load_person(path)
        except RecordingError as error:
            files.append(FileCheck(number, file, "", float("nan"), False, str(error)))
        else:
            files.append(_check_person(person, file))
            labels[number] = person.labels
        if progress is not None:
            progress(len(files), len(paths))
    return _report(folder, tuple(files), labels)


def count_high(labels: Mapping[int, NDArray[np.float64]]) -> Counts:
    """Count the high trials in `(40, 4)` ratings by person."""
    high = HIGH_ABOVE_5.high(np.concatenate(list(labels.values())))
    valence, arousal = high[:, _VALENCE], high[:, _AROUSAL]
    both = valence & arousal
    return Counts(len(high), int(valence.sum()), int(arousal.sum()), int(both.sum()))


def judge_labels(labels: Mapping[int, NDArray[np.float64]]) -> Judgement:
    """Judge the ratings of people who are not simulated, `(40, 4)` by person and all finite."""
    table = np.concatenate(list(labels.values()))
    counts = count_high(labels)
    first = labels[1][0] if 1 in labels else None
    # 9 - r puts a rating above 8 below 1, which is off DEAP's scale.
    below = table[:, [_VALENCE, _AROUSAL]].min()
    if (
        counts == _INVERTED_COUNTS
        or (first is not None and np.allclose(first, _INVERTED_FIRST_ROW, rtol=0.0, atol=0.011))
        or (0.0 <= below < 1.0 and counts.both == 0)
    ):
        return Judgement(Verdict.INVERTED, ok=False, reason=f"found high {counts}: {_INVERTED}")
    if table.min() < 1.0 or table.max() > 9.0:
        reason = f"found ratings from {table.min():g} to {table.max():g}, expected 1 to 9"
    elif not set(labels) <= set(range(1, PEOPLE + 1)):
        reason = f"found person {max(labels)}, expected numbers from 1 to {PEOPLE}"
    elif first is not None and not np.allclose(first, _FIRST_ROW, rtol=0.0, atol=0.011):
        reason = f"found {first} as the first ratings of s01, expected {_FIRST_ROW}"
    elif len(labels) < PEOPLE:
        return Judgement(
            Verdict.PARTIAL,
            ok=True,
            reason=f"found {len(labels)} of {PEOPLE} people: the counts of a part prove nothing, "
            "and altered labels could go unnoticed; do not report results as DEAP's",
        )
    elif counts != _GENUINE_COUNTS:
        reason = f"found high {counts}, expected {_GENUINE_COUNTS}"
    else:
        return Judgement(
            Verdict.GENUINE, ok=True, reason=f"all {PEOPLE} people, with DEAP's labels"
        )
    return Judgement(
        Verdict.NOT_DEAP,
        ok=False,
        reason=f"{reason}; the labels were altered or are not DEAP's: get another copy",
    )


def _check_person(person: DeapPerson, file: str) -> FileCheck:
    rms_uv = float(np.median(person.eeg(baseline=False).std(axis=2)))
    problem = person.problem()
    low, high = _PLAUSIBLE_UV
    if problem is None and not low <= rms_uv <= high:
        problem = (
            f"{file}: found an EEG amplitude of {rms_uv:.3g}, expected {low:g} to {high:g} µV; the "
            "file is in another unit or holds no signal: get another copy"
        )
    return FileCheck(
        number=person.number,
        file=file,
        sha256=person.sha256,
        rms_uv=rms_uv,
        simulated=person.simulated,
        problem=problem,
        shape=" x ".join(map(str, person.data.shape)),
        lowest=float(person.labels.min()),
        highest=float(person.labels.max()),
    )


def _report(
    folder: Path, files: tuple[FileCheck, ...], labels: Mapping[int, NDArray[np.float64]]
) -> CheckReport:
    """Join what was found in the files, the labels and the table of ratings."""
    problems = tuple(item.problem for item in files if item.problem is not None)
    finite = bool(labels) and all(np.isfinite(table).all() for table in labels.values())
    counts = count_high(labels) if finite else None
    simulated = sum(item.simulated for item in files)
    judgement = judge_labels(labels) if finite and not simulated else None
    if judgement is not None and judgement.verdict is Verdict.INVERTED:
        return CheckReport(folder, Verdict.INVERTED, False, (judgement.reason,), files, counts)
    if 0 < simulated < len(files):
        problems += (
            f"found {simulated} simulated people among {len(files)}, expected all or none; keep "
            "simulated files in a folder of their own",
        )
    if problems or not finite:
        return CheckReport(folder, Verdict.NOT_DEAP, False, problems, files, counts)
    if judgement is None:
        reason = f"all {len(files)} people are simulated: no person's brain made these signals"
        return CheckReport(folder, Verdict.SIMULATED, True, (reason,), files, counts)
    agree, ratings = _compare(folder, labels)
    if not agree:
        disagree = "the labels and participant_ratings disagree"
        reasons = (disagree,) if judgement.ok else (judgement.reason, disagree)
        return CheckReport(folder, Verdict.NOT_DEAP, False, reasons, files, counts, ratings)
    return CheckReport(
        folder, judgement.verdict, judgement.ok, (judgement.reason,), files, counts, ratings
    )


def _compare(folder: Path, labels: Mapping[int, NDArray[np.float64]]) -> tuple[bool, str]:
    path = find_ratings(folder)
    if path is None:
        return True, "not checked: found no such file"
    if path.suffix != ".csv":
        return True, f"not checked: only .csv is read, found {path.name}"
    try:
        difference = compare_ratings(labels, read_ratings(path))
    except RatingsError as error:
        return False, str(error)
    return difference is None, difference or "agrees with every label"
