from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eeg_emotion.eeg.normaliser import fit_normaliser
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.eeg.representation import FOUR_BANDS, BandPower, Tangent
from eeg_emotion_training.data.normalising import fit_to_training, normalised
from eeg_emotion_training.data.sources import DataError
from eeg_emotion_training.data.windows import PersonWindows

BANDS = BandPower(bands=FOUR_BANDS)
# Windows 3 to 40 of all people together: the first person in part, the second in part.
TRAINING = np.arange(3, 41)


def together(people: list[PersonWindows]) -> np.ndarray:
    return np.concatenate([one.measures for one in people]).astype(np.float64)


def test_features_are_seen_through_the_training_windows(people: list[PersonWindows]) -> None:
    found = normalised(people, TRAINING, BANDS, "training")
    rows = together(people)[TRAINING].reshape(-1, 12)
    expected = (together(people) - rows.mean(axis=0)) / rows.std(axis=0)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("training", [TRAINING, TRAINING[::-1], np.append(TRAINING, TRAINING)])
def test_other_windows_change_nothing_nor_does_the_order(
    people: list[PersonWindows], training: np.ndarray
) -> None:
    expected = fit_to_training(people, TRAINING, BANDS)
    others = [
        replace(one, measures=one.measures * (1.0 if number < 2 else np.nan))
        for number, one in enumerate(people)
    ]
    others[0] = replace(others[0], measures=others[0].measures.copy())
    others[0].measures[:3] = np.inf
    assert fit_to_training(others, training, BANDS) == expected
    assert expected.kind == "training"


def test_rest_is_each_persons_own_and_training_windows_do_not_matter(
    people: list[PersonWindows],
) -> None:
    found = normalised(people, TRAINING, BANDS, "rest-baseline")
    np.testing.assert_array_equal(normalised(people, np.arange(2), BANDS, "rest-baseline"), found)
    for number, one in enumerate(people):
        assert one.rest is not None
        expected = (one.measures - np.array(one.rest.mean)) / np.array(one.rest.sd)
        np.testing.assert_allclose(found[number * 24 : (number + 1) * 24], expected, atol=1e-5)


def test_a_person_without_rest_is_refused_by_name(people: list[PersonWindows]) -> None:
    others = [replace(one, rest=None) if one.person == "s04" else one for one in people]
    with pytest.raises(DataError, match=r"s04: found too little clean rest .*expected 20 s"):
        normalised(others, TRAINING, BANDS, "rest-baseline")
    assert normalised(others, TRAINING, BANDS, "training").shape == (240, 4, 12)


@pytest.mark.parametrize(
    ("spoil", "why"), [(0.0, "found 1 features that do not vary"), (np.nan, "not finite")]
)
def test_features_of_no_use_are_refused(
    people: list[PersonWindows], spoil: float, why: str
) -> None:
    factor = np.where(np.arange(12) == 7, spoil, 1.0)
    dead = [replace(one, measures=(one.measures * factor).astype(np.float32)) for one in people]
    with pytest.raises(DataError, match=f"the training windows cannot be normalised: .*{why}"):
        normalised(dead, TRAINING, BANDS, "training")


def test_a_tangent_spaces_reference_comes_from_the_training_windows_too() -> None:
    settings = PathSettings(channels=("Fz", "Cz"), representation=Tangent())
    rng = np.random.default_rng(3)

    def one(name: str, count: int) -> PersonWindows:
        signals = rng.normal(size=(count, *settings.measures_shape[:1], 7, 2, 64)) * 5.0
        products = signals @ signals.swapaxes(-1, -2) / 64
        measures = products[..., [0, 0, 1], [0, 1, 1]].reshape(count, -1, 21).astype(np.float32)
        return PersonWindows(
            person=name,
            measures=measures,
            trial=np.arange(count, dtype=np.int32),
            scorable=np.ones(count, dtype=np.bool_),
            high=np.ones((count, 1), dtype=np.bool_),
            stimuli=("video",) * count,
            rest=None,
        )

    made = [one("a", 6), one("b", 5)]
    training = np.array([0, 1, 2, 3, 7, 8])
    normaliser = fit_to_training(made, training, settings.representation)
    parts = [made[0].measures[:4], made[1].measures[1:3]]
    assert normaliser == fit_normaliser(parts, settings.representation)
    found = normalised(made, training, settings.representation, "training")
    assert found.shape == (11, *settings.window_shape)
    rows = found[training].reshape(-1, 21)
    np.testing.assert_allclose(rows.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(rows.std(axis=0), 1.0, atol=1e-4)
