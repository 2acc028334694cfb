"""Names the behaviour that a result came from, so that a change of it is a change of the name.

The names hold a number that is raised by hand, not a digest of the source: a comment, a renamed
function or a moved file changes no result and must not cost a rerun. Tests compare recorded windows
and predictions with those that the code makes now, and fail until the number is raised where these
differ (`tests/training/recorded.py`).
"""

from __future__ import annotations

import eeg_emotion

WINDOWS = 2
"""Raise it with each change of what windows are cut of a recording, or of their measures."""

RESULTS = 1
"""Raise it with each change of what is trained and predicted from the same windows."""


def signal_path_version() -> str:
    """Return the name of what turns recordings into windows of measures."""
    return f"{eeg_emotion.__version__}+windows.{WINDOWS}"


def code_version() -> str:
    """Return the name of all that a trained network and its predictions depend on."""
    return f"{signal_path_version()}.results.{RESULTS}"
