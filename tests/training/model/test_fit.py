from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, roc_auc_score
from tests.support.curve import losses_of

from eeg_emotion.eeg.layout import identity_layout
from eeg_emotion.eeg.normaliser import fit_normaliser
from eeg_emotion.inference.contract import RestBaseline, TrainedOn
from eeg_emotion_training.data.sources import DataError, PersonSignal, Trial, digest_of
from eeg_emotion_training.data.windows import PersonWindows, cut_person
from eeg_emotion_training.evaluation.protocols import SplitError
from eeg_emotion_training.model.fit import FitSettings, fit, read_people
from eeg_emotion_training.model.run import Run, RunError, load_run

MakeSettings = Callable[..., FitSettings]
MakeRun = Callable[..., Path]
VALENCE, AROUSAL = 0, 1


def quiet(_: str) -> None:
    """Announce nothing."""


def timeless(run: Run) -> Run:
    """The run without how long it took, the one thing that is never twice the same."""
    curve = tuple(point.model_copy(update={"seconds": 0.0}) for point in run.curve)
    return run.model_copy(update={"curve": curve})


def part_of(
    people: list[PersonWindows], run: Run, names: tuple[str, ...], column: int = VALENCE
) -> tuple[np.ndarray, np.ndarray]:
    """Windows of some people as the network sees them, and whether each is high."""
    part = [one for one in people if one.person in names]
    parts = []
    for one in part:
        normaliser = one.rest if isinstance(run.normaliser, RestBaseline) else run.normaliser
        assert normaliser is not None
        parts.append((one.measures - np.array(normaliser.mean)) / np.array(normaliser.sd))
    features = np.concatenate(parts)
    high = np.concatenate([one.high[one.trial, column] for one in part])
    return features.astype(np.float32), high


def calibrated(network: Any, features: np.ndarray, temperature: float) -> np.ndarray:
    low, high = network.predict(features, verbose=0).astype(np.float64).T
    return np.asarray(1.0 / (1.0 + (low / high) ** (1.0 / temperature)))


def calibration_error(probability: np.ndarray, high: np.ndarray) -> float:
    """By its definition, bin by bin."""
    index = np.minimum((probability * 15).astype(int), 14)
    gaps = [
        abs(probability[index == one].mean() - high[index == one].mean()) * (index == one).mean()
        for one in np.unique(index)
    ]
    return float(sum(gaps))


def with_people(
    people: list[PersonWindows], names: tuple[str, ...], **changes: Any
) -> list[PersonWindows]:
    return [replace(one, **changes) if one.person in names else one for one in people]


def test_a_run_is_a_folder_with_network_record_and_tensorboard_logs(make_run: MakeRun) -> None:
    folder = make_run()
    assert sorted(item.name for item in folder.iterdir()) == ["logs", "network.keras", "run.json"]
    (events,) = (folder / "logs").glob("events.out.tfevents.*")
    assert events.stat().st_size > 300
    # Nothing of the work in progress is left beside it.
    assert all(item.name.startswith("run") for item in folder.parent.iterdir())


def test_a_run_states_what_it_was_made_of(
    source: Any, make_run: MakeRun, make_settings: MakeSettings
) -> None:
    settings = make_settings()
    run, network = load_run(make_run())
    assert run.path == settings.path
    assert (run.target.name, run.network, run.units) == ("valence", "bn-gru", 4)
    assert (run.batch_size, run.steps, run.seed) == (8, 30, 3)
    assert [point.step for point in run.curve] == [10, 20, 30]
    losses = losses_of(run.curve)
    assert run.best_step == min(losses, key=lambda step: losses[step])
    assert run.label_policy == source.label_policy
    assert run.trained_on == TrainedOn(
        dataset="simulated people in memory",
        simulated=True,
        people=6,
        windows=6 * 8 * 3,
        digest=digest_of({name: source.digests[name] for name in run.training_people}),
    )
    assert network.input_shape == (None, 4, 12)
    assert network.get_layer("recurrent").units == 4


