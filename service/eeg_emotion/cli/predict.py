"""The command `predict`: write predictions for a recording, without a service or LSL."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import eeg_emotion
from eeg_emotion.cli.offline import SETTINGS, Profile, prepare
from eeg_emotion.cli.options import AsJson, Config, takes_settings
from eeg_emotion.cli.recording import Baseline, RecordingFile, StreamName, Trials

if TYPE_CHECKING:
    from eeg_emotion.eeg.path import PathSettings
    from eeg_emotion.inference.model import Model
    from eeg_emotion.offline.run import OfflineRun
    from eeg_emotion.publish.messages import Prediction


@takes_settings(*SETTINGS)
def predict(
    file: RecordingFile,
    out: Annotated[
        Path,
        typer.Option(help="File to write, .csv or .parquet; an existing one is replaced."),
    ],
    profile: Profile = None,
    trials: Trials = None,
    baseline: Baseline = True,
    stream: StreamName = None,
    *,
    config: Config = None,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Predict from a recording at full speed, as the service would from a replay of it."""
    from eeg_emotion.offline.file import PredictionFile

    target = PredictionFile(out)
    prepared = prepare(
        file, config, options, profile=profile, trials=trials, baseline=baseline, stream=stream
    )
    run, loaded, path = prepared.run, prepared.model, prepared.path
    stated = _stated(run, loaded, path, profile)
    tally = _Tally()
    began = time.monotonic()
    target.write(
        tally.counting(run.predictions()),
        simulated=prepared.simulated,
        about={key: _as_text(value) for key, value in stated.items()},
    )
    took = time.monotonic() - began
    result = {
        "out": str(out),
        **stated,
        "layout": run.describe_layout(),
        "notes": list(run.recording.notes),
        "signal_seconds": round(run.signal_seconds, 3),
        "gaps": run.counts.gaps,
        "windows": tally.windows,
        "valid": tally.valid,
        "reasons": dict(tally.reasons.most_common()),
        "took_seconds": round(took, 3),
        "times_real_time": round(run.signal_seconds / took, 1),
    }
    typer.echo(json.dumps(result) if as_json else _in_words(result, path))


@dataclass
class _Tally:
    windows: int = 0
    valid: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def counting(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        """Yield the predictions, counting them."""
        for prediction in predictions:
            self.windows += 1
            self.valid += prediction.valid
            self.reasons.update(prediction.reasons)
            yield prediction


def _stated(
    run: OfflineRun, model: Model, path: PathSettings, profile: str | None
) -> dict[str, object]:
    """Return the metadata that belongs to the predictions."""
    contract = model.contract
    return {
        "recording": run.recording.name,
        "recording_simulated": run.recording.simulated,
        "headset": run.headset,
        "model": f"{contract.name} {contract.version}",
        "model_sha256": model.sha256,
        "model_simulated": contract.trained_on.simulated,
        "trained_on": f"{contract.trained_on.dataset}, {contract.trained_on.people} people",
        "label_rule": contract.label_policy.text,
        "held_out": [f"{result.target}: {result.describe()}" for result in contract.held_out],
        "needs_rest": contract.needs_rest,
        "profile": profile,
        "hop_seconds": path.hop_seconds,
        "eeg_emotion": eeg_emotion.__version__,
    }


def _as_text(value: object) -> str:
    """Return a value as text, the only type that Parquet's metadata holds."""
    if isinstance(value, list):
        return "\n".join(value)
    return value if isinstance(value, str) else json.dumps(value)


def _in_words(result: dict[str, Any], path: PathSettings) -> str:
    from eeg_emotion.eeg.amplitude import NEEDED_SECONDS

    stretches = result["gaps"] + 1
    lines = [
        f"{result['recording']}: {result['windows']} windows, {result['valid']} of them valid; "
        f"{result['signal_seconds']:.1f} s of signal in {stretches} contiguous "
        f"stretch{'es' if stretches > 1 else ''}"
    ]
    if not result["windows"]:
        lines.append(
            f"no windows  a window takes {path.window_seconds:g} s of contiguous signal and the "
            f"resampler's delay, after {NEEDED_SECONDS:g} s to infer the unit if it is not stated; "
            "use a longer recording"
        )
    if result["reasons"]:
        counted = (f"{reason} {count}" for reason, count in result["reasons"].items())
        lines.append(f"no score    {', '.join(counted)}")
    lines += [f"note        {note}" for note in result["notes"]]
    lines.append(f"channels    {result['layout']}")
    lines.append(f"model       {result['model']}, SHA-256 {result['model_sha256']}")
    lines.append(f"trained on  {result['trained_on']}; {result['label_rule']}")
    lines += [f"held out    {line}" for line in result["held_out"]]
    if result["needs_rest"] and not result["profile"]:
        lines.append(f"needs       {result['needs_rest']}; name one with --profile")
    for what, simulated in (
        ("the recording", result["recording_simulated"]),
        ("the people whom the model was trained on", result["model_simulated"]),
    ):
        if simulated:
            lines.append(f"simulated   {what}")
    lines.append(
        f"written     {result['out']} in {result['took_seconds']:.1f} s, "
        f"{result['times_real_time']:g} times real time"
    )
    return "\n".join(lines)
