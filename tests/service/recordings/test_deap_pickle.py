from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.recordings.deap_pickle import (
    UnsafePickleError,
    read_pickle,
    write_python2_pickle,
)
from eeg_emotion.recordings.recording import RecordingError

ARRAYS = {
    "labels": np.array([[7.71, 7.60, 6.90, 7.83]]),
    "data": np.random.default_rng(3).normal(size=(2, 3, 500)),
}


def python2_bytes() -> bytes:
    file = io.BytesIO()
    write_python2_pickle(file, ARRAYS)
    return file.getvalue()


def assert_arrays(found: Mapping[str, NDArray[Any]]) -> None:
    assert found.keys() == ARRAYS.keys()
    for key, expected in ARRAYS.items():
        assert found[key].dtype == np.float64
        np.testing.assert_array_equal(found[key], expected)


def test_python_2_pickle_is_read_back() -> None:
    assert_arrays(read_pickle(io.BytesIO(python2_bytes()), "s01.dat"))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_python_3_pickle_is_read(protocol: int) -> None:
    file = io.BytesIO(pickle.dumps(ARRAYS, protocol=protocol))
    assert_arrays(read_pickle(file, "s01.dat"))


def test_written_pickle_is_one_that_other_programs_read() -> None:
    with warnings.catch_warnings():
        # NumPy dislikes the integer flags that Python 2 stored in every dtype.
        warnings.simplefilter("ignore")
        assert_arrays(pickle.loads(python2_bytes(), encoding="latin1"))


@pytest.mark.parametrize(
    ("symbol", "before_call"),
    [
        ("os.system", b"cos\nsystem\n(S'touch %s'\ntR."),
        ("posix.system", b"cposix\nsystem\n(S'touch %s'\ntR."),
        ("__builtin__.eval", b'c__builtin__\neval\n(S\'open("%s", "w")\'\ntR.'),
        ("numpy.load", b"cnumpy\nload\n(S'%s'\ntR."),
    ],
)
def test_hostile_pickle_is_refused_by_name_and_not_executed(
    tmp_path: Path, symbol: str, before_call: bytes
) -> None:
    trace = tmp_path / "executed"
    hostile = before_call % str(trace).encode()
    with pytest.raises(UnsafePickleError, match=symbol.replace(".", r"\.")):
        read_pickle(io.BytesIO(hostile), "s01.dat")
    assert not trace.exists()


def test_hostile_example_would_execute_in_a_plain_reader(tmp_path: Path) -> None:
    """Without this, the refusal above could be that of a pickle that does nothing."""
    trace = tmp_path / "executed"
    pickle.loads(b"cos\nsystem\n(S'touch %s'\ntR." % str(trace).encode())
    assert trace.exists()


def test_unknown_codec_is_not_imported() -> None:
    stored = pickle.dumps(ARRAYS, protocol=2).replace(b"latin1", b"idna__")
    with pytest.raises(RecordingError, match="idna__"):
        read_pickle(io.BytesIO(stored), "s01.dat")


def test_numpys_own_dtypes_cannot_be_altered() -> None:
    """A BUILD on a shared dtype would turn every float64 of the process around."""
    altering = (
        b"\x80\x02}(U\x01acnumpy\ndtype\nU\x02f8K\x00K\x00\x87R"
        b"(K\x03U\x01>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbu."
    )
    with pytest.raises(RecordingError):
        read_pickle(io.BytesIO(altering), "s01.dat")
    assert np.dtype("f8").isnative


@pytest.mark.parametrize("kept", [0, 1, 100, 2000, -1])
def test_truncated_pickle_is_refused(kept: int) -> None:
    with pytest.raises(RecordingError, match=r"s01\.dat.*truncated: copy it again"):
        read_pickle(io.BytesIO(python2_bytes()[:kept]), "s01.dat")


@pytest.mark.parametrize("content", [b"\x89HDF\r\n", b"PK\x03\x04", b"plain text\n", bytes(64)])
def test_file_that_is_no_pickle_is_refused(content: bytes) -> None:
    with pytest.raises(RecordingError, match="not a complete pickle"):
        read_pickle(io.BytesIO(content), "s01.dat")


