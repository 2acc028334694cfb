"""Access control: keys and tokens in one place, and the audit of both."""

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
    """Maps credentials to grants; without keys and tokens the service is open.

    Parameters
    ----------
    keys
        The API keys.
    tokens
        Checks tokens.
    audit
        The audit log.
    origins
        The web pages that may use the service, besides its own.
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
        """Return whether everyone who reaches the service may do everything."""
        return self._keys is None and self._tokens is None

    def authenticate(self, token: str) -> Grant:
        """Return what a key or token allows.

        Raises
        ------
        CredentialsError
            If it is not valid.
        """
        if self.open:
            return EVERYTHING
        if self._keys is not None and (self._tokens is None or token.startswith(PREFIX)):
            return self._keys.authenticate(token)
        if self._tokens is not None and not token.startswith(PREFIX):
            return self._tokens.authenticate(token)
        raise CredentialsError("found a key, expected a token; this service accepts no keys")

    def grant_of(self, authorization: str | None) -> Grant | None:
        """Return what an `Authorization` header allows; None if credentials have to be requested.

        Raises
        ------
        CredentialsError
            If they are not valid.
        """
        if self.open:
            return EVERYTHING
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise CredentialsError(
                "found an Authorization of another kind, expected 'Bearer' and a token"
            )
        return self.authenticate(token.strip())

    def is_valid(self, grant: Grant) -> bool:
        """Return whether a grant still holds: its key may be revoked. Expiry is not checked."""
        if isinstance(grant, KeyGrant):
            return self._keys is not None and self._keys.holds(grant)
        return True

    def note(self, event: str, **facts: object) -> None:
        """Record an event in the audit that no client caused."""
        self._audit.note(event, None, client=None, headset=None, **facts)

    def at(self, client: str) -> ClientAccess:
        """Return the access of one client, identified in the audit by its network address."""
        return ClientAccess(self, self._audit, client)


@dataclass(frozen=True, slots=True)
class ClientAccess:
    """Access control for one client."""

    access: Access
    log: Audit
    client: str

    def authenticate(self, token: str) -> Grant:
        """Return what a key or token allows; see `Access.authenticate`."""
        return self.access.authenticate(token)

    def is_valid(self, grant: Grant) -> bool:
        """Return whether a grant still holds; see `Access.is_valid`."""
        return self.access.is_valid(grant)

    def audit(
        self, event: str, grant: Grant | None, *, headset: str | None = None, **facts: object
    ) -> None:
        """Record that something was granted or refused."""
        self.log.note(event, grant, client=self.client, headset=headset, **facts)
