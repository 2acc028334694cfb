from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.metrics import log_loss
from tests.support.curve import losses_of

from eeg_emotion_training.data.sources import DataError
from eeg_emotion_training.evaluation.protocols import Fold
from eeg_emotion_training.networks import trainer
from eeg_emotion_training.networks.curve import Point
from eeg_emotion_training.networks.settings import TrainSettings
from eeg_emotion_training.networks.trainer import Trained, predict, train

STEPS, WIDTH = 4, 12
SETTINGS = TrainSettings(units=4, steps=40, batch_size=8, seed=3)
NOBODY = np.empty(0, dtype=np.intp)


class Data(NamedTuple):
    features: np.ndarray
    high: np.ndarray
    fold: Fold


@pytest.fixture(scope="module")
def data() -> Data:
    """90 windows in which the last step's first feature shows the class; 50 train, 20 choose."""
    rng = np.random.default_rng(5)
    high = rng.permutation(90) % 2 == 0
    features = rng.normal(size=(90, STEPS, WIDTH)).astype(np.float32)
    features[..., 0] += np.where(high, 1.5, -1.5)[:, None]
    parts = np.split(rng.permutation(90), [50, 70])
    return Data(features, high, Fold("one", *parts))


def changed(**changes: int) -> TrainSettings:
    return SETTINGS.model_copy(update=changes)


def without_validation(fold: Fold) -> Fold:
    return replace(fold, validation=NOBODY)


def run(data: Data, settings: TrainSettings = SETTINGS, **changes: Any) -> Trained:
    """Train; the network is taken along as its weights, since the next training changes it."""
    chosen = data._replace(**changes)
    points: list[Point] = []
    trained = train(chosen.features, chosen.high, chosen.fold, "bn-gru", settings, points.append)
    assert tuple(points) == trained.curve
    return replace(trained, network=trained.network.get_weights())


def timeless(curve: tuple[Point, ...]) -> list[Point]:
    return [point.model_copy(update={"seconds": 0.0}) for point in curve]


