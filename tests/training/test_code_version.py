from __future__ import annotations

import ast
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import eeg_emotion
from eeg_emotion_training import code_version as module
from eeg_emotion_training.code_version import code_version, signal_path_version

TRAINING = Path(module.__file__).parent
# What windows depend on although they import none of it is nothing; what they import although no
# window depends on it: a verdict on a folder, and what cannot change a window.
NO_WINDOW_DEPENDS_ON = {"__init__.py", "check.py", "participant_ratings.py"}


def imported(name: str) -> Iterator[str]:
    """The trainer's modules that one of them imports, as file names, wherever it does."""
    for node in ast.walk(ast.parse((TRAINING / name).read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        package, _, name = (node.module or "").partition(".")
        if package == TRAINING.name:
            yield from (f"{one}.py" for one in ([name] if name else [a.name for a in node.names]))


def reached(*names: str) -> set[str]:
    """All of the trainer's modules that some of them reach."""
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += imported(name)
    return found


def test_a_version_is_the_releases_with_a_digest() -> None:
    for version in (code_version(), signal_path_version()):
        release, _, digest = version.partition("+")
        assert release == eeg_emotion.__version__
        assert len(digest) == 12
        assert int(digest, 16) >= 0
    assert code_version() != signal_path_version()


def test_windows_are_named_by_all_code_that_makes_them() -> None:
    needed = reached("windows.py", "deap_source.py", "table_source.py")
    assert "simulate.py" in needed
    assert needed - NO_WINDOW_DEPENDS_ON == module._CUTTING


def test_a_result_is_named_by_all_code_that_makes_it() -> None:
    # Whatever a fold or a fit reaches is in the name, but for what only shows or sums up.
    needed = reached("task.py", "trainer.py", "windows.py", "cache.py", "study.py")
    only_shown = needed & module._NO_PART_OF_A_RESULT
    assert only_shown <= {"scores.py", "significance.py"}
    assert {"trainer.py", "networks.py", "normalising.py", "protocols.py"} <= needed


def test_what_is_left_out_exists() -> None:
    names = {path.name for path in TRAINING.glob("*.py")}
    assert names >= module._NO_PART_OF_A_RESULT | module._CUTTING


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A copy of the code that the versions are taken of; gives a file of it."""
    for attribute in ("_SERVICE", "_TRAINING"):
        original: Path = getattr(module, attribute)
        shutil.copytree(original, tmp_path / original.name, dirs_exist_ok=True)
        monkeypatch.setattr(module, attribute, tmp_path / original.name)
    return tmp_path.joinpath


def versions() -> tuple[str, str]:
    """Both versions as they are now, not as they were remembered."""
    return signal_path_version.__wrapped__(), code_version.__wrapped__()


@pytest.mark.parametrize(
    ("file", "windows", "result"),
    [
        ("eeg_emotion/eeg/filters.py", True, True),
        ("eeg_emotion/recordings/deap.py", True, True),
        ("eeg_emotion_training/windows.py", True, True),
        ("eeg_emotion_training/table_signal.py", True, True),
        ("eeg_emotion_training/trainer.py", False, True),
        ("eeg_emotion_training/calibration.py", False, True),
        ("eeg_emotion_training/report.py", False, False),
        ("eeg_emotion_training/cli.py", False, False),
        ("eeg_emotion/daemon.py", False, False),
    ],
)
def test_a_change_of_the_code_is_a_change_of_the_name(
    copies: Callable[[str], Path], file: str, windows: bool, result: bool
) -> None:
    before = versions()
    assert before == (signal_path_version(), code_version())  # a copy elsewhere is the same code
    path = copies(file)
    path.write_text(path.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    after = versions()
    assert [one != other for one, other in zip(before, after, strict=True)] == [windows, result]


def test_a_file_of_another_name_is_a_change(copies: Callable[[str], Path]) -> None:
    before = versions()
    copies("eeg_emotion/eeg/filters.py").rename(copies("eeg_emotion/eeg/filtering.py"))
    assert all(one != other for one, other in zip(before, versions(), strict=True))
