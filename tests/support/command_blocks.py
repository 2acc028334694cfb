"""The fenced blocks of a page, and a run of the commands among them as a reader would type them.

Blocks of ```console are run. A comment on the line directly above a fence, which neither GitHub
nor Sphinx shows, says what is different about it:

    <!-- run: until "TEXT" -->      its last command runs on in the background once TEXT was
                                    printed, and is interrupted by Ctrl-C at the page's end
    <!-- run: exit 1 -->            the status that its commands end with; after `until`, the one
                                    that the background command ends with
    <!-- run: as "COMMAND" -->      COMMAND is run in place of the block's only one
    <!-- run: ctrl-c -->            its last command is interrupted once it has printed what is
                                    shown; also after `as`
    <!-- run: repeat -->            its commands are repeated until they print what is shown, as a
                                    reader would who waits for it
    <!-- not run: REASON -->        a phrase; the tests that it names must exist
    <!-- not parsed: REASON -->     of a block of JSON, TOML or Python, which must parse otherwise

A block whose first line is `# file: NAME` or `// file: NAME` is written to that file.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil
from markdown_it import MarkdownIt
from tests.support.named_tests import is_there, named_tests

from eeg_emotion.lsl.configuration import PORTS
from eeg_emotion.own_folders import moved_to

CONSOLE = "console"
NOT_CONSOLE = {"bash", "bat", "cmd", "powershell", "ps1", "sh", "shell", "shell-session", "zsh"}
COMMAND_SECONDS = 90.0  # the slowest block takes some 20 s on a quiet machine
STOP_SECONDS = 30.0

_FILE = re.compile(r"(?:#|//) file: (\S+)\n")
_MARKING = re.compile(r"<!--\s*(not run|not parsed|run):\s*(.*?)\s*-->", re.DOTALL)
_RUN = re.compile(
    r'(?:(?P<verb>until|as) "(?P<text>[^"]+)"|(?P<repeat>repeat))?'
    r"(?P<stop>(?:^|,? )ctrl-c)?"
    r"(?:(?:^|,? )exit (?P<status>\d+))?",
    re.DOTALL,
)
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class PageError(AssertionError):
    """A block that is marked wrongly, or did not do what the page says."""

    def __init__(self, place: str, found: str, expected: str, remedy: str) -> None:
        super().__init__(f"{place}: found {found}, expected {expected}; {remedy}")


@dataclass(frozen=True)
class Command:
    """One line after the prompt, and the output that the page shows below it."""

    place: str
    text: str
    output: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes
    ----------
    place
        `PAGE:LINE` of its fence.
    language
        The word after the fence.
    text
        What is between the fences.
    file
        The name of the file that it is, if it says so.
    commands
        The commands of a block that is run.
    status
        What they end with.
    until
        What the last command prints once it is ready, if it does not end by itself.
    is_interrupted
        Whether the last command is ended by Ctrl-C once it has printed what is shown.
    is_repeated
        Whether its commands are repeated until they print what is shown.
    is_parsed
        Whether JSON, TOML or Python is to be parsed.
    """

    place: str
    language: str
    text: str
    file: str | None = None
    commands: tuple[Command, ...] = ()
    status: int = 0
    until: str | None = None
    is_interrupted: bool = False
    is_repeated: bool = False
    is_parsed: bool = True


def blocks_of(text: str, page: str) -> list[Block]:
    """Return the blocks of a page's Markdown.

    Raises
    ------
    PageError
        If a block is marked wrongly, or a marking is not above a block.
    """
    tokens = MarkdownIt("commonmark").parse(text)
    lines = text.splitlines()
    blocks = []
    unused = {
        token.map[0]: token
        for token in tokens
        if token.type == "html_block" and token.map and _MARKING.match(token.content.lstrip())
    }
    ends = {start + _height(token.content): start for start, token in unused.items()}
    for token in tokens:
        if token.type != "fence" or token.map is None:
            continue
        line = token.map[0]
        marking = None
        if line in ends:
            marking = _MARKING.match(unused.pop(ends[line]).content.lstrip())
        language = (token.info.split() or [""])[0]
        blocks.append(_block(page, line + 1, language, token.content, marking))
    for start in unused:
        raise PageError(
            f"{page}:{start + 1}",
            f"{lines[start].strip()!r}",
            "a fenced block on the line after it",
            "move it directly above the block that it is about",
        )
    return blocks


def _height(comment: str) -> int:
    return comment.rstrip("\n").count("\n") + 1


