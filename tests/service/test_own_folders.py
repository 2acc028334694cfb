"""Where our own files are stored; platformdirs knows each platform's folders."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

import pytest
from platformdirs.macos import MacOS
from platformdirs.windows import Windows

from eeg_emotion import own_folders
from eeg_emotion.own_folders import config_folder, data_folder, moved_to


@pytest.mark.parametrize("stated", [None, "", "relative/path"])
def test_by_default_the_folders_are_in_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stated: str | None
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name)
        if stated is not None:
            monkeypatch.setenv(name, stated)
    assert data_folder() == tmp_path / ".local" / "share" / "eeg-emotion"
    assert config_folder() == tmp_path / ".config" / "eeg-emotion"


def test_the_folders_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in moved_to(tmp_path).items():
        monkeypatch.setenv(name, value)
    assert data_folder() == tmp_path / "data" / "eeg-emotion"
    assert config_folder() == tmp_path / "config" / "eeg-emotion"
    macos = MacOS("eeg-emotion", appauthor=False)
    assert Path(macos.user_data_dir) == data_folder()
    assert Path(macos.user_config_dir) == config_folder()


def test_the_folders_can_be_moved_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in moved_to(Path("/")):
        if name.startswith("WIN"):
            monkeypatch.setenv(name, r"C:\demo")
    windows = Windows(own_folders._NAME, appauthor=False)
    for folder in (windows.user_data_dir, windows.user_config_dir):
        assert PureWindowsPath(folder).parts == ("C:\\", "demo", "eeg-emotion")
