"""Run commands with only what Python's library has on Windows, and report how each went.

Usage: python -m tests.support.without_posix FOLDER

What `eeg_emotion` imports lacks the modules, functions and signals of POSIX; folders cannot be
opened, a file that is open cannot be replaced, every file's mode lets everybody read and write it,
and event loops support neither signals nor readers. Other libraries see the actual platform.
The last line of the output is a JSON object: the error of each check, or null.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import importlib
import json
import os
import pkgutil
import signal
import socket
import sys
import threading
import time
import traceback
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

CTRL_BREAK = signal.SIGUSR1  # stands for Windows' SIGBREAK
TIMEOUT_SECONDS = 60.0
SESSION = ("--session-id", uuid.uuid4().hex)  # an LSL session that nobody else uses

MODULES = frozenset(
    {"crypt", "curses", "fcntl", "grp", "nis", "posix", "pty", "pwd", "readline", "resource"}
    | {"spwd", "syslog", "termios", "tty"}
)
# Of the flags to open a file with, Windows has few that are not hints: O_APPEND, O_BINARY, O_CREAT,
# O_EXCL, O_RDONLY, O_RDWR, O_TEMPORARY, O_TRUNC and O_WRONLY.
_OS = """
    O_ACCMODE O_ASYNC O_CLOEXEC O_DIRECT O_DIRECTORY O_DSYNC O_NDELAY O_NOATIME O_NOCTTY O_NOFOLLOW
    O_NONBLOCK O_PATH O_SYNC O_TMPFILE
    chown chroot confstr eventfd fchdir fchmod fchown fdatasync fork forkpty fpathconf fstatvfs
    getegid geteuid getgid getgrouplist getgroups getloadavg getpgid getpgrp getpriority getresgid
    getresuid getsid getuid initgroups killpg lchown lockf major minor mkfifo mknod nice openpty
    pathconf pidfd_open pipe2 posix_fadvise posix_fallocate posix_spawn posix_spawnp pread preadv
    pwrite pwritev readv register_at_fork sched_getaffinity sched_setaffinity sched_yield sendfile
    setegid seteuid setgid setgroups setpgid setpriority setregid setresgid setresuid setreuid
    setsid setuid splice statvfs sync sysconf tcgetpgrp tcsetpgrp ttyname uname unshare wait wait3
    wait4 waitid writev
"""
_SIGNAL = """
    alarm getitimer pause pidfd_send_signal pthread_kill pthread_sigmask setitimer siginterrupt
    sigpending sigtimedwait sigwait sigwaitinfo
