"""Types of streams, as compared here and by liblsl."""

from __future__ import annotations

import uuid

import pylsl
import pytest

from eeg_emotion.lsl.stream_types import is_of_type, predicate
from eeg_emotion.settings import SettingsError, load_settings


@pytest.mark.parametrize(
    ("found", "wanted", "is_one"),
    [
        ("eeg", ("EEG",), True),
        ("Eeg", ("EEG",), True),
        ("EEG ", ("EEG",), False),
        ("signal", ("EEG",), False),
        ("SIGNAL", ("EXG", "signal"), True),
        ("экг", ("экг",), True),
        ("", ("EEG",), False),
    ],
)
def test_a_type_is_compared_without_case(
    found: str, wanted: tuple[str, ...], is_one: bool, lsl_session: str
) -> None:
    assert is_of_type(found, wanted) is is_one
    own = uuid.uuid4().hex
    outlets = [
        pylsl.StreamOutlet(pylsl.StreamInfo("Cap", kind, 1, 128.0, "float32", f"{own}-{number}"))
        for number, kind in enumerate((found, wanted[0]))
    ]
    query = f"starts-with(source_id,'{own}') and {predicate(wanted)}"
    seen = {info.source_id() for info in pylsl.resolve_bypred(query, 1 + is_one, timeout=60)}
    assert seen == {f"{own}-{number}" for number in range(0 if is_one else 1, 2)}
    del outlets


@pytest.mark.parametrize(
    ("value", "words"),
    [("markers", "markers are read anyway"), ("a'b", "without quotes"), ("", "1 to 64 characters")],
)
def test_a_type_that_cannot_be_a_headsets_is_refused(value: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load_settings(stream_type=(value,))