def test_everyone_is_in_one_part_only(people: list[PersonWindows], make_run: MakeRun) -> None:
    run, _ = load_run(make_run())
    parts = (run.training_people, run.validation_people, run.test_people)
    assert [len(part) for part in parts] == [6, 2, 2]
    assert sorted(name for part in parts for name in part) == [one.person for one in people]


@pytest.mark.parametrize("normaliser", ["training", "rest-baseline"])
@pytest.mark.parametrize(("target", "column"), [("valence", VALENCE), ("arousal", AROUSAL)])
def test_the_held_out_result_is_what_the_saved_network_predicts(
    people: list[PersonWindows], make_run: MakeRun, target: str, column: int, normaliser: str
) -> None:
    run, network = load_run(make_run(target=target, normaliser=normaliser))
    stated = run.held_out
    assert (stated.target, stated.people, stated.trials, stated.windows) == (target, 2, 16, 48)
    scores: dict[str, list[float]] = {}
    everyone = []
    for name in run.test_people:
        features, high = part_of(people, run, (name,), column)
        probability = calibrated(network, features, run.target.calibration.temperature)
        everyone.append((probability, high))
        of_trials = probability.reshape(8, 3).mean(axis=1)
        for key, value in {
            "accuracy": accuracy_score(high, probability > 0.5),
            "balanced_accuracy": balanced_accuracy_score(high, probability > 0.5),
            "auroc": roc_auc_score(high, probability),
            "ece": calibration_error(probability, high),
            "trial_balanced_accuracy": balanced_accuracy_score(high[::3], of_trials > 0.5),
        }.items():
            scores.setdefault(key, []).append(float(value))
    for key, values in scores.items():
        assert getattr(stated, key) == pytest.approx(np.mean(values), abs=2e-4), key
    probability, high = (np.concatenate(parts) for parts in zip(*everyone, strict=True))
    assert sum(each.windows for each in stated.reliability) == 48
    for each in stated.reliability:
        assert each.high - each.low == pytest.approx(0.1)
        inside = (each.low - 1e-4 <= probability) & (probability < each.high + 1e-4)
        assert each.windows == inside.sum()
        assert each.predicted == pytest.approx(probability[inside].mean(), abs=1e-4)
        assert each.observed == pytest.approx(high[inside].mean(), abs=1e-6)
    assert stated.majority_accuracy == 0.5
    low, high_end = stated.trial_interval
    assert low <= stated.trial_balanced_accuracy <= high_end
    assert "people held out" in stated.protocol


def test_the_calibration_is_the_validation_peoples(
    people: list[PersonWindows], make_run: MakeRun
) -> None:
    run, network = load_run(make_run())
    stated = run.target.calibration
    features, high = part_of(people, run, run.validation_people)
    assert (stated.people, stated.windows) == (2, 48)
    raw = network.predict(features, verbose=0)[:, 1].astype(np.float64)
    assert log_loss(high, raw) == pytest.approx(min(losses_of(run.curve).values()), abs=1e-5)
    # No other temperature is better.
    losses = {
        factor: log_loss(high, calibrated(network, features, stated.temperature * factor))
        for factor in (0.8, 0.97, 1.0, 1.03, 1.25)
    }
    assert min(losses, key=lambda factor: losses[factor]) == 1.0
    probability = calibrated(network, features, stated.temperature)
    assert stated.ece_before == pytest.approx(calibration_error(raw, high), abs=2e-4)
    assert stated.ece_after == pytest.approx(calibration_error(probability, high), abs=2e-4)
    # What is sure is right often enough.
    low, top = stated.unsure
    assert low + top == pytest.approx(1.0)
    sure = ~((low < probability) & (probability < top))
    if sure.any() and (low, top) != (0.0, 1.0):
        assert ((probability > 0.5) == high)[sure].mean() >= 0.6


