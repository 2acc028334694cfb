"""The commands of docs/tutorials/labels.md, in their order, with fewer people and steps."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from tests.support.browser import program
from tests.support.command import command
from tests.support.ports import free_port
from tests.support.processes import line_of

from eeg_emotion.client import Prediction, Status, connect
from eeg_emotion.inference.model import load_model

pytest.importorskip("mne", reason="MNE is not installed (the extra 'recordings')")
pytestmark = [pytest.mark.slow, pytest.mark.needs("time"), pytest.mark.timeout(400)]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorials" / "labels.md"
SMALLER = {"--subjects 8": "--subjects 4", "--steps 200": "--steps 10 --units 4"}
# All commands of the trainer in one process, which imports Keras once.
TRAINER = """
import json, sys
from eeg_emotion_training.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""


def typed() -> dict[str, list[list[str]]]:
    """What the page types, smaller: for each program its arguments."""
    lines = re.findall(r"^\$ (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    for large, small in SMALLER.items():
        assert any(large in line for line in lines), f"the page no longer has {large!r}"
        lines = [line.replace(large, small) for line in lines]
    programs: dict[str, list[list[str]]] = {}
    for line in lines:
        name, *arguments = shlex.split(line)
        programs.setdefault(name, []).append(arguments)
    return programs


def shown(page: str, start: str) -> list[str]:
    """The lines of the page that start so."""
    return [line for line in page.splitlines() if line.startswith(start)]


def test_the_page_leads_from_a_table_to_a_live_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    programs, page = typed(), PAGE.read_text(encoding="utf-8")
    trained = subprocess.run(
        [sys.executable, "-c", TRAINER, json.dumps(programs["eeg-emotion-train"])],
        # Quick to compile; the lines that TensorFlow may not write would not depend on it.
        env=os.environ | {"XLA_FLAGS": "--xla_backend_optimization_level=0"},
        capture_output=True,
        text=True,
    )
    assert (trained.returncode, trained.stderr) == (0, "")
    said = trained.stdout.splitlines()
    for line in (
        "wrote runs/films/labels.csv",
        *shown(page, "  high = rating"),
        *shown(page, "  p01: 16 trials"),
        *shown(page, "wrote runs/"),
    ):
        assert line in said
    assert sum(line.startswith("held out (simulated people): ") for line in said) == 2

    table = Path("runs/films/labels.csv").read_text(encoding="utf-8").splitlines()
    assert "\n".join(table[:4]) in page
    assert "\n".join([line for line in table if "p04" in line][:4]) in page

    verify, serve, replay = programs["eeg-emotion"]
    verified = command(*verify)
    assert verified.returncode == 0
    assert verified.stdout.splitlines()[-1] in page
    assert load_model(Path(verify[-1])).contract.trained_on.simulated
    asyncio.run(assert_live(serve, replay))


async def assert_live(serve: list[str], replay: list[str]) -> None:
    """Assert that the model scores the person whom the replay plays."""
    session, port = ["--session-id", uuid.uuid4().hex], str(free_port())
    start = [sys.executable, "-m", "eeg_emotion"]
    async with (
        asyncio.timeout(60),
        program(*start, *serve, *session, "--port", port, stdout=asyncio.subprocess.PIPE) as server,
    ):
        while not (await line_of(server)).startswith("ready "):
            assert server.returncode is None
        async with (
            program(*start, *replay, *session),
            connect(f"http://127.0.0.1:{port}", headsets=["*"]) as stream,
        ):
            statuses = []
            async for message in stream:
                if isinstance(message, Status):
                    statuses.append(message.headset)
                elif isinstance(message, Prediction) and message.valid:
                    assert (message.headset, message.model) == ("p04-edf", "films-simulated 1")
                    assert message.arousal.probability is not None
                    assert message.valence.probability is not None
                    break
        assert statuses[-1].simulated
