"""Whether commands, options, endpoints, metrics and settings that pages name exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from docs.generate import commands, rest
from docs.generate.commands import Command
from prometheus_client import CollectorRegistry
from starlette.routing import BaseRoute
from tests.support.markdown import REPOSITORY, Page, Piece, Problem

from eeg_emotion.access.access import Access
from eeg_emotion.api.app import create_app
from eeg_emotion.metrics.broker import Traffic
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.settings import Settings

PROGRAMS = ("eeg-emotion", "eeg-emotion-train")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
_ENDPOINT = re.compile(r"(?<!/api)/v[12](?![\w.])(/[^\s\"'`,;)?#|]*)?")
_METRIC = re.compile(r"\bemotion_[a-z_]+")
_VARIABLE = re.compile(r"\bEEG_EMOTION_[A-Z_]+")
_COMMENT = re.compile(r"(^|\s)#\s.*")
_OPERATOR = re.compile(r"[|;&()]+")
_PLACEHOLDER = re.compile(r"[A-Z]+|…|\.\.\.|<.*>|\[.*")
# What may stand before a program without changing what is called.
_BEFORE = re.compile(r"\w+=.*|sudo|env|exec|nice|uvx|time")
# Options of programs that a page names too, by which their program is found.
FOREIGN = {
    "--all": "pytest",
    "--build": "docker compose",
    "--channel-names": "OpenBCI",
    "--detach": "docker compose",
    "--lsltime": "muselsl",
    "--mount": "RUN",
    "--profile": "docker compose",
    "--targets": "xdf",
    "--volumes": "docker compose",
}


@dataclass(frozen=True)
class Names:
    """What there is.

    Attributes
    ----------
    commands
        Every command of both programs.
    endpoints
        Every path of the service, parameters in braces.
    metrics
        Every metric, as Prometheus shows it.
    variables
        Every variable of the environment.
    targets
        Every target of the Makefile.
    """

    commands: Mapping[str, Command]
    endpoints: frozenset[str]
    metrics: frozenset[str]
    variables: frozenset[str]
    targets: frozenset[str]

    def commands_called(self, word: str) -> list[Command]:
        """Return the commands that are meant by a word, such as `serve`."""
        return [
            self.commands[name]
            for program in PROGRAMS
            if (name := f"{program} {word}") in self.commands
        ]


@cache
def names() -> Names:
    """Return what there is, by the code."""
    metrics = Metrics()
    metrics.watch_broker(lambda: Traffic(True))
    app = create_app(rest.PARTS, Access(), Metrics())
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    return Names(
        commands.commands(),
        frozenset(_paths(app.routes)),
        frozenset(_shown(metrics.registry)),
        frozenset(f"EEG_EMOTION_{name.upper()}" for name in Settings.model_fields)
        | set(_read_besides()),
        frozenset(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)),
    )


def _read_besides() -> Iterator[str]:
    """Yield the variables that the commands and the benches read, and that are no settings."""
    for folder in ("service/eeg_emotion/cli", "tests/bench"):
        for path in (REPOSITORY / folder).glob("*.py"):
            yield from re.findall(r'"(EEG_EMOTION_[A-Z_]+)"', path.read_text(encoding="utf-8"))


def _paths(routes: Iterable[BaseRoute]) -> Iterator[str]:
    for route in routes:
        if path := getattr(route, "path", ""):
            yield path


def _shown(registry: CollectorRegistry) -> Iterator[str]:
    for family in registry.collect():
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
        yield from (f"{family.name}{suffix}" for suffix in ("", *suffixes.get(family.type, ())))


def wrong_names(pages: Sequence[Page]) -> Iterator[Problem]:
    """Yield every name in a page's code that looks like ours and does not exist.

    A setting that the page itself adds, by a field of its name in Python, counts as one that does.
    """
    for page in pages:
        fields = [
            name
            for block in page.blocks
            if block.language in ("python", "diff")
            for name in re.findall(r"^[+ ]* +([a-z_]+): ", block.text, re.MULTILINE)
        ]
        options = {f"--{name.replace('_', '-')}" for name in fields}
        added = options | {f"EEG_EMOTION_{name.upper()}" for name in fields}
        for problem in _wrong_names(page):
            if not any(problem.found.startswith(f"found {name},") for name in added):
                yield problem


def _wrong_names(page: Page) -> Iterator[Problem]:
    for code in page.code:
        for wrong in (*_in_sentence(page, code), *_in_any(code.text)):
            yield Problem(page.name, code.line, wrong)
    for block in page.blocks:
        for line, text in _lines(block):
            is_command = block.language != "console" or text.startswith("$ ")
            called = _in_command(text.removeprefix("$ ")) if is_command else ()
            for wrong in (*called, *_in_any(text)):
                yield Problem(page.name, line, wrong)


def _lines(block: Piece) -> Iterator[tuple[int, str]]:
    """Yield the lines of a block, a continued one with what follows it."""
    begun, start = "", 0
    for number, text in enumerate(block.text.splitlines(), block.line):
        start = start or number
        if text.endswith("\\"):
            begun += text.removesuffix("\\").strip("\n") + " "
            continue
        yield start, begun + text
        begun, start = "", 0


def _in_sentence(page: Page, code: Piece) -> Iterator[str]:
    """Yield what is wrong with the commands and options of code within a sentence."""
    first, *rest_ = code.text.split(" ")
    if first.startswith("--"):
        option = first.partition("=")[0]
        if _OPTION.fullmatch(option) and not _is_option(page, option):
            yield f"found {option}, but no command has it; correct the option"
    elif rest_ and (meant := names().commands_called(first)):
        yield from _wrong_options(rest_, meant)
    else:
        yield from _in_command(code.text)


def _is_option(page: Page, option: str) -> bool:
    if any(option in command.spellings for command in names().commands.values()):
        return True
    return option in FOREIGN and FOREIGN[option] in page.text


def _in_command(text: str) -> Iterator[str]:
    """Yield what is wrong with the calls of our programs in a line of a shell."""
    for words in _simple_commands(_COMMENT.sub("", text)):
        is_first = True
        for place, word in enumerate(words):
            name = word.rpartition("/")[2]
            # Elsewhere than at the beginning it may be the name of something else, such as a user.
            if name in PROGRAMS and (is_first or _is_called(name, words[place + 1 :])):
                yield from _wrong_call(name, words[place + 1 :])
            elif name == "make" and is_first:
                yield from _wrong_targets(words[place + 1 :])
            is_first = is_first and _BEFORE.fullmatch(word) is not None


def _simple_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command of a line, those of pipes and lists apart."""
    reader = shlex.shlex(text, posix=True, punctuation_chars="|;&()")
    reader.whitespace_split = True
    reader.commenters = ""
    try:
        words = list(reader)
    except ValueError:  # a quotation mark alone, as in a sentence
        words = text.split()
    begun: list[str] = []
    for word in words:
        if _OPERATOR.fullmatch(word):
            yield begun
            begun = []
        else:
            begun.append(word)
    yield begun


