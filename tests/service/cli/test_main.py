"""The command line as users see it: exit status, one message, a remedy, no traceback."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pylsl
import pytest
import typer
from tests.support.command import assert_refused, command

import eeg_emotion
from eeg_emotion.cli.main import app
from eeg_emotion.cli.recording import trial_range
from eeg_emotion.inference.model import SUMS_NAME, demo_model_path, load_model
from eeg_emotion.settings import Settings

pytestmark = pytest.mark.slow

ModelFile = Callable[[Callable[[dict[str, Any]], object]], Path]
REST = {"kind": "rest-baseline", "most_seconds": 60, "least_seconds": 20}


IMPORTING = """
import contextlib, io, json, sys
from eeg_emotion.cli.main import main

def known(*names):
    return sorted(set(names) & set(sys.modules))

said = []
for arguments in (["predict", "--help"], ["serve", "--help"], ["serve", "--port", "many"]):
    sys.argv[1:] = arguments
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main()
    said.append(known("numpy", "scipy.signal", "mne", "fastapi", "uvicorn", "sqlalchemy",
                      "structlog", "onnxruntime", "pylsl", "pydantic_settings", "httpx", "paho"))
import eeg_emotion.daemon.roles, eeg_emotion.demo, eeg_emotion.doctor.doctor
said.append(known("tensorflow", "keras", "onnx", "tf2onnx", "mne", "eeg_emotion_training"))
print(json.dumps(said))
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the demo model with its list of digests."""
    shutil.copy(demo_model_path().with_name(SUMS_NAME), tmp_path)
    return Path(shutil.copy(demo_model_path(), tmp_path))


def test_it_prints_its_version() -> None:
    done = command("--version")
    assert (done.returncode, done.stdout) == (0, f"eeg-emotion {eeg_emotion.__version__}\n")


def test_help_names_the_subcommands_and_the_exit_status() -> None:
    done = command("--help")
    assert done.returncode == 0
    assert "Exit status: 0 done, 1 failed, 2 wrong usage." in done.stdout
    for verb in ("demo", "serve", "replay", "predict", "doctor", "verify-model"):
        assert verb in done.stdout


def test_an_unknown_subcommand_is_wrong_usage() -> None:
    assert_refused(command("foretell"), 2, "foretell")


def test_help_and_usage_errors_import_no_libraries_and_the_service_no_training() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert "Invalid value for '--port'" in done.stderr
    assert json.loads(done.stdout) == [[], [], [], []]


# -- verify-model ------------------------------------------------------------------------------


def test_the_demo_model_is_verified_and_labelled_simulated() -> None:
    done = command("verify-model")
    assert done.returncode == 0
    assert "demo-simulated 1 (simulated)" in done.stdout
    assert "arousal: " in done.stdout
    assert "valence: " in done.stdout
    assert "people held out" in done.stdout
    for target in load_model(demo_model_path()).contract.targets:
        assert f"{target.name}: {target.calibration.describe()}\n" in done.stdout
    assert "needs" not in done.stdout
    assert done.stdout.endswith(
        "the digest is listed, the contract is valid, and the graph agrees with it\n"
    )


def test_the_contract_is_printed_as_json(model: Path) -> None:
    done = command("verify-model", model, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["trained_on"]["simulated"] is True


def test_verify_model_states_that_each_persons_rest_is_needed(model_file: ModelFile) -> None:
    done = command("verify-model", model_file(lambda fields: fields.update(normaliser=REST)))
    assert done.returncode == 0
    assert "\nneeds each person's own rest, 20 to 60 s of it; until" in done.stdout


def test_a_model_of_the_first_release_is_refused_with_the_remedy(model_file: ModelFile) -> None:
    old = model_file(lambda fields: fields.update(schema_version=1))
    remedy = "export the model with the trainer of this release, or run the service of its release"
    for verb in (("verify-model", old), ("serve", "--port", "0", "--model", old)):
        assert_refused(command(*verb), 1, "schema version 1, expected 3", remedy)


def test_a_tampered_model_is_refused(model: Path) -> None:
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    assert_refused(command("verify-model", model), 1, "found SHA-256", "expected", "Fetch it again")


def test_a_model_without_a_list_of_digests_is_refused(model: Path) -> None:
    model.with_name(SUMS_NAME).unlink()
    assert_refused(command("verify-model", model), 1, "no list of trusted digests", "sha256sum")


def test_serve_refuses_a_tampered_model_before_it_answers(model: Path) -> None:
    model.write_bytes(model.read_bytes() + b"\0")
    assert_refused(command("serve", "--port", "0", "--model", model), 1, "found SHA-256")


# -- replay ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["s01.dat", "s01.mat", "rest.edf"])
def test_a_missing_file_is_named_with_a_remedy(tmp_path: Path, name: str) -> None:
    assert_refused(command("replay", tmp_path / name), 1, name, "found no", "expected", "; check")


@pytest.mark.parametrize("name", ["s01.dat", "s01.mat"])
def test_a_file_that_is_not_from_deap_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"not at all")
    assert_refused(
        command("replay", file), 1, name, "is not a complete", "expected DEAP's", "copy it again"
    )


def test_trials_of_another_format_are_refused(tmp_path: Path) -> None:
    done = command("replay", tmp_path / "rest.edf", "--trials", "1-3")
    assert_refused(done, 1, "--trials", "DEAP file only")


@pytest.mark.parametrize("arguments", [[], ["s01.dat", "--simulate", "7"]])
def test_replay_needs_a_file_or_a_simulated_person(arguments: list[str]) -> None:
    assert_refused(
        command("replay", *arguments), 2, "of a file and --simulate NUMBER, expected exactly one"
    )


def test_an_impossible_fault_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    person = ("replay", "--simulate", "3")
    assert_refused(
        command(*person, "--fault", "unplug Fp1 @3"),
        1,
        "'unplug Fp1 @3'",
        "expected one of: drop 2s",
    )
    file = tmp_path / "faults.txt"
    file.write_text("nan Fp1 @3 # kept\nnan Nz @4\n", encoding="utf-8")
    assert_refused(
        command(*person, "--fault-file", file), 1, "'nan Nz @4'", "found the channel 'nz'"
    )
    both = ("--fault", "kill @3", "--fault-file", file)
    assert_refused(command(*person, *both), 2, "found both --fault and --fault-file")


def test_every_command_with_a_setting_reads_all_its_sources() -> None:
    """Where the file can be named, the environment is read too: `load_settings` joins them."""

    def options(group: Any) -> Iterator[tuple[str, set[str]]]:
        for name, verb in group.commands.items():
            if hasattr(verb, "commands"):
                yield from options(verb)
            else:
                yield name, {parameter.name for parameter in verb.params}

    with_settings = {
        name: found
        for name, found in options(typer.main.get_command(app))
        if found & set(Settings.model_fields)
    }
    assert {"demo", "serve", "replay", "doctor"} <= set(with_settings)
    assert [name for name, found in with_settings.items() if "config" not in found] == []


def test_a_replay_that_a_fault_kills_ends_well_and_says_so(
    lsl_session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EEG_EMOTION_SESSION_ID", lsl_session)

    def listen() -> None:
        (found,) = pylsl.resolve_byprop("source_id", "simulated-2026-3", timeout=60)
        inlet = pylsl.StreamInlet(found, recover=False)
        inlet.open_stream(timeout=60)
        assert over.wait(60)

    over = threading.Event()
    with ThreadPoolExecutor() as threads:
        listening = threads.submit(listen)
        options = ("--speed", "8", "--fault", "kill @2; drop 1s @9")
        done = command("replay", "--simulate", "3", *options)
        over.set()
        listening.result()
    assert (done.returncode, done.stderr) == (0, "")
    assert "sent 256 samples in 1 contiguous stretches, 2.0 s of signal; killed\n" in done.stdout
    assert done.stdout.endswith("faults not injected, because the replay ended first: drop 1s @9\n")


@pytest.mark.parametrize(
    ("text", "trials"),
    [
        (None, None),
        ("3", range(3, 4)),
        ("1-10", range(1, 11)),
        ("7-7", range(7, 8)),
        ("40", range(40, 41)),
    ],
)
def test_trials_are_counted_from_1_as_in_deap(text: str | None, trials: range | None) -> None:
    assert trial_range(text) == trials


@pytest.mark.parametrize("text", ["", "a", "-3", "1-b", "1-2-3", "1.5", "1,2"])
def test_invalid_trials_are_wrong_usage(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected one trial or a range, such as 1-10"):
        trial_range(text)


# -- doctor ------------------------------------------------------------------------------------


def test_without_a_stream_the_doctor_reports_success() -> None:
    # In a process and a session of its own, so that it sees no streams of other tests.
    session = f"test-{uuid.uuid4().hex}"
    done = subprocess.run(
        [sys.executable, "-m", "eeg_emotion", "doctor", "--json", "--session-id", session],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["good"] is True
    assert found["streams"] == []
    assert found["version"] == eeg_emotion.__version__
    assert found["model_good"] is True
    assert "digest, contract and graph agree" in found["model"]
    assert re.fullmatch(r"1\.(1[7-9]|[2-9]\d)", found["liblsl"]["version"])
    assert found["needs_rest"] is None
    contract = load_model(demo_model_path()).contract
    assert found["held_out"] == [f"{r.target}: {r.describe()}" for r in contract.held_out]


def test_the_doctor_prints_the_held_out_results_and_the_models_needs(
    model_file: ModelFile, lsl_session: str
) -> None:
    session = ("--session-id", lsl_session)
    plain = command("doctor", *session)
    assert "\nheld out    arousal: balanced accuracy " in plain.stdout
    assert "\nheld out    valence: balanced accuracy " in plain.stdout
    assert "\nneeds " not in plain.stdout
    needy = model_file(lambda fields: fields.update(normaliser=REST))
    done = command("doctor", "--model", needy, *session)
    assert "\nneeds       each person's own rest, 20 to 60 s of it; until" in done.stdout


def test_the_doctor_reports_why_a_model_cannot_be_used(model: Path, lsl_session: str) -> None:
    model.write_bytes(b"")
    done = command("doctor", "--model", model, "--session-id", lsl_session, "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["good"], found["model_good"]) == (False, False)
    assert (found["held_out"], found["needs_rest"]) == ([], None)


def test_the_doctor_reads_the_settings_file(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('cap = "biosemi7"\n')
    assert_refused(command("doctor", "--config", settings), 1, "found the cap 'biosemi7'")
