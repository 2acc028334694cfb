"""The ONNX model: loaded from verified bytes, run in one thread."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

import eeg_emotion
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.inference.calibration import scale
from eeg_emotion.inference.contract import (
    INPUT_NAME,
    METADATA_KEY,
    Contract,
    ContractError,
    parse_contract,
)

SUMS_NAME = "SHA256SUMS"
"""The list of trusted digests, next to the model; `sha256sum --check` can read it."""

_LARGEST_BYTES = 32 * 1024 * 1024  # the largest model here has some 0.5 MiB
DEMO_MODEL = "demo-simulated.onnx"


class ModelError(EegEmotionError):
    """A model file is missing, not trusted, or not an ONNX graph."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One of the graph's inputs or outputs, float32.

    Attributes
    ----------
    name
        Its name in the graph.
    shape
        The shape for one window, without the batch dimension.
    """

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model with its contract.

    Attributes
    ----------
    contract
        The file's contract, checked against the graph.
    sha256
        Digest of the file's bytes.
    """

    contract: Contract
    sha256: str
    _session: onnxruntime.InferenceSession

    def predict(self, features: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        """Estimate the calibrated probability of "high" for each target.

        Parameters
        ----------
        features
            `(windows, steps, features)`, normalised by the signal path.

        Returns
        -------
        dict
            `(windows,)` probabilities by the target's name.
        """
        outputs = self.run(features, [target.name for target in self.contract.targets])
        return {
            target.name: scale(output[:, 1], target.calibration.temperature)
            for target, output in zip(self.contract.targets, outputs, strict=True)
        }

    @property
    def input(self) -> Tensor:
        """The graph's input."""
        return Tensor(INPUT_NAME, self.contract.path.window_shape)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The graph's outputs, one for each target."""
        return tuple(
            Tensor(target.name, (len(target.classes),)) for target in self.contract.targets
        )

    def run(
        self, features: NDArray[np.float32], outputs: Sequence[str]
    ) -> list[NDArray[np.float32]]:
        """Return outputs of the graph, before calibration.

        Parameters
        ----------
        features
            `(windows, steps, features)`, normalised.
        outputs
            Names of outputs.

        Returns
        -------
        list
            `(windows, classes)` for each name.
        """
        found: list[NDArray[np.float32]] = self._session.run(outputs, {INPUT_NAME: features})
        return found


def demo_model_path() -> Path:
    """Return the path of the demo model that comes with the package."""
    package = Path(eeg_emotion.__file__).parent
    packaged = package / "models" / DEMO_MODEL
    # In a source checkout the models are at the top level; a built wheel contains them.
    return packaged if packaged.exists() else package.parents[1] / "models" / DEMO_MODEL


def load_model(path: Path) -> Model:
    """Load a model whose digest is on the list next to it.

    Raises
    ------
    ModelError
        If the file is missing, too large, not on the list, or not an ONNX graph.
    ContractError
        If its contract is missing, not supported, or contradicts the graph.
    """
    data = _read(path)
    digest = hashlib.sha256(data).hexdigest()
    _check_digest(path, digest)
    return open_model(data, digest)


def open_model(data: bytes, digest: str) -> Model:
    """Open a model from trusted bytes, and check its contract."""
    options = onnxruntime.SessionOptions()
    # One thread is faster than two for such a small model, and a spinning pool would keep cores
    # busy between windows.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            data, sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's exceptions have no common base class
        raise ModelError(
            f"the file is not an ONNX graph that ONNX Runtime can run: {error}"
        ) from error
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise ContractError(
            f"found no contract under {METADATA_KEY!r} in the model's metadata, expected one; "
            "export the model with 'eeg-emotion-train export'"
        )
    contract = parse_contract(text)
    _check_graph(session, contract)
    return Model(contract=contract, sha256=digest, _session=session)


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > _LARGEST_BYTES:
            raise ModelError(
                f"{path}: found {size} bytes, expected at most {_LARGEST_BYTES}; name an ONNX file "
                "that 'eeg-emotion-train export' wrote"
            )
        return path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"cannot read the model {path}: {error.strerror}; name an ONNX file that "
            "'eeg-emotion-train export' wrote"
        ) from error


def _check_digest(path: Path, digest: str) -> None:
    sums = path.with_name(SUMS_NAME)
    try:
        lines = sums.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ModelError(
            f"{path}: found no list of trusted digests {sums} ({error.strerror}), expected one; "
            "'eeg-emotion-train export' writes it. To trust this model: "
            f"(cd {path.parent} && sha256sum {path.name} >> {SUMS_NAME})"
        ) from error
    listed = {
        name.strip().lstrip("*"): value.lower()
        for value, _, name in (line.partition(" ") for line in lines)
    }
    expected = listed.get(path.name)
    if expected != digest:
        raise ModelError(
            f"{path}: found SHA-256 {digest}, expected {expected or 'an entry'} by {sums}; the "
            "file is not the one that is listed. Fetch it again, or list it if you trust it"
        )


def _check_graph(session: onnxruntime.InferenceSession, contract: Contract) -> None:
    found_inputs = {item.name: (item.type, item.shape) for item in session.get_inputs()}
    if list(found_inputs) != [INPUT_NAME]:
        raise ContractError(
            f"the contract contradicts the graph: found inputs {list(found_inputs)}, expected "
            f"[{INPUT_NAME!r}]"
        )
    kind, shape = found_inputs[INPUT_NAME]
    if kind != "tensor(float)" or tuple(shape[1:]) != contract.path.window_shape:
        raise ContractError(
            f"the contract contradicts the graph: found input {kind} of shape {shape}, expected "
            f"tensor(float) of shape (batch, {', '.join(map(str, contract.path.window_shape))})"
        )
    outputs = {item.name: item.shape for item in session.get_outputs()}
    for target in contract.targets:
        shape = outputs.get(target.name)
        if shape is None or len(shape) != 2 or shape[1] != len(target.classes):
            raise ContractError(
                f"the contract contradicts the graph: found outputs {outputs}, expected "
                f"{target.name!r} of shape (batch, {len(target.classes)})"
            )
