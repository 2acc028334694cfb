"""What `predict` and `what-if` have in common: model, signal path, baseline and recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eeg_emotion.cli.recording import open_recording
from eeg_emotion.errors import EegEmotionError

if TYPE_CHECKING:
    from eeg_emotion.eeg.normaliser import Normaliser
    from eeg_emotion.eeg.path import PathSettings
    from eeg_emotion.inference.model import Model
    from eeg_emotion.offline.run import OfflineRun

Profile = Annotated[
    str | None,
    typer.Option(help="The person's stored rest baseline, for a model that needs one."),
]
SETTINGS = ("model", "hop_seconds", "profiles", "cap")
"""Those that count for a recording."""


class PredictError(EegEmotionError):
    """An option does not fit the model."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A recording that is ready to run through the live path."""

    run: OfflineRun
    model: Model
    path: PathSettings

    @property
    def simulated(self) -> bool:
        """Whether the recording or the people whom the model was trained on are simulated."""
        return self.run.recording.simulated or self.model.contract.trained_on.simulated


def prepare(
    file: Path,
    config: Path | None,
    options: Mapping[str, object],
    *,
    profile: str | None,
    trials: str | None,
    baseline: bool,
    stream: str | None,
) -> Prepared:
    """Load the model and open the recording; `options` are those of its settings.

    Raises
    ------
    EegEmotionError
        If one of them is not as it must be.
    """
    from eeg_emotion.lsl.library import load_library

    load_library()  # the live path's modules import it, though no stream is opened
    from eeg_emotion.daemon.preparation import live_path, load_for_service
    from eeg_emotion.offline.run import OfflineRun
    from eeg_emotion.settings import load_settings

    # With the file and the environment, as for 'serve'.
    settings = load_settings(config, **options)
    loaded = load_for_service(settings)
    path = live_path(settings, loaded)
    normaliser = _normaliser(loaded, settings.profiles, profile)
    recording = open_recording(file, trials=trials, baseline=baseline, stream=stream)
    run = OfflineRun(recording, loaded, path, settings.headset_filter(), normaliser)
    return Prepared(run, loaded, path)


def _normaliser(model: Model, folder: Path, profile: str | None) -> Normaliser | None:
    """Return the model's or the person's normaliser; None if the model needs a missing one."""
    contract = model.contract
    if profile is None:
        return contract.training_normaliser
    if contract.training_normaliser is not None:
        raise PredictError(
            f"found --profile with the model {contract.name} {contract.version}, which normalises "
            "by its training data, expected a model that uses each person's rest baseline; leave "
            "--profile out, or name such a model with --model"
        )
    from eeg_emotion.baseline.profiles import ProfileStore, fits

    stored = ProfileStore(folder).load(profile)
    if (why_not := fits(stored, model)) is not None:
        raise PredictError(why_not)
    return stored.normaliser
