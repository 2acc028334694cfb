"""What `predict` and `what-if` prepare alike: model, path, baseline and recording."""

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
    """What is asked for does not go with the model."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A recording before its run through the live path."""

    run: OfflineRun
    model: Model
    path: PathSettings

    @property
    def simulated(self) -> bool:
        """Return whether the recording or the model's people are simulated."""
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

    load_library()  # the live path's modules need it, though no stream is opened
    from eeg_emotion.daemon.preparation import live_path, load_for_service
    from eeg_emotion.offline.run import OfflineRun
    from eeg_emotion.settings import load_settings

    # Those of the file and the environment too: they are what 'serve' would judge by.
    settings = load_settings(config, **options)
    loaded = load_for_service(settings)
    path = live_path(settings, loaded)
    normaliser = _normaliser(loaded, settings.profiles, profile)
    recording = open_recording(file, trials=trials, baseline=baseline, stream=stream)
    run = OfflineRun(recording, loaded, path, settings.reception(), normaliser)
    return Prepared(run, loaded, path)


def _normaliser(model: Model, folder: Path, profile: str | None) -> Normaliser | None:
    """Return the model's, or the person's; None for a model that needs one and has none."""
    contract = model.contract
    if profile is None:
        return contract.training_normaliser
    if contract.training_normaliser is not None:
        raise PredictError(
            f"found --profile with the model {contract.name} {contract.version}, whose normaliser "
            "is of its training people, expected a model that uses each person's rest; leave "
            "--profile out, or name such a model with --model"
        )
    from eeg_emotion.baseline.profiles import ProfileStore, fits

    stored = ProfileStore(folder).load(profile)
    if (why_not := fits(stored, model)) is not None:
        raise PredictError(why_not)
    return stored.normaliser
