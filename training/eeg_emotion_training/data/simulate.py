"""Simulated people as files in DEAP's exact format, for a first run without the licensed data.

Everything that these files hold was planted by `eeg_emotion.recordings.simulation`. They carry
its watermark, which the reader turns into the word *simulated* wherever the data are shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from eeg_emotion.atomic_write import atomic_write
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.recordings.deap import (
    BASELINE_SAMPLES,
    CHANNELS,
    LABELS,
    PEOPLE,
    SAMPLES,
    SFREQ_HZ,
    TRIALS,
    mark_simulated,
)
from eeg_emotion.recordings.deap_pickle import write_python2_pickle
from eeg_emotion.recordings.simulation import Effect, SimulatedPerson, ratings

# Simulated beyond both ends of a trial and cut off after filtering, so that no trial begins or
# ends in the filter's own transient: DEAP was filtered before it was cut into trials.
_MARGIN_SAMPLES = 128
_PERSON_SPREAD = 0.2  # how far a person's state strays from what the video is made for


class SimulationError(EegEmotionError):
    """Simulated people cannot be written to this folder, or not with these options."""


def write_people(
    folder: Path,
    subjects: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
    effect: Effect | None = None,
) -> tuple[Path, ...]:
    """Write ``s01.dat`` and following, and a README that states that they are simulated.

    Parameters
    ----------
    folder
        Made if missing; refused if it holds people already.
    subjects
        How many people, 1 to 32; 103 MB each.
    seed
        Names the simulation: the same seed writes the same bytes.
    progress
        Called with the people written and the people wanted, after each.
    effect
        What emotion does to the signal; None is `Effect`'s own sizes.
    """
    if not 1 <= subjects <= PEOPLE or seed < 0:
        raise SimulationError(
            f"simulate: found {subjects} people and seed {seed}, expected 1 to {PEOPLE} people "
            "and a seed from 0; choose others"
        )
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_occupied(folder)
    chosen = Effect() if effect is None else effect
    with atomic_write(folder / "README.txt") as file:
        file.write(_readme(subjects, seed, chosen).encode())
    paths = []
    for number in range(1, subjects + 1):
        data, labels = person_arrays(SimulatedPerson(seed, number, chosen))
        path = folder / f"s{number:02d}.dat"
        with atomic_write(path) as file:
            write_python2_pickle(file, {"labels": labels, "data": data})
        paths.append(path)
        if progress is not None:
            progress(number, subjects)
    return tuple(paths)


def person_arrays(person: SimulatedPerson) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Simulate one person's data and labels in DEAP's shapes.

    Returns
    -------
    data
        `(40, 40, 8064)`: 3 s of neutral baseline and 60 s of the trial's state. As DEAP's, the
        EEG (µV) went through a zero-phase band-pass of 4 to 45 Hz and is referenced to its own
        average. The removal of eye artefacts is not simulated: what the filter leaves of the
        blinks is still there.
    labels
        `(40, 4)` ratings from 1 to 9 with two decimals, columns `LABELS`.
    """
    rng = np.random.default_rng(np.random.SeedSequence(person.seed, spawn_key=(person.number, 3)))
    states = _video_states(person.seed)
    states = np.clip(states + rng.normal(0.0, _PERSON_SPREAD, states.shape), -1.0, 1.0)
    noise = rng.normal(0.0, person.effect.rating_noise, states.shape)
    labels = (ratings(states) + noise).clip(1.0, 9.0).round(2)

    data = np.empty((TRIALS, CHANNELS, SAMPLES))
    band = signal.butter(4, (4.0, 45.0), btype="bandpass", fs=SFREQ_HZ, output="sos")
    valence, arousal = (LABELS.index(label) for label in ("valence", "arousal"))
    for trial, state in enumerate(states):
        course = np.zeros((len(LABELS), SAMPLES + 2 * _MARGIN_SAMPLES))
        course[:, _MARGIN_SAMPLES + BASELINE_SAMPLES :] = state[:, np.newaxis]
        run = person.run(trial, SFREQ_HZ)
        eeg = run.next(course.shape[1], course[arousal], course[valence])
        eeg = signal.sosfiltfilt(band, eeg, axis=1)[:, _MARGIN_SAMPLES:-_MARGIN_SAMPLES]
        data[trial, : len(DEAP32)] = eeg - eeg.mean(axis=0)
        data[trial, len(DEAP32) :] = _peripheral(rng)
    mark_simulated(data)
    return data, labels


def _video_states(seed: int) -> NDArray[np.float64]:
    """Return what each video is made to evoke, `(40, 4)` from -1 to +1: ten in each quadrant."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    states = rng.uniform(-0.5, 0.5, (TRIALS, len(LABELS)))
    quadrants = np.resize([(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)], (TRIALS, 2))
    wanted = [LABELS.index(label) for label in ("valence", "arousal")]
    states[:, wanted] = rng.permutation(quadrants) * rng.uniform(0.25, 1.0, (TRIALS, 2))
    return states


def _peripheral(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return channels 33 to 40 of one trial, `(8, 8064)`: plain shapes that no emotion moves."""
    seconds = np.arange(SAMPLES) / SFREQ_HZ
    eog_and_emg = rng.normal(0.0, [[20.0], [20.0], [8.0], [12.0]], (4, SAMPLES))  # µV
    skin = rng.uniform(5e3, 5e4) + 200.0 * np.cumsum(rng.normal(0.0, 0.1, SAMPLES))  # Ohm
    phases = rng.uniform(0.0, 2.0 * np.pi, 2)
    breath = 500.0 * np.sin(2.0 * np.pi * rng.uniform(0.2, 0.3) * seconds + phases[0])
    pulse = 800.0 * np.sin(2.0 * np.pi * rng.uniform(1.0, 1.4) * seconds + phases[1]) ** 3
    return np.vstack([eog_and_emg, skin, breath, pulse, np.zeros(SAMPLES)])


def _refuse_occupied(folder: Path) -> None:
    files = sorted(folder.glob("s[0-9][0-9].*")) + sorted(folder.glob("README.txt"))
    if files:
        raise SimulationError(
            f"simulate: found {files[0].name} in {folder}, expected a folder without people or "
            "README.txt; name a new folder, or move the files away: they are never overwritten"
        )


def _readme(subjects: int, seed: int, effect: Effect) -> str:
    effects = "\n".join(f"  {name} = {value:g}" for name, value in asdict(effect).items())
    return f"""\
SIMULATED PEOPLE. This is not the DEAP data set, and no person's brain made these signals.

{subjects} simulated people, s01.dat to s{subjects:02d}.dat, by eeg-emotion with seed {seed}.
The layout is that of DEAP's data_preprocessed_python. Channel 40 of every trial spells
"SIMULATED " in character codes, by which eeg-emotion recognises these files.

What emotion does to the signal was planted, with these amounts (see Effect in
eeg_emotion.recordings.simulation):
{effects}

As in DEAP, the EEG was filtered to 4-45 Hz and referenced to its average. The removal of eye
artefacts is not simulated: blinks are still in it. A result on these files shows that
the software works, and nothing about emotion or people.
"""
