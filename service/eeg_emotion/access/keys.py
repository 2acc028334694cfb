"""API keys: a random secret for each client, of which only the hash is stored."""

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
    """The key file cannot be used."""


class _Inaccessible(KeyFileError):
    """The key file may be valid, but cannot be accessed."""


class KeyNameError(EegEmotionError):
    """A key cannot have this name, or there is no key of this name."""


@dataclass(frozen=True, slots=True)
class KeyGrant(Grant):
    """What a key allows; `sha256` distinguishes it from a later key of the same name."""

    sha256: str = field(default="", repr=False)


class Key(BaseModel):
    """A key as it is stored."""

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
        """Return what the key allows."""
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
            raise ValueError("found two keys with the same name")
        return self


class KeyStore:
    """The keys in one file, reread whenever it changes.

    Parameters
    ----------
    path
        JSON; created by the first `add`, readable by its user only.
    utc
        Unix seconds.
    random
        Returns that many random bytes.
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
        """Read all keys, in the order of their creation; empty if there is no file.

        Raises
        ------
        KeyFileError
            If the file is damaged, or others may read it.
        """
        try:
            with self.path.open("rb") as file:
                if (why := exposed(os.fstat(file.fileno()))) is not None:
                    raise KeyFileError(f"the key file {self.path}: {why}")
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
                f"the key file {self.path} is damaged or from another release: {problems}; "
                "repair it, or move it away and create the keys again"
            ) from error

    def add(self, name: str, scopes: tuple[Scope, ...], expires: float | None = None) -> str:
        """Create a key; its text is returned here and never again.

        Parameters
        ----------
        name
            The name of its client.
        scopes
            What it allows.
        expires
            Unix seconds; None for never.

        Raises
        ------
        KeyNameError
            If there already is a key of this name, or the name is not valid.
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
        """Remove a key from the file; running services notice within seconds.

        Raises
        ------
        KeyNameError
            If there is no key of this name.
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
            If it is unknown or has expired, or the file is damaged: then no new client is admitted.
        """
        self._follow()
        if self._wrong is not None:
            raise CredentialsError("keys cannot be checked at the moment; see the service's log")
        found = _KEY.fullmatch(text)
        key = None if found is None else self._keys.get(found[1])
        if found is None or key is None or not hmac.compare_digest(_digest(found[2]), key.sha256):
            raise CredentialsError(
                "found a key that is unknown or revoked; create one with 'eeg-emotion keys create'"
            )
        grant = key.grant()
        if grant.expires is not None and self._utc() >= grant.expires:
            raise CredentialsError(
                f"found the key {key.name!r}, which has expired; create a new one"
            )
        return grant

    def holds(self, grant: KeyGrant) -> bool:
        """Return whether a key's grant still holds. A damaged file revokes nothing."""
        self._follow()
        key = self._keys.get(grant.subject)
        return key is not None and key.grant() == grant

    def _follow(self) -> None:
        """Reread the file if it has changed."""
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
            # The next attempt may succeed without a change: descriptors may have run out.
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
        """Keep two commands from undoing each other's changes: one may be a revocation."""
        from filelock import FileLock  # imported late: reading keys does not need it

        # A separate, permanent file: the key file is replaced on each write, and a process waiting
        # for the old file's lock would then hold a lock that no one else uses.
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
            f"cannot {verb} the key file {self.path}: {error.strerror}; make it accessible, or "
            "name another one with --keys"
        )

    @staticmethod
    def _time(seconds: float) -> datetime:
        return datetime.fromtimestamp(int(seconds), UTC)


def _digest(secret: str) -> str:
    # Slow salted hashes are for passwords that people choose. 256 random bits cannot be guessed,
    # however fast each guess is.
    return hashlib.sha256(secret.encode()).hexdigest()
