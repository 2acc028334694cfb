"""JSON schemas in words and tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from docs.generate.markdown import code, listed, table

Schema = Mapping[str, Any]
Link = Callable[[str], str]
"""Returns the Markdown for a schema of this name."""

_LIMITS = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "exclusiveMaximum": "below {}",
    "multipleOf": "in steps of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "matching `{}`",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
}


def name_of(reference: str) -> str:
    """Return the name at the end of a `$ref`."""
    return reference.rpartition("/")[2]


def kind(schema: Schema, link: Link) -> str:
    """Return what a value may be, in words."""
    if "$ref" in schema:
        return link(name_of(schema["$ref"]))
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return listed([kind(one, link) for one in schema[choice]], "or")
    if "const" in schema:
        return code(json.dumps(schema["const"], ensure_ascii=False))
    if "enum" in schema:
        values = [code(json.dumps(one, ensure_ascii=False)) for one in schema["enum"]]
        return listed(values, "or")
    return ", ".join([_shape(schema, link), *_limits(schema)])


def _shape(schema: Schema, link: Link) -> str:
    if "prefixItems" in schema:
        return f"list of {listed([kind(one, link) for one in schema['prefixItems']])}"
    match schema.get("type"):
        case "array":
            items = schema.get("items") or {}
            return f"list of {kind(items, link)}" if items else "list"
        case "object" if isinstance(schema.get("additionalProperties"), Mapping):
            return f"object, each value {kind(schema['additionalProperties'], link)}"
        case str() as type_:
            return {"password": "secret string", "date-time": "string, a time of ISO 8601"}.get(
                schema.get("format", ""), type_
            )
    return "any value"


def _limits(schema: Schema) -> Iterator[str]:
    for name, words in _LIMITS.items():
        if name in schema and not ("prefixItems" in schema and name.endswith("Items")):
            yield words.format(_number(schema[name]))


def _number(limit: object) -> object:
    # Whether a limit is written 0 or 0.0 differs between the two kinds of schema.
    return int(limit) if isinstance(limit, float) and limit.is_integer() else limit


def fields(schema: Schema, link: Link) -> str:
    """Return the table of an object's fields; empty where it has none."""
    properties: Mapping[str, Schema] = schema.get("properties", {})
    required = schema.get("required", ())
    rows = [
        (
            code(name),
            kind(field, link),
            _with_default(field) if name not in required else field.get("description", ""),
        )
        for name, field in properties.items()
    ]
    return table(("field", "value", "meaning"), rows) if rows else ""


def _with_default(field: Schema) -> str:
    default = field.get("default")
    said = "Optional." if default is None else f"Default: {code(json.dumps(default))}."
    return " ".join(filter(None, [field.get("description", ""), said]))