def _block(page: str, line: int, language: str, text: str, marking: re.Match[str] | None) -> Block:
    place = f"{page}:{line}"
    verb, words = marking.groups() if marking else ("", "")
    if language in NOT_CONSOLE:
        raise PageError(
            place,
            f"a block of {language}",
            "commands in a block of console",
            "write ```console, and `$ ` before each command",
        )
    if verb and (verb == "not parsed") == (language == CONSOLE):
        raise PageError(
            place,
            f"'{verb}' above a block of {language or 'no language'}",
            "'run' and 'not run' for console, 'not parsed' for the others",
            "use the other one",
        )
    if verb.startswith("not "):
        _check_reason(place, verb, words)
    if language != CONSOLE:
        named = _FILE.match(text)
        if named and (Path(named[1]).is_absolute() or ".." in Path(named[1]).parts):
            raise PageError(
                place,
                f"the file {named[1]}",
                "one in the page's folder",
                "name it without '..' and a leading '/'",
            )
        if named:
            text = text[named.end() :]
        return Block(place, language, text, named and named[1], is_parsed=verb != "not parsed")
    if verb == "not run":
        return Block(place, language, text)
    commands = _commands(page, line, text)
    if not commands:
        raise PageError(
            place,
            "a block of console without a command",
            "lines that begin with '$ '",
            "add the prompt, or use a block of text, or mark it: <!-- not run: REASON -->",
        )
    run = _RUN.fullmatch(words)
    if run is None:
        raise PageError(
            place,
            f"'run: {words}'",
            "'until \"TEXT\"', 'as \"COMMAND\"', 'ctrl-c', 'repeat', 'exit NUMBER'",
            "see tests/support/command_blocks.py",
        )
    if run["verb"] == "as":
        if len(commands) > 1:
            raise PageError(
                place,
                f"'as' above {len(commands)} commands",
                "one command",
                "give each a block of its own",
            )
        commands = (Command(commands[0].place, run["text"], commands[0].output),)
    until = run["text"] if run["verb"] == "until" else None
    return Block(
        place,
        language,
        text,
        commands=commands,
        status=int(run["status"] or 0),
        until=until,
        is_interrupted=run["stop"] is not None,
        is_repeated=run["repeat"] is not None,
    )


def _check_reason(place: str, verb: str, reason: str) -> None:
    if len(reason.split()) < 3:
        raise PageError(
            place,
            f"'{verb}: {reason}'",
            "a reason in three words or more",
            "say what it needs that a test does not have",
        )
    for name in named_tests(reason):
        if not is_there(name):
            raise PageError(
                place,
                f"{name} in the reason",
                "a test that exists",
                "name the one that holds this, or none",
            )


def _commands(page: str, fence: int, text: str) -> tuple[Command, ...]:
    """Return the commands of a block; one that ends with a backslash goes on in the next line."""
    commands: list[Command] = []
    goes_on = False
    for number, line in enumerate(text.splitlines(), fence + 1):
        if line.startswith("$ "):
            commands.append(Command(f"{page}:{number}", line[2:]))
        elif commands and goes_on:
            last = commands[-1]
            commands[-1] = Command(last.place, f"{last.text}\n{line.removeprefix('> ')}")
        elif commands and line.strip():
            last = commands[-1]
            commands[-1] = Command(last.place, last.text, (*last.output, line.rstrip()))
        goes_on = line.endswith("\\")
    return tuple(commands)


def first_absent(shown: tuple[str, ...], output: str) -> str | None:
    """Return the first line shown that the output lacks, if each must come after the one before.

    `...` in a line stands for any text, and as a line for any lines.
    """
    lines = iter(output.splitlines())
    for line in shown:
        words = line.split("...")
        if not any(words):
            continue
        pattern = re.compile(".*".join(map(re.escape, words)))
        if not any(pattern.fullmatch(each.rstrip()) for each in lines):
            return line
    return None


class _Program:
    """A command that runs in a terminal of its own."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._terminal, its = os.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *command],  # noqa: S607 - of util-linux, as is a user's own
            stdin=its,
            stdout=its,
            stderr=its,
            cwd=folder,
            env=environment,
        )
        os.close(its)
        self._output = bytearray()
        self._news = threading.Condition()
        self._is_over = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # Linux reports a terminal's end as an error
            while some := os.read(self._terminal, 65536):
                with self._news:
                    self._output += some
                    self._news.notify_all()
        with self._news:
            self._is_over = True
            self._news.notify_all()

    @property
    def output(self) -> str:
        with self._news:
            text = self._output.decode("utf-8", "replace")
        return _COLOURS.sub("", text).replace("\r\n", "\n").replace("\r", "\n")

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait_for(self, text: str, shown: tuple[str, ...]) -> bool:
        """Wait until these were printed; return whether they were."""
        deadline = time.monotonic() + COMMAND_SECONDS
        while text not in (output := self.output) or first_absent(shown, output) is not None:
            with self._news:
                left = deadline - time.monotonic()
                if self._is_over or left <= 0 or not self._news.wait(left):
                    break
        return text in (output := self.output) and first_absent(shown, output) is None

    def wait(self, seconds: float) -> int | None:
        """Return its status once it has ended by itself, or None."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(STOP_SECONDS)
        return 128 - status if status < 0 else status  # as a shell reports it

    def interrupt(self) -> int | None:
        """Type Ctrl-C; return the status."""
        if self.is_running:
            os.write(self._terminal, b"\x03")
        return self.wait(STOP_SECONDS)

    def close(self) -> None:
        """End it and what it started; the parts of a demo have groups of their own."""
        if self.is_running:
            this = psutil.Process(self._process.pid)
            started = this.children(recursive=True)
            for process in [*started, this]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._process.wait()
            psutil.wait_procs(started, STOP_SECONDS)
        self._process.wait()
        self._reader.join()
        os.close(self._terminal)


