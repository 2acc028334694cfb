"""DEAP's `.dat` files: Python 2 pickles, read without executing anything, and written identically.

A pickle may name any function and have it called. The reader here knows four names, maps each to a
function that can do only one thing, and refuses every other name.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Mapping
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.recordings.recording import RecordingError

# What reading a broken pickle raises, depending on where it is broken.
_BROKEN = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    TypeError,
    ValueError,
    struct.error,
)
_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")


class UnsafePickleError(RecordingError):
    """A `.dat` file names something other than NumPy arrays; it was not executed."""


def read_pickle(file: BinaryIO, name: str) -> dict[str, NDArray[np.generic]]:
    """Read a dictionary of arrays from a pickle; raise `RecordingError` for anything else.

    Parameters
    ----------
    file
        The open file.
    name
        The file's name, for the message.
    """
    try:
        content = _ArrayUnpickler(file, name).load()
    except UnsafePickleError:
        raise
    except _BROKEN as error:
        raise RecordingError(
            f"{name}: found something that is not a complete pickle ({error}), expected DEAP's "
            "dict of two arrays; the file is damaged or truncated: copy it again"
        ) from error
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(value, np.ndarray) for key, value in content.items()
    ):
        raise RecordingError(
            f"{name}: found a pickled {type(content).__name__}, expected DEAP's dict of two "
            "arrays; name a file of data_preprocessed_python"
        )
    return content


def write_python2_pickle(file: BinaryIO, arrays: Mapping[str, NDArray[np.float64]]) -> None:
    """Write a dictionary of float64 arrays, byte for byte as Python 2's protocol 2 would.

    Python 3's own protocol 2 stores bytes as UTF-8 text, 50 % larger than DEAP's files.
    """
    file.write(b"\x80\x02}(")
    for name, array in arrays.items():
        values = np.ascontiguousarray(array, dtype="<f8")
        file.write(_short_string(name.encode("ascii")))
        file.write(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n")
        file.write(b"K\x00\x85" + _short_string(b"b") + b"\x87R")
        shape = b"".join(b"J" + struct.pack("<i", length) for length in values.shape)
        file.write(b"(K\x01(" + shape + b"t")
        file.write(b"cnumpy\ndtype\n" + _short_string(b"f8") + b"K\x00K\x01\x87R")
        file.write(b"(K\x03" + _short_string(b"<") + b"NNN" + 2 * b"J\xff\xff\xff\xff" + b"K\x00tb")
        file.write(b"\x89T" + struct.pack("<i", values.nbytes))
        file.write(values.data)
        file.write(b"tb")
    file.write(b"u.")


def _short_string(text: bytes) -> bytes:
    return b"U" + bytes([len(text)]) + text


def _encode(text: str, encoding: str) -> bytes:
    # `codecs.encode` would import any codec that the file names; Python 3 only writes this one.
    if encoding != "latin1":
        raise ValueError(f"bytes stored as {encoding!r} text")
    return text.encode("latin1")


def _dtype(code: str, _align: object = False, _copy: object = True) -> np.dtype[np.generic]:
    # Always a copy: the next instruction modifies it, and NumPy's own must not change. Python 2
    # stored the two flags as the integers 0 and 1, which NumPy no longer accepts.
    return np.dtype(code, copy=True)


def _reconstruct(kind: type, shape: object, code: object) -> NDArray[np.generic]:
    # NumPy's own function creates an empty array, which the pickle's next instruction fills.
    if kind is not np.ndarray or shape != (0,):
        raise ValueError(f"an array begun as {kind!r} of shape {shape!r}")
    return np.ndarray((0,), dtype=np.int8)


class _ArrayUnpickler(pickle.Unpickler):
    _known: Mapping[tuple[str, str], Callable[..., object]] = {
        **{(module, "_reconstruct"): _reconstruct for module in _NUMPY},
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): _dtype,
        ("_codecs", "encode"): _encode,
    }

    def __init__(self, file: BinaryIO, name: str) -> None:
        super().__init__(file, encoding="latin1")
        self._name = name

    def find_class(self, module: str, name: str) -> Callable[..., object]:
        try:
            return self._known[module, name]
        except KeyError:
            raise UnsafePickleError(
                f"{self._name}: found a pickle that names {module}.{name}, expected NumPy arrays "
                "and nothing else; nothing was executed. Do not open this file with another "
                "program; get DEAP from a source you trust"
            ) from None
