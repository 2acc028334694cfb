"""Each command that README and docs show is run here, or the page says why not.

How a block is marked is at the top of tests/support/command_blocks.py.
"""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.support.command_blocks import (
    Block,
    PageError,
    PageRun,
    blocks_of,
    first_absent,
    own_network,
)
from tests.support.named_tests import ROOT, is_there, named_tests

PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("docker/**/*.md"),
        *(ROOT / folder / "README.md" for folder in ("service", "training", "models")),
    ]
    # What is built holds copies, and the changelog is history.
    if path.is_file() and "_build" not in path.parts and path.name != "CHANGELOG.md"
)


def _blocks(page: str) -> list[Block]:
    return blocks_of((ROOT / page).read_text("utf-8"), page)


def _has_commands(page: str) -> bool:
    try:
        return any(block.commands for block in _blocks(page))
    except PageError:
        return False  # the test of the markings reports it


PARSERS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "python": lambda text: compile(text, "block", "exec", ast.PyCF_ONLY_AST),
    "toml": tomllib.loads,
}


@pytest.mark.parametrize("page", PAGES)
def test_blocks_are_marked_as_the_runner_reads_them_and_files_parse(page: str) -> None:
    for block in _blocks(page):
        parse = PARSERS.get(block.language)
        if parse is None or not block.is_parsed:
            continue
        try:
            parse(block.text)
        except ValueError as why:
            pytest.fail(
                f"{block.place}: found {block.language} that does not parse ({why}), expected a "
                "whole file; complete it, or mark it: <!-- not parsed: REASON -->"
            )
        except SyntaxError as why:
            pytest.fail(f"{block.place}: found Python that does not compile ({why}); correct it")


@pytest.mark.slow
@pytest.mark.needs("time", "namespaces")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [page for page in PAGES if _has_commands(page)])
def test_the_commands_of_a_page_do_what_it_says(page: str, tmp_path: Path) -> None:
    with own_network() as network, PageRun(tmp_path, network) as run:
        for block in _blocks(page):
            run.run(block)


# The runner itself.


def _fence(language: str, *lines: str, marking: str = "") -> str:
    return "\n".join([*filter(None, [marking]), f"```{language}", *lines, "```", ""])


def _run(tmp_path: Path, *blocks: str) -> None:
    with PageRun(tmp_path) as run:
        for block in blocks_of("\n".join(blocks), "page.md"):
            run.run(block)


def test_what_a_page_shows_is_found_in_what_its_commands_print(tmp_path: Path) -> None:
    _run(
        tmp_path,
        _fence(
            "console", "$ printf 'one\\ntwo 2\\nthree\\n'", "one", "two ...", "$ echo four", "four"
        ),
        _fence("console", "$ printf 'one\\ntwo\\nthree\\n'", "one", "...", "three"),
    )


def test_shell_variables_and_the_folder_last_from_one_command_to_the_next(tmp_path: Path) -> None:
    _run(
        tmp_path,
        _fence("console", "$ mkdir below", "$ cd below", "$ NAME=here"),
        _fence("console", "$ echo $NAME in ${PWD##*/}", "here in below"),
    )


def test_a_command_goes_on_after_a_backslash(tmp_path: Path) -> None:
    _run(tmp_path, _fence("console", "$ echo one \\", "    two", "one two"))


def test_a_page_has_a_home_and_settings_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EEG_EMOTION_PORT", "1")
    _run(
        tmp_path,
        _fence("console", '$ touch ~/mark; echo "port ${EEG_EMOTION_PORT:-unset}"', "port unset"),
    )
    assert (tmp_path / "home" / "mark").exists()


def test_a_file_block_is_there_for_the_next_command(tmp_path: Path) -> None:
    _run(
        tmp_path,
        _fence("toml", "# file: rules/own.toml", "a = 1"),
        _fence("json", "// file: x.json", '{"a": 1}'),
        _fence("console", "$ cat rules/own.toml x.json", "a = 1", '{"a": 1}'),
    )


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (
            _fence("console", "$ echo one", "two"),
            ["page.md:2: found 'echo one' printing:\none", "'two'"],
        ),
        (_fence("console", "$ printf 'a\\nb\\n'", "b", "a"), ["page.md:2", "the line 'a'"]),
        (_fence("console", "", "$ exit 3"), ["page.md:3: found status 3", "expected status 0"]),
        (
            _fence("console", "$ true", marking="<!-- run: exit 1 -->"),
            ["page.md:3: found status 0", "expected status 1"],
        ),
        (
            _fence("console", "$ echo no", marking='<!-- run: until "ready" -->'),
            ["page.md:3: found 'echo no' printing:\nno", "expected 'ready'"],
        ),
    ],
    ids=["output", "order", "status", "expected status", "until"],
)
def test_a_page_that_is_wrong_is_reported_with_its_place(
    tmp_path: Path, block: str, words: list[str]
) -> None:
    with pytest.raises(PageError) as wrong:
        _run(tmp_path, block)
    for word in words:
        assert word in str(wrong.value)


