from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import eeg_emotion
from eeg_emotion.inference.contract import Contract
from eeg_emotion_training.model.card import model_card
from eeg_emotion_training.model.run import Run, load_run

MakeRun = Callable[..., Path]
DIGEST = "ab" * 32


def contract_of(*runs: Run) -> Contract:
    first = runs[0]
    return Contract(
        name="tiny-simulated",
        version="2.1",
        targets=tuple(run.target for run in runs),
        path=first.path,
        normaliser=first.normaliser,
        label_policy=first.label_policy,
        trained_on=first.trained_on,
        held_out=tuple(run.held_out for run in runs),
        seeds=tuple(run.seed for run in runs),
        code_version=eeg_emotion.__version__,
    )


def card_of(*runs: Run) -> str:
    return model_card(contract_of(*runs), runs, "tiny-simulated.onnx", DIGEST)


def rows_of(card: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading, its header first."""
    lines = card.split(f"## {heading}\n")[1].split("\n## ")[0].splitlines()
    table = [line for line in lines if line.startswith("|") and not line.startswith("|---")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


@pytest.fixture
def runs(make_run: MakeRun) -> list[Run]:
    return [load_run(make_run(target=name))[0] for name in ("arousal", "valence")]


def test_the_header_says_which_file_and_that_it_is_simulated(runs: list[Run]) -> None:
    _, header, body = card_of(*runs).split("---\n", 2)
    assert header.splitlines() == [
        "name: tiny-simulated",
        "version: 2.1",
        "file: tiny-simulated.onnx",
        f"sha256: {DIGEST}",
        "trained_on: simulated people in memory",
        "simulated: true",
        "targets: [arousal, valence]",
    ]
    assert body.startswith("\n# tiny-simulated 2.1\n")
    assert "**Trained on simulated people.**" in body
    assert "Not for diagnosis" in body


def test_held_out_results_stand_with_their_protocol_and_counts(runs: list[Run]) -> None:
    card = card_of(*runs)
    header, *rows = rows_of(card, "Held-out results")
    assert len(header) == 9
    for run, row in zip(runs, rows, strict=True):
        stated = run.held_out
        low, high = stated.trial_interval
        assert row == [
            stated.target,
            f"{stated.trial_balanced_accuracy:.3f} [{low:.3f}, {high:.3f}]",
            f"{stated.balanced_accuracy:.3f}",
            f"{stated.accuracy:.3f}",
            "0.500",
            f"{stated.auroc:.3f}",
            *("2", "16", "48"),
        ]
    assert f"Protocol: {runs[0].held_out.protocol}. Windows of one trial are not indep" in card


def test_calibration_is_stated_as_chosen_and_as_found_on_others(runs: list[Run]) -> None:
    header, *rows = rows_of(card_of(*runs), "Calibration")
    assert header == [
        "target",
        "temperature",
        "calibration error before",
        "after",
        "on held-out people",
        "unsure",
    ]
    for run, row in zip(runs, rows, strict=True):
        calibration = run.target.calibration
        low, high = calibration.unsure
        assert row == [
            run.target.name,
            f"{calibration.temperature:.2f}",
            f"{calibration.ece_before:.3f}",
            f"{calibration.ece_after:.3f}",
            f"{run.held_out.ece:.3f}",
            f"{low:.2f} to {high:.2f}",
        ]


def test_training_is_stated_with_who_was_in_which_part(runs: list[Run]) -> None:
    card = card_of(*runs)
    assert "simulated people in memory: 6 people, 144 windows." in card
    for run in runs:
        assert (
            f"- {run.target.name}: BN-GRU, 4 units, Adam, batch 8, step {run.best_step} of at most "
            f"30 by validation people {', '.join(run.validation_people)}, seed 3; trained on "
            f"{', '.join(run.training_people)}, tested on {', '.join(run.test_people)}\n"
        ) in card


def test_input_and_label_rule_are_stated(runs: list[Run]) -> None:
    text = " ".join(card_of(*runs).split())
    assert "1 s windows of 3 EEG channels in µV at 128 Hz, band-passed causally to 4-45 Hz" in text
    assert "represented as `bands`: 4 steps of 12 features." in text
    assert "Features are normalised by statistics of the training people." in text
    assert "Label rule `high-above-5/1`: high = rating > 5.0." in text


def test_a_rest_baseline_is_asked_for(make_run: MakeRun) -> None:
    run, _ = load_run(make_run(normaliser="rest-baseline"))
    text = " ".join(card_of(run).split())
    assert "normalised by their own rest before use (20 to 60 s): without it there is no" in text
    assert "statistics of the training people" not in text


def test_a_model_of_people_has_no_such_warning(runs: list[Run]) -> None:
    trained_on = runs[0].trained_on.model_copy(update={"simulated": False, "dataset": "DEAP"})
    card = card_of(*(run.model_copy(update={"trained_on": trained_on}) for run in runs))
    assert "\nsimulated: false\n" in card
    assert "imulated people" not in card


def test_lines_can_be_read_in_a_terminal(runs: list[Run]) -> None:
    prose = [line for line in card_of(*runs).splitlines() if line[:1] not in ("|", ">", "-", "")]
    assert max(map(len, prose)) <= 240
