"""DEAP's preprocessed files: one person's trials with their ratings, and as a recording.

The layout follows the data set's description: 40 trials of 40 channels (32 EEG) at 128 Hz, 3 s of
baseline and 60 s of video. Simulated people in the same format carry a watermark in their last
channel, so that they can never be mistaken for DEAP.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.recordings.damage import check_transfer
from eeg_emotion.recordings.deap_pickle import UnsafePickleError, read_pickle
from eeg_emotion.recordings.recording import Marker, Recording, RecordingError, Stretch
from eeg_emotion.recordings.simulation import SIMULATED_MANUFACTURER

PEOPLE = 32
TRIALS = 40
CHANNELS = 40
SAMPLES = 8064
BASELINE_SAMPLES = 384
SFREQ_HZ = 128.0
LABELS = ("valence", "arousal", "dominance", "liking")
"""The columns of a person's labels, in DEAP's order."""

_FILE_NAME = re.compile(r"s(\d\d)\.(?:dat|mat)", re.IGNORECASE)
_FOLDERS = ("data_preprocessed_python", "data_preprocessed_matlab")
# What reading a broken MATLAB file raises, depending on where it is broken.
_BROKEN_MAT = (
    EOFError,
    IndexError,
    KeyError,
    MatReadError,
    NotImplementedError,  # version 7.3, which is HDF5
    OSError,
    TypeError,
    ValueError,
    zlib.error,
)
_WATERMARK_CHANNEL = 39  # temperature: no model reads it
_WATERMARK = np.resize(np.frombuffer(b"SIMULATED ", dtype=np.uint8).astype(np.float64), SAMPLES)


@dataclass(frozen=True, slots=True)
class LabelRule:
    """How a rating from 1 to 9 becomes high or low.

    Attributes
    ----------
    id
        Versioned name, stored with everything that was derived with the rule.
    text
        The rule in words.
    threshold
        A rating above it is high; a tie is low.
    """

    id: str
    text: str
    threshold: float

    def high(self, ratings: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return which ratings are high, `(ratings,)`; raise `RecordingError` for NaN."""
        if not np.isfinite(ratings).all():
            raise RecordingError(
                "labels: found a rating that is not a number, expected 1 to 9; leave the trial out"
            )
        return np.asarray(ratings > self.threshold)


HIGH_ABOVE_5 = LabelRule(
    id="high-above-5/1", text="high = rating > 5.0, a tie is low", threshold=5.0
)


@dataclass(frozen=True, slots=True)
class DeapPerson:
    """One file of DEAP's preprocessed data, or a file in its format.

    Attributes
    ----------
    number
        The person's number, from the file's name.
    data
        `(40 trials, 40 channels, 8064 samples)` float64 at 128 Hz; the first 32 are EEG in µV.
    labels
        `(40 trials, 4)` ratings from 1 to 9, columns `LABELS`.
    simulated
        True if the file carries the simulator's watermark.
    source, sha256
        The file, and its digest in hexadecimal.
    """

    number: int
    data: NDArray[np.float64]
    labels: NDArray[np.float64]
    simulated: bool
    source: Path
    sha256: str

    @property
    def name(self) -> str:
        """The person's name for display."""
        return f"{'Simulated DEAP-format' if self.simulated else 'DEAP'} s{self.number:02d}"

    def eeg(self, baseline: bool) -> NDArray[np.float64]:
        """Return the EEG, `(40, 32, samples)` µV: 8064 samples with the 3 s baseline, else 7680."""
        return self.data[:, : len(DEAP32), 0 if baseline else BASELINE_SAMPLES :]

    def problem(self) -> str | None:
        """Return what is wrong with the values; None if nothing. The shape was checked before."""
        if not np.isfinite(self.data).all():
            trial = int(np.flatnonzero(~np.isfinite(self.data).all(axis=(1, 2)))[0]) + 1
            return (
                f"{self.source.name}: found a sample in trial {trial} that is not a number, "
                "expected finite samples; the file is damaged: copy it again"
            )
        # Phrased so that NaN is out of range as well.
        if not ((self.labels >= 1.0) & (self.labels <= 9.0)).all():
            return (
                f"{self.source.name}: found ratings from {self.labels.min():g} to "
                f"{self.labels.max():g}, expected 1 to 9; run 'eeg-emotion-train check' on the "
                "folder, which recognises the altered copies in circulation"
            )
        return None


def read_person(path: Path) -> DeapPerson:
    """Read a `.dat` or `.mat` file, and raise `RecordingError` if a value is not valid in DEAP.

    No pickle is executed: a `.dat` file may name NumPy arrays and nothing else.
    """
    person = load_person(path)
    problem = person.problem()
    if problem is not None:
        raise RecordingError(problem)
    return person


