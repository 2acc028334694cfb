from __future__ import annotations

import numpy as np
import pytest
from tests.training.recorded import Arrays, recorded, results, windows

import eeg_emotion
from eeg_emotion_training.data.code_version import (
    RESULTS,
    WINDOWS,
    code_version,
    signal_path_version,
)
from eeg_emotion_training.networks.names import BASELINES, NETWORKS

REMEDY = (
    "raise {} in eeg_emotion_training/data/code_version.py, then: python -m tests.training.recorded"
)
NEW_REMEDY = "record what is new as well: python -m tests.training.recorded --add"
# Of a network's few steps with float32, on any processor and with either backend.
TOLERANCE = {"windows": 1e-4, "results": 2e-3}


@pytest.fixture(scope="module")
def kept() -> Arrays:
    return dict(recorded())


def assert_unchanged(part: str, found: Arrays, kept: Arrays, number: str) -> None:
    expected = {name: values for name, values in kept.items() if name.startswith(part)}
    assert expected.keys() <= found.keys(), REMEDY.format(number)
    assert found.keys() <= expected.keys(), NEW_REMEDY
    for name, values in expected.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(
                found[name],
                values,
                rtol=TOLERANCE[part],
                atol=TOLERANCE[part],
                err_msg=f"{name}: {REMEDY.format(number)}",
            )
        else:
            np.testing.assert_array_equal(found[name], values, err_msg=REMEDY.format(number))


def test_the_recording_is_of_this_version(kept: Arrays) -> None:
    assert (int(kept["WINDOWS"]), int(kept["RESULTS"])) == (WINDOWS, RESULTS)


def test_windows_have_changed_only_if_their_version_has(kept: Arrays) -> None:
    assert_unchanged("windows", windows(), kept, "WINDOWS")


@pytest.mark.parametrize(
    "models",
    [BASELINES, pytest.param(NETWORKS, marks=pytest.mark.needs("time"))],
    ids=["baselines", "networks"],
)
def test_results_have_changed_only_if_their_version_has(
    kept: Arrays, models: tuple[str, ...]
) -> None:
    of_these = {name: values for name, values in kept.items() if name.split()[-1] in models}
    assert_unchanged("results", results(models), of_these, "RESULTS")


def test_a_changed_window_is_noticed(kept: Arrays) -> None:
    changed = windows()
    name = next(name for name in changed if name.endswith("measures"))
    changed[name] = np.asarray(changed[name], dtype=np.float64) * 1.001
    with pytest.raises(AssertionError, match="raise WINDOWS"):
        assert_unchanged("windows", changed, kept, "WINDOWS")


def test_a_new_representation_is_recorded_without_a_new_version(kept: Arrays) -> None:
    made = windows() | {"windows new with baseline, measures": np.zeros(1)}
    with pytest.raises(AssertionError, match="recorded --add"):
        assert_unchanged("windows", made, kept, "WINDOWS")


def test_a_version_is_the_releases_and_names_what_it_covers() -> None:
    assert signal_path_version() == f"{eeg_emotion.__version__}+windows.{WINDOWS}"
    assert code_version() == f"{signal_path_version()}.results.{RESULTS}"