def test_a_command_that_runs_on_is_there_for_later_blocks_and_ends_by_ctrl_c(
    tmp_path: Path,
) -> None:
    forever = (
        "trap 'echo ended > ended; exit 0' INT; mkfifo in; echo one; echo ready; "
        "while :; do read -t 100 word <> in; echo $word > out; done"
    )
    _run(
        tmp_path,
        _fence("console", f"$ {forever}", "one", marking='<!-- run: until "ready" -->'),
        _fence("console", "$ echo word > in; until [ -s out ]; do :; done; cat out", "word"),
    )
    assert (tmp_path / "page" / "ended").read_text() == "ended\n"


def test_what_a_page_started_is_ended_where_it_fails(tmp_path: Path) -> None:
    start = "$ setsid sleep 1000 & echo $! > child; echo ready; exec cat"
    with pytest.raises(PageError, match=r"page\.md:7: found status 1 of 'false'"):
        _run(
            tmp_path,
            _fence("console", start, marking='<!-- run: until "ready" -->'),
            _fence("console", "$ false"),
        )
    assert not psutil.pid_exists(int((tmp_path / "page" / "child").read_text()))


def test_a_command_that_runs_on_must_end_with_the_stated_status(tmp_path: Path) -> None:
    block = "$ echo ready; exec cat"
    with pytest.raises(PageError, match=r"page\.md:3: found status 130"):
        _run(tmp_path, _fence("console", block, marking='<!-- run: until "ready" -->'))
    other = tmp_path / "other"
    other.mkdir()
    _run(other, _fence("console", block, marking='<!-- run: until "ready", exit 130 -->'))


def test_another_command_may_stand_in_for_the_one_shown(tmp_path: Path) -> None:
    marking = '<!-- run: as "echo made" -->'
    _run(tmp_path, _fence("console", "$ make demo", "made", marking=marking))


def test_a_command_may_be_interrupted_once_it_printed_what_is_shown(tmp_path: Path) -> None:
    marking = (
        "<!-- run: as \"trap 'echo ended > ended; exit 2' INT; echo ready; read -t 100 word\", "
    )
    _run(
        tmp_path,
        _fence("console", "$ make demo", "ready", marking=marking + "ctrl-c, exit 2 -->"),
        _fence("console", "$ cat ended", "ended"),
    )


def test_a_command_may_be_repeated_until_it_prints_what_is_shown(tmp_path: Path) -> None:
    marking = "<!-- run: repeat -->"
    _run(tmp_path, _fence("console", "$ echo -n x >> x; cat x; echo", "xx", marking=marking))


def test_a_block_with_a_reason_is_not_run(tmp_path: Path) -> None:
    marking = "<!-- not run: it would delete everything -->"
    _run(tmp_path, _fence("console", "$ false", marking=marking))


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (_fence("console", "$ x", marking="<!-- not run: -->"), "three words or more"),
        (_fence("console", "$ x", marking="<!-- not run: no headset -->"), "three words or more"),
        (
            _fence("console", "$ x", marking="<!-- not run: `tests/none.py` does the same -->"),
            "found tests/none.py in the reason",
        ),
        (_fence("console", "$ x", marking="<!-- run: sometimes -->"), "found 'run: sometimes'"),
        (_fence("console", "> py -3.11"), "without a command"),
        (_fence("sh", "make"), "found a block of sh"),
        (_fence("json", "{…}", marking="<!-- not run: it is no command -->"), "'not parsed'"),
        (_fence("toml", "# file: ../x", "a = 1"), "found the file ../x"),
        ("<!-- not run: it stands apart -->\n\n" + _fence("console", "$ x"), "directly above"),
    ],
    ids=range(9),
)
def test_a_wrong_marking_is_refused_with_its_place(block: str, words: str) -> None:
    with pytest.raises(PageError, match=r"^page\.md:[12]: found ") as wrong:
        blocks_of(block, "page.md")
    assert words in str(wrong.value)


def test_blocks_in_lists_and_markings_of_several_lines_are_read() -> None:
    text = (
        "1. first\n\n   <!-- not run: it needs\n   a headset -->\n   ```console\n   $ x\n   ```\n"
    )
    (block,) = blocks_of(text, "page.md")
    assert (block.text, block.commands) == ("$ x\n", ())


@pytest.mark.parametrize(
    ("shown", "absent"),
    [(("a", "c"), None), (("...",), None), (("b ...",), "b ..."), (("c", "a"), "a")],
)
def test_shown_lines_are_found_in_their_order(shown: tuple[str, ...], absent: str | None) -> None:
    assert first_absent(shown, "a\nb\nc  \n") == absent


def test_tests_that_a_text_names_are_found_in_their_files() -> None:
    own = "tests/docs/test_commands.py"
    text = (
        f"`{own}::test_shown_lines_are_found_in_their_order`, {own}::none, tests/docs and tests/no."
    )
    assert [(name.rpartition("/")[2], is_there(name)) for name in named_tests(text)] == [
        ("test_commands.py::test_shown_lines_are_found_in_their_order", True),
        ("test_commands.py::none", False),
        ("docs", True),
        ("no", False),
    ]