"""
LACKS = {
    "os": _OS,
    "socket": "AF_NETLINK AF_PACKET AF_UNIX SO_REUSEPORT TCP_USER_TIMEOUT",
    "time": "clock_getres clock_gettime clock_settime pthread_getcpuclockid tzset",
    "select": "EPOLLIN POLLIN epoll poll",
    "signal": _SIGNAL,
}
SIGNALS = {"SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM"}


def as_on_windows() -> None:
    """Change what `eeg_emotion` imports, and what event loops can do."""
    importlib.import_module("filelock")  # these need what is removed below
    importlib.import_module("multiprocessing.util")
    importlib.import_module("pathlib").Path.home()
    seen = {name: _without(name, lacking.split()) for name, lacking in LACKS.items()}
    _restrict_files(seen["os"])
    _restrict_signals(seen["signal"])
    absent: dict[str, Any] = dict.fromkeys(MODULES)
    sys.modules.update(absent)  # None: the import fails
    real = builtins.__import__

    def import_as_on_windows(
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002 - the builtin's names
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        found = real(name, globals, locals, fromlist, level)
        ours = str((globals or {}).get("__name__", "")).startswith("eeg_emotion")
        return seen.get(found.__name__, found) if ours else found

    builtins.__import__ = import_as_on_windows

    def refuse(*_: object) -> None:
        raise NotImplementedError

    for name in ("add_signal_handler", "remove_signal_handler", "add_reader", "add_writer"):
        setattr(asyncio.SelectorEventLoop, name, refuse)


def _without(name: str, lacking: list[str]) -> ModuleType:
    real = importlib.import_module(name)
    copy = ModuleType(name)
    copy.__dict__.update((item, value) for item, value in vars(real).items() if item not in lacking)
    return copy


def _restrict_files(seen: Any) -> None:
    def open_no_folder(path: Any, *arguments: Any, **options: Any) -> int:
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", str(path))
        return os.open(path, *arguments, **options)

    def replace_no_open_file(source: Any, target: Any) -> None:
        held = {os.path.realpath(handle) for handle in Path("/proc/self/fd").iterdir()}
        if held & {os.path.realpath(source), os.path.realpath(target)}:
            error = PermissionError(13, "The file is used by another process", str(target))
            error.winerror = 32  # type: ignore[attr-defined]
            raise error
        os.replace(source, target)

    def everybodys(status: os.stat_result) -> Any:
        fields = {name: getattr(status, name) for name in dir(status) if name.startswith("st_")}
        return SimpleNamespace(**fields | {"st_mode": status.st_mode | 0o666})

    seen.open, seen.replace = open_no_folder, replace_no_open_file
    seen.stat = lambda path: everybodys(os.stat(path))
    seen.fstat = lambda handle: everybodys(os.fstat(handle))


def _restrict_signals(seen: Any) -> None:
    for name in signal.Signals.__members__:
        if name not in SIGNALS:
            delattr(seen, name)
    known = {name: number for name, number in signal.Signals.__members__.items() if name in SIGNALS}
    seen.SIGBREAK = CTRL_BREAK
    seen.Signals = SimpleNamespace(__members__=known | {"SIGBREAK": CTRL_BREAK})


# -- the checks --------------------------------------------------------------------------------


def every_module_is_imported(folder: Path) -> None:
    """Import all modules."""
    package = importlib.import_module("eeg_emotion")
    for module in pkgutil.walk_packages(package.__path__, "eeg_emotion."):
        importlib.import_module(module.name)


def every_command_has_help(folder: Path) -> None:
    """Run each with --help."""
    from typer.main import get_command

    from eeg_emotion.cli.main import app

    def commands(command: Any, *path: str) -> Iterator[tuple[str, ...]]:
        yield path
        for name, inner in getattr(command, "commands", {}).items():
            yield from commands(inner, *path, name)

    for path in commands(get_command(app)):
        assert "Usage" in invoke(*path, "--help")


def keys_are_made_listed_and_revoked(folder: Path) -> None:
    """Through the commands."""
    file = folder / "keys" / "keys.json"
    key = invoke("keys", "create", "wallboard", "--scope", "read:*", "--keys", str(file))
    assert "eeg_wallboard_" in key
    assert "wallboard" in invoke("keys", "list", "--keys", str(file))
    invoke("keys", "revoke", "wallboard", "--keys", str(file))
    assert "wallboard" not in invoke("keys", "list", "--keys", str(file))


def a_recording_is_scored(folder: Path) -> None:
    """By `predict` and `what-if`."""
    from tests.support.brainvision import brainvision

    recording = str(brainvision(folder / "person.vhdr"))
    for name in ("out.csv", "out.parquet"):
        invoke("predict", recording, "--out", str(folder / name))
        assert (folder / name).stat().st_size
    plot = folder / "plot.html"
    invoke("what-if", "driver-takeover", recording, "--plot", str(plot))
    assert plot.stat().st_size
    assert not list(folder.glob(".*.tmp"))


def the_doctor_answers(folder: Path) -> None:
    """With no visible stream."""
    found = json.loads(invoke("doctor", "--json", "--seconds", "0", *SESSION))
    assert (found["good"], found["streams"]) == (True, [])


def the_service_starts_and_stops_at_ctrl_break(folder: Path) -> None:
    """With an audit log, and credentials whose mode lets everybody read them."""
    file, audit = folder / "service" / "keys.json", folder / "audit.jsonl"
    options = ["--port", "0", "--keys", str(file), "--audit", str(audit), "--quiet", *SESSION]
    key = invoke("keys", "create", "lab", "--scope", "profiles", "--keys", str(file)).split()
    secret = next(word for word in key if word.startswith("eeg_lab_"))
    port: list[int] = []
    create_server = socket.create_server

    def create(*arguments: Any, **options: Any) -> socket.socket:
        listener = create_server(*arguments, **options)
        port.append(listener.getsockname()[1])
        return listener

    process = importlib.import_module("eeg_emotion.daemon.process")
    process.socket.create_server = create

    def ask() -> None:
        url = f"http://127.0.0.1:{port[0]}/v1/profiles"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {secret}"})
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            assert json.load(response) == {"profiles": [], "damaged": {}}

    with asked_to_stop_after(ask, once=lambda: audit.exists() and "started" in audit.read_text()):
        invoke("serve", *options)
    first, *_ = audit.read_text().splitlines()
    assert json.loads(first)["event"] == "started"


def a_replay_stops_at_ctrl_break(folder: Path) -> None:
    """While it waits for a listener."""
    default = signal.getsignal(CTRL_BREAK)
    with asked_to_stop_after(lambda: None, once=lambda: signal.getsignal(CTRL_BREAK) != default):
        report = json.loads(invoke("replay", "--simulate", "1", "--json", *SESSION))
    assert (report["samples"], report["stopped"]) == (0, True)
    assert signal.getsignal(CTRL_BREAK) == default


def invoke(*arguments: str) -> str:
    """Run a command in this process; return its output."""
    from typer.testing import CliRunner

    from eeg_emotion.cli.main import app

    done = CliRunner().invoke(app, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


@contextlib.contextmanager
def asked_to_stop_after(ask: Callable[[], None], *, once: Callable[[], bool]) -> Iterator[None]:
    """Watch from another thread, and press Ctrl-Break when it is time."""
    failed: list[BaseException] = []
    over = threading.Event()

    def look() -> None:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not once():
            if over.wait(0.01) or time.monotonic() > deadline:
                return
        try:
            ask()
        except Exception as error:
            failed.append(error)
        os.kill(os.getpid(), CTRL_BREAK)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()
    for error in failed:
        raise error


CHECKS: tuple[Callable[[Path], None], ...] = (
    every_module_is_imported,
    every_command_has_help,
    keys_are_made_listed_and_revoked,
    a_recording_is_scored,
    the_doctor_answers,
    the_service_starts_and_stops_at_ctrl_break,
    a_replay_stops_at_ctrl_break,
)


def main() -> None:
    """Run all checks, and print the results."""
    as_on_windows()
    wrong: dict[str, str | None] = {}
    for check in CHECKS:
        folder = Path(sys.argv[1], check.__name__)
        folder.mkdir()
        try:
            check(folder)
        except BaseException:
            wrong[check.__name__] = traceback.format_exc()
        else:
            wrong[check.__name__] = None
    print(json.dumps(wrong))  # noqa: T201 - for the test that started it


if __name__ == "__main__":
    main()
