# SPDX-License-Identifier: GPL-3.0-or-later
"""Values read from JSON, held against type annotations. What arrives from outside is never converted, only accepted
or refused.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field
from typing import Any, Literal, Union, get_args, get_origin

_WORDS: Mapping[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
    Any: "anything",
}


def fits(value: object, hint: Any) -> bool:
    """Whether a JSON value is of this type: str, int, float, bool, None, Literal, Mapping, tuple (a JSON list), or a
    union of them.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in arguments)
    if origin in (Union, types.UnionType):
        return any(fits(value, argument) for argument in arguments)
    if origin is Mapping:
        key_hint, value_hint = arguments
        return isinstance(value, dict) and all(fits(k, key_hint) and fits(v, value_hint) for k, v in value.items())
    if origin is tuple:
        hints = arguments[:1] * len(value) if Ellipsis in arguments and isinstance(value, list) else arguments
        return isinstance(value, list) and len(value) == len(hints) and all(map(fits, value, hints))
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint or hint is Any


def describe(hint: Any) -> str:
    """The type in words, for "it must be …"."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin in (Union, types.UnionType):
        return " or ".join(describe(argument) for argument in arguments)
    if origin is Mapping:
        return f"an object whose keys are {describe(arguments[0])} and whose values are {describe(arguments[1])}"
    if origin is tuple:
        count = "" if Ellipsis in arguments else f"{len(arguments)} entries, "
        return f"a list of {count}each {describe(arguments[0])}"
    return _WORDS[hint]


def is_required(item: Field[Any]) -> bool:
    """Whether a document must have this member."""
    return item.default is MISSING and item.default_factory is MISSING
