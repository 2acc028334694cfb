"""The Compose file, without an engine: its schema, its promises, and that its commands exist."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs
import pytest
import typer
import yaml
from tests.support.dockerfile import DOCKER, stages

from eeg_emotion.cli.main import app
from eeg_emotion.settings import Settings

OURS = "eeg-emotion:0.1.0"
PROFILES = {
    "demo": {"daemon", "headset"},
    "scale": {
        "broker", "ingest-1", "ingest-2", "headset-1", "headset-2", "gateway-1", "gateway-2",
        "balancer",
    },
    "observe": {"prometheus", "grafana"},
}  # fmt: skip


@cache
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    return found


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def schema() -> dict[str, Any]:
    """Return the schema of the Compose specification, from a package of validators."""
    folder = files("check_jsonschema") / "builtin_schemas" / "vendor"
    found: dict[str, Any] = json.loads((folder / "compose-spec.json").read_text(encoding="utf-8"))
    return found


def test_it_is_what_the_specification_says() -> None:
    jsonschema_rs.validate(schema(), compose())
    wrong = copy.deepcopy(compose())
    wrong["services"]["daemon"]["read_olny"] = True
    with pytest.raises(jsonschema_rs.ValidationError, match="read_olny"):
        jsonschema_rs.validate(schema(), wrong)


def test_each_profile_is_complete() -> None:
    found: dict[str, set[str]] = {}
    for name, service in services().items():
        (profile,) = service["profiles"]
        found.setdefault(profile, set()).add(name)
    assert found == PROFILES
    for name, service in services().items():
        mode = service.get("network_mode", "")
        needed = {*service.get("depends_on", ()), *re.findall("service:(.*)", mode)}
        assert needed <= PROFILES[service["profiles"][0]], name


@pytest.mark.parametrize("name", services())
def test_nothing_may_do_more_than_it_needs(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in service
    assert not service.get("privileged")
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert ":" in service["image"], "a version, not whatever is newest"


@pytest.mark.parametrize("profile", ["demo", "scale"])
def test_one_of_each_profile_builds_for_all(profile: str) -> None:
    """Two services building at once would export one name, and the later one would fail."""
    ours = [services()[name] for name in PROFILES[profile]]
    ours = [service for service in ours if service["image"] == OURS]
    (build,) = [service["build"] for service in ours if "build" in service]
    assert (DOCKER / build["context"] / build["dockerfile"]).samefile(DOCKER / "service.Dockerfile")
    assert all(service["pull_policy"] == "never" for service in ours), "it is in no registry"


@pytest.mark.parametrize("name", services())
def test_mounted_files_exist(name: str) -> None:
    for volume in services()[name].get("volumes", ()):
        source = volume.split(":")[0]
        if source.startswith("."):
            assert (DOCKER / source).exists()
            assert volume.endswith(":ro")
        else:
            assert source in compose()["volumes"]


@pytest.mark.parametrize("name", [n for n, s in services().items() if s["image"] == OURS])
def test_a_command_of_ours_is_recognised(name: str) -> None:
    service = services()[name]
    program: Any = typer.main.get_command(app)
    role, *options = [str(word) for word in service["command"]]
    command = program.commands[role]
    command.make_context(role, options)  # refuses unknown options
    with pytest.raises(Exception, match="No such option"):
        command.make_context(role, [*options, "--no-such-option"])
    for variable in service.get("environment", ()):
        assert variable.removeprefix("EEG_EMOTION_").lower() in Settings.model_fields


def test_a_headset_shares_its_readers_network() -> None:
    """Discovery is limited to one machine, and sharing a network makes them one."""
    for name, reader in (
        ("headset", "daemon"), ("headset-1", "ingest-1"), ("headset-2", "ingest-2"),
    ):  # fmt: skip
        headset = services()[name]
        assert headset["network_mode"] == f"service:{reader}"
        assert headset["depends_on"][reader]["restart"] is True, "its network goes with the reader"
        assert headset["command"][:2] == ["replay", "--simulate"]


def test_a_stopping_process_has_time_to_drain() -> None:
    for name, service in services().items():
        if service["image"] == OURS:
            assert service["stop_grace_period"] == "15s", name
    assert stages("service")[-1].said["STOPSIGNAL"] == "SIGTERM"


@pytest.mark.needs("compose")
def test_a_container_engine_reads_it_alike() -> None:
    """Only if the client has Compose; nothing is started."""
    command = ("docker", "compose", "--file", DOCKER / "compose.yaml", "config", "--quiet")
    read = subprocess.run(command, capture_output=True, text=True)
    assert read.returncode == 0, read.stderr