def assert_same(found: Trained, expected: Trained, test: bool = True) -> None:
    assert timeless(found.curve) == timeless(expected.curve)
    assert found.best_step == expected.best_step
    np.testing.assert_array_equal(found.validation, expected.validation)
    if test:
        np.testing.assert_array_equal(found.test, expected.test)
    for one, other in zip(found.network, expected.network, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_planted_effect_is_learnt(data: Data) -> None:
    trained = run(data, changed(steps=500))
    assert ((trained.test > 0.5) == data.high[data.fold.test]).mean() >= 0.9
    losses = [point.training_loss for point in trained.curve]
    assert losses[-1] < losses[0] < 0.8
    assert trained.curve[-1].training_accuracy > 0.9


def test_validation_chooses_the_step_and_its_weights_are_put_back(data: Data) -> None:
    # Validation people whose classes are the other way round: the best step is early, not last.
    high = data.high.copy()
    high[data.fold.validation] ^= True
    settings = changed(steps=100)
    trained = run(data, settings, high=high)
    losses = losses_of(trained.curve)
    assert list(losses) == list(range(10, 101, 10))
    assert trained.best_step == min(losses, key=lambda step: losses[step]) < 100
    found = log_loss(high[data.fold.validation], trained.validation)
    assert found == pytest.approx(losses[trained.best_step])
    # The weights are those that training had at that step.
    stopped = run(data, changed(steps=trained.best_step), high=high)
    for one, other in zip(trained.network, stopped.network, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(trained.test, stopped.test)


def test_the_returned_network_predicts_the_returned_probabilities(data: Data) -> None:
    trained = train(*data, "bn-gru", SETTINGS, lambda _: None)
    for part in ("validation", "test"):
        windows = data.features[getattr(data.fold, part)]
        said = trained.network.predict(windows, verbose=0)[:, 1]
        np.testing.assert_allclose(getattr(trained, part), said, atol=1e-6)
        assert getattr(trained, part).dtype == np.float64


def test_training_ends_when_validation_has_not_improved_for_long(data: Data) -> None:
    high = data.high.copy()
    high[data.fold.validation] ^= True
    trained = run(data, changed(steps=500), high=high)
    looks = [point.step for point in trained.curve]
    # 15 looks after the best one, of 50.
    assert looks == list(range(10, trained.best_step + 151, 10))
    assert looks[-1] < 500


def test_test_windows_choose_nothing(data: Data) -> None:
    features, high = data.features.copy(), data.high.copy()
    features[data.fold.test] = features[data.fold.test] * -5.0 + 40.0
    high[data.fold.test] ^= True
    expected = run(data)
    found = run(data, features=features, high=high)
    assert_same(found, expected, test=False)
    assert np.abs(found.test - expected.test).max() > 0.01


def test_without_validation_training_runs_its_full_length_whatever_the_test_shows(
    data: Data,
) -> None:
    fold = without_validation(data.fold)
    high = data.high.copy()
    high[fold.test] ^= True
    settings = changed(steps=100)
    plain, turned = run(data, settings, fold=fold), run(data, settings, fold=fold, high=high)
    for trained in (plain, turned):
        assert trained.best_step == 100
        assert [point.step for point in trained.curve] == list(range(10, 101, 10))
        assert len(trained.validation) == 0
        assert all(point.validation_loss is None for point in trained.curve)
    for one, other in zip(plain.curve, turned.curve, strict=True):
        # The curve shows the test, and that is all that its labels reach.
        assert one.test_accuracy is not None
        assert other.test_accuracy is not None
        assert one.test_accuracy + other.test_accuracy == pytest.approx(1.0)
    np.testing.assert_array_equal(plain.test, turned.test)
    last = ((plain.test > 0.5) == data.high[fold.test]).mean()
    assert plain.curve[-1].test_accuracy == pytest.approx(last)


def test_with_validation_the_curve_hides_the_test(data: Data) -> None:
    assert all(point.test_accuracy is None for point in run(data).curve)


def test_the_last_step_is_evaluated(data: Data) -> None:
    curve = run(data, changed(steps=25)).curve
    assert [point.step for point in curve] == [10, 20, 25]
    assert [point.step for point in run(data, changed(steps=3)).curve] == [3]


def test_the_same_seed_trains_the_same_bits_and_another_one_does_not(data: Data) -> None:
    first = run(data)
    assert_same(run(data), first)
    other = run(data, changed(seed=4))
    assert np.abs(other.network[0] - first.network[0]).max() > 0.01


@pytest.mark.needs("time")
def test_folds_that_share_a_compiled_network_get_what_fresh_ones_get(data: Data) -> None:
    # The second one is smaller, and of other windows in other parts.
    other = Data(
        data.features[:60][::-1] * 2.0,
        data.high[:60],
        Fold("two", np.arange(40), np.arange(40, 50), np.arange(50, 60)),
    )
    first = run(data)
    (compiled,) = trainer._newest.values()
    second = run(other)
    assert_same(run(data), first)
    assert list(trainer._newest.values()) == [compiled]
    trainer._newest.clear()
    assert_same(run(other), second)


@pytest.mark.parametrize("count", [1, 255, 256, 257, 600])
def test_every_window_is_predicted_once_and_in_order(count: int) -> None:
    class Model:
        def predict_on_batch(self, batch: np.ndarray) -> np.ndarray:
            assert batch.dtype == np.int32
            assert len(batch) == 256  # one shape is compiled
            return np.stack([-batch, batch], axis=1) / 1000

    windows = np.random.default_rng(1).permutation(600)[:count]
    np.testing.assert_allclose(predict(Model(), windows), windows / 1000)


class Recorder:
    """Stands for a compiled network: it notes what it is trained on."""

    def __init__(self) -> None:
        self.batches: list[np.ndarray] = []
        self.labels: list[np.ndarray] = []
        self.layers = [self]

    def get_layer(self, _: str) -> Recorder:
        return self

    def put(self, features: np.ndarray) -> None:
        self.features = features

    def train_on_batch(self, batch: np.ndarray, labels: np.ndarray) -> None:
        self.batches.append(batch.copy())
        self.labels.append(labels)

    def predict_on_batch(self, batch: np.ndarray) -> np.ndarray:
        return np.full((len(batch), 2), 0.5)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(trainer, "_compiled", lambda *_: (recorder, recorder))
    monkeypatch.setattr(trainer, "reset", lambda *_: None)
    return recorder


@pytest.mark.parametrize("size", [1, 8, 50, 64])
def test_every_training_window_comes_once_before_any_comes_again(
    data: Data, recorder: Recorder, size: int
) -> None:
    fold = without_validation(data.fold)
    passes = 4
    steps = 50 * passes // size
    train(
        data.features,
        data.high,
        fold,
        "bn-gru",
        changed(steps=steps, batch_size=size),
        lambda _: None,
    )
    assert {len(batch) for batch in recorder.batches} == {size}
    shown = np.concatenate(recorder.batches)
    whole = len(shown) // 50
    assert whole >= 3
    for number in range(whole):
        one = shown[number * 50 : (number + 1) * 50]
        np.testing.assert_array_equal(np.sort(one), np.sort(fold.training))
    # In another order each time, and with their own labels.
    assert (shown[:50] != shown[50:100]).any()
    np.testing.assert_array_equal(np.concatenate(recorder.labels), data.high[shown])
    np.testing.assert_array_equal(recorder.features, data.features)


def test_a_training_that_diverges_is_an_error_of_its_data(data: Data) -> None:
    wild = data._replace(features=np.full_like(data.features, np.nan))
    with pytest.raises(DataError, match="training diverged"):
        run(wild)
