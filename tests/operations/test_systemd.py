"""The systemd units: valid, tight, and the service works within their limits."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import confined
from tests.support.commands import commands_of

from eeg_emotion.api.subscribers import FAREWELL_SECONDS, SPREAD_SECONDS
from eeg_emotion.cli.main import app
from eeg_emotion.daemon.process import OPEN_FILES
from eeg_emotion.settings import default_keys, load_settings

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "docker" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
COMMANDS = {
    "eeg-emotion": "serve",
    "eeg-emotion-ingest": "ingest",
    "eeg-emotion-gateway": "gateway",
}
INSTALLED = "/opt/eeg-emotion/bin/eeg-emotion"
# Tenths of systemd's exposure level: what the units achieve, and not a tenth more.
EXPOSURE = 13

needs_systemd = pytest.mark.needs("systemd")
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze") or ""
    return subprocess.run([program, *words], capture_output=True, text=True)


def here(unit: Path, folder: Path, old: str = "", new: str = "") -> Path:
    """Return a copy with a program that exists, and one other line replaced."""
    text = unit.read_text(encoding="utf-8")
    assert INSTALLED in text
    assert old in text
    copy = folder / unit.name
    program = Path(sys.executable).with_name("eeg-emotion")
    copy.write_text(text.replace(INSTALLED, str(program)).replace(old, new), encoding="utf-8")
    return copy


def test_there_is_a_unit_for_each_role() -> None:
    assert {unit.stem for unit in UNITS} == set(COMMANDS)


@needs_systemd
@each_unit
def test_systemd_finds_no_errors(unit: Path, tmp_path: Path) -> None:
    done = analyze("verify", here(unit, tmp_path))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
def test_systemd_finds_planted_errors(tmp_path: Path) -> None:
    wrong = here(UNITS[0], tmp_path, "PrivateTmp", "PrivateTemp")
    assert "PrivateTemp" in analyze("verify", wrong).stderr


@needs_systemd
@each_unit
def test_a_process_has_few_privileges(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", unit)
    assert done.returncode == 0, done.stdout


@needs_systemd
@pytest.mark.parametrize("line", ["PrivateTmp=yes\n", "SystemCallFilter=@system-service\n"])
def test_a_unit_that_allows_more_is_detected(line: str, tmp_path: Path) -> None:
    loose = here(UNITS[0], tmp_path, line)
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", loose)
    assert done.returncode != 0


@each_unit
def test_it_starts_a_command_of_ours(unit: Path) -> None:
    (line,) = confined.stated(unit, "ExecStart")
    program, name, *arguments = line.split()
    assert (program, name) == (INSTALLED, COMMANDS[unit.stem])
    command = commands_of(app)[name]
    given = command.make_context(name, arguments).params
    settings = "service" if name == "serve" else name
    assert given["config"] == Path(f"/etc/eeg-emotion/{settings}.toml")


def test_an_unknown_option_would_be_detected() -> None:
    command = commands_of(app)["serve"]
    with pytest.raises(Exception, match="No such option"):
        command.make_context("serve", ["--configuration", "a.toml"])


def test_all_are_confined_alike_except_for_what_lsl_needs() -> None:
    def service(unit: Path) -> set[str]:
        section = unit.read_text(encoding="utf-8").partition("[Service]")[2].partition("[")[0]
        lines = {line for line in section.splitlines() if line and not line.startswith("#")}
        return lines - {f"ExecStart={value}" for value in confined.stated(unit, "ExecStart")}

    gateway, ingest, alone = (
        service(FOLDER / f"eeg-emotion{end}.service") for end in ("-gateway", "-ingest", "")
    )
    assert alone == ingest
    assert alone - gateway == {"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK"}
    assert gateway - alone == {"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX"}


@each_unit
def test_data_is_stored_where_the_unit_may_write(
    unit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for values in confined.stated(unit, "Environment"):
        for value in values.split():
            monkeypatch.setenv(*value.split("=", 1))
    (state,) = confined.stated(unit, "StateDirectory")
    assert load_settings().profiles == Path("/var/lib", state, "profiles")
    store = load_settings().event_store.get_secret_value()
    assert store == f"sqlite:////var/lib/{state}/events.db"
    assert default_keys() == Path("/etc/eeg-emotion/keys.json")


@each_unit
def test_an_orderly_shutdown_is_waited_for(unit: Path) -> None:
    (seconds,) = confined.stated(unit, "TimeoutStopSec")
    assert int(seconds) > SPREAD_SECONDS + FAREWELL_SECONDS
    assert confined.stated(unit, "KillSignal") == ["SIGTERM"]


@each_unit
def test_the_limit_of_open_files_is_the_one_requested(unit: Path) -> None:
    assert confined.stated(unit, "LimitNOFILE") == [str(OPEN_FILES)]


def test_the_installed_settings_are_valid() -> None:
    assert load_settings(FOLDER / "service.toml").rules == ("signal-lost",)


def test_the_page_names_only_what_exists() -> None:
    page = (REPOSITORY / "docs" / "how-to" / "systemd.md").read_text(encoding="utf-8")
    for path in (
        "docker/systemd/service.toml",
        "docker/systemd/eeg-emotion.service",
        "requirements/daemon.txt",
    ):
        assert path in page
        assert (REPOSITORY / path).is_file()
    assert f"{EXPOSURE / 10:g} (0 is" in page


# -- the service within the limits -------------------------------------------------------------


needs_limits = pytest.mark.needs("systemd", "systemd's limits")


def run_confined(unit: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, *arguments]
    return subprocess.run(
        [sys.executable, confined.__file__, unit, *program], capture_output=True, text=True
    )


@needs_limits
def test_the_demo_runs_within_the_limits() -> None:
    """Everything: service, headset and subscriber; LSL, onnxruntime, SQLite, sockets."""
    demo = ("-m", "eeg_emotion", "demo", "--port", "0", "--seconds", "15", "--json")
    done = run_confined(FOLDER / "eeg-emotion.service", *demo)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["predictions"] > 0


@needs_limits
@pytest.mark.parametrize(
    "attempt",
    [
        "import mmap; mmap.mmap(-1, 4096, prot=7)",
        "import os; os.chroot('/')",
        "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    ],
    ids=["code that is made", "a privileged system call", "a socket beyond the network"],
)
def test_values_beyond_the_limits_are_refused(attempt: str) -> None:
    assert subprocess.run([sys.executable, "-c", attempt]).returncode == 0, "possible without"
    done = run_confined(FOLDER / "eeg-emotion-gateway.service", "-c", attempt)
    assert done.returncode == 1
    assert "PermissionError" in done.stderr
