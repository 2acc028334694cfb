from __future__ import annotations

import pytest

from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.stream.selection import HeadsetFilter


@pytest.mark.parametrize(
    ("patterns", "followed"),
    [
        ((), True),
        (("ward-3-muse",), True),
        (("ward-*",), True),
        (("Ward-*",), True),  # the user need not know how an id is spelled
        (("muse 2",), True),
        (("MUSE*",), True),
        (("*[12]",), True),
        (("ward-?-muse",), True),
        (("icu-*", "*muse*"), True),
        (("icu-*",), False),
        (("ward",), False),  # the whole of it, not a part
        (("ward-??-muse",), False),
    ],
)
def test_a_headset_is_followed_by_its_id_or_its_name(
    patterns: tuple[str, ...], followed: bool
) -> None:
    assert HeadsetFilter(match=patterns).follows("ward-3-muse", "Muse 2") is followed


def test_without_settings_all_are_followed_and_judged_by_the_defaults() -> None:
    headset_filter = HeadsetFilter()
    assert headset_filter.follows("", "")
    assert (headset_filter.cap, headset_filter.limits) == (None, QualityLimits())