def load_person(path: Path) -> DeapPerson:
    """Read a file and check only its shape; `DeapPerson.problem` checks the values."""
    match = _FILE_NAME.fullmatch(path.name)
    if match is None:
        raise RecordingError(
            f"{path.name}: found a file of another name, expected s01.dat to s32.dat, or .mat; "
            "name a file of DEAP's preprocessed data"
        )
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            mat = path.suffix.lower() == ".mat"
            arrays = _read_mat(path) if mat else read_pickle(file, path.name)
    except UnsafePickleError:
        raise
    except RecordingError:
        check_transfer(path)  # names the cause if the bytes show it
        raise
    except OSError as error:
        raise RecordingError(
            f"{path.name}: found no readable file ({error.strerror}), expected DEAP's; check the "
            "path and its permissions"
        ) from error
    expected = {"data": (TRIALS, CHANNELS, SAMPLES), "labels": (TRIALS, len(LABELS))}
    found = {key: value.shape for key, value in arrays.items()}
    if found != expected or any(value.dtype.kind != "f" for value in arrays.values()):
        described = {key: f"{value.dtype} {value.shape}" for key, value in arrays.items()}
        raise RecordingError(
            f"{path.name}: found {described}, expected floating-point arrays of {expected}; name "
            "a file of data_preprocessed_python or data_preprocessed_matlab"
        )
    data, labels = (np.ascontiguousarray(arrays[key], dtype=np.float64) for key in expected)
    for array in (data, labels):
        array.setflags(write=False)
    simulated = bool((data[:, _WATERMARK_CHANNEL] == _WATERMARK).all(axis=1).any())
    return DeapPerson(int(match[1]), data, labels, simulated, path, sha256)


def find_people(folder: Path) -> dict[int, Path]:
    """Return the people's files by number, from the folder or from DEAP's own folders inside it.

    Raises
    ------
    RecordingError
        If there is none, or if one person has two files.
    """
    found: dict[int, Path] = {}
    for place in (folder, *(folder / name for name in _FOLDERS)):
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            match = _FILE_NAME.fullmatch(path.name)
            if match is None:
                continue
            number = int(match[1])
            if number in found:
                first, second = (item.relative_to(folder) for item in (found[number], path))
                raise RecordingError(
                    f"person {number}: found {first} and {second}, expected one file per person; "
                    "name the folder of one of the two, or move one away"
                )
            found[number] = path
    if not found:
        raise RecordingError(
            f"{folder}: found no s01.dat or s01.mat, expected DEAP's preprocessed files; name the "
            f"folder that contains them, or the one that contains {' or '.join(_FOLDERS)}"
        )
    return dict(sorted(found.items()))


def deap_recording(path: Path, trials: range | None = None, baseline: bool = True) -> Recording:
    """Return a person's trials as a recording, in DEAP's order, that of the videos and not of time.

    Parameters
    ----------
    path
        The person's file.
    trials
        Numbers of the trials, from 1 to 40; None for all.
    baseline
        Whether each trial begins with its 3 s of baseline. The marker with the ratings is at the
        onset of the video in either case.
    """
    chosen = range(1, TRIALS + 1) if trials is None else trials
    if not chosen or min(chosen) < 1 or max(chosen) > TRIALS:
        raise RecordingError(
            f"{path.name}: found trials {chosen}, expected numbers from 1 to {TRIALS}; choose "
            "from those"
        )
    person = read_person(path)
    return Recording(
        name=person.name,
        source_id=person.name.lower().replace(" ", "-"),
        channels=DEAP32,
        units=("microvolts",) * len(DEAP32),
        sfreq=SFREQ_HZ,
        manufacturer=SIMULATED_MANUFACTURER if person.simulated else "BioSemi (DEAP data set)",
        simulated=person.simulated,
        stretches=lambda: _trials(person, chosen, baseline),
    )


def mark_simulated(data: NDArray[np.float64]) -> None:
    """Write the watermark into `(trials, 40, 8064)` data, over the temperature channel."""
    data[:, _WATERMARK_CHANNEL] = _WATERMARK


def _trials(person: DeapPerson, trials: range, baseline: bool) -> Iterator[Stretch]:
    eeg = person.eeg(baseline)
    onset = BASELINE_SAMPLES if baseline else 0
    for trial in trials:
        ratings = dict(zip(LABELS, person.labels[trial - 1].tolist(), strict=True))
        text: dict[str, object] = {"text": f"trial {trial}", "ratings": ratings}
        if person.simulated:
            text["simulated"] = True
        yield Stretch(eeg[trial - 1], follows=False, markers=(Marker(onset, json.dumps(text)),))


def _read_mat(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        content = loadmat(path, appendmat=False, variable_names=["data", "labels"])
    except _BROKEN_MAT as error:
        raise RecordingError(
            f"{path.name}: found something that is not a complete MATLAB 5 file ({error}), "
            "expected DEAP's data and labels; the file is damaged or converted: copy it again"
        ) from error
    return {key: np.asarray(content[key]) for key in ("data", "labels") if key in content}