@pytest.mark.parametrize("content", [[1, 2], {"data": "text"}, {1: np.zeros(2)}])
def test_pickle_of_something_else_is_refused(content: object) -> None:
    with pytest.raises(RecordingError, match="expected DEAP's dict of two arrays"):
        read_pickle(io.BytesIO(pickle.dumps(content, protocol=2)), "s01.dat")


def test_size_is_that_of_deaps_files(deap_file: Path) -> None:
    samples = 40 * 40 * 8064 * 8
    assert samples < deap_file.stat().st_size < samples + 2000


ND, DTYPE = b"cnumpy\nndarray\n", b"cnumpy\ndtype\n"


def coded(code: bytes) -> bytes:
    return DTYPE + b"U" + bytes([len(code)]) + code + b"K\x00K\x01\x87R"


OBJECTS = (
    ND
    + b"K\x01\x85"
    + coded(b"O")
    + b"c_codecs\nencode\nX\x08\x00\x00\x00AAAAAAAAU\x06latin1\x86R\x87R"
)


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(b"\x80\x02" + OBJECTS + b".", id="an object at an address of the file's"),
        pytest.param(b"\x80\x02" + ND + OBJECTS + b"\x85R.", id="such an object as a shape"),
        pytest.param(b"\x80\x02}" + OBJECTS + b"K\x01s.", id="such an object as a key"),
        pytest.param(b"\x80\x02Nr\x00\x00\x00\x10.", id="a memo of 2**28 places"),
        pytest.param(b"(dS'data'\ncnumpy\nndarray\n((I17592186044416\nttRs.", id="a huge array"),
        pytest.param(b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b".", id="huge bytes"),
        pytest.param(b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".", id="a huge bytearray"),
        pytest.param(b"\x80\x02X\xff\xff\xff\x7f.", id="a huge text"),
        pytest.param(b"\x80\x02" + b"N" * 20_000 + b".", id="many instructions"),
        pytest.param(b"\x80\x02" + coded(b"(9999,9999,9999)f8") + b".", id="a huge type"),
        pytest.param(b"\x80\x02" + ND + b"}U\x04evilK\x01sb.", id="an attribute of NumPy's class"),
        pytest.param(b"\x80\x02" + ND + b"K\x05\x85\x85\x81.", id="NEWOBJ of an array"),
        pytest.param(b"(S'x'\nios\nsystem\n.", id="INST"),
        pytest.param(b"\x80\x02\x82\x01.", id="an extension"),
        pytest.param(b"Pabc\n.", id="a persistent id"),
        pytest.param(b"\x80\x05\x97.", id="a buffer from elsewhere"),
    ],
)
def test_nothing_that_a_pickle_states_is_called_or_reserved(hostile: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(RecordingError, match=r"s01\.dat: found .* expected DEAP's dict"):
            read_pickle(io.BytesIO(hostile), "s01.dat")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.asfortranarray(ARRAYS["data"]), id="by column"),
        pytest.param(ARRAYS["data"].astype("<f4"), id="f4"),
        pytest.param(ARRAYS["data"].astype(">f8"), id="other byte order"),
        pytest.param(np.arange(6).reshape(2, 3), id="i8"),
        pytest.param(ARRAYS["data"][:, ::2], id="a part"),
    ],
)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_array_of_any_protocol_and_layout_is_read(array: NDArray[Any], protocol: int) -> None:
    stored = io.BytesIO(pickle.dumps({"data": array}, protocol=protocol))
    found = read_pickle(stored, "s01.dat")["data"]
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_text_of_python_2s_first_protocol_is_read() -> None:
    """`pickle.dump` of Python 2 without a protocol: bytes as an escaped text."""
    values = np.array([1.5, -2.5])
    escaped = "".join(f"\\x{byte:02x}" for byte in values.tobytes()).encode()
    stored = (
        b"(dS'data'\ncnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        b"(I1\n(I2\ntcnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
        b"I00\nS'" + escaped + b"'\ntbs."
    )
    np.testing.assert_array_equal(read_pickle(io.BytesIO(stored), "s01.dat")["data"], values)


def test_line_ends_of_a_transfer_as_text_are_named() -> None:
    stored = python2_bytes().replace(b"\n", b"\r\n")
    with pytest.raises(RecordingError, match="carriage returns from a transfer as text"):
        read_pickle(io.BytesIO(stored), "s01.dat")
