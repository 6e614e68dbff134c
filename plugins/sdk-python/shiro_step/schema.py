"""JSON Schemas of dataclasses, and values for them.

A field without a default is required. `Annotated[T, ...]` adds to a field's schema: a text is its description, a dict is
more keywords, e.g. `Annotated[int, "How many.", {"minimum": 1}]`, or `{"writeOnly": True}` for a secret.

Types: str, int, float, bool, None, Any, list[T], dict[str, T], Literal[...], T | None, str enums, and dataclasses.
"""

import dataclasses
import types
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

Schema = dict[str, Any]

_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def of(kind: Any, *, closed: bool) -> Schema:
    """The schema of a type. A closed one refuses properties that a dataclass doesn't have, so that a misspelt key is found
    before a run starts."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        schema = of(args[0], closed=closed)
        for extra in args[1:]:
            schema.update({"description": extra} if isinstance(extra, str) else extra)
        return schema
    if kind in _NAMES:
        return {"type": _NAMES[kind]}
    if kind is Any or kind is object:
        return {}
    if origin is Literal:
        return {"enum": list(args)}
    if origin in (Union, types.UnionType):
        return _union([of(arg, closed=closed) for arg in args])
    if origin is list or kind is list:
        return {"type": "array", "items": of(args[0], closed=closed)} if args else {"type": "array"}
    if origin is dict or kind is dict:
        return {"type": "object", "additionalProperties": of(args[1], closed=closed)} if args else {"type": "object"}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, closed)
    raise TypeError(f"no JSON Schema is known for {kind!r}: use a dataclass, or one of the types in shiro_step.schema")


def _union(schemas: list[Schema]) -> Schema:
    # {"type": ["string", "null"]} reads better than anyOf where it says the same.
    if all(schema.keys() == {"type"} and isinstance(schema["type"], str) for schema in schemas):
        return {"type": [schema["type"] for schema in schemas]}
    return {"anyOf": schemas}


def _dataclass(kind: Any, closed: bool) -> Schema:
    hints = get_type_hints(kind, include_extras=True)
    properties, required = {}, []
    for field in dataclasses.fields(kind):
        schema = of(hints[field.name], closed=closed)
        default = _default(field)
        if default is dataclasses.MISSING:
            required.append(field.name)
        elif default is not None:
            schema["default"] = plain(default)
        properties[field.name] = schema
    schema = {"type": "object", "properties": properties, "required": required}
    return {**schema, "additionalProperties": False} if closed else schema


def _default(field: Any) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def build(kind: Any, value: Any) -> Any:
    """The value of a type that JSON stands for. The host has checked it against the schema."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return build(args[0], value)
    if origin in (Union, types.UnionType):
        fitting = [arg for arg in args if dataclasses.is_dataclass(arg) or isinstance(arg, type) and issubclass(arg, Enum)]
        return build(fitting[0], value) if len(fitting) == 1 and not isinstance(value, type(None)) else value
    if origin is list and isinstance(value, list):
        return [build(args[0], item) for item in value]
    if origin is dict and isinstance(value, dict):
        return {name: build(args[1], item) for name, item in value.items()}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise TypeError(f"expected an object, found {type(value).__name__}")
        hints = get_type_hints(kind, include_extras=True)
        return kind(**{name: build(hints.get(name, Any), item) for name, item in value.items()})
    return value


def plain(value: Any) -> Any:
    """What JSON holds of a value."""
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
