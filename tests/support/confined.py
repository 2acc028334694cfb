"""Run a program under the limits of system calls, sockets and memory that a unit states.

    python confined.py UNIT PROGRAM ARGUMENT...

What systemd does with files, users and namespaces is left out: that needs a running systemd.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_MDWE = 65
_PR_MDWE_REFUSE_EXEC_GAIN = 1
_EPERM = 0x00050001
_ALLOW = 0x7FFF0000
_EQUAL = 4


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def stated(unit: Path, name: str) -> list[str]:
    """Return all values of a unit's setting, one for each time that it is stated."""
    lines = unit.read_text(encoding="utf-8").splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{name}=")]


def system_calls(group: str) -> Iterator[str]:
    """Return the system calls in one of systemd's groups."""
    command = [shutil.which("systemd-analyze") or "", "syscall-filter", "--no-pager", group]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    for word in (line.strip() for line in lines[1:]):
        if word.startswith("@"):
            yield from system_calls(word)
        elif word and not word.startswith("#"):
            yield word


def allowed(unit: Path) -> set[str]:
    """Return the system calls that a unit allows: a list, then lists of exceptions from it."""
    found: set[str] = set()
    for words in stated(unit, "SystemCallFilter"):
        named = {call for group in words.lstrip("~").split() for call in system_calls(group)}
        found = found - named if words.startswith("~") else found | named
    return found


def confine(unit: Path) -> None:
    """Set the limits for this process, what it executes and its children."""
    libc = ctypes.CDLL(None, use_errno=True)
    if stated(unit, "MemoryDenyWriteExecute") == ["yes"]:
        refused = libc.prctl(_PR_SET_MDWE, _PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)
        if refused:
            raise OSError(ctypes.get_errno(), "this kernel cannot refuse code that is made")
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(_EPERM)))
    allow = ctypes.c_uint32(_ALLOW)
    for name in allowed(unit) - {"socket"}:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # those of other machines are negative
            seccomp.seccomp_rule_add_array(context, allow, number, 0, None)
    number = seccomp.seccomp_syscall_resolve_name(b"socket")
    (families,) = stated(unit, "RestrictAddressFamilies")
    for family in families.split():
        which = _Comparison(0, _EQUAL, int(getattr(socket, family)), 0)
        seccomp.seccomp_rule_add_array(context, allow, number, 1, ctypes.byref(which))
    if seccomp.seccomp_load(context):
        raise OSError("the system calls cannot be limited")


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - its purpose
