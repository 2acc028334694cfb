from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from eeg_emotion.inference.contract import Contract, RestBaseline
from eeg_emotion.inference.model import ModelError, load_model, open_model
from eeg_emotion_training.model.export import ExportError, export
from eeg_emotion_training.model.run import Run, RunError, load_run
from eeg_emotion_training.networks.names import NETWORKS
from eeg_emotion_training.networks.recurrent import build_network, fresh_weights

MakeRun = Callable[..., Path]


@pytest.fixture(scope="session")
def runs(make_run: MakeRun) -> list[Path]:
    return [make_run(target="arousal"), make_run(target="valence")]


@pytest.fixture
def exported(runs: list[Path], tmp_path: Path) -> tuple[Path, Contract]:
    out = tmp_path / "models" / "tiny-simulated"
    return out.with_name("tiny-simulated.onnx"), export(runs, out, "2.1")


def rewritten(run: Path, folder: Path, **trained_on: object) -> Path:
    """A copy of a run that states something else about its training data."""
    shutil.copytree(run, folder)
    record = folder / "run.json"
    stated = json.loads(record.read_text(encoding="utf-8"))
    stated["trained_on"] |= trained_on
    record.write_text(json.dumps(stated), encoding="utf-8")
    return folder


def files(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def test_an_export_is_a_model_a_card_and_a_list_of_digests(
    exported: tuple[Path, Contract],
) -> None:
    path, _ = exported
    assert files(path.parent) == ["SHA256SUMS", "tiny-simulated.md", "tiny-simulated.onnx"]


def test_contract_states_what_the_runs_state(
    exported: tuple[Path, Contract], runs: list[Path]
) -> None:
    path, contract = exported
    (arousal, _), (valence, _) = map(load_run, runs)
    assert (contract.name, contract.version) == ("tiny-simulated", "2.1")
    assert contract.targets == (arousal.target, valence.target)
    assert contract.held_out == (arousal.held_out, valence.held_out)
    assert contract.held_out[0] != contract.held_out[1]
    for part in ("path", "normaliser", "label_policy", "trained_on"):
        assert getattr(contract, part) == getattr(arousal, part) == getattr(valence, part)
    assert contract.seeds == (3, 3)
    # The file itself states the same.
    assert load_model(path).contract == contract


def calibrated(run: Run, network: Any, windows: np.ndarray) -> np.ndarray:
    """What the network predicts for windows, its log-odds divided by the run's temperature."""
    low, high = network.predict(windows, verbose=0).astype(np.float64).T
    return np.asarray(1.0 / (1.0 + (low / high) ** (1.0 / run.target.calibration.temperature)))


def test_the_service_loads_the_model_and_predicts_what_the_networks_predict(
    exported: tuple[Path, Contract], runs: list[Path]
) -> None:
    model = load_model(exported[0])
    windows = np.random.default_rng(2).normal(size=(7, 4, 12)).astype(np.float32)
    said = model.predict(windows)
    assert list(said) == ["arousal", "valence"]
    for folder in runs:
        run, network = load_run(folder)
        np.testing.assert_allclose(
            said[run.target.name], calibrated(run, network, windows), atol=1e-5
        )
        assert np.ptp(said[run.target.name]) > 0.05


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "bn-gru" else pytest.mark.needs("time"))
        for name in NETWORKS
    ],
)
def test_each_of_the_four_networks_is_served_as_it_was_trained(
    make_run: MakeRun, tmp_path: Path, name: str
) -> None:
    folder = make_run(network=name)
    export([folder], tmp_path / "one-simulated", "1")
    data = (tmp_path / "one-simulated.onnx").read_bytes()
    model = open_model(data, hashlib.sha256(data).hexdigest())
    run, network = load_run(folder)
    assert run.network == name
    assert model.contract.targets == (run.target,)
    assert run.target.calibration.temperature != 1.0
    windows = 3.0 * np.random.default_rng(2).normal(size=(50, 4, 12)).astype(np.float32)
    said = model.predict(windows)["valence"]
    np.testing.assert_allclose(said, calibrated(run, network, windows), atol=1e-5)
    assert np.ptp(said) > 0.01
    card = (tmp_path / "one-simulated.md").read_text(encoding="utf-8")
    assert f"- valence: {name.upper()}, 4 units" in card


def test_targets_may_have_different_networks(runs: list[Path], tmp_path: Path) -> None:
    other = shutil.copytree(runs[1], tmp_path / "lstm")
    network = build_network("lstm", 4, 12, 4)
    network.set_weights(fresh_weights(network, 1))
    network.save(other / "network.keras")
    export([runs[0], other], tmp_path / "mixed-simulated", "1")
    kinds = [n.op_type for n in onnx.load(tmp_path / "mixed-simulated.onnx").graph.node]
    assert (kinds.count("GRU"), kinds.count("LSTM")) == (1, 1)


def test_a_model_of_rest_baselines_has_no_statistics(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run(target=name, normaliser="rest-baseline") for name in ("arousal", "valence")]
    export(runs, tmp_path / "rest-simulated", "1")
    model = load_model(tmp_path / "rest-simulated.onnx")
    assert model.contract.normaliser == RestBaseline(most_seconds=60, least_seconds=20)
    assert model.contract.training_normaliser is None
    assert '"mean"' not in model.contract.to_json()


