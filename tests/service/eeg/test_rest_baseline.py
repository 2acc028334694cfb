from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.eeg.layout import identity_layout
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.path import PathSettings, SignalPath
from eeg_emotion.eeg.representation import BandPower, RawSignal, Representation, Tangent
from eeg_emotion.eeg.rest_baseline import (
    LEAST_REST_SECONDS,
    MOST_REST_SECONDS,
    RestError,
    fit_rest,
    rest_path,
)

CHANNELS = ("Fz", "Cz", "Pz", "Oz")
REPRESENTATIONS = [pytest.param(kind, id=kind().kind) for kind in (RawSignal, BandPower, Tangent)]


def settings(kind: type[Representation] = BandPower) -> PathSettings:
    return PathSettings(channels=CHANNELS, representation=kind())


def signal(seconds: int = 40, gain: float = 1.0) -> NDArray[np.float64]:
    """`(4, samples)` µV at 128 Hz: channels of different strength that vary together."""
    rng = np.random.default_rng(4)
    mixing = np.tril(rng.uniform(0.5, 2.0, (4, 4)))
    return gain * mixing @ rng.normal(0.0, 8.0, (4, 128 * seconds))


def windows(
    spec: PathSettings, samples: NDArray[np.float64], normaliser: Normaliser | None = None
) -> list[NDArray[np.float32]]:
    line = SignalPath(spec, identity_layout(CHANNELS), 128.0, normaliser)
    return [window.features for window in line.segment().feed(samples) if window.settled]


def pieces(count: int) -> list[NDArray[np.float64]]:
    """Seconds of rest, bands of four channels, each different from the others."""
    return list(np.random.default_rng(5).normal(size=(count, 4, 28)))


def test_rest_is_read_in_seconds_that_do_not_overlap() -> None:
    spec = rest_path(PathSettings(channels=CHANNELS, window_seconds=4.0, hop_seconds=0.25))
    assert (spec.window_seconds, spec.hop_seconds) == (1.0, 1.0)


def test_rest_is_otherwise_read_as_the_model_reads_everything() -> None:
    unusual = PathSettings(
        channels=CHANNELS,
        sfreq=256.0,
        settle_seconds=1.5,
        bandpass_hz=(5.0, 40.0),
        bandpass_order=2,
        notch_hz=(50.0,),
        notch_q=20.0,
        max_interpolated=1,
        representation=Tangent(shrinkage=0.4),
    )
    spec = rest_path(unusual)
    for field in fields(PathSettings):
        if field.name not in ("window_seconds", "hop_seconds"):
            assert getattr(spec, field.name) == getattr(unusual, field.name), field.name


@pytest.mark.parametrize("kind", REPRESENTATIONS)
def test_a_persons_own_rest_comes_out_with_zero_mean_and_unit_spread(
    kind: type[Representation],
) -> None:
    spec = settings(kind)
    rest = windows(rest_path(spec), signal())
    normaliser = fit_rest(rest, spec)
    assert normaliser.kind == "rest-baseline"
    seen = np.concatenate([normaliser.apply(piece, spec.representation) for piece in rest])
    np.testing.assert_allclose(seen.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(seen.std(axis=0), 1.0, atol=1e-4)


@pytest.mark.parametrize("kind", REPRESENTATIONS)
def test_a_person_with_a_stronger_signal_is_seen_as_any_other(kind: type[Representation]) -> None:
    spec = settings(kind)
    usual, strong = (
        np.stack(
            windows(
                spec,
                signal(gain=gain),
                fit_rest(windows(rest_path(spec), signal(gain=gain)), spec),
            )
        )
        for gain in (1.0, 4.0)
    )
    assert usual.shape[1:] == spec.window_shape
    # What is added to keep the logarithm of silence finite does not grow with the signal.
    np.testing.assert_allclose(strong, usual, rtol=0.0, atol=0.01)


def test_too_little_rest_is_refused_with_what_is_needed() -> None:
    assert len(fit_rest(pieces(LEAST_REST_SECONDS), settings()).mean) == 28
    with pytest.raises(RestError, match=r"found 19 s of clean rest, expected 20 to 60"):
        fit_rest(pieces(LEAST_REST_SECONDS - 1), settings())
    with pytest.raises(RestError, match="found 0 s"):
        fit_rest([], settings())


def test_only_the_first_minute_counts() -> None:
    assert MOST_REST_SECONDS == 60
    rest = pieces(80)
    assert fit_rest(rest, settings()) == fit_rest(rest[:60], settings())
    assert fit_rest(rest, settings()) != fit_rest(rest[:59], settings())


@pytest.mark.parametrize(
    ("value", "said"),
    [(3.0, "cannot be used: found 1 features"), (np.nan, "cannot be used: .* finite")],
)
def test_rest_that_says_nothing_is_refused(value: float, said: str) -> None:
    rest = pieces(30)
    for piece in rest:
        piece[:, 5] = value
    with pytest.raises(RestError, match=said):
        fit_rest(rest, settings())
