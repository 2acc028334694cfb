"""WebSocket close codes. 4000 to 4499: connect again; 4500 to 4999: that would fail again."""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """The close codes of the service itself."""

    SHUTDOWN = 4001
    """The service is stopping; connect again after the time stated by `going_away`."""
    CREDENTIALS_EXPIRED = 4003
    """The token has expired; connect again with a new one."""
    SLOW = 4008
    """Nothing was received or acknowledged for 30 s while messages were pending."""
    TOO_MANY_MESSAGES = 4013
    """More messages than a client may send, not counting acknowledgements."""
    BAD_CREDENTIALS = 4500
    """The key or token is unknown, invalid or revoked."""
    BAD_MESSAGE = 4501
    """The client sent something that is not a message of this protocol, or is not allowed now."""
    NO_HELLO = 4502
    """No `hello` arrived within 5 s although credentials are required."""

    @property
    def again(self) -> bool:
        """Return whether to connect again."""
        return self < 4500