@contextlib.contextmanager
def own_network() -> Iterator[list[str]]:
    """Yield words that put a command into a network of its own, which has loopback only.

    There the service's default port is free, and LSL finds no other stream.
    """
    shell = "ip link set lo up && echo up && exec cat"
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", shell],  # noqa: S607 - found as a user's shell finds them
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "up\n"
        yield ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
    finally:
        holder.communicate()


# What the shell knows is kept from one command to the next: variables, aliases and the folder.
_RECALL = 'shopt -s expand_aliases; set -a; . "$1"; eval "$2"'
_KEEP = """; status=$?
{ export -p; alias -p; printf 'cd %q\\n' "$PWD"; } > "$1"; exit $status"""


class PageRun:
    """Runs the blocks of one page, in a folder and a home of their own."""

    def __init__(self, folder: Path, network: list[str] | None = None) -> None:
        home, self.folder, self._state = folder / "home", folder / "page", folder / "state"
        for path in (home, self.folder):
            path.mkdir()
        lsl = home / "lsl_api.cfg"
        lsl.write_text(  # for scripts that use pylsl; the service configures itself alike
            f"[ports]\nPortRange = {len(PORTS)}\nIPv6 = disable\n"
            "[multicast]\nResolveScope = machine\n"
            f"[lab]\nKnownPeers = {{127.0.0.1}}\nSessionID = default\n[log]\nlevel = -3\n"
        )
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("EEG_EMOTION_", "LSL", "COLUMNS", "PYTEST_"))
        }
        self._environment = (
            kept
            | moved_to(home)
            | {
                "HOME": str(home),
                "XDG_CACHE_HOME": str(home / "cache"),
                "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
                "LSLAPICFG": str(lsl),
                "NO_COLOR": "1",
                "TERM": "dumb",
                "LC_ALL": "C.UTF-8",
            }
        )
        self._state.write_text("")
        self._network = network or []
        self._running: list[tuple[Block, Command, _Program]] = []

    def __enter__(self) -> PageRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            while error is None and self._running:
                self._stop_last()
        finally:
            for _, _, program in self._running:
                program.close()

    def run(self, block: Block) -> None:
        """Write the block's file, or run its commands.

        Raises
        ------
        PageError
            If a command does not end or print as the page says.
        """
        if block.file is not None:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        runs_on = block.until is not None or block.is_interrupted
        last = block.commands[-1] if runs_on else None
        for command in block.commands:
            if command is last:
                self._begin(block, command)
            elif block.is_repeated:
                self._repeat(command, block.status)
            else:
                self._do(command, 0 if runs_on else block.status)
        if block.is_interrupted:
            self._stop_last()

    def _program(self, command: Command, script: str) -> _Program:
        shell = ["bash", "-c", script, "bash", str(self._state), command.text]
        return _Program([*self._network, *shell], self.folder, self._environment)

    def _do(self, command: Command, expected: int) -> None:
        program = self._program(command, _RECALL + _KEEP)
        try:
            status, output = program.wait(COMMAND_SECONDS), program.output
        finally:
            program.close()
        if status is None:
            raise PageError(
                command.place,
                f"{command.text!r} still running after {COMMAND_SECONDS:g} s, having printed:\n"
                f"{output}\n",
                "its end",
                'mark it if it is to run on: <!-- run: until "TEXT" -->',
            )
        self._check(command, status, expected, output)

    def _repeat(self, command: Command, expected: int) -> None:
        deadline = time.monotonic() + COMMAND_SECONDS
        while True:
            try:
                return self._do(command, expected)
            except PageError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.5)  # as a reader's hand does: what is shown may not have happened yet

    def _begin(self, block: Block, command: Command) -> None:
        program = self._program(command, _RECALL)
        self._running.append((block, command, program))
        ready = block.until or ""
        if not program.wait_for(ready, command.output):
            absent = first_absent(command.output, program.output) or ready
            raise PageError(
                command.place,
                f"{command.text!r} printing:\n{program.output}\n",
                f"{absent!r}",
                "correct the page, or what it is about",
            )

    def _stop_last(self) -> None:
        block, command, program = self._running[-1]
        status = program.interrupt()
        if status is None:
            raise PageError(
                command.place,
                f"{command.text!r} still running {STOP_SECONDS:g} s after Ctrl-C",
                "its end",
                f"it printed:\n{program.output}",
            )
        self._check(command, status, block.status, program.output)
        program.close()
        self._running.pop()

    @staticmethod
    def _check(command: Command, status: int, expected: int, output: str) -> None:
        if status != expected:
            raise PageError(
                command.place,
                f"status {status} of {command.text!r}, which printed:\n{output}\n",
                f"status {expected}",
                "correct the page, or mark the block: <!-- run: exit STATUS -->, "
                "<!-- not run: REASON -->",
            )
        absent = first_absent(command.output, output)
        if absent is not None:
            raise PageError(
                command.place,
                f"{command.text!r} printing:\n{output}\n",
                f"the line {absent!r}",
                "show what it prints, with '...' for what differs each time",
            )
