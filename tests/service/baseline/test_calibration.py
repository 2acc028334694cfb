"""A person's baseline from end to end: outlet, daemon, command and file, each the real thing."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from eeg_emotion.baseline.profiles import ProfileStore

ModelFile = Callable[[Callable[[dict[str, Any]], object]], Path]
REST = {"kind": "rest-baseline", "most_seconds": 60, "least_seconds": 20}
SPEED = "8"  # times true pace, so that 20 s of rest take less than 3 s


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "eeg_emotion", *arguments]


@contextmanager
def part(*arguments: str) -> Iterator[str]:
    """Run a part until the context ends; gives its first line."""
    with subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline()
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=100)
    assert process.returncode == 0


def calibrate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("calibrate", "--seconds", "20", "--json", *arguments),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_resting_person_is_scored_from_their_baseline_on(
    model_file: ModelFile, tmp_path: Path
) -> None:
    session = ("--session-id", secrets.token_hex(8))
    model = model_file(lambda fields: fields.update(normaliser=REST))
    folder = tmp_path / "profiles"
    with ExitStack() as parts:
        ready = parts.enter_context(
            part("serve", "--quiet", "--port", "0", "--model", str(model),
                 "--profiles", str(folder), *session)
        )  # fmt: skip
        url = ready.split()[1]
        parts.enter_context(part("replay", "--simulate", "7", "--speed", SPEED, "--loop", *session))
        # The headset is live some moments after it is there.
        for _ in range(20):
            done = calibrate("--profile", "p07", "--url", url)
            if "found 0 live headsets" not in done.stderr:
                break
        assert done.returncode == 0, done.stderr + done.stdout
        told = json.loads(done.stdout)
        assert (told["state"], told["profile"], told["clean_seconds"]) == ("applied", "p07", 20)
        assert "no_baseline" in told["before"]["reasons"]
        assert "no_baseline" not in told["after"]["reasons"]
        assert ProfileStore(folder).load("p07").clean_seconds == 20
