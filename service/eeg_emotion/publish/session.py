"""One subscriber's session on a WebSocket: pure, fed with texts and with the time.

It begins with `welcome`: immediately if the subscriber is already authenticated, otherwise after a
`hello` with credentials. Then the client subscribes, acknowledges and pings; messages to it go
through its outbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from pydantic import ValidationError

from eeg_emotion.access.grants import Action, Grant
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.close_codes import CloseCode
from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.history import Position
from eeg_emotion.publish.messages import (
    GoingAway,
    Pong,
    Refused,
    Subscribed,
    TypedMessage,
    Welcome,
)
from eeg_emotion.publish.outbox import AcknowledgeError, Outbox
from eeg_emotion.publish.rates import TokenBucket
from eeg_emotion.publish.requests import (
    EVERY_HEADSET,
    MAX_SUBSCRIPTIONS,
    REQUESTS,
    Ack,
    Hello,
    Ping,
    Resume,
    Subscribe,
    Unsubscribe,
)

HELLO_SECONDS = 5.0
"""How long to wait for `hello` if credentials are required: a round trip, and a slow start."""

STALLED_SECONDS = 30.0
"""How long a subscriber may make no progress: longer than a hiccup of a page or a roaming phone,
shorter than anyone would look at a frozen display."""

VALIDITY_SECONDS = 5.0
"""The interval of checking whether credentials are still valid: soon enough after a revocation."""

MESSAGES_PER_SECOND = 5.0
"""The rate that a client may sustain, not counting acknowledgements."""

MESSAGES_AT_ONCE = 20
"""The largest burst that a client may send, not counting acknowledgements."""

_MOST_ANSWERS = 1024  # that wait to be sent: four times what a client with all subscriptions asks
_LONGEST_NAME = 20  # that a close reason repeats: longer than any field's, shorter than any token


class SessionAccess(Protocol):
    """Access control for one client."""

    def authenticate(self, token: str) -> Grant:
        """Return what a key or token allows.

        Raises
        ------
        EegEmotionError
            If it is not valid.
        """
        ...

    def is_valid(self, grant: Grant) -> bool:
        """Return whether a grant still holds, apart from its expiry."""
        ...

    def audit(
        self, event: str, grant: Grant | None, *, headset: str | None = None, **facts: object
    ) -> None:
        """Record that something was granted or refused."""
        ...


class Session:
    """The state of one subscriber's connection.

    Parameters
    ----------
    bus
        The source of its messages.
    access
        Checks its credentials.
    welcome
        Returns the welcome for a grant.
    close
        Called once, with the reason, when the connection is to be closed.
    wake
        Called when the outbox has something to send.
    clock
        Monotonic; seconds.
    utc
        Unix seconds; for the expiry of its credentials.
    grant
        What it may do, if it is already authenticated.
    asked
        The subscriptions requested in its URL.
    """

    def __init__(
        self,
        bus: Bus,
        access: SessionAccess,
        *,
        welcome: Callable[[Grant], Welcome],
        close: Callable[[CloseCode, str], None],
        wake: Callable[[], None],
        clock: Callable[[], float],
        utc: Callable[[], float],
        grant: Grant | None,
        asked: Iterable[str] = (),
    ) -> None:
        self._bus = bus
        self._access = access
        self._welcome = welcome
        self._close = close
        self._clock = clock
        self._utc = utc
        # A URL may hold thousands; the first one too many is refused, the others are ignored.
        self._asked = tuple(dict.fromkeys(asked))[: MAX_SUBSCRIPTIONS + 1]
        self._grant: Grant | None = None
        self._greeted = False
        self._leaving: GoingAway | None = None
        self._begun = clock()
        self._moved = self._looked = self._begun
        self._progress = 0
        self._rate = TokenBucket(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE, clock)
        self.outbox = Outbox(wake)
        self.closed: CloseCode | None = None
        if grant is not None:
            self._begin(grant)

    def receive(self, text: str) -> None:
        """Handle a message of the subscriber."""
        if self.closed is not None:
            return
        try:
            request = REQUESTS.validate_json(text)
        except ValidationError as error:
            if self._may_say_more():
                self.end(CloseCode.BAD_MESSAGE, _describe(error))
            return
        if not isinstance(request, Ack) and not self._may_say_more():
            return
        match request:
            case Hello():
                self._take_hello(request)
            case _ if self._grant is None:
                self.end(
                    CloseCode.BAD_MESSAGE,
                    f"found {request.type!r} as the first message, expected 'hello' with a token",
                )
            case Ack(received=received):
                self._take_ack(received)
            case Subscribe():
                self._subscribe(self._grant, request.headsets, request.detail, request.resume)
            case Unsubscribe(headsets=headsets):
                self._bus.unsubscribe(self.outbox, *headsets)
            case Ping():
                self._reply(Pong())

    def count(self) -> None:
        """Count something that is not a message but costs as much, such as a transport ping."""
        if self.closed is None:
            self._may_say_more()

    def tick(self) -> None:
        """Check the time; call this about once a second."""
        now = self._clock()
        if self.closed is not None:
            return
        if self._grant is None:
            if now - self._begun > HELLO_SECONDS:
                self._access.audit("refused", None, why="no hello")
                self.end(
                    CloseCode.NO_HELLO,
                    f"no 'hello' arrived within {HELLO_SECONDS:g} s; send one with a token first",
                )
            return
        if self._grant.expires is not None and self._utc() >= self._grant.expires:
            self._access.audit("credentials expired", self._grant)
            self.end(CloseCode.CREDENTIALS_EXPIRED, "the token has expired; connect with a new one")
            return
        if now - self._looked >= VALIDITY_SECONDS:
            self._looked = now
            if not self._access.is_valid(self._grant):
                self._access.audit("credentials revoked", self._grant)
                self.end(CloseCode.BAD_CREDENTIALS, "the key is no longer valid; use another")
                return
        # Answers do not count as progress, or a client could ping forever without acknowledging.
        progress = self.outbox.progress - self.outbox.answered
        if not self.outbox.blocked or progress != self._progress:
            self._progress, self._moved = progress, now
        elif now - self._moved >= STALLED_SECONDS:
            self.end(
                CloseCode.SLOW, f"nothing was received or acknowledged for {STALLED_SECONDS:g} s"
            )

    def leave(self, reconnect_after_ms: int) -> None:
        """Announce to the subscriber that the service stops, after the welcome at the earliest."""
        self._leaving = GoingAway(reconnect_after_ms=reconnect_after_ms)
        if self.closed is None and self._grant is not None:
            self._reply(self._leaving)

    def end(self, code: CloseCode, reason: str) -> None:
        """Close the connection."""
        if self.closed is None:
            self.closed = code
            self._close(code, reason)

    def detach(self) -> None:
        """Detach from the bus, when the connection is gone."""
        self._bus.detach(self.outbox)

    def _begin(self, grant: Grant) -> None:
        self._grant = grant
        self._access.audit("connected", grant)
        self._bus.attach(self.outbox, lambda headset: grant.allows(Action.READ, headset))
        self.outbox.greet(Frame("reply", "", self._welcome(grant)))
        self._subscribe(grant, self._asked, (), {})
        if self._leaving is not None:
            self._reply(self._leaving)

    def _take_hello(self, hello: Hello) -> None:
        if self._greeted:
            self.end(CloseCode.BAD_MESSAGE, "found a second 'hello', expected one at most")
            return
        self._greeted = True
        if hello.token is not None:
            try:
                grant = self._access.authenticate(hello.token.get_secret_value())
            except EegEmotionError as error:
                self._access.audit("refused", None, why=str(error))
                self.end(CloseCode.BAD_CREDENTIALS, str(error))
                return
            if self._grant is None:
                self._begin(grant)
        if self._grant is None:
            self._access.audit("refused", None, why="no credentials")
            self.end(CloseCode.BAD_CREDENTIALS, "found no token in 'hello', expected one")
            return
        if hello.acknowledges:
            self.outbox.use_credits()
        self._subscribe(self._grant, hello.subscribe, hello.detail, hello.resume)

    def _take_ack(self, received: int) -> None:
        try:
            news = self.outbox.acknowledge(received)
        except AcknowledgeError as error:
            self.end(CloseCode.BAD_MESSAGE, str(error))
            return
        if not news:
            self._may_say_more()  # uncounted acknowledgements could otherwise be a flood

    def _subscribe(
        self,
        grant: Grant,
        names: tuple[str, ...],
        detail: tuple[str, ...],
        resume: dict[str, Resume],
    ) -> None:
        given: list[str] = []
        refused: dict[str, list[str]] = {}
        following = set(self._bus.following(self.outbox))
        for name in dict.fromkeys(names):
            # A client that may read some headsets gets those of `*`.
            if not grant.allows(Action.READ, None if name == EVERY_HEADSET else name):
                refused.setdefault("not_allowed", []).append(name)
                detail_ = f"found no scope for the headset {name!r}, expected read:{name}"
                self._reply(Refused(headset=name, reason="not_allowed", detail=detail_))
            elif not _is_room(name, following):
                refused.setdefault("too_many", []).append(name)
                self._refuse_too_many(name, "subscriptions")
            else:
                following.add(name)
                given.append(name)
        # One line per request, not per name: there may be hundreds.
        if given or detail:
            self._access.audit("subscribed", grant, headsets=given, details=list(detail))
        for why, headsets in refused.items():
            self._access.audit("refused", grant, headsets=headsets, why=why)
        positions = {name: Position(at.epoch, at.seq) for name, at in resume.items()}
        for name, recovery in self._bus.subscribe(self.outbox, given, positions):
            self._reply(
                Subscribed(headset=name, recovered=recovery.recovered, missed=recovery.missed)
            )
        if detail:
            self._want_detail(detail)

    def _want_detail(self, names: tuple[str, ...]) -> None:
        details = set(self._bus.details(self.outbox))
        for name in dict.fromkeys(names):
            if _is_room(name, details):
                details.add(name)
            else:
                self._refuse_too_many(name, "details")
        self._bus.want_detail(self.outbox, *details)

    def _refuse_too_many(self, name: str, what: str) -> None:
        detail = f"expected at most {MAX_SUBSCRIPTIONS} {what}; '*' counts as one"
        self._reply(Refused(headset=name, reason="too_many", detail=detail))

    def _reply(self, message: TypedMessage) -> None:
        if self.outbox.unanswered < _MOST_ANSWERS:
            self.outbox.reply(Frame("reply", "", message))
        else:
            self.end(CloseCode.TOO_MANY_MESSAGES, f"more than {_MOST_ANSWERS} answers are pending")

    def _may_say_more(self) -> bool:
        if self._rate.acquire():
            return True
        self.end(
            CloseCode.TOO_MANY_MESSAGES,
            f"more than {MESSAGES_PER_SECOND:g} messages a second, acknowledgements apart",
        )
        return False


def _is_room(name: str, names: set[str]) -> bool:
    return name in names or len(names) < MAX_SUBSCRIPTIONS


def _describe(error: ValidationError) -> str:
    """Return what is wrong with a message, without repeating its content: it may be a token."""
    first = error.errors(include_input=False, include_url=False)[0]
    if first["type"] == "union_tag_invalid":
        found, expected = first["ctx"]["tag"], first["ctx"]["expected_tags"]
        return f"type: found {_short(found)}, expected one of {expected}"
    # Keys of the message are part of the location as well.
    place = ".".join(_short(str(part)) for part in first["loc"])
    return f"{place or 'the message'}: {first['msg']}"


def _short(text: str) -> str:
    """Return a text that is too short to be a token; otherwise an ellipsis."""
    return text if len(text) <= _LONGEST_NAME else "…"
