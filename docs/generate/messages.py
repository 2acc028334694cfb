"""The page of the push protocol's messages, made from their schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from docs.generate import codes
from docs.generate.markdown import MADE
from docs.generate.schema import Schema, fields, kind, name_of

from eeg_emotion.publish.asyncapi import asyncapi

CODES = {one.__name__ for one in codes.KINDS}

_HEAD = """\
# Messages

{made}
What may be relied on, when each message is sent and how a client should behave is in
[PROTOCOL.md](PROTOCOL.md). For tools: [asyncapi.json](../../service/asyncapi.json) (AsyncAPI 3,
also served at `/asyncapi.json`), and the JSON Schemas of the messages
[from the service](../../service/schema/server.json) and
[from a client](../../service/schema/client.json).

A message from the service states all its fields, and may gain more within this version. One from a
client may leave out those that are optional here, and may have no others.
"""


def page() -> str:
    """Write the page.

    Returns
    -------
    str
        Markdown.
    """
    document = asyncapi()
    schemas: Mapping[str, Schema] = document["components"]["schemas"]
    parts = [_HEAD.format(made=MADE.format(source="the message types"))]
    for title, operation in (("From the service", "send"), ("From a client", "receive")):
        names = [name_of(one["$ref"]) for one in document["operations"][operation]["messages"]]
        parts.append(f"## {title}\n")
        for name in names:
            parts += _message(document["components"]["messages"][name], schemas)
    parts.append("## Parts of messages\n")
    for name in parts_of_messages():
        parts += _part(name, schemas[name])
    return "\n".join(parts)


@cache
def headings() -> Mapping[str, str]:
    """Return the heading on this page of each schema that has one."""
    messages: Mapping[str, Any] = asyncapi()["components"]["messages"]
    whole = {name_of(one["payload"]["$ref"]): name for name, one in messages.items()}
    return whole | {name: name for name in parts_of_messages()}


def parts_of_messages() -> list[str]:
    """Return the names of the schemas that are no message and no code, sorted."""
    document = asyncapi()
    messages = document["components"]["messages"].values()
    whole = {name_of(one["payload"]["$ref"]) for one in messages}
    return sorted(document["components"]["schemas"].keys() - whole - CODES)


def link(name: str, page: str = "") -> str:
    """Return the link to a schema of this page, from here or from another page."""
    if name in CODES:
        return f"[{name}](codes.md#{name.lower()})"
    heading = headings()[name]
    return f"[{heading}]({page}#{heading.lower()})"


def _message(message: Mapping[str, Any], schemas: Mapping[str, Schema]) -> Iterator[str]:
    schema = schemas[name_of(message["payload"]["$ref"])]
    yield f"### `{message['name']}`\n"
    yield from _described(schema)
    own = {name: field for name, field in schema["properties"].items() if name != "type"}
    yield fields({**schema, "properties": own}, link) or "No fields besides `type`.\n"


def _part(name: str, schema: Schema) -> Iterator[str]:
    yield f"### {name}\n"
    yield from _described(schema)
    yield fields(schema, link) or f"Value: {kind(schema, link)}.\n"


def _described(schema: Schema) -> Iterator[str]:
    if text := schema.get("description"):
        yield f"{text}\n"
