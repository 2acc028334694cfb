"""What `predict` and `what-if` have in common: model, signal path, baseline and recording."""

from __future__ import annotations

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

RecordingFile = Annotated[
    Path,
    typer.Argument(help="EDF, BDF, BrainVision, EEGLAB, XDF, ... or DEAP's sXX.dat, sXX.mat."),
]
ModelFile = Annotated[
    Path | None,
    typer.Option(help="ONNX file of 'eeg-emotion-train export' (default: the demo's)."),
]
HopSeconds = Annotated[
    float | None,
    typer.Option(help="Seconds between windows, a multiple of 0.25 (default: the model's)."),
]
Profile = Annotated[
    str | None,
    typer.Option(help="The person's stored rest baseline, for a model that needs one."),
]
Profiles = Annotated[
    Path | None,
    typer.Option(
        help="Folder of people's rest baselines (default: ~/.local/share/eeg-emotion/profiles)."
    ),
]
Trials = Annotated[
    str | None, typer.Option(help="DEAP: the trials to take, such as 1-10 or 3 (default: all).")
]
Baseline = Annotated[bool, typer.Option(help="DEAP: take the 3 s before each video too.")]
StreamName = Annotated[
    str | None, typer.Option(help="XDF: the stream's name, if there are several.")
]
Cap = Annotated[
    str | None,
    typer.Option(
        help="The cap behind numbered labels: biosemi32, biosemi64, openbci16, or electrodes "
        "in the order of its numbers, such as Fp1,Fp2,C3,C4."
    ),
]
Config = Annotated[Path | None, typer.Option(help="TOML file with settings, as for 'serve'.")]


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
    *,
    model: Path | None,
    hop_seconds: float | None,
    profile: str | None,
    profiles: Path | None,
    trials: str | None,
    baseline: bool,
    stream: str | None,
    cap: str | None,
    config: Path | None,
) -> Prepared:
    """Load the model and open the recording; the options are those of the command line.

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
    settings = load_settings(
        config, model=model, hop_seconds=hop_seconds, cap=cap, profiles=profiles
    )
    loaded = load_for_service(settings)
    path = live_path(settings, loaded)
    normaliser = _normaliser(loaded, settings.profiles, profile)
    recording = open_recording(file, trials=trials, baseline=baseline, stream=stream)
    run = OfflineRun(recording, loaded, path, settings.reception(), normaliser)
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
