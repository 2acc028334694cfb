"""API keys: a random secret for a client, of which only the hash is kept."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from eeg_emotion.access.credentials import KEY_NAME, PREFIX, CredentialsError, exposed
from eeg_emotion.access.grants import Grant, Scope, ScopeError
from eeg_emotion.atomic_write import atomic_write
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.logs import get_logger

logger = get_logger(__name__)

_KEY = re.compile(rf"{PREFIX}({KEY_NAME})_([A-Za-z0-9_-]{{43}})")
_SECRET_BYTES = 32


class KeyFileError(EegEmotionError):
    """The file of the keys cannot be used."""


class _Inaccessible(KeyFileError):
    """The file may be as it must be, but the system does not give it."""


class KeyNameError(EegEmotionError):
    """A key cannot have this name, or there is none of it."""


@dataclass(frozen=True, slots=True)
class KeyGrant(Grant):
    """What a key allows; `sha256` tells it from a later one of its name."""

    sha256: str = field(default="", repr=False)


class Key(BaseModel):
    """A key as it is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=f"^{KEY_NAME}$")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    scopes: Annotated[tuple[str, ...], Field(min_length=1)]
    created: AwareDatetime
    expires: AwareDatetime | None = None

    @field_validator("scopes")
    @classmethod
    def _known(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(str(Scope.parse(scope)) for scope in scopes)
        except ScopeError as error:
            raise ValueError(str(error)) from error

    def grant(self) -> KeyGrant:
        """Return what it allows."""
        return KeyGrant(
            self.name,
            tuple(Scope.parse(scope) for scope in self.scopes),
            None if self.expires is None else self.expires.timestamp(),
            self.sha256,
        )


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    keys: tuple[Key, ...] = ()

    @model_validator(mode="after")
    def _distinct(self) -> _File:
        if len({key.name for key in self.keys}) != len(self.keys):
            raise ValueError("found two keys of one name")
        return self


class KeyStore:
    """The keys in one file, followed as it changes.

    Parameters
    ----------
    path
        JSON; made by the first `add`, for its user's eyes only.
    utc
        Unix seconds.
    random
        Gives that many random bytes.
    """

    def __init__(
        self,
        path: Path,
        *,
        utc: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.path = path
        self._utc = utc
        self._random = random
        self._keys: dict[str, Key] = {}
        self._seen: tuple[int, ...] | None = None
        self._wrong: str | None = None

    def list(self) -> tuple[Key, ...]:
        """Read all keys, in the order in which they were made; none where there is no file.

        Raises
        ------
        KeyFileError
            If the file is damaged, or not its owner's alone.
        """
        try:
            with self.path.open("rb") as file:
                if (why := exposed(os.fstat(file.fileno()))) is not None:
                    raise KeyFileError(f"the file of the keys, {self.path}: {why}")
                text = file.read()
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise self._unusable("read", error) from error
        try:
            return _File.model_validate_json(text).keys
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}"
                for item in error.errors(include_input=False)[:5]
            )
            raise KeyFileError(
                f"the file of the keys, {self.path}, is damaged or of another release: {problems}; "
                "put it right, or move it away and make the keys anew"
            ) from error

    def add(self, name: str, scopes: tuple[Scope, ...], expires: float | None = None) -> str:
        """Make a key; its text is given here and never again.

        Parameters
        ----------
        name
            Of who will use it.
        scopes
            What it allows.
        expires
            Unix seconds; None for never.

        Raises
        ------
        KeyNameError
            If there is one of this name, or a key cannot have it.
        KeyFileError
            If the file cannot be read or written.
        """
        if not re.fullmatch(KEY_NAME, name):
            raise KeyNameError(
                f"found the key name {name!r}, expected 1 to 64 letters a-z, digits and '-', "
                "such as wallboard-ward7"
            )
        secret = urlsafe_b64encode(self._random(_SECRET_BYTES)).decode().rstrip("=")
        key = Key(
            name=name,
            sha256=_digest(secret),
            scopes=tuple(map(str, scopes)),
            created=self._time(self._utc()),
            expires=None if expires is None else self._time(expires),
        )
        with self._locked():
            keys = self.list()
            if any(other.name == name for other in keys):
                raise KeyNameError(
                    f"found a key {name!r} already; choose another name, or revoke that one first"
                )
            self._write((*keys, key))
        return f"{PREFIX}{name}_{secret}"

    def revoke(self, name: str) -> None:
        """Take a key out of the file; running services notice within seconds.

        Raises
        ------
        KeyNameError
            If there is none of this name.
        KeyFileError
            If the file cannot be read or written.
        """
        with self._locked():
            keys = self.list()
            left = tuple(key for key in keys if key.name != name)
            if len(left) == len(keys):
                known = ", ".join(key.name for key in keys) or "none"
                raise KeyNameError(f"found no key {name!r}; known: {known}")
            self._write(left)

    def authenticate(self, text: str) -> KeyGrant:
        """Return what a key allows.

        Raises
        ------
        CredentialsError
            If it is unknown or over, or the file is damaged: that lets nobody new in.
        """
        self._follow()
        if self._wrong is not None:
            raise CredentialsError("keys cannot be checked at present; the service's log says why")
        found = _KEY.fullmatch(text)
        key = None if found is None else self._keys.get(found[1])
        if found is None or key is None or not hmac.compare_digest(_digest(found[2]), key.sha256):
            raise CredentialsError(
                "found a key that is not known or was revoked; 'eeg-emotion keys create' makes one"
            )
        grant = key.grant()
        if grant.expires is not None and self._utc() >= grant.expires:
            raise CredentialsError(f"found the key {key.name!r}, which is over; create a new one")
        return grant

    def holds(self, grant: KeyGrant) -> bool:
        """Return whether what a key allowed still stands. A damaged file sends nobody away."""
        self._follow()
        key = self._keys.get(grant.subject)
        return key is not None and key.grant() == grant

    def _follow(self) -> None:
        """Read the file again where it has changed."""
        seen: tuple[int, ...] | None
        try:
            status = os.stat(self.path)
            # A replaced file is another inode, even within a tick of the file system's clock.
            seen = (status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode)
        except OSError:
            seen = ()
        if seen == self._seen:
            return
        wrong = None
        try:
            self._keys = {key.name: key for key in self.list()}
        except _Inaccessible as error:
            # It need not change for the next attempt to succeed: descriptors may have run out.
            wrong, seen = str(error), None
        except KeyFileError as error:
            wrong = str(error)
        if wrong is not None and wrong != self._wrong:
            logger.error("keys unreadable", why=wrong)
        self._seen, self._wrong = seen, wrong

    def _write(self, keys: tuple[Key, ...]) -> None:
        text = _File(keys=keys).model_dump_json(indent=1)
        try:
            with atomic_write(self.path, private=True) as file:
                file.write(text.encode())
        except OSError as error:
            raise self._unusable("write", error) from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep two commands from undoing each other's work: the loser's could be a revocation."""
        from filelock import FileLock  # what only reads keys does not wait for it

        # A file of its own, which stays: that of the keys is replaced, and whoever then waited for
        # the old one's lock would be alone with it.
        lock = FileLock(self.path.with_name(f".{self.path.name}.lock"), mode=0o600)
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise self._unusable("write", error) from error
        try:
            yield
        finally:
            lock.release()

    def _unusable(self, verb: str, error: OSError) -> _Inaccessible:
        return _Inaccessible(
            f"cannot {verb} the file of the keys, {self.path}: {error.strerror}; make it "
            "accessible, or name another one with --keys"
        )

    @staticmethod
    def _time(seconds: float) -> datetime:
        return datetime.fromtimestamp(int(seconds), UTC)


def _digest(secret: str) -> str:
    # Slow hashes with salt are for what people choose. Nobody guesses 256 random bits, however
    # fast each guess is.
    return hashlib.sha256(secret.encode()).hexdigest()
