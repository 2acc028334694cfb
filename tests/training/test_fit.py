from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

from eeg_emotion.eeg.normaliser import fit_normaliser
from eeg_emotion.inference.contract import TrainedOn
from eeg_emotion_training.fit import FitSettings, fit
from eeg_emotion_training.run import Run, RunError, load_run
from eeg_emotion_training.split import SplitError
from eeg_emotion_training.windows import DataError, PersonWindows, digest

MakeSettings = Callable[..., FitSettings]
MakeRun = Callable[..., Path]
VALENCE, AROUSAL = 0, 1


def quiet(_: str) -> None:
    """Announce nothing."""


def held_out_windows(
    people: list[PersonWindows], run: Run, column: int
) -> tuple[np.ndarray, np.ndarray]:
    """The test people's windows as the network sees them, and whether each is high."""
    test = [person for person in people if person.number in run.test_people]
    rows = np.concatenate([person.features.reshape(-1, 4, 12) for person in test])
    features = (rows - np.array(run.normaliser.mean)) / np.array(run.normaliser.sd)
    high = np.concatenate([np.repeat(person.ratings[:, column] > 5.0, 3) for person in test])
    return features.astype(np.float32), high


def with_people(
    people: list[PersonWindows], numbers: tuple[int, ...], **changes: Any
) -> list[PersonWindows]:
    return [replace(one, **changes) if one.number in numbers else one for one in people]


def test_a_run_is_a_folder_with_network_record_and_tensorboard_logs(make_run: MakeRun) -> None:
    folder = make_run()
    assert sorted(item.name for item in folder.iterdir()) == ["logs", "network.keras", "run.json"]
    for part in ("train", "validation"):
        (events,) = (folder / "logs" / part).glob("events.out.tfevents.*")
        assert events.stat().st_size > 0
    # Nothing of the work in progress is left beside it.
    assert all(item.name.startswith("run") for item in folder.parent.iterdir())


def test_a_run_states_what_it_was_made_of(
    people: list[PersonWindows], make_run: MakeRun, make_settings: MakeSettings
) -> None:
    settings = make_settings()
    run, network = load_run(make_run())
    assert run.path == settings.path
    assert (run.target.name, run.units, run.epochs) == ("valence", 4, 3)
    assert (run.batch_size, run.seed) == (8, 3)
    assert 1 <= run.best_epoch <= 3
    assert run.label_policy.id == "high-above-5/1"
    training = [person for person in people if person.number in run.training_people]
    assert run.trained_on == TrainedOn(
        dataset="simulated people in DEAP's format",
        simulated=True,
        people=6,
        windows=6 * 8 * 3,
        digest=digest(training),
    )
    assert network.input_shape == (None, 4, 12)
    assert network.get_layer("gru").units == 4


def test_everyone_is_in_one_part_only(people: list[PersonWindows], make_run: MakeRun) -> None:
    run, _ = load_run(make_run())
    parts = (run.training_people, run.validation_people, run.test_people)
    assert [len(part) for part in parts] == [6, 2, 2]
    assert sorted(number for part in parts for number in part) == list(range(1, 11))


@pytest.mark.parametrize(("target", "column"), [("valence", VALENCE), ("arousal", AROUSAL)])
def test_the_held_out_result_is_what_the_saved_network_gives(
    people: list[PersonWindows], make_run: MakeRun, target: str, column: int
) -> None:
    run, network = load_run(make_run(target=target))
    features, high = held_out_windows(people, run, column)
    probability = network.predict(features, verbose=0)[:, 1]
    stated = run.held_out
    assert (stated.target, stated.people, stated.trials, stated.windows) == (target, 2, 16, 48)
    assert stated.accuracy == pytest.approx(accuracy_score(high, probability > 0.5), abs=1e-4)
    assert stated.balanced_accuracy == pytest.approx(
        balanced_accuracy_score(high, probability > 0.5), abs=1e-4
    )
    assert stated.auroc == pytest.approx(roc_auc_score(high, probability), abs=1e-4)
    assert stated.majority_accuracy == 0.5
    assert "people held out" in stated.protocol


def test_a_planted_effect_is_found_in_people_never_seen(make_run: MakeRun) -> None:
    run, _ = load_run(make_run(units=8, epochs=12))
    assert run.held_out.balanced_accuracy > 0.85


def test_normaliser_comes_from_training_people_only(
    people: list[PersonWindows], make_run: MakeRun
) -> None:
    run, _ = load_run(make_run())
    training = [person for person in people if person.number in run.training_people]
    expected = fit_normaliser(np.concatenate([one.features.reshape(-1, 12) for one in training]))
    assert run.normaliser == expected
    assert run.normaliser.kind == "training"


def test_test_people_change_nothing_but_their_own_result(
    people: list[PersonWindows], make_run: MakeRun, make_settings: MakeSettings, tmp_path: Path
) -> None:
    run, network = load_run(make_run())
    others = [
        replace(one, features=one.features[::-1] * 5.0 + 40.0, sha256="f" * 64)
        if one.number in run.test_people
        else one
        for one in people
    ]
    # In another order, too: the order of the files must not matter.
    fit(others[::-1], make_settings(), tmp_path / "run", quiet)
    again, same_network = load_run(tmp_path / "run")
    assert again.held_out != run.held_out
    assert again.model_copy(update={"held_out": run.held_out}) == run
    for weights, same in zip(network.get_weights(), same_network.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, same)


