"""The page of the REST endpoints, and their OpenAPI document, made from the routes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

from docs.generate import messages
from docs.generate.markdown import MADE, code, table
from docs.generate.schema import Schema, fields, kind
from fastapi.routing import APIRoute

from eeg_emotion.access.access import Access
from eeg_emotion.access.keys import KeyStore
from eeg_emotion.alarms.routes import AlarmsPart
from eeg_emotion.api.app import create_app
from eeg_emotion.api.baselines import BaselinesPart
from eeg_emotion.api.guard import ScopeCheck
from eeg_emotion.api.history import HistoryPart
from eeg_emotion.api.model import ModelPart
from eeg_emotion.api.montage import MontagePart
from eeg_emotion.api.parts import Part, routes_of
from eeg_emotion.api.predict import PredictPart
from eeg_emotion.api.probes import HealthPart
from eeg_emotion.api.routes import HeadsetsPart, QualityPart
from eeg_emotion.api.sse import EventStreamPart
from eeg_emotion.api.stream import StreamPart
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.open_inference.routes import OpenInferencePart

# A part's routes belong to its class, so no service has to run for its description.
PARTS = cast(
    list[Part],
    [
        HealthPart,
        HeadsetsPart,
        PredictPart,
        HistoryPart,
        ModelPart,
        MontagePart,
        StreamPart,
        EventStreamPart,
        QualityPart,
        BaselinesPart,
        AlarmsPart,
        OpenInferencePart,
    ],
)
"""The parts of `eeg-emotion serve` with all extras."""

_HEAD = """\
# REST

{made}
For tools: [openapi.json](../../service/openapi.json) (OpenAPI 3.1). The service serves its own at
`/openapi.json`, and a page to try it at `/docs`; see `--docs` in [Settings](SETTINGS.md).
Predictions are pushed rather than requested: see [PROTOCOL.md](PROTOCOL.md).

This is `eeg-emotion serve` with the extra `alarms`; a gateway passes on what only an ingest knows.
Scopes apply where the service requires credentials: see [Access](access.md). Errors below `/v2`
have the Open Inference Protocol's form; all others are `application/problem+json` (RFC 9457) with
`title`, `status`, `detail` and, for a request's body, `errors`.
"""
_KINDS = {
    "health": "Probes and metrics",
    "headsets": "Headsets",
    "model": "Model",
    "baselines": "Rest baselines",
    "alarms": "Alarms and rules",
    "inference": "Open Inference Protocol",
}


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of a service that requires credentials."""
    guarded = Access(keys=KeyStore(Path("keys.json")))
    return create_app(PARTS, guarded, Metrics()).openapi()


def scopes() -> Mapping[tuple[str, str], str]:
    """Return the scope that each method and path requires, as it is written in a key."""
    return {
        (method, route.path): " ".join(
            check.dependency.action
            for check in route.dependencies
            if isinstance(check.dependency, ScopeCheck)
        )
        for route in routes_of(PARTS)
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }


def page(document: Mapping[str, Any]) -> str:
    """Write the page.

    Parameters
    ----------
    document
        The OpenAPI document.

    Returns
    -------
    str
        Markdown.
    """
    scope = scopes()
    operations = [
        (path, method.upper(), operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    parts = [_HEAD.format(made=MADE.format(source="the routes"))]
    for tag, title in _KINDS.items():
        parts.append(f"## {title}\n")
        for path, method, operation in operations:
            if operation["tags"] == [tag]:
                parts += _operation(path, method, operation, scope[method, path])
    schemas: Mapping[str, Schema] = document["components"]["schemas"]
    parts.append("## Bodies and their parts\n")
    for name in sorted(_own(schemas), key=_short):
        parts += _schema(name, schemas[name])
    return "\n".join(parts)


def _operation(path: str, method: str, operation: Mapping[str, Any], scope: str) -> Iterator[str]:
    yield f"### `{method} {path}`\n"
    yield f"{operation.get('description', operation['summary'])}\n"
    if not operation.get("security"):
        yield "Credentials: none.\n"
    else:
        yield f"Credentials: {f'scope `{scope}`' if scope else 'any key or token'}.\n"
    rows = [
        (
            code(one["name"]),
            one["in"],
            kind(_stated(one["schema"]), _link),
            one.get("description", ""),
            code(one["schema"]["default"])
            if one["schema"].get("default") not in (None, "")
            else "",
        )
        for one in operation.get("parameters", ())
    ]
    if rows:
        yield table(("parameter", "in", "value", "meaning", "default"), rows)
    for kind_of, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"Body: {_content(kind_of, content)}.\n"
    answers = [
        (code(status), _answer(status, answer))
        for status, answer in sorted(operation["responses"].items())
        if status != "default"
    ]
    yield table(("status", "answer"), answers)


def _answer(status: str, answer: Mapping[str, Any]) -> str:
    phrase = HTTPStatus(int(status)).phrase
    if not status.startswith("2"):
        return phrase
    bodies = [_content(kind_of, one) for kind_of, one in answer.get("content", {}).items()]
    return ": ".join(filter(None, [phrase, " or ".join(bodies)]))


def _content(kind_of: str, content: Mapping[str, Any]) -> str:
    if kind_of != "application/json":
        return code(kind_of)
    return f"{code(kind_of)}, {kind(content['schema'], _link)}"


def _stated(schema: Schema) -> Schema:
    """Return a parameter's schema without the null that stands for leaving it out."""
    if "anyOf" not in schema:
        return schema
    (one,) = (each for each in schema["anyOf"] if each.get("type") != "null")
    limits = {key: value for key, value in schema.items() if key == "pattern"}
    return {**one, **limits}


def _short(name: str) -> str:
    return name.rpartition("__")[2]


def _own(schemas: Mapping[str, Schema]) -> list[str]:
    """Return the schemas that no other page has."""
    elsewhere = messages.headings().keys() | messages.CODES
    return [name for name in schemas if not _is_elsewhere(name, elsewhere)]


def _is_elsewhere(name: str, elsewhere: set[str]) -> bool:
    module, _, short = name.rpartition("__")
    return short in elsewhere and (not module or module.endswith("codes"))


def _link(name: str) -> str:
    if _is_elsewhere(name, messages.headings().keys() | messages.CODES):
        return messages.link(_short(name), "messages.md")
    return f"[{_short(name)}](#{_short(name).lower()})"


def _schema(name: str, schema: Schema) -> Iterator[str]:
    yield f"### {_short(name)}\n"
    if text := schema.get("description"):
        yield f"{text}\n"
    yield fields(schema, _link) or f"Value: {kind(schema, _link)}.\n"
