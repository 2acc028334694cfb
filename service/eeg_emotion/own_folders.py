"""The project's folders among the user's own, as each platform defines them."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_config_path, user_data_path

_NAME = "eeg-emotion"


def data_folder() -> Path:
    """Return the folder for data that the service stores."""
    return user_data_path(_NAME, appauthor=False)


def config_folder() -> Path:
    """Return the folder for the user's configuration."""
    return user_config_path(_NAME, appauthor=False)


def moved_to(folder: Path) -> dict[str, str]:
    """Return environment variables that move a process's own folders into another one."""
    return {
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "WIN_PD_OVERRIDE_LOCAL_APPDATA": str(folder),
    }
