"""What transfers do to binary files: told from the bytes, and never suspected in intact ones."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.recordings.damage import check_transfer, foreign_content, text_damage
from eeg_emotion.recordings.recording import RecordingError


def eeg(kind: str, seconds: int = 60) -> bytes:
    """A slow and a fast wave, as samples of one kind."""
    rng = np.random.default_rng(5)
    wave = np.cumsum(rng.normal(0.0, 20.0, (8, seconds * 128)), axis=1) % 9000 - 4500
    wave += rng.normal(0.0, 50.0, wave.shape)
    if kind == "24 bits":
        return np.round(wave * 32).T.astype("<i4").tobytes().replace(b"", b"")[: 3 * 50_000]
    return (wave.T.astype(kind)).tobytes()


KINDS = ["<i2", "<f4", "<f8", "<i4", "24 bits"]


def as_array(content: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(content, np.uint8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("carriage return before every", lambda b: b.replace(b"\n", b"\r\n")),
        ("UTF-8", lambda b: b.decode("latin-1").encode()),
        ("UTF-8", lambda b: b.decode("utf-8", errors="replace").encode()),
        ("eighth bit", lambda b: bytes(byte & 127 for byte in b)),
        ("no line feed", lambda b: b.replace(b"\n", b"\r")),
        ("no carriage return", lambda b: b.replace(b"\r", b"")),
        ("no carriage return", lambda b: b.replace(b"\r\n", b"\n").replace(b"\r", b"\n")),
    ],
)
def test_what_a_text_mode_has_changed_is_named(kind: str, name: str, change: object) -> None:
    assert callable(change)
    content = eeg(kind)
    assert text_damage(as_array(content)) is None
    damage = text_damage(as_array(change(content)))
    assert damage is not None
    assert name in damage


def test_line_feeds_that_had_carriage_returns_are_missed_where_they_were_many() -> None:
    content = np.random.default_rng(1).bytes(3_000_000)
    assert text_damage(as_array(content)) is None
    damage = text_damage(as_array(content.replace(b"\r\n", b"\n")))
    assert damage == "no carriage return before any line feed"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes(100_000), id="zeros"),
        pytest.param(b"Header=1\r\nCodepage=UTF-8\r\n" * 100, id="text of Windows"),
        pytest.param("Müller, µV\n".encode() * 100, id="text of UTF-8"),
        pytest.param(b"<?xml?>\r\n<a>\r\n</a>\r\n" * 4 + bytes(5000), id="header and zeros"),
        pytest.param(np.arange(5000).astype("<i2").tobytes(), id="a ramp"),
        pytest.param((np.arange(50_000) % 2048 * 16).astype("<i2").tobytes(), id="12 bits"),
        pytest.param(np.full(9000, 2570, "<i2").tobytes(), id="one value of two line feeds"),
        pytest.param(np.full(9000, 2573, "<i2").tobytes()[:40], id="a few of one value"),
    ],
)
def test_intact_content_is_not_suspected(content: bytes) -> None:
    assert text_damage(as_array(content)) is None


@pytest.mark.parametrize(
    ("content", "found", "remedy"),
    [
        (b"<!DOCTYPE html><html>Sign in", "a web page", "download the file itself"),
        (b"\xef\xbb\xbf\n<HTML><head>", "a web page", "download the file itself"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS", "git lfs pull"),
        (b"/annex/objects/MD5E-s1--0.edf\n", "git-annex", "git annex get"),
        (gzip.compress(b"0       "), "gzip", "gunzip"),
        (b"PK\x03\x04....", "a ZIP archive", "unpack"),
    ],
)
def test_what_was_saved_under_a_recordings_name_is_named(
    tmp_path: Path, content: bytes, found: str, remedy: str
) -> None:
    path = tmp_path / "s01.edf"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=rf"s01\.edf: found .*{found}.* expected") as refusal:
        check_transfer(path)
    assert remedy in str(refusal.value)


def test_a_recording_that_its_reader_decompresses_is_none_of_them(tmp_path: Path) -> None:
    path = tmp_path / "lab.xdfz"
    path.write_bytes(gzip.compress(eeg("<i2")))
    check_transfer(path, compressed=True)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(RecordingError, match="a carriage return before every line feed"):
        check_transfer(path, compressed=True)


def test_an_xml_recording_is_no_web_page() -> None:
    assert foreign_content(b'<?xml version="1.0"?><recording>') is None
    assert foreign_content(io.BytesIO(b"0       X X X X").read()) is None


def test_the_remedy_restores_the_file(tmp_path: Path) -> None:
    path, content = tmp_path / "a.eeg", eeg("<i2")
    path.write_bytes(content.replace(b"\n", b"\r\n"))
    with pytest.raises(RecordingError, match=r"fetch it again .* binary mode"):
        check_transfer(path)
    path.write_bytes(content)
    check_transfer(path)
