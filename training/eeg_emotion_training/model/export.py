"""Joins fitted runs into the one ONNX file that the service loads, with its contract and card."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import eeg_emotion
from eeg_emotion.atomic_write import atomic_write
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.inference.contract import METADATA_KEY, Contract
from eeg_emotion.inference.model import SUMS_NAME, open_model
from eeg_emotion_training.model.card import model_card
from eeg_emotion_training.model.run import Run, load_run


class ExportError(EegEmotionError):
    """Runs cannot be joined into one model."""


def export(runs: Sequence[Path], out: Path, version: str) -> Contract:
    """Write `out.onnx`, its model card `out.md`, and its line in `SHA256SUMS` beside them.

    Parameters
    ----------
    runs
        Folders of `fit`, one for each target.
    out
        Output path; its last part, without `.onnx`, is the model's name.
    version
        The model's version.

    Raises
    ------
    RunError, ExportError
        If a folder is not a run, or the runs do not belong together.
    """
    out = out.with_suffix("") if out.suffix == ".onnx" else out
    loaded = [load_run(folder) for folder in runs]
    records = [run for run, _ in loaded]
    contract = _contract(records, out.name, version)
    from eeg_emotion_training.model.fused import fused_graph

    steps, width = contract.path.window_shape
    networks = {run.target.name: network for run, network in loaded}
    graph = fused_graph(networks, steps, width)
    entry = graph.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, contract.to_json()
    data = graph.SerializeToString(deterministic=True)
    digest = hashlib.sha256(data).hexdigest()
    open_model(data, digest)  # the service's own check, before anything is written
    out.parent.mkdir(parents=True, exist_ok=True)
    onnx_path, card_path = out.with_name(f"{out.name}.onnx"), out.with_name(f"{out.name}.md")
    _replace(onnx_path, data)
    _replace(card_path, model_card(contract, records, onnx_path.name, digest).encode())
    _list_digest(onnx_path, digest)
    return contract


def _contract(runs: Sequence[Run], name: str, version: str) -> Contract:
    first = runs[0]
    targets = [run.target.name for run in runs]
    if len(set(targets)) != len(targets):
        raise ExportError(
            f"found runs for the targets {targets}, expected each target once; name "
            "one run for each"
        )
    for part in ("path", "normaliser", "label_policy", "trained_on"):
        if any(getattr(run, part) != getattr(first, part) for run in runs):
            raise ExportError(
                f"found runs that differ in their {part}, expected the same for all targets, which "
                "share one signal path; fit the runs on the same data with the same settings and "
                "seed"
            )
    if first.trained_on.simulated and "simulated" not in name:
        raise ExportError(
            f"found the name {name!r} for a model trained on simulated people, expected one that "
            f"contains 'simulated', such as {name}-simulated"
        )
    return Contract(
        name=name,
        version=version,
        targets=tuple(run.target for run in runs),
        path=first.path,
        normaliser=first.normaliser,
        label_policy=first.label_policy,
        trained_on=first.trained_on,
        held_out=tuple(run.held_out for run in runs),
        seeds=tuple(run.seed for run in runs),
        code_version=eeg_emotion.__version__,
    )


def _list_digest(path: Path, digest: str) -> None:
    sums = path.with_name(SUMS_NAME)
    lines = sums.read_text(encoding="utf-8").splitlines() if sums.exists() else []
    others = [line for line in lines if line.partition(" ")[2].strip().lstrip("*") != path.name]
    _replace(sums, "".join(f"{line}\n" for line in [*others, f"{digest}  {path.name}"]).encode())


def _replace(path: Path, data: bytes) -> None:
    with atomic_write(path) as file:
        file.write(data)
