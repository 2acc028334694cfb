"""Simulated people as EDF recordings with a table of labels, for a first run with `--dataset csv`.

The signals and ratings were planted by `eeg_emotion.recordings.simulation`. The files name the
simulator as their equipment, by which the reader recognises them as simulated.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.atomic_write import atomic_write
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.recordings.simulation import SIMULATED_MANUFACTURER, SimulatedPerson, ratings
from eeg_emotion_training.data.simulate import SimulationError

TABLE = "labels.csv"
TRIALS = 16
REST_SECONDS = 30
PAUSE_SECONDS = 3
TRIAL_SECONDS = 20
SFREQ_HZ = 128

_COLUMNS = ("file", "person", "trial", "start", "stop", "stimulus", "arousal", "valence")
_PERSON_SPREAD = 0.2  # how far a person's state strays from what the film is made for
_MOST_PEOPLE = 99
# 16 bits over this range are steps of 0.03 µV. A blink has some 200 µV.
_RANGE_UV = 1000.0
_DIGITAL = 32767


def write_table(
    folder: Path,
    subjects: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write ``p01.edf`` and following, 3.3 MB each, and ``labels.csv``; return the table's path.

    A recording is 30 s of rest and 16 films of 20 s with pauses of 3 s, in one continuous run.

    Parameters
    ----------
    folder
        Made if missing; refused if it has a table or people already.
    subjects
        How many people, 1 to 99.
    seed
        Names the simulation: the same seed writes the same bytes.
    progress
        Called with the people written and the people wanted, after each.
    """
    if not 1 <= subjects <= _MOST_PEOPLE or seed < 0:
        raise SimulationError(
            f"simulate: found {subjects} people and seed {seed}, expected 1 to {_MOST_PEOPLE} "
            "people and a seed from 0; choose others"
        )
    folder.mkdir(parents=True, exist_ok=True)
    found = sorted([*folder.glob("p[0-9][0-9].edf"), *folder.glob(TABLE)])
    if found:
        raise SimulationError(
            f"simulate: found {found[0].name} in {folder}, expected a folder without people or "
            f"{TABLE}; name a new folder, or move the files away: they are never overwritten"
        )
    films = _film_states(seed)
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for number in range(1, subjects + 1):
        person = SimulatedPerson(seed, number)
        path = folder / f"p{number:02d}.edf"
        eeg, labels = _session(person, films)
        with atomic_write(path) as file:
            file.write(_edf(number, eeg))
        rows.writerows([path.name, path.stem, *row] for row in labels)
        if progress is not None:
            progress(number, subjects)
    # Last: a folder without a table holds no data set.
    with atomic_write(folder / TABLE) as file:
        file.write(text.getvalue().encode())
    return folder / TABLE


def _film_states(seed: int) -> NDArray[np.float64]:
    """Return the arousal and valence that each film is made to evoke, four in each quadrant."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, 4)))
    quadrants = np.resize([(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)], (TRIALS, 2))
    return rng.permutation(quadrants) * rng.uniform(0.5, 1.0, (TRIALS, 2))


def _session(
    person: SimulatedPerson, films: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[Sequence[object]]]:
    """Return a person's EEG, `(32, samples)` µV, and the rows after the columns file and person."""
    rng = np.random.default_rng(np.random.SeedSequence(person.seed, spawn_key=(person.number, 4)))
    order = rng.permutation(TRIALS)
    states = np.clip(films[order] + rng.normal(0.0, _PERSON_SPREAD, films.shape), -1.0, 1.0)
    noise = rng.normal(0.0, person.effect.rating_noise, states.shape)
    rated = (ratings(states) + noise).clip(1.0, 9.0).round(1)
    course = np.zeros((2, (REST_SECONDS + TRIALS * (PAUSE_SECONDS + TRIAL_SECONDS)) * SFREQ_HZ))
    rows: list[Sequence[object]] = [("rest", 0, REST_SECONDS, "", "", "")]
    start = REST_SECONDS
    for number, film in enumerate(order):
        start += PAUSE_SECONDS
        stop = start + TRIAL_SECONDS
        course[:, start * SFREQ_HZ : stop * SFREQ_HZ] = states[number, :, np.newaxis]
        rows.append((f"t{number + 1}", start, stop, f"film {film + 1}", *rated[number]))
        start = stop
    eeg = person.run(0, SFREQ_HZ).next(course.shape[1], course[0], course[1])
    # An amplifier without a direct current: EDF's 16 bits would be coarse with the offsets.
    return eeg - person.offset_uv[:, np.newaxis], rows


def _edf(number: int, eeg: NDArray[np.float64]) -> bytes:
    """Return `(32, samples)` µV as an EDF file of records of a second."""
    channels, samples = eeg.shape
    records = samples // SFREQ_HZ
    equipment = SIMULATED_MANUFACTURER.replace(" ", "_")

    def field(width: int, *texts: object) -> bytes:
        return "".join(f"{text!s:<{width}}" for text in texts).encode("ascii")

    header = [
        field(8, "0"),
        field(80, f"X X X simulated_person_{number}"),
        field(80, f"Startdate 01-JAN-2026 X X {equipment}"),
        field(8, "01.01.26", "00.00.00", 256 * (channels + 1)),
        field(44, ""),
        field(8, records, 1),
        field(4, channels),
        field(16, *(f"EEG {name}" for name in DEAP32)),
        field(80, *["simulated"] * channels),
        field(8, *["uV"] * channels),
        field(8, *[f"{-_RANGE_UV:g}"] * channels, *[f"{_RANGE_UV:g}"] * channels),
        field(8, *[-_DIGITAL] * channels, *[_DIGITAL] * channels),
        field(80, *[""] * channels),
        field(8, *[SFREQ_HZ] * channels),
        field(32, *[""] * channels),
    ]
    digital = np.rint(eeg * (_DIGITAL / _RANGE_UV)).clip(-_DIGITAL, _DIGITAL).astype("<i2")
    by_record = digital.reshape(channels, records, SFREQ_HZ).swapaxes(0, 1)
    return b"".join([*header, by_record.tobytes()])
