"""The reference is what the code says: each page that is made from it is current and whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docs.generate import codes, commands, messages, rest
from docs.generate.documents import documents
from fastapi import FastAPI

import eeg_emotion.client
from eeg_emotion.publish.asyncapi import RECEIVED, SENT, client_schema, server_schema

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def made() -> dict[str, str]:
    return dict(documents())


def test_every_committed_page_is_current(made: dict[str, str]) -> None:
    stale = [
        path
        for path, text in made.items()
        if not (REPOSITORY / path).is_file()
        or (REPOSITORY / path).read_text(encoding="utf-8") != text
    ]
    assert not stale, f"{', '.join(stale)}: not what the code says; run make reference"


def headings(page: str) -> list[str]:
    return re.findall(r"^#+ `?(.*?)`?$", page, re.MULTILINE)


def test_every_command_has_its_section(made: dict[str, str]) -> None:
    page = made["docs/reference/command-line.md"]
    assert headings(page)[1:] == list(commands.commands())
    assert "eeg-emotion keys create" in headings(page)
    assert "eeg-emotion-train fit" in headings(page)


def test_every_option_of_a_command_is_in_its_section(made: dict[str, str]) -> None:
    page = made["docs/reference/command-line.md"]
    for command in commands.commands().values():
        section = re.split(r"^#+ ", page.partition(f"`{command.name}`\n")[2], flags=re.MULTILINE)[0]
        for parameter in command.options.values():
            assert f"`{parameter.opts[0]}`" in section, (command.name, parameter.opts)


def test_an_option_that_is_hidden_from_nobody_is_spelled_as_it_is_typed() -> None:
    found = commands.commands()
    assert {"--baseline", "--no-baseline", "--fault", "--help"} <= found[
        "eeg-emotion replay"
    ].spellings
    assert "--fault" not in found["eeg-emotion serve"].spellings


def test_every_operation_of_the_running_service_is_described(
    standing: FastAPI, made: dict[str, str]
) -> None:
    found = headings(made["docs/reference/rest.md"])
    running = {
        f"{method.upper()} {path}"
        for path, methods in standing.openapi()["paths"].items()
        for method in methods
    }
    assert {heading for heading in found if re.match("[A-Z]+ /", heading)} == running


def test_scopes_are_those_that_the_guard_checks(made: dict[str, str]) -> None:
    found = rest.scopes()
    assert found["GET", "/livez"] == ""
    assert found["GET", "/v1/headsets"] == "read"
    assert found["DELETE", "/v1/headsets/{identifier}/baseline"] == "control"
    assert found["GET", "/v1/profiles"] == "profiles"
    assert found["POST", "/v2/models/{model}/infer"] == "predict"
    section = made["docs/reference/rest.md"].partition("`GET /v1/profiles`")[2]
    assert section.partition("\n### ")[0].count("scope `profiles`") == 1


def test_every_schema_of_an_answer_is_described_once(made: dict[str, str]) -> None:
    found = headings(made["docs/reference/rest.md"])
    assert len(found) == len(set(found))
    assert {"PredictRequest", "Check", "Rule"} <= set(found)
    assert "Prediction" not in found  # messages.md has it


def test_every_message_has_its_section(made: dict[str, str]) -> None:
    found = headings(made["docs/reference/messages.md"])
    assert len(found) == len(set(found))
    assert {messages.headings()[model.__name__] for model in (*SENT, *RECEIVED)} <= set(found)


def field_schemas(schema: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, model in schema["$defs"].items():
        for field, made in model.get("properties", {}).items():
            if field != "type":
                yield name, field, made


def test_every_field_of_a_message_has_its_meaning() -> None:
    for schema in (server_schema(), client_schema()):
        for name, field, made in field_schemas(schema):
            assert made.get("description"), f"{name}.{field} has no docstring"


def test_every_code_has_its_row(made: dict[str, str]) -> None:
    page = made["docs/reference/codes.md"]
    for kind in codes.KINDS:
        section = page.partition(f"## {kind.__name__}\n")[2].partition("\n## ")[0]
        for code in kind:
            assert f"| `{code.value}` | {code.sentence} |" in section
            assert code.remedy in section


def test_all_that_the_client_s_module_offers_is_in_the_python_api() -> None:
    page = (REPOSITORY / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    for name in eeg_emotion.client.__all__:
        assert f"eeg_emotion.client.{name}\n" in page or f"`{name}`" in page, name
