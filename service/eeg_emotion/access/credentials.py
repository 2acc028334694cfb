"""What keys and tokens have in common: how they are refused, and what may not be read by others."""

from __future__ import annotations

import os
import stat

from eeg_emotion.errors import EegEmotionError

_OTHERS = stat.S_IWGRP | stat.S_IRWXO


class CredentialsError(EegEmotionError):
    """A key or token allows nothing. The message never repeats it."""


def exposed(status: os.stat_result) -> str | None:
    """Say why a file is not its owner's alone; None where it is, or its group may read it too."""
    if not status.st_mode & _OTHERS:
        return None
    return (
        f"found the mode {stat.filemode(status.st_mode)}, expected that only its owner may write "
        "it and no others may read it; give it 'chmod 600'"
    )
