"""The contributor's pages, followed to the letter in a copy of the project."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.worked_example import ROOT, Command, Copy, Diff, NewFile, steps

DOCS = ROOT / "docs"
PAGES = (
    DOCS / "tutorials" / "first-change.md",
    DOCS / "how-to" / "contribute" / "add-a-representation.md",
    DOCS / "how-to" / "contribute" / "add-a-reader.md",
    DOCS / "how-to" / "contribute" / "add-an-output.md",
)

pytestmark = pytest.mark.slow


@pytest.mark.needs("time")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_can_be_followed_to_the_letter(page: Path, tmp_path: Path) -> None:
    copy = Copy.into(tmp_path)
    copy.follow(page)
    commands = [step for step in copy.done if isinstance(step, Command)]
    # Its test was seen to fail, then to pass, and the linters were content.
    assert any(command.status != 0 for command in commands)
    assert any(" passed" in line for command in commands for line in command.output)
    assert commands[-1].text == "make lint"


PAGE = """\
Write `hello.py`:

```python
# file: made/hello.py
print("hello, you")
```

<!-- not run: in a copy of the project, by tests/docs/test_worked_examples.py -->
```console
$ python made/hello.py
hello, ...
```

```diff
--- a/made/hello.py
+++ b/made/hello.py
@@ -1 +1 @@
-print("hello, you")
+raise SystemExit(3)
```

<!-- not run: in a copy of the project, by tests/docs/test_worked_examples.py; exit 3 -->
```console
$ python --version
$ python made/hello.py
```

<!-- not run: it needs a headset -->
```console
$ false
```
"""


def follow(page: str, folder: Path) -> Copy:
    file = folder / "page.md"
    file.write_text(page, encoding="utf-8")
    copy = Copy(folder)
    copy.follow(file)
    return copy


def test_a_pages_steps_are_done_in_order(tmp_path: Path) -> None:
    kinds = [type(step) for step in follow(PAGE, tmp_path).done]
    assert kinds == [NewFile, Command, Diff, Command, Command]
    assert (tmp_path / "made" / "hello.py").read_text() == "raise SystemExit(3)\n"


@pytest.mark.parametrize(
    ("true", "stale", "words"),
    [
        ("hello, ...", "goodbye, ...", "expected goodbye"),
        ("exit 3", "exit 1", "expected exit 1 of"),
        ('-print("hello, you")', '-print("hello, me")', "of this change"),
    ],
)
def test_a_page_that_is_stale_is_noticed(true: str, stale: str, words: str, tmp_path: Path) -> None:
    assert len(steps(PAGE)) == 5
    with pytest.raises(AssertionError, match=words):
        follow(PAGE.replace(true, stale), tmp_path)
