"""Slugs are safe, distinct, and unchanged where nothing is lost."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eeg_emotion.cluster.subjects import NAME_PATTERN
from eeg_emotion.recordings.file_reading import source_id
from eeg_emotion.slug import LONGEST, slug


@pytest.mark.parametrize("text", ["cap-1", "0", "simulated-2026-7", "a" * LONGEST])
def test_a_text_that_is_a_slug_is_its_own(text: str) -> None:
    assert slug(text, "headset") == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("脑电一", "脑电二"),
        ("Кап-1", "Шлем-1"),
        ("Cap-1", "cap-1"),
        ("cap_1", "cap-1"),
        ("cap--1", "cap-1"),
        ("cap-1 ", "cap-1"),
        ("a" * 65, "a" * 66),
        ("x" * 5000 + "1", "x" * 5000 + "2"),
        ("", "headset"),
        # One name to the eye, in two spellings, and two letters that are one in lower case.
        (unicodedata.normalize("NFC", "é1"), unicodedata.normalize("NFD", "é1")),
        ("\N{KELVIN SIGN}1", "k1"),
    ],
)
def test_texts_that_lose_something_stay_distinct(one: str, other: str) -> None:
    assert slug(one, "headset") != slug(other, "headset")


@given(st.text(st.characters(), max_size=200))
def test_a_slug_is_safe_in_addresses_and_subjects_and_stays_the_same(text: str) -> None:
    found = slug(text, "headset")
    assert re.fullmatch(NAME_PATTERN, found)
    assert len(found) <= LONGEST
    assert slug(found, "headset") == found


@pytest.mark.parametrize(
    ("one", "other"),
    [("脑电1.edf", "脑电一1.edf"), ("S01.edf", "s01.edf"), ("a.b.edf", "a-b.edf")],
)
def test_recordings_of_other_names_are_other_headsets(one: str, other: str) -> None:
    assert source_id(Path(one)) != source_id(Path(other))


def test_a_plain_file_name_keeps_its_source_id() -> None:
    assert source_id(Path("films/p04.edf")) == "p04-edf"
