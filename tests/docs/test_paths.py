"""Files and modules that README and docs name are there."""

from __future__ import annotations

import pytest
from tests.support.markdown import Page, pages
from tests.support.paths import missing_paths


def test_every_path_and_module_is_there() -> None:
    # The changelog names what there was.
    current = [page for page in pages() if page.name != "CHANGELOG.md"]
    problems = list(map(str, missing_paths(current)))
    assert not problems, "\n".join(["", *problems])


@pytest.mark.parametrize(
    "code",
    [
        "tests/conftest.py",
        "tests/docs/test_paths.py::test_every_path_and_module_is_there",
        "tests/service/",
        "requirements/*.txt",
        "stream/timeline.py",
        "eeg_emotion/codes.py",
        "page/static/client.js",
        "eeg_emotion.client",
        "eeg_emotion.client.connect",
        "eeg_emotion.audit",  # a logger
        "eeg_emotion.publish.messages.Prediction",
        "eeg_emotion_training.data.table_source",
        "docs/_build/html/index.html",
        "models/mine.onnx",
        "models/NAME",
        "/v1/stream",
        "muselsl/stream.py",
        "application/problem+json",
        "of nobody/in particular.py",
    ],
)
def test_what_is_there_or_not_ours_is_passed(code: str) -> None:
    assert list(missing_paths([Page("docs/a.md", f"See `{code}`.\n")])) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("tests/none.py", "the repository has no such file"),
        ("service/PROTOCOL.md", "the repository has no such file"),
        ("tests/conftest.py::test_none", "tests/conftest.py has no such test"),
        ("requirements/*.none", "the repository has no such file"),
        ("stream/none.py", "no package has such a file"),
        ("eeg_emotion/none.py", "no package has such a file"),
        ("eeg_emotion.none", "no package has it"),
        ("eeg_emotion.client.none", "no package has it"),
        ("eeg_emotion_training.none.module", "no package has it"),
    ],
)
def test_what_is_not_there_is_found_with_its_place(code: str, words: str) -> None:
    (problem,) = map(str, missing_paths([Page("docs/a.md", f"One line,\nand `{code}`.\n")]))
    assert problem.startswith(f"docs/a.md:2: found {code.rpartition('::')[2]}, but ")
    assert words in problem


def test_a_name_alone_is_a_module_s_in_topics() -> None:
    text = "`codes.py` and `fleet/` are there, `none.py` and `none/` not.\n"
    found = [problem.found for problem in missing_paths([Page("docs/topics/a.md", text)])]
    assert [each.partition(",")[0] for each in found] == ["found none.py", "found none/"]
    assert list(missing_paths([Page("docs/tutorials/a.md", text)])) == []
