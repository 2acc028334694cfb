"""What some tests need of the machine: a pytest plugin that leaves out what is not there.

`make test` collects what anyone can run within minutes. `make test-all` passes `--all`: everything
runs that this machine can run, and the last line names what it lacks. With `CI_REQUIRES_SERVERS=1`
in the environment, lacking anything that a package installs is an error.

A test has a need by the marker `needs`, or by a fixture that has one.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest
from tests.support.examples import ALL, QUICK

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Debian has servers where a user's PATH does not look.
_PLACES = ("/usr/sbin", "/usr/local/sbin")


def find_program(*names: str) -> str | None:
    """Return the path of the first of these programs that is installed."""
    postgresql = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_PLACES, *postgresql])
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def the_program(name: str) -> str:
    """Return the path of a program that the marker `needs` vouches for."""
    found = find_program(name)
    assert found is not None, f"found no {name}; mark the test with the need for it"
    return found


def _all_of(*names: str) -> Callable[[], bool]:
    return lambda: all(find_program(name) for name in names)


def _is_root() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0


def _can_refuse_made_code() -> bool:
    """Return whether the kernel knows `PR_GET_MDWE`, as Linux does from 6.3 on."""
    if sys.platform != "linux" or find_program("systemd-analyze") is None:
        return False
    return int(ctypes.CDLL(None).prctl(66, 0, 0, 0, 0)) >= 0


def _can_make_namespaces() -> bool:
    ip = find_program("ip")
    if not _is_root() or ip is None:
        return False
    name = f"eeg-try-{os.getpid()}"
    made = subprocess.run([ip, "netns", "add", name], capture_output=True)
    if made.returncode == 0:
        subprocess.run([ip, "netns", "delete", name], capture_output=True)
    return made.returncode == 0


def _has_compose() -> bool:
    docker = find_program("docker")
    command = [docker or "", "compose", "version"]
    return docker is not None and subprocess.run(command, capture_output=True).returncode == 0


@dataclass(frozen=True)
class Need:
    """One thing that a test may need.

    Attributes
    ----------
    words
        What it is, as the last line names it.
    is_met
        Whether this machine has it.
    is_installable
        Whether a package brings it, so that CI must have it.
    """

    words: str
    is_met: Callable[[], bool]
    is_installable: bool = True


NEEDS = {
    "browser": Need("a browser (chromium)", lambda: find_program(*CHROMIUMS) is not None),
    "nats": Need("a NATS broker (nats-server)", _all_of("nats-server")),
    "postgresql": Need("PostgreSQL (initdb, postgres)", _all_of("initdb", "postgres")),
    "mqtt": Need("an MQTT broker (mosquitto)", _all_of("mosquitto")),
    "haproxy": Need("a TCP balancer (haproxy)", _all_of("haproxy")),
    "nginx": Need("a web proxy (nginx)", _all_of("nginx")),
    "promtool": Need("Prometheus' promtool", _all_of("promtool")),
    "systemd": Need("systemd-analyze", _all_of("systemd-analyze")),
    "systemd's limits": Need(
        "systemd's limits (Linux 6.3)", _can_refuse_made_code, is_installable=False
    ),
    "debian root": Need(
        "a Debian root (root, debootstrap, unshare, nsenter, ip)",
        lambda: _is_root() and _all_of("debootstrap", "unshare", "nsenter", "ip")(),
    ),
    "namespaces": Need("network namespaces (root, ip)", _can_make_namespaces),
    "compose": Need(
        "Docker's Compose",
        _has_compose,
        is_installable=False,
    ),
    "jax": Need("JAX", lambda: find_spec("jax") is not None, is_installable=False),
    "shared": Need("the shared recordings", SHARED.is_dir, is_installable=False),
    "installs": Need("packages to install", lambda: True),
    "time": Need("minutes of processor time", lambda: True),
}


def lacking(names: Iterable[str]) -> list[str]:
    """Return those of the named needs that this machine does not meet."""
    return [name for name in names if not NEEDS[name].is_met()]


# Fixtures that need something of the machine; a test that uses one has the need.
_NEEDED_BY_FIXTURE = {
    "chromium": "browser",
    "haproxy": "haproxy",
    "lan": "namespaces",
    "mosquitto": "mqtt",
    "nats_server": "nats",
    "on_jax": "jax",
    "postgres": "postgresql",
}
_ABSENT = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option by which `make test-all` differs from `make test`."""
    parser.addoption(
        "--all",
        action="store_true",
        help="also run tests that need a browser, servers, root, shared recordings or minutes",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Find out what this machine lacks; refuse to start where it must lack nothing."""
    config.addinivalue_line("markers", "needs(name, ...): what of tests/support/needs.py it needs")
    everything = config.getoption("--all")
    profile = os.environ.get("HYPOTHESIS_PROFILE", ALL if everything else QUICK)
    hypothesis.settings.load_profile(profile)
    absent = lacking(NEEDS) if everything else list(NEEDS)
    config.stash[_ABSENT] = absent
    required = [NEEDS[name].words for name in absent if NEEDS[name].is_installable]
    if everything and required and os.environ.get("CI_REQUIRES_SERVERS") == "1":
        raise pytest.UsageError(
            f"found no {', no '.join(required)}; CI_REQUIRES_SERVERS=1 expects all of them: "
            "install them, or unset the variable to run what this machine can"
        )


def _needs(item: pytest.Item) -> set[str]:
    marked = {name for mark in item.iter_markers("needs") for name in mark.args}
    if unknown := marked - set(NEEDS):
        raise pytest.UsageError(f"{item.nodeid}: found needs {unknown}, expected {set(NEEDS)}")
    fixtures = getattr(item, "fixturenames", ())
    return marked | {need for name, need in _NEEDED_BY_FIXTURE.items() if name in fixtures}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs more than there is."""
    absent = config.stash[_ABSENT]
    left_out = [item for item in items if _needs(item).intersection(absent)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not _needs(item).intersection(absent)]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Report last what was left out, and how to run it."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or config.option.collectonly or hasattr(config, "workerinput"):
        return
    absent = config.stash[_ABSENT]
    if not config.getoption("--all"):
        terminal.write_line(
            "Not run: tests that need a browser, a server, root, shared recordings or minutes. "
            "To run them: make test-all"
        )
    elif absent:
        words = ", ".join(NEEDS[name].words for name in absent)
        terminal.write_line(f"Not run, since this machine lacks them: tests that need {words}.")
