"""The documents for tools say what the types say, and are what they claim to be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import pytest
from jsonschema_rs import Draft7Validator, Draft202012Validator

from eeg_emotion.api.server import PING_SECONDS
from eeg_emotion.publish.asyncapi import asyncapi, client_schema, documents, server_schema
from eeg_emotion.publish.close_codes import CloseCode
from eeg_emotion.publish.examples import MESSAGES
from eeg_emotion.publish.message import Message
from eeg_emotion.publish.messages import Welcome
from eeg_emotion.publish.requests import REQUESTS, Request

DRAFT_7 = "http://json-schema.org/draft-07/schema#"

_FOLDER = Path(__file__).parents[3] / "service"

# What AsyncAPI 3.0 knows in each place, and what it cannot do without.
_ROOT = {
    "asyncapi",
    "info",
    "defaultContentType",
    "servers",
    "channels",
    "operations",
    "components",
}
_SERVER = {"host", "protocol", "description", "security"}
_CHANNEL = {"address", "title", "description", "servers", "messages", "parameters", "bindings"}
_OPERATION = {"action", "channel", "summary", "messages"}
_MESSAGE = {"name", "title", "summary", "description", "payload", "examples"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncapi()


def _typed(base: type[Message] | type[Request]) -> Iterator[str]:
    """Return the `type` of each kind of message there is in the program."""
    for model in base.__subclasses__():
        if "type" in model.model_fields:
            (name,) = get_args(model.model_fields["type"].annotation)
            yield name
        yield from _typed(model)


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def _resolve(document: dict[str, Any], reference: str) -> Any:
    assert reference.startswith("#/"), reference
    part: Any = document
    for key in reference[2:].split("/"):
        part = part[key]
    return part


def _own(part: dict[str, Any]) -> set[str]:
    return {key for key in part if not key.startswith("x-")}


@pytest.mark.parametrize("path", documents())
def test_the_committed_file_is_what_the_types_say(path: str) -> None:
    committed = (_FOLDER / path).read_text(encoding="utf-8")
    assert committed == documents()[path], (
        f"service/{path} is not of these types: run make reference"
    )


def test_no_document_is_left_over() -> None:
    found = {f"schema/{path.name}" for path in (_FOLDER / "schema").iterdir()}
    assert found | {"asyncapi.json"} == set(documents())


def test_each_place_has_only_what_asyncapi_knows(document: dict[str, Any]) -> None:
    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= _own(document["info"])
    assert _own(document) <= _ROOT
    for server in document["servers"].values():
        assert {"host", "protocol"} <= _own(server) <= _SERVER
    for channel in document["channels"].values():
        assert {"address", "messages"} <= _own(channel) <= _CHANNEL
    for operation in document["operations"].values():
        assert {"action", "channel"} <= _own(operation) <= _OPERATION
        assert operation["action"] in ("send", "receive")
    for message in document["components"]["messages"].values():
        assert {"name", "payload"} <= _own(message) <= _MESSAGE


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = list(_references(document))
    assert references
    for reference in references:
        _resolve(document, reference)


def test_operations_use_their_own_channel_s_messages(document: dict[str, Any]) -> None:
    # The standard has them refer to the channel's messages, not to those of the components.
    for operation in document["operations"].values():
        place = operation["channel"]["$ref"]
        assert _resolve(document, place) in document["channels"].values()
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{place}/messages/")


def test_both_directions_are_whole(document: dict[str, Any]) -> None:
    def said(operation: str) -> set[str]:
        references = document["operations"][operation]["messages"]
        return {reference["$ref"].rpartition("/")[2] for reference in references}

    assert said("send") == set(_typed(Message))
    assert said("receive") == set(_typed(Request))
    assert set(document["channels"]["stream"]["messages"]) == said("send") | said("receive")
    assert said("sendEvents") == set(document["channels"]["headset"]["messages"])


def test_parameters_of_an_address_are_described(document: dict[str, Any]) -> None:
    for channel in document["channels"].values():
        named = {part[1:-1] for part in channel["address"].split("/") if part.startswith("{")}
        assert named == set(channel.get("parameters", {}))


def test_every_message_has_a_payload_with_its_type(document: dict[str, Any]) -> None:
    for name, message in document["components"]["messages"].items():
        schema = _resolve(document, message["payload"]["$ref"])
        assert schema["properties"]["type"]["const"] == name == message["name"]
        assert "type" in schema["required"]


def test_schemas_are_schemas(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate({**schema, "$schema": DRAFT_7})  # what AsyncAPI takes them for
    jsonschema_rs.meta.validate(server_schema())
    jsonschema_rs.meta.validate(client_schema())


def test_every_example_is_of_its_schema_and_of_no_other(document: dict[str, Any]) -> None:
    messages = document["components"]["messages"]
    for name, message in messages.items():
        assert message["examples"], name
        for example in message["examples"]:
            for other in messages.values():
                schema = {**document, **other["payload"]}
                fits = Draft7Validator(schema).is_valid(example["payload"])
                assert fits == (other is message), (name, other["name"])


def test_examples_are_what_the_service_sends_and_understands(document: dict[str, Any]) -> None:
    sent = Draft202012Validator(server_schema())
    received = Draft202012Validator(client_schema())
    for message in MESSAGES:
        sent.validate(json.loads(message.encode()))
    for name in _typed(Request):
        for example in document["components"]["messages"][name]["examples"]:
            received.validate(example["payload"])
            REQUESTS.validate_json(json.dumps(example["payload"]))


def test_a_message_states_all_its_fields_and_may_get_more() -> None:
    check = Draft202012Validator(server_schema())
    for message in MESSAGES:
        reported = json.loads(message.encode())
        assert check.is_valid({**reported, "of_a_later_service": 1})
        for field in reported:
            assert not check.is_valid({key: reported[key] for key in reported if key != field}), (
                field
            )


def test_a_request_may_have_no_unknown_field() -> None:
    check = Draft202012Validator(client_schema())
    assert check.is_valid({"type": "hello"})
    assert not check.is_valid({"type": "hello", "unknown": 1})
    assert not check.is_valid({"type": "subscribe"})


def test_close_codes_are_listed(document: dict[str, Any]) -> None:
    listed = document["channels"]["stream"]["x-close-codes"]
    assert {row["code"]: (row["name"], row["reconnect"]) for row in listed} == {
        code.value: (code.name.lower(), code.again) for code in CloseCode
    }


def test_the_welcome_that_is_shown_has_the_service_s_heartbeat() -> None:
    (welcome,) = (message for message in MESSAGES if isinstance(message, Welcome))
    assert welcome.heartbeat_seconds == PING_SECONDS
