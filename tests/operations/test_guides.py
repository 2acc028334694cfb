"""What the guides for foreign software say of our messages: it is what we send."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from eeg_emotion.api.history import HistoryPage
from eeg_emotion.lsl.outlets import CHANNELS, STREAM_TYPE
from eeg_emotion.publish.messages import PROTOCOL, Prediction, Score, WindowSpan
from eeg_emotion.publish.requests import Ack, Hello

GUIDES = Path(__file__).parents[2] / "docs" / "how-to"


def blocks(guide: str, language: str) -> list[str]:
    """Return the blocks of a guide in a language."""
    text = (GUIDES / guide).read_text(encoding="utf-8")
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)


def assert_fields(used: set[str], *models: type[BaseModel]) -> None:
    """Assert that dotted names of fields exist in a model."""
    assert used
    for name in used:
        first, _, rest = name.partition(".")
        assert any(first in model.model_fields for model in models), name
        if rest:
            assert_fields({rest}, Score, WindowSpan)


@pytest.fixture
def flow() -> list[dict[str, Any]]:
    (text,) = blocks("node-red.md", "json")
    nodes: list[dict[str, Any]] = json.loads(text)
    return nodes


def test_the_nodes_of_the_flow_are_connected_with_each_other(flow: list[dict[str, Any]]) -> None:
    nodes = {node["id"]: node for node in flow}
    assert len(nodes) == len(flow)
    (tab,) = (node["id"] for node in flow if node["type"] == "tab")
    (client,) = (node for node in flow if node["type"] == "websocket-client")
    assert client["subprotocol"] == PROTOCOL
    for node in flow:
        assert node.get("z", tab) == tab
        assert node.get("client", client["id"]) == client["id"]
        assert len(node.get("wires", [])) <= node.get("outputs", 1)
        targets = {target for wire in node.get("wires", []) for target in wire}
        assert targets | set(node.get("scope", ())) <= nodes.keys()


def test_the_flow_reads_what_a_prediction_has(flow: list[dict[str, Any]]) -> None:
    (code,) = (node["func"] for node in flow if node.get("name") == "predictions")
    assert_fields(set(re.findall(r"message\.([a-z_.]+)", code)), Prediction)


def test_the_flow_says_hello_with_what_a_hello_has(flow: list[dict[str, Any]]) -> None:
    (code,) = (node["func"] for node in flow if node.get("name") == "hello")
    (sent,) = re.findall(r"stringify\(\{(.*?)\}\)", code)
    names = {part.partition(":")[0].strip() for part in sent.split(",")}
    assert names == {"type", "token", "subscribe"}
    assert_fields(names, Hello)


def test_the_script_for_unity_reads_what_a_prediction_has() -> None:
    script, _ = blocks("unity.md", "csharp")
    classes: dict[str, type[BaseModel]] = {
        "Message": Prediction,
        "Score": Score,
        "Window": WindowSpan,
    }
    for name, model in classes.items():
        (body,) = re.findall(rf"class {name}\s*\{{(.*?)\}}", script, re.DOTALL)
        assert_fields(set(re.findall(r"public \S+ (\w+);", body)), model)
    assert f'AddSubProtocol("{PROTOCOL}")' in script
    assert_fields(set(re.findall(r'\\"(\w+)\\":', script)), Hello, Ack)


def test_the_lines_for_matlab_read_what_is_sent() -> None:
    *requests, inlet = blocks("matlab.md", "matlab")
    # jsondecode calls a word of the language by another name.
    used = set(re.findall(r"\b(?:p|one)\.([a-zA-Z.]+)", "".join(requests)))
    assert_fields({name.replace("xEnd", "end") for name in used}, Prediction)
    channels = re.findall(r"(\w+) = sample\((\d)\);", inlet)
    assert channels == [(label, str(at)) for at, (label, _) in enumerate(CHANNELS, 1)]
    assert f"-{STREAM_TYPE.lower()}'" in inlet


def test_the_expression_for_grafana_reads_what_a_page_of_history_has() -> None:
    (expression,) = blocks("grafana.md", "text")
    assert expression.strip().startswith("[$.predictions.{")
    assert "predictions" in HistoryPage.model_fields
    used = set(re.findall(r"\b((?:window|arousal|valence)\.\w+)", expression))
    assert used == {"window.end", "arousal.probability", "valence.probability"}
    assert_fields(used, Prediction)
