"""DEAP's `.dat` files: pickles of two arrays, read without pickle, and written as Python 2 does.

A pickle is a program for a small stack machine that may name any function and have it called. The
reader here is such a machine that can only build what a dictionary of arrays consists of: names are
inert, nothing is called with what the file says, and sizes are checked against the bytes that are
there.
"""

from __future__ import annotations

import codecs
import math
import pickletools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.recordings.recording import RecordingError

_MOST_STEPS = 10_000  # DEAP's files take some sixty
_MOST_BYTES = 2**30  # DEAP's have 103 MB; written as text they grow fourfold

# Names that stand for something here, by what it is. NumPy 2 has moved its modules.
_NAMES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "ndarray": (("numpy", "ndarray"),),
    "dtype": (("numpy", "dtype"),),
    "reconstruct": (
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
    ),
    "frombuffer": (
        ("numpy.core.numeric", "_frombuffer"),
        ("numpy._core.numeric", "_frombuffer"),
    ),
    "encode": (("_codecs", "encode"),),
}
_KNOWN = {name: kind for kind, names in _NAMES.items() for name in names}
_TYPES = ("f8", "f4", "i8", "i4")


class UnsafePickleError(RecordingError):
    """A `.dat` file names something other than NumPy arrays; it was not executed."""


_BROKEN = (ValueError, IndexError, KeyError, OverflowError, TypeError, struct.error)


class _BrokenError(ValueError):
    """The pickle is not one of a dictionary of arrays."""


@dataclass(frozen=True, slots=True)
class _Name:
    """A known name; it does nothing."""

    kind: str


@dataclass(slots=True)
class _Type:
    """A data type: its code, and its byte order once that is stated."""

    code: str
    order: str = "<"

    def dtype(self) -> np.dtype[np.generic]:
        return np.dtype(self.order + self.code)


@dataclass(slots=True)
class _Array:
    """An array; its values are None until they are stated."""

    values: NDArray[np.generic] | None = None


class _Mark:
    """Where the items of a tuple or of a dictionary begin."""


_MARK = _Mark()


def read_pickle(file: BinaryIO, name: str) -> dict[str, NDArray[np.generic]]:
    """Read a dictionary of arrays from a pickle of any protocol, without executing anything.

    Parameters
    ----------
    file
        The open file.
    name
        The file's name, for the message.

    Returns
    -------
    dict[str, NDArray[np.generic]]
        Arrays of 32 or 64 bit floats or integers.

    Raises
    ------
    UnsafePickleError
        If it names anything but what such arrays consist of.
    RecordingError
        If it is not a complete pickle, or one of something else.
    """
    file.seek(0, 2)
    size = file.tell()
    file.seek(0)
    if size > _MOST_BYTES:
        raise RecordingError(
            f"{name}: found {size} bytes, expected at most {_MOST_BYTES}: DEAP's files have 103 "
            "million; name a file of data_preprocessed_python"
        )
    try:
        content = _Machine(_Clipped(file, size), name).run()
    # What the bytes of a broken pickle lead to, depending on where it is broken.
    except _BROKEN as error:
        raise RecordingError(
            f"{name}: found something that is not a complete pickle ({error}), expected DEAP's "
            "dict of two arrays; the file is damaged or truncated: copy it again"
        ) from error
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(value, _Array) and value.values is not None
        for key, value in content.items()
    ):
        kind = type(content).__name__.removeprefix("_").lower()
        raise RecordingError(
            f"{name}: found a pickled {kind}, expected DEAP's dict of two "
            "arrays; name a file of data_preprocessed_python"
        )
    return {key: value.values for key, value in content.items() if value.values is not None}