def test_the_same_runs_export_the_same_bytes(
    exported: tuple[Path, Contract], runs: list[Path], tmp_path: Path
) -> None:
    export(runs, tmp_path / "again" / "tiny-simulated", "2.1")
    again = tmp_path / "again" / "tiny-simulated.onnx"
    assert again.read_bytes() == exported[0].read_bytes()


def test_digest_is_added_to_the_list_and_replaces_only_its_own_line(
    exported: tuple[Path, Contract], runs: list[Path]
) -> None:
    path, _ = exported
    sums = path.with_name("SHA256SUMS")
    first = hashlib.sha256(path.read_bytes()).hexdigest()
    assert sums.read_text(encoding="utf-8") == f"{first}  tiny-simulated.onnx\n"
    others = f"{'1' * 64}  other.onnx\n{'2' * 64} *not-tiny-simulated.onnx\n"
    sums.write_text(f"{first}  tiny-simulated.onnx\n{others}", encoding="utf-8")
    export(runs, path.with_suffix(""), "2.2")
    second = hashlib.sha256(path.read_bytes()).hexdigest()
    assert second != first
    assert sums.read_text(encoding="utf-8") == f"{others}{second}  tiny-simulated.onnx\n"
    assert load_model(path).contract.version == "2.2"


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.999])
def test_one_changed_byte_is_refused(exported: tuple[Path, Contract], place: float) -> None:
    path, _ = exported
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="the file is not the one that is listed"):
        load_model(path)


def test_a_model_without_its_line_is_refused(exported: tuple[Path, Contract]) -> None:
    path, _ = exported
    path.with_name("SHA256SUMS").write_text("", encoding="utf-8")
    with pytest.raises(ModelError, match="expected an entry by"):
        load_model(path)


def test_graph_is_of_fused_nodes_for_each_target(exported: tuple[Path, Contract]) -> None:
    kinds = [node.op_type for node in onnx.load(exported[0]).graph.node]
    assert kinds.count("GRU") == 2
    assert not {"Loop", "BatchNormalization"} & set(kinds)


def test_a_model_of_simulated_people_must_be_named_simulated(
    runs: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(
        ExportError, match="expected one that contains 'simulated', such as mine-simulated"
    ):
        export(runs, tmp_path / "mine", "1")
    assert files(tmp_path) == []


def test_a_model_of_people_has_any_name_and_no_such_warning(
    runs: list[Path], tmp_path: Path
) -> None:
    real = [rewritten(run, tmp_path / run.name, simulated=False, dataset="DEAP") for run in runs]
    contract = export(real, tmp_path / "mine", "1")
    assert not contract.trained_on.simulated
    card = (tmp_path / "mine.md").read_text(encoding="utf-8")
    assert "simulated: false" in card
    assert "simulated people" not in card
    assert "Trained on simulated" not in card


def test_two_runs_of_one_target_are_refused(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="expected each target once"):
        export([runs[0], runs[0]], tmp_path / "tiny-simulated", "1")
    assert files(tmp_path) == []


def test_runs_with_another_normaliser_are_refused(
    make_run: MakeRun, runs: list[Path], tmp_path: Path
) -> None:
    # Another seed draws other training people, whose statistics are others.
    with pytest.raises(ExportError, match="found runs that differ in their normaliser"):
        export([runs[0], make_run(seed=4)], tmp_path / "tiny-simulated", "1")
    assert files(tmp_path) == []


def test_a_rest_baseline_beside_statistics_is_refused(
    make_run: MakeRun, runs: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="found runs that differ in their normaliser"):
        export([runs[0], make_run(normaliser="rest-baseline")], tmp_path / "tiny-simulated", "1")
    assert files(tmp_path) == []


def test_runs_of_another_signal_path_are_refused(runs: list[Path], tmp_path: Path) -> None:
    other = shutil.copytree(runs[1], tmp_path / "other")
    text = (other / "run.json").read_text(encoding="utf-8")
    assert text.count('"hop_seconds": 0.5') == 1
    changed = text.replace('"hop_seconds": 0.5', '"hop_seconds": 1.0')
    (other / "run.json").write_text(changed, encoding="utf-8")
    with pytest.raises(ExportError, match="found runs that differ in their path"):
        export([runs[0], other], tmp_path / "tiny-simulated", "1")
    assert files(tmp_path) == ["other"]


def test_runs_on_other_data_are_refused(runs: list[Path], tmp_path: Path) -> None:
    other = rewritten(runs[1], tmp_path / "other", digest="0" * 64)
    with pytest.raises(ExportError, match="found runs that differ in their trained_on"):
        export([runs[0], other], tmp_path / "tiny-simulated", "1")
    assert files(tmp_path) == ["other"]


def test_a_folder_that_is_no_run_is_refused(runs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for folder in (tmp_path / "photos", tmp_path / "nothing"):
        with pytest.raises(
            RunError, match=f"{folder.name} is not a complete run of 'eeg-emotion-train fit'"
        ):
            export([runs[0], folder], tmp_path / "tiny-simulated", "1")
    assert files(tmp_path) == ["photos"]
