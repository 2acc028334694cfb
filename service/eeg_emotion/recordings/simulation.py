"""Simulated people: endless EEG-like signals with a planted, documented effect of emotion.

This is a simulation. These signals do not come from a brain, and a model trained on them has learnt
what was planted here and nothing about people. The ingredients are the usual ones: a 1/f
background, rhythms of the classical bands that wax and wane, blinks, mains hum and electrode
offsets. Valence changes frontal alpha asymmetry (left frontal activity, that is less alpha on the
left, with approach and positive affect: Davidson 1992, Brain and Cognition 20, 125-151), and
arousal changes beta, gamma and alpha power. The sizes of these effects are set by `Effect` and are
chosen, not measured.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy  # loads scipy.signal, which takes a second, on first use
from numpy.typing import NDArray

from eeg_emotion.eeg.montage import DEAP32, positions
from eeg_emotion.recordings.recording import Marker, Recording, RecordingError, Stretch

SIMULATED_MANUFACTURER = "eeg-emotion simulator (simulated)"

_SOURCES = ("F3", "F4", "Fz", "C3", "C4", "T7", "T8", "Pz", "O1", "O2")
_BANDS = ("theta", "alpha", "beta", "gamma")
# µV RMS of each source's rhythm where the source is strongest: frontal-midline theta, posterior
# alpha, and rhythms that get weaker with frequency.
_RHYTHM_UV = np.array(
    [
        [1.5, 1.5, 3.0, 1.5, 1.5, 1.2, 1.2, 1.5, 1.2, 1.2],
        [3.0, 3.0, 2.0, 2.5, 2.5, 2.0, 2.0, 5.0, 6.0, 6.0],
        [2.0, 2.0, 1.6, 2.0, 2.0, 1.6, 1.6, 1.6, 1.6, 1.6],
        [0.9, 0.9, 0.8, 0.9, 0.9, 1.0, 1.0, 0.8, 0.8, 0.8],
    ]
)
_BACKGROUND_UV = 3.0  # RMS of one source's 1/f background between 1 and 45 Hz
_SENSOR_UV = 1.0  # RMS of each electrode's own noise, with the same 1/f spectrum
_SPREAD = 0.5  # standard deviation of a source's fall-off, in head radii
_WAXING_SECONDS = 2.0  # memory of a rhythm's amplitude
_WAXING_NEPERS = 0.35  # and its standard deviation
_DRIFT_SECONDS = 20.0
_DRIFT_UV = 25.0
_BLINK_SECONDS = 0.35
_MAINS_HZ = 50.0
_RUN_IN_SECONDS = 4.0  # after this, all filters except the drift's have settled
# Three real poles that fall 10 dB a decade (J. O. Smith, Spectral Audio Signal Processing).
_PINK_B = (0.049922035, -0.095993537, 0.050612699, -0.004408786)
_PINK_A = (1.0, -2.494956002, 2.017265875, -0.522189400)
# The four quadrants of (arousal, valence), short of the extremes, like people's ratings.
_QUADRANTS = ((0.75, 0.75), (0.75, -0.75), (-0.75, 0.75), (-0.75, -0.75))
_TRANSITION_SECONDS = 2.5
_NEPERS_PER_DB = np.log(10.0) / 20.0


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of emotion on the simulated sources, and its variability.

    The decibels are changes of a source's band power between the neutral state and a state of
    +1; a state of -1 causes the opposite change. At the electrodes they are smaller, because every
    electrode also picks up sources that do not change.

    Attributes
    ----------
    asymmetry_db
        Valence: right minus left frontal alpha, half of it on each side (F4 up, F3 down).
    beta_db, gamma_db
        Arousal: beta and gamma of the frontal and central sources.
    alpha_db
        Arousal: alpha of every source.
    person_spread
        Standard deviation of the logarithm of the factor that scales one person's effects.
    trial_db
        Standard deviation of each rhythm's power from trial to trial, not due to emotion.
    rating_noise
        Standard deviation, in points of the scale 1 to 9, of a rating about the latent state.
    """

    asymmetry_db: float = 9.0
    beta_db: float = 3.0
    gamma_db: float = 3.5
    alpha_db: float = -1.0
    person_spread: float = 0.3
    trial_db: float = 1.0
    rating_noise: float = 0.8


