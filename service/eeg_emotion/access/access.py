"""Who may come in: keys and tokens in one place, and the audit of both."""

from __future__ import annotations

from dataclasses import dataclass

from eeg_emotion.access.audit import Audit
from eeg_emotion.access.credentials import PREFIX
from eeg_emotion.access.credentials import CredentialsError as CredentialsError
from eeg_emotion.access.grants import EVERYTHING, Grant
from eeg_emotion.access.keys import KeyGrant, KeyStore
from eeg_emotion.access.origins import Origins
from eeg_emotion.access.tokens import TokenVerifier


class Access:
    """What credentials allow; without keys and tokens the service is open.

    Parameters
    ----------
    keys
        The API keys.
    tokens
        Checks tokens.
    audit
        Where it is written.
    origins
        The web pages that may use the service, beside its own.
    """

    def __init__(
        self,
        *,
        keys: KeyStore | None = None,
        tokens: TokenVerifier | None = None,
        audit: Audit | None = None,
        origins: Origins | None = None,
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._audit = audit or Audit()
        self.origins = origins or Origins()

    @property
    def open(self) -> bool:
        """Return whether whoever reaches the service may do everything."""
        return self._keys is None and self._tokens is None

    def authenticate(self, token: str) -> Grant:
        """Return what a key or token allows.

        Raises
        ------
        CredentialsError
            If it allows nothing.
        """
        if self.open:
            return EVERYTHING
        if self._keys is not None and (self._tokens is None or token.startswith(PREFIX)):
            return self._keys.authenticate(token)
        if self._tokens is not None and not token.startswith(PREFIX):
            return self._tokens.authenticate(token)
        raise CredentialsError("found a key, expected a token; this service knows no keys")

    def grant_of(self, authorization: str | None) -> Grant | None:
        """Return what an `Authorization` header allows; None where credentials are to be asked for.

        Raises
        ------
        CredentialsError
            If it allows nothing.
        """
        if self.open:
            return EVERYTHING
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise CredentialsError("found another Authorization, expected 'Bearer' and a token")
        return self.authenticate(token.strip())

    def still(self, grant: Grant) -> bool:
        """Return whether a grant stands: its key may be revoked. Its expiry is not checked."""
        if isinstance(grant, KeyGrant):
            return self._keys is not None and self._keys.holds(grant)
        return True

    def note(self, event: str, **facts: object) -> None:
        """Note in the audit what no client did."""
        self._audit.note(event, None, client=None, headset=None, **facts)

    def at(self, client: str) -> ClientAccess:
        """Return what one client at a network address is judged and noted by."""
        return ClientAccess(self, self._audit, client)


@dataclass(frozen=True, slots=True)
class ClientAccess:
    """One client's way in."""

    access: Access
    log: Audit
    client: str

    def authenticate(self, token: str) -> Grant:
        """Return what a key or token allows; see `Access.authenticate`."""
        return self.access.authenticate(token)

    def still(self, grant: Grant) -> bool:
        """Return whether a grant stands; see `Access.still`."""
        return self.access.still(grant)

    def audit(
        self, event: str, grant: Grant | None, *, headset: str | None = None, **facts: object
    ) -> None:
        """Note that something was given or refused."""
        self.log.note(event, grant, client=self.client, headset=headset, **facts)