def _is_called(program: str, words: Sequence[str]) -> bool:
    return bool(words) and words[0] in names().commands[program].subcommands


def _wrong_call(program: str, words: Sequence[str]) -> Iterator[str]:
    command = names().commands[program]
    for place, word in enumerate(words):
        if word.startswith("-") or _PLACEHOLDER.fullmatch(word) or not command.subcommands:
            yield from _wrong_options(words[place:], [command])
            return
        if word not in command.subcommands:
            yield f"found {command.name} {word}, which is no command; correct the command"
            return
        command = names().commands[f"{command.name} {word}"]


def _wrong_options(words: Iterable[str], meant: Sequence[Command]) -> Iterator[str]:
    for word in words:
        option = word.partition("=")[0]
        if _OPTION.fullmatch(option) and not any(option in one.spellings for one in meant):
            called = " and ".join(one.name for one in meant)
            yield f"found {option}, which {called} does not have; correct the option"


def _wrong_targets(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        if re.fullmatch(r"[a-z][a-z-]*", word) and word not in names().targets:
            yield f"found make {word}, but the Makefile has no such target; correct it"


def _in_any(text: str) -> Iterator[str]:
    """Yield what is wrong with the endpoints, metrics and variables in any code."""
    for match in _ENDPOINT.finditer(text):
        path = match[0].rstrip(".:")
        if not any(_is_at(path.split("/"), known.split("/")) for known in names().endpoints):
            yield f"found {path}, but the service has no such path; correct it"
    for match in _METRIC.finditer(text):
        if not any(_is_metric(match[0], known) for known in names().metrics):
            yield f"found {match[0]}, but there is no such metric; correct it"
    for match in _VARIABLE.finditer(text):
        name = match[0].partition("__")[0]
        if name not in names().variables and match[0] != "EEG_EMOTION_":
            yield f"found {match[0]}, but no setting is read from it; correct it"


def _is_at(path: Sequence[str], known: Sequence[str]) -> bool:
    """Return whether a path, which may have placeholders, is one of an endpoint."""
    if not path or path == [""]:
        return not known or path == [""]
    first, *rest_ = path
    if first in ("…", "...", "*"):
        return not rest_ or any(_is_at(rest_, known[skip:]) for skip in range(len(known)))
    if not known:
        return False
    fits = first == known[0] or known[0].startswith("{") or re.match(r"[{$<]|[A-Z]+$", first)
    return bool(fits) and _is_at(rest_, known[1:])


def _is_metric(found: str, known: str) -> bool:
    return found == known or (found.endswith("_") and known.startswith(found))
