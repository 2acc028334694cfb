"""Deliberate faults, as text: what a replayed headset does wrong, and when.

``drop 2s @10; swap-channels @30; nan Fp1,Fp2 5s @40`` are three. Times are seconds of signal since
the replay began, by the stamps; `eeg_emotion.replay.injector` injects the faults.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from eeg_emotion.eeg.montage import normalise_label
from eeg_emotion.eeg.units import microvolts_per
from eeg_emotion.errors import EegEmotionError

TOLERANCE_SECONDS = 1e-6
"""Sample times are sums of doubles: this is far above their rounding errors, far below a period."""


class FaultError(EegEmotionError):
    """A fault cannot be parsed, or cannot happen to this recording at this time."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at one moment.

    Attributes
    ----------
    at
        Seconds of signal since the replay began.
    text
        The fault as written by the user, for messages.
    """

    at: float
    text: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class PassingFault(Fault):
    """A fault that lasts for some seconds; infinite if it does not end."""

    seconds: float

    @property
    def end(self) -> float:
        """When it ends."""
        return self.at + self.seconds


@dataclass(frozen=True, slots=True)
class Drop(PassingFault):
    """Samples are not sent while time goes on: the stamps show a gap."""


@dataclass(frozen=True, slots=True)
class Freeze(PassingFault):
    """Nothing is sent, then everything held back is sent at once, with its true stamps."""


@dataclass(frozen=True, slots=True)
class Kill(PassingFault):
    """The outlet closes immediately; the same stream returns after `seconds`, if finite."""


@dataclass(frozen=True, slots=True)
class SwapChannels(Fault):
    """The headset reconnects with its channels in a different order, correctly labelled."""


@dataclass(frozen=True, slots=True)
class Volts(Fault):
    """The samples change to volts; unless silently, after a reconnection that states it."""

    silently: bool


@dataclass(frozen=True, slots=True)
class Rate(Fault):
    """The rate changes to `sfreq` Hz; unless silently, after a reconnection that states it."""

    sfreq: float
    silently: bool


@dataclass(frozen=True, slots=True)
class ChannelFault(PassingFault):
    """A fault on some channels for some time.

    Attributes
    ----------
    labels
        Channels as normalised by `normalise_label`; None for all.
    """

    labels: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Nan(ChannelFault):
    """The channels' samples are NaN."""


@dataclass(frozen=True, slots=True)
class Flat(ChannelFault):
    """The channels keep their last value."""


@dataclass(frozen=True, slots=True)
class LineNoise(ChannelFault):
    """A sine of this peak amplitude and frequency is added."""

    microvolts: float
    hertz: float


@dataclass(frozen=True, slots=True)
class ClockJump(Fault):
    """All stamps from here on are shifted by `shift` seconds."""

    shift: float


