"""The model in short, for subscribers and the page."""

from __future__ import annotations

from eeg_emotion.inference.contract import Contract
from eeg_emotion.publish.messages import CalibrationFigures, ModelCard


def model_card(contract: Contract, *, sha256: str, hop_seconds: float) -> ModelCard:
    """Describe the model.

    Parameters
    ----------
    contract
        The model's own account of itself.
    sha256
        The digest of its file.
    hop_seconds
        How often it is asked here, which may be another interval than the contract's.
    """
    return ModelCard(
        name=contract.name,
        version=contract.version,
        sha256=sha256,
        simulated=contract.trained_on.simulated,
        trained_on=(
            f"{contract.trained_on.dataset}, {contract.trained_on.people} people, "
            f"{contract.trained_on.windows} windows"
        ),
        held_out={result.target: result.describe() for result in contract.held_out},
        calibration={target.name: target.calibration.describe() for target in contract.targets},
        calibration_figures={
            target.name: CalibrationFigures(**target.calibration.model_dump())
            for target in contract.targets
        },
        label_rule=contract.label_policy.text,
        targets=tuple(target.name for target in contract.targets),
        channels=contract.path.channels,
        sfreq=contract.path.sfreq,
        window_seconds=contract.path.window_seconds,
        hop_seconds=hop_seconds,
        settle_seconds=contract.path.settle_seconds,
        representation=contract.path.representation.kind,
        normaliser=contract.normaliser.kind,
    )
