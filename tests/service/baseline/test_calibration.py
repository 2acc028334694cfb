"""A person's baseline from end to end: outlet, daemon, command and file, each the real thing."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.command import command
from tests.support.replay import playing

from eeg_emotion.baseline.profiles import ProfileStore
from eeg_emotion.recordings.simulation import simulated_recording

ModelFile = Callable[[Callable[[dict[str, Any]], object]], Path]
REST = {"kind": "rest-baseline", "most_seconds": 60, "least_seconds": 20}
SPEED = 8.0  # times true pace, so that 20 s of rest take less than 3 s


@pytest.mark.needs("time")
async def test_a_resting_person_is_scored_from_their_baseline_on(
    model_file: ModelFile, tmp_path: Path, lsl_session: str
) -> None:
    """The daemon says at its start that the model needs rest; then `calibrate` collects it."""
    model = model_file(lambda fields: fields.update(normaliser=REST))
    folder, person = tmp_path / "profiles", simulated_recording(2026, 7)
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "eeg_emotion", "serve", "--quiet", "--port", "0",
        "--model", str(model), "--profiles", str(folder), "--match", person.source_id,
        "--session-id", lsl_session, stdout=PIPE,
    )  # fmt: skip
    try:
        assert daemon.stdout is not None
        url, _, needs = [(await daemon.stdout.readline()).decode() for _ in range(3)]
        assert url.startswith("ready ")
        assert needs.startswith("needs      each person's own rest, 20 to 60 s of it; until")
        options = ("--seconds", "20", "--json", "--profile", "p07", "--url", url.split()[1])
        async with asyncio.timeout(100), playing(person, speed=SPEED, loop=True):
            # The headset is live some moments after it is there.
            while True:
                done = await asyncio.to_thread(command, "calibrate", *options)
                if "found 0 live headsets" not in done.stderr:
                    break
        assert done.returncode == 0, done.stderr + done.stdout
        daemon.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(daemon.wait(), 60) == 0
    finally:
        if daemon.returncode is None:
            daemon.kill()
            await daemon.wait()
    reported = json.loads(done.stdout)
    assert (reported["state"], reported["profile"], reported["clean_seconds"]) == (
        "applied",
        "p07",
        20,
    )
    assert "no_baseline" in reported["before"]["reasons"]
    assert "no_baseline" not in reported["after"]["reasons"]
    assert ProfileStore(folder).load("p07").clean_seconds == 20