@dataclass(frozen=True, slots=True)
class UnixTime(Fault):
    """All stamps from here on are in Unix time, as in muse-lsl."""


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Parse faults, and return them in order of time.

    Parameters
    ----------
    text
        Items ``VERB ... @SECONDS``, separated by ``;`` or newlines; ``#`` starts a comment.

    Raises
    ------
    FaultError
        If an item does not have the form of any verb.
    """
    lines = (line.partition("#")[0] for line in text.splitlines())
    items = (" ".join(item.split()) for line in lines for item in line.split(";"))
    return tuple(sorted((_parse(item) for item in items if item), key=lambda fault: fault.at))


def read_faults(file: Path) -> tuple[Fault, ...]:
    """Read faults from a text file.

    Raises
    ------
    FaultError
        If the file cannot be read, or `parse_faults` refuses its text.
    """
    try:
        return parse_faults(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise FaultError(
            f"{file}: found no readable text ({error}), expected faults such as 'drop 2s @10', one "
            "a line; check the path and that it is UTF-8"
        ) from error


_NUMBER = r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
_TIME = rf"{_NUMBER} ?(?:ms|s)"
_SECONDS = rf"(?P<seconds>{_TIME})"
# A label begins with a letter; anything that begins with a digit is a duration.
_LABELS = r"(?P<labels>[^\W\d].*?)"

_Parts = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class _Verb:
    """The syntax of a fault: its form for people, the pattern after the verb, its constructor."""

    form: str
    pattern: str
    make: Callable[[float, str, _Parts], Fault]


_VERBS = {
    "drop": _Verb(
        "drop 2s", f" {_SECONDS}", lambda at, text, parts: Drop(at, text, _duration(parts))
    ),
    "freeze": _Verb(
        "freeze 5s", f" {_SECONDS}", lambda at, text, parts: Freeze(at, text, _duration(parts))
    ),
    "kill": _Verb(
        "kill [5s]", f"( {_SECONDS})?", lambda at, text, parts: Kill(at, text, _duration(parts))
    ),
    "swap-channels": _Verb("swap-channels", "", lambda at, text, parts: SwapChannels(at, text)),
    "volts": _Verb(
        "volts [silently]",
        "(?P<silently> silently)?",
        lambda at, text, parts: Volts(at, text, parts["silently"] is not None),
    ),
    "rate": _Verb(
        "rate 250[Hz] [silently]",
        rf" (?P<hertz>{_NUMBER})(?: ?Hz)?(?P<silently> silently)?",
        lambda at, text, parts: Rate(
            at, text, float(parts["hertz"] or 0), parts["silently"] is not None
        ),
    ),
    "nan": _Verb(
        "nan Fp1[,Fp2]|all [3s]",
        rf" {_LABELS}(?: {_SECONDS})?",
        lambda at, text, parts: Nan(at, text, _duration(parts), _labels(parts)),
    ),
    "flat": _Verb(
        "flat Fp1[,Fp2]|all [3s]",
        rf" {_LABELS}(?: {_SECONDS})?",
        lambda at, text, parts: Flat(at, text, _duration(parts), _labels(parts)),
    ),
    "line-noise": _Verb(
        "line-noise 60uV [50Hz] [Fp1[,Fp2]|all] [3s]",
        rf" (?P<amplitude>{_NUMBER}) ?(?P<unit>[uµμ]V|mV)(?: (?P<hertz>{_NUMBER}) ?Hz)?"
        rf"(?: {_LABELS})?(?: {_SECONDS})?",
        lambda at, text, parts: LineNoise(
            at,
            text,
            _duration(parts),
            _labels(parts),
            float(parts["amplitude"] or 0) * (microvolts_per(parts["unit"] or "") or 1.0),
            float(parts["hertz"] or 50),
        ),
    ),
    "clock-jump": _Verb(
        "clock-jump -30s",
        rf" (?P<sign>[+-])(?P<shift>{_TIME})",
        lambda at, text, parts: ClockJump(
            at, text, _seconds(parts["shift"] or "") * (-1 if parts["sign"] == "-" else 1)
        ),
    ),
    "unix-time": _Verb("unix-time", "", lambda at, text, parts: UnixTime(at, text)),
}


def _parse(item: str) -> Fault:
    what, at_sign, when = (part.strip() for part in item.rpartition("@"))
    if not at_sign:
        raise FaultError(
            f"fault {item!r}: found no time, expected one at its end; write '{item} @10' for 10 s "
            "after the start of the replay"
        )
    if not re.fullmatch(rf"{_NUMBER}(?: ?(?:ms|s))?", when):
        raise FaultError(
            f"fault {item!r}: found the time {when!r}, expected seconds since the start of the "
            "replay; write @10, @2.5s or @500ms"
        )
    name = what.partition(" ")[0].lower()
    verb = _VERBS.get(name)
    if verb is None:
        forms = "; ".join(known.form for known in _VERBS.values())
        raise FaultError(
            f"fault {item!r}: found the verb {name!r}, expected one of: {forms}; each with @SECONDS"
        )
    match = re.fullmatch(verb.pattern, what[len(name) :], re.IGNORECASE)
    if match is None:
        raise FaultError(
            f"fault {item!r}: found {what!r}, expected the form: {verb.form}; times are in s or ms"
        )
    parts: _Parts = match.groupdict()
    for part in ("seconds", "hertz", "amplitude", "shift"):
        number = parts.get(part)
        if number is not None and not re.search(r"[1-9]", number):
            raise FaultError(
                f"fault {item!r}: found {number}, expected more than 0; leave the fault out if "
                "nothing should happen"
            )
    return verb.make(_seconds(when), item, parts)


def _seconds(text: str) -> float:
    if text.lower().endswith("ms"):
        return float(text[:-2]) / 1000
    return float(text.rstrip("sS"))


def _duration(parts: _Parts) -> float:
    """Return the stated duration in seconds; infinite if there is none."""
    seconds = parts["seconds"]
    return inf if seconds is None else _seconds(seconds)


def _labels(parts: _Parts) -> tuple[str, ...] | None:
    """Return the named channels; None for all of them."""
    text = parts["labels"]
    if text is None or text.lower() == "all":
        return None
    return tuple(normalise_label(label) for label in text.split(",") if label.strip())