class _Clipped:
    """Reads no more than there is, so that no stated length reserves memory."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size

    def read(self, count: int) -> bytes:
        """Read at most so many bytes."""
        return self._file.read(min(count, self._size - self._file.tell()))

    def readline(self) -> bytes:
        """Read up to the end of a line."""
        return self._file.readline()


class _Machine:
    """Runs a pickle's instructions as far as arrays need them."""

    def __init__(self, file: _Clipped, name: str) -> None:
        self._file = file
        self._name = name
        self._stack: list[object] = []
        self._memo: dict[int, object] = {}

    def run(self) -> object:
        """Return what the pickle contains."""
        for _ in range(_MOST_STEPS):
            code = self._file.read(1)
            if not code:
                raise _BrokenError("it ends before its last instruction")
            instruction = _INSTRUCTIONS.get(code)
            if instruction is None:
                raise _BrokenError(f"instruction {code!r}")
            if instruction.name == "STOP":
                return self._stack.pop()
            self._step(instruction)
        raise _BrokenError(f"more than {_MOST_STEPS} instructions")

    def _step(self, instruction: pickletools.OpcodeInfo) -> None:
        name = instruction.name
        argument: Any = None
        if name == "STRING":
            # Python 2's text form of bytes; pickletools' own reader accepts ASCII only.
            quoted = self._file.readline().strip()
            argument = codecs.escape_decode(quoted[1:-1])[0].decode("latin-1")
        elif instruction.arg is not None:
            argument = instruction.arg.reader(cast(BinaryIO, self._file))
        if name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _VALUES:
            self._stack.append(argument)
        elif name in _SILENT:
            return
        elif name == "EMPTY_DICT":
            self._stack.append({})
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            self._stack.append(self._global(argument))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            key = len(self._memo) if name == "MEMOIZE" else int(argument)
            self._memo[key] = self._stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[int(argument)])
        elif (build := _BUILDERS.get(name)) is not None:
            build(self)
        else:
            raise _BrokenError(f"instruction {name}")

    def _global(self, argument: str | None) -> _Name:
        if argument is None:
            name, module = self._stack.pop(), self._stack.pop()
        else:
            module, _, name = argument.partition(" ")
        if str(module).endswith("\r"):
            raise _BrokenError("carriage returns from a transfer as text: fetch it as binary")
        kind = _KNOWN.get((str(module), str(name)))
        if kind is None:
            raise UnsafePickleError(
                f"{self._name}: found a pickle that names {module}.{name}, expected NumPy arrays "
                "and nothing else; nothing was executed. Do not open this file with another "
                "program; get DEAP from a source you trust"
            )
        return _Name(kind)

    def _pop_mark(self) -> list[object]:
        items: list[object] = []
        while (item := self._stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def tuple_since_mark(self) -> None:
        """Make a tuple of all since the mark."""
        self._stack.append(tuple(self._pop_mark()))

    def tuple_of(self, count: int) -> None:
        """Make a tuple of the last items."""
        items = self._stack[-count:]
        if len(items) < count or any(item is _MARK for item in items):
            raise _BrokenError("a tuple without items")
        self._stack[-count:] = [tuple(items)]

    def dictionary(self) -> None:
        """Make a dictionary of all since the mark."""
        items = self._pop_mark()
        self._stack.append({})
        self._set(items)

    def set_item(self) -> None:
        """Set one key of the dictionary below it."""
        value, key = self._stack.pop(), self._stack.pop()
        self._set([key, value])

    def set_items(self) -> None:
        """Set all since the mark in the dictionary below it."""
        self._set(self._pop_mark())

    def _set(self, items: list[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise _BrokenError("an item of something else than a dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | int):
                raise _BrokenError("a key that is no text")
            target[key] = value

    def reduce(self) -> None:
        """Do for a known name what its call would do, without a call."""
        arguments, name = self._stack.pop(), self._stack.pop()
        if not isinstance(name, _Name) or not isinstance(arguments, tuple):
            raise _BrokenError("a call of something that is no name")
        make = _MAKERS.get(name.kind)
        if make is None:
            raise _BrokenError(f"a call of {name.kind}")
        self._stack.append(make(*arguments))

    def build(self) -> None:
        """State what an array or a type consists of."""
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, _Type) and isinstance(state, tuple) and state[1] in ("<", ">", "="):
            target.order = str(state[1])
        elif isinstance(target, _Array) and isinstance(state, tuple) and len(state) == 5:
            _, shape, kind, by_column, content = state
            if isinstance(content, str):
                content = content.encode("latin-1")
            target.values = _values(content, kind, shape, "F" if by_column else "C")
        else:
            raise _BrokenError("a state of something that is no array")


def _type(code: object, *_flags: object) -> _Type:
    if not isinstance(code, str) or code not in _TYPES:
        raise _BrokenError(f"values of type {code!r}")
    return _Type(code)


def _begun(kind: object, shape: object, code: object) -> _Array:
    # NumPy's own function creates an empty array, which a later instruction fills.
    if not isinstance(kind, _Name) or kind.kind != "ndarray" or shape != (0,):
        raise _BrokenError(f"an array begun with the shape {shape!r}")
    return _Array()


def _from_buffer(content: object, kind: object, shape: object, order: object = "C") -> _Array:
    if order not in ("C", "F"):
        raise _BrokenError(f"an array in the order {order!r}")
    return _Array(_values(content, kind, shape, str(order)))


def _encoded(text: object, encoding: object) -> bytes:
    # Python 3 writes bytes so in its older protocols, and only in this code.
    if not isinstance(text, str) or encoding != "latin1":
        raise _BrokenError(f"bytes stored as {encoding!r} text")
    return text.encode("latin-1")


def _values(content: object, kind: object, shape: object, order: str) -> NDArray[np.generic]:
    """Return an array over bytes that are there."""
    if not isinstance(content, bytes | bytearray) or not isinstance(kind, _Type):
        raise _BrokenError("an array without bytes")
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise _BrokenError(f"an array of shape {shape!r}")
    dtype = kind.dtype()
    if math.prod(shape) * dtype.itemsize != len(content):
        raise _BrokenError(f"{len(content)} bytes for an array of shape {shape!r}")
    flat = np.frombuffer(content, dtype=dtype)
    return flat.reshape(shape, order="F" if order == "F" else "C")


_INSTRUCTIONS = {each.code.encode("latin-1"): each for each in pickletools.opcodes}
_MAKERS: Mapping[str, Callable[..., object]] = {
    "dtype": _type,
    "reconstruct": _begun,
    "frombuffer": _from_buffer,
    "encode": _encoded,
}
_CONSTANTS: Mapping[str, object] = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_TUPLE": (),
    "MARK": _MARK,
}
_VALUES = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    }
)
_SILENT = frozenset({"PROTO", "FRAME"})
_BUILDERS: Mapping[str, Callable[[_Machine], None]] = {
    "TUPLE": _Machine.tuple_since_mark,
    "TUPLE1": lambda machine: machine.tuple_of(1),
    "TUPLE2": lambda machine: machine.tuple_of(2),
    "TUPLE3": lambda machine: machine.tuple_of(3),
    "DICT": _Machine.dictionary,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}


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
