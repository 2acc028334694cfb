from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eeg_emotion_training.model.run import Run, RunError, load_run, refuse_existing, save_run
from eeg_emotion_training.networks.keras_import import load_keras

MakeRun = Callable[..., Path]
NO_RUN = "is not a complete run of 'eeg-emotion-train fit': "


@pytest.fixture
def folder(make_run: MakeRun, tmp_path: Path) -> Path:
    """A copy of a run, to be spoilt."""
    return shutil.copytree(make_run(), tmp_path / "copy")


def test_a_run_comes_back_as_it_was_saved(folder: Path, tmp_path: Path) -> None:
    run, network = load_run(folder)
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    save_run(tmp_path / "again", run, network, unfinished)
    assert not unfinished.exists()
    again, same = load_run(tmp_path / "again")
    assert again == run
    windows = np.random.default_rng(1).normal(size=(5, 4, 12)).astype(np.float32)
    np.testing.assert_array_equal(
        same.predict(windows, verbose=0), network.predict(windows, verbose=0)
    )


@pytest.mark.parametrize("missing", ["run.json", "network.keras"])
def test_a_run_that_is_not_whole_is_refused(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(RunError, match=f"{NO_RUN}.*{missing}") as caught:
        load_run(folder)
    assert "name the folder passed to its --out" in str(caught.value)


def test_a_missing_folder_is_refused_as_missing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=f"nothing {NO_RUN}found no such folder; name the folder"):
        load_run(tmp_path / "nothing")
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(RunError, match=f"model.onnx {NO_RUN}found no such folder"):
        load_run(tmp_path / "model.onnx")


@pytest.mark.parametrize("place", np.linspace(0.0, 0.9999, 25))
def test_a_damaged_network_is_refused(folder: Path, place: float) -> None:
    intact = load_keras().models.load_model(folder / "network.keras").get_weights()
    network = folder / "network.keras"
    data = bytearray(network.read_bytes())
    data[int(place * len(data))] ^= 0xFF
    network.write_bytes(data)
    try:
        _, loaded = load_run(folder)
    except RunError:
        return
    # The archive has bytes that mean nothing, such as times: then the network must be the same.
    for one, other in zip(loaded.get_weights(), intact, strict=True):
        np.testing.assert_array_equal(one, other)


def changed(folder: Path, **fields: Any) -> None:
    record = folder / "run.json"
    stated = json.loads(record.read_text(encoding="utf-8"))
    record.write_text(json.dumps(stated | fields), encoding="utf-8")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"mood": 1}, "at mood: Extra inputs are not permitted;"),
        ({"best_step": 0}, "at best_step: Input should be greater than or equal to 1;"),
        ({"network": "rnn"}, "at network: Input should be 'gru', 'bn-gru', 'lstm' or 'bn-lstm';"),
        ({"best_step": 0, "mood": 1}, "at best_step: .*, and 1 more error;"),
    ],
)
def test_an_invalid_record_is_refused_in_one_line(
    folder: Path, fields: dict[str, Any], why: str
) -> None:
    changed(folder, **fields)
    with pytest.raises(RunError, match=f"{NO_RUN}run.json is not valid {why}") as caught:
        load_run(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_file_that_is_no_record_is_refused(folder: Path, content: bytes) -> None:
    (folder / "run.json").write_bytes(content)
    with pytest.raises(RunError, match=NO_RUN):
        load_run(folder)


def test_an_existing_folder_is_refused_and_a_new_one_is_not(tmp_path: Path) -> None:
    refuse_existing(tmp_path / "new")
    with pytest.raises(RunError, match="already, expected a new folder"):
        refuse_existing(tmp_path)


def test_a_record_is_frozen(folder: Path) -> None:
    run, _ = load_run(folder)
    assert isinstance(run, Run)
    with pytest.raises(ValueError, match="frozen"):
        run.seed = 4  # type: ignore[misc]  # that it is refused is the test
