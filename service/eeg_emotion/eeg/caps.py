"""Caps with numbered sockets: which electrode each number stands for.

Some headsets send numbers as labels. Which electrode a number means depends on the cap, so the user
has to name the cap: it is never inferred from a channel's position in the stream.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from eeg_emotion.eeg import montage
from eeg_emotion.errors import EegEmotionError

_BANK = 32  # BioSemi's amplifiers number 32 electrodes under each letter
_LETTERED = re.compile(r"(?P<letter>[a-d])[ _-]?0*(?P<number>[1-9]\d?)")
_NUMBERED = re.compile(
    r"(?:(?P<family>e|chan|electrode|eeg|(?:eeg[ _-]?)?ch(?:annel)?|exg[ _-]?channel)"
    r"[ _#-]*)?(?P<number>\d{1,3})"
)


class CapError(EegEmotionError):
    """A cap is not known."""


@dataclass(frozen=True, slots=True)
class Cap:
    """A cap with numbered sockets.

    Attributes
    ----------
    name
        The cap's name in settings and messages.
    sites
        The electrodes' names in the order of their numbers.
    """

    name: str
    sites: tuple[str, ...]

    def site(self, label: str) -> str | None:
        """Return the electrode of one label; None if the label is not a number of this cap.

        Numbers count from 1, BrainFlow's ``EXG Channel`` from 0; ``B1`` is BioSemi's number 33.
        """
        parsed = _parse(label)
        return None if parsed is None else self._at(*parsed, zero=False)

    def resolve(self, labels: Sequence[str]) -> tuple[str | None, ...]:
        """Return the electrode of each label of one stream.

        Only the numbering scheme that most labels share counts, so that the earlobes ``A1`` and
        ``A2`` next to ``Ch1`` to ``Ch32`` are not numbers. A scheme that contains a 0, such as
        ANT's, counts from 0.
        """
        parsed = [_parse(label) for label in labels]
        families = Counter(found[0] for found in parsed if found is not None)
        if not families:
            return (None,) * len(labels)
        ((family, _),) = families.most_common(1)
        zero = (family, 0) in parsed
        return tuple(
            self._at(*found, zero=zero) if found is not None and found[0] == family else None
            for found in parsed
        )

    def _at(self, family: str, number: int, *, zero: bool) -> str | None:
        index = number if zero or family == "exgchannel" else number - 1
        return self.sites[index] if 0 <= index < len(self.sites) else None


CAPS: dict[str, Cap] = {
    cap.name: cap
    for cap in (
        Cap(
            "biosemi32",
            (
                *("Fp1", "AF3", "F7", "F3", "FC1", "FC5", "T7", "C3", "CP1", "CP5", "P7", "P3"),
                *("Pz", "PO3", "O1", "Oz", "O2", "PO4", "P4", "P8", "CP6", "CP2", "C4", "T8"),
                *("FC6", "FC2", "F4", "F8", "AF4", "Fp2", "Fz", "Cz"),
            ),
        ),
        Cap(
            "biosemi64",
            (
                *("Fp1", "AF7", "AF3", "F1", "F3", "F5", "F7", "FT7", "FC5", "FC3", "FC1", "C1"),
                *("C3", "C5", "T7", "TP7", "CP5", "CP3", "CP1", "P1", "P3", "P5", "P7", "P9"),
                *("PO7", "PO3", "O1", "Iz", "Oz", "POz", "Pz", "CPz", "Fpz", "Fp2", "AF8", "AF4"),
                *("AFz", "Fz", "F2", "F4", "F6", "F8", "FT8", "FC6", "FC4", "FC2", "FCz", "Cz"),
                *("C2", "C4", "C6", "T8", "TP8", "CP6", "CP4", "CP2", "P2", "P4", "P6", "P8"),
                *("P10", "PO8", "PO4", "O2"),
            ),
        ),
        # The Ultracortex Mark IV with Cyton and Daisy, wired as in OpenBCI's guide.
        Cap(
            "openbci16",
            (
                *("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2"),
                *("F7", "F8", "F3", "F4", "T7", "T8", "P3", "P4"),
            ),
        ),
    )
}
"""The numbered caps that have a name."""


def cap_named(text: str) -> Cap:
    """Return a cap from its name in `CAPS`, or from electrodes in the order of their numbers.

    Parameters
    ----------
    text
        ``biosemi32``, or names separated by commas as in ``Fp1,Fp2,C3,C4``. A socket without a
        scalp electrode has a name too, such as ``ECG``.

    Raises
    ------
    CapError
        If it is neither, or a name occurs twice.
    """
    if (known := CAPS.get(text.strip().lower())) is not None:
        return known
    sites = tuple(site.strip() for site in text.split(","))
    keys = [montage.normalise_label(site) for site in sites]
    scalp = {montage.normalise_label(name) for name in montage.places()}
    if len(sites) < 2 or not all(keys) or len(set(keys)) < len(keys) or not scalp & set(keys):
        raise CapError(
            f"found the cap {text!r}, expected one of {', '.join(CAPS)}, or two or more different "
            "electrodes by their 10-20 names in the order of the cap's numbers, such as "
            "Fp1,Fp2,C3,C4"
        )
    return Cap("custom", sites)


def are_numbered(labels: Sequence[str]) -> bool:
    """Return whether at least half of a stream's labels are numbers, not electrodes."""
    # C3 could be BioSemi's socket 67, but without a cap it is the electrode.
    named = {
        montage.normalise_label(name) for name in (*montage.places(), *CAPS["biosemi64"].sites)
    }
    numbered = [
        label
        for label in labels
        if _parse(label) is not None and montage.normalise_label(label) not in named
    ]
    return bool(labels) and 2 * len(numbered) >= len(labels)


def _parse(label: str) -> tuple[str, int] | None:
    """Return a label's numbering scheme and number."""
    text = label.strip().lower()
    if lettered := _LETTERED.fullmatch(text):
        number = int(lettered["number"])
        if number > _BANK:
            return None
        return "letter", "abcd".index(lettered["letter"]) * _BANK + number
    if numbered := _NUMBERED.fullmatch(text):
        return re.sub(r"[ _-]", "", numbered["family"] or ""), int(numbered["number"])
    return None
