"""`what-if` as users see it; `predict`'s file shows when an alarm must be raised."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.brainvision import brainvision
from tests.support.prediction_command import predict, rows
from typer.testing import CliRunner

from eeg_emotion.alarms.rules.rule import RulesError
from eeg_emotion.cli.main import app
from eeg_emotion.errors import EegEmotionError

pytest.importorskip("mne", reason="MNE is not installed (the extra 'recordings')")


def what_if(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["what-if", *map(str, arguments)], env={"COLUMNS": "200"})
    if isinstance(done.exception, EegEmotionError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def person(tmp_path: Path) -> Path:
    return brainvision(tmp_path / "person.vhdr", seconds=30.0)


def test_an_alarm_is_raised_at_the_window_that_predict_shows(tmp_path: Path, person: Path) -> None:
    predict(person, "--out", tmp_path / "out.csv")
    scored = [row for row in rows(tmp_path / "out.csv") if row["valid"] == "true"]
    ends = [float(row["end_s"]) for row in scored]
    # Every probability is above 0, so the dwell begins with the first window that has a score.
    (tmp_path / "rules.toml").write_text(
        '[[rule]]\nname = "any"\ntext = "Any score."\nseverity = "info"\ndwell_seconds = 4\n'
        'when = [{ of = "arousal", above = 0.0 }]\n'
    )
    plot = tmp_path / "plot.html"
    reported = json.loads(what_if(tmp_path / "rules.toml", person, "--plot", plot, "--json"))
    (alarm,) = reported["alarms"]
    due = next(end for end in ends if end - ends[0] >= 4)
    assert alarm["raised"] == pytest.approx(due, abs=1e-3)
    assert alarm["cleared"] is None
    row = next(row for row in scored if float(row["end_s"]) == due)
    assert alarm["arousal"] == pytest.approx(float(row["arousal_probability"]), abs=1e-3)
    assert reported["valid"] == len(scored)
    assert reported["by_rule"]["any"]["held"] == len(scored)
    assert plot.stat().st_size > 1e6


@pytest.mark.parametrize("preset", ["driver-takeover", "operator-safety", "signal-lost"])
def test_a_preset_is_tried_by_name_and_simulated_data_is_labelled(
    preset: str, tmp_path: Path, person: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = what_if(preset, person)
    assert "longest dwell" in said
    assert "never goes stale" in said
    assert "simulated   the people whom the model was trained on" in said
    assert "(simulated)" in (tmp_path / "what-if.html").read_text(encoding="utf-8")


def test_missing_rules_are_refused_with_a_list_of_the_presets(person: Path) -> None:
    with pytest.raises(RulesError, match=r"presets driver-takeover, operator-safety, signal-lost"):
        what_if("drivers", person)
