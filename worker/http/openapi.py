"""Describe zik's own HTTP API as OpenAPI 3.1. The events' schema is the contract's."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from worker import __version__
from worker.contract.wire import json_schema
from worker.protocols.submission import MAX_ITEMS

_EVENT: Final = "#/components/schemas/Event"
_JSON: Final = "application/json"
_LINES: Final = "application/x-ndjson"


@cache
def document() -> Mapping[str, Any]:
    """The document that `/v1/openapi.json` serves."""
    contract = dict(json_schema())
    definitions = contract.pop("$defs")
    for name in ("$schema", "$id"):
        contract.pop(name)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "zik",
            "version": __version__,
            "description": "Publish what people listen to. A 200 means that Redis holds every event it calls accepted.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": {"/v1/events": {"post": _EVENTS}, "/v1/health": {"get": _HEALTH}, "/v1/openapi.json": {"get": _SELF}},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "`zik token create`"}},
            "schemas": {**_in_components(definitions), "Event": _in_components(contract), **_SCHEMAS},
            "responses": _RESPONSES,
        },
    }


def _in_components(schema: Any) -> Any:
    """The schema with its references where OpenAPI keeps them."""
    if isinstance(schema, dict):
        return {name: _in_components(value) for name, value in schema.items()}
    if isinstance(schema, list):
        return [_in_components(item) for item in schema]
    return schema.replace("#/$defs/", "#/components/schemas/") if isinstance(schema, str) else schema


def _body(schema: Mapping[str, Any], description: str) -> Mapping[str, Any]:
    return {"description": description, "content": {_JSON: {"schema": schema}}}


def _response(name: str) -> Mapping[str, str]:
    return {"$ref": f"#/components/responses/{name}"}


_REFUSED: Final = {"$ref": "#/components/schemas/Refusal"}
_RETRY: Final = {
    "Retry-After": {"description": "Seconds.", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
    "X-RateLimit-Reset-In": {"description": "The same.", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
}
_EVENTS: Final = {
    "operationId": "publishEvents",
    "summary": "Publish events of the token's user.",
    "description": (
        "Each event is checked by itself, and has its answer in the same order. Repeat a request that got a 503 or no "
        "answer: an event that is already there is recorded once."
    ),
    "requestBody": {
        "required": True,
        "content": {
            _LINES: {"schema": {"type": "string", "pattern": r"\S", "description": "One event a line."}},
            _JSON: {"schema": {"type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "items": {"$ref": _EVENT}}},
        },
    },
    "responses": {
        "200": _body({"$ref": "#/components/schemas/Answers"}, "Redis holds every accepted event."),
        **{status: _response(name) for status, name in {
            "400": "Malformed", "401": "Unauthorized", "403": "Forbidden", "408": "Slow", "413": "TooLarge",
            "415": "Compressed", "429": "TooMany", "503": "Unavailable",
        }.items()},
    },
}  # fmt: skip
_HEALTH: Final = {
    "operationId": "health",
    "summary": "Whether events can be published now.",
    "security": [],
    "responses": {
        "200": _body({"$ref": "#/components/schemas/Health"}, "Redis answers and takes events."),
        "503": _response("Unavailable"),
    },
}
_SELF: Final = {
    "operationId": "openapi",
    "summary": "This document.",
    "security": [],
    "responses": {"200": _body({"type": "object"}, "OpenAPI 3.1.")},
}
_SCHEMAS: Final = {
    "Answers": {
        "type": "object",
        "required": ["events"],
        "properties": {"events": {"type": "array", "items": {"$ref": "#/components/schemas/Answer"}}},
    },
    "Answer": {
        "type": "object",
        "required": ["id", "status", "reason", "detail"],
        "properties": {
            "id": {"type": ["string", "null"], "description": "The event's id, given or derived; null if it has none."},
            "status": {"enum": ["accepted", "refused"]},
            "reason": {"type": ["string", "null"], "description": "A reason of docs/events.md, or `wrong_user`."},
            "detail": {"type": ["string", "null"], "description": "The field and its rule, never the value."},
        },
    },
    "Health": {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}},
    "Refusal": {
        "type": "object",
        "required": ["code", "error"],
        "properties": {"code": {"type": "integer"}, "error": {"type": "string"}},
    },
}
_RESPONSES: Final = {
    "Malformed": _body(_REFUSED, "The body is neither JSON Lines nor a JSON array."),
    "Unauthorized": _body(_REFUSED, "The token is absent, unknown or revoked."),
    "Forbidden": _body(_REFUSED, "The token lacks the scope `submit`."),
    "Slow": _body(_REFUSED, "The body did not arrive in time."),
    "TooLarge": _body(_REFUSED, "The body is too large: send it in parts."),
    "Compressed": _body(_REFUSED, "The body has a Content-Encoding."),
    "TooMany": {**_body(_REFUSED, "The token is over its rate."), "headers": _RETRY},
    "Unavailable": {**_body(_REFUSED, "No event is accepted for certain: try again later."), "headers": _RETRY},
}
