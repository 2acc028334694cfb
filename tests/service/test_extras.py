from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from eeg_emotion import extras
from eeg_emotion.extras import (
    MissingExtraError,
    install_command,
    is_installed,
    load,
    require,
    require_extra,
)

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_the_modules_are_those_of_the_projects_extras() -> None:
    """Each requirement of an extra installs one of its modules."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    stated = project["optional-dependencies"]
    assert set(extras.MODULES) == set(stated)
    distributions = packages_distributions()
    for extra, modules in extras.MODULES.items():
        # Which backend, and which build of it, depends on the Python and the platform.
        requirements = map(Requirement, stated[extra])
        required = {one.name for one in requirements if not one.marker or one.marker.evaluate()}
        found = {
            canonicalize_name(name) for module in modules for name in distributions.get(module, [])
        }
        assert required <= found


@pytest.mark.parametrize(
    ("pins", "extras_in_it"),
    [
        ("base", set()),
        ("daemon", {"alarms", "cluster"}),
        ("service", {"alarms", "cluster", "recordings"}),
        ("test", {"alarms", "cluster", "recordings"}),
        ("training", {"alarms", "cluster", "recordings", "training"}),
    ],
)
def test_the_pins_hold_the_extras_that_their_users_use(pins: str, extras_in_it: set[str]) -> None:
    """The base for the wheel alone, `daemon` for images and units, `service` for `make demo`."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    text = (PYPROJECT.parent / f"requirements/{pins}.txt").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==", text, re.MULTILINE))

    def names(requirements: list[str]) -> set[str]:
        return {canonicalize_name(Requirement(one).name) for one in requirements}

    wanted = names(project["dependencies"])
    for extra in extras_in_it:
        wanted |= names(project["optional-dependencies"][extra])
    assert wanted <= pinned
    left_out = set(extras.MODULES) - extras_in_it
    others = {one for extra in left_out for one in names(project["optional-dependencies"][extra])}
    # Rich and MNE bring the first two; the tests make models with the last.
    assert (others - wanted) & pinned <= {"markdown-it-py", "matplotlib", "onnx"}


def test_a_missing_module_is_named_with_its_extra_and_the_alternative(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError) as refusal:
        load("pyarrow.parquet", "a Parquet file", "name a file that ends in .csv")
    said = str(refusal.value)
    assert said.startswith("found no pyarrow (import of pyarrow.parquet halted; ")
    assert said.endswith(
        "), which a Parquet file needs, expected the extra 'recordings'; install it with: "
        f"{sys.executable} -m pip install 'eeg-emotion[recordings]', or name a file that ends "
        "in .csv"
    )


def test_all_missing_modules_are_named_and_none_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("mne", "pyxdf"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match="found no mne, pyxdf, which the reader needs, exp"):
        require(["mne", "pyxdf", "json"], "the reader")
    require(["json"], "the reader")


def test_an_extra_is_installed_when_all_its_modules_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_installed("cluster")
    require_extra("cluster", "the gateway")
    monkeypatch.setitem(sys.modules, "nats", None)
    assert not is_installed("cluster")
    assert is_installed("alarms")
    with pytest.raises(MissingExtraError, match="found no nats, which the gateway needs, expected"):
        require_extra("cluster", "the gateway")


def test_a_module_of_two_extras_is_named_with_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    for extra in ("alarms", "cluster"):
        with pytest.raises(MissingExtraError, match=f"expected the extra '{extra}'; install it "):
            require_extra(extra, "it")


def test_without_pip_uv_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    assert importlib.util.find_spec("pip") is None
    assert install_command("training") == (
        f"uv pip install --python {sys.executable} 'eeg-emotion[training]'"
    )
