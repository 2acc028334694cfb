"""`predict` as users see it: a file in, a file out, a summary, and errors with a remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.brainvision import brainvision
from tests.support.command import command
from tests.support.prediction_command import predict, rows
from typer.testing import CliRunner

from eeg_emotion.baseline.profiles import Profile, ProfileStore, UnknownProfile
from eeg_emotion.cli.main import app
from eeg_emotion.cli.offline import PredictError
from eeg_emotion.eeg.layout import ChannelsMissing
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.inference.model import demo_model_path, load_model
from eeg_emotion.offline.file import PredictionFileError
from eeg_emotion.recordings.recording import RecordingError
from eeg_emotion.settings import SettingsError

pytest.importorskip("mne", reason="MNE is not installed (the extra 'recordings')")

ModelFile = Callable[[Callable[[dict[str, Any]], object]], Path]
REST = {"kind": "rest-baseline", "most_seconds": 60, "least_seconds": 20}


@pytest.fixture
def person(tmp_path: Path) -> Path:
    return brainvision(tmp_path / "person.vhdr")


def test_predict_writes_a_file_of_predictions_and_prints_a_summary(tmp_path: Path) -> None:
    file = brainvision(tmp_path / "two parts.vhdr", seconds=18.0, gap_at=2500)
    out = tmp_path / "out.csv"
    done = command("predict", file, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    found = rows(out)
    assert [row["seq"] for row in found] == [str(number) for number in range(len(found))]
    assert {row["headset"] for row in found} == {"two-parts-vhdr-56e72548"}
    assert {row["simulated"] for row in found} == {"true"}
    assert "nan" not in out.read_text().lower()
    scored = [row for row in found if row["valid"] == "true"]
    assert 0 < len(scored) < len(found)
    for row in found:
        assert (row["arousal_probability"] == "") == (row["valid"] == "false")
        assert (row["reasons"] == "") == (row["valid"] == "true")
    said = done.stdout.splitlines()
    assert said[0] == (
        f"two parts.vhdr: {len(found)} windows, {len(scored)} of them valid; 18.0 s of signal in "
        "2 contiguous stretches"
    )
    assert "gap 3" in said[1]
    contract = load_model(demo_model_path()).contract
    for result in contract.held_out:
        assert f"held out    {result.target}: {result.describe()}" in said
    assert "simulated   the people whom the model was trained on" in said
    assert "simulated   the recording" not in said


def test_the_summary_is_one_json_object_on_request(tmp_path: Path, person: Path) -> None:
    out = tmp_path / "out.csv"
    result = json.loads(predict(person, "--out", out, "--hop-seconds", "0.5", "--json"))
    found = rows(out)
    assert float(found[1]["start_s"]) == 0.5
    assert result["windows"] == len(found) > 10
    assert result["valid"] == sum(row["valid"] == "true" for row in found)
    counted = [reason for row in found for reason in row["reasons"].split(";") if reason]
    assert result["reasons"] == {reason: counted.count(reason) for reason in set(counted)}
    assert result["signal_seconds"] == 12.0
    assert (result["hop_seconds"], result["gaps"]) == (0.5, 0)
    assert (result["recording_simulated"], result["model_simulated"]) == (False, True)
    assert result["model_sha256"] == load_model(demo_model_path()).sha256
    assert result["times_real_time"] > 1


def test_parquet_states_the_model_and_its_protocol(tmp_path: Path, person: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    table, out = tmp_path / "out.parquet", tmp_path / "out.csv"
    predict(person, "--out", table)
    predict(person, "--out", out)
    read = parquet.read_table(table)
    assert [row["end_s"] for row in read.to_pylist()] == [float(row["end_s"]) for row in rows(out)]
    stated = {key.decode(): value.decode() for key, value in read.schema.metadata.items()}
    model = load_model(demo_model_path())
    assert stated["model"] == f"{model.contract.name} {model.contract.version}"
    assert stated["model_sha256"] == model.sha256
    assert (stated["model_simulated"], stated["recording_simulated"]) == ("true", "false")
    assert stated["held_out"].splitlines() == [
        f"{result.target}: {result.describe()}" for result in model.contract.held_out
    ]
    assert stated["hop_seconds"] == "1.0"


def test_a_recording_too_short_for_a_window_says_so(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    said = predict(brainvision(tmp_path / "short.vhdr", seconds=2.0), "--out", out)
    assert "0 windows" in said
    assert "a window takes 5 s of contiguous signal" in said
    assert rows(out) == []


def test_the_need_for_a_rest_baseline_is_stated_and_a_profile_meets_it(
    tmp_path: Path, person: Path, model_file: ModelFile
) -> None:
    file = model_file(lambda fields: fields.update(normaliser=REST))
    model = load_model(file)
    out = tmp_path / "out.csv"
    asked = (person, "--out", out, "--model", file, "--profiles", tmp_path / "profiles")
    assert "needs       each person's own rest" in predict(*asked)
    assert all("no_baseline" in row["reasons"] for row in rows(out))

    contract = model.contract
    trained = load_model(demo_model_path()).contract.training_normaliser
    assert trained is not None
    profile = Profile(
        name="person-1",
        model=contract.name,
        model_version=contract.version,
        model_sha256=model.sha256,
        representation=contract.path.representation.kind,
        channels=contract.path.channels,
        interpolated=(),
        created=datetime(2026, 1, 1, tzinfo=UTC),
        clean_seconds=60,
        normaliser=Normaliser(kind="rest-baseline", mean=trained.mean, sd=trained.sd),
    )
    ProfileStore(tmp_path / "profiles").save(profile)
    assert "needs" not in predict(*asked, "--profile", "person-1")
    with_profile = rows(out)
    predict(person, "--out", out)
    scores = [[row["arousal_probability"] for row in found] for found in (with_profile, rows(out))]
    assert scores[0] == scores[1]
    assert any(scores[0])

    with pytest.raises(UnknownProfile, match="known: person-1"):
        predict(*asked, "--profile", "person-2")
    other = profile.model_copy(update={"name": "person-3", "model_sha256": "0" * 64})
    ProfileStore(tmp_path / "profiles").save(other)
    with pytest.raises(PredictError, match="collect the person's rest again"):
        predict(*asked, "--profile", "person-3")


def test_what_the_service_would_quarantine_fails_with_its_reason_and_no_file(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out.csv"
    file = brainvision(tmp_path / "few.vhdr", channels=DEAP32[:8])
    with pytest.raises(ChannelsMissing, match="found 8 of the model's 32 channels"):
        predict(file, "--out", out)
    assert not out.exists()


def test_the_services_environment_settings_apply_here_too(
    tmp_path: Path, person: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EEG_EMOTION_HOP_SECONDS", "2")
    predict(person, "--out", tmp_path / "out.csv")
    assert float(rows(tmp_path / "out.csv")[1]["start_s"]) == 2.0


def test_a_settings_file_applies_as_for_the_service(person: Path, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("hop_seconds = 2.0\n[quality]\nflat_uv = 1e9\n")
    predict(person, "--out", tmp_path / "out.csv", "--config", tmp_path / "settings.toml")
    found = rows(tmp_path / "out.csv")
    assert float(found[1]["start_s"]) == 2.0
    # With such a threshold every electrode counts as dead.
    assert {row["valid"] for row in found} == {"false"}


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (("--out", "out.txt"), PredictionFileError, r"ends in \.csv or"),
        (("--out", "no/where/out.csv"), PredictionFileError, "No such file"),
        (("--out", "out.csv", "--hop-seconds", "6"), SettingsError, "window of 5 s"),
        (("--out", "out.csv", "--hop-seconds", "0.3"), SettingsError, "hop_seconds"),
        (("--out", "out.csv", "--cap", "biosemi7"), SettingsError, "cap"),
        (("--out", "out.csv", "--profile", "person-1"), PredictError, "leave --profile out"),
        (("--out", "out.csv", "--trials", "1-3"), RecordingError, "a DEAP file only"),
        (("--out", "out.csv", "--stream", "EEG"), RecordingError, "only an XDF file"),
    ],
)
def test_impossible_requests_are_refused_with_the_remedy(
    tmp_path: Path,
    person: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    error: type[EegEmotionError],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    with pytest.raises(error, match=words):
        predict(person, *options)
    assert set(tmp_path.iterdir()) == before


def test_the_output_file_is_required(person: Path) -> None:
    done = CliRunner().invoke(app, ["predict", str(person)])
    assert done.exit_code == 2
