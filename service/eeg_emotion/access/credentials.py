"""What keys and tokens have in common: their error, and the checks against leaking them."""

from __future__ import annotations

import os
import re
import stat

from eeg_emotion.errors import EegEmotionError

PREFIX = "eeg_"
"""The prefix of every key, so that scanners of repositories and logs find leaked ones."""

KEY_NAME = r"[a-z0-9][a-z0-9-]{0,63}"

_OTHERS = stat.S_IWGRP | stat.S_IRWXO
_SECRET = re.compile(
    rf"{PREFIX}{KEY_NAME}_[A-Za-z0-9_-]{{43,}}|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
)


class CredentialsError(EegEmotionError):
    """A key or token is not valid. The message never repeats it."""


def exposed(status: os.stat_result) -> str | None:
    """Return why a file is too accessible; None if only its owner, or also its group, may read it.

    This is not checked on Windows, where the file's mode is irrelevant: access control lists apply,
    and those of a user's own folders admit only the user and administrators.
    """
    if not hasattr(os, "getuid") or not status.st_mode & _OTHERS:
        return None
    return (
        f"found the mode {stat.filemode(status.st_mode)}, expected that only its owner may write "
        "it and no others may read it; run 'chmod 600' on it"
    )


def contains_secret(text: str) -> bool:
    """Return whether a text contains what looks like a key or a token."""
    return _SECRET.search(text) is not None


def masked(text: str) -> str:
    """Return the text with anything that looks like a key or a token masked."""
    return _SECRET.sub("[credentials]", text)