def test_the_same_seed_gives_the_same_weights_and_announcements(
    people: list[PersonWindows], make_run: MakeRun, make_settings: MakeSettings, tmp_path: Path
) -> None:
    run, network = load_run(make_run())
    said: list[str] = []
    assert fit(people, make_settings(), tmp_path / "again", said.append) == run
    _, again = load_run(tmp_path / "again")
    for weights, same in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, same)
    # Epochs are announced, and who is held out.
    held_out = ", ".join(f"s{number:02d}" for number in run.test_people)
    assert said[0] == (
        f"valence: 6 people train (144 windows), 2 choose the epoch, 2 are held out ({held_out})"
    )
    assert [text.split(":")[0] for text in said[1:]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]


def test_an_earlier_run_is_never_written_over(
    people: list[PersonWindows], make_settings: MakeSettings, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    with pytest.raises(RunError, match="already there, expected a new folder"):
        fit(people, make_settings(), out, quiet)
    assert list(out.iterdir()) == []


def test_too_few_people_are_refused(
    people: list[PersonWindows], make_settings: MakeSettings, tmp_path: Path
) -> None:
    with pytest.raises(SplitError, match="found 2 people, expected at least 3"):
        fit(people[:2], make_settings(), tmp_path / "run", quiet)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", ["training", "validation", "test"])
@pytest.mark.parametrize(("rating", "word"), [(5.0, "low"), (5.1, "high")])
def test_a_part_with_one_class_only_is_refused(
    people: list[PersonWindows],
    make_run: MakeRun,
    make_settings: MakeSettings,
    tmp_path: Path,
    part: str,
    rating: float,
    word: str,
) -> None:
    run, _ = load_run(make_run())
    numbers = {
        "training": run.training_people,
        "validation": run.validation_people,
        "test": run.test_people,
    }
    others = with_people(people, numbers[part], ratings=np.full((8, 4), rating))
    with pytest.raises(DataError, match=f"found only {word} valence among the {part} people"):
        fit(others, make_settings(), tmp_path / "run", quiet)
    assert list(tmp_path.iterdir()) == []


def test_a_feature_that_does_not_vary_is_refused(
    people: list[PersonWindows], make_settings: MakeSettings, tmp_path: Path
) -> None:
    alive = np.arange(12) != 7
    dead = [replace(one, features=one.features * alive) for one in people]
    with pytest.raises(DataError, match="found 1 features that do not vary"):
        fit(dead, make_settings(), tmp_path / "run", quiet)


class Interrupted(Exception):
    """Stands for Ctrl-C, or whatever else ends a fit."""


@pytest.mark.parametrize("moment", ["valence:", "epoch 2/3"])
def test_an_interrupted_fit_leaves_nothing(
    people: list[PersonWindows], make_settings: MakeSettings, tmp_path: Path, moment: str
) -> None:
    def announce(text: str) -> None:
        if text.startswith(moment):
            raise Interrupted

    with pytest.raises(Interrupted):
        fit(people, make_settings(), tmp_path / "run", announce)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_cannot_be_written_whole_leaves_nothing(
    people: list[PersonWindows],
    make_settings: MakeSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("eeg_emotion_training.run.Run.model_dump_json", fail)
    with pytest.raises(OSError, match="No space left"):
        fit(people, make_settings(epochs=1), tmp_path / "run", quiet)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["run.json", "network.keras"])
def test_a_run_that_is_not_whole_is_refused(
    make_run: MakeRun, tmp_path: Path, missing: str
) -> None:
    for item in make_run().glob("*.*"):
        if item.name != missing:
            (tmp_path / item.name).write_bytes(item.read_bytes())
    with pytest.raises(RunError, match="is no run of 'eeg-emotion-train fit', or not a whole one"):
        load_run(tmp_path)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_damaged_network_is_refused(make_run: MakeRun, tmp_path: Path, place: float) -> None:
    for item in make_run().glob("*.*"):
        (tmp_path / item.name).write_bytes(item.read_bytes())
    network = tmp_path / "network.keras"
    data = bytearray(network.read_bytes())
    at = int(place * len(data))
    data[at] ^= 0xFF
    network.write_bytes(data)
    with pytest.raises(RunError, match="not a whole one"):
        load_run(tmp_path)


def test_a_record_of_another_form_is_refused(make_run: MakeRun, tmp_path: Path) -> None:
    for item in make_run().glob("*.*"):
        (tmp_path / item.name).write_bytes(item.read_bytes())
    record = tmp_path / "run.json"
    text = record.read_text(encoding="utf-8")
    record.write_text(text.replace('"seed": 3', '"seed": 3, "mood": 1'), encoding="utf-8")
    with pytest.raises(RunError, match=r"(?s)not a whole one.*mood"):
        load_run(tmp_path)
