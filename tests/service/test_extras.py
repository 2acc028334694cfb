from __future__ import annotations

import importlib.util
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from eeg_emotion import extras
from eeg_emotion.extras import MissingExtraError, install_command, load, require

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


def test_without_pip_uv_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    assert importlib.util.find_spec("pip") is None
    assert install_command("training") == (
        f"uv pip install --python {sys.executable} 'eeg-emotion[training]'"
    )
