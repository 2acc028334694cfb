"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eeg_emotion.headset.lsl import Scope

Host = Annotated[str | None, typer.Option(help="Address to listen on (default: 127.0.0.1).")]
Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one (default: 8000)."),
]
ModelFile = Annotated[
    Path | None, typer.Option(help="ONNX file of 'eeg-emotion-train export' (default: the demo's).")
]
HopSeconds = Annotated[
    float | None,
    typer.Option(help="Seconds between windows, a multiple of 0.25 (default: the model's)."),
]
SessionId = Annotated[
    str | None, typer.Option(help="Only LSL streams of this session are seen (default: default).")
]
LslScope = Annotated[
    Scope | None,
    typer.Option(
        help="How far LSL streams are looked for; LSL has no security (default: machine)."
    ),
]
Match = Annotated[
    list[str] | None,
    typer.Option(
        help="Follow only headsets whose id or name matches, such as 'ward-*'; may be repeated."
    ),
]
Cap = Annotated[
    str | None,
    typer.Option(
        help="The cap behind numbered labels: biosemi32, biosemi64, openbci16, or electrodes in "
        "the order of its numbers, such as Fp1,Fp2,C3,C4."
    ),
]
Profiles = Annotated[
    Path | None,
    typer.Option(
        help="Folder of people's rest baselines (default: ~/.local/share/eeg-emotion/profiles)."
    ),
]
Keys = Annotated[
    Path | None,
    typer.Option(
        help="File of API keys (default: ~/.config/eeg-emotion/keys.json, if it holds any)."
    ),
]
Config = Annotated[Path | None, typer.Option(help="TOML file with settings.")]
EventStoreUrl = Annotated[
    str | None,
    typer.Option(
        help="Where events are kept: sqlite:///PATH or postgresql://HOST/NAME (default: "
        "~/.local/share/eeg-emotion/events.db). A password belongs in the environment, as "
        "EEG_EMOTION_EVENT_STORE, where others do not see it."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
