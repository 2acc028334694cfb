"""The demo model with another contract: in memory, and as a file that is listed as trusted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper
from tests.support.pipeline import FakePipeline

from eeg_emotion.eeg.layout import identity_layout
from eeg_emotion.inference.contract import METADATA_KEY, RestBaseline
from eeg_emotion.inference.model import SUMS_NAME, Model, demo_model_path, load_model
from eeg_emotion.recordings.simulation import SimulatedPerson

Band = tuple[float, float]


@pytest.fixture(scope="session")
def adapted() -> Callable[..., Model]:
    """Make the demo model with other unsure bands, or such that it needs each person's rest."""
    demo = load_model(demo_model_path())

    def adapt(*, bands: dict[str, Band] | None = None, rest: bool = False) -> Model:
        contract = demo.contract
        targets = tuple(
            target.model_copy(
                update={
                    "calibration": target.calibration.model_copy(
                        update={"unsure": (bands or {}).get(target.name, target.calibration.unsure)}
                    )
                }
            )
            for target in contract.targets
        )
        changes = {"targets": targets} | ({"normaliser": RestBaseline()} if rest else {})
        return replace(demo, contract=contract.model_copy(update=changes))

    return adapt


@pytest.fixture
def model_file(tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], object]], Path]:
    """Write the demo model with a changed contract, and the list of digests beside it."""

    def write(change: Callable[[dict[str, Any]], object]) -> Path:
        graph = onnx.load(demo_model_path())
        fields = json.loads(
            next(item.value for item in graph.metadata_props if item.key == METADATA_KEY)
        )
        change(fields)
        del graph.metadata_props[:]
        helper.set_model_props(graph, {METADATA_KEY: json.dumps(fields)})
        data = graph.SerializeToString()
        path = tmp_path / "changed-simulated.onnx"
        path.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        path.with_name(SUMS_NAME).write_text(f"{digest}  {path.name}\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def fake_pipeline() -> FakePipeline:
    """A pipeline of the demo model that processes nothing."""
    path = load_model(demo_model_path()).contract.path
    return FakePipeline(path, identity_layout(path.channels))


@pytest.fixture(scope="session")
def rest_signal() -> NDArray[np.float64]:
    """Seventy-five seconds of a simulated person at rest, `(32, samples)` µV at 128 Hz."""
    samples = SimulatedPerson(2026, 7).run(0, 128.0).next(75 * 128, 0.0, 0.0)
    samples.setflags(write=False)
    return samples
