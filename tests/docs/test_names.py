"""Commands, options, endpoints, metrics, settings and make targets that pages name exist."""

from __future__ import annotations

import pytest
from tests.support.markdown import Page, pages
from tests.support.names import names, wrong_names


def test_every_name_exists() -> None:
    # The changelog names what there was.
    current = [page for page in pages() if page.name != "CHANGELOG.md"]
    problems = list(map(str, wrong_names(current)))
    assert not problems, "\n".join(["", *problems])


def found(text: str) -> list[str]:
    return [str(problem) for problem in wrong_names([Page("docs/a.md", text)])]


@pytest.mark.parametrize(
    "code",
    [
        "eeg-emotion",
        "eeg-emotion --version",
        "eeg-emotion serve --port 0 --lsl-out",
        "/opt/eeg-emotion/bin/eeg-emotion serve --no-lsl-out",
        "eeg-emotion keys create NAME --scope 'read:*'",
        "eeg-emotion COMMAND --help",
        "eeg-emotion-train study --quick --out runs/x",
        "EEG_EMOTION_PORT=1 eeg-emotion serve",
        "uvx --from ./x.whl eeg-emotion replay --simulate 7",
        "eeg-emotion serve & curl --silent http://127.0.0.1:8000/v1/headsets",
        "useradd --system eeg-emotion --shell /bin/false",
        "serve --rules",
        "study --quick",
        "--lsl-scope link",
        "--bus=memory://",
        "make demo ARGS=\"--seconds 30\"",
        "make PYTHON=python3.12 demo",
        "curl --fail",
        "/v1/headsets/{id}/history?limit=5",
        "/v1/headsets/biosemi-1234/history",
        "/v1/profiles/p07",
        "ws://127.0.0.1:8000/v1/stream?headset=*",
        "/v1/…",
        "/v2/…/infer",
        "http://prometheus:9090/api/v1/query",
        "emotion_headsets{state=\"live\"}",
        "emotion_end_to_end_latency_seconds_bucket",
        "emotion_broker_*",
        "eeg_emotion_training",
        "EEG_EMOTION_MATCH",
        "EEG_EMOTION_QUALITY__RMS_UV",
        "EEG_EMOTION_TOKEN",
    ],
)  # fmt: skip
def test_what_exists_or_is_not_ours_is_passed(code: str) -> None:
    assert found(f"See `{code}`.\n") == []
    assert found(f"```console\n$ {code}\n```\n") == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("eeg-emotion none", "eeg-emotion none, which is no command"),
        ("eeg-emotion keys none", "eeg-emotion keys none, which is no command"),
        ("eeg-emotion serve --none", "--none, which eeg-emotion serve does not have"),
        ("eeg-emotion serve --simulate 7", "--simulate, which eeg-emotion serve does not have"),
        ("eeg-emotion --port 1", "--port, which eeg-emotion does not have"),
        ("cd x && eeg-emotion none", "eeg-emotion none, which is no command"),
        ("make none", "the Makefile has no such target"),
        ("/v1/none", "/v1/none, but the service has no such path"),
        ("curl http://127.0.0.1:8000/v1/headsets/x/none", "/v1/headsets/x/none, but the service"),
        ("emotion_none_total", "emotion_none_total, but there is no such metric"),
        ("EEG_EMOTION_NONE=1", "EEG_EMOTION_NONE, but no setting is read from it"),
    ],
)
def test_what_does_not_exist_is_found_with_its_place(code: str, words: str) -> None:
    (problem,) = found(f"# Title\n\nOne line,\nand `{code}`.\n")
    assert problem.startswith("docs/a.md:4: found ")
    assert words in problem
    (problem,) = found(f"# Title\n\n```console\n$ true\n$ {code}\n```\n")
    assert problem.startswith("docs/a.md:5: found ")
    assert words in problem


@pytest.mark.parametrize("code", ["--none", "serve --none", "serve --simulate"])
def test_an_option_in_a_sentence_has_to_be_one_of_a_command(code: str) -> None:
    (problem,) = found(f"Give it `{code}`.\n")
    assert problem.startswith("docs/a.md:1: found --")


def test_an_option_of_another_program_is_passed_where_that_program_is_named() -> None:
    assert found("docker compose takes `--detach`.\n") == []
    assert found("Give it `--detach`.\n") != []


def test_a_command_over_several_lines_is_read_as_one() -> None:
    (problem,) = found("```console\n$ eeg-emotion serve \\\n    --port 0 \\\n    --none\n```\n")
    assert problem.startswith("docs/a.md:2: found --none")


@pytest.mark.parametrize("language", ["python", "diff"])
def test_a_setting_that_the_page_adds_is_passed(language: str) -> None:
    adding = f"```{language}\n+    udp_out: Annotated[bool, None] = False\n```\n"
    using = "```console\n$ EEG_EMOTION_UDP_OUT=1 eeg-emotion serve --udp-out\n```\n"
    assert found(adding + using) == []
    assert len(found(using)) == 2


def test_output_is_no_command() -> None:
    assert found("```console\n$ true\neeg-emotion none\n```\n") == []


def test_a_comment_is_no_command() -> None:
    assert found("```console\n$ make demo  # this starts it\n```\n") == []


def test_all_that_there_is_is_known() -> None:
    known = names()
    assert "eeg-emotion profiles use" in known.commands
    assert {"/v1/stream", "/v1/alarms", "/v2/models/{model}/infer", "/livez"} <= known.endpoints
    assert {"emotion_windows_total", "emotion_broker_connected"} <= known.metrics
    assert {"EEG_EMOTION_PORT", "EEG_EMOTION_BENCH_PINNED"} <= known.variables
    assert {"demo", "reference", "docs"} <= known.targets
