"""The audit: one line for each connection, grant and refusal."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

from eeg_emotion.access.credentials import exposed, masked
from eeg_emotion.access.grants import Grant
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.logs import get_logger

logger = get_logger("eeg_emotion.audit")


class AuditError(EegEmotionError):
    """The audit file cannot be used."""


class Audit:
    """Writes events to the log, and to a file if there is one.

    Parameters
    ----------
    purpose
        The service's stated purpose; in every line.
    file
        JSON lines are appended to it; it is created readable by its user only.
    utc
        Unix seconds.

    Raises
    ------
    AuditError
        If the file cannot be written, or others may read it.
    """

    def __init__(
        self,
        purpose: str = "demo",
        file: Path | None = None,
        *,
        utc: Callable[[], float] = time.time,
    ) -> None:
        self._purpose = purpose
        self._file = file
        self._utc = utc
        if file is not None:
            try:
                with self._open(file) as lines:
                    why = exposed(os.fstat(lines.fileno()))
            except OSError as error:
                raise AuditError(
                    f"cannot write the audit {file}: {error.strerror}; make it writable, or name "
                    "another file with --audit"
                ) from error
            if why is not None:
                raise AuditError(f"the audit {file}: {why}")

    def note(
        self,
        event: str,
        grant: Grant | None,
        *,
        client: str | None = None,
        headset: str | None = None,
        **facts: object,
    ) -> None:
        """Write one line.

        Parameters
        ----------
        event
            What happened.
        grant
            The credentials it concerns; None if there were none, or invalid ones.
        client
            The network address.
        headset
            The headset it concerns, if any.
        facts
            Further fields; never a key or a token.
        """
        # A client that mistakes a key for a headset's name, or puts it into a path, sends it here.
        masked_facts = {
            name: _masked(value) for name, value in (("headset", headset), *facts.items())
        }
        fields = {
            "subject": None if grant is None else grant.subject,
            "client": client,
            "purpose": self._purpose,
            **masked_facts,
        }
        logger.info(event, **{name: value for name, value in fields.items() if value is not None})
        if self._file is None:
            return
        now = datetime.fromtimestamp(self._utc(), UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event, **fields}, default=str) + "\n"
        try:
            # Reopened each time, so that the file may be moved away while the service runs.
            with self._open(self._file) as lines:
                lines.write(line.encode())
        except OSError as error:
            # It was writable at the start. A full disk is no reason to stop the service.
            logger.error("audit not written", why=error.strerror, lost=event)

    @staticmethod
    def _open(file: Path) -> FileIO:
        # Unbuffered, so that each line is one write: lines of two processes do not mix.
        return FileIO(file, "a", opener=lambda name, flags: os.open(name, flags, 0o600))


def _masked(fact: object) -> object:
    if isinstance(fact, str):
        return masked(fact)
    return [_masked(item) for item in fact] if isinstance(fact, list | tuple) else fact