def test_a_planted_effect_is_found_in_people_never_seen(make_run: MakeRun) -> None:
    run, _ = load_run(make_run(steps=300))
    assert run.held_out.balanced_accuracy > 0.85
    assert run.held_out.trial_balanced_accuracy > 0.85


def test_normaliser_comes_from_training_people_only(
    people: list[PersonWindows], make_run: MakeRun
) -> None:
    run, _ = load_run(make_run())
    training = [one.measures for one in people if one.person in run.training_people]
    assert run.normaliser == fit_normaliser(training, run.path.representation)
    assert run.normaliser.kind == "training"


def test_with_rest_baselines_the_run_has_no_statistics(make_run: MakeRun) -> None:
    folder = make_run(normaliser="rest-baseline")
    run, _ = load_run(folder)
    assert run.normaliser == RestBaseline()
    assert '"mean"' not in (folder / "run.json").read_text(encoding="utf-8")


def test_a_person_without_rest_is_refused_before_training(
    people: list[PersonWindows], source: Any, make_settings: MakeSettings, tmp_path: Path
) -> None:
    others = with_people(people, ("s03",), rest=None)
    with pytest.raises(DataError, match="s03: found too little clean rest"):
        fit(others, source, make_settings(normaliser="rest-baseline"), tmp_path / "run", quiet)
    assert list(tmp_path.iterdir()) == []


def test_test_people_change_nothing_but_their_own_result(
    people: list[PersonWindows],
    source: Any,
    make_run: MakeRun,
    make_settings: MakeSettings,
    tmp_path: Path,
) -> None:
    run, network = load_run(make_run())
    others = [
        replace(one, measures=one.measures[::-1] * 5.0 + 40.0, rest=None)
        if one.person in run.test_people
        else one
        for one in people
    ]
    digests = {
        name: "f" * 64 if name in run.test_people else digest
        for name, digest in source.digests.items()
    }
    fit(others, replace(source, digests=digests), make_settings(), tmp_path / "run", quiet)
    again, same_network = load_run(tmp_path / "run")
    assert again.held_out != run.held_out
    assert timeless(again.model_copy(update={"held_out": run.held_out})) == timeless(run)
    for weights, same in zip(network.get_weights(), same_network.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, same)


