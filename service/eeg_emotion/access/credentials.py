"""What keys and tokens have in common: how they are refused, and what may not be read by others."""

from __future__ import annotations

import os
import re
import stat

from eeg_emotion.errors import EegEmotionError

PREFIX = "eeg_"
"""Of every key: so that scanners of repositories and logs find one that went astray."""

KEY_NAME = r"[a-z0-9][a-z0-9-]{0,63}"

_OTHERS = stat.S_IWGRP | stat.S_IRWXO
_ASTRAY = re.compile(
    rf"{PREFIX}{KEY_NAME}_[A-Za-z0-9_-]{{43,}}|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
)


class CredentialsError(EegEmotionError):
    """A key or token allows nothing. The message never repeats it."""


def exposed(status: os.stat_result) -> str | None:
    """Return why a file is not its owner's alone; None where it is, or its group may read it too.

    It is not checked on Windows, where a file's mode says nothing of it: access control lists do,
    and those of a user's own folders let nobody in but the user and administrators.
    """
    if not hasattr(os, "getuid") or not status.st_mode & _OTHERS:
        return None
    return (
        f"found the mode {stat.filemode(status.st_mode)}, expected that only its owner may write "
        "it and no others may read it; return it 'chmod 600'"
    )


def astray(text: str) -> bool:
    """Return whether a text holds what looks like a key or a token."""
    return _ASTRAY.search(text) is not None


def masked(text: str) -> str:
    """Return the text without what looks like a key or a token."""
    return _ASTRAY.sub("[credentials]", text)