class SimulatedPerson:
    """One simulated person, different from all others and reproducible from the two numbers.

    Parameters
    ----------
    seed
        Identifies the simulated population.
    number
        Identifies the person in it.
    effect
        The effect of emotion in this population.
    """

    def __init__(self, seed: int, number: int, effect: Effect | None = None) -> None:
        if seed < 0 or number < 0:
            raise RecordingError(
                f"simulated person: found seed {seed} and number {number}, expected integers "
                "from 0 upwards; choose others"
            )
        self.seed = seed
        self.number = number
        self.effect = Effect() if effect is None else effect
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number, 0)))
        self.alpha_hz = float(np.clip(rng.normal(10.0, 0.6), 8.9, 11.2))
        """Peak of the person's alpha rhythm, Hz; its band stays within 8 to 13 Hz."""
        self.mixing = _topography(rng)
        """The mixing from sources to electrodes, `(32, sources)`, µV per µV."""
        overall = rng.normal(0.0, 0.2)
        per_band = rng.normal(0.0, 0.15, (len(_BANDS), 1))
        per_source = rng.normal(0.0, 0.1, _RHYTHM_UV.shape)
        self.background_uv = _BACKGROUND_UV * float(np.exp(overall))
        self.rhythm_nepers = np.log(_RHYTHM_UV) + overall + per_band + per_source
        """Natural logarithm of each rhythm's µV RMS in the neutral state, `(bands, sources)`."""
        arousal, valence = _planted_nepers(self.effect)
        responsive = np.exp(rng.normal(0.0, self.effect.person_spread, 2))
        self.arousal_nepers = arousal * responsive[0]
        self.valence_nepers = valence * responsive[1]
        self.mains_uv = np.abs(rng.normal(4.0, 1.5, len(DEAP32)))
        self.offset_uv = rng.uniform(-5000.0, 5000.0, len(DEAP32))
        """Electrode offsets of a DC-coupled amplifier, `(32,)` µV."""

    def run(self, trial: int, sfreq: float = 128.0) -> SimulatedRun:
        """Start a trial, or an endless run; the same number and rate give the same signal."""
        return SimulatedRun(self, trial, sfreq)


