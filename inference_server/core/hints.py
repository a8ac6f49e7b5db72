# SPDX-License-Identifier: GPL-3.0-or-later
"""Values read from JSON, held against type annotations. What arrives from outside is never converted, only accepted
or refused.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
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
    """Whether a JSON value is of this type: str, int, float, bool, None, Literal, Mapping, or a union of them."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in arguments)
    if origin in (Union, types.UnionType):
        return any(fits(value, argument) for argument in arguments)
    if origin is Mapping:
        key_hint, value_hint = arguments
        return isinstance(value, dict) and all(fits(k, key_hint) and fits(v, value_hint) for k, v in value.items())
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
    return _WORDS[hint]
