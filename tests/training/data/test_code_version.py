from __future__ import annotations

import ast
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import eeg_emotion
from eeg_emotion_training.data import code_version as module
from eeg_emotion_training.data.code_version import code_version, signal_path_version

TRAINING = Path(module.__file__).parents[1]


def imported(path: Path) -> Iterator[Path]:
    """The trainer's modules that one of them imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            package, *parts = node.module.split(".")
            if package == TRAINING.name:
                place = TRAINING.joinpath(*parts)
                names = [place / alias.name for alias in node.names] if place.is_dir() else [place]
                yield from (name.with_suffix(".py") for name in names)


def reached(*names: str) -> set[Path]:
    """All of the trainer's modules that some of them reach."""
    found: set[Path] = set()
    waiting = [TRAINING / name for name in names]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += imported(path)
    return found


def test_a_version_is_the_releases_with_a_digest() -> None:
    for version in (code_version(), signal_path_version()):
        release, _, digest = version.partition("+")
        assert release == eeg_emotion.__version__
        assert len(digest) == 12
        assert int(digest, 16) >= 0
    assert code_version() != signal_path_version()


def test_windows_are_named_by_all_code_that_makes_them() -> None:
    needed = reached("data/windows.py", "data/deap_source.py", "data/table_source.py")
    assert TRAINING / "data" / "simulate.py" in needed
    assert needed <= set(module.named_files(module._SIGNAL))


def test_a_result_is_named_by_all_code_that_makes_it() -> None:
    needed = reached("study/task.py", "study/plan.py", "networks/trainer.py")
    assert TRAINING / "networks" / "recurrent.py" in needed
    assert needed <= set(module.named_files((*module._SIGNAL, *module._TRAINED)))


def test_what_is_named_exists() -> None:
    assert all(path.is_file() for path in module.named_files((*module._SIGNAL, *module._TRAINED)))


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
        ("eeg_emotion_training/data/windows.py", True, True),
        ("eeg_emotion_training/data/table_signal.py", True, True),
        ("eeg_emotion_training/networks/trainer.py", False, True),
        ("eeg_emotion_training/evaluation/calibration.py", False, True),
        ("eeg_emotion_training/report/report.py", False, False),
        ("eeg_emotion_training/cli.py", False, False),
        ("eeg_emotion_training/evaluation/scores.py", False, False),
        ("eeg_emotion/inference/calibration.py", False, True),
        ("eeg_emotion/daemon/roles.py", False, False),
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
