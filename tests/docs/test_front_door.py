"""What a contributor finds at the root of the project: valid, true, and without the network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema import main as check_jsonschema  # type: ignore[import-untyped]
from click.testing import CliRunner
from tests.support.command import command
from tests.support.needs import NEEDS

import eeg_emotion

ROOT = Path(__file__).parents[2]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
DOCTOR = "eeg-emotion doctor --json --anonymous"


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def run(*arguments: str | Path, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, arguments)),
        cwd=cwd,
        env=os.environ | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )


# Citation


def is_valid(schema: str, *files: Path) -> bool:
    done = CliRunner().invoke(check_jsonschema, ["--builtin-schema", schema, *map(str, files)])
    return done.exit_code == 0


def test_the_citation_is_valid_and_of_this_version(tmp_path: Path) -> None:
    assert is_valid("vendor.citation-file-format", ROOT / "CITATION.cff")
    assert yaml.safe_load(text("CITATION.cff"))["version"] == eeg_emotion.__version__
    without_authors = tmp_path / "CITATION.cff"
    without_authors.write_text("cff-version: 1.2.0\nmessage: Cite it.\ntitle: a\n")
    assert not is_valid("vendor.citation-file-format", without_authors)


# Templates


def test_the_forms_are_valid() -> None:
    config = ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"
    forms = [form for form in FORMS if form != config]
    assert len(forms) >= 3
    assert is_valid("vendor.github-issue-forms", *forms)
    assert is_valid("vendor.github-issue-config", config)
    assert not is_valid("vendor.github-issue-forms", config)


@pytest.mark.parametrize("name", ["fault", "headset"])
def test_a_form_about_what_happens_asks_for_the_doctor(name: str) -> None:
    form = yaml.safe_load(text(f".github/ISSUE_TEMPLATE/{name}.yml"))
    (field,) = (field for field in form["body"] if field.get("id") == "doctor")
    assert DOCTOR in field["attributes"]["description"]
    assert field["validations"] == {"required": True}


def test_the_doctor_has_the_options_that_the_templates_ask_for() -> None:
    for name in (".github/PULL_REQUEST_TEMPLATE.md", "SECURITY.md"):
        assert DOCTOR in " ".join(text(name).split()), name
    help_text = command("doctor", "--help").stdout
    assert all(option in help_text for option in re.findall(r"--\w+", DOCTOR))


# Hooks


def hooks() -> list[dict[str, Any]]:
    return [
        hook
        for repo in yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
        for hook in repo["hooks"]
    ]


def test_hooks_use_what_is_installed_and_download_nothing() -> None:
    repos = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
    assert {repo["repo"] for repo in repos} == {"local"}
    assert {hook["language"] for hook in hooks()} == {"system"}
    for hook in hooks():
        program = Path(hook["entry"].split()[0])
        assert program.parts[:2] == (".venv", "bin")
        assert (Path(sys.executable).parent / program.name).exists(), program


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with the project's hooks, and one Python file."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in (".pre-commit-config.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    (folder / "hello.py").write_text('"""Say it."""\n\nHELLO = "you"\n')
    for arguments in (("init", "--quiet"), ("add", "hello.py", ".pre-commit-config.yaml")):
        assert run("git", *arguments, cwd=folder).returncode == 0
    return folder


def committed(clone: Path) -> subprocess.CompletedProcess[str]:
    return run(
        *(sys.executable, "-m", "pre_commit", "run", "--all-files"),
        cwd=clone,
        PRE_COMMIT_HOME=str(clone.parent / "hooks"),
    )


def test_hooks_let_a_good_change_pass(clone: Path) -> None:
    done = committed(clone)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^style \(ruff\)\.+Passed$", done.stdout, re.MULTILINE)
    assert re.search(r"^format \(ruff\)\.+Passed$", done.stdout, re.MULTILINE)


def test_hooks_stop_a_bad_change(clone: Path) -> None:
    (clone / "hello.py").write_text('"""Say it."""\n\nimport os\nHELLO =   "you"\n')
    done = committed(clone)
    assert done.returncode == 1, done.stdout
    assert "F401" in done.stdout
    assert "files were modified by this hook" in done.stdout


# CONTRIBUTING


def test_contributing_is_short_and_names_what_there_is() -> None:
    page = text("CONTRIBUTING.md")
    assert len(page.splitlines()) <= 170
    marked = re.findall(r'`(?:@pytest\.mark\.needs\()?"([a-z ]+)"\)?`', page)
    assert len(marked) >= 4
    assert set(marked) <= set(NEEDS)
    helpers = re.findall(r"`(\w+\.py)`", page)
    assert len(helpers) >= 10
    for name in helpers:
        assert (ROOT / "tests" / "support" / name).is_file(), name


def test_no_address_is_invented() -> None:
    for name in ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "CITATION.cff"):
        assert not re.search(r"\w@\w", text(name)), name


def test_the_example_over_lsl_is_a_test_that_runs() -> None:
    (example,) = re.findall(
        r"^```python\n(.*?)^```$", text("CONTRIBUTING.md"), re.MULTILINE | re.DOTALL
    )
    assert f"\n\n\n{example}\n\n" in text("tests/service/fleet/test_unstated_unit.py")
