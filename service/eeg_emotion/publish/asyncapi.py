"""The protocol as documents for tools: AsyncAPI 3 and JSON Schema, generated from the messages.

`make reference` writes them into ``service/``; the running service serves the first at
``/asyncapi.json``. The explanation is in ``docs/reference/PROTOCOL.md``.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, TypeAdapter
from pydantic.json_schema import (
    GenerateJsonSchema,
    JsonSchemaMode,
    JsonSchemaValue,
    models_json_schema,
)
from pydantic_core import core_schema

import eeg_emotion
from eeg_emotion.publish.alarms import Alarm
from eeg_emotion.publish.close_codes import CloseCode
from eeg_emotion.publish.examples import MESSAGES
from eeg_emotion.publish.examples import REQUESTS as REQUEST_EXAMPLES
from eeg_emotion.publish.message import Message
from eeg_emotion.publish.messages import (
    PROTOCOL,
    Baseline,
    GoingAway,
    Marker,
    Prediction,
    Status,
    Subscribed,
    TypedMessage,
)
from eeg_emotion.publish.requests import REQUESTS, AnyRequest, Request

SENT: tuple[type[Message], ...] = get_args(TypedMessage)
"""The messages that the service sends on the WebSocket."""

RECEIVED: tuple[type[Request], ...] = get_args(get_args(AnyRequest)[0])
"""The messages that it accepts."""

SENT_AS_EVENTS: tuple[type[Message], ...] = (
    Subscribed,
    Status,
    Prediction,
    Baseline,
    Alarm,
    Marker,
    GoingAway,
)
"""The messages that it sends as Server-Sent Events: no welcome, no details, no answers."""

_Sent = Annotated[TypedMessage, Field(discriminator="type")]
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Schema(GenerateJsonSchema):
    """Pydantic's schemas, adapted to the wire.

    A message states all its fields, including those with a default. It may gain fields within a
    version, so a schema that refused them would break clients that validate with it.
    """

    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        return self.mode == "serialization" or super().field_is_required(field, total)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if self.mode == "serialization":
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        if self.mode == "serialization":
            del made["additionalProperties"]
        return made


@cache
def documents() -> Mapping[str, str]:
    """Return the text of every document, by its path in ``service/``."""
    made = {
        "asyncapi.json": asyncapi(),
        "schema/server.json": server_schema(),
        "schema/client.json": client_schema(),
    }
    return {
        path: json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        for path, document in made.items()
    }


def server_schema() -> dict[str, Any]:
    """Return the JSON Schema of the messages from the service."""
    schema = TypeAdapter[Any](_Sent).json_schema(mode="serialization", schema_generator=_Schema)
    return {"$schema": _DIALECT, "title": f"{PROTOCOL}, from the service", **schema}


def client_schema() -> dict[str, Any]:
    """Return the JSON Schema of the messages from the client."""
    schema = REQUESTS.json_schema(mode="validation", schema_generator=_Schema)
    return {"$schema": _DIALECT, "title": f"{PROTOCOL}, from the client", **schema}


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "eeg-emotion",
            "version": eeg_emotion.__version__,
            "description": (
                "Arousal and valence from EEG, as they are estimated. For the protocol's promises "
                "and how a client should behave, see docs/reference/PROTOCOL.md. A client ignores "
                "fields and types that it does not know."
            ),
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "websocket": _server("ws", "The default address; behind a proxy wss."),
            "http": _server("http", "The default address; behind a proxy https."),
        },
        "channels": {"stream": _stream(), "headset": _headset()},
        "operations": {
            "send": _operation("send", "stream", SENT, "Messages from the service."),
            "receive": _operation("receive", "stream", RECEIVED, "Messages from a client."),
            "sendEvents": _operation(
                "send", "headset", SENT_AS_EVENTS, "Messages from the service about one headset."
            ),
        },
        "components": {
            "messages": {_name(model): _message(model) for model in (*SENT, *RECEIVED)},
            "schemas": {**_schemas(SENT, "serialization"), **_schemas(RECEIVED, "validation")},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": (
                        "A key or token, if the service requires one; on the WebSocket, `hello` "
                        "may carry it instead. Never put it in a URL."
                    ),
                }
            },
        },
    }


def _server(protocol: str, description: str) -> dict[str, Any]:
    return {
        "host": "127.0.0.1:8000",
        "protocol": protocol,
        "description": description,
        "security": [{"$ref": "#/components/securitySchemes/bearer"}],
    }


def _stream() -> dict[str, Any]:
    return {
        "address": "/v1/stream",
        "title": "WebSocket",
        "description": (
            "One JSON object per text message. The service's close codes are in `x-close-codes`."
        ),
        "servers": [{"$ref": "#/servers/websocket"}],
        "messages": _references(*SENT, *RECEIVED),
        "bindings": {
            "ws": {
                "method": "GET",
                "query": {
                    "type": "object",
                    "properties": {
                        "headset": {
                            "type": "array",
                            "items": {"type": "string"},
                            "description": "Headsets to subscribe to at once; `*` for all.",
                        }
                    },
                },
                "headers": {
                    "type": "object",
                    "properties": {"Sec-WebSocket-Protocol": {"const": PROTOCOL}},
                },
                "bindingVersion": "0.1.0",
            }
        },
        "x-close-codes": [
            {"code": code.value, "name": code.name.lower(), "reconnect": code.again}
            for code in CloseCode
        ],
    }


def _headset() -> dict[str, Any]:
    return {
        "address": "/v1/headsets/{headset}/stream",
        "title": "Server-Sent Events",
        "description": (
            "An event is named after its message's `type`; a prediction's id is its `epoch:seq`, "
            "which the client sends back as `Last-Event-ID`."
        ),
        "servers": [{"$ref": "#/servers/http"}],
        "parameters": {"headset": {"description": "A headset's id."}},
        "messages": _references(*SENT_AS_EVENTS),
    }


def _operation(
    action: Literal["send", "receive"],
    channel: str,
    models: Iterable[type[BaseModel]],
    summary: str,
) -> dict[str, Any]:
    place = f"#/channels/{channel}"
    return {
        "action": action,
        "channel": {"$ref": place},
        "summary": summary,
        "messages": [{"$ref": f"{place}/messages/{_name(model)}"} for model in models],
    }


def _references(*models: type[BaseModel]) -> dict[str, Any]:
    return {_name(model): {"$ref": f"#/components/messages/{_name(model)}"} for model in models}


def _message(model: type[BaseModel]) -> dict[str, Any]:
    summary, _, more = inspect.cleandoc(model.__doc__ or "").partition("\n\n")
    made = {
        "name": _name(model),
        "title": model.__name__,
        "summary": summary,
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        "examples": [
            {"payload": _payload(example)}
            for example in (*MESSAGES, *REQUEST_EXAMPLES)
            if type(example) is model
        ],
    }
    if more:
        made["description"] = more
    return made


def _payload(example: BaseModel) -> Any:
    """Return an example as a client writes or reads it."""
    if isinstance(example, Message):
        return json.loads(example.encode())
    stated = example.model_dump(mode="json", exclude_defaults=True)
    if (token := getattr(example, "token", None)) is not None:
        stated["token"] = token.get_secret_value()
    return stated


def _schemas(models: Iterable[type[BaseModel]], mode: JsonSchemaMode) -> dict[str, Any]:
    _, made = models_json_schema(
        [(model, mode) for model in models],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Schema,
    )
    schemas: dict[str, Any] = made["$defs"]
    return schemas


def _name(model: type[BaseModel]) -> str:
    """Return a message's `type` on the wire."""
    (name,) = get_args(model.model_fields["type"].annotation)
    return str(name)