def test_the_same_seed_gives_the_same_weights_and_announcements(
    people: list[PersonWindows],
    source: Any,
    make_run: MakeRun,
    make_settings: MakeSettings,
    tmp_path: Path,
) -> None:
    run, network = load_run(make_run())
    said: list[str] = []
    again = fit(people, source, make_settings(), tmp_path / "again", said.append)
    assert timeless(again) == timeless(run)
    loaded, same = load_run(tmp_path / "again")
    assert loaded == again
    for one, other in zip(network.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    # Steps are announced, and who is held out.
    assert said[0] == (
        "valence: people: 6 for training (144 windows), 2 for validation, 2 held out "
        f"({', '.join(run.test_people)})"
    )
    assert [text.split(":")[0] for text in said[1:]] == ["step 10", "step 20", "step 30"]


def test_an_earlier_run_is_never_written_over(
    people: list[PersonWindows], source: Any, make_settings: MakeSettings, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    with pytest.raises(RunError, match="already, expected a new folder"):
        fit(people, source, make_settings(), out, quiet)
    assert list(out.iterdir()) == []


def test_too_few_people_are_refused(
    people: list[PersonWindows], source: Any, make_settings: MakeSettings, tmp_path: Path
) -> None:
    with pytest.raises(SplitError, match="found 2 people, expected at least 3"):
        fit(people[:2], source, make_settings(), tmp_path / "run", quiet)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_target_is_refused_with_the_data_sets_labels(
    people: list[PersonWindows], source: Any, make_settings: MakeSettings, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="found the target 'mood', expected one of valence, arou"):
        fit(people, source, make_settings(target="mood"), tmp_path / "run", quiet)


@pytest.mark.parametrize("part", ["training", "validation", "test"])
@pytest.mark.parametrize("high", [False, True])
def test_a_part_with_one_class_only_is_refused(
    people: list[PersonWindows],
    source: Any,
    make_run: MakeRun,
    make_settings: MakeSettings,
    tmp_path: Path,
    part: str,
    high: bool,
) -> None:
    run, _ = load_run(make_run())
    names = getattr(run, f"{part}_people")
    others = with_people(people, names, high=np.full((8, 2), high))
    word = "high" if high else "low"
    with pytest.raises(DataError, match=f"found only {word} valence among the {part} people"):
        fit(others, source, make_settings(), tmp_path / "run", quiet)
    assert list(tmp_path.iterdir()) == []


def test_a_feature_that_does_not_vary_is_refused(
    people: list[PersonWindows], source: Any, make_settings: MakeSettings, tmp_path: Path
) -> None:
    alive = np.arange(12) != 7
    dead = [replace(one, measures=one.measures * alive) for one in people]
    with pytest.raises(DataError, match="found 1 features that do not vary"):
        fit(dead, source, make_settings(), tmp_path / "run", quiet)


class Interrupted(Exception):
    """Stands for Ctrl-C, or whatever else ends a fit."""


@pytest.mark.parametrize("moment", ["valence:", "step 20"])
def test_an_interrupted_fit_leaves_nothing(
    people: list[PersonWindows],
    source: Any,
    make_settings: MakeSettings,
    tmp_path: Path,
    moment: str,
) -> None:
    def announce(text: str) -> None:
        if text.startswith(moment):
            raise Interrupted

    with pytest.raises(Interrupted):
        fit(people, source, make_settings(), tmp_path / "run", announce)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_cannot_be_written_whole_leaves_nothing(
    people: list[PersonWindows],
    source: Any,
    make_settings: MakeSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("eeg_emotion_training.model.run.Run.model_dump_json", fail)
    with pytest.raises(OSError, match="No space left"):
        fit(people, source, make_settings(steps=10), tmp_path / "run", quiet)
    assert list(tmp_path.iterdir()) == []


def signal_of(seed: int, dead: bool = False) -> PersonSignal:
    """Two trials of 4 s after a lead of 3 s; where `dead`, a second of one has no contact."""
    samples = np.random.default_rng(seed).normal(0.0, 10.0, (2, 3, 896))
    if dead:
        samples[1, 0, 512:640] = 0.0
    return PersonSignal(
        layout=identity_layout(("Fz", "Cz", "Pz")),
        sfreq=128.0,
        trials=[
            Trial(one, 384, 896, np.array([number == 0, True]), "video")
            for number, one in enumerate(samples)
        ],
        rest=[],
    )


def test_people_are_read_in_order_without_what_cannot_be_scored(
    make_source: Callable[..., Any], make_settings: MakeSettings
) -> None:
    path = make_settings().path
    signals = {"p1": signal_of(1), "p2": signal_of(2, dead=True)}
    said: list[str] = []
    read = read_people(make_source({"p2": "2", "p1": "1"}, signals), path, said.append)
    assert [one.person for one in read] == ["p1", "p2"]
    assert said == [
        "read p1: 2 trials, 8 windows",
        "read p2: 2 trials, 8 windows, 2 of them left out for poor signal",
    ]
    whole = cut_person("p2", signals["p2"], path)
    np.testing.assert_array_equal(read[1].measures, np.delete(whole.measures, [5, 6], axis=0))
    assert read[1].trial.tolist() == [0] * 4 + [1] * 2
    # In whatever order the files come.
    turned = read_people(make_source({"p1": "1", "p2": "2"}, signals), path, quiet)
    for one, other in zip(read, turned, strict=True):
        assert one.person == other.person
        np.testing.assert_array_equal(one.measures, other.measures)