class SimulatedRun:
    """A person's signal from the first sample on; it does not depend on the size of the chunks.

    Parameters
    ----------
    person
        The person.
    trial
        Identifies the run among the person's, from 0.
    sfreq
        Samples per second, more than 100: gamma and mains hum must be below half of it.
    """

    def __init__(self, person: SimulatedPerson, trial: int, sfreq: float) -> None:
        if trial < 0 or not sfreq > 100.0:
            raise RecordingError(
                f"simulated run: found trial {trial} at {sfreq} Hz, expected a trial from 0 and "
                "more than 100 Hz; choose others"
            )
        self._person = person
        self._sfreq = sfreq
        seeds = np.random.SeedSequence(person.seed, spawn_key=(person.number, 1, trial)).spawn(2)
        self._rng, self._blink_rng = (np.random.default_rng(seed) for seed in seeds)
        rhythms, electrodes = _RHYTHM_UV.size, len(DEAP32)
        self._trial_nepers = self._rng.normal(0.0, person.effect.trial_db * _NEPERS_PER_DB, rhythms)

        alpha = (person.alpha_hz - 0.9, person.alpha_hz + 0.9)
        edges = ((4.5, 7.5), alpha, (14.0, 28.0), (31.0, 44.0))
        self._band_filters = [_unit_band(low, high, sfreq) for low, high in edges]
        self._band_states = [np.zeros((len(sos), len(_SOURCES), 2)) for sos in self._band_filters]
        self._pink_b = np.array(_PINK_B) / _pink_rms(sfreq)
        self._pink_state = np.zeros((len(_SOURCES) + electrodes, len(_PINK_A) - 1))
        # Both walks start from their stationary spread, so that no run begins at its mean.
        self._waxing = float(np.exp(-1.0 / (_WAXING_SECONDS * sfreq)))
        self._waxing_state = self._waxing * self._rng.standard_normal((rhythms, 1))
        self._drift = float(np.exp(-1.0 / (_DRIFT_SECONDS * sfreq)))
        self._drift_state = self._drift * self._rng.standard_normal((electrodes, 1))
        self._eyes = _eye_weights()
        self._sample = 0
        self._blink_at = 0
        self._next_blink()
        self.next(round(_RUN_IN_SECONDS * sfreq), 0.0, 0.0)

    def next(
        self,
        samples: int,
        arousal: float | NDArray[np.float64],
        valence: float | NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the next samples in a state, `(32, samples)` µV, as a headset would send them.

        Parameters
        ----------
        samples
            The number of samples.
        arousal, valence
            The latent state from -1 to +1: one number, or one per sample.
        """
        person = self._person
        # Drawing sample by sample makes the signal independent of the chunk size.
        sources, rhythms, electrodes = len(_SOURCES), _RHYTHM_UV.size, len(DEAP32)
        draws = self._rng.standard_normal((samples, 2 * rhythms + sources + 2 * electrodes))
        noise = np.ascontiguousarray(draws.T)
        rhythm, waxing, pink, drift = np.split(
            noise, np.cumsum([rhythms, rhythms, sources + electrodes])
        )
        waxing, self._waxing_state = _walk(waxing, self._waxing, self._waxing_state)
        drift, self._drift_state = _walk(drift, self._drift, self._drift_state)
        pink, self._pink_state = scipy.signal.lfilter(
            self._pink_b, _PINK_A, pink, axis=1, zi=self._pink_state
        )

        nepers = _WAXING_NEPERS * waxing
        nepers += (person.rhythm_nepers.ravel() + self._trial_nepers)[:, np.newaxis]
        nepers += person.arousal_nepers.reshape(-1, 1) * _per_sample("arousal", arousal, samples)
        nepers += person.valence_nepers.reshape(-1, 1) * _per_sample("valence", valence, samples)
        amplitude = np.exp(nepers).reshape(len(_BANDS), sources, samples)

        activity = person.background_uv * pink[:sources]
        for band, sos in enumerate(self._band_filters):
            narrow, self._band_states[band] = scipy.signal.sosfilt(
                sos, rhythm[band * sources : (band + 1) * sources], zi=self._band_states[band]
            )
            activity += amplitude[band] * narrow
        eeg: NDArray[np.float64] = person.mixing @ activity
        eeg += _SENSOR_UV * pink[sources:] + _DRIFT_UV * drift
        eeg += person.offset_uv[:, np.newaxis]
        seconds = (self._sample + np.arange(samples)) / self._sfreq
        eeg += np.outer(person.mains_uv, np.sin(2.0 * np.pi * _MAINS_HZ * seconds))
        eeg += np.outer(self._eyes, self._blinks(samples))
        self._sample += samples
        return eeg

    def _next_blink(self) -> None:
        # At least a second apart, so that two blinks never overlap; about every four seconds.
        pause = 1.0 + self._blink_rng.exponential(3.0)
        self._blink_at += round(pause * self._sfreq)
        self._blink_uv = self._blink_rng.uniform(100.0, 200.0)

    def _blinks(self, samples: int) -> NDArray[np.float64]:
        course = np.zeros(samples)
        end = self._sample + samples
        shape = np.hanning(round(_BLINK_SECONDS * self._sfreq))
        while self._blink_at < end:
            first = max(self._blink_at, self._sample)
            last = min(self._blink_at + len(shape), end)
            course[first - self._sample : last - self._sample] += (
                self._blink_uv * shape[first - self._blink_at : last - self._blink_at]
            )
            if self._blink_at + len(shape) > end:
                break  # the rest of this blink belongs to the next chunk
            self._next_blink()
        return course


def ratings(states: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ratings on DEAP's scale from 1 to 9 for states from -1 to +1."""
    return 5.0 + 4.0 * states


def simulated_recording(
    seed: int,
    number: int,
    *,
    sfreq: float = 128.0,
    seconds_per_state: float = 30.0,
    effect: Effect | None = None,
) -> Recording:
    """Return a simulated person as an endless recording, as a headset would stream it.

    The person repeatedly visits the four quadrants of arousal and valence, in an individual order.
    At the start of each state, a marker contains its ratings as a JSON object; the signal reaches
    the new state 2.5 seconds later.

    Parameters
    ----------
    seed, number, effect
        As for `SimulatedPerson`.
    sfreq
        Samples per second.
    seconds_per_state
        How long each state lasts, including its transition.
    """
    person = SimulatedPerson(seed, number, effect)
    if not seconds_per_state >= _TRANSITION_SECONDS:
        raise RecordingError(
            f"simulated person {number}: found {seconds_per_state:g} s for each state, expected "
            f"at least the {_TRANSITION_SECONDS:g} s of a transition; choose more"
        )
    person.run(0, sfreq)  # refuses a rate that cannot be simulated here, not during the replay
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number, 2)))
    states = rng.permutation(np.array(_QUADRANTS))
    return Recording(
        name=f"Simulated person {number}",
        source_id=f"simulated-{seed}-{number}",
        channels=DEAP32,
        units=("microvolts",) * len(DEAP32),
        sfreq=sfreq,
        manufacturer=SIMULATED_MANUFACTURER,
        simulated=True,
        stretches=lambda: _visits(person, sfreq, round(seconds_per_state * sfreq), states),
    )


