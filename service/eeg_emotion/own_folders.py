"""The places of this project in the user's own folders, as each platform has them."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_config_path, user_data_path

_NAME = "eeg-emotion"


def data_folder() -> Path:
    """Return the folder for what the service keeps."""
    return user_data_path(_NAME, appauthor=False)


def config_folder() -> Path:
    """Return the folder for what the user sets."""
    return user_config_path(_NAME, appauthor=False)


def moved_to(folder: Path) -> dict[str, str]:
    """Return the environment variables that put a process's own folders into another one."""
    return {
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "WIN_PD_OVERRIDE_LOCAL_APPDATA": str(folder),
    }
