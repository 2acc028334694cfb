"""Looks at what the service depends on: liblsl, the streams in sight, their fit to the model."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import pylsl

import eeg_emotion
from eeg_emotion.admission import admit
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.headset.inlet import HeadsetInlet, headset_id
from eeg_emotion.inference.contract import Contract
from eeg_emotion.inference.model import demo_model_path, load_model

_LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class StreamFinding:
    """One EEG stream and how it fits."""

    id: str
    name: str
    hostname: str
    sfreq: float
    fits: bool
    verdict: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found."""

    version: str
    python: str
    machine: str
    liblsl: int
    model: str
    model_good: bool
    held_out: tuple[str, ...]
    needs_rest: str | None
    streams: tuple[StreamFinding, ...]

    @property
    def good(self) -> bool:
        """Tell whether the service can run and every stream in sight fits."""
        return self.model_good and all(stream.fits for stream in self.streams)

    def as_dict(self) -> dict[str, object]:
        """Give the findings for JSON."""
        return {"good": self.good, **asdict(self)}

    def to_text(self) -> str:
        """Write the findings for people."""
        lines = [
            f"eeg-emotion {self.version}, Python {self.python}, {self.machine}",
            f"liblsl      {self.liblsl // 100}.{self.liblsl % 100}",
            f"model       {self.model}",
        ]
        lines += [f"held out    {result}" for result in self.held_out]
        if self.needs_rest is not None:
            lines.append(f"needs       {self.needs_rest}")
        for stream in self.streams:
            mark = "fits" if stream.fits else "DOES NOT FIT"
            lines.append(
                f"stream      {stream.name!r} ({stream.id}) on {stream.hostname}, "
                f"{stream.sfreq:g} Hz: {mark}: {stream.verdict}"
            )
        if not self.streams:
            lines.append(
                "streams     none in sight. Start the program that makes the headset's outlet on "
                "this machine, with the same session id; for streams of other machines give "
                "--lsl-scope link"
            )
        return "\n".join(lines)


def examine(model_path: Path | None = None) -> Findings:
    """Look for two seconds at the streams in sight, and hold each against the model's contract."""
    contract: Contract | None = None
    try:
        contract = load_model(model_path or demo_model_path()).contract
        model = f"{contract.name} {contract.version}: digest, contract and graph agree"
    except EegEmotionError as error:
        model = str(error)
    streams = []
    for info in pylsl.resolve_bypred("type='EEG'", minimum=0, timeout=_LOOK_SECONDS):
        fits, verdict = False, "not held against a model: none can be loaded"
        if contract is not None:
            try:
                inlet = HeadsetInlet(info)
                inlet.close()
                verdict = admit(inlet.description, contract.path).describe()
                fits = True
            except EegEmotionError as error:
                verdict = str(error)
        streams.append(
            StreamFinding(
                id=headset_id(info),
                name=info.name(),
                hostname=info.hostname(),
                sfreq=info.nominal_srate(),
                fits=fits,
                verdict=verdict,
            )
        )
    return Findings(
        version=eeg_emotion.__version__,
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}",
        liblsl=pylsl.library_version(),
        model=model,
        model_good=contract is not None,
        held_out=(
            tuple(f"{result.target}: {result.describe()}" for result in contract.held_out)
            if contract
            else ()
        ),
        needs_rest=contract.needs_rest if contract else None,
        streams=tuple(streams),
    )