def _visits(
    person: SimulatedPerson, sfreq: float, period: int, states: NDArray[np.float64]
) -> Iterator[Stretch]:
    run = person.run(0, sfreq)
    second = round(sfreq)
    for start in itertools.count(0, second):
        clock = np.arange(start, start + second)
        visit = clock // period
        moved = np.minimum((clock - visit * period) / (_TRANSITION_SECONDS * sfreq), 1.0)
        arrived = np.where(visit == 0, 1.0, 0.5 - 0.5 * np.cos(np.pi * moved))[:, np.newaxis]
        now, before = states[visit % len(states)], states[(visit - 1) % len(states)]
        arousal, valence = (arrived * now + (1.0 - arrived) * before).T
        markers = tuple(
            Marker(int(sample), _state_text(now[sample]))
            for sample in np.flatnonzero(clock % period == 0)
        )
        yield Stretch(run.next(second, arousal, valence), follows=start > 0, markers=markers)


def _state_text(state: NDArray[np.float64]) -> str:
    arousal, valence = ratings(state).tolist()
    levels = {"arousal": arousal, "valence": valence}
    text = ", ".join(f"{'high' if value > 5.0 else 'low'} {name}" for name, value in levels.items())
    return json.dumps({"text": text, "ratings": levels, "simulated": True})


def _topography(rng: np.random.Generator) -> NDArray[np.float64]:
    places = positions(_SOURCES) + rng.normal(0.0, 0.08, (len(_SOURCES), 3))
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    distance = np.linalg.norm(positions(DEAP32)[:, np.newaxis] - places, axis=2)
    weights: NDArray[np.float64] = np.exp(-0.5 * (distance / _SPREAD) ** 2)
    return weights


@lru_cache
def _eye_weights() -> NDArray[np.float64]:
    places = positions(DEAP32)
    eyes = positions(("Fp1", "Fp2"))
    distance = np.linalg.norm(places[:, np.newaxis] - eyes, axis=2).min(axis=1)
    weights: NDArray[np.float64] = np.exp(-0.5 * (distance / 0.45) ** 2)
    return weights


def _planted_nepers(effect: Effect) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a state of +1 adds to each rhythm of `(bands, sources)`, for each target."""
    alpha, beta, gamma = (_BANDS.index(band) for band in ("alpha", "beta", "gamma"))
    front = [_SOURCES.index(source) for source in ("F3", "F4", "Fz", "C3", "C4")]
    arousal, valence = np.zeros((2, *_RHYTHM_UV.shape))
    arousal[alpha] = effect.alpha_db
    arousal[beta, front] = effect.beta_db
    arousal[gamma, front] = effect.gamma_db
    valence[alpha, _SOURCES.index("F3")] = -0.5 * effect.asymmetry_db
    valence[alpha, _SOURCES.index("F4")] = 0.5 * effect.asymmetry_db
    return arousal * _NEPERS_PER_DB, valence * _NEPERS_PER_DB


def _per_sample(name: str, state: float | NDArray[np.float64], samples: int) -> NDArray[np.float64]:
    course = np.broadcast_to(np.asarray(state, dtype=np.float64), (samples,))
    if not (np.abs(course) <= 1.0).all():
        raise RecordingError(
            f"simulated {name}: found {course.min():g} to {course.max():g}, expected -1 to +1; "
            "scale the state"
        )
    return course


def _walk(
    noise: NDArray[np.float64], keep: float, state: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a mean-reverting random walk of unit variance, and its final state."""
    walk, state = scipy.signal.lfilter(
        [np.sqrt(1.0 - keep**2)], [1.0, -keep], noise, axis=1, zi=state
    )
    return walk, state


@lru_cache(maxsize=256)  # a person has 40 trials, and one band of their own
def _unit_band(low: float, high: float, sfreq: float) -> NDArray[np.float64]:
    """Return a band-pass that maps white noise of unit variance to a rhythm of unit variance."""
    sos = scipy.signal.butter(2, (low, high), btype="bandpass", fs=sfreq, output="sos")
    _, response = scipy.signal.sosfreqz(sos, worN=8192)
    sos[0, :3] /= np.sqrt(np.mean(np.abs(response) ** 2))
    return sos


@lru_cache
def _pink_rms(sfreq: float) -> float:
    """Return the RMS between 1 and 45 Hz of unit white noise after the 1/f filter."""
    frequency, response = scipy.signal.freqz(_PINK_B, _PINK_A, worN=8192, fs=sfreq)
    band = (frequency >= 1.0) & (frequency <= 45.0)
    return float(np.sqrt(np.sum(np.abs(response[band]) ** 2) / len(frequency)))
