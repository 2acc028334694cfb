"""Why a WebSocket is closed. 4000 to 4499: connect again; 4500 to 4999: it would fail again."""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """Every code that the service itself closes with."""

    SHUTDOWN = 4001
    """The service stops; connect again after the time that `going_away` named."""
    CREDENTIALS_EXPIRED = 4003
    """The token's time is over; connect again with a new one."""
    SLOW = 4008
    """Nothing was taken or acknowledged for 30 s while something waited."""
    TOO_MANY_MESSAGES = 4013
    """More messages than a client may send, acknowledgements apart."""
    BAD_CREDENTIALS = 4500
    """The key or token is not known, not valid, or was taken back."""
    BAD_MESSAGE = 4501
    """What the client sent is no message of this protocol, or not one for this moment."""
    NO_HELLO = 4502
    """No `hello` came within 5 s where credentials are asked for."""

    @property
    def again(self) -> bool:
        """Return whether to connect again."""
        return self < 4500
